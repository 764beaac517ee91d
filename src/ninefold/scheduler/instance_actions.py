"""The points where all instances of a clone or bundle begin and end an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import variants
from ninefold.scheduler.actions import collective
from ninefold.scheduler.notifications import create_for
from ninefold.scheduler.record import Record
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Resource, Workspace


class _State(Record):
    starting: bool = False
    stopping: bool = False
    restarting: bool = False
    active: bool = False


def create_collective(
    work: Workspace, resource: Resource, instances: list[Resource], parts: list[Resource]
) -> None:
    """Create all actions of `parts`, and the collective start and stop around the `instances`."""
    for part in parts:
        variants.of(part).create(work, part)
    state = _State()
    for instance in instances:
        _look_at(instance, state)
    start = collective(work, resource, "start", optional=not state.starting)
    started = collective(work, resource, "running", optional=not state.starting)
    start.runnable = True
    started.runnable = state.active or state.starting
    started.priority = INFINITY
    stop = collective(work, resource, "stop", optional=not state.stopping)
    stopped = collective(work, resource, "stopped", optional=not state.stopping)
    stop.runnable = stopped.runnable = True
    stopped.priority = INFINITY
    stop.migratable = not state.restarting
    if resource.variant is Variant.CLONE:
        create_for(work, resource, "start", start, started)
        create_for(work, resource, "stop", stop, stopped)


def _look_at(instance: Resource, state: _State) -> None:
    if instance.variant is not Variant.PRIMITIVE:
        for child in instance.children:
            _look_at(child, state)
        return
    if instance.active:
        state.active = True
    starts = stops = False
    for action in instance.actions:
        if action.task == "start":
            if not action.optional and action.runnable:
                starts = True
        elif action.task == "stop" and not action.optional and (action.pseudo or action.runnable):
            stops = True
    state.starting |= starts
    state.stopping |= stops
    state.restarting |= starts and stops
