"""A call of a resource agent, and what came of it. Shared by resource and fence agents."""

from __future__ import annotations

from enum import Enum, IntEnum

import msgspec

from ninefold.core.instants import Millis


class Rc(IntEnum):
    """Exit codes of OCF resource agents (OCF resource agent API 1.1)."""

    OK = 0
    ERROR = 1
    ARGS = 2
    UNIMPLEMENTED = 3
    PERM = 4
    INSTALLED = 5
    CONFIGURED = 6
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9


class OpStatus(IntEnum):
    """Execution status as Pacemaker records it (`op-status`)."""

    PENDING = -1
    DONE = 0
    CANCELLED = 1
    TIMEOUT = 2
    NOT_SUPPORTED = 3
    ERROR = 4
    ERROR_HARD = 5
    ERROR_FATAL = 6
    NOT_INSTALLED = 7


class Standard(Enum):
    """The classes of resource agents."""

    OCF = "ocf"
    SYSTEMD = "systemd"
    LSB = "lsb"
    SERVICE = "service"
    STONITH = "stonith"


class AgentName(msgspec.Struct, frozen=True, order=True):
    """`ocf:heartbeat:IPaddr2`, `systemd:nginx`, `stonith:fence_ipmilan`."""

    standard: str
    provider: str
    type: str

    def __str__(self) -> str:
        return ":".join(part for part in (self.standard, self.provider, self.type) if part)


class Call(msgspec.Struct, frozen=True):
    """Run `action` of an agent for `resource`, killed with all its children after `timeout_ms`.

    `parameters` are the instance attributes, `meta` the `CRM_meta_*` without the prefix.
    """

    agent: AgentName
    resource: str
    action: str
    interval_ms: Millis
    timeout_ms: Millis
    parameters: dict[str, str] = {}
    meta: dict[str, str] = {}


class Traits(msgspec.Struct, frozen=True):
    """What an agent says of its parameters: `restart` need a restart when they change, `secret` are not shown.

    `restart` is `None` where nothing can be reloaded: then any change needs one.
    """

    restart: tuple[str, ...] | None = None
    secret: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """What came of a call. `output` and `errors` are cut to a bound; `reason` is one line.

    `traits` come with what has made a resource run, or found it, where the agent was asked for them.
    """

    rc: int
    status: OpStatus
    reason: str = ""
    output: str = ""
    errors: str = ""
    exec_ms: Millis = 0
    traits: Traits | None = None
