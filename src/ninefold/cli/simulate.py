"""`ninefold simulate`: what the cluster of a document would do, without a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from lxml import etree

from ninefold.cli.documents import (
    DocumentArgument,
    NowOption,
    SocketOption,
    document,
    moment,
    refuse_document,
)
from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, fail, show_json
from ninefold.cli.survive import what_if
from ninefold.core.findings import Finding, Severity
from ninefold.forecast import events as ev
from ninefold.forecast import opspec, summary
from ninefold.forecast.execute import ROUNDS_MAX, Round, execute, idle, settle
from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml, score_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Transition


T = TypeVar("T")


def _many(*names: str, text: str, metavar: str) -> Any:
    return typer.Option(*names, help=text, metavar=metavar)


Up = Annotated[list[str] | None, _many("--node-up", "-u", text="A node joins.", metavar="NODE")]
Down = Annotated[
    list[str] | None, _many("--node-down", "-d", text="A node leaves cleanly.", metavar="NODE")
]
Lost = Annotated[
    list[str] | None, _many("--node-fail", "-f", text="A node is lost.", metavar="NODE")
]
Inject = Annotated[
    list[str] | None,
    _many(
        "--op-inject",
        "-i",
        text="An operation has ended so: RSC_TASK_INTERVAL@NODE=RC.",
        metavar="OPERATION",
    ),
]
Failing = Annotated[
    list[str] | None,
    _many(
        "--op-fail",
        "-F",
        text="If the operation is carried out, it ends so; that ends the transition.",
        metavar="OPERATION",
    ),
]
Grant = Annotated[
    list[str] | None, _many("--ticket-grant", "-g", text="A ticket is granted.", metavar="TICKET")
]
Revoke = Annotated[
    list[str] | None, _many("--ticket-revoke", "-r", text="A ticket is revoked.", metavar="TICKET")
]
Standby = Annotated[
    list[str] | None,
    _many("--ticket-standby", "-b", text="A ticket is put in standby.", metavar="TICKET"),
]
Activate = Annotated[
    list[str] | None,
    _many("--ticket-activate", "-e", text="A ticket leaves standby.", metavar="TICKET"),
]
WhatIf = Annotated[
    list[str] | None,
    _many(
        "--what-if",
        text="Say what becomes of the services if this happens: 'node n2 down', 'resource db fails', "
        "'device f fails', 'quorum lost'. Other events do not count then.",
        metavar="EVENT",
    ),
]
QuorumOption = Annotated[
    bool | None, typer.Option("--quorum/--no-quorum", "-q", help="Whether there is quorum.")
]

GraphFile = Annotated[
    Path | None,
    typer.Option("--graph", "-G", help="Write the transition graph (XML).", metavar="FILE"),
]
ScoresFile = Annotated[
    Path | None,
    typer.Option("--scores", help="Write the scores, as crm_simulate -s does.", metavar="FILE"),
]
SummaryFile = Annotated[
    Path | None,
    typer.Option("--summary", help="Write what is printed without --json.", metavar="FILE"),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--save-output", "-O", help="Write the document after it all.", metavar="FILE"),
]


def simulate(
    file: DocumentArgument = None,
    *,
    now: NowOption = None,
    node_up: Up = None,
    node_down: Down = None,
    node_fail: Lost = None,
    op_inject: Inject = None,
    op_fail: Failing = None,
    quorum: QuorumOption = None,
    ticket_grant: Grant = None,
    ticket_revoke: Revoke = None,
    ticket_standby: Standby = None,
    ticket_activate: Activate = None,
    what: WhatIf = None,
    to_settle: Annotated[
        bool, typer.Option("--settle", help="Decide again until nothing is left to do.")
    ] = False,
    graph: GraphFile = None,
    scores: ScoresFile = None,
    summary_file: SummaryFile = None,
    save_output: OutputFile = None,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Show what a cluster would do: state, decision, its execution, and the state after it.

    FILE is a CIB; without it the running cluster's document is taken. Nothing real is touched.
    """
    root, source = document(file, socket)
    at = moment(now, root)
    if what:
        what_if(root, what, at, as_json=json)
        return
    specs, findings = _specs([*(op_inject or []), *(op_fail or [])])
    told: list[ev.Event] = [
        *_each(ev.NodeUp, node_up),
        *_each(ev.NodeDown, node_down),
        *_each(ev.NodeFail, node_fail),
        *_each(ev.Quorum, None if quorum is None else [quorum]),
        *_tickets(ticket_grant, ticket_revoke, ticket_standby, ticket_activate),
        *(ev.OperationResult(specs[text]) for text in op_inject or [] if text in specs),
    ]
    failing = [specs[text] for text in op_fail or [] if text in specs]
    findings += ev.problems(root, [*told, *map(ev.OperationResult, failing)])
    if findings:
        refuse_document(findings, as_json=json)
    ev.inject(root, told, at)
    rounds, final, end = _run(root, at, failing, to_settle=to_settle)
    first = rounds[0].transition
    printed = summary.text(
        summary.state_lines(root, first), *_middle(rounds), summary.state_lines(end, final)
    )
    _save(graph, lambda: graph_xml(first, _node_ids(root)))
    _save(scores, lambda: "".join(f"{line}\n" for line in score_lines(first)))
    _save(summary_file, lambda: printed)
    _save(save_output, lambda: _xml(end))
    data = _data(at, rounds, final) | {"source": source} if json else None
    _tell(printed, data)
    _warn(first, unsettled=to_settle and not idle(final))


def _tell(printed: str, data: dict[str, Any] | None) -> None:
    if data is None:
        sys.stdout.write(printed)
    else:
        show_json(data)


def _warn(first: Transition, *, unsettled: bool) -> None:
    for warning in first.warnings:
        complaints.print(f"warning: {warning}", markup=False)
    if unsettled:
        fail(f"There is still something to do after {ROUNDS_MAX} transitions.", REFUSED)


def _tickets(
    grant: list[str] | None,
    revoke: list[str] | None,
    standby: list[str] | None,
    activate: list[str] | None,
) -> list[ev.Event]:
    return [
        *_each(lambda name: ev.TicketChange(name, granted=True), grant),
        *_each(lambda name: ev.TicketChange(name, granted=False), revoke),
        *_each(lambda name: ev.TicketChange(name, standby=True), standby),
        *_each(lambda name: ev.TicketChange(name, standby=False), activate),
    ]


def _each(event: Callable[[T], ev.Event], values: list[T] | None) -> list[ev.Event]:
    return [event(value) for value in values or []]


def _specs(texts: list[str]) -> tuple[dict[str, opspec.OpSpec], list[Finding]]:
    specs, findings = {}, []
    for text in texts:
        spec = opspec.parse(text)
        if spec is not None:
            specs[text] = spec
            continue
        findings.append(
            Finding(
                "bad-operation",
                Severity.ERROR,
                f"operation {text}",
                "It does not have the form RSC_TASK_INTERVAL@NODE=RC.",
                "Write, for example, db_monitor_10000@n1=7: the interval in milliseconds.",
            )
        )
    return specs, findings


def _run(
    root: Element, now: int, failing: list[opspec.OpSpec], *, to_settle: bool
) -> tuple[list[Round], Transition, Element]:
    """Return the transitions with what came of them, the decision after them, and the document."""
    if to_settle:
        story = settle(root, now, failing)
        if story.rounds:
            return list(story.rounds), story.final, story.document
    transition = schedule_document(root, now)
    execution = execute(root, transition, now, failing)
    after = schedule_document(execution.document, now)
    return [Round(transition, execution)], after, execution.document


def _middle(rounds: list[Round]) -> tuple[list[str], list[str]]:
    """Return decisions and steps of all transitions; a blank line between two of them."""
    decision: list[str] = []
    steps: list[str] = []
    for number, one in enumerate(rounds):
        if number:
            decision.append("")
            steps.append("")
        decision += summary.decision_lines(one.transition)
        steps += summary.step_lines(one.execution.steps)
        for action in one.execution.stuck:
            steps.append(f"  * Not reached:     {action.key}")
    return decision, steps


def _data(now: int, rounds: list[Round], final: Transition) -> dict[str, Any]:
    first = rounds[0].transition
    return {
        "now": now,
        "decision": msgspec.to_builtins(first),
        "transitions": [
            {
                "steps": [{"key": step.action.key, "node": step.action.node, "rc": step.rc}
                          for step in one.execution.steps],
                "not_reached": [action.key for action in one.execution.stuck],
            }
            for one in rounds
        ],
        "after": {
            "nodes": msgspec.to_builtins(final.nodes),
            "placements": msgspec.to_builtins(final.placements),
            "left_to_do": [action.key for action in final.actions],
        },
        "settled": idle(final),
    }  # fmt: skip


def _node_ids(root: Element) -> dict[str, str]:
    nodes = root.iterfind("configuration/nodes/node")
    states = root.iterfind("status/node_state")
    return {one.get("uname", ""): one.get("id", "") for one in (*states, *nodes)}


def _xml(document: Element) -> str:
    return etree.tostring(document, pretty_print=True).decode()


def _save(path: Path | None, make: Callable[[], str]) -> None:
    if path is None:
        return
    try:
        # Parameters of agents hold passwords: for nobody else.
        path.touch(mode=0o600)
        path.write_text(make())
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}.", USAGE)
