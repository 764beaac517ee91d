"""What the states of a ring member share: who it is, which ring it is on, timers, effects.

No decision is made here. `Core` is the memory that `gather`, `commit`, `recovery` and
`operational` read and write; `ring.Ring` owns it and drives them.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant
from ninefold.totem.codec import encode
from ninefold.totem.events import Noted, ProbeKernel, RingChanged, SaveRingSeq
from ninefold.totem.flow import Flow
from ninefold.totem.numbers import Numbers
from ninefold.totem.reachability import Strikes
from ninefold.totem.ring_evidence import Evidence
from ninefold.totem.window import Window

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from ninefold.config.model import ClusterConfig
    from ninefold.core.instants import Millis
    from ninefold.totem.events import Statistics
    from ninefold.totem.messages import Mcast, Message, Slot, Token


class RingState(Enum):
    """Where a member is in the life of its ring."""

    STOPPED = "not started yet, or left: takes part in nothing"
    OPERATIONAL = "the ring is installed; the token gives the right to send"
    GATHER = "agreeing with all that can be heard on who shall be in the next ring"
    COMMIT = "the members are agreed; the commit token collects what each brings along"
    RECOVERY = "the new ring runs, and carries the frames of the old one that somebody lacks"


class Timer(Enum):
    """What a member may be waiting for."""

    TOKEN_LOSS = "the token has not come for the whole token timeout"  # noqa: S105  not a secret
    TOKEN_RETRANSMIT = "the token we sent on may be lost: send it again"  # noqa: S105  not a secret
    TOKEN_WARNING = "the token is late"  # noqa: S105  not a secret
    HOLD = "an idle token has rested long enough at the representative"
    MERGE = "an idle ring shows itself to others"
    SEND_JOIN = "the random delay before a join is over"
    JOIN = "repeat the join"
    CONSENSUS = "those that have not agreed by now have failed"
    PAUSE = "take note of the time, so that our own pauses are seen"
    EVIDENCE = "a silent peer's kernel should be asked, or its silence judged"

    # Enum's own is a function of Python; timers are looked up at every packet.
    __hash__ = object.__hash__


class SendFrame(msgspec.Struct, frozen=True):
    """Give `data` to the links, for one peer or (None) for all."""

    data: bytes
    to: NodeId | None


class FrameDelivered(msgspec.Struct, frozen=True):
    """A frame, at its place in the total order."""

    sender: NodeId
    payload: bytes


RingEffect: TypeAlias = SendFrame | FrameDelivered | SaveRingSeq | ProbeKernel | RingChanged | Noted


class Network(Protocol):
    """What the ring asks of the links layer; `Links` is one."""

    @property
    def frame_max(self) -> int:
        """The largest frame, in bytes."""

    def last_heard(self, peer: NodeId) -> Instant:
        """When any authentic packet of `peer` came last on any link."""

    def addresses(self, peer: NodeId) -> list[tuple[int, str]]:
        """Return (link, address) of each link to `peer`."""


class Source(Protocol):
    """Where the ring fetches new frames from when it has the token."""

    @property
    def backlog(self) -> int:
        """How many frames wait."""

    def take(self) -> bytes | None:
        """Return the next frame."""

    @property
    def took_safe(self) -> bool:
        """Whether that frame is to be delivered only when all members have it."""


class Configuration:
    """One ring as one member sees it: installed, or being formed."""

    def __init__(self, ring: RingId, members: tuple[NodeId, ...], flow: Flow) -> None:
        self.ring = ring
        self.members = members
        self.flow = flow
        self.window = Window()
        self.delivered = 0
        # All members are known to have every frame up to this one.
        self.safe_upto = 0
        # The token as this member knows it.
        self.token_seq = 0
        self.last_seq = 0
        self.seq_unchanged = 0
        self.previous_aru = 0
        self.aru_unmoved = 0
        self.missed: dict[int, int] = {}
        self.held: Token | None = None
        # The commit token that formed it.
        self.commit_seq = 0
        self.slots: tuple[Slot, ...] = ()

    def next_after(self, node: NodeId) -> NodeId:
        """Who gets the token from `node`."""
        index = self.members.index(node)
        return self.members[(index + 1) % len(self.members)]


# Visits of the token whose distance is remembered: a minute of an idle ring at the default timers.
ROTATIONS_REMEMBERED: Final = 64


class Core:
    """A ring member's memory. `ring_seq` is the durable bound of ring numbers, `mark` that of `Numbers`."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        ring_seq: int,
        mark: int,
        network: Network,
        source: Source,
        statistics: Statistics,
        rng: random.Random,
    ) -> None:
        self.me = config.local
        self.options = config.totem
        self.peers = tuple(sorted(entry.nodeid for entry in config.nodes))
        self.network = network
        self.source = source
        self.rng = rng
        self.state = RingState.STOPPED
        self.numbers = Numbers(ring_seq, mark)
        # The highest that was heard of.
        self.ring_seq = self.numbers.first()
        self.installed = self.configuration(RingId(self.ring_seq, self.me), (self.me,))
        self.forming: Configuration | None = None
        # The ring of the last commit token we took: we never go back behind it.
        self.attempted_seq = self.ring_seq
        self.proc: frozenset[NodeId] = frozenset((self.me,))
        self.fail: frozenset[NodeId] = frozenset()
        self.failed_to_receive = False
        self.evidence = Evidence(self.options, network)
        # Those whose join was heard since the last ring, and what is held against whom.
        self.asked_in: frozenset[NodeId] = frozenset()
        self.strikes = Strikes()
        # Those whom we asked in since the last ring, and who did not come although we heard them.
        self.invited: frozenset[NodeId] = frozenset()
        self.in_vain = Strikes()
        # What each has said about whom it hears, as the last ring was formed.
        self.rows: dict[NodeId, tuple[NodeId, ...]] = {}
        self.rotations: deque[Millis] = deque(maxlen=ROTATIONS_REMEMBERED)
        self.statistics = statistics
        self.effects: list[RingEffect] = []
        self.loop: deque[Message] = deque()
        self.timers: dict[Timer, Instant] = {}
        # The earliest of them, None when it has to be found anew: it is asked for after every packet.
        self._earliest: Instant | None = NEVER
        # The last token of either kind that we sent on, for its retransmission.
        self.sent_token: tuple[bytes, NodeId] | None = None
        self.paused_check_at: Instant = 0
        self.enter_gather: Callable[[Instant, str], None] = _unbound

    def paused(self, now: Instant) -> bool:
        """Whether we were not running lately: the note of the time is far too old."""
        return now - self.paused_check_at > self.options.token // 2

    def hears(self, now: Instant) -> tuple[NodeId, ...]:
        """Those that were heard within half a token timeout, ourselves included, sorted.

        Joins and pings come many times in that; whoever is about to fall silent for a whole
        token is not reported as heard by one and as silent by another for long.
        """
        since = now - self.options.token // 2
        return tuple(
            node for node in self.peers if node == self.me or self.evidence.heard_at(node) > since
        )

    def configuration(self, ring: RingId, members: tuple[NodeId, ...]) -> Configuration:
        """Return a fresh configuration with this member's flow limits."""
        flow = Flow(window_size=self.options.window_size, max_messages=self.options.max_messages)
        return Configuration(ring, members, flow)

    @property
    def current(self) -> Configuration:
        """The ring being formed from COMMIT on, else the installed one."""
        return self.forming or self.installed

    @property
    def deadline(self) -> Instant:
        """The earliest timer."""
        if self._earliest is None:
            self._earliest = min(self.timers.values(), default=NEVER)
        return self._earliest

    def arm(self, timer: Timer, at: Instant) -> None:
        """(Re)start a timer."""
        self.timers[timer] = at
        self._earliest = None

    def cancel(self, *timers: Timer) -> None:
        """Stop timers, running or not."""
        for timer in timers:
            self.timers.pop(timer, None)
        self._earliest = None

    def cancel_all(self) -> None:
        """Stop every timer."""
        self.timers.clear()
        self._earliest = NEVER

    def due(self, now: Instant) -> Timer | None:
        """Take the earliest timer that has passed; ties in the order in which they were armed."""
        if self.deadline > now:
            return None
        timer = min(self.timers, key=self.timers.__getitem__)
        self.cancel(timer)
        return timer

    def reserve(self, seq: int) -> None:
        """Have the bound of numbers moved on, if `seq` comes near it."""
        bound = self.numbers.wanted(seq)
        if bound is not None:
            self.effects.append(SaveRingSeq(bound))

    def multicast(self, message: Message) -> None:
        """Send to all other nodes."""
        self.effects.append(SendFrame(encode(message), None))

    def pass_on(self, now: Instant, message: Message, to: NodeId) -> None:
        """Send a token of either kind, and keep it for retransmission; to ourselves: no network."""
        if to == self.me:
            self.sent_token = None
            self.loop.append(message)
            return
        data = encode(message)
        self.sent_token = (data, to)
        self.effects.append(SendFrame(data, to))
        self.arm(Timer.TOKEN_RETRANSMIT, now + self.options.token_retransmit)

    def deliver(self, conf: Configuration) -> None:
        """Deliver in order up to the first gap, or a frame that all must have and some may lack."""
        while conf.delivered < conf.window.aru:
            frame = conf.window.get(conf.delivered + 1)
            assert frame is not None
            if frame.safe and conf.delivered >= conf.safe_upto:
                return
            conf.delivered += 1
            self.emit(frame)

    def emit(self, frame: Mcast) -> None:
        """Hand one frame up; wrapped frames of an older ring were handed up at installation."""
        if frame.encapsulated:
            return
        self.statistics.messages_delivered += 1
        self.effects.append(FrameDelivered(frame.node, frame.payload))

    def note(self, what: str, text: str, nodes: Iterable[NodeId] = ()) -> None:
        """Tell whoever wants to read it."""
        self.effects.append(Noted(what, text, tuple(nodes)))

    def drop(self, reason: str) -> None:
        """Count something that was not used."""
        dropped = self.statistics.dropped
        dropped[reason] = dropped.get(reason, 0) + 1


def _unbound(now: Instant, why: str) -> None:
    """Stand in until the ring has put its states together."""
    raise AssertionError(now, why)
