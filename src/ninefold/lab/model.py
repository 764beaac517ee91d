"""What crosses the lab's control socket: requests, replies and the values inside them.

One request and one reply per connection, each one line of JSON. Times are seconds of
CLOCK_MONOTONIC (the same clock in every namespace of this machine), as the client reads them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, TypeAlias

import msgspec

# The control socket and the plan in a lab's directory, and the supervisor's first line. They stand
# here because whoever only talks to a lab must not import what builds one (pyroute2: 0.2 s).
CONTROL: Final = "control.sock"
PLAN: Final = "plan.json"
READY: Final = "ready"


class Power(Enum):
    """Whether a host runs."""

    ON = "on"
    OFF = "off"


class Direction(Enum):
    """Which way packets are stopped, seen from the host."""

    BOTH = "both"
    IN = "in"
    OUT = "out"


class FenceMode(Enum):
    """How the lab's fence device behaves."""

    OK = "ok"
    FAIL = "fail"


class Block(msgspec.Struct, frozen=True, order=True):
    """Packets on `link` from host `source` to host `target` are dropped; empty means any."""

    link: int
    source: str
    target: str


class PowerEvent(msgspec.Struct, frozen=True):
    """The power of `target` was changed; `by` is a host's name or `operator`.

    `asked_s` is when it was asked for, `done_s` when it was confirmed (for off: every process of the
    host had ended and its ports were down). `was` is the power before.
    """

    asked_s: float
    done_s: float
    by: str
    action: str
    target: str
    was: Power
    ok: bool


class FenceDevice(msgspec.Struct, frozen=True):
    """The state of the fence device."""

    mode: FenceMode = FenceMode.OK
    delay_ms: int = 0


class HostStatus(msgspec.Struct, frozen=True):
    """One host now. `init_pid` and `pids` are numbers in the caller's pid namespace."""

    name: str
    nodeid: int
    addresses: tuple[str, ...]
    power: Power
    held_off: bool
    frozen: bool
    boots: int
    init_pid: int
    pids: tuple[int, ...]
    log_dir: str


class LabStatus(msgspec.Struct, frozen=True):
    """The whole lab now."""

    name: str
    stack: str
    supervisor_pid: int
    directory: str
    client_addresses: tuple[str, ...]
    hosts: tuple[HostStatus, ...]
    blocks: tuple[Block, ...]
    fence_device: FenceDevice
    events: tuple[PowerEvent, ...]
    user_namespace: bool
    environment: dict[str, str]

    def host(self, name: str) -> HostStatus:
        """Return the host called `name`; `KeyError` if there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)


class Status(msgspec.Struct, frozen=True, tag=True):
    """Tell me everything."""


class Crash(msgspec.Struct, frozen=True, tag=True):
    """Power a host off, at once and without warning."""

    node: str


class PowerOn(msgspec.Struct, frozen=True, tag=True):
    """Boot a host."""

    node: str


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Leave a host off when a fence agent asks to reboot it (or no longer, if `held` is false)."""

    node: str
    held: bool


class Freeze(msgspec.Struct, frozen=True, tag=True):
    """Stop all processes of a host, or those called `process`, with SIGSTOP."""

    node: str
    process: str = ""


class Thaw(msgspec.Struct, frozen=True, tag=True):
    """Let them go on (SIGCONT)."""

    node: str
    process: str = ""


class Cut(msgspec.Struct, frozen=True, tag=True):
    """Add blocks, all in one kernel transaction."""

    blocks: tuple[Block, ...]


class Heal(msgspec.Struct, frozen=True, tag=True):
    """Remove blocks, all in one kernel transaction."""

    blocks: tuple[Block, ...]


class SetFenceDevice(msgspec.Struct, frozen=True, tag=True):
    """Make the fence device fail or be slow, or mend it."""

    device: FenceDevice


class Detach(msgspec.Struct, frozen=True, tag=True):
    """Go on after the process that started the lab has ended."""


class Down(msgspec.Struct, frozen=True, tag=True):
    """End all hosts, then yourself."""


Request: TypeAlias = (
    Status | Crash | PowerOn | Hold | Freeze | Thaw | Cut | Heal | SetFenceDevice | Detach | Down
)


class Done(msgspec.Struct, frozen=True, tag=True):
    """It was done. `event` for a change of power, `count` of processes for freeze and thaw."""

    event: PowerEvent | None = None
    count: int = 0


class Report(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Status`."""

    status: LabStatus


class Refused(msgspec.Struct, frozen=True, tag=True):
    """It was not done: the name of a class of `errors`, and the sentence."""

    error: str
    sentence: str


Reply: TypeAlias = Done | Report | Refused
