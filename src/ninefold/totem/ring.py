"""One member of a Totem ring: takes what happens, hands it to the state that it is for.

Total order and membership after the single-ring protocol as Corosync 3 runs it; the `README` tells
the states in sentences. Theorem kept: extended virtual synchrony (section 6 of the specification).
The ring is a machine of the layer's own: `Stack` drives it with the verbs below, each of which
returns effects in the order in which they must be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from ninefold.totem.codec import MalformedMessage, decode
from ninefold.totem.commit import Commit
from ninefold.totem.gather import Gather
from ninefold.totem.messages import CommitToken, HoldCancel, Join, Mcast, MergeDetect, Token
from ninefold.totem.numbers import MARK_BITS
from ninefold.totem.operational import Operational
from ninefold.totem.outlook import PeerOutlook, RingOutlook
from ninefold.totem.recovery import Recovery
from ninefold.totem.ring_core import Core, RingEffect, RingState, Timer

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId, RingId
    from ninefold.core.instants import Instant
    from ninefold.totem.events import Statistics
    from ninefold.totem.messages import Message
    from ninefold.totem.ring_core import Network, Source

# The leave is sent twice: its loss would cost the others a token timeout.
LEAVE_COPIES: Final = 2
# No honest member is further ahead: a ring a millisecond for a week, four numbers each. What is taken over
# is never given up again, so one senseless number near the limit would be the end of all rings.
RING_SEQ_LEAP_MAX: Final = 2 ** (32 + MARK_BITS)


class Ring:
    """The single-ring protocol of one node."""

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
        self._core = Core(
            config,
            ring_seq=ring_seq,
            mark=mark,
            network=network,
            source=source,
            statistics=statistics,
            rng=rng,
        )
        self._recovery = Recovery(self._core)
        self._commit = Commit(self._core, self._recovery)
        self._gather = Gather(self._core, self._commit)
        self._operational = Operational(self._core, self._recovery)
        self._core.enter_gather = self._gather.enter

    @property
    def state(self) -> RingState:
        """Where this member is."""
        return self._core.state

    @property
    def ring(self) -> RingId:
        """The ring last installed."""
        return self._core.installed.ring

    @property
    def members(self) -> tuple[NodeId, ...]:
        """The members of the ring last installed, sorted."""
        return self._core.installed.members

    @property
    def statistics(self) -> Statistics:
        """What was counted."""
        return self._core.statistics

    def outlook(self, now: Instant) -> RingOutlook:
        """Return what an operator may want to know, all but the links."""
        core = self._core
        # The first is the way from the last ring's end to this one's beginning.
        rotations = list(core.rotations)[1:]
        return RingOutlook(
            state=core.state.name,
            ring=str(core.installed.ring),
            members=core.installed.members,
            hears=core.hears(now),
            token_ms=core.options.token,
            silent_ms=now - core.statistics.last_token_at if core.statistics.tokens else None,
            rotation_ms=sum(rotations) // len(rotations) if rotations else None,
            rotation_max_ms=max(rotations, default=None),
            scheduling_misses=core.statistics.scheduling_misses,
            scheduling_miss_max_ms=core.statistics.scheduling_miss_max_ms,
            peers={
                peer: PeerOutlook(
                    member=peer in core.installed.members,
                    silent_ms=None if (at := core.network.last_heard(peer)) < 0 else now - at,
                    hears=core.rows.get(peer),
                    resting=core.strikes.resting(now, peer),
                    links={},
                )
                for peer in core.peers
                if peer != core.me
            },
        )

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""
        return self._core.deadline

    def forgive(self, nodes: Iterable[NodeId]) -> None:
        """Hold nothing against daemons that have been started anew: they are others than those that disturbed."""
        self._core.strikes.forgive(nodes)
        self._core.in_vain.forgive(nodes)

    def start(self, now: Instant) -> list[RingEffect]:
        """Begin to look for others."""
        core = self._core
        assert core.state is RingState.STOPPED
        core.paused_check_at = now
        core.evidence.restart(now)
        core.arm(Timer.PAUSE, now + max(1, core.options.token // 5))
        core.reserve(core.ring_seq)
        self._gather.enter(now, "we start")
        return self._settle(now)

    def receive(self, now: Instant, sender: NodeId, data: bytes) -> list[RingEffect]:
        """Take a frame that the links have authenticated as `sender`'s."""
        core = self._core
        if core.state is RingState.STOPPED:
            return []
        try:
            message = decode(data)
        except MalformedMessage:
            core.drop("malformed")
            return []
        if message.ring_seq > core.ring_seq + RING_SEQ_LEAP_MAX:
            core.drop("ring-seq-leap")
            return []
        if core.paused(now):
            core.evidence.restart(now)
        if core.timers.get(Timer.TOKEN_LOSS, now + 1) <= now:
            # We were not there for a whole token: what was queued since belongs to a past that
            # the others have left behind. First take note of the loss.
            core.cancel(Timer.TOKEN_LOSS)
            self._fire(now, Timer.TOKEN_LOSS)
        self._dispatch(now, sender, message)
        return self._settle(now)

    def wake(self, now: Instant) -> list[RingEffect]:
        """Do what is due."""
        core = self._core
        if core.state is RingState.STOPPED:
            return []
        paused, core.paused_check_at = core.paused(now), now
        if paused:
            core.note("pause-detected", "This node was not running for a while.", (core.me,))
            core.evidence.restart(now)
            if core.state is RingState.GATHER:
                self._gather.enter(now, "we were paused")
        while (timer := core.due(now)) is not None:
            self._fire(now, timer)
        return self._settle(now)

    def saved(self, now: Instant, seq: int) -> list[RingEffect]:
        """Go on: numbers up to that of `seq` may be used, for it is on stable storage."""
        self._core.numbers.saved(seq)
        self._commit.on_saved(now)
        return self._settle(now)

    def probe_answered(self, now: Instant, peer: NodeId) -> list[RingEffect]:
        """Take note of a kernel's sign of life."""
        self._core.evidence.answered(now, peer)
        return []

    def rerouted(self, now: Instant, peers: Iterable[NodeId]) -> list[RingEffect]:
        """Send a token that may be lost on the way to one of `peers` again: it goes another way now."""
        sent = self._core.sent_token
        if sent is not None and sent[1] in peers:
            self._operational.on_retransmit(now)
        return self._settle(now)

    def reconfigure(self, config: ClusterConfig) -> None:
        """Take other timers, each from the next time that it is started, and other nodes.

        Who is in the present ring stays in it; who is not listed any more is not let into the next.
        """
        core = self._core
        core.options = config.totem
        core.peers = tuple(sorted(entry.nodeid for entry in config.nodes))
        core.evidence.configure(config.totem)

    def reform(self, now: Instant, why: str) -> list[RingEffect]:
        """Form the ring anew with the same members: what they hand in at the barrier has changed."""
        if self._core.state is RingState.OPERATIONAL:
            self._gather.enter(now, why)
        return self._settle(now)

    def new_frames(self, now: Instant) -> list[RingEffect]:
        """Go on after effects were done; send what the source has as soon as the token allows."""
        self._operational.on_new_frames(now)
        return self._settle(now)

    def expel(self, now: Instant, nodes: Iterable[NodeId]) -> list[RingEffect]:
        """Go on without `nodes`, which keep the ring from synchronising."""
        core = self._core
        if core.state is RingState.OPERATIONAL:
            core.fail |= frozenset(nodes) - {core.me}
            self._gather.enter(now, "some do not synchronise")
            self._gather.conclude(now)
        return self._settle(now)

    def leave(self, now: Instant) -> list[RingEffect]:
        """Tell the others that we go, and take part in nothing any more."""
        core = self._core
        if core.state is RingState.STOPPED:
            return []
        others = tuple(sorted(core.proc - {core.me}))
        for _ in range(LEAVE_COPIES):
            core.multicast(Join(core.ring_seq, others, (core.me,), leaving=True))
        core.note("leave", "This node leaves the ring.", (core.me,))
        core.state = RingState.STOPPED
        core.cancel_all()
        core.loop.clear()
        return self._settle(now)

    def check_invariants(self) -> None:
        """Assert what must hold between any two steps."""
        core = self._core
        assert core.me in core.installed.members
        assert core.me in core.proc or core.state is RingState.STOPPED
        forming = core.state in (RingState.COMMIT, RingState.RECOVERY)
        assert forming == (core.forming is not None) or core.state is RingState.STOPPED
        window = core.installed.window
        assert window.released <= core.installed.delivered <= window.high
        assert core.ring_seq >= core.installed.ring.seq

    def _settle(self, now: Instant) -> list[RingEffect]:
        """Hand over to ourselves what a ring of one sends to its next member.

        Stops as soon as there are effects: those above must have seen a configuration change
        before the next token takes their frames. They call `new_frames` until nothing comes.
        """
        core = self._core
        while core.loop and not core.effects:
            self._dispatch(now, core.me, core.loop.popleft())
        effects, core.effects = core.effects, []
        return effects

    def _dispatch(self, now: Instant, sender: NodeId, message: Message) -> None:
        match message:
            case Token():
                self._operational.on_token(now, message)
            case Mcast():
                self._on_mcast(now, sender, message)
            case HoldCancel():
                self._operational.on_hold_cancel(now, message)
            case Join():
                self._gather.on_join(now, sender, message)
            case CommitToken():
                self._commit.on_commit_token(now, message)
            case MergeDetect():
                self._on_merge_detect(now, sender, message)
            case _:
                assert_never(message)

    def _on_mcast(self, now: Instant, sender: NodeId, frame: Mcast) -> None:
        if frame.ring == self._core.current.ring:
            return self._operational.on_mcast(frame)
        return self._on_foreign(now, sender, frame.ring)

    def _on_merge_detect(self, now: Instant, sender: NodeId, message: MergeDetect) -> None:
        if message.ring != self._core.current.ring:
            self._on_foreign(now, sender, message.ring)

    def _on_foreign(self, now: Instant, sender: NodeId, ring: RingId) -> None:
        core = self._core
        if core.state not in (RingState.OPERATIONAL, RingState.GATHER):
            return core.drop("foreign-in-formation")
        if sender in core.installed.members and ring.seq < core.installed.ring.seq:
            # A late packet of an earlier ring, not a member that has gone its own way.
            return core.drop("foreign-late")
        return self._gather.on_foreign(now, sender)

    def _fire(self, now: Instant, timer: Timer) -> None:
        core = self._core
        match timer:
            case Timer.TOKEN_LOSS:
                core.statistics.token_losses += 1
                core.note("token-lost", f"No token for {core.options.token} ms.")
                self._gather.enter(now, "the token is lost")
                self._gather.conclude(now)
            case Timer.TOKEN_RETRANSMIT:
                self._operational.on_retransmit(now)
            case Timer.TOKEN_WARNING:
                core.note("token-warning", f"The token is late in ring {core.current.ring}.")
            case Timer.HOLD:
                self._operational.on_hold_expired(now)
            case Timer.MERGE:
                self._operational.on_merge_timer()
            case Timer.SEND_JOIN | Timer.JOIN:
                self._gather.on_join_timer(now)
            case Timer.CONSENSUS:
                self._gather.on_consensus_timeout(now)
            case Timer.PAUSE:
                core.arm(Timer.PAUSE, now + max(1, core.options.token // 5))
            case Timer.EVIDENCE:
                self._on_evidence(now)
            case _:
                assert_never(timer)

    def _on_evidence(self, now: Instant) -> None:
        core = self._core
        core.effects += core.evidence.probes(now, self._watched())
        self._gather.judge(now)
        core.arm(Timer.EVIDENCE, core.evidence.next_at(now, self._watched()))

    def _watched(self) -> list[NodeId]:
        core = self._core
        if core.state is RingState.GATHER:
            return sorted(core.proc - core.fail - {core.me})
        return [node for node in core.current.members if node != core.me]
