"""Break a rule in the machines, and demand that the checkers find it within a few seeds.

This proves the checkers: a rule that can be broken unnoticed is not watched.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.controller.decision import decide
from ninefold.node import events as ev
from ninefold.scheduler.model import Action, ActionKind
from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.effects import Effects
from ninefold.sim.faults import Plan, Step
from ninefold.sim.promises import mark
from ninefold.sim.world import World
from tests.simulation.mutants import IN_SCENARIOS, MUTANTS, Mutant, Told, found_in, said_by

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.scheduler.model import Transition
    from ninefold.sim.host import Host

# Mutants that take long to be found are for `make mutants`; here are those that a few seconds find.
QUICK_SEEDS = 10
ALL = bool(os.environ.get("NINEFOLD_ALL_MUTANTS"))
PLAYED = [mutant for mutant in MUTANTS if ALL or mutant.seeds <= QUICK_SEEDS]


@pytest.mark.parametrize("mutant", PLAYED, ids=[mutant.name for mutant in PLAYED])
def test_mutant_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    seed, said = found_in(mutant, monkeypatch)

    assert said, f"{mutant.what}: not found in {mutant.seeds} seeds"
    assert 0 <= seed < mutant.seeds
    sys.stdout.write(f"{mutant.name}: {mutant.what}: seed {seed}: {said}\n")


@pytest.mark.parametrize("told", IN_SCENARIOS, ids=[told.name for told in IN_SCENARIOS])
def test_mutant_is_found_in_a_scenario(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    _, says = told.shown

    said = said_by(told, monkeypatch)

    assert says in said, f"{told.what}: {said or 'nothing is said'}"


def fences_node_3_for_no_reason(cib: Cib, now: int) -> Transition:
    transition = decide(cib, now)
    number = max((a.id for a in transition.actions), default=0) + 1
    shot = Action(
        number, "shot", ActionKind.FENCING, "stonith", node="node3", meta={"stonith_action": "off"}
    )
    return msgspec.structs.replace(transition, actions=(*transition.actions, shot))


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

    with pytest.raises(Violation, match="is acknowledged, but disks"):
        lost_after_power_cuts()


def test_plan_prints_as_one_line() -> None:
    plan = Plan(7, Shape(), ("3 nodes",), [Step(10, "crash node1"), Step(20, "power-on node1")])

    assert str(plan) == "seed 7: 3 nodes: 10 crash node1; 20 power-on node1"
