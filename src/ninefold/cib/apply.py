"""Apply a change: a function from document to document, the same on every member.

`apply(cib, change, cause)` never mutates `cib`, reads no clock and raises on no change that
`codec.decode` lets through: what cannot be done is `Refused` with findings. A change without effect
returns the same object, so that nothing is stored or decided anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from lxml import etree

from ninefold.cib import configuration, edit, failcounts, migrations, status, unseen, views
from ninefold.cib.document import VERSION_NUMBER_MAX, Cib, Part
from ninefold.cib.edit import Refused
from ninefold.cib.model import (
    AddNodes,
    Change,
    ClearMoves,
    ForgetHistory,
    ForgetOperation,
    MoveResource,
    NodeFenced,
    RecordOperation,
    ReplaceConfiguration,
    ReplaceHistory,
    SetMetaAttribute,
    SetNodeAttribute,
    SetNodeState,
    SetProperty,
    SetTransientAttribute,
    Version,
)
from ninefold.cib.operations import operation_pending
from ninefold.cib.replace import replace_configuration
from ninefold.cib.sane import problems, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element

    from ninefold.cib.model import Cause
    from ninefold.core.ids import NodeId

__all__ = ["Refused", "apply"]

CLIENT: Final = "ninefold"


def apply(cib: Cib, change: Change, cause: Cause) -> Cib | Refused:
    """Return the successor of `cib`, `cib` itself if nothing changes, or why not."""
    findings = problems(change) + problems(cause)
    if findings:
        return Refused(tuple(findings))
    match change:
        case ReplaceConfiguration():
            return _replaced(cib, change, cause)
        case (
            SetProperty()
            | SetNodeAttribute()
            | SetMetaAttribute()
            | MoveResource()
            | ClearMoves()
            | AddNodes()
        ):
            return _configured(cib, change, cause)
        case SetNodeState():
            return _state(cib, change.node, change.name, lambda e: status.set_node_state(e, change))
        case RecordOperation():
            return _recorded(cib, change, cause)
        case ForgetOperation():
            return _state(cib, change.node, None, lambda e: status.forget_operation(e, change))
        case ForgetHistory():
            return _forgotten(cib, change)
        case ReplaceHistory():
            return _history_replaced(cib, change)
        case NodeFenced():
            return _settled(
                cib, _state(cib, change.node, change.name, lambda e: status.node_fenced(e, change))
            )
        case SetTransientAttribute(node, name, value):
            return _state(cib, node, None, lambda e: failcounts.set_attribute(e, name, value))
        case _:
            assert_never(change)


def _configured(
    cib: Cib,
    change: SetProperty
    | SetNodeAttribute
    | SetMetaAttribute
    | MoveResource
    | ClearMoves
    | AddNodes,
    cause: Cause,
) -> Cib | Refused:
    copied = cib.configuration_part.copy()
    match change:
        case SetProperty():
            refusal = configuration.set_property(copied, change)
        case SetNodeAttribute():
            refusal = configuration.set_node_attribute(copied, change)
        case SetMetaAttribute():
            refusal = configuration.set_meta_attribute(copied, change)
        case MoveResource():
            refusal = configuration.move_resource(copied, change)
        case ClearMoves():
            refusal = configuration.clear_moves(copied, change)
        case AddNodes():
            refusal = configuration.add_nodes(copied, change)
        case _:
            assert_never(change)
    if refusal is not None:
        return refusal
    return _with_configuration(cib, copied, cib.version, {}, cause)


def _replaced(cib: Cib, change: ReplaceConfiguration, cause: Cause) -> Cib | Refused:
    replacement = replace_configuration(cib, change)
    if isinstance(replacement, Refused):
        return replacement
    past = max(cib.version, replacement.version)
    return _with_configuration(cib, replacement.configuration, past, replacement.attributes, cause)


def _with_configuration(
    cib: Cib, tree: Element, past: Version, attributes: dict[str, str], cause: Cause
) -> Cib | Refused:
    """Return the successor with this configuration, its version one epoch after `past`."""
    same_attributes = all(cib.attributes.get(name) == value for name, value in attributes.items())
    if same_attributes and Part(tree).xml == cib.configuration_part.xml:
        return cib
    if past.epoch >= VERSION_NUMBER_MAX:
        remedy = "Replace the configuration with one whose admin_epoch is greater."
        return edit.refused("epoch-exhausted", "cib", "The epoch cannot grow further.", remedy)
    stamped = attributes | {
        "admin_epoch": str(past.admin_epoch),
        "epoch": str(past.epoch + 1),
        "num_updates": "0",
        "cib-last-written": utc_text(cause.at),
        "update-origin": views.node_names(tree).get(cause.node, str(cause.node)),
        "update-client": CLIENT,
        "update-user": cause.who,
    }
    return _without_lost(cib.evolved(stamped, configuration=tree))


def _without_lost(cib: Cib) -> Cib:
    """Let nothing be `unseen` that has no definition any more, and so would never be looked at."""
    parts = list(cib.status_parts)
    for index, part in enumerate(parts):
        if unseen.marked(part.element):
            copied = part.copy()
            if unseen.settle_undefined(copied, cib.defines):
                parts[index] = Part(copied)
    return cib.evolved({}, status=tuple(parts))


def _state(
    cib: Cib, node: NodeId, name: str | None, work: Callable[[Element], bool]
) -> Cib | Refused:
    """Run `work` on a copy of one node's state, made if the node is known by name."""
    index, copied = _copied_state(cib, node, name)
    if copied is None:
        sentence = f"Node {node} is neither configured nor has it a status."
        return edit.refused("unknown-node", f"node {node}", sentence, "Add the node first.")
    if not work(copied) and index is not None:
        return cib
    return _with_states(cib, {index: copied})


def _recorded(cib: Cib, change: RecordOperation, cause: Cause) -> Cib | Refused:
    """Note an operation; a migration that begins or ends also concerns its other end."""
    operation = change.operation
    states: dict[int | None, Element] = {}
    index, copied = _copied_state(cib, change.node, None)
    if copied is None:
        return _state(cib, change.node, None, lambda _: False)
    if status.record_operation(copied, change, cause) or index is None:
        states[index] = copied
    if operation.task == "migrate_to" and operation_pending(operation):
        for place, part in enumerate(cib.status_parts):
            if part.element.get("uname") == operation.migrate_target:
                target = part.copy()
                if migrations.begin(target, operation.resource):
                    states[place] = target
    return _settled(cib, _with_states(cib, states)) if states else cib


def _settled(before: Cib, cib: Cib | Refused) -> Cib | Refused:
    """Return the successor without what it need not remember of migrations any more."""
    if isinstance(cib, Refused) or cib is before or not any(p.migrations for p in cib.status_parts):
        return cib
    parts = cib.status_parts
    states = {n: p.element for n, p in enumerate(parts) if p.element.tag == "node_state"}
    copies: dict[int, Element] = {}

    def own(place: int) -> Element:
        if place not in copies:
            states[place] = copies[place] = parts[place].copy()
        return copies[place]

    if not migrations.settled(states, own):
        return cib
    # No step of its own: it follows from what was just recorded.
    kept = tuple(Part(copies[n]) if n in copies else part for n, part in enumerate(parts))
    return cib.evolved({}, status=kept)


def _copied_state(cib: Cib, node: NodeId, name: str | None) -> tuple[int | None, Element | None]:
    for index, part in enumerate(cib.status_parts):
        if part.element.tag == "node_state" and part.element.get("id") == str(node):
            return index, part.copy()
    name = cib.node_names().get(node) if name is None else name
    if name is None:
        return None, None
    state = etree.Element("node_state", id=str(node))
    state.set("uname", name)
    return None, state


def _with_states(cib: Cib, states: dict[int | None, Element]) -> Cib | Refused:
    """Return the successor with these states in their places; `None` is a new last place."""
    version = cib.version
    if version.num_updates >= VERSION_NUMBER_MAX:
        remedy = "Change the configuration in any way: that starts the count anew."
        sentence = "The number of status updates cannot grow further."
        return edit.refused("num-updates-exhausted", "cib", sentence, remedy)
    parts = list(cib.status_parts)
    for index, state in states.items():
        if index is None:
            parts.append(Part(state))
        else:
            parts[index] = Part(state)
    attributes = {"num_updates": str(version.num_updates + 1)}
    return cib.evolved(attributes, status=tuple(parts))


def _forgotten(cib: Cib, change: ForgetHistory) -> Cib | Refused:
    resources = (
        configuration.family(cib.configuration, change.resource) if change.resource else None
    )
    states: dict[int | None, Element] = {}
    for index, part in enumerate(cib.status_parts):
        if part.element.tag != "node_state":
            continue
        if change.node and part.element.get("id") != str(change.node):
            continue
        copied = part.copy()
        if status.forget_resources(copied, resources, cib.defines):
            states[index] = copied
    if states:
        return _with_states(cib, states)
    # An orphan is known by its history alone; of what is neither configured nor known, nothing
    # can be forgotten, and whoever asks has mistyped it.
    known = not change.resource or views.resource(cib.configuration, change.resource) is not None
    return cib if known else configuration.unknown_resource(cib.configuration, change.resource)


def _history_replaced(cib: Cib, change: ReplaceHistory) -> Cib | Refused:
    index, copied = _copied_state(cib, change.node, change.name)
    assert copied is not None
    status.replace_history(copied, change, cib.defines)
    if index is not None and Part(copied).xml == cib.status_parts[index].xml:
        return cib
    return _settled(cib, _with_states(cib, {index: copied}))
