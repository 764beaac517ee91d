"""Failures that no longer count: those whose time has passed, and those of another configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.actions import clear_failcount
from ninefold.scheduler.digest_check import definition_changed
from ninefold.scheduler.failcounts import effective, last_failure, recorded
from ninefold.scheduler.history_outcome import STATUS_NOT_INSTALLED

if TYPE_CHECKING:
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def expiry_of(
    work: Workspace, resource: Resource, node: Node, entry: Entry, history: list[Entry]
) -> bool:
    """Whether `entry` is too old to count; what is recorded about it is then cleared."""
    if entry.status == STATUS_NOT_INSTALLED:
        return False
    expired, unexpired = False, 0
    timeout = resource.failure_timeout
    if timeout > 0 and entry.last_rc_change > 0:
        unexpired = effective(work, resource, node, history)
        over = work.now >= entry.last_rc_change + timeout
        expired = over and not _waits_for_fencing(work, resource, entry)
        if unexpired > 0:
            work.recheck(last_failure(resource, node) + timeout + 1)
    why = ""
    last = entry.id.endswith("_last_failure_0")
    if expired:
        if recorded(resource, node):
            if unexpired == 0:
                why = "it expired"
            else:
                expired = False
        elif last and resource.reconnect_ms:
            why = "reconnect interval is set"
    if not why and last and definition_changed(work, resource, node, entry):
        why = "resource parameters have changed"
    if why:
        clear_failcount(work, resource, node, why)
    probe_result = entry.probe and entry.rc in {0, 7, 8, 190, 191}
    return expired and not probe_result


def _waits_for_fencing(work: Workspace, resource: Resource, entry: Entry) -> bool:
    recurring = entry.task == "monitor" and entry.interval_ms > 0
    if not (resource.reconnect_ms and work.options.fencing_enabled and recurring):
        return False
    remote = work.node(resource.id)
    return remote is not None and not remote.remote_was_fenced
