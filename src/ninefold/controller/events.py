"""What may happen to a controller, and what it may ask for.

The document's disk, the agents, the policy engine and the door: everything beyond the ring.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ninefold.agents.model import Call, Outcome
from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, Stamp, Version
from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import WallSeconds
from ninefold.quorum.events import Verdict
from ninefold.scheduler.model import Transition


class Configured(msgspec.Struct, frozen=True):
    """The ring is synchronised: who is in it, what each handed in, and quorum's verdict."""

    ring: RingId
    members: tuple[NodeId, ...]
    annexes: dict[NodeId, bytes]
    verdict: Verdict


class Unsettled(msgspec.Struct, frozen=True):
    """The configuration broke up; `together` moves on with this node.

    What is delivered from here to the next `Configured` belongs to the transitional configuration.
    """

    together: tuple[NodeId, ...]


class MessageDelivered(msgspec.Struct, frozen=True):
    """A controller's message, in total order."""

    sender: NodeId
    payload: bytes


class QuorumChanged(msgspec.Struct, frozen=True):
    """Quorum's verdict changed without a new configuration."""

    verdict: Verdict


class LinkReported(msgspec.Struct, frozen=True):
    """A link to a peer went up or down."""

    peer: NodeId
    link: int
    up: bool


class Woke(msgspec.Struct, frozen=True):
    """The deadline the node last gave has passed."""


class ClockRead(msgspec.Struct, frozen=True):
    """The wall clock shows `wall` now. Given at the start and whenever the clock was set."""

    wall: WallSeconds


class CibSaved(msgspec.Struct, frozen=True):
    """Everything up to `stamp` is on stable storage."""

    stamp: Stamp


class CibNotSaved(msgspec.Struct, frozen=True):
    """The store refused (full disk, I/O error): the node must not vouch for `stamp`."""

    stamp: Stamp
    reason: str


class AgentFinished(msgspec.Struct, frozen=True):
    """An agent's call ended, by itself or killed by its timeout."""

    token: int
    outcome: Outcome


class Decided(msgspec.Struct, frozen=True):
    """The policy engine's answer to the `Decide` of that number."""

    version: Version
    transition: Transition
    number: int


class Requested(msgspec.Struct, frozen=True):
    """An operator asks, through the door: `body` is a request of `controller.requests`.

    `user` was taken from the peer's credentials, never from what it said.
    """

    request: int
    user: str
    body: bytes


class Stop(msgspec.Struct, frozen=True):
    """The daemon is asked to stop cleanly: move resources away, then leave the ring."""


Event: TypeAlias = (
    Configured
    | Unsettled
    | MessageDelivered
    | QuorumChanged
    | LinkReported
    | Woke
    | ClockRead
    | CibSaved
    | CibNotSaved
    | AgentFinished
    | Decided
    | Requested
    | Stop
)


class Multicast(msgspec.Struct, frozen=True):
    """Send a controller's message to every member, this one included, in total order."""

    payload: bytes


class LeaveRing(msgspec.Struct, frozen=True):
    """Nothing runs here any more: tell the others and go."""


class SaveCib(msgspec.Struct, frozen=True):
    """Make the document durable, then step with `CibSaved`. Saves are performed in order."""

    stamp: Stamp
    cib: Cib
    cause: Cause


class RunAgent(msgspec.Struct, frozen=True):
    """Run an agent, then step with `AgentFinished` carrying the same token."""

    token: int
    call: Call


class Decide(msgspec.Struct, frozen=True):
    """Run the policy engine beside the ring, then step with `Decided` of the same number."""

    version: Version
    cib: Cib
    now: WallSeconds
    number: int


class Answer(msgspec.Struct, frozen=True):
    """Answer a request; `body` is JSON."""

    request: int
    ok: bool
    body: bytes


class Happened(msgspec.Struct, frozen=True):
    """One line of the event log: what an operator follows and a trace compares.

    `what` is a word (`quorum-lost`, `fenced`, `started`), `text` a sentence, `fields` the data.
    """

    what: str
    text: str
    fields: dict[str, str] = {}


class Halted(msgspec.Struct, frozen=True):
    """The node has left; the performer may end. `reason` is empty after a clean stop."""

    reason: str = ""


class SelfFence(msgspec.Struct, frozen=True):
    """This node must not go on (its stop failed and nobody can fence it): reset the host."""

    reason: str


Effect: TypeAlias = (
    Multicast | LeaveRing | SaveCib | RunAgent | Decide | Answer | Happened | Halted | SelfFence
)
