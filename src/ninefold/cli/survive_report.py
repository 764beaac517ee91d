"""What `ninefold survive` prints: a table of the services, then what takes any of them down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ninefold.forecast.faults import Voters
    from ninefold.forecast.survive import Loss, Outcome, Survey

# So many services are named that are lost for one reason; `--json` names all.
_NAMES_MAX: Final = 8
_NEVER: Final = "survives all"


def report(
    survey: Survey, alone: Sequence[Outcome], pairs: Sequence[Outcome] | None, voters: Voters | None
) -> Iterator[str]:
    """Yield the lines; `pairs` are those that take something down, `None` if none were tried."""
    count = len(survey.faults)
    tried = "" if pairs is None else f" and {count * (count - 1) // 2} pairs of them"
    yield f"{count} single faults{tried}; {len(survey.services)} services run."
    yield ""
    yield from _table(survey.services, alone, pairs)
    yield from _downs("One fault that takes services down for good:", alone)
    if pairs:
        heading = "Two faults together that take services down for good, which neither does alone:"
        yield from _downs(heading, pairs)
    yield ""
    yield f"{_votes(voters)} Times are sums of timeouts after the fault has been noticed."


def _table(
    services: Sequence[str], alone: Sequence[Outcome], pairs: Sequence[Outcome] | None
) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [
        ("service", "single faults", "" if pairs is None else "pairs", "back within")
    ]
    for name in services:
        bounds = [o.length_ms for one in alone for o in one.outages if o.service == name]
        longest = max((one for one in bounds if one is not None), default=0)
        single = _verdict(name, alone)
        both = "" if pairs is None else _verdict(name, pairs)
        if both == _NEVER != single:
            both = "no others"
        back = f"{seconds(longest)} at most" if longest else "never down"
        if not longest and any(one is None for one in bounds):
            back = "-"
        rows.append((name, single, both, back))
    rows = _gathered(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        yield f"  {'  '.join(cells)}".rstrip()


def _gathered(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Let services with the same fate share a row if there are many."""
    if len(rows) <= 2 * _NAMES_MAX:
        return rows
    fates: dict[tuple[str, ...], list[str]] = {}
    for name, *fate in rows:
        fates.setdefault(tuple(fate), []).append(name)
    return [(_names(names), *fate) for fate, names in fates.items()]


def _verdict(name: str, outcomes: Sequence[Outcome]) -> str:
    count = sum(any(loss.service == name for loss in one.lost) for one in outcomes)
    return f"{count} take it down" if count > 1 else "1 takes it down" if count else _NEVER


def _downs(heading: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    fatal = [one for one in outcomes if one.lost]
    if not fatal:
        return
    yield ""
    yield heading
    for one in fatal:
        yield ""
        yield f"  {' and '.join(map(str, one.faults))}"
        for why, names in _reasons(one.lost).items():
            yield f"    not back: {_names(names)}. {why}"
        chain = one.chain[len(one.faults) :]
        yield f"    what happens: {' '.join(chain) or 'nothing is done.'}"


def _reasons(lost: Sequence[Loss]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for loss in lost:
        found.setdefault(loss.why, []).append(loss.service)
    return found


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMES_MAX:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMES_MAX])} and {len(names) - _NAMES_MAX} others"


def _votes(voters: Voters | None) -> str:
    if voters is None:
        return "Quorum is taken as one vote for each configured node, two_node with two."
    votes = ", ".join(f"{node} {count}" for node, count in voters.votes.items())
    two = ", two_node" if voters.two_node else ""
    return f"Votes as in the running cluster: {votes} ({voters.expected} expected{two})."


def seconds(length_ms: int) -> str:
    """Write a length of time."""
    return f"{length_ms / 1000:g} s"
