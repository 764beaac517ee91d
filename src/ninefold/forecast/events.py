"""What may be put into a document, to see how the cluster answers.

The events of `crm_simulate`. Each is written as a running cluster would have written it: a node
that left cleanly has no history, one that failed is still expected, and so must be fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec
from lxml import etree

from ninefold.cib import edit, failcounts, status
from ninefold.cib.model import Operation, SetNodeState
from ninefold.core.findings import Finding, Severity
from ninefold.forecast import effects
from ninefold.forecast.opspec import OpSpec
from ninefold.scheduler import Definition, definition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds


class NodeUp(msgspec.Struct, frozen=True):
    """A node joins."""

    node: str


class NodeDown(msgspec.Struct, frozen=True):
    """A node leaves cleanly: it has stopped what it ran."""

    node: str


class NodeFail(msgspec.Struct, frozen=True):
    """A node is lost: it may still run what it ran."""

    node: str


class OperationResult(msgspec.Struct, frozen=True):
    """An operation has ended with a code."""

    spec: OpSpec


class Quorum(msgspec.Struct, frozen=True):
    """The partition has quorum, or has lost it."""

    quorate: bool


class TicketChange(msgspec.Struct, frozen=True):
    """A ticket is granted or revoked, put in standby or activated; `None` leaves it as it is."""

    ticket: str
    granted: bool | None = None
    standby: bool | None = None


Event: TypeAlias = NodeUp | NodeDown | NodeFail | OperationResult | Quorum | TicketChange


def inject(root: Element, events: Sequence[Event], now: WallSeconds) -> list[Finding]:
    """Write the events into `root`, in their order; return what is wrong with them instead.

    Nothing is written if anything is wrong.
    """
    found = problems(root, events)
    if not found:
        for event in events:
            _write(root, event, now)
    return found


def problems(root: Element, events: Sequence[Event]) -> list[Finding]:
    """Return what is wrong with the events: they name what is not there."""
    return [finding for event in events for finding in _problems(root, event)]


def node_names(root: Element) -> list[str]:
    """Return the nodes that are configured or have a status, remote ones among them."""
    names = [node.get("uname", "") for node in root.iterfind("configuration/nodes/node")]
    names += [state.get("uname", "") for state in root.iterfind("status/node_state")]
    return [name for name in dict.fromkeys(names) if name]


def primitive(root: Element, name: str) -> Element | None:
    """Return the primitive that `name` means, instances of clones included."""
    plain, _, number = name.rpartition(":")
    wanted = [name, plain] if plain and number.isdigit() else [name]
    for element in root.iterfind("configuration/resources//primitive"):
        if element.get("id") in wanted:
            return element
    return None


def agent_of(root: Element, element: Element) -> tuple[str, str, str]:
    """Return class, provider and type of a primitive; its template may hold them."""
    template = element.get("template")
    source = element
    if template is not None:
        found = edit.find_by(_resources(root), "template", "id", template)
        source = element if found is None else found
    return source.get("class", ""), source.get("provider", ""), source.get("type", "")


def _resources(root: Element) -> Element:
    found = root.find("configuration/resources")
    return etree.Element("resources") if found is None else found


def _problems(root: Element, event: Event) -> list[Finding]:
    match event:
        case NodeUp(node) | NodeDown(node) | NodeFail(node):
            return _unknown_node(root, node)
        case OperationResult(spec):
            found = _unknown_node(root, spec.node)
            node = next(iter(node_names(root)), "") if found else spec.node
            if _defined(root, msgspec.structs.replace(spec, node=node), 0) is None:
                found.append(unknown_resource(root, spec.resource))
            return found
        case Quorum() | TicketChange():
            return []
        case _:
            assert_never(event)


def _unknown_node(root: Element, name: str) -> list[Finding]:
    known = name.lower() in map(str.lower, node_names(root))
    return [] if known else [unknown_node(root, name)]


def unknown_node(root: Element, name: str) -> Finding:
    """Return the finding for a node that is not there."""
    names = node_names(root)
    there = f"There are {', '.join(names)}." if names else "The document has no nodes."
    return Finding("unknown-node", Severity.ERROR, f"node {name}", "There is no such node.", there)


def unknown_resource(root: Element, name: str) -> Finding:
    """Return the finding for a resource that is not there."""
    every = [one.get("id", "") for one in root.iterfind("configuration/resources//primitive")]
    shown = ", ".join(every[:20]) + (" and others" if len(every) > 20 else "")
    remedy = f"There are {shown}." if every else "The document has no resources."
    sentence = "There is no such primitive."
    return Finding("unknown-resource", Severity.ERROR, f"resource {name}", sentence, remedy)


def _write(root: Element, event: Event, now: WallSeconds) -> None:
    match event:
        case NodeUp(node):
            state = effects.node_state(root, node)
            failcounts.set_attribute(state, "shutdown", None)
            joined = SetNodeState(
                0, node, in_ccm=True, crmd="online", join="member", expected="member"
            )
            status.set_node_state(state, joined)
        case NodeDown(node):
            effects.silence(effects.node_state(root, node), node, now)
        case NodeFail(node):
            lost = SetNodeState(
                0, node, in_ccm=False, crmd="offline", join="down", expected="member"
            )
            status.set_node_state(effects.node_state(root, node), lost)
        case OperationResult(spec):
            _record(root, spec, now)
        case Quorum(quorate):
            root.set("have-quorum", "1" if quorate else "0")
        case TicketChange():
            _ticket(root, event)
        case _:
            assert_never(event)


def _record(root: Element, spec: OpSpec, now: WallSeconds) -> None:
    known = _defined(root, spec, now)
    assert known is not None
    state = effects.node_state(root, spec.node)
    probe = spec.task == "monitor" and not spec.interval_ms
    operation = Operation(
        resource=spec.resource,
        agent_class=known.agent_class,
        provider=known.provider,
        agent_type=known.agent_type,
        task=spec.task,
        interval_ms=spec.interval_ms,
        call_id=effects.next_call(state),
        rc=spec.rc,
        expected_rc=7 if probe else 0,
        op_status=0,
        transition="0",
        action_id=0,
        last_run=now,
        last_rc_change=now,
        op_digest=known.digest,
    )
    effects.record(root, state, operation, now)


def _defined(root: Element, spec: OpSpec, now: WallSeconds) -> Definition | None:
    operation = (spec.task, spec.interval_ms)
    return definition(root, now, spec.resource, spec.node, operation)


def _ticket(root: Element, event: TicketChange) -> None:
    tickets = edit.child(edit.child(root, "status"), "tickets")
    state = edit.find_by(tickets, "ticket_state", "id", event.ticket)
    if state is None:
        state = etree.SubElement(tickets, "ticket_state", id=event.ticket, granted="false")
        state.set("standby", "false")
    for name, value in (("granted", event.granted), ("standby", event.standby)):
        if value is not None:
            state.set(name, str(value).lower())
