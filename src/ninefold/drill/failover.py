"""A failover drill judged: the client's downtime, split by phase, and whether it was safe.

Facts in, verdict out: the client's attempts, the nodes' events and the power switch's own record.
All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from ninefold.drill.outage import Overlap, answered_by_two, answers, outage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.drill.outage import Attempt


class Seen(msgspec.Struct, frozen=True):
    """An event of a node's log, at a time of the drill's clock."""

    at_s: float
    node: str
    what: str
    text: str
    fields: dict[str, str] = {}


class Fencing(msgspec.Struct, frozen=True):
    """The power switch's record: `target` was off for certain at `done_s`, on behalf of `by`."""

    done_s: float
    by: str
    target: str
    ok: bool


class FailoverReport(msgspec.Struct, frozen=True):
    """What a drill proves. `phases` are consecutive and add up to `downtime_s`.

    `problems` is empty if the service came back elsewhere, the crashed node was fenced first, and no
    two nodes ever answered.
    """

    crashed: str
    took_over: str
    downtime_s: float
    gap_s: float
    failed_requests: int
    phases: dict[str, float]
    fenced_before_start: bool
    answered_by_two: tuple[Overlap, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Was it as it must be?"""
        return not self.problems

    @property
    def downtime(self) -> Fraction:
        """The client's downtime in seconds."""
        return Fraction(round(self.downtime_s * 1000), 1000)


# What ends each phase of a failover, in order, by the event that says so.
PHASES = (
    ("detection", "token-lost"),
    ("membership", "membership"),
    ("fencing", "fenced"),
    ("start", "started"),
)


def judge(
    crashed: str,
    at_s: float,
    attempts: Sequence[Attempt],
    events: Sequence[Seen],
    fencings: Sequence[Fencing],
) -> FailoverReport:
    """Return the verdict on the crash of `crashed` at `at_s`."""
    problems = []
    found = outage(attempts, at_s)
    later = [event for event in events if event.at_s >= at_s and event.node != crashed]
    if found is None or not found.now:
        problems.append("the service never answered again")
    elif found.now == crashed:
        problems.append(f"{crashed} itself answered again: it did not move")
    overlaps = answered_by_two(attempts)
    if overlaps:
        problems.append("two nodes answered at once")
    starts = [event.at_s for event in later if event.what == "started" and not _device(event)]
    fenced = [fencing.done_s for fencing in fencings if fencing.target == crashed and fencing.ok]
    fenced = [done_s for done_s in fenced if done_s >= at_s]
    first = bool(fenced) and bool(starts) and min(fenced) <= min(starts)
    if not fenced:
        problems.append(f"{crashed} was never fenced")
    elif starts and not first:
        problems.append(f"something started elsewhere before {crashed} was fenced")
    return FailoverReport(
        crashed,
        "" if found is None else found.now,
        0.0 if found is None else round(found.from_event_s, 4),
        0.0 if found is None else round(found.gap_s, 4),
        0 if found is None else found.failed,
        {} if found is None else _phases(at_s, later, found.first_good_s),
        first,
        overlaps,
        tuple(problems),
    )


def _device(event: Seen) -> bool:
    """Is it the start of a fence device, which runs nothing that could be run twice?"""
    return event.fields.get("class") == "stonith"


def _phases(at_s: float, events: Sequence[Seen], answered_s: float) -> dict[str, float]:
    """Return the length of each phase; one that no event marks is part of the next."""
    phases: dict[str, float] = {}
    began = at_s
    for phase, what in PHASES:
        times = [event.at_s for event in events if event.what == what and event.at_s >= began]
        times = [time for time in times if time <= answered_s]
        if not times:
            continue
        # The last start before the first answer is the one the client waited for.
        ended = max(times) if what == "started" else min(times)
        phases[phase] = round(ended - began, 4)
        began = ended
    phases["answer"] = round(max(0.0, answered_s - began), 4)
    return phases


def good_hosts(attempts: Sequence[Attempt], since_s: float) -> list[str]:
    """Return the hosts that have answered since then, each once, in order."""
    return list(dict.fromkeys(a.host for a in answers(attempts) if a.end_s >= since_s))
