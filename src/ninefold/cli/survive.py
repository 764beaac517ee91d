"""`ninefold survive` and the answer to `simulate --what-if`: what becomes of the services."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ninefold.api.client import Client
from ninefold.cli.documents import DocumentArgument, NowOption, document, moment, refuse_document
from ninefold.cli.out import REFUSED, JsonFlag, SocketOption, ask, console, show_json
from ninefold.cli.surveyed import count_pairs, surveyed
from ninefold.cli.survive_report import report, seconds
from ninefold.core.findings import Finding
from ninefold.forecast.faults import Voters, parse_fault
from ninefold.forecast.survive import Survey, at_rest, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.forecast.survive import Outcome

# New containers between two searches for garbage: a decision about a part makes some thousands, which
# are garbage as soon as it is over; see `main` for the whole.
_GARBAGE = 50_000

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
    root, _ = document(file, socket, as_json=json)
    at = moment(now, root)
    voters = None if file is not None else voters_of_running(socket)
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    survey = Survey(at_rest(root, at), at, voters)
    alone, pairs = surveyed(survey, double=not single)
    if json:
        data = {"now": at, "services": survey.services, "faults": len(survey.faults)}
        data["pairs"] = 0 if single else count_pairs(survey)
        show_json({**data, "outcomes": msgspec.to_builtins([*alone, *pairs])})
    else:
        for line in report(survey, alone, None if single else pairs, voters):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(one.lost for one in alone):
        raise typer.Exit(REFUSED)


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
