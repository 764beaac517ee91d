"""Is an operation still what the configuration says? The comparison of digests (section 10)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ninefold.scheduler.actions import DEFAULT_TIMEOUT_MS
from ninefold.scheduler.bundle_model import replica_of, with_host
from ninefold.scheduler.digests import operation_digest, restart_digest
from ninefold.scheduler.history_outcome import operation_for, timeout_ms
from ninefold.scheduler.resources import (
    defaults_of_unconfigured,
    operation_parameters,
    parameters_on,
)
from ninefold.scheduler.words import milliseconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.workspace import Node, Resource, Workspace


class Digest(Enum):
    """What a comparison of digests says."""

    SAME = "nothing has changed"
    UNKNOWN = "nothing was recorded to compare with"
    CHANGED = "something has changed that may be reloaded"
    RESTART = "something has changed that needs a restart"


def compare(
    work: Workspace, resource: Resource, node: Node, entry: Entry, *, masked: bool = True
) -> Digest:
    """Compare what an operation was run with and what it would be run with today.

    `masked` excuses secrets that were replaced by asterisks before the document was given away.
    """
    op = operation_for(resource, entry.task, entry.interval_ms)
    own = {} if op is None else operation_parameters(work, op, node)
    parameters = _parameters(work, resource, node) | own
    if entry.reschedule:
        return Digest.CHANGED
    if masked and _only_masked_differ(resource, entry, parameters):
        return Digest.SAME
    recorded_restart = entry.element.get("op-restart-digest")
    if recorded_restart is not None:
        names = entry.element.get("op-force-restart")
        now = operation_digest(parameters) if names is None else restart_digest(parameters, names)
        if now != recorded_restart:
            return Digest.RESTART
    recorded = entry.element.get("op-digest")
    if recorded is None:
        return Digest.UNKNOWN
    if digest_today(work, resource, node, entry.task, entry.interval_ms) == recorded:
        return Digest.SAME
    # Parameters of the operation itself reach the agent only when that operation is run anew.
    return Digest.RESTART if entry.interval_ms == 0 and own else Digest.CHANGED


def digest_today(
    work: Workspace, resource: Resource, node: Node, task: str, interval_ms: int
) -> str:
    """Return the digest of what an operation would be run with today."""
    op = operation_for(resource, task, interval_ms)
    own = {} if op is None else operation_parameters(work, op, node)
    return operation_digest(
        _parameters(work, resource, node) | own,
        interval_ms=interval_ms,
        timeout_ms=_timeout_ms(work, resource, task, interval_ms),
    )


def _timeout_ms(work: Workspace, resource: Resource, task: str, interval_ms: int) -> int:
    op = operation_for(resource, task, interval_ms)
    if op is not None:
        return timeout_ms(op, DEFAULT_TIMEOUT_MS)
    told = defaults_of_unconfigured(work, resource, task, interval_ms).get("timeout")
    return milliseconds(told, DEFAULT_TIMEOUT_MS)


def _parameters(work: Workspace, resource: Resource, node: Node) -> dict[str, str]:
    return with_host(resource, parameters_on(work, resource, node))


def _only_masked_differ(resource: Resource, entry: Entry, parameters: Mapping[str, str]) -> bool:
    """Whether all that can be told is the same: the document was given away with secrets masked."""
    recorded = entry.element.get("op-secure-digest")
    secret = (entry.element.get("op-secure-params") or "").split()
    if recorded is None or not any_masked(parameters, secret):
        return False
    open_to_all = {name: value for name, value in parameters.items() if name not in secret}
    if resource.fence_device:
        # What is for the cluster and not for the agent is not in an agent's metadata.
        open_to_all = {k: v for k, v in open_to_all.items() if not k.startswith("pcmk_")}
    return operation_digest(open_to_all) == recorded


def any_masked(parameters: Mapping[str, str], secret: Collection[str]) -> bool:
    """Whether asterisks stand in the place of a secret."""
    return any(parameters[name].strip("*") == "" for name in secret if name in parameters)


def definition_changed(work: Workspace, resource: Resource, node: Node, entry: Entry) -> bool:
    """Whether the operation that failed is defined differently now."""
    if entry.element.get("op-digest") is None or entry.task not in {"start", "monitor"}:
        return False
    if needs_container_address(resource):
        work.unchecked.append((resource, node, entry, True))
        return False
    return redefined(work, resource, node, entry)


def redefined(work: Workspace, resource: Resource, node: Node, entry: Entry) -> bool:
    """Whether an operation was run with something else than it would be run with today."""
    found = compare(work, resource, node, entry, masked=False)
    return found in {Digest.CHANGED, Digest.RESTART}


def needs_container_address(resource: Resource) -> bool:
    """Whether its parameters are known only once the container has a node."""
    if not resource.remote_connection or not resource.bundled:
        return False
    replica = replica_of(resource)
    return replica is not None and replica.address is None
