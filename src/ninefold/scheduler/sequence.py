"""In which order the field's graph lists its actions, and a simulation without a clock carries them out.

Resource by resource, the newest action first, and in the end what belongs to no resource, or to a
bundle as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.bundle_model import inner_clone
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.scheduler.workspace import Action, Resource, Workspace


def sequence(work: Workspace) -> tuple[int, ...]:
    """Return the ids of the actions in the graph in the order of the field."""
    told = [action for resource in work.resources for action in _of(resource)]
    found = (*told, *reversed(work.actions))
    return tuple(dict.fromkeys(action.id for action in found if action.graphed))


def _of(resource: Resource) -> Iterator[Action]:
    own = list(reversed(resource.actions))
    match resource.variant:
        case Variant.CLONE:
            for child in resource.children:
                yield from _of(child)
            yield from own
        case Variant.BUNDLE:
            inner = inner_clone(resource)
            if inner is not None:
                yield from _of(inner)
            for replica in resource.replicas:
                for part in (replica.address, replica.container, replica.connection):
                    if part is not None:
                        yield from _of(part)
        case _:
            yield from own
            for child in resource.children:
                yield from _of(child)
