"""How a remote node stands, judged by its connection: section 13."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node


class RemoteState(Enum):
    """What can be done on a remote node."""

    UNKNOWN = "its connection is nowhere yet, or it is not known whether it can be"
    ALIVE = "connected"
    RESTING = "connected again in this transition; until then nothing can be done there"
    FAILED = "the connection cannot be recovered: only fencing helps"
    STOPPED = "disconnected as it should be, or about to be"


def remote_state(node: Node) -> RemoteState:
    """Judge a remote node by its connection."""
    connection = node.connection
    assert connection is not None
    host = connection.active[0] if connection.active else None
    if connection.next_role is Role.STOPPED or connection.assigned is None:
        if host is not None and host.unclean:
            return RemoteState.FAILED
        if not connection.failed:
            return RemoteState.STOPPED
        waits = connection.next_role is Role.STOPPED and connection.reconnect_ms
        if waits and node.remote_was_fenced and not _shutdown_requested(node):
            return RemoteState.UNKNOWN
        return RemoteState.FAILED
    if host is None:
        return RemoteState.UNKNOWN
    if host.unclean or not host.online:
        return RemoteState.RESTING
    if len(connection.active) > 1 and connection.partial_target is not None:
        return RemoteState.RESTING
    return RemoteState.ALIVE


def _shutdown_requested(node: Node) -> bool:
    return node.attributes.get("shutdown") not in {None, "", "0"}
