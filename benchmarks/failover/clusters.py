"""One cluster in a lab, whichever stack runs in it: what the experiments may ask of it.

Everything here is bounded: a cluster that does not come to rest raises `NotSettled`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
import xml.etree.ElementTree as ET
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import msgspec

from ninefold.cli.stage import NotSettled, Stage, active, settled
from ninefold.lab.model import Power
from ninefold.lab.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SETTLE_LIMIT_S: Final = 120.0
COMMAND_LIMIT_S: Final = 30.0
LOOK_S: Final = 0.1
EVENTS_MAX: Final = 500
# libqb's "hires" time stamps are local time, to the millisecond.
_LOG_STAMP: Final = "%Y %b %d %H:%M:%S.%f"
RESOURCE: Final = "http"
GROUP: Final = "web"
# What the steps of a takeover are called in our event log, and in corosync.log.
_STEPS: Final = {
    "token-lost": "token lost",
    "membership": "membership",
    "fencing": "fencing",
    "failed": "failure found",
    "stopped": "stopped",
}
_LOGGED: Final = {"processor failed": "token lost", "new membership": "membership"}
NODES: Final = 3


class Timers(msgspec.Struct, frozen=True):
    """The totem section's timers; `None` keeps Corosync's defaults (token 3000, coefficient 650)."""

    name: str
    token_ms: int | None = None
    coefficient_ms: int | None = None


DEFAULT: Final = Timers("default token")
TOKEN_1000: Final = Timers("token 1000", 1000)
TOKEN_500: Final = Timers("token 500, coefficient 0", 500, 0)


class Cluster(ABC):
    """Three hosts, an address and a web server as a group, a fence device. Leaves nothing behind."""

    stack: str
    title: str

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.stage = Stage(
            Settings(
                nodes=NODES,
                name=f"bench-{self.stack[:2]}{os.getpid() % 100_000}",
                stack=self.stack,
                token_ms=timers.token_ms,
                token_coefficient_ms=timers.coefficient_ms,
            )
        )
        self.lab = self.stage.lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stage.__exit__(kind, error, trace)

    @abstractmethod
    def at_rest(self) -> bool:
        """Is every host online, every resource running, and nothing left to do?"""

    @abstractmethod
    def all_run(self) -> bool:
        """Is every host online and every resource running? There may be more to do."""

    @abstractmethod
    def active(self) -> str:
        """Return the host that runs the web server."""

    @abstractmethod
    def dc(self) -> str:
        """Return the host that decides; empty if nobody knows."""

    @abstractmethod
    def move(self, node: str) -> None:
        """Ask by the operator's own command that the group run on `node`."""

    @abstractmethod
    def clear(self) -> None:
        """Take that wish back."""

    @abstractmethod
    def is_daemon(self, command: str) -> bool:
        """Does a command line belong to the stack itself, not to an agent?"""

    @abstractmethod
    def ring_daemon(self) -> str:
        """Return the word by which the lab finds the process that keeps the membership."""

    @abstractmethod
    def marks(self, node: str, since_s: float) -> dict[str, float]:
        """Return when `node` first logged which step of a takeover after `since_s` (CLOCK_MONOTONIC)."""

    @abstractmethod
    def losses(self, node: str, since_s: float) -> tuple[int, int]:
        """Return how many tokens `node` lost and how many memberships it saw since then."""

    def wait(self, wanted: Callable[[], bool], what: str, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Return when `wanted` is true; `NotSettled` after `limit_s`."""
        end_s = time.monotonic() + limit_s
        while not wanted():
            if time.monotonic() > end_s:
                raise NotSettled(f"{self.title}: not {what} within {limit_s:.0f} s")
            time.sleep(LOOK_S)

    def settle(self) -> None:
        """Wait until all hosts are on and the cluster has been at rest twice, half a second apart."""

        def twice() -> bool:
            if not self._all_on() or not self.at_rest():
                return False
            time.sleep(0.5)
            return self.at_rest()

        self.wait(twice, "at rest")

    def idle_node(self) -> str:
        """Return a host that neither runs the service nor decides."""
        busy = {self.active(), self.dc()}
        return next(name for name in self.stage.names() if name not in busy)

    def fencings(self, since_s: float) -> list[tuple[float, str]]:
        """Return when which host was fenced by the cluster since then."""
        return [(f.done_s, f.target) for f in self.stage.fencings() if f.done_s >= since_s and f.ok]

    def processes(self, node: str) -> dict[int, str]:
        """Return the command line of each process of a host, by pid as seen from here."""
        found = {}
        for pid in self.lab.status().host(node).pids:
            with contextlib.suppress(OSError):
                words = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
                found[pid] = " ".join(word.decode(errors="replace") for word in words)
        return found

    def daemons(self, node: str) -> list[int]:
        """Return the pids of the stack's own processes on a host."""
        return [pid for pid, line in self.processes(node).items() if self.is_daemon(line)]

    def kill_web(self) -> float:
        """SIGKILL the web server on the active host; return when."""
        node = self.active()
        pids = [pid for pid, line in self.processes(node).items() if "/programs/web.py" in line]
        if not pids:
            raise NotSettled(f"{self.title}: no web server runs on {node}")
        at_s = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return at_s

    def run(self, node: str, *command: str) -> str:
        """Run a command on a host; `NotSettled` tells what it complained about."""
        done = self.lab.run(node, *command, limit_s=COMMAND_LIMIT_S)
        if done.returncode != 0:
            raise NotSettled(f"{self.title}: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _all_on(self) -> bool:
        return all(host.power is Power.ON for host in self.lab.status().hosts)


class Ninefold(Cluster):
    """Ours."""

    stack = "ninefold"
    title = "Ninefold"

    def at_rest(self) -> bool:
        status = self.stage.look_anywhere()
        return status is not None and settled(status, self.stage.names())

    def all_run(self) -> bool:
        status = self.stage.look_anywhere()
        return status is not None and settled(status | {"settled": True}, self.stage.names())

    def active(self) -> str:
        status = self.stage.look_anywhere()
        if status is None:
            raise NotSettled("Ninefold: no node answers")
        return active(status, RESOURCE)

    def dc(self) -> str:
        status = self.stage.look_anywhere()
        return "" if status is None else str(status["dc"] or "")

    def move(self, node: str) -> None:
        self._command("move", GROUP, node)

    def clear(self) -> None:
        self._command("clear", GROUP)

    def is_daemon(self, command: str) -> bool:
        return "ninefold.cli.ninefoldd" in command

    def ring_daemon(self) -> str:
        return "ninefold.cli.ninefoldd"

    def marks(self, node: str, since_s: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for at_s, what, fields in self._events(node, since_s):
            resource = fields.get("resource", "")
            step = f"{resource} started" if what == "started" else _STEPS.get(what, "")
            if step:
                found.setdefault(step, at_s)
        return found

    def losses(self, node: str, since_s: float) -> tuple[int, int]:
        kinds = [what for _, what, _ in self._events(node, since_s)]
        return kinds.count("token-lost"), kinds.count("membership")

    def _events(self, node: str, since_s: float) -> list[tuple[float, str, dict[str, str]]]:
        offset_s = time.time() - time.monotonic()
        events = self.stage.client(node).events(0, EVENTS_MAX)
        timed = [(e["at_ms"] / 1000 - offset_s, e["what"], e["fields"]) for e in events]
        return [entry for entry in timed if entry[0] >= since_s]

    def _command(self, *words: str) -> None:
        program = str(Path(sys.executable).with_name("ninefold"))
        self.run(self.stage.names()[0], program, "resource", *words)


class Pacemaker(Cluster):
    """Debian's Corosync and Pacemaker."""

    stack = "pacemaker"
    title = "Corosync + Pacemaker"

    def at_rest(self) -> bool:
        seen = self._status()
        if seen is None or not _all_run(seen):
            return False
        dc = _dc(seen)
        if dc not in self.stage.names():
            return False
        done = self.lab.run(dc, "crmadmin", "-S", dc, limit_s=COMMAND_LIMIT_S)
        return "S_IDLE" in done.stdout + done.stderr

    def all_run(self) -> bool:
        seen = self._status()
        return seen is not None and _all_run(seen)

    def active(self) -> str:
        seen = self._status()
        places = [] if seen is None else _places(seen, RESOURCE)
        if len(places) != 1:
            raise NotSettled(f"Pacemaker: {RESOURCE} does not run on exactly one node: {places}")
        return places[0]

    def dc(self) -> str:
        seen = self._status()
        return "" if seen is None else _dc(seen)

    def move(self, node: str) -> None:
        self._command("--move", "--resource", GROUP, "--node", node)

    def clear(self) -> None:
        self._command("--clear", "--resource", GROUP)

    def is_daemon(self, command: str) -> bool:
        name = Path(command.split(" ", maxsplit=1)[0]).name
        return name == "corosync" or name.startswith("pacemaker")

    def ring_daemon(self) -> str:
        return "corosync"

    def marks(self, node: str, since_s: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for at_s, text in self._log(node, since_s):
            for words, step in _LOGGED.items():
                if words in text:
                    found.setdefault(step, at_s)
        return found

    def losses(self, node: str, since_s: float) -> tuple[int, int]:
        texts = [text for _, text in self._log(node, since_s)]
        lost = sum("processor failed" in text for text in texts)
        return lost, sum("new membership" in text for text in texts)

    def _status(self) -> ET.Element | None:
        for node in self.stage.names():
            done = self.lab.run(
                node, "crm_mon", "-1", "--output-as", "xml", limit_s=COMMAND_LIMIT_S
            )
            if done.returncode == 0:
                return ET.fromstring(done.stdout)
        return None

    def _log(self, node: str, since_s: float) -> list[tuple[float, str]]:
        """Return the lines of corosync.log since then; its time stamps have no year."""
        offset_s = time.time() - time.monotonic()
        year = datetime.now().astimezone().year
        path = Path(self.lab.status().host(node).log_dir) / "corosync" / "corosync.log"
        found = []
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                stamp = datetime.strptime(f"{year} {line[:19]}", _LOG_STAMP).astimezone()
                at_s = stamp.timestamp() - offset_s
                if at_s >= since_s:
                    found.append((at_s, line))
        return found

    def _command(self, *words: str) -> None:
        self.run(self.stage.names()[0], "crm_resource", *words)


STACKS: Final[dict[str, type[Cluster]]] = {"ninefold": Ninefold, "pacemaker": Pacemaker}


def missing(stack: str) -> str:
    """Return why a stack cannot be measured here; empty if it can."""
    if stack != "pacemaker":
        return ""
    programs = ("corosync", "pacemakerd", "crm_mon", "crm_resource")
    gone = [name for name in programs if shutil.which(name, path=_PATH) is None]
    return f"not installed: {', '.join(gone)}" if gone else ""


_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


def _places(seen: ET.Element, resource: str) -> list[str]:
    """Return the hosts on which crm_mon shows a resource started and not failed."""
    return [
        str(node.get("name"))
        for entry in seen.iter("resource")
        if entry.get("id") == resource
        and entry.get("role") == "Started"
        and entry.get("active") == "true"
        and entry.get("failed") == "false"
        for node in entry.iterfind("node")
    ]


def _all_run(seen: ET.Element) -> bool:
    nodes = [node for node in seen.iterfind("nodes/node") if node.get("online") == "true"]
    ready = [node for node in nodes if node.get("pending") == "false"]
    where = [_places(seen, name) for name in ("fence", "vip", RESOURCE)]
    return len(ready) == NODES and all(len(places) == 1 for places in where)


def _dc(seen: ET.Element) -> str:
    found = seen.find("summary/current_dc")
    return "" if found is None else found.get("name", "")
