"""What the configuration has become since the history was written: section 10.

Operations that are no longer configured are cancelled, changed parameters restart a resource (or
only its monitors), and the history of resources that are gone is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import DEFAULT_TIMEOUT_MS, act, configured, key_of, plain
from ninefold.scheduler.digests import operation_digest, restart_digest
from ninefold.scheduler.model import Reason
from ninefold.scheduler.resources import operation_parameters, parameters_on
from ninefold.scheduler.words import Role, milliseconds
from ninefold.scheduler.workspace import Ordering, Relation

if TYPE_CHECKING:
    from ninefold.scheduler.history import Entry, Recorded
    from ninefold.scheduler.workspace import Action, Node, Operation, Resource, Workspace

_COMPARED: Final = frozenset({"start", "promote", "migrate_from"})


def since_start(record: Recorded) -> list[Entry]:
    """Return the operations that are about the current run of the resource."""
    begin, end = 0, -1
    for number, entry in enumerate(record.entries):
        if entry.task in {"start", "migrate_from"} and entry.rc == 0:
            begin = number
        elif entry.task == "stop" and entry.status == 0:
            end = number
    if end > begin or (end == begin and end >= 0):
        return []
    return record.entries[begin:]


def note_existing(records: list[Recorded]) -> None:
    """Remember which recurring operations are already running where."""
    for record in records:
        for entry in since_start(record):
            if entry.interval_ms > 0 and entry.status != 1:
                key = key_of(record.resource.id, entry.task, entry.interval_ms)
                record.resource.existing.setdefault(record.node.name, []).append(key)


def apply_changes(work: Workspace, records: list[Recorded]) -> None:
    """Compare every history with the configuration."""
    for record in records:
        node, resource = record.node, record.resource
        usable = node.available or (node.online and node.maintenance and not node.unclean)
        if not usable:
            continue
        if resource.removed:
            if resource.managed:
                delete(work, resource, node)
        elif _agent_changed(record):
            why = Reason("agent-changed", f"{resource.id} has a different agent now.")
            _restart(work, resource, why)
            delete(work, resource, node)
        elif resource.role > Role.STOPPED and node in resource.active:
            for entry in since_start(record):
                _compare(work, record, entry)


def _agent_changed(record: Recorded) -> bool:
    element, resource = record.element, record.resource
    recorded = (element.get("class"), element.get("provider") or "", element.get("type"))
    if recorded[0] is None or recorded[2] is None:
        return False
    return recorded != (resource.agent_class, resource.provider, resource.agent_type)


def _compare(work: Workspace, record: Recorded, entry: Entry) -> None:
    resource, node = record.resource, record.node
    if entry.interval_ms > 0:
        op = configured(resource, entry.task, entry.interval_ms)
        if op is None or not op.enabled:
            if work.options.stop_removed_actions:
                sentence = f"{entry.task} every {entry.interval_ms} ms is no longer configured."
                cancel(work, resource, node, entry, Reason("removed", sentence))
            return
        if node.maintenance or resource.maintenance:
            sentence = f"{resource.id} is in maintenance."
            cancel(work, resource, node, entry, Reason("maintenance", sentence))
            return
        _compare_digests(work, record, entry, op)
    elif entry.task in _COMPARED or (entry.probe and entry.rc in {0, 8}):
        op = configured(resource, entry.task, 0)
        _compare_digests(work, record, entry, op)


def _compare_digests(work: Workspace, record: Recorded, entry: Entry, op: Operation | None) -> None:
    resource, node = record.resource, record.node
    recorded = entry.element.get("op-digest")
    if not recorded:
        return
    parameters = dict(parameters_on(work, resource, node))
    if op is not None:
        parameters |= operation_parameters(work, op, node)
    timeout_ms = milliseconds(None if op is None else op.meta.get("timeout"), DEFAULT_TIMEOUT_MS)
    now = operation_digest(parameters, interval_ms=entry.interval_ms, timeout_ms=timeout_ms)
    if now == recorded:
        return
    why = Reason("changed", f"The parameters of {resource.id} have changed.")
    restart_recorded = entry.element.get("op-restart-digest")
    names = entry.element.get("op-force-restart") or ""
    unchanged = restart_recorded is not None and (
        restart_digest(parameters, names) == restart_recorded
    )
    if restart_recorded is not None and not unchanged:
        _restart(work, resource, why)
    elif entry.interval_ms > 0:
        resource.reschedule.append((node.name, key_of(resource.id, entry.task, entry.interval_ms)))
    else:
        # A reload would do where only the restart digest is unchanged; a restart always does.
        _restart(work, resource, why)


def _restart(work: Workspace, resource: Resource, why: Reason) -> None:
    action = act(work, resource, "start", None, optional=False)
    action.reasons.append(why)
    resource.placement_reasons.append(why)
    resource.stop_if_failed = resource.failed


def delete(work: Workspace, resource: Resource, node: Node) -> Action | None:
    """Forget the history of `resource` on `node`, after it has been stopped there."""
    if resource.failed:
        return None
    action = plain(work, "delete", f"{resource.id}_delete_0", node, "delete")
    action.resource = resource
    action.reasons.append(Reason("removed", f"The history of {resource.id} is no longer needed."))
    resource.actions.append(action)
    work.orderings.append(
        Ordering(None, resource, key_of(resource.id, "stop"), action, None, "",
                 Relation.ORDERED | Relation.UNRUNNABLE_FIRST_BLOCKS)
    )  # fmt: skip
    work.orderings.append(
        Ordering(action, None, "", None, resource, key_of(resource.id, "start"), Relation.ORDERED)
    )
    return action


def cancel(work: Workspace, resource: Resource, node: Node, entry: Entry, why: Reason) -> Action:
    """Stop repeating an operation."""
    return cancel_key(work, resource, node, (entry.task, entry.interval_ms), why)


def cancel_key(
    work: Workspace, resource: Resource, node: Node, what: tuple[str, int], why: Reason
) -> Action:
    """Stop repeating the operation `what` = (task, interval in ms)."""
    task, interval_ms = what
    action = plain(work, "cancel", key_of(resource.id, task, interval_ms), node, "cancel")
    action.resource = resource
    action.interval_ms = interval_ms
    action.extra = {"operation": task, "interval": str(interval_ms)}
    action.reasons.append(why)
    resource.actions.append(action)
    # A stop ends the repetition by itself.
    work.orderings.append(
        Ordering(action, None, "", None, resource, key_of(resource.id, "stop"),
                 Relation.ORDERED)
    )  # fmt: skip
    return action


def clear_failures(work: Workspace, resource: Resource) -> None:
    """Forget fail counts that no longer count."""
    for name in resource.clear_on:
        node = work.node(name)
        if node is None or not node.online or node.unclean:
            continue
        key = key_of(resource.id, "clear_failcount")
        action = plain(work, "clear_failcount", key, node, "clear")
        action.resource = resource
        action.reasons.append(Reason("expired", f"Failures of {resource.id} on {name} expired."))
        resource.actions.append(action)
