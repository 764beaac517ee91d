"""What may happen to a fencer, and what it may ask for."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ninefold.agents.model import Call, Outcome
from ninefold.core.instants import Millis
from ninefold.fencing.devices import Device


class Fence(msgspec.Struct, frozen=True):
    """Carry out `action` (off, reboot, on) on `target` with the first level that succeeds.

    `order_id` is unique for the life of this fencer. `delay_ms` is waited for first, besides the
    devices' own delays. `timeout_ms` bounds the whole order but for its delays, 0 leaves it to the devices' timeouts.
    """

    order_id: int
    target: str
    action: str
    levels: tuple[tuple[Device, ...], ...]
    delay_ms: Millis = 0
    timeout_ms: Millis = 0


class Prepare(msgspec.Struct, frozen=True):
    """Ask the agents of `devices` what they can do, so that no order has to wait for it."""

    devices: tuple[Device, ...]


class AgentEnded(msgspec.Struct, frozen=True):
    """The call with this token ended."""

    token: int
    outcome: Outcome


class Cancel(msgspec.Struct, frozen=True):
    """Forget the order: no further agent is called for it, and no `FenceDone` follows."""

    order_id: int


class Woke(msgspec.Struct, frozen=True):
    """The deadline this machine last gave has passed."""


Event: TypeAlias = Fence | Prepare | AgentEnded | Cancel | Woke


class RunFenceAgent(msgspec.Struct, frozen=True):
    """Run a fence agent, then step with `AgentEnded` carrying the same token."""

    token: int
    call: Call


class FenceDone(msgspec.Struct, frozen=True):
    """The order's one answer. `device` names who did it; `reason` says why it failed."""

    order_id: int
    target: str
    ok: bool
    reason: str
    device: str


Effect: TypeAlias = RunFenceAgent | FenceDone
