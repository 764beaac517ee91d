"""Lets a fenced host of the lab boot as slowly as a machine does.

The lab's hosts boot in a twentieth of a second: a node is back before anybody has noticed that it was gone. A
scenario counts on the seconds that a real machine takes, and the simulator's hosts take.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ninefold.lab.errors import LabError
from ninefold.lab.model import Power

if TYPE_CHECKING:
    from ninefold.lab.client import Lab

# The simulator draws three to eight.
BOOT_S: Final = 5.0
LOOK_S: Final = 0.1


class Booter:
    """Holds every host of a lab off when it is fenced with `reboot`, and switches it on later."""

    def __init__(self, lab: Lab) -> None:
        self.kept_off: set[str] = set()
        self._lab = lab
        self._ended = threading.Event()
        for host in lab.status().hosts:
            lab.hold(host.name)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Boot nobody any more."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            # A lab that is being taken down boots nobody.
            with suppress(LabError):
                self._boot()

    def _boot(self) -> None:
        status = self._lab.status()
        for host in status.hosts:
            last = [event for event in status.events if event.target == host.name and event.ok][-1:]
            due = [
                event
                for event in last
                if event.action == "reboot" and time.monotonic() - event.done_s >= BOOT_S
            ]
            if due and host.power is Power.OFF and host.name not in self.kept_off:
                self._lab.power_on(host.name)
