"""Timers that change while the ring runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.totem_world import DEFAULTS, FAST, TOKEN_1000, World, config_of

if TYPE_CHECKING:
    from ninefold.config.model import TotemOptions


@pytest.mark.parametrize(("first", "timers"), [(DEFAULTS, FAST), (FAST, DEFAULTS)])
def test_a_crash_is_found_by_the_timers_that_were_taken_last(
    first: TotemOptions, timers: TotemOptions
) -> None:
    world = World(3, totem=first)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=3_000)
    for node, host in world.hosts.items():
        host.stack.reconfigure(world.now, config_of(node, world.nodes, timers))
    world.run(2_000)
    messages = [f"m{i}".encode() for i in range(20)]
    for message in messages:
        world.submit(2, message)
    world.run(500)

    crashed_at = world.now
    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=20_000)

    assert timers.token - timers.hold <= world.now - crashed_at <= 2 * timers.token + 700
    assert world.hosts[1].payloads() == messages


def test_one_node_that_reloads_before_the_others_costs_no_membership() -> None:
    world = World(3, totem=DEFAULTS)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=3_000)
    before = world.hosts[1].stack.statistics.memberships

    # A token of 1650 ms beside two of 3650 ms: the rest at the representative is the shorter one's.
    world.hosts[2].stack.reconfigure(world.now, config_of(2, world.nodes, TOKEN_1000))
    world.run(60_000)

    assert world.formed(1, 2, 3)
    assert world.hosts[1].stack.statistics.memberships == before
