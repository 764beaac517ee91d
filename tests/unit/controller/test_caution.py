"""What a transition waits for beyond what the engine orders."""

from __future__ import annotations

from ninefold.controller.caution import (
    clones_after_probes,
    leaving_after_probes,
    superfluous_first,
)
from ninefold.scheduler.model import Action, ActionKind, Transition


def action(number: int, resource: str, task: str, *inputs: int, clone: bool = True) -> Action:
    meta = {"clone": "0"} if clone else {}
    kind = ActionKind.RESOURCE
    return Action(number, f"{number}", kind, task, resource, inputs=inputs, meta=meta)


def inputs(*actions: Action) -> list[tuple[int, ...]]:
    given = Transition(actions, (), (), quorate=True)
    return [action.inputs for action in clones_after_probes(given).actions]


def test_what_a_clone_begins_waits_for_the_probes_of_all_its_instances() -> None:
    probe = action(1, "db:2", "monitor")
    unlike = [action(2, "web", "monitor"), action(3, "db", "monitor", clone=False)]

    waits = inputs(probe, *unlike, action(4, "db:0", "promote"), action(5, "db:1", "start", 2))

    assert waits == [(), (), (), (1,), (2, 1)]
    assert inputs(probe, action(4, "db:0", "stop"), action(5, "db:0", "demote")) == [(), (), ()]


def test_two_clones_do_not_wait_for_one_another() -> None:
    # Each clone leads to a remote node, where the other one has to be looked for.
    starts = [action(1, "a:0", "start"), action(2, "b:0", "start")]
    nodes = [action(3, "by-a", "start", 1, clone=False), action(4, "by-b", "start", 2, clone=False)]

    waits = inputs(*starts, *nodes, action(5, "b:1", "monitor", 3), action(6, "a:1", "monitor", 4))

    assert waits == [(), (5,), (1,), (2,), (3,), (4,)]


def test_probe_behind_a_start_of_the_same_clone_holds_up_nothing() -> None:
    first, other = action(1, "db:0", "start"), action(2, "guest", "start", 1, clone=False)

    assert inputs(first, other, action(3, "db:1", "monitor", 2)) == [(), (1,), (2,)]


def test_what_a_clone_begins_waits_for_the_end_of_a_superfluous_instance() -> None:
    stop = action(1, "db:2", "stop", clone=False)
    given = Transition((stop, action(2, "db:0", "start")), (), (), quorate=True)

    assert [one.inputs for one in superfluous_first(given).actions] == [(), (1,)]


def test_superfluous_instance_that_can_end_only_behind_its_clone_is_not_waited_for() -> None:
    # It runs on a node that is reached again only through what the clone begins.
    start, reached = action(1, "db:0", "start"), action(2, "by-db", "start", 1, clone=False)
    stop = action(3, "db:2", "stop", 2, clone=False)
    given = Transition((start, reached, stop, action(4, "db:1", "start")), (), (), quorate=True)

    assert [one.inputs for one in superfluous_first(given).actions] == [(), (1,), (2,), (3,)]


def test_goodbye_waits_for_no_probe_that_waits_for_it() -> None:
    look, late = action(1, "db", "monitor", clone=False), action(3, "db", "monitor", 2, clone=False)
    goodbye = Action(2, "2", ActionKind.CLUSTER, "do_shutdown")
    given = Transition((look, goodbye, late), (), (), quorate=True)

    assert [one.inputs for one in leaving_after_probes(given).actions] == [(), (1,), (2,)]
