"""`ninefold simulate`: what the cluster of a document would do, without a cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from lxml import etree

from ninefold.cli.answers import (
    REFUSED,
    USAGE,
    PlainJson,
    PlainSocket,
    complain,
    fail,
    show_json,
)
from ninefold.cli.documents import DocumentArgument, NowOption, document, moment, refuse_document
from ninefold.cli.line import Option
from ninefold.core.findings import Finding, Severity
from ninefold.forecast import events as ev
from ninefold.forecast import opspec, summary
from ninefold.forecast.execute import ROUNDS_MAX, Round, carry_out, idle, settle
from ninefold.scheduler import observe, observe_and_schedule, schedule_document
from ninefold.scheduler.export import graph_xml, score_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Transition


T = TypeVar("T")


Up = Annotated[list[str] | None, Option(("--node-up", "-u"), "A node joins.", "NODE")]
Down = Annotated[list[str] | None, Option(("--node-down", "-d"), "A node leaves cleanly.", "NODE")]
Lost = Annotated[list[str] | None, Option(("--node-fail", "-f"), "A node is lost.", "NODE")]
Inject = Annotated[
    list[str] | None,
    Option(
        ("--op-inject", "-i"), "An operation has ended so: RSC_TASK_INTERVAL@NODE=RC.", "OPERATION"
    ),
]
Failing = Annotated[
    list[str] | None,
    Option(
        ("--op-fail", "-F"),
        "If the operation is carried out, it ends so; that ends the transition.",
        "OPERATION",
    ),
]
Grant = Annotated[
    list[str] | None, Option(("--ticket-grant", "-g"), "A ticket is granted.", "TICKET")
]
Revoke = Annotated[
    list[str] | None, Option(("--ticket-revoke", "-r"), "A ticket is revoked.", "TICKET")
]
Standby = Annotated[
    list[str] | None,
    Option(("--ticket-standby", "-b"), "A ticket is put in standby.", "TICKET"),
]
Activate = Annotated[
    list[str] | None,
    Option(("--ticket-activate", "-e"), "A ticket leaves standby.", "TICKET"),
]
WhatIf = Annotated[
    list[str] | None,
    Option(
        ("--what-if",),
        "Say what becomes of the services if this happens: 'node n2 down', 'resource db fails', "
        "'device f fails', 'quorum lost'. It goes with no other event and writes no files.",
        "EVENT",
    ),
]
QuorumOption = Annotated[
    bool | None, Option(("--quorum/--no-quorum", "-q"), "Whether there is quorum.")
]

GraphFile = Annotated[
    Path | None,
    Option(("--graph", "-G"), "Write the transition graph (XML).", "FILE"),
]
ScoresFile = Annotated[
    Path | None,
    Option(("--scores",), "Write the scores, as crm_simulate -s does.", "FILE"),
]
SummaryFile = Annotated[
    Path | None,
    Option(("--summary",), "Write what is printed without --json.", "FILE"),
]
OutputFile = Annotated[
    Path | None,
    Option(("--save-output", "-O"), "Write the document after it all.", "FILE"),
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
        bool, Option(("--settle",), "Decide again until nothing is left to do.")
    ] = False,
    graph: GraphFile = None,
    scores: ScoresFile = None,
    summary_file: SummaryFile = None,
    save_output: OutputFile = None,
    json: PlainJson = False,
    socket: PlainSocket = None,
) -> None:
    """Show what a cluster would do: state, decision, its execution, and the state after it.

    FILE is a CIB; without it the running cluster's document is taken. Nothing real is touched.
    """
    root, source = document(file, socket, as_json=json)
    at = moment(now, root)
    if what:
        others = (node_up, node_down, node_fail, op_inject, op_fail, quorum, ticket_grant, ticket_revoke,
                  ticket_standby, ticket_activate, graph, scores, summary_file, save_output)  # fmt: skip
        _alone([*others, to_settle or None])
        _what_if(root, what, at, as_json=json, running=file is None, socket=socket)
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
    _put_in(root, told, failing, at, findings, as_json=json)
    ids = _node_ids(root)
    before, rounds, final, end = _run(root, at, failing, to_settle=to_settle, whole=json)
    first = rounds[0].transition
    after = summary.state_lines(observe(end, at) if json or to_settle else final)
    printed = summary.text(before, *_middle(rounds), after, summary.clock(root, now))
    _save(graph, lambda: graph_xml(first, ids))
    _save(scores, lambda: "".join(f"{line}\n" for line in score_lines(first)))
    _save(summary_file, lambda: printed)
    _save(save_output, lambda: _xml(end))
    _tell(printed, _data(at, rounds, final) | {"source": source} if json else None)
    _warn(first, unsettled=to_settle and not idle(final))


def _put_in(
    root: Element,
    told: list[ev.Event],
    failing: list[opspec.OpSpec],
    now: int,
    findings: list[Finding],
    *,
    as_json: bool,
) -> None:
    """Write the events into `root`, or end with everything that is wrong with them."""
    found = [*findings, *ev.problems(root, [*told, *map(ev.OperationResult, failing)])]
    if found:
        refuse_document(found, as_json=as_json)
    ev.inject(root, told, now)


def _alone(others: list[object]) -> None:
    """End if something was asked for that a question of what if does not answer."""
    if any(one is not None for one in others):
        remedy = (
            "say all that happens in its words, as --what-if 'node n2 down' --what-if 'quorum lost'"
        )
        fail(f"--what-if goes with --now, --json and --socket only: {remedy}.", USAGE)


def _what_if(
    root: Element, phrases: list[str], now: int, *, as_json: bool, running: bool, socket: str | None
) -> None:
    from ninefold.cli.survive import voters_of_running, what_if  # noqa: PLC0415 - it needs Typer

    voters = voters_of_running(socket) if running else None
    what_if(root, phrases, now, as_json=as_json, voters=voters)


def _tell(printed: str, data: dict[str, Any] | None) -> None:
    if data is None:
        sys.stdout.write(printed)
    else:
        show_json(data)


def _warn(first: Transition, *, unsettled: bool) -> None:
    for warning in first.warnings:
        complain(f"warning: {warning}")
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
    root: Element, now: int, failing: list[opspec.OpSpec], *, to_settle: bool, whole: bool
) -> tuple[list[str], list[Round], Transition, Element]:
    """Return the state, the transitions with what came of them, what is left, and the document.

    `root` is changed. What is left is only looked at, and not decided about, unless `whole`.
    """
    there, transition = observe_and_schedule(root, now)
    before = summary.before_lines(there)
    if to_settle:
        story = settle(root, now, failing)
        if story.rounds:
            return before, list(story.rounds), story.final, story.document
    execution = carry_out(root, transition, now, failing)
    look = schedule_document if whole or to_settle else observe
    return before, [Round(transition, execution)], look(root, now), root


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
