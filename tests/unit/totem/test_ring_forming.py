"""Rings form, lose members and carry messages in a small virtual network."""

from __future__ import annotations

from tests.totem_world import World


def test_three_nodes_started_together_form_one_ring() -> None:
    world = World(3)

    world.start()
    formed = world.run_until(lambda: world.formed(1, 2, 3), limit=200)

    # No token timeout and no singleton ring on the way: joins are enough.
    assert formed
    assert [len(host.rings()) for host in world.hosts.values()] == [1, 1, 1]
