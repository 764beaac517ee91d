from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ninefold.drill.outage import PERIOD_GAP_S, Attempt, answered_by_two, answers, outage

# Quarters of a second as floats are exact, so gaps can be compared for equality.
SECONDS = st.integers(min_value=0, max_value=80).map(lambda n: n / 4)
ATTEMPTS = st.lists(
    st.builds(
        lambda start, took, ok, host: Attempt(start, start + took, ok, host if ok else ""),
        SECONDS,
        st.integers(min_value=0, max_value=4).map(lambda n: n / 4),
        st.booleans(),
        st.sampled_from("abc"),
    ),
    max_size=12,
)


def slow_gap(attempts: list[Attempt], since: float) -> float | None:
    """Return the longest time without an answer that ended at or after `since`, by trying all pairs."""
    ends = [attempt.end_s for attempt in attempts if attempt.ok]
    if not any(end >= since for end in ends):
        return None
    if not any(end < since for end in ends):
        ends.append(since)
    gaps = [
        later - earlier
        for earlier in ends
        for later in ends
        if earlier <= later >= since and not any(earlier < end < later for end in ends)
    ]
    return max(gaps)


@given(ATTEMPTS, SECONDS)
def test_the_outage_is_the_longest_silence(attempts: list[Attempt], since: float) -> None:
    seen = outage(attempts, since)
    expected = slow_gap(attempts, since)

    if seen is None:
        assert expected is None
    else:
        assert seen.gap_s == expected
        assert seen.from_event_s == seen.first_good_s - since >= 0
        assert seen.now in {a.host for a in attempts if a.ok and a.end_s == seen.first_good_s}
        assert seen.failed == sum(not a.ok and a.start_s >= since for a in attempts)


def slow_two(attempts: list[Attempt]) -> bool:
    """Say whether a host answered a request sent after another host's answer, within one period."""
    good = answers(attempts)
    for before in good:
        for between in good:
            for after in good:
                same = before.host == after.host != between.host
                if same and before.end_s <= between.end_s < after.start_s:
                    own = sorted(
                        a.end_s
                        for a in good
                        if a.host == before.host and before.end_s <= a.end_s <= after.end_s
                    )
                    steps = itertools.pairwise(own)
                    if all(later - earlier <= PERIOD_GAP_S for earlier, later in steps):
                        return True
    return False


@given(ATTEMPTS)
def test_two_at_once_are_found_exactly_when_there_are_two(attempts: list[Attempt]) -> None:
    assert bool(answered_by_two(attempts)) == slow_two(attempts)
