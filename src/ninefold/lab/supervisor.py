"""The process that is the lab: first in its own pid namespace, so that nothing outlives it.

Started by `start.launch` inside new net, mount and pid (and, for an ordinary user, user)
namespaces: `python -m ninefold.lab.supervisor DIRECTORY`. Says `ready` on stdout, or one line of
JSON that says why not. Ends when told to, on SIGTERM, or when its standard input ends before
`Detach`: then whoever started it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec
from pyroute2.netlink.exceptions import NetlinkError

from ninefold.lab import furniture, pacemaker
from ninefold.lab.door import Door
from ninefold.lab.errors import LabBroken, LabError, NamespacesNotPermitted
from ninefold.lab.host import Host, environment
from ninefold.lab.model import (
    CONTROL,
    PLAN,
    READY,
    Block,
    Crash,
    Cut,
    Detach,
    Done,
    Down,
    Freeze,
    Heal,
    Hold,
    LabStatus,
    PowerOn,
    Refused,
    Reply,
    Report,
    Request,
    SetFenceDevice,
    Status,
    Thaw,
)
from ninefold.lab.plan import Plan
from ninefold.lab.power import OPERATOR, PowerSwitch
from ninefold.lab.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Mapping


class Supervisor:
    """The hosts, the cables and the power switch. Verbs may come from several threads at once."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._switch = Switch(plan)
        self._hosts: dict[str, Host] = {}
        self._power = PowerSwitch(self._hosts)
        self._ended = threading.Event()
        self._detached = False
        for number, host in enumerate(plan.hosts, start=1):
            home = furniture.host_directory(directory, number)
            self._hosts[host.name] = Host(plan, host, home, self._switch)
            # One socket per host: which one was used says who asked.
            Door(home / "fence" / "fence.sock", self._power.door(host.name))

    def boot(self) -> None:
        """Power all hosts on, at the same time."""
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            for future in [pool.submit(host.on) for host in self._hosts.values()]:
                future.result()
        if self._plan.stack == "pacemaker":
            loader = pacemaker.CibLoader(self.status, self._directory / "shared" / "cib.xml")
            threading.Thread(target=loader.run, daemon=True).start()

    def serve(self) -> None:
        """Answer until it is time to end, then end all hosts."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())
        Door(self._directory / CONTROL, self._answer)
        threading.Thread(target=self._watch_tether, daemon=True).start()
        _say(READY)
        self._ended.wait()
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            for host in self._hosts.values():
                pool.submit(host.off)

    def status(self) -> LabStatus:
        """Return everything there is to say."""
        return LabStatus(
            name=self._plan.name,
            stack=self._plan.stack,
            supervisor_pid=_shown_pid(),
            directory=str(self._directory),
            client_addresses=self._plan.clients,
            hosts=tuple(host.status() for host in self._hosts.values()),
            blocks=self._switch.blocks,
            fence_device=self._power.device,
            events=self._power.events,
            user_namespace=self._plan.user_namespace,
            environment=environment(self._plan),
        )

    def _watch_tether(self) -> None:
        while os.read(0, 64):
            pass
        if not self._detached:
            self._ended.set()

    def _answer(self, line: bytes) -> bytes:
        try:
            reply = self._perform(msgspec.json.decode(line, type=Request))
        except LabError as error:
            reply = Refused(type(error).__name__, str(error))
        except (msgspec.MsgspecError, OSError, NetlinkError) as error:
            reply = Refused(LabBroken.__name__, f"{type(error).__name__}: {error}")
        return msgspec.json.encode(reply) + b"\n"

    def _perform(self, request: Request) -> Reply:
        match request:
            case Status():
                return Report(self.status())
            case Crash(node):
                return Done(self._power.change(OPERATOR, "off", node))
            case PowerOn(node):
                return Done(self._power.change(OPERATOR, "on", node))
            case Hold(node, held):
                self._power.host(node).held_off = held
            case Freeze(node, process):
                return Done(count=self._power.host(node).freeze(process))
            case Thaw(node, process):
                return Done(count=self._power.host(node).thaw(process))
            case Cut(blocks):
                self._switch.cut(_known(blocks, self._hosts, self._plan))
            case Heal(blocks):
                self._switch.heal(_known(blocks, self._hosts, self._plan))
            case SetFenceDevice(device):
                self._power.device = device
            case Detach():
                self._detached = True
            case Down():
                # The answer leaves first: sending a line takes microseconds.
                threading.Timer(0.01, self._ended.set).start()
            case _:
                assert_never(request)
        return Done()


def _known(blocks: tuple[Block, ...], hosts: Mapping[str, Host], plan: Plan) -> tuple[Block, ...]:
    """Return `blocks` if every one of them can be; the client checked before it sent them."""
    for block in blocks:
        ends = [end for end in (block.source, block.target) if end]
        if not ends or not all(end in hosts for end in ends):
            raise LabError(f"A cut between {block.source!r} and {block.target!r} is none.")
        if not 0 <= block.link < len(plan.clients):
            raise LabError(f"There is no link {block.link}.")
    return blocks


def _shown_pid() -> int:
    """Return our own pid in the namespace of our caller, whose /proc we still have."""
    return int(str(Path("/proc/self").readlink()))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _refuse(error: LabError) -> int:
    _say(msgspec.json.encode(Refused(type(error).__name__, str(error))).decode())
    return 1


def main() -> int:
    """Be the lab whose directory is the first argument."""
    directory = Path(sys.argv[1])
    plan = msgspec.json.decode((directory / PLAN).read_bytes(), type=Plan)
    try:
        supervisor = Supervisor(plan, directory)
        supervisor.boot()
    except NetlinkError as error:
        sentence = f"No virtual network here: {error}."
        return _refuse(NamespacesNotPermitted(sentence))
    except LabError as error:
        return _refuse(error)
    except OSError as error:
        return _refuse(LabBroken(str(error)))
    supervisor.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
