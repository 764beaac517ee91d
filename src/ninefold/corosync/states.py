"""Where a node stands with the group: the states of the whole back end, with their meaning."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from ninefold.corosync.events import Report, Request
from ninefold.totem import events as totem

Event: TypeAlias = totem.Event | Report
Effect: TypeAlias = totem.Effect | Request


class ViewState(Enum):
    """Where this node stands with the group."""

    STOPPED = "not started yet, or left"
    ALONE = "without Corosync, or out of the group: a ring of its own that has no quorum"
    JOINING = "connected; the group has not told of our join"
    AGREEING = "proposals for the next view are under way"
    SAVING = "the next view is agreed; its number is on its way to the disk"
    INSTALLED = "a member of a view"
