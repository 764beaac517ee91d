"""A message that comes just as the ring goes to rest is not left behind until the hold timer."""

from __future__ import annotations

import pytest

from tests.totem_world import DEFAULTS, World

# An idle ring of three rests after 31 rotations of 3 ms, for the 685 ms of the hold timer.
RESTS_AFTER_MS = 31 * 3
# Half of that: the message that goes before finds the ring awake, its count of idle visits begun.
AWAKE_MS = 45
# A cancel to the representative, up to a rotation, the frame to all.
AT_ONCE_MS = 6


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("second", [1, 2, 3])
def test_a_message_at_any_moment_after_another_waits_for_no_hold_timer(
    first: int, second: int
) -> None:
    world = World(3, totem=DEFAULTS)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
    world.run(2_000)

    for round_, delay_ms in enumerate(range(0, RESTS_AFTER_MS + 20, 2)):
        world.submit(3, b"woken")
        world.run(AWAKE_MS)
        world.submit(first, b"one")
        world.run(delay_ms)
        world.submit(second, b"two")
        world.run(AT_ONCE_MS)

        seen = {host.payloads().count(b"two") for host in world.hosts.values()}
        assert seen == {round_ + 1}, f"{delay_ms} ms after the first"
        world.run(800)
