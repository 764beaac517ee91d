"""What the configuration has become since the history was written: section 10.

Operations that are no longer configured are cancelled, changed parameters restart a resource (or
only its monitors, or have it reload), and the history of resources that are gone is deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import act, clear_failcount, key_of, stop
from ninefold.scheduler.digest_check import Digest, compare, needs_container_address, redefined
from ninefold.scheduler.entries import Entry, active_span
from ninefold.scheduler.failcounts import effective
from ninefold.scheduler.history_outcome import NOT_RUNNING
from ninefold.scheduler.orders import order_action, schedule_delete, stop_repeating
from ninefold.scheduler.relations import ORDERED, THEN_CANCELS_FIRST
from ninefold.scheduler.unfencing import device_changed
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.history import Histories
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_COMPARED: Final = frozenset({"monitor", "start", "promote", "migrate_from"})


def apply_changes(work: Workspace, histories: Histories) -> None:
    """Compare every history with the configuration."""
    by_node: dict[str, dict[str, Element]] = {}
    for record in histories.replayed:
        name = record.element.get("id") or ""
        by_node.setdefault(record.node.name, {})[name] = record.element
    owners: dict[str, list[Resource]] = {}
    for resource in work.by_id.values():
        if resource.variant is Variant.PRIMITIVE:
            for name in dict.fromkeys((resource.id, resource.history_id)):
                owners.setdefault(name, []).append(resource)
    for node in work.nodes:
        if not (node.maintenance or node.available):
            continue
        for name, element in by_node.get(node.name, {}).items():
            entries = histories.on(node.name, name)
            if not entries:
                continue
            for resource in owners.get(name, []):
                _compare_history(work, resource, node, element, entries)


def forget_removed(work: Workspace) -> None:
    """Forget the failures of what is no longer configured, so that they do not wait for it."""
    if not work.options.stop_removed_resources:
        return
    for resource in work.resources:
        if not resource.removed:
            continue
        for node in work.nodes:
            if node.online and effective(work, resource, node):
                action = clear_failcount(work, resource, node, "it is not configured any more")
                order_action(work, action, (resource, key_of(resource.id, "stop")), ORDERED)


def _compare_history(
    work: Workspace, resource: Resource, node: Node, element: Element, entries: list[Entry]
) -> None:
    if resource.removed:
        if not resource.top.anonymous_clone:
            schedule_delete(work, resource, node)
        return
    active = node in resource.active
    changed = _agent_changed(work, resource, node, element)
    if changed:
        if active:
            action = stop(work, resource, node, optional=False)
            action.reasons.append(reasons.agent_changed(resource))
            resource.placement_reasons.append(reasons.agent_changed(resource))
            resource.start_pending = True
        schedule_delete(work, resource, node)
    if not active:
        return
    start, end = active_span(entries)
    if start < end:
        # It is thought to be active for what was seen of it, or not stopped, after a stop; nobody knows
        # with what it would have been started.
        return
    for number, entry in enumerate(entries):
        if number >= start:
            _compare_entry(work, resource, node, entry)


def _agent_changed(work: Workspace, resource: Resource, node: Node, element: Element) -> bool:
    recorded = (element.get("class", ""), element.get("provider", ""), element.get("type", ""))
    if recorded == (resource.agent_class, resource.provider, resource.agent_type):
        return False
    device_changed(work, resource, node, "definition")
    return True


def _compare_entry(work: Workspace, resource: Resource, node: Node, entry: Entry) -> None:
    if entry.interval_ms > 0 and (resource.maintenance or node.maintenance):
        stop_repeating(work, resource, node, entry, f"{resource.id} is in maintenance")
        return
    if entry.interval_ms == 0 and entry.task not in _COMPARED:
        return
    if entry.probe and entry.rc == NOT_RUNNING:
        # Nothing was found under this name: what runs there was started under another, which is compared.
        return
    if entry.interval_ms > 0 and not _is_configured(resource, entry):
        changed = _not_configured(work, resource, node, entry)
    elif needs_container_address(resource):
        work.unchecked.append((resource, node, entry, False))
        return
    else:
        changed = _has_changed(work, resource, node, entry)
    if changed and effective(work, resource, node):
        clear_failcount(work, resource, node, "its definition has changed")


def compare_late(work: Workspace) -> None:
    """Compare the operations of connections whose address was not known before the assignment."""
    for resource, node, entry, failed in work.unchecked:
        if failed:
            if redefined(work, resource, node, entry):
                clear_failcount(work, resource, node, "resource parameters have changed")
        elif _has_changed(work, resource, node, entry) and effective(work, resource, node):
            clear_failcount(work, resource, node, "its definition has changed")


def _not_configured(work: Workspace, resource: Resource, node: Node, entry: Entry) -> bool:
    if work.options.stop_removed_actions:
        stop_repeating(work, resource, node, entry, "it is no longer configured")
    return True


def _has_changed(work: Workspace, resource: Resource, node: Node, entry: Entry) -> bool:
    """Act on a difference between an operation and its definition; answer whether there is one."""
    match compare(work, resource, node, entry):
        case Digest.SAME:
            return False
        case Digest.RESTART:
            _restart(work, resource, node, entry)
        case Digest.CHANGED | Digest.UNKNOWN if entry.interval_ms > 0:
            known = act(
                work, resource, entry.task, node, optional=True, interval_ms=entry.interval_ms
            )
            known.reschedule = True
        case Digest.CHANGED | Digest.UNKNOWN:
            if entry.element.get("op-restart-digest") is not None:
                _reload(work, resource, node)
            else:
                _restart(work, resource, node, entry)
    return True


def _is_configured(resource: Resource, entry: Entry) -> bool:
    return any(
        op.name == entry.task and op.interval_ms == entry.interval_ms and op.enabled
        for op in resource.operations
    )


def _restart(work: Workspace, resource: Resource, node: Node, entry: Entry) -> None:
    # What was promoted last no longer remembers its start; a promotion alone would change nothing.
    task = "start" if entry.probe or entry.task in {"migrate_from", "promote"} else entry.task
    if entry.interval_ms > 0:
        action = act(work, resource, task, node, optional=False, interval_ms=entry.interval_ms)
    else:
        action = act(work, resource, task, None, optional=False)
    why = reasons.changed(resource)
    action.reasons.append(why)
    if not resource.start_pending:
        # Of what has another agent now, the field says no more than that it is restarted.
        action.due = action.due or reasons.DEFINITION
    resource.placement_reasons.append(why)
    device_changed(work, resource, node, "parameters")


def _reload(work: Workspace, resource: Resource, node: Node) -> None:
    """Let the agent take over changed parameters without a restart, if that is still possible."""
    if resource.variant is not Variant.PRIMITIVE or not resource.managed or resource.failed:
        return
    if resource.start_pending:
        action = act(work, resource, "start", None, optional=False)
        action.reasons.append(reasons.changed(resource))
        resource.placement_reasons.append(reasons.changed(resource))
        return
    resource.reloading = True
    action = act(work, resource, "reload-agent", node, optional=False)
    action.reasons.append(reasons.changed(resource))
    relation = ORDERED | THEN_CANCELS_FIRST
    for task in ("stop", "demote"):
        order_action(work, action, (resource, f"{resource.id}_{task}_0"), relation)
