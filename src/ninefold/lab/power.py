"""The power switch of the lab: who turned which host off or on, when, and whether it is proven.

The record kept here is the ground truth for "fenced before started elsewhere": an `off` or
`reboot` is done only when every process of the host has ended and its ports are down.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ninefold.lab.errors import LabError, UnknownNode
from ninefold.lab.model import FenceDevice, FenceMode, PowerEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.lab.host import Host

OPERATOR: Final = "operator"
# A drill makes a few tens of events; a benchmark that loops for hours must not grow for ever.
EVENTS_MAX: Final = 10_000


class PowerSwitch:
    """Changes power for the operator and for fence agents, and records both."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self.device = FenceDevice()
        self._hosts = hosts
        self._lock = threading.Lock()
        self._events: list[PowerEvent] = []

    @property
    def events(self) -> tuple[PowerEvent, ...]:
        """The latest events, in the order in which they were done."""
        return tuple(self._events)

    def host(self, name: str) -> Host:
        """Return a host; `UnknownNode` if there is none of that name."""
        try:
            return self._hosts[name]
        except KeyError:
            known = ", ".join(self._hosts)
            sentence = f"There is no node {name!r} in this lab; there are {known}."
            raise UnknownNode(sentence) from None

    def change(self, by: str, action: str, name: str) -> PowerEvent:
        """Do `on`, `off` or `reboot` and record it; a failure is recorded, then raised.

        A reboot is done when the host is off; it boots behind the caller's back unless it is held off.
        """
        assert action in ("on", "off", "reboot")
        host = self.host(name)
        asked, was, done = time.monotonic(), host.power, False
        try:
            if action == "on":
                host.on()
            else:
                host.off()
            done = True
        finally:
            event = PowerEvent(asked, time.monotonic(), by, action, name, was, done)
            with self._lock:
                self._events.append(event)
                del self._events[:-EVENTS_MAX]
        if action == "reboot" and not host.held_off:
            threading.Thread(target=self._boot, args=(name,), daemon=True).start()
        return event

    def door(self, by: str) -> Callable[[bytes], bytes]:
        """Return what answers the fence agent on host `by`: `ACTION PLUG` to `OK`, then lines."""
        return lambda line: f"{self._answer(by, line.decode(errors='replace'))}\n".encode()

    def _answer(self, by: str, line: str) -> str:
        action, _, plug = line.strip().partition(" ")
        device = self.device
        # A slow device has acted some time before it says so, as slow devices do.
        time.sleep(device.delay_ms / 2000)
        answer = "FAILED the fence device does not respond"
        if device.mode is not FenceMode.FAIL:
            try:
                answer = self._fence(by, action, plug)
            except LabError as error:
                answer = f"FAILED {error}"
        time.sleep(device.delay_ms / 2000)
        return answer

    def _fence(self, by: str, action: str, plug: str) -> str:
        match action:
            case "monitor":
                return "OK"
            case "list":
                return "OK\n" + "\n".join(f"{name}," for name in self._hosts)
            case "list-status":
                states = (f"{name},,{h.power.name}" for name, h in self._hosts.items())
                return "OK\n" + "\n".join(states)
            case "status":
                return f"OK\nStatus: {self.host(plug).power.name}"
            case "on" | "off" | "reboot":
                self.change(by, action, plug)
                return "OK"
            case _:
                return f"FAILED there is no action {action!r}"

    def _boot(self, name: str) -> None:
        try:
            self.change("lab", "on", name)
        except LabError:
            # Recorded as an event that is not ok; nobody waits for it.
            return
