"""What leaves a node alive, and what must wait for that node's end.

The engine's graph lets a stop on the target of a migration, or a look at it, run beside the fencing of
the source. But a source that is not silent may still be sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.controller.carrier import lets_in_by
from ninefold.controller.waiting import held_back
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.cib.document import Cib
    from ninefold.scheduler.model import Transition

# A resource, the node that it leaves, and the one that it goes to.
Departure = tuple[str, str, str]


def departures(cib: Cib) -> list[Departure]:
    """Return what has left, or is leaving, a node alive, as the histories tell."""
    return [
        (operation.resource, name, operation.migrate_target)
        for node, name in cib.node_names().items()
        if cib.migrates(node)
        for operation in cib.operations(node)
        if operation.task == "migrate_to"
    ]


def source_first(transition: Transition, leaving: Sequence[Departure]) -> Transition:
    """Return the transition with what is done at a target behind the fencing of its source.

    Stopped, or looked for, before the source is silent, a resource could arrive afterwards, while it is
    started elsewhere. A source that is let in by a device is not silent: its unfencing is no such end.
    """
    fenced = {
        action.node: action.id
        for action in transition.actions
        if action.kind is ActionKind.FENCING and not lets_in_by(action)
    }
    behind = {
        (resource, target): fenced[source]
        for resource, source, target in leaving
        if source in fenced
    }
    waits = {
        action.id: [behind[action.resource, action.node]]
        for action in transition.actions
        if action.kind is ActionKind.RESOURCE and (action.resource, action.node) in behind
    }
    return held_back(transition, waits)
