"""What a transition does to each resource, in one row each, as the field's tools sum it up.

The words are the field's: scripts read them. Why it is so is told at length by the reasons of the actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import first_with_task
from ninefold.scheduler.assign import current_node
from ninefold.scheduler.model import Change
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

_NO_NODE: Final = "node availability"


def changes_of(work: Workspace) -> tuple[Change, ...]:
    """Return the rows of all resources, in the engine's order."""
    return tuple(
        row for resource in work.resources for leaf in _leaves(resource) for row in _rows(leaf)
    )


def _leaves(resource: Resource) -> Iterator[Resource]:
    """Give the primitives in there; of a bundle, replica by replica."""
    if resource.variant is Variant.PRIMITIVE:
        yield resource
    elif resource.variant is Variant.BUNDLE:
        for one in resource.replicas:
            parts = (one.address, one.container, one.connection, one.child)
            yield from (part for part in parts if part is not None)
    else:
        for child in resource.children:
            yield from _leaves(child)


def _rows(leaf: Resource) -> Iterator[Change]:
    current, target = current_node(leaf), leaf.assigned
    if (current is None and target is None) or (leaf.blocked and leaf.active):
        return
    if leaf.next_role <= Role.STOPPED:
        yield from _stops(leaf, _NO_NODE)
        return
    start = first_with_task(leaf, "start", target)
    if target is None:
        yield from _stops(leaf, "" if start is None else start.due)
        return
    if current is None:
        yield from _starts(leaf, target, start)
        return
    stop = first_with_task(leaf, "stop", current) or first_with_task(leaf, "stop")
    moving = current is not target
    places = _places(leaf, current, target)
    migrate = first_with_task(leaf, "migrate_to", current)
    moves_alive = migrate is not None and migrate.runnable and not migrate.optional
    arriving = first_with_task(leaf, "migrate_from", target)
    moves_alive = moves_alive or (
        leaf.partial_target is not None and arriving is not None and arriving.runnable
    )
    if moves_alive and start is not None and start.migratable:
        yield _change("Migrate", leaf, places, start)
    elif leaf.reloading:
        yield _change("Reload", leaf, places, None)
    elif start is not None and not start.optional and not start.runnable:
        yield from _stops(leaf, start.due)
    elif (start is not None and not start.optional) or (stop is not None and not stop.optional):
        if leaf.failed:
            yield _change("Recover", leaf, places, stop)
        elif moving:
            yield _change("Move", leaf, places, stop)
        else:
            yield _change("Restart", leaf, places, start)
    else:
        yield from _roles(leaf, current, places)


def _roles(leaf: Resource, node: Node, places: str) -> Iterator[Change]:
    promote = first_with_task(leaf, "promote", node)
    demote = first_with_task(leaf, "demote", node)
    up = promote is not None and not promote.optional
    down = demote is not None and not demote.optional
    if up and down:
        yield _change("Re-promote", leaf, places, None)
    elif up:
        yield _change("Promote", leaf, places, promote)
    elif down:
        yield _change("Demote", leaf, places, demote)


def _stops(leaf: Resource, why: str) -> Iterator[Change]:
    """Give a row for each node where it is stopped, for its own reason or else because of `why`."""
    for node in leaf.active:
        stop = first_with_task(leaf, "stop", node)
        if stop is None or stop.optional:
            continue
        place = _with_role(leaf.role, node)
        yield Change("Stop", leaf.id, place, stop.due or why, blocked=not stop.runnable)


def _starts(leaf: Resource, target: Node, start: Action | None) -> Iterator[Change]:
    if leaf.next_role is Role.PROMOTED:
        promote = first_with_task(leaf, "promote", target)
        yield _change("Promote", leaf, f"Stopped -> Promoted {target.name}", promote or start)
    elif start is not None:
        yield _change("Start", leaf, target.name, start)


def _change(verb: str, leaf: Resource, place: str, because: Action | None) -> Change:
    blocked = because is not None and not because.runnable
    return Change(verb, leaf.id, place, "" if because is None else because.due, blocked=blocked)


def _places(leaf: Resource, current: Node, target: Node) -> str:
    """Return from where to where and from which role to which, as far as these differ."""
    role, following = leaf.role, leaf.next_role
    tells = role > Role.STARTED or following > Role.STARTED
    if current is target:
        if role is following or following <= Role.STARTED:
            return _with_role(role, current)
        return f"{_word(role)} -> {_word(following)} {target.name}"
    if role is following or not tells:
        end = f" {_word(following)}" if tells else ""
        return f"{current.name} -> {target.name}{end}"
    return f"{_with_role(role, current)} -> {_with_role(following, target)}"


def _with_role(role: Role, node: Node) -> str:
    return f"{_word(role)} {node.name}" if role > Role.STARTED else node.name


def _word(role: Role) -> str:
    return role.name.capitalize()
