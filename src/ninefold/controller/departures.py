"""What leaves a node alive, and what must wait for that node's end.

The engine's graph lets a stop on the target of a migration, or a look at it, run beside the fencing of
the source. But a source that is not silent may still be sending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.scheduler.model import ActionKind, Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.cib.document import Cib

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
    started elsewhere.
    """
    fenced = {a.node: a.id for a in transition.actions if a.kind is ActionKind.FENCING}
    behind = {
        (resource, target): fenced[source]
        for resource, source, target in leaving
        if source in fenced
    }
    if not behind:
        return transition
    actions = [
        msgspec.structs.replace(action, inputs=(*action.inputs, number))
        if action.kind is ActionKind.RESOURCE
        and (number := behind.get((action.resource, action.node)))
        else action
        for action in transition.actions
    ]
    return msgspec.structs.replace(transition, actions=tuple(actions))
