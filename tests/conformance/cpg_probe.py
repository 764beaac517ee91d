"""Does to the Corosync of its own host what the binding has to live with, and says what it saw as JSON.

    python cpg_probe.py COROSYNC-PID

Corosync stands still while more is sent than its queue holds, goes on, and is killed in the end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from typing import Any

from ninefold.corosync.events import GroupConfigured, GroupMessage
from ninefold.host.corosync.cpg import Cpg
from ninefold.host.corosync.libraries import CorosyncError

SIZE = 60_000
# Four times what the ring shared with Corosync holds.
SENDS_MAX = 70
LIMIT_S = 10.0


class Probe:
    """One handle, read until something holds."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.cpg = Cpg(self.told.append)

    def read(self, *, until_told: int) -> None:
        """Dispatch until so much was told."""
        end_s = time.monotonic() + LIMIT_S
        while len(self.told) < until_told and time.monotonic() < end_s:
            select.select([self.cpg.fd], [], [], 0.1)
            while self.cpg.dispatch():
                if len(self.told) >= until_told:
                    return

    def numbers(self) -> list[int]:
        """Return the numbers of the messages that came."""
        return [
            int.from_bytes(report.data[:4], "big")
            for report in self.told
            if isinstance(report, GroupMessage)
        ]


def send(cpg: Cpg, number: int) -> bool:
    """Send one numbered message."""
    return cpg.send(number.to_bytes(4, "big").ljust(SIZE, b"x"))


def main(corosync: int) -> None:
    """Live through it."""
    probe = Probe()
    while not probe.cpg.join():
        time.sleep(0.01)
    probe.read(until_told=2)
    joined = [report for report in probe.told if isinstance(report, GroupConfigured)]
    os.kill(corosync, signal.SIGSTOP)
    taken = 0
    while taken < SENDS_MAX and send(probe.cpg, taken):
        taken += 1
    os.kill(corosync, signal.SIGCONT)
    end_s = time.monotonic() + LIMIT_S
    again = taken
    while again < SENDS_MAX and time.monotonic() < end_s:
        if send(probe.cpg, again):
            again += 1
        else:
            probe.read(until_told=len(probe.told) + 1)
    probe.read(until_told=2 + SENDS_MAX)
    numbers = probe.numbers()
    os.kill(corosync, signal.SIGKILL)
    statuses = []
    for call in (probe.cpg.dispatch, lambda: send(probe.cpg, 0)):
        end_s = time.monotonic() + LIMIT_S
        while time.monotonic() < end_s:
            try:
                call()
            except CorosyncError as error:
                statuses.append(str(error))
                break
            time.sleep(0.01)
    found = {"joined": len(joined), "taken": taken, "numbers": numbers, "dead": statuses}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
