"""What systemd is told about the daemon (sd_notify(3)); nothing happens where it does not listen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Final

_US_PER_S: Final = 1_000_000


def tell_systemd(*words: str) -> None:
    """Send state such as `READY=1` or `STATUS=...`, one assignment a word."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    target = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)  # a manager that hangs must not hold up the ring
        notify.sendto("\n".join(words).encode(), target)


def beat_period_s() -> float:
    """Return how often systemd's watchdog is to be told: twice as often as it wants; 0 for never."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(wanted) / 2 / _US_PER_S if wanted.isdecimal() and mine else 0.0


async def beat() -> None:
    """Tell systemd's watchdog, for as long as it is to be told, that this loop turns."""
    while period_s := beat_period_s():
        tell_systemd("WATCHDOG=1")
        await asyncio.sleep(period_s)
