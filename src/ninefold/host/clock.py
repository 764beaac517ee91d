"""The host's two clocks: whole milliseconds for the machines, epoch seconds for documents.

`now` reads CLOCK_BOOTTIME: it never runs backwards, and unlike CLOCK_MONOTONIC it goes on while the
host is suspended. A node that slept for an hour must see that its token is an hour late, not find
its timers where it left them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.core.instants import Instant, WallSeconds

_NS_PER_MS = 1_000_000


def now() -> Instant:
    """Return the milliseconds since this host booted, suspension included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_MS


def wall() -> WallSeconds:
    """Return the seconds since 1970, as the host believes."""
    return int(time.time())
