"""Changes of the status section: membership, and the history of what nodes did.

Each function works on a copy of one `<node_state>` and tells whether anything changed. A history
keeps, for each resource on each node, the last operation (`RSC_last_0`), each recurring one
(`RSC_monitor_INTERVAL`), the last failure (`RSC_last_failure_0`), and migrations under their own
keys: that is what a scheduler reads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.cib import edit, failcounts, unseen
from ninefold.cib.configuration import belongs
from ninefold.cib.operations import operation_failed, operation_pending, operation_to_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxml.etree import _Element as Element

    from ninefold.cib.model import (
        Cause,
        ForgetOperation,
        NodeFenced,
        Operation,
        RecordOperation,
        ReplaceHistory,
        SetNodeState,
    )

# An executor cancels recurring operations before it changes what they watch.
_ENDS_RECURRING: Final = ("start", "stop", "promote", "demote", "migrate_to", "migrate_from")

# Other nodes' histories refer to these, so a later operation must not overwrite them.
_KEPT_BY_KEY: Final = ("migrate_to", "migrate_from", "notify")

# Only ever under way: they end as a start, or as a monitor (`operations.recorded`). What the last
# operation says of the resource holds until then.
_PASSING: Final = ("reload", "reload-agent")


def set_node_state(state: Element, change: SetNodeState) -> bool:
    """Set what is given of a node's membership; a `shutdown` of 0 withdraws the request."""
    given = {
        "uname": change.name,
        "in_ccm": None if change.in_ccm is None else str(change.in_ccm).lower(),
        "crmd": change.crmd,
        "join": change.join,
        "expected": change.expected,
        "joined-in": None if change.joined_in is None else str(change.joined_in),
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    changed = edit.set_attributes(state, wanted)
    if change.shutdown is None:
        return changed
    request = str(change.shutdown) if change.shutdown else None
    return failcounts.set_attribute(state, "shutdown", request) or changed


def record_operation(state: Element, change: RecordOperation, cause: Cause) -> bool:
    """Note an operation, and count it if it failed."""
    operation = change.operation
    changed = _record(state, operation)
    if change.counts and operation_failed(operation):
        counted = failcounts.count_failure(state, operation, cause.at, fatal=change.fatal)
        changed = counted or changed
    return changed


def forget_operation(state: Element, change: ForgetOperation) -> bool:
    """Remove the entry of a recurring operation that was cancelled."""
    resource = _resource(state, change.resource)
    if resource is None:
        return False
    key = f"{change.resource}_{change.task}_{change.interval_ms}"
    found = [op for op in resource if op.get("id") == key]
    for op in found:
        edit.remove(op)
    return bool(found)


def forget_resources(
    state: Element, resources: tuple[str, ...] | None, defined: Callable[[str], bool]
) -> bool:
    """Remove the history and fail counts of these resources, and of instances; all if `None`.

    What is under way stays: as long as the document shows it, nothing is decided that it could thwart. What
    may run where nobody would look for it stays too, as found running: what is not `defined`, unless it is
    named; and what is, on a node that is away (one in maintenance leaves with all that it runs).
    """
    changed = False
    away = state.get("in_ccm") in ("false", "0")
    for resource in state.findall("lrm/lrm_resources/lrm_resource"):
        name = resource.get("id", "")
        if resources is not None and not belongs(name, resources):
            continue
        unlooked = away if defined(name) else resources is None
        if unlooked and unseen.may_run(resource) is not None:
            changed = unseen.settle(resource, state.get("uname", "")) or changed
            continue
        for entry in _forgettable(resource):
            edit.remove(entry)
            changed = True
    return failcounts.forget_failures(state, resources) or changed


def _forgettable(resource: Element) -> list[Element]:
    """Return the entries that are no longer under way; the history itself if they are all, and seen."""
    done = [entry for entry in resource if not _pending(entry)]
    return done if len(done) < len(resource) or unseen.is_marked(resource) else [resource]


def _pending(entry: Element) -> bool:
    return entry.get("op-status") == "-1"


def replace_history(state: Element, change: ReplaceHistory, defined: Callable[[str], bool]) -> None:
    """Put a node's own account of itself in place of what was known; what it cannot know is `unseen`."""
    state.set("uname", change.name)
    told = [operation.resource for operation in change.operations]
    histories = unseen.kept(state, told, defined, fresh=change.fresh)
    for lrm in state.findall("lrm"):
        edit.remove(lrm)
    if change.fresh:
        failcounts.forget_attributes(state)
    lrm = edit.child(state, "lrm", id=state.get("id", ""))
    edit.child(lrm, "lrm_resources").extend(histories)
    for operation in change.operations:
        _record(state, operation)


def node_fenced(state: Element, change: NodeFenced) -> bool:
    """Forget all that a silenced node ran: it runs no more."""
    wanted = {
        "uname": change.name,
        "in_ccm": "false",
        "crmd": "offline",
        "join": "down",
        "expected": "down",
    }
    changed = edit.set_attributes(state, wanted)
    found = state.findall("lrm")
    for lrm in found:
        edit.remove(lrm)
    return failcounts.forget_attributes(state) or bool(found) or changed


def _record(state: Element, operation: Operation) -> bool:
    resource = _resource(state, operation.resource)
    if resource is None:
        lrm = edit.child(state, "lrm", id=state.get("id", ""))
        parent = edit.child(lrm, "lrm_resources")
        resource = etree.SubElement(parent, "lrm_resource", id=operation.resource)
    agent = {
        "class": operation.agent_class,
        "provider": operation.provider,
        "type": operation.agent_type,
    }
    changed = edit.set_attributes(resource, {k: v for k, v in agent.items() if v})
    ended = operation.task in _ENDS_RECURRING and not operation_pending(operation)
    if ended and not _stale(resource, operation):
        changed = _end_recurring(resource) or changed
    for entry_id in _entry_ids(operation):
        if _put(resource, entry_id, operation, state.get("uname", "")):
            changed = True
            if not operation_pending(operation):
                unseen.looked_at(resource)
    if operation.interval_ms and operation_failed(operation):
        changed = _drop_pending(resource, operation.key) or changed
    if not operation.interval_ms and not operation_pending(operation):
        for task in _PASSING:
            changed = _drop_pending(resource, f"{operation.resource}_{task}_0") or changed
    return changed


def _entry_ids(operation: Operation) -> Iterator[str]:
    """Name the entries an operation goes to.

    A failure that may be cleared only by cleanup has its own entry; of recurring operations it is
    the only one, so that the last good result stays visible.
    """
    if operation.task in (*_KEPT_BY_KEY, *_PASSING):
        yield operation.key
        return
    if operation_failed(operation):
        yield f"{operation.resource}_last_failure_0"
        if operation.interval_ms:
            return
    yield operation.key if operation.interval_ms else f"{operation.resource}_last_0"


def _put(resource: Element, entry_id: str, operation: Operation, node_name: str) -> bool:
    entry = operation_to_xml(operation, entry_id, node_name)
    known = edit.find_by(resource, "lrm_rsc_op", "id", entry_id)
    if known is None:
        resource.append(entry)
        return True
    if 0 <= operation.call_id < _call_id(known) or known.items() == entry.items():
        return False
    if _pending(known) and not operation_pending(operation) and not _same_order(known, entry):
        # The late answer to an earlier order says nothing about what has begun since.
        return False
    resource.replace(known, entry)
    return True


def _same_order(known: Element, entry: Element) -> bool:
    return known.get("transition-key") == entry.get("transition-key")


def _stale(resource: Element, operation: Operation) -> bool:
    last = edit.find_by(resource, "lrm_rsc_op", "id", f"{operation.resource}_last_0")
    return last is not None and 0 <= operation.call_id < _call_id(last)


def _end_recurring(resource: Element) -> bool:
    found = [
        op
        for op in resource.findall("lrm_rsc_op")
        if op.get("interval", "0") != "0" and not op.get("id", "").endswith("_last_failure_0")
    ]
    for op in found:
        edit.remove(op)
    return bool(found)


def _drop_pending(resource: Element, entry_id: str) -> bool:
    """A recurring operation that failed at once leaves only its failure, not its beginning."""
    entry = edit.find_by(resource, "lrm_rsc_op", "id", entry_id)
    if entry is None or not _pending(entry):
        return False
    edit.remove(entry)
    return True


def _call_id(entry: Element) -> int:
    text = entry.get("call-id", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else -1


def _resource(state: Element, resource: str) -> Element | None:
    parent = state.find("lrm/lrm_resources")
    return None if parent is None else edit.find_by(parent, "lrm_resource", "id", resource)
