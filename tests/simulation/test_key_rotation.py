"""The rotation of keys on whole virtual nodes, with packets that are really sealed and opened."""

from __future__ import annotations

from itertools import count, islice

import pytest

from ninefold.sim.faults import make_plan
from ninefold.sim.stage import Stage
from ninefold.sim.trial import run
from ninefold.sim.words import Unmet
from ninefold.sim.world import KEY
from ninefold.totem.keys import keyset
from ninefold.totem.stack import Stack

NAMES = ("node1", "node2", "node3")


def cluster() -> Stage:
    stage = Stage()
    stage.do("cluster nodes=3 fencing=no token=500 coefficient=0 links=1")
    stage.end_of_block()
    return stage


def check_everybody_is_understood(stage: Stage) -> None:
    hosts = stage.world.hosts.values()
    for speaker in hosts:
        stack = speaker.node.stack if speaker.alive and speaker.node is not None else None
        if not isinstance(stack, Stack):
            continue
        used = stack.rotation.keys.active
        for listener in hosts:
            assert used in listener.disk.keys.accepted, (
                f"{speaker.name} sends under {used}, {listener.name} holds {listener.disk.keys}"
            )


def watch(stage: Stage, for_ms: int, *, every_ms: int) -> None:
    for _ in range(0, for_ms, every_ms):
        stage.world.advance(every_ms)
        check_everybody_is_understood(stage)


@pytest.mark.parametrize("after_ms", [1, 4, 8, 13, 18, 24, 30, 40])
@pytest.mark.parametrize("victim", ["node1", "node3"])
def test_rotation_interrupted_by_a_power_cut_ends_when_the_node_is_back(
    after_ms: int, victim: str
) -> None:
    stage = cluster()

    stage.do("rotate-keys node2")
    stage.world.advance(after_ms)
    stage.do(f"power-cut {victim}")
    watch(stage, 100, every_ms=2)
    watch(stage, 2900, every_ms=100)
    stage.do(f"power-on {victim}")
    watch(stage, 5000, every_ms=100)

    stage.do("expect members node1 node2 node3")
    held = {host.disk.keys for host in stage.world.hosts.values()}
    assert len(held) == 1
    assert len(next(iter(held)).accepted) == 1


def test_rotation_waits_for_a_disk_that_refuses_and_then_goes_on_by_itself() -> None:
    stage = cluster()
    stage.do("disk node3 fails")

    stage.do("rotate-keys node3")
    watch(stage, 3000, every_ms=50)
    with pytest.raises(Unmet):
        stage.do("expect one-key node1 node2 node3")
    stage.do("rotate-keys node3")
    watch(stage, 3000, every_ms=50)
    stage.do("disk node3 works")
    watch(stage, 12_000, every_ms=100)

    stage.do("expect one-key node1 node2 node3")


def test_two_rotations_at_once_are_one() -> None:
    stage = cluster()

    stage.do("rotate-keys node1")
    stage.do("rotate-keys node3")
    watch(stage, 1000, every_ms=20)

    stage.do("expect one-key node1 node2 node3")


def test_node_that_was_left_out_is_out_until_it_is_given_the_key() -> None:
    stage = cluster()
    stage.do("power-cut node3")
    stage.world.advance(3_000)

    stage.do("rotate-keys node1 without node3")
    stage.world.advance(3_000)
    stage.do("expect one-key node1 node2")
    stage.do("power-on node3")
    stage.world.advance(10_000)

    stage.do("expect members node1 node2")
    told = [line.text for line in stage.lines() if line.what == "packets-refused"]
    assert any("copy one authkey" in text for text in told)

    # As it is told: the key file copied from a member, the daemon started anew.
    stage.do("power-cut node3")
    host = stage.host("node3")
    host.disk.keys = stage.host("node1").disk.keys
    stage.do("power-on node3")
    stage.world.advance(10_000)
    stage.do("expect members node1 node2 node3")


def test_who_was_left_out_stays_so_when_all_members_start_anew() -> None:
    stage = cluster()
    stage.do("power-cut node3")
    stage.world.advance(3_000)

    # The cut comes after the first of three saves at each node.
    stage.do("rotate-keys node1 without node3")
    for _ in range(100):
        stage.world.advance(1)
        if all(stage.host(name).disk.keys.without for name in ("node1", "node2")):
            break
    for name in ("node1", "node2"):
        stage.do(f"power-cut {name}")
    assert stage.host("node1").disk.keys.next is not None
    for name in ("node1", "node2"):
        stage.do(f"power-on {name}")
    stage.world.advance(5_000)

    stage.do("expect one-key node1 node2")


def test_rotations_in_the_middle_of_everything_else_come_to_their_end() -> None:
    # That there is one key then, and everybody is understood on the way, the checkers demand of each such plan.
    drawn = (plan for plan in map(make_plan, count()) if "keys" in plan.options)
    worlds = [run(plan) for plan in islice(drawn, 3)]

    ended = [host.disk.keys for world in worlds for host in world.hosts.values()]
    assert any(keys != keyset(KEY) for keys in ended), (
        "these seeds prove nothing: no key was rotated"
    )
