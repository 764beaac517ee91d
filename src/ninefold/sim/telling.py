"""Tell a trace to people: what matters, once, in the order in which it happened.

One function renders; nothing here looks at a log. Times are whole seconds since the step began, and
left out below one second: what must be exact is demanded by `expect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.instants import Instant, Millis
    from ninefold.sim.world import Line

# What a reader of a failure story wants to know. Links, tokens and probes are the way, not the story.
TOLD: Final = frozenset(
    [
        "answer",
        "changed",
        "declared-dead",
        "died",
        "failed",
        "fence-failed",
        "fence-report-void",
        "fenced",
        "fencing",
        "halted",
        "keys",
        "keys-not-saved",
        "keys-refused",
        "membership",
        "migrated",
        "not-converging",
        "demoted",
        "peer-paused",
        "power",
        "promoted",
        "reload",
        "reloaded",
        "self-fence",
        "started",
        "stopped",
        "stopping",
        "store-failed",
        "sync-timeout",
        "violation",
    ]
)

# What several nodes say within this time is one thing seen by several.
SAME_MS: Final[Millis] = 500

# A membership that is replaced this soon at the same node was only on the way.
PASSING_MS: Final[Millis] = 1000


def tell(lines: Sequence[Line], since: Instant) -> list[str]:
    """Return the story of a part of the trace that began at `since`."""
    wanted = [line for line in _settled(lines) if line.what in TOLD]
    told: list[tuple[Line, list[str]]] = []
    for line in wanted:
        for first, who in told:
            same = (first.what, first.text) == (line.what, line.text)
            if same and line.at - first.at <= SAME_MS and line.who not in who:
                who.append(line.who)
                break
        else:
            told.append((line, [line.who]))
    return [_sentence(line, who, since) for line, who in told]


def _settled(lines: Sequence[Line]) -> list[Line]:
    """Leave out memberships that were only on the way to the next."""
    kept: list[Line] = []
    for index, line in enumerate(lines):
        passing = line.what == "membership" and any(
            later.who == line.who and later.what == "membership"
            for later in lines[index + 1 :]
            if later.at - line.at <= PASSING_MS
        )
        if not passing:
            kept.append(line)
    return kept


def _sentence(line: Line, who: list[str], since: Instant) -> str:
    text = line.text
    if line.what in ("peer-paused", "sync-timeout"):
        text = f"{text} ({line.fields.get('nodes', '')})"
    seconds = (line.at - since + 500) // 1000
    time = f"{seconds:3d}s " if seconds else "     "
    return f"{time}{', '.join(sorted(who))}: {text}"
