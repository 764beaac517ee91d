"""The checker of keys is fed bad histories, and good ones that look bad."""

from __future__ import annotations

import pytest

from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Shape, corosync_conf, document
from ninefold.sim.recovery import recover
from ninefold.sim.world import KEY, World
from ninefold.totem.keys import Key, KeySet, keyset

OLD = Key.of(KEY)
NEW = Key.of(bytes(200))
NEWER = Key.of(bytes(300))


@pytest.fixture
def world() -> World:
    shape = Shape(nodes=3, token_ms=500, token_coefficient_ms=0)
    return World(1, corosync_conf(shape), document(shape))


def save(world: World, node: int, keys: KeySet) -> None:
    world.hosts[node].disk.keys = keys
    world.keyring.on_saved(world.now, node)


def test_who_sends_under_a_key_that_another_has_not_is_found(world: World) -> None:
    save(world, 1, KeySet(OLD, NEW))
    save(world, 2, KeySet(OLD, NEW))

    with pytest.raises(Violation, match=r"1 sends under .*, and 3 has"):
        save(world, 1, KeySet(NEW, None, OLD))


def test_rotation_in_its_order_is_none(world: World) -> None:
    for keys in (KeySet(OLD, NEW), KeySet(NEW, None, OLD), KeySet(NEW)):
        for node in world.hosts:
            save(world, node, keys)

    assert world.keyring.wanting() == []


def test_who_was_left_out_need_not_have_the_key_nor_the_next_until_somebody_copies_it(
    world: World,
) -> None:
    for key, before in ((NEW, OLD), (NEWER, NEW)):
        # The second rotation leaves out nobody by name: node 3 is out since the first.
        without = (3,) if key is NEW else ()
        for keys in (KeySet(before, key, None, without), KeySet(key, None, before, without)):
            save(world, 1, keys)
            save(world, 2, keys)
    assert world.keyring.strangers() == [3]

    world.keyring.copy_by_hand()

    assert world.keyring.strangers() == []
    with pytest.raises(Violation, match="1 sends under"):
        save(world, 1, keyset(KEY))


def test_cluster_that_ends_with_two_keys_has_not_recovered(world: World) -> None:
    for node in world.hosts:
        world.power_on(node)
    world.advance(5_000)
    world.hosts[2].disk.keys = KeySet(OLD, NEW)

    with pytest.raises(Violation, match=r"not all is well .*node2 holds the keys"):
        recover(world)
