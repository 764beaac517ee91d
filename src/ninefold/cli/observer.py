"""Looks at all hosts of a stage, many times a second, and hears every node's events.

Ground truth is what no node says about itself: what each host's kernel shows. The nodes' events are
kept beside it, for whoever tells the story.
"""

from __future__ import annotations

import contextlib
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.api.client import DoorClosedError, RefusedError
from ninefold.lab.errors import LabError
from ninefold.lab.model import Power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.cli.stage import Follower, Stage
    from ninefold.drill.failover import Seen
    from ninefold.lab.signs import Sign

# Hosts come and go at the speed of a boot.
HOSTS_EVERY_S: Final = 0.15
# Two looks that both saw a service belong to one period if no more than so many looks lie between.
PERIOD_LOOKS: Final = 10


class Twice(msgspec.Struct, frozen=True):
    """At that moment a service ran on two hosts."""

    at_s: float
    service: str
    first: str
    second: str


class Observer:
    """Watches `signs` (by service) from its making until `close`."""

    def __init__(self, stage: Stage, signs: Mapping[str, Sign], *, every_s: float = 0.015) -> None:
        self._stage = stage
        self._signs = dict(signs)
        self._every_s = every_s
        self._inits: dict[str, int] = {}
        self._followers: dict[str, Follower] = {}
        self._calling: set[str] = set()
        self._ended = threading.Event()
        self.seen: list[Seen] = []
        # Per service and node: [first seen, last seen] of each period.
        self.periods: dict[tuple[str, str], list[list[float]]] = {}
        self.twice: list[Twice] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join(10)

    @property
    def services(self) -> tuple[str, ...]:
        """What is looked for."""
        return tuple(self._signs)

    def spans(self) -> dict[tuple[str, str], list[list[float]]]:
        """Return a copy of the periods that may be read while they grow."""
        return {key: [list(span) for span in spans] for key, spans in list(self.periods.items())}

    def where(self, service: str) -> list[str]:
        """Return the hosts that run a service, looked at now."""
        hosts = [host for host in self._stage.lab.status().hosts if host.power is Power.ON]
        sign = self._signs[service]
        return [host.name for host in hosts if _shown(sign, host.init_pid)]

    def _run(self) -> None:
        next_hosts_s = 0.0
        while not self._ended.wait(self._every_s):
            if time.monotonic() >= next_hosts_s:
                # A lab that is being taken down while we look is no finding.
                with contextlib.suppress(LabError):
                    self._hosts()
                next_hosts_s = time.monotonic() + HOSTS_EVERY_S
            for service, sign in self._signs.items():
                self._look(service, sign)

    def _hosts(self) -> None:
        hosts = [h for h in self._stage.lab.status().hosts if h.power is Power.ON]
        self._inits = {host.name: host.init_pid for host in hosts}
        for host in hosts:
            follower = self._followers.get(host.name)
            if (follower is None or follower.ended) and host.name not in self._calling:
                # In a thread of its own: a daemon that stands still lets whoever calls it wait.
                self._calling.add(host.name)
                threading.Thread(target=self._follow, args=(host.name,), daemon=True).start()

    def _follow(self, node: str) -> None:
        with contextlib.suppress(DoorClosedError, RefusedError, OSError, KeyError, HTTPException):
            self._followers[node] = self._stage.follow(node, self.seen.append)
        self._calling.discard(node)

    def _look(self, service: str, sign: Sign) -> None:
        here = [name for name, pid in self._inits.items() if _shown(sign, pid)]
        now = time.monotonic()
        for name in here:
            periods = self.periods.setdefault((service, name), [])
            if periods and now - periods[-1][1] < PERIOD_LOOKS * self._every_s:
                periods[-1][1] = now
            else:
                periods.append([now, now])
        # Seen before and after the other one: then it was there at the same time, however slowly
        # we look.
        if len(here) > 1 and _shown(sign, self._inits[here[0]]):
            self.twice.append(Twice(now, service, here[0], here[1]))


def _shown(sign: Sign, pid: int) -> bool:
    try:
        return sign(pid)
    except OSError:
        return False
