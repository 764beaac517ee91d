"""`ninefold survive` and the answer to `simulate --what-if`: what becomes of the services."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from lxml import etree

from ninefold.api.client import Client
from ninefold.cli.documents import DocumentArgument, NowOption, document, moment, refuse_document
from ninefold.cli.out import REFUSED, JsonFlag, SocketOption, ask, complaints, console, show_json
from ninefold.core.findings import Finding
from ninefold.forecast.faults import Voters, parse_fault
from ninefold.forecast.outage import services
from ninefold.forecast.survive import at_rest, every, judge, judge_text, minimal
from ninefold.scheduler import schedule_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.forecast.faults import Fault
    from ninefold.forecast.survive import Outcome

# Below this many faults, starting processes takes longer than the work.
_ALONE_MAX = 40

SingleFlag = Annotated[bool, typer.Option("--single", help="No pairs of faults.")]


def survive(
    file: DocumentArgument = None,
    *,
    single: SingleFlag = False,
    now: NowOption = None,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Try all single and double faults: which services survive, and why the others do not.

    Nodes are lost, resources fail where they run, fence devices fail. Ends with 1 if a single
    fault takes a service down for good.
    """
    root, _ = document(file, socket)
    at = moment(now, root)
    rested = at_rest(root, at)
    names = [one.name for one in services(rested, schedule_document(rested, at))]
    outcomes = minimal(_judged(rested, every(rested, at, double=not single), at))
    fatal = any(one.lost for one in outcomes if len(one.faults) == 1)
    if json:
        show_json({"now": at, "services": names, "outcomes": msgspec.to_builtins(outcomes)})
    else:
        for line in report(names, outcomes):
            console.print(line, markup=False)
    if fatal:
        raise typer.Exit(REFUSED)


def _judged(root: Element, faults: list[tuple[Fault, ...]], now: int) -> Iterator[Outcome]:
    """Judge each, in order, on all cores; show a bar if somebody is looking."""
    xml = etree.tostring(root)
    cores = len(os.sched_getaffinity(0))
    if len(faults) <= _ALONE_MAX or cores == 1:
        yield from _watched((judge(root, one, now) for one in faults), len(faults))
        return
    with ProcessPoolExecutor(cores) as pool:
        count = len(faults)
        found = pool.map(judge_text, [xml] * count, faults, [now] * count, chunksize=8)
        yield from _watched(found, count)


def _watched(outcomes: Iterator[Outcome], count: int) -> Iterator[Outcome]:
    if not complaints.is_terminal:
        yield from outcomes
        return
    from rich.progress import track  # noqa: PLC0415 - only a terminal needs it

    yield from track(
        outcomes, description="faults", total=count, console=complaints, transient=True
    )


def report(names: list[str], outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the text: for each service what takes it down, then each chain of events."""
    single = [one for one in outcomes if len(one.faults) == 1]
    double = [one for one in outcomes if len(one.faults) > 1]
    yield f"{len(single)} single faults, {len(double)} pairs; {len(names)} services run."
    for name in names:
        yield ""
        alone = [one for one in single if _loses(one, name)]
        both = [one for one in double if _loses(one, name)]
        bounds = [o.length_ms for one in single for o in one.outages if o.service == name]
        longest = max((one for one in bounds if one is not None), default=0)
        if not alone and not both:
            kind = "all single and double faults" if double else "all single faults"
            yield f"{name} survives {kind}."
        elif not alone:
            yield f"{name} survives all single faults, and not {len(both)} pairs."
        else:
            yield f"{name} does not survive {len(alone)} single faults."
        if longest:
            yield f"  After a single fault it is back within {seconds(longest)} at most (timeouts)."
        for one in [*alone, *both]:
            yield f"  - {' and '.join(map(str, one.faults))}: {_reason(one, name)}"
            yield f"      {' '.join(one.chain)}"
    yield ""
    yield (
        "Quorum is taken as one vote for each configured node, two_node with two. Times are sums of"
        " timeouts after the fault has been noticed."
    )


def _loses(one: Outcome, name: str) -> bool:
    return any(loss.service == name for loss in one.lost)


def _reason(one: Outcome, name: str) -> str:
    return next(loss.why for loss in one.lost if loss.service == name)


def seconds(length_ms: int) -> str:
    """Write a length of time."""
    return f"{length_ms / 1000:g} s"


def voters_of_running(socket: str | None) -> Voters | None:
    """Return who votes in the running cluster; `None` if its node does not count votes itself."""
    told = ask(Client(socket).statistics)
    found, names = told.get("quorum"), told["names"]
    if not found:
        return None
    votes = {names.get(node, node): count for node, count in found["configured"].items()}
    votes |= {names.get(node, node): said["votes"] for node, said in found["members"].items()}
    members = sorted(found["members"], key=int)
    wanted = found["tie_breaker"]
    if wanted in {"lowest", "highest"}:
        first = members[:1] if wanted == "lowest" else members[-1:]
    else:
        first = [node for node in wanted.split() if node in members][:1]
    return Voters(
        votes,
        found["expected"] if found["provider"] else 0,
        two_node="two_node" in found["options"],
        tie_breaker=names.get(first[0], "") if first else "",
    )


def what_if(
    root: Element, phrases: list[str], now: int, *, as_json: bool, voters: Voters | None = None
) -> None:
    """Show what becomes of a cluster if all this happens at once."""
    rested = at_rest(root, now)
    read = [parse_fault(rested, phrase, now) for phrase in phrases]
    findings = [one for one in read if isinstance(one, Finding)]
    if findings:
        refuse_document(findings, as_json=as_json)
    faults = [one for one in read if not isinstance(one, Finding)]
    outcome = judge(rested, faults, now, voters)
    if as_json:
        data: dict[str, Any] = {"now": now, **msgspec.to_builtins(outcome)}
        show_json(data)
        return
    for line in told(outcome):
        console.print(line, markup=False)


def told(outcome: Outcome) -> Iterator[str]:
    """Yield the text: the events, what is down meanwhile, what does not come back."""
    yield f"If {' and '.join(map(str, outcome.faults))}:"
    yield ""
    yield from (f"  {event}" for event in outcome.chain[len(outcome.faults) :])
    if len(outcome.chain) == len(outcome.faults):
        yield "  nothing is done."
    yield ""
    end = f"All of it takes {seconds(outcome.longest_ms)} at most, after it has been noticed."
    yield end if outcome.settled else f"{end} Then something is left that cannot be done."
    meanwhile = [one for one in outcome.outages if one.until_ms is not None]
    if meanwhile:
        yield "Down meanwhile:"
    for one in meanwhile:
        length = one.length_ms or 0
        yield f"  {one.service}: {seconds(length)} at most, from {seconds(one.since_ms)} on"
    if outcome.lost:
        yield "Not back:"
    for loss in outcome.lost:
        yield f"  {loss.service}: {loss.why}"
    if not meanwhile and not outcome.lost:
        yield "Nothing is down meanwhile."
