"""Laws of the rotation of keys, over thousands of histories of a world without packets.

1. Nobody sends under a key that a node which must take part cannot open, at any time.
2. Once all is mended, the rotation comes to its end by itself: one key, the same everywhere.
3. And then another one can be had.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ninefold.totem.rotation import Rotation
from tests.rotation_world import World

if TYPE_CHECKING:
    from ninefold.totem.keys import KeySet

DISTURBANCES = 120


def one_key(world: World) -> KeySet:
    """Return what all hold, on their disks and in use: one key and nothing else."""
    held = {host.disk for host in world.hosts.values()} | {h.keys for h in world.hosts.values()}
    assert len(held) == 1, world.told()
    keys = held.pop()
    assert keys.accepted == (keys.active,)
    assert not keys.without
    return keys


def live(seed: int) -> World:
    """Let a cluster live through a history, and be mended."""
    world = World(random.Random(seed), random.Random(-seed - 1).choice([2, 3, 3, 4, 5]))
    world.form(world.nodes)
    world.rest(1)
    for _ in range(DISTURBANCES):
        world.disturb()
    world.mend()
    return world


def ask_again(world: World) -> None:
    before = one_key(world)
    assert world.rotate(world.hosts[1], leave_out=False)
    world.rest(1)
    assert one_key(world) != before


@pytest.mark.parametrize("block", range(4))
def test_a_rotation_survives_whatever_happens_to_it(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        world = live(seed)

        one_key(world)
        ask_again(world)


def test_many_histories_end_with_another_key() -> None:
    firsts = {seed: World(random.Random(seed), 3).hosts[1].disk.active for seed in range(100)}

    changed = [seed for seed, first in firsts.items() if one_key(live(seed)).active != first]

    assert len(changed) > len(firsts) // 3


class Hasty(Rotation):
    """Uses a key as soon as it has it itself."""

    def _may_use(self, name: str) -> bool:
        return bool(name)


class Careless(Rotation):
    """Waits for the members of the ring only."""

    def _nobody_is_missed(self) -> bool:
        return not any(held.busy for held in self._table.values())


class Silent(Rotation):
    """Offers a key once only."""

    def _offer_again(self) -> list[object]:  # type: ignore[override]
        return []


@pytest.mark.parametrize("fault", [Hasty, Careless, Silent])
def test_the_laws_find_a_rotation_that_breaks_them(
    fault: type[Rotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.rotation_world.Rotation", fault)

    def break_a_law() -> None:
        for seed in range(300):
            one_key(live(seed))

    with pytest.raises(AssertionError):
        break_a_law()
