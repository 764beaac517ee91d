"""What the actions of all members say together about the action of a group, clone or bundle.

A group's action is required if any member's is, and impossible if any member's is; a clone's is
required if any instance's is, and possible if any instance's is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler.actions import first_with_task
from ninefold.scheduler.bundle_model import inner_clone
from ninefold.scheduler.relations import OPTIONAL, RUNNABLE
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource

# The end of a collective action, and what it is the end of.
BEGUN: Final = {
    "running": "start", "stopped": "stop", "promoted": "promote", "demoted": "demote",
}  # fmt: skip
COMPLETED: Final = {task: done for done, task in BEGUN.items()}
_ROLES: Final = frozenset({"promote", "demote"})


def own_flags(action: Action) -> int:
    """Return the flags of an action by itself."""
    return (OPTIONAL if action.optional else 0) | (RUNNABLE if action.runnable else 0)


def base_task(action: Action) -> str:
    """Return the members' task that a collective action is about."""
    task = action.about or action.task
    return BEGUN.get(task, task)


def flags_of(action: Action, node: Node | None) -> int:
    """Return the flags of an action, for collectives as their members (on `node`) say."""
    resource = action.resource
    if resource is None or resource.variant is Variant.PRIMITIVE:
        return own_flags(action)
    if resource.variant is Variant.GROUP:
        return _group_flags(action, resource, node)
    return _instances_flags(action, acting_instances(resource, action), node)


def acting_instances(resource: Resource, action: Action) -> list[Resource]:
    """Return whose actions a clone's or bundle's action stands for."""
    if resource.variant is not Variant.BUNDLE:
        return resource.children
    inner = inner_clone(resource)
    if inner is not None and (base_task(action) in _ROLES or action.about):
        return inner.children
    return [replica.container for replica in resource.replicas]


def _group_flags(action: Action, group: Resource, node: Node | None) -> int:
    flags = OPTIONAL | RUNNABLE
    task = base_task(action)
    for member in group.children:
        inner = first_with_task(member, task, node)
        if inner is None:
            if task not in {"stop", "demote"}:
                flags &= ~RUNNABLE
            continue
        theirs = own_flags(inner)
        if flags & OPTIONAL and not theirs & OPTIONAL:
            flags &= ~OPTIONAL
            action.optional = False
        # That a member cannot do it keeps the group from having done it, not from beginning.
        if action.task != task and flags & RUNNABLE and not theirs & RUNNABLE:
            flags &= ~RUNNABLE
            action.runnable = False
            action.why_not = action.why_not or inner.why_not
    return flags


def _instances_flags(action: Action, instances: list[Resource], node: Node | None) -> int:
    flags = OPTIONAL | RUNNABLE
    task = base_task(action)
    # A group has points of its own for the end of each task: it has to get there.
    whole_task = action.about or action.task
    any_runnable = False
    for instance in instances:
        if instance.variant is Variant.PRIMITIVE:
            inner = first_with_task(instance, task, node)
        else:
            inner = first_with_task(instance, whole_task)
        if inner is None:
            continue
        theirs = flags_of(inner, node)
        if flags & OPTIONAL and not theirs & OPTIONAL:
            flags &= ~OPTIONAL
            action.optional = False
        any_runnable = any_runnable or bool(theirs & RUNNABLE)
    if not any_runnable:
        flags &= ~RUNNABLE
        if node is None:
            action.runnable = False
    return flags


def flags_for_ordering(action: Action, node: Node | None) -> int:
    """Return the flags that count in an order; a clone is runnable if it is so anywhere."""
    resource = action.resource
    if resource is None:
        return own_flags(action)
    flags = flags_of(action, None)
    if node is None or resource.variant is not Variant.CLONE:
        return flags
    runnable = flags & RUNNABLE
    return (flags_of(action, node) & ~RUNNABLE) | runnable
