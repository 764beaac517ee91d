"""A lab whose nodes can be asked: the lab's hosts, and each one's door seen from outside.

What the demo, the benchmarks and the system tests stand on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Self

from ninefold.api.client import Client, DoorClosedError, RefusedError
from ninefold.drill.failover import Fencing, Seen
from ninefold.drill.probe import Aim, Poller
from ninefold.lab.client import Lab
from ninefold.lab.enter import door_of
from ninefold.lab.model import Power

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from ninefold.lab.plan import Settings

LOOK_S: Final = 0.05
SETTLE_LIMIT_S: Final = 60.0
VIP: Final = "10.77.0.100"


class NotSettled(Exception):
    """The cluster did not come to rest in time; the message holds its last status."""


class Stage:
    """A lab with its nodes' doors. A context manager that leaves nothing behind."""

    def __init__(self, settings: Settings) -> None:
        self.lab = Lab.up(settings)
        self._followers: list[Follower] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lab.__exit__(kind, error, trace)

    def names(self) -> list[str]:
        """Return the names of the hosts that are on."""
        return [host.name for host in self.lab.status().hosts if host.power is Power.ON]

    def client(self, node: str) -> Client:
        """Return the door of a node, entered from outside by way of its init's root."""
        init = self.lab.status().host(node).init_pid
        return Client(str(door_of(init)))

    def look(self, node: str) -> dict[str, Any] | None:
        """Return a node's status, or `None` if it cannot be asked now."""
        try:
            return self.client(node).status()
        except (DoorClosedError, RefusedError, OSError, http.client.HTTPException):
            return None

    def look_anywhere(self) -> dict[str, Any] | None:
        """Return the status that the first node which answers gives."""
        for name in self.names():
            status = self.look(name)
            if status is not None:
                return status
        return None

    def wait(
        self,
        wanted: Callable[[dict[str, Any]], bool],
        limit_s: float = SETTLE_LIMIT_S,
        node: str | None = None,
    ) -> dict[str, Any]:
        """Wait until a status is as wanted; raise `NotSettled` after `limit_s`."""
        end = time.monotonic() + limit_s
        status: dict[str, Any] | None = None
        while time.monotonic() < end:
            status = self.look(node) if node is not None else self.look_anywhere()
            if status is not None and wanted(status):
                return status
            time.sleep(LOOK_S)
        raise NotSettled(json.dumps(status, indent=1))

    def settle(self, limit_s: float = SETTLE_LIMIT_S) -> dict[str, Any]:
        """Wait until every node that is on is online and every resource is where it shall be."""
        names = self.names()
        return self.wait(lambda status: settled(status, names), limit_s)

    def follow(self, node: str, told: Callable[[Seen], None]) -> Follower:
        """Hand every event of a node on as it happens, from a thread."""
        return Follower(self.client(node), node, told)

    def poll(self, address: str = VIP, every_ms: float = 5) -> Poller:
        """Start a client that asks the service over and over."""
        return Poller(Aim(address, every_ms=every_ms), within=self.lab.client_command())

    def fencings(self) -> list[Fencing]:
        """Return what the power switch did on behalf of nodes."""
        return [
            Fencing(event.done_s, event.by, event.target, event.ok)
            for event in self.lab.events()
            if event.by != "operator" and event.action in ("off", "reboot")
        ]


class Follower:
    """Reads a node's event stream until it ends."""

    def __init__(self, client: Client, node: str, told: Callable[[Seen], None]) -> None:
        self._node = node
        self._told = told
        # The log's clock counts suspension, the drill's does not: this is what lies between.
        self._offset_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
        self._stream: Iterator[dict[str, Any]] = iter(())
        with contextlib.suppress(DoorClosedError, OSError):  # a node that is off tells nothing
            self._stream = client.follow()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Has the stream ended, with its node or for another reason?"""
        return not self._thread.is_alive()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            for event in self._stream:
                at_s = event["clock_ms"] / 1000 - self._offset_s
                self._told(Seen(at_s, self._node, event["what"], event["text"], event["fields"]))


def settled(status: dict[str, Any], names: list[str]) -> bool:
    """Are all of `names` online, and does every resource run, with nothing left to do?"""
    online = {node["name"] for node in status["nodes"] if node["state"] == "online"}
    if not status["settled"] or not online.issuperset(names) or not status["quorum"]["quorate"]:
        return False
    return all(r["nodes"] and r["role"] in ("Started", "Promoted") for r in status["resources"])


def active(status: dict[str, Any], resource: str = "http") -> str:
    """Return the one node that runs a resource."""
    for entry in status["resources"]:
        if entry["id"] == resource and len(entry["nodes"]) == 1:
            return str(entry["nodes"][0])
    raise NotSettled(f"{resource} does not run on exactly one node: {status['resources']}")
