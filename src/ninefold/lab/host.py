"""One host: its directory, its first process, its power."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pyroute2.netlink.exceptions import NetlinkError

from ninefold.lab import processes
from ninefold.lab.errors import LabBroken, LabError, NamespacesNotPermitted, WrongPower
from ninefold.lab.model import HostStatus, Power

if TYPE_CHECKING:
    from ninefold.lab.plan import HostPlan, Plan
    from ninefold.lab.switch import Switch

# A host boots in about 50 ms and dies in about 10; the rest is for a machine that is busy.
BOOT_LIMIT_S: Final = 20
DEATH_LIMIT_S: Final = 10
NAMESPACES: Final = ("--net", "--mount", "--pid", "--uts", "--ipc")
BOOT_LOG: Final = "boot.log"
# How much of a failed boot's log goes into the error.
LOG_TAIL_CHARS: Final = 400


class Host:
    """A host of the lab. The caller sees `on` return when the cables are plugged, and `off` when
    every process of the host has ended and its ports are down.
    """  # noqa: D205 - the two verbs are the summary

    def __init__(self, plan: Plan, host: HostPlan, directory: Path, switch: Switch) -> None:
        self.plan = host
        self.directory = directory
        self.held_off = False
        self._environment = environment(plan)
        self._keep = "\n".join(plan.keep)
        self._switch = switch
        self._lock = threading.RLock()
        self._boots = 0
        self._init: subprocess.Popen[bytes] | None = None
        self._init_fd = -1
        self._init_pid = 0
        self._pid_namespace = ""
        self._frozen = False

    @property
    def power(self) -> Power:
        """Off also if its first process ended by itself."""
        running = self._init is not None and self._init.poll() is None
        return Power.ON if running else Power.OFF

    def on(self) -> None:
        """Boot; nothing if it is on."""
        with self._lock:
            if self.power is Power.ON:
                return
            self._forget()
            self._boots += 1
            try:
                self._boot()
            except BaseException:
                # Half a host is worse than none. Its first process ends with unshare(1).
                if self._init is not None:
                    self._init.kill()
                    self._init.wait(DEATH_LIMIT_S)
                self._forget()
                raise

    def off(self) -> None:
        """End every process at once, with SIGKILL to the first; nothing if it is off.

        The kernel ends all others of the pid namespace before it lets the first be seen dead.
        """
        with self._lock:
            if self.power is Power.OFF:
                self._switch.ports_down(self.plan.name)
                return
            assert self._init is not None
            signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
            # Its address must not answer from a network namespace that outlives it for a moment.
            self._switch.ports_down(self.plan.name)
            if not select.select([self._init_fd], [], [], DEATH_LIMIT_S)[0]:
                raise LabBroken(f"{self.plan.name} does not end within {DEATH_LIMIT_S} s.")
            self._init.wait(DEATH_LIMIT_S)
            self._forget()

    def freeze(self, word: str) -> int:
        """Stop its processes whose name or command line has `word` (empty: all); return how many."""
        self._need_on()
        count = processes.freeze(self._pid_namespace, word)
        self._frozen = self._frozen or not word
        return count

    def thaw(self, word: str) -> int:
        """Let them go on; return how many."""
        self._need_on()
        count = processes.thaw(self._pid_namespace, word)
        self._frozen = self._frozen and bool(word)
        return count

    def status(self) -> HostStatus:
        """Return what there is to say about it."""
        running = self.power is Power.ON and bool(self._pid_namespace)
        found = processes.in_namespace(self._pid_namespace) if running else []
        return HostStatus(
            name=self.plan.name,
            nodeid=self.plan.nodeid,
            addresses=self.plan.addresses,
            power=self.power,
            held_off=self.held_off,
            frozen=self._frozen,
            boots=self._boots,
            init_pid=self._init_pid if running else 0,
            pids=tuple(process.shown for process in found),
            log_dir=str(self.directory / "log"),
        )

    def _boot(self) -> None:
        self._init = init = self._unshare()
        assert init.stdin is not None
        assert init.stdout is not None
        with init.stdin, init.stdout:
            shown, *_ = numbers = self._pids(init.stdout)
            self._init_pid = shown
            self._init_fd = os.pidfd_open(numbers[-2])
            self._pid_namespace = processes.pid_namespace(shown)
            try:
                self._switch.plug(self.plan, f"/proc/{shown}/ns/net")
            except NetlinkError as error:
                raise _no_cable(self.plan.name, error) from error
            init.stdin.write(b"go\n")

    def _unshare(self) -> subprocess.Popen[bytes]:
        shared = self.directory.parents[1] / "shared"
        command = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL"]
        own = {
            "LAB_HOST": self.plan.name,
            "LAB_HOST_DIR": str(self.directory),
            "LAB_SHARED": str(shared),
            "LAB_KEEP": self._keep,
        }
        with (self.directory / "log" / BOOT_LOG).open("ab") as log:
            return subprocess.Popen(
                [*command, "--propagation", "private", "sh", str(shared / "host-init")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment | own,
                cwd="/",
            )

    def _pids(self, said: IO[bytes]) -> list[int]:
        """Return the first process's numbers, from our caller's namespace down to its own."""
        deadline = time.monotonic() + BOOT_LIMIT_S
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([said], [], [], left)[0]:
                break
            part = os.read(said.fileno(), 256)
            if not part:
                break
            line += part
        if not line.endswith(b"\n"):
            log = (self.directory / "log" / BOOT_LOG).read_text(errors="replace")
            raise LabBroken(f"{self.plan.name} does not boot: {log[-LOG_TAIL_CHARS:].strip()}")
        return [int(number) for number in line.split()]

    def _forget(self) -> None:
        if self._init_fd >= 0:
            os.close(self._init_fd)
        self._init, self._init_fd, self._init_pid = None, -1, 0
        self._pid_namespace, self._frozen = "", False

    def _need_on(self) -> None:
        if self.power is Power.OFF:
            raise WrongPower(f"{self.plan.name} is off.")


def _no_cable(name: str, error: NetlinkError) -> LabError:
    sentence = f"{name} gets no network: {error}."
    if error.code in (errno.EOPNOTSUPP, errno.EPERM):
        return NamespacesNotPermitted(sentence)
    return LabBroken(sentence)


def environment(plan: Plan) -> dict[str, str]:
    """Return the environment of every process of a host.

    The programs beside our Python come last: `ninefold` is found, and nothing is hidden by them.
    """
    own = Path(sys.executable).parent
    return {
        "PATH": f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{own}",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "NINEFOLD_LAB": plan.name,
        # Where an ordinary user's host finds the agents that cannot be laid over /usr.
        "NINEFOLD_FENCE_PATH": "/run/ninefold-lab/shared/sbin:/usr/sbin",
    }
