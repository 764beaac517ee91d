"""A running lab, as tests, drills, benchmarks and the command line use it. Blocking; any thread."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from ninefold.lab import cables, enter, processes, start
from ninefold.lab.errors import BY_NAME, LabBroken, LabError, NotRunning, WrongPower
from ninefold.lab.model import (
    CONTROL,
    Crash,
    Cut,
    Detach,
    Direction,
    Done,
    Down,
    FenceDevice,
    Freeze,
    Heal,
    Hold,
    Power,
    PowerEvent,
    PowerOn,
    Refused,
    Reply,
    Report,
    SetFenceDevice,
    Status,
    Thaw,
)
from ninefold.lab.plan import Settings, check_name, make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ninefold.lab.model import LabStatus, Request

# A boot (20 s) or a death (10 s) may be under way when the request comes.
REPLY_LIMIT_S: Final = 40
DOWN_LIMIT_S: Final = 30
# A launcher that is still clearing away needs less than a second.
STALE_LIMIT_S: Final = 3

Answer = TypeVar("Answer", Done, Report)


class Lab:
    """`with Lab.up(Settings(nodes=3)) as lab:` ends the lab whatever happens to this process.

    `Lab(name)` talks to one that runs. All verbs raise `LabError`s.
    """

    def __init__(self, name: str = "lab") -> None:
        check_name(name)
        self.name = name
        self._link = start.link_of(name)
        self._launcher: subprocess.Popen[bytes] | None = None

    @classmethod
    def up(cls, settings: Settings) -> Self:
        """Start a lab and return when its hosts are on; it ends with this process (see `detach`)."""
        lab = cls(settings.name)
        lab._launcher = start.launch(make_plan(settings), lab.running)
        return lab

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(NotRunning):
            self.down()

    def detach(self) -> None:
        """Let the lab go on when this process ends."""
        self._ask(Detach(), Done)

    def wait(self) -> None:
        """Return when the lab that this object started has ended, by whatever hand."""
        if self._launcher is not None:
            self._launcher.wait()

    def running(self) -> bool:
        """Say whether the lab answers."""
        try:
            self._ask(Status(), Report)
        except NotRunning:
            return False
        return True

    def status(self) -> LabStatus:
        """Return everything there is to say."""
        return self._ask(Status(), Report).status

    def events(self) -> tuple[PowerEvent, ...]:
        """Return every change of power so far, in the order in which they were done."""
        return self.status().events

    def crash(self, node: str) -> PowerEvent:
        """Power off: when this returns every process of the host has ended and its ports are down."""
        report = self.status()
        event = self._changed(Crash(node))
        processes.wake_wrappers(enter.known_host(report, node).init_pid)
        return event

    def power_on(self, node: str) -> PowerEvent:
        """Boot a host; when this returns its stack is being started."""
        return self._changed(PowerOn(node))

    def hold(self, node: str, *, held: bool = True) -> None:
        """Leave the host off when it is fenced with `reboot`, until released with `held=False`."""
        self._ask(Hold(node, held), Done)

    def freeze(self, node: str, process: str = "") -> int:
        """Stop (SIGSTOP) all processes, or those called `process`; return how many."""
        count = self._ask(Freeze(node, process), Done).count
        if count == 0:
            raise WrongPower(f"{node} runs no process {process!r}.")
        return count

    def thaw(self, node: str, process: str = "") -> int:
        """Let them go on; return how many."""
        count = self._ask(Thaw(node, process), Done).count
        processes.wake_wrappers(enter.known_host(self.status(), node).init_pid)
        return count

    def cut(
        self,
        nodes: Sequence[str],
        *,
        to: Sequence[str] = (),
        link: int | None = None,
        direction: Direction = Direction.BOTH,
    ) -> None:
        """Drop packets of `nodes`: all of them, or those exchanged with `to`; carrier stays up.

        On all links, or on `link`; both ways, or one way as seen from `nodes`. The kernel takes all
        of it in one transaction.
        """
        self._ask(Cut(cables.blocks(self.status(), nodes, to, link, direction)), Done)

    def heal(
        self,
        nodes: Sequence[str] = (),
        *,
        to: Sequence[str] = (),
        link: int | None = None,
        direction: Direction = Direction.BOTH,
    ) -> None:
        """Undo cuts: every one, or those that touch what the arguments of `cut` name."""
        self._ask(Heal(cables.healed(self.status(), nodes, to, link, direction)), Done)

    def fence_device(self, device: FenceDevice) -> None:
        """Make the fence device fail or be slow, or mend it."""
        self._ask(SetFenceDevice(device), Done)

    def run(
        self, node: str, *command: str, limit_s: float = 60, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a host; `subprocess.TimeoutExpired` after `limit_s`."""
        status = self.status()
        return subprocess.run(
            enter.host_command(status, node, command),
            env=status.environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )

    def start(self, node: str, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command on a host; `options` are those of `subprocess.Popen`."""
        status = self.status()
        argv = enter.host_command(status, node, command)
        return subprocess.Popen(argv, env=status.environment, **options)

    def client_command(self, *command: str) -> list[str]:
        """Return `command` to be run at the client's place, beside the bridges."""
        return enter.client_command(self.status(), command)

    def wait_power(self, node: str, power: Power, limit_s: float = 30) -> None:
        """Return when the host's power is `power`; `LabBroken` after `limit_s`."""
        deadline = time.monotonic() + limit_s
        while enter.known_host(self.status(), node).power is not power:
            if time.monotonic() > deadline:
                raise LabBroken(f"{node} is not {power.value} after {limit_s} s.")
            time.sleep(0.02)

    def down(self) -> None:
        """End the lab and return when nothing of it is left."""
        self._wake_wrappers()
        if self._launcher is not None:
            start.end(self._launcher)
            self._launcher = None
            return
        limit_s = DOWN_LIMIT_S
        try:
            self._ask(Down(), Done)
        except NotRunning:
            if not self._link.is_symlink():
                raise
            limit_s = STALE_LIMIT_S
        deadline = time.monotonic() + limit_s
        while self._link.is_symlink() and time.monotonic() < deadline:
            time.sleep(0.01)
        # Only if the launcher was killed too: it removes the link last.
        start.clear(self._link)

    def _wake_wrappers(self) -> None:
        """Let commands be reaped whose wrappers stopped with them: a host ends with its last process."""
        with contextlib.suppress(LabError):
            for host in self.status().hosts:
                if host.init_pid:
                    processes.wake_wrappers(host.init_pid)

    def _changed(self, request: Request) -> PowerEvent:
        event = self._ask(request, Done).event
        assert event is not None
        return event

    def _ask(self, request: Request, kind: type[Answer]) -> Answer:
        line = msgspec.json.encode(request) + b"\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(REPLY_LIMIT_S)
            try:
                connection.connect(str(self._link / CONTROL))
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                raise NotRunning(f"There is no lab called {self.name}; `up` makes one.") from None
            try:
                connection.sendall(line)
                with connection.makefile("rb") as reader:
                    answer = reader.read()
            except OSError as error:
                raise LabBroken(f"The lab {self.name} does not answer: {error}.") from error
        if not answer:
            raise LabBroken(f"The lab {self.name} ended instead of answering.")
        reply = msgspec.json.decode(answer, type=Reply)
        if isinstance(reply, Refused):
            raise BY_NAME[reply.error](reply.sentence)
        assert isinstance(reply, kind)
        return reply
