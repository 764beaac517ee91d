"""The stage of a scenario on this machine: a lab with real daemons, and who may be asked and told what.

The counterpart of `sim.stage`, with the same language (`lab_verbs`, `lab_demands`). What a virtual world
knows by itself, here an observer at the hosts finds out.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

import msgspec
from lxml import etree

from ninefold.api.client import DoorClosedError, RefusedError
from ninefold.cib.model import ReplaceConfiguration, Version
from ninefold.cli.booter import Booter
from ninefold.cli.observer import Observer
from ninefold.cli.stage import NotSettled, Stage
from ninefold.controller.requests import ChangeCib
from ninefold.drill.takeover import Change, hasty
from ninefold.lab import processes, signs
from ninefold.lab.errors import LabError
from ninefold.lab.model import FenceDevice, Power
from ninefold.lab.plan import Settings
from ninefold.sim.cluster import Shape, cib_xml, corosync_conf
from ninefold.sim.promises import MARK
from ninefold.sim.telling import tell
from ninefold.sim.words import StageError
from ninefold.sim.world import Line

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from ninefold.controller import requests as rq
    from ninefold.lab.model import HostStatus
    from ninefold.lab.signs import Sign
    from ninefold.sim.words import Words

DAEMON: Final = "ninefold.cli.ninefoldd"
# What virtual time does not count: processes that start, agents that run, a machine that is busy.
SLACK_S: Final = 3.0
SETTLE_LIMIT_S: Final = 60.0
LOOK_S: Final = 0.02
# A host starts its daemon so long after its first process at most.
BOOTED_S: Final = 1.5
# How an operator's patience begins in a scenario, in the simulator too.
PATIENCE_S: Final = 2.0


class Reply(msgspec.Struct, frozen=True):
    """What an operator was told; `code` names a refusal."""

    ok: bool = False
    code: str = ""
    text: str = "no answer"


class LabStage:
    """A lab under the hands of a scenario. A context manager that leaves nothing behind."""

    def __init__(self, name: str) -> None:
        self.shape = Shape()
        self.name = name
        self.patience_s = PATIENCE_S
        self.reply = Reply()
        self._marks: dict[str, list[Reply]] = {}
        self.lines: list[Line] = []
        self._stage: Stage | None = None
        self._observer: Observer | None = None
        self.booter: Booter | None = None
        self._began_s = 0.0
        self._told = 0
        self._seen_at = 0
        # Hosts whose daemon stands still, by the number of the first process that they had then.
        self._still: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.booter is not None:
            self.booter.close()
        if self._observer is not None:
            self._observer.close()
        if self._stage is not None:
            self._stage.__exit__(kind, error, trace)

    # The lab.

    def begin(self) -> None:
        """Make the cluster that `shape` says; its hosts boot when this returns."""
        with TemporaryDirectory() as directory:
            conf, cib = Path(directory) / "corosync.conf", Path(directory) / "cib.xml"
            conf.write_text(corosync_conf(self.shape), encoding="utf-8")
            cib.write_text(lab_cib(self.shape), encoding="utf-8")
            settings = Settings(
                name=self.name, conf=str(conf), cib=str(cib), cluster=self.shape.cluster
            )
            names = [primitive.name for primitive in self.shape.resources]
            self.open(settings, {name: signs.has_dummy(name) for name in names})
            self.booter = Booter(self.stage.lab)

    def open(self, settings: Settings, seen: dict[str, Sign], *, every_s: float = 0.015) -> None:
        """Make a lab and look at it."""
        self._stage = Stage(settings)
        self._began_s = time.monotonic()
        self._observer = Observer(self._stage, seen, every_s=every_s)

    @property
    def stage(self) -> Stage:
        """The lab with its doors."""
        if self._stage is None:
            raise StageError("the cluster is not on yet; actions come after the first dashes")
        return self._stage

    @property
    def observer(self) -> Observer:
        """Who looks at the hosts."""
        assert self._observer is not None
        return self._observer

    @property
    def now(self) -> int:
        """Milliseconds since the lab was made."""
        return round((time.monotonic() - self._began_s) * 1000)

    def host(self, name: str) -> HostStatus:
        """Return a host by name."""
        hosts = self.stage.lab.status().hosts
        found = [host for host in hosts if host.name == name]
        if not found:
            known = ", ".join(host.name for host in hosts)
            raise StageError(f"there is no node {name!r}; there are {known}")
        return found[0]

    def hosts(self, names: Words) -> list[HostStatus]:
        """Return the hosts that are named, `all` for all."""
        if names == ["all"]:
            return list(self.stage.lab.status().hosts)
        if not names:
            raise StageError("name a node, or all")
        return [self.host(name) for name in names]

    def daemon(self, host: HostStatus) -> int:
        """Return the number of a host's daemon; 0 if none runs."""
        # A host that is being fenced just now is gone by the time it is looked at.
        namespace = processes.pid_namespace(host.init_pid) if host.init_pid else ""
        if not namespace:
            return 0
        found = processes.in_namespace(namespace)
        running = [p.shown for p in found if f"-m {DAEMON}" in p.command and p.state not in "ZX"]
        return running[0] if running else 0

    def stand_still(self, host: HostStatus) -> None:
        """Note that a daemon has been stopped by a signal: nobody is to wait for its answer."""
        self._still[host.name] = host.init_pid

    def stands_still(self, host: HostStatus) -> bool:
        """Does its daemon stand still?"""
        return host.init_pid != 0 and self._still.get(host.name) == host.init_pid

    def go_on(self, host: HostStatus) -> None:
        """Note that it goes on."""
        self._still.pop(host.name, None)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Return what each daemon that can be asked says."""
        found = {}
        for host in self.stage.lab.status().hosts:
            if host.power is Power.ON and not self.stands_still(host):
                status = self.stage.look(host.name)
                if status is not None:
                    found[host.name] = status
        return found

    def where(self, service: str) -> list[str]:
        """Return the hosts that run a service, by what they show."""
        if service in self.observer.services:
            return self.observer.where(service)
        for status in self.statuses().values():
            return sorted(
                node for row in status["resources"] if row["id"] == service for node in row["nodes"]
            )
        return []

    def settle(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Wait until every host that is on is online and nothing is left to do."""
        names = set(self.stage.names())

        def rests(status: dict[str, Any]) -> bool:
            online = {node["name"] for node in status["nodes"] if node["state"] != "offline"}
            return bool(status["settled"] and status["quorum"]["quorate"] and online >= names)

        try:
            self.stage.wait(rests, limit_s)
        except NotSettled as error:
            raise StageError(f"not at rest within {limit_s:g} s: {error}") from error

    # Time and requests.

    def advance(self, period_s: float) -> None:
        """Let time pass."""
        time.sleep(period_s)
        self.watch()

    def watch(self) -> None:
        """Raise `Unsafe` if a promise has been broken so far."""
        problems = self.problems()
        if problems:
            raise Unsafe("; ".join(problems))

    def problems(self) -> list[str]:
        """Return which promises were broken so far."""
        twice = [
            f"{one.service} ran on {one.first} and on {one.second} at the same time, at "
            f"{one.at_s - self._began_s:.1f} s"
            for one in self.observer.twice
        ]
        return list(dict.fromkeys([*twice, *map(str, hasty(self.observer.spans(), self.power()))]))

    def power(self) -> list[Change]:
        """Return what the power switch has done."""
        return [
            Change(event.asked_s, event.done_s, event.by, event.action, event.target)
            for event in self.stage.lab.events()
            if event.ok
        ]

    def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Wait until something holds; answer whether it came to hold."""
        end = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(LOOK_S)
        return True

    def asked(self, words: Words) -> str:
        """Return the node after `by`, or the first that is in the quorate partition."""
        if "by" in words:
            return self.host(words[words.index("by") + 1]).name
        statuses = self.statuses()
        if not statuses:
            raise StageError("no daemon runs that could be asked")
        quorate = [name for name, status in statuses.items() if status["quorum"]["quorate"]]
        return (quorate or list(statuses))[0]

    def ask(self, request: rq.Request, words: Words) -> None:
        """Ask at the door of one node, and wait as long as an operator's patience lasts."""
        self.reply = Reply()
        replies = self.hand_in(self.asked(words), request)
        if not self.patience_s:
            return
        self.until(lambda: bool(replies), self.patience_s + SLACK_S)
        self.reply = replies[0] if replies else Reply()
        shown = "is acknowledged" if self.reply.ok else f"is refused: {self.reply.text}"
        self.say("lab", "answer", f"what alice asks {shown}" if replies else "alice gets no answer")

    def hand_in(self, node: str, request: rq.Request) -> list[Reply]:
        """Ask a node; what it answers will be in the list."""
        client, replies = self.stage.client(node), list[Reply]()

        def wait() -> None:
            try:
                client.request(request)
                replies.append(Reply(ok=True, text=""))
            except RefusedError as error:
                replies.append(Reply(code=error.code, text=" ".join(error.problems)))
            except (DoorClosedError, OSError) as error:
                replies.append(Reply(text=str(error)))

        threading.Thread(target=wait, daemon=True).start()
        return replies

    def mark(self, number: str, node: str, request: rq.Request) -> None:
        """Ask for a change that can be recognised, and remember it if it is acknowledged."""
        self._marks[number] = self.hand_in(node, request)

    @property
    def kept(self) -> list[str]:
        """The numbers of the marks that were acknowledged."""
        return [number for number, replies in self._marks.items() if replies and replies[0].ok]

    def missing(self) -> list[str]:
        """Return the acknowledged marks that the document of some node lacks."""
        kept, lost = self.kept, []
        for name in self.statuses():
            with suppress(DoorClosedError, RefusedError, OSError):
                tree = etree.fromstring(self.stage.client(name).cib()["xml"].encode())
                found = {str(pair.get("name")) for pair in tree.iter("nvpair")}
                lost += [f"{name} lacks {MARK}{n}" for n in kept if f"{MARK}{n}" not in found]
        return lost

    def forget_marks(self) -> None:
        """Take the marks out of the document again; those that come late are nobody's promise."""
        self._marks.clear()
        with suppress(DoorClosedError, RefusedError, OSError, StageError):
            client = self.stage.client(self.asked([]))
            found = client.cib()
            kept = unmarked(found["xml"])
            if kept is not None:
                base = Version(*(int(part) for part in str(found["version"]).split(".")))
                client.request(ChangeCib(ReplaceConfiguration(kept, base=base), "marks are over"))

    def recover(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Mend everything; `StageError` if not all is well in time, `Unsafe` if a promise was broken."""
        self.mend()
        self.settle(limit_s)
        self.watch()
        self.watch_promises()

    def watch_promises(self) -> None:
        """Raise `Unsafe` if an acknowledged mark is missing anywhere."""
        if missing := self.missing():
            raise Unsafe(f"acknowledged, but not in the document: {'; '.join(missing)}")

    def mend(self) -> None:
        """Let nothing be broken any more: cables, power, fence device, agents, daemons."""
        lab = self.stage.lab
        lab.heal()
        lab.fence_device(FenceDevice())
        for host in lab.status().hosts:
            # A node may fence it at any moment; it comes back by itself then.
            with suppress(LabError, OSError):
                self._mend(host)

    def _mend(self, host: HostStatus) -> None:
        lab = self.stage.lab
        if self.booter is None:
            lab.hold(host.name, held=False)
        else:
            self.booter.kept_off.discard(host.name)
        if host.power is Power.OFF:
            lab.power_on(host.name)
            return
        lab.thaw(host.name)
        self.go_on(host)
        for fault in Path(f"/proc/{host.init_pid}/root/run/ninefold").glob("faults-*/*"):
            fault.unlink(missing_ok=True)
        # One that has just booted starts its daemon itself.
        if not self.until(lambda: bool(self.daemon(host)), BOOTED_S):
            self.start_daemon(host)

    def start_daemon(self, host: HostStatus) -> None:
        """Start the stack of a host that is on, as its init would."""
        if self.daemon(host):
            return
        script = "exec setsid sh /run/ninefold-lab/shared/start </dev/null >/dev/null 2>&1 &"
        self.stage.lab.run(host.name, "sh", "-c", script)

    def signal_daemon(self, host: HostStatus, number: signal.Signals) -> None:
        """Send a signal to a host's daemon, if one runs."""
        pid = self.daemon(host)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    # The story.

    def say(self, who: str, what: str, text: str) -> None:
        """Add a line to the story."""
        self.lines.append(Line(self.now, who, what, text))

    def told(self) -> list[str]:
        """Return the story since the last time."""
        seen = [] if self._observer is None else self._observer.seen
        fresh, self._told = seen[self._told :], len(seen)
        heard = [
            Line(round((one.at_s - self._began_s) * 1000), one.node, one.what, one.text, one.fields)
            for one in fresh
        ]
        lines = sorted(itertools.chain(self.lines, heard), key=lambda line: line.at)
        self.lines, since, self._seen_at = [], self._seen_at, self.now
        return tell(lines, since)


def unmarked(xml: str) -> str | None:
    """Return the configuration without any mark; `None` if it has none."""
    configuration = etree.fromstring(xml.encode()).find("configuration")
    if configuration is None:
        return None
    marks = [p for p in configuration.iter("nvpair") if str(p.get("name")).startswith(MARK)]
    for pair in marks:
        parent = pair.getparent()
        assert parent is not None
        parent.remove(pair)
    return etree.tostring(configuration, encoding="unicode") if marks else None


class Unsafe(Exception):
    """A promise was broken: what ran where when."""


def lab_cib(shape: Shape) -> str:
    """Return the CIB of a scenario's cluster for real hosts: their agents in place of virtual ones."""
    tree = etree.fromstring(cib_xml(shape).encode())
    for primitive in tree.iter("primitive"):
        if primitive.get("class") == "stonith":
            primitive.set("type", "fence_ninefold_lab")
        else:
            primitive.set("provider", "ninefold")
            primitive.set("type", "dummy")
    return etree.tostring(tree, encoding="unicode")
