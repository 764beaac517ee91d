from __future__ import annotations

import time

from ninefold.host import clock
from ninefold.host.netlink import local_addresses


def test_now_is_whole_milliseconds_of_the_clock_that_counts_suspension() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000

    now = clock.now()

    assert before - 1 <= now <= before + 1000


def test_wall_is_the_epoch_time() -> None:
    assert abs(clock.wall() - time.time()) < 2


def test_loopback_is_among_the_local_addresses() -> None:
    found = {(a.interface, a.address, a.prefix_length) for a in local_addresses()}

    assert ("lo", "127.0.0.1", 8) in found
