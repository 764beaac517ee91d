"""What carries a node's messages and counts its votes: the one part of a node that may be chosen.

`embedded` is the ring and the quorum of this program, `on_corosync` those of a Corosync on the host. The
node asks neither which one it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from ninefold.core.instants import Instant
from ninefold.corosync.events import Report, Request
from ninefold.corosync.stack import CorosyncStack
from ninefold.corosync.voting import CorosyncVoting
from ninefold.quorum.machine import Quorum
from ninefold.totem import events as totem
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    import random
    from enum import Enum

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId, RingId
    from ninefold.quorum import events as quorum
    from ninefold.totem.keys import KeySet


class Messaging(Protocol):
    """Membership and total order, as `totem.events` describes them."""

    @property
    def state(self) -> Enum:
        """Where this node is in the life of its ring."""

    @property
    def ring(self) -> RingId:
        """The ring last installed."""

    @property
    def members(self) -> tuple[NodeId, ...]:
        """The members of the ring last installed, sorted."""

    @property
    def backlog(self) -> int:
        """Bytes of group messages that wait to be sent."""

    @property
    def congested(self) -> bool:
        """Whether those above should submit nothing more for now."""

    @property
    def statistics(self) -> totem.Statistics:
        """What was counted."""

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""

    def reconfigure(self, now: Instant, config: ClusterConfig) -> Sequence[totem.Effect | Request]:
        """Take timers, nodes and links of another configuration."""

    def reform(self, now: Instant, why: str) -> Sequence[totem.Effect | Request]:
        """Form the ring anew with the same members, if it stands."""

    def links_up(self) -> dict[NodeId, dict[int, bool]]:
        """Return the state of each link to each peer."""

    def step(self, now: Instant, event: totem.Event) -> Sequence[totem.Effect | Request]:
        """Take one event at `now`; return effects in the order of their durability."""


class Voting(Protocol):
    """May this partition act? As `quorum.events` describes it."""

    @property
    def quorate(self) -> bool:
        """The last verdict."""

    @property
    def verdict(self) -> quorum.Verdict:
        """The last verdict in full."""

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""

    def info(self) -> bytes:
        """Return this node's annex for the synchronisation barrier."""

    def step(self, now: Instant, event: quorum.Event) -> Sequence[quorum.Effect]:
        """Take one event at `now`; return what is to be done, in order."""


class Backend(msgspec.Struct, frozen=True):
    """Both halves, which belong together. `report` takes what only Corosync reports."""

    messaging: Messaging
    voting: Voting
    report: Callable[[Instant, Report], Sequence[totem.Effect | Request]]


def embedded(
    config: ClusterConfig,
    *,
    keys: KeySet,
    ring_seq: int,
    epoch: bytes,
    rng: random.Random,
    expected_floor: int = 0,
) -> Backend:
    """Return the back end that needs no other program."""
    stack = Stack(config, keys=keys, ring_seq=ring_seq, epoch=epoch, rng=rng)
    return Backend(stack, Quorum(config, floor=expected_floor), _unasked)


def on_corosync(config: ClusterConfig, *, ring_seq: int, boot: bytes) -> Backend:
    """Return the back end that uses the Corosync of this host."""
    stack = CorosyncStack(config, ring_seq=ring_seq, boot=boot)
    return Backend(stack, CorosyncVoting(config, stack.outlook), stack.step)


def _unasked(_now: Instant, report: Report) -> Sequence[totem.Effect | Request]:
    raise AssertionError(report)
