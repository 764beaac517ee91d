"""A cluster of the lab that is told a story, and the ground truth about what came of it.

Ground truth is what no node says about itself: the power switch's record, the client's answers, and
what the kernel shows of each host (its listening ports, its addresses, its files), looked at all
the time by a thread of its own.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ninefold.cib.model import ClearMoves, ForgetHistory, SetNodeAttribute
from ninefold.cli.observer import Observer
from ninefold.cli.stage import Stage, active
from ninefold.controller.requests import ChangeCib
from ninefold.drill.outage import answered_by_two, answers
from ninefold.lab import defaults, processes, signs
from ninefold.lab.model import FenceDevice, Power

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ninefold.controller.requests import OperatorChange
    from ninefold.drill.failover import Seen
    from ninefold.drill.outage import Attempt
    from ninefold.lab.model import HostStatus, PowerEvent
    from ninefold.lab.plan import Settings
    from ninefold.lab.signs import Sign

Status = dict[str, Any]

NINEFOLD: Final = str(Path(sys.executable).with_name("ninefold"))
DAEMON: Final = "ninefold.cli.ninefoldd"
THING: Final = "thing"
LIMIT_S: Final = 60.0

_THING: Final = """\
<primitive id="thing" class="ocf" provider="ninefold" type="dummy">
  <operations>
    <op id="thing-start" name="start" interval="0s" timeout="10s"/>
    <op id="thing-stop" name="stop" interval="0s" timeout="5s"/>
    <op id="thing-monitor" name="monitor" interval="500ms" timeout="1s"/>
  </operations>
</primitive>
"""


def cib(names: Sequence[str], *, resources: str = _THING) -> str:
    """Return the lab's own CIB (fencing, the group `web`) with more resources."""
    return defaults.cib(names).replace("</group>", f"</group>{resources}")


SIGNS: Final[dict[str, Sign]] = {
    "http": signs.listens(80),
    "vip": signs.has_address(defaults.VIP),
    THING: signs.has_dummy(THING),
}


class Story:
    """What happened from `began_s` on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.began_s = time.monotonic()
        self._poller: Any = None
        self._attempts: list[Attempt] = []

    def __enter__(self) -> Self:
        self._poller = self._cluster.stage.poll(every_ms=10)
        self.began_s = time.monotonic()
        wait_for("the client is answered", lambda: answers(self._poller.attempts), 10)
        return self

    def __exit__(self, *_: object) -> None:
        self._attempts = self._poller.stop()
        self._poller = None

    @property
    def attempts(self) -> list[Attempt]:
        """What the client saw so far."""
        return self._attempts if self._poller is None else self._poller.attempts

    def answered(self, node: str, since_s: float = 0.0) -> bool:
        """Was the client answered by a node since then?"""
        return any(a.host == node and a.end_s >= since_s for a in answers(self.attempts))

    def power(self) -> list[PowerEvent]:
        """Return what nodes had done to others' power."""
        return [
            event
            for event in self._cluster.stage.lab.events()
            if event.asked_s >= self.began_s
            and event.by not in ("operator", "lab")
            and event.action in ("off", "reboot")
        ]

    def fenced(self) -> list[str]:
        """Return the nodes that were fenced, in order."""
        return [event.target for event in self.power() if event.ok]

    def seen(self, what: str, **fields: str) -> list[Seen]:
        """Return events of that kind that nodes told, by time."""
        found = [
            seen
            for seen in list(self._cluster.observer.seen)
            if seen.at_s >= self.began_s
            and seen.what == what
            and fields.items() <= seen.fields.items()
        ]
        return sorted(found, key=lambda seen: seen.at_s)

    def ran(self, service: str, node: str) -> list[tuple[float, float]]:
        """Return when a service was seen on a host: (first, last) of each period."""
        periods = self._cluster.observer.periods.get((service, node), [])
        return [(first, last) for first, last in periods if last >= self.began_s]

    def gap_s(self) -> float:
        """Return the longest time without an answer."""
        ends = [attempt.end_s for attempt in answers(self.attempts)]
        return max((after - before for before, after in itertools.pairwise(ends)))

    def hosts(self) -> list[str]:
        """Return who answered, each once, in order."""
        return list(dict.fromkeys(attempt.host for attempt in answers(self.attempts)))

    def assert_undisturbed(self, node: str) -> None:
        """The client was served by one node all the time, and nothing of it was stopped."""
        assert self.hosts() == [node]
        # A busy machine may keep one request waiting; a stop and a start it is not.
        assert self.gap_s() < 1
        assert not [e for e in self.seen("stopped") if e.fields["resource"] in ("vip", "http")]

    def assert_never_twice(self) -> None:
        """Nothing ever ran on two hosts, and no two answered."""
        twice = [one for one in self._cluster.observer.twice if one.at_s >= self.began_s]
        assert not twice, twice
        assert not (two := answered_by_two(self.attempts)), two

    def assert_fenced_first(self, node: str) -> None:
        """`node` was fenced, and what it ran was started elsewhere only after that."""
        done = [event.done_s for event in self.power() if event.ok and event.target == node]
        assert done, f"{node} was never fenced: {self.power()}"
        lost = [service for service in SIGNS if self.ran(service, node)]
        for service in lost:
            starts = [s.at_s for s in self.seen("started", resource=service) if s.node != node] + [
                first
                for (name, host), periods in self._cluster.observer.periods.items()
                for first, _ in periods
                if name == service and host != node and first >= self.began_s
            ]
            assert not starts or min(starts) >= min(done), (service, min(starts), min(done))


class Cluster:
    """A lab with its doors and an observer. A context manager that leaves nothing behind."""

    def __init__(self, settings: Settings) -> None:
        self.stage = Stage(settings)
        self.lab = self.stage.lab
        self.observer = Observer(self.stage, SIGNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.observer.close()
        self.stage.__exit__(kind, error, trace)

    # Asking.

    def settle(self, limit_s: float = LIMIT_S) -> Status:
        """Wait until everything that is on is online and everything runs."""
        return self.stage.settle(limit_s)

    def until(
        self, wanted: Callable[[Status], bool], node: str | None = None, limit_s: float = LIMIT_S
    ) -> Status:
        """Wait until a status is as wanted."""
        return self.stage.wait(wanted, limit_s, node)

    def others(self, *nodes: str) -> list[str]:
        """Return the other hosts."""
        return [host.name for host in self.lab.status().hosts if host.name not in nodes]

    def host(self, node: str) -> HostStatus:
        """Return what the lab says about a host."""
        return self.lab.status().host(node)

    def root(self, node: str) -> Path:
        """Return a running host's file system, seen from here."""
        return Path(f"/proc/{self.host(node).init_pid}/root")

    def commands(self, node: str) -> list[str]:
        """Return the command lines of the processes that run on a host."""
        pid = self.host(node).init_pid
        return [p.command for p in processes.in_namespace(processes.pid_namespace(pid))]

    def daemon(self, node: str) -> int:
        """Return the number of a host's daemon; 0 if none runs."""
        pid = self.host(node).init_pid
        if not pid:
            return 0
        found = processes.in_namespace(processes.pid_namespace(pid))
        numbers = [p.shown for p in found if f"-m {DAEMON}" in p.command and p.state not in "ZX"]
        return numbers[0] if numbers else 0

    def signs(self, service: str) -> list[str]:
        """Return the hosts on which a service can be seen now."""
        return self.observer.where(service)

    # Doing.

    def ninefold(
        self, node: str, *words: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `ninefold WORDS` on a host, as its root would."""
        return self.lab.run(node, NINEFOLD, *words, stdin=stdin)

    def change(self, node: str, change: OperatorChange) -> Status:
        """Change the document by way of a node; return when a majority has it on disk."""
        return self.stage.client(node).request(ChangeCib(change, "part of a story"))

    def fault(self, node: str, word: str, content: str = "") -> Path:
        """Make the dummy misbehave on one node, as in its own description."""
        directory = self.root(node) / "run/ninefold/faults-thing"
        directory.mkdir(exist_ok=True)
        (directory / word).write_text(f"{content}\n" if content else "")
        return directory / word

    def stop_daemon(self, *nodes: str) -> None:
        """Tell daemons to stop, as systemd would, and wait until they have ended."""
        for node in nodes:
            os.kill(self.daemon(node), signal.SIGTERM)
        wait_for("the daemons have ended", lambda: not any(self.daemon(n) for n in nodes))

    def start_daemon(self, node: str) -> None:
        """Start the stack of a host that is on, as its init would."""
        script = "exec setsid sh /run/ninefold-lab/shared/start </dev/null >/dev/null 2>&1 &"
        assert self.lab.run(node, "sh", "-c", script).returncode == 0

    def story(self) -> Story:
        """Begin to watch; use as a context manager."""
        return Story(self)

    def rest(self) -> Status:
        """Undo whatever a story did: every host on, nothing cut, nothing failed, all running."""
        self.lab.heal()
        self.lab.fence_device(FenceDevice())
        for host in self.lab.status().hosts:
            self.lab.hold(host.name, held=False)
            if host.power is Power.OFF:
                self.lab.power_on(host.name)
                continue
            self.lab.thaw(host.name)
            for fault in (self.root(host.name) / "run/ninefold").glob("faults-*/*"):
                fault.unlink()
            if not self.daemon(host.name):
                self.lab.crash(host.name)
                self.lab.power_on(host.name)
        names = [host.name for host in self.lab.status().hosts]
        status = self.until(lambda s: {n["name"] for n in s["nodes"] if n["member"]} >= {*names})
        for node in status["nodes"]:
            if node["standby"]:
                self.change(names[0], SetNodeAttribute(node["name"], "standby", None))
        if "cli-" in self.stage.client(names[0]).cib()["xml"]:
            for resource in ("web", THING):
                self.change(names[0], ClearMoves(resource))
        if status["failures"] or status["fail_counts"]:
            self.change(names[0], ForgetHistory(""))
        status = self.settle()
        assert not status["failures"], status["failures"]
        return status

    def active(self, resource: str = "http") -> str:
        """Return the one node that runs a resource, by its own word and the kernel's."""
        if resource not in SIGNS:
            return active(self.settle(), resource)

        def agreed() -> str:
            node = active(self.settle(), resource)
            return node if self.signs(resource) == [node] else ""

        return str(wait_for("status and kernel name the same node", agreed))


def wait_for(what: str, true: Callable[[], Any], limit_s: float = 30) -> Any:
    """Wait until something is true and return it; an assertion names it if it never is."""
    end = time.monotonic() + limit_s
    while True:
        value = true()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


def datagram(source: str, target: str, payload: bytes, *, port: int = 5405) -> bytes:
    """Return an IPv4 packet with a UDP datagram whose sender is whatever we say it is."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0),
        *(socket.inet_aton(source), socket.inet_aton(target)),
    )
    return head + udp
