"""What a client's requests say about a service: how long it was gone, and whether two gave it.

Pure arithmetic over a list of attempts. Times are seconds of CLOCK_MONOTONIC. An answer counts at
the moment at which it was complete: only then did the client have it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Answers of one host that are no further apart than this belong to one period of service. A stop
# and a start elsewhere take longer than a tenth of a second (two agents each); a service that
# really moved there and back within this time would be taken for two at once.
PERIOD_GAP_S: Final = 0.25


class Attempt(msgspec.Struct, frozen=True):
    """One request: `ok` if it was answered with status 200, `host` who answered (empty if none)."""

    start_s: float
    end_s: float
    ok: bool
    host: str = ""


class Outage(msgspec.Struct, frozen=True):
    """The longest gap between good answers that ended after an event.

    `gap_s` is between the answers; `from_event_s` from the event to `first_good_s`, the first good
    answer after the gap. `failed` counts the attempts started after the event that failed. `was`
    and `now` are the hosts that answered before and after the gap; `was` is empty without a before.
    """

    gap_s: float
    from_event_s: float
    first_good_s: float
    failed: int
    was: str
    now: str


class Overlap(msgspec.Struct, frozen=True, order=True):
    """Two hosts answered in the same period: `second` began at `at_s`, and `first` went on."""

    at_s: float
    first: str
    second: str


class Summary(msgspec.Struct, frozen=True):
    """What one run of the client saw, for people and programs."""

    attempts: int
    failed: int
    longest_gap_s: float
    answers: dict[str, int]
    overlaps: tuple[Overlap, ...]


def answers(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Return the good ones, in the order in which they were complete."""
    return sorted(
        (attempt for attempt in attempts if attempt.ok),
        key=lambda attempt: (attempt.end_s, attempt.start_s, attempt.host),
    )


def outage(attempts: Sequence[Attempt], since_s: float) -> Outage | None:
    """Return the outage after an event at `since_s`; `None` if no good answer came after it."""
    good = answers(attempts)
    after = [attempt for attempt in good if attempt.end_s >= since_s]
    if not after:
        return None
    failed = sum(1 for attempt in attempts if not attempt.ok and attempt.start_s >= since_s)
    # Without an answer before the event the gap is counted from the event.
    before = good[: len(good) - len(after)][-1:]
    edge = before or [Attempt(since_s, since_s, ok=True)]
    last, first = max(
        pairwise([*edge, *after]), key=lambda pair: (pair[1].end_s - pair[0].end_s, -pair[1].end_s)
    )
    return Outage(
        gap_s=first.end_s - last.end_s,
        from_event_s=first.end_s - since_s,
        first_good_s=first.end_s,
        failed=failed,
        was=last.host,
        now=first.host,
    )


def answered_by_two(
    attempts: Iterable[Attempt], *, period_gap_s: float = PERIOD_GAP_S
) -> tuple[Overlap, ...]:
    """Return each pair of hosts that served at once, in order of time; empty is as it must be.

    A host serves from its first answer of a period to the *start* of its last request: a request that
    was under way when the service moved may be read late, one that was sent later may not.
    """
    found = []
    periods = _periods(attempts, period_gap_s)
    for index, (host, _, until_s) in enumerate(periods):
        for other, other_began_s, _ in periods[index + 1 :]:
            if other_began_s >= until_s:
                break
            if other != host:
                found.append(Overlap(other_began_s, host, other))
    return tuple(sorted(found))


def summary(attempts: Sequence[Attempt]) -> Summary:
    """Return what the client saw from its first attempt to its last."""
    good = answers(attempts)
    counts = dict.fromkeys(sorted({attempt.host for attempt in good}), 0)
    for attempt in good:
        counts[attempt.host] += 1
    # The time before the first answer and after the last is part of what the client saw.
    edges = [*(a.start_s for a in attempts[:1]), *(a.end_s for a in good)]
    edges += [attempts[-1].end_s] if attempts else []
    gaps = [later - earlier for earlier, later in pairwise(sorted(edges))]
    return Summary(
        attempts=len(attempts),
        failed=len(attempts) - len(good),
        longest_gap_s=max(gaps, default=0.0),
        answers=counts,
        overlaps=answered_by_two(attempts),
    )


def _periods(attempts: Iterable[Attempt], gap_s: float) -> list[tuple[str, float, float]]:
    """Return (host, first answer, start of the last request answered), by the first answer."""
    open_periods: dict[str, tuple[float, float, float]] = {}
    done: list[tuple[str, float, float]] = []
    for attempt in answers(attempts):
        period = open_periods.get(attempt.host)
        if period is not None and attempt.end_s - period[2] <= gap_s:
            began_s, until_s, _ = period
            until_s = max(until_s, attempt.start_s)
        else:
            if period is not None:
                done.append((attempt.host, period[0], period[1]))
            began_s = until_s = attempt.end_s
        open_periods[attempt.host] = (began_s, until_s, attempt.end_s)
    done += [(host, began, until) for host, (began, until, _) in open_periods.items()]
    return sorted(done, key=lambda period: (period[1], period[0]))
