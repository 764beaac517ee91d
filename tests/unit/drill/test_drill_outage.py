from __future__ import annotations

import pytest

from ninefold.drill.outage import Attempt, Overlap, answered_by_two, outage, summary
from ninefold.drill.probe import aim


def good(host: str, start: float, took: float = 0.001) -> Attempt:
    return Attempt(start, start + took, ok=True, host=host)


def bad(start: float, took: float = 0.2) -> Attempt:
    return Attempt(start, start + took, ok=False)


def test_a_failover_is_the_gap_between_the_last_answer_and_the_next() -> None:
    attempts = [good("a", 0.0, 0.0), good("a", 1.0, 0.0), bad(1.5), bad(2.0), good("b", 3.0, 0.25)]

    seen = outage(attempts, since_s=1.25)

    assert seen is not None
    assert (seen.gap_s, seen.from_event_s, seen.first_good_s) == (2.25, 2.0, 3.25)
    assert (seen.was, seen.now, seen.failed) == ("a", "b", 2)


def test_answers_that_trickle_in_after_the_crash_do_not_hide_the_gap() -> None:
    attempts = [good("a", 1.0), good("a", 1.01, 0.05), bad(1.1), good("b", 2.0)]

    seen = outage(attempts, since_s=1.02)

    assert seen is not None
    assert seen.was == "a"
    assert seen.now == "b"
    assert seen.gap_s == pytest.approx(2.001 - 1.06)


def test_a_service_that_never_came_back_has_no_outage_yet() -> None:
    assert outage([good("a", 0.0), bad(1.0), bad(2.0)], since_s=0.5) is None
    assert outage([], since_s=0.0) is None


def test_without_an_answer_before_the_event_the_gap_is_counted_from_it() -> None:
    seen = outage([bad(0.0), good("a", 2.0, 0.0)], since_s=0.5)

    assert seen is not None
    assert (seen.gap_s, seen.was, seen.now) == (1.5, "", "a")


def test_a_clean_move_is_answered_by_one_at_a_time() -> None:
    attempts = [good("a", n / 200) for n in range(100)] + [good("b", 1 + n / 200) for n in range(9)]

    assert answered_by_two(attempts) == ()


def test_an_old_answer_that_is_read_late_is_no_violation() -> None:
    # Sent before the move, read after the new host's first answer.
    attempts = [good("a", 0.0), good("a", 0.01, 0.2), good("b", 0.15)]

    assert answered_by_two(attempts) == ()


def test_moving_there_and_back_is_no_violation() -> None:
    attempts = [good("a", 0.0), good("b", 1.0), good("a", 2.0), good("b", 3.0)]

    assert answered_by_two(attempts) == ()


def test_two_hosts_that_answer_in_turn_are_found() -> None:
    attempts = [good("a", 0.0, 0.0), good("b", 0.125, 0.0), good("a", 0.25, 0.0)]

    assert answered_by_two(attempts) == (Overlap(0.125, "a", "b"),)


def test_a_summary_counts_the_time_before_the_first_and_after_the_last_answer() -> None:
    seen = summary([bad(0.0, 0.5), good("a", 2.0, 0.0), good("b", 2.5, 0.0), bad(6.0, 0.5)])

    assert seen.longest_gap_s == 4.0
    assert (seen.attempts, seen.failed, seen.answers) == (4, 2, {"a": 1, "b": 1})
    assert summary([]).longest_gap_s == 0.0


@pytest.mark.parametrize(
    ("url", "address", "port", "path"),
    [
        ("http://10.77.0.100", "10.77.0.100", 80, "/"),
        ("10.77.0.100:8080/x?y=1", "10.77.0.100", 8080, "/x?y=1"),
        ("http://[fd00::1]:81/", "fd00::1", 81, "/"),
    ],
)
def test_a_url_is_an_aim(url: str, address: str, port: int, path: str) -> None:
    found = aim(url)

    assert (found.address, found.port, found.path) == (address, port, path)


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "http://", ""])
def test_what_the_client_cannot_ask_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="The client asks"):
        aim(url)
