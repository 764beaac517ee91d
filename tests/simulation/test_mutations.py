"""Break a rule in the machines, and demand that the checkers find it within a few seeds.

This proves the checkers: a rule that can be broken unnoticed is not watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.controller.executor import Executor
from ninefold.node import events as ev
from ninefold.quorum import threshold
from ninefold.scheduler import schedule
from ninefold.scheduler.model import Action, ActionKind
from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.effects import Effects
from ninefold.sim.faults import Plan, Step, make_plan
from ninefold.sim.promises import mark
from ninefold.sim.trial import run
from ninefold.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.cib.document import Cib
    from ninefold.controller.events import Effect
    from ninefold.controller.messages import Order
    from ninefold.scheduler.model import Transition
    from ninefold.sim.host import Host

SEEDS_MAX = 30


def first_finding(prepare: Callable[[World], None] | None = None) -> str:
    """Return what the checkers say of the first seed in which they find something."""
    for seed in range(SEEDS_MAX):
        try:
            run(make_plan(seed), prepare)
        except Violation as violation:
            return str(violation).splitlines()[0]
    return ""


def without_waiting_for_fencing(cib: Cib, now: int) -> Transition:
    """Decide as ever, but let nothing wait for a fencing."""
    transition = schedule(cib, now)
    fencings = {a.id for a in transition.actions if a.kind is ActionKind.FENCING}

    def hasty(action: Action) -> Action:
        inputs = tuple(number for number in action.inputs if number not in fencings)
        return msgspec.structs.replace(action, inputs=inputs)

    actions = tuple(hasty(action) for action in transition.actions)
    return msgspec.structs.replace(transition, actions=actions)


def fences_node_3_for_no_reason(cib: Cib, now: int) -> Transition:
    transition = schedule(cib, now)
    number = max((a.id for a in transition.actions), default=0) + 1
    shot = Action(
        number, "shot", ActionKind.FENCING, "stonith", node="node3", meta={"stonith_action": "off"}
    )
    return msgspec.structs.replace(transition, actions=(*transition.actions, shot))


def test_start_that_does_not_wait_for_fencing_is_found() -> None:
    def prepare(world: World) -> None:
        world.effects.decide = without_waiting_for_fencing

    found = first_finding(prepare)

    assert "was not fenced" in found or "while it runs on" in found


def test_quorum_that_is_one_vote_too_low_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threshold, "majority", lambda expected: max(1, expected // 2))

    assert "has quorum in" in first_finding()


def test_start_without_quorum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # The last line of defence is gone, and so is the policy: whatever is asked for is launched.
    right = Executor.perform

    def perform(self: Executor, now: int, order: Order, **known: int) -> list[Effect]:
        return right(self, now, order, quorate=True, wall=known["wall"])

    monkeypatch.setattr(Executor, "perform", perform)

    def prepare(world: World) -> None:
        def decide(cib: Cib, now: int) -> Transition:
            ignoring = cib.evolved({"have-quorum": "1"})
            return without_waiting_for_fencing(ignoring, now)

        world.effects.decide = decide

    found = first_finding(prepare)

    assert "without quorum" in found or "was not fenced" in found or "while it runs on" in found


def test_fencing_of_a_healthy_node_is_found() -> None:
    shape = Shape(resources=[Primitive("db")])
    world = World(1, corosync_conf(shape), document(shape))
    for node in world.hosts:
        world.power_on(node)
    world.advance(300_000)
    world.effects.decide = fences_node_3_for_no_reason

    world.ask(1, "alice", mark(1, "node1"))

    with pytest.raises(Violation, match="it is healthy"):
        world.advance(10_000)


# Power cuts at any instant.


def power_cut_after(delay_ms: int) -> World:
    """Form a cluster, ask for a change, cut the power of all after `delay_ms`, let it come back."""
    shape = Shape(seed=delay_ms, token_ms=500, token_coefficient_ms=0)
    world = World(delay_ms, corosync_conf(shape), document(shape))
    for node in world.hosts:
        world.power_on(node)
    world.advance(1_000)
    world.ask(2, "alice", mark(1, "node1"))
    world.advance(delay_ms)
    for node in world.hosts:
        world.power_off(node)
    for node in world.hosts:
        world.power_on(node)
    world.advance(2_000)
    return world


def lost_after_power_cuts() -> tuple[int, list[int]]:
    """Return how many cuts came after the acknowledgement, and the delays that lost the change."""
    lost, acknowledged = [], 0
    for delay_ms in range(1, 45):
        world = power_cut_after(delay_ms)
        acknowledged += len(world.promises.kept)
        node = world.hosts[1].node
        assert node is not None
        if world.promises.missing(node.controller.replica.authority):
            lost.append(delay_ms)
    return acknowledged, lost


def test_power_cut_of_all_nodes_at_any_instant_loses_no_acknowledged_change() -> None:
    acknowledged, lost = lost_after_power_cuts()

    assert lost == []
    assert acknowledged > 10, "most of the cuts must come after the acknowledgement"


def test_change_that_is_acknowledged_before_it_is_saved_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whoever vouches before its disk has it is as one whose disk says so too early.
    right = Effects.save_cib

    def save_cib(self: Effects, host: Host, effect: ev.SaveCib) -> None:
        right(self, host, effect)
        self.world.later(host, 0, ev.CibSaved(effect.stamp))

    monkeypatch.setattr(Effects, "save_cib", save_cib)

    _, lost = lost_after_power_cuts()

    assert lost != []


def test_plan_prints_as_one_line() -> None:
    plan = Plan(7, Shape(), ("3 nodes",), [Step(10, "crash node1"), Step(20, "power-on node1")])

    assert str(plan) == "seed 7: 3 nodes: 10 crash node1; 20 power-on node1"
