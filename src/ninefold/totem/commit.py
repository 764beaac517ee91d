"""COMMIT: the commit token goes around the proposed ring twice.

Section 3.5 of the specification. The first rotation collects what every member brings, the second
tells it to all. A bound of the ring's number is on stable storage before the token goes on (`numbers`): a
member that restarts can then never take part in another ring of the same id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ninefold.core.ids import RingId
from ninefold.totem.messages import CommitToken, Slot, Token
from ninefold.totem.ring_core import RingState, Timer

if TYPE_CHECKING:
    from ninefold.core.instants import Instant
    from ninefold.totem.recovery import Recovery
    from ninefold.totem.ring_core import Core

# Totem's step between rings, so that a number tells a ring from a restart in between.
RING_SEQ_STEP: Final = 4


class Commit:
    """The commit token's way through one member."""

    def __init__(self, core: Core, recovery: Recovery) -> None:
        self._core = core
        self._recovery = recovery
        self._unsaved: CommitToken | None = None
        self._ring_started = False

    def create(self, now: Instant) -> None:
        """All agree and we have the lowest id: propose the ring."""
        core = self._core
        members = tuple(sorted(core.proc - core.fail))
        ring = RingId(core.numbers.after(core.ring_seq, RING_SEQ_STEP), members[0])
        assert core.me == members[0]
        self._enter(now, CommitToken(ring.seq, ring.representative, 0, members))

    def on_commit_token(self, now: Instant, token: CommitToken) -> None:
        """Take the commit token, according to where we are."""
        core = self._core
        match core.state:
            case RingState.GATHER if self._is_ours(token):
                self._enter(now, token)
            case RingState.GATHER:
                self._refuse(now, token)
            case RingState.COMMIT if self._is_second_rotation(token):
                self._enter_recovery(now, token)
            case RingState.RECOVERY if self._is_second_rotation(token):
                self._start_ring(token)
            case _:
                core.drop("commit-token-unexpected")

    def _refuse(self, now: Instant, token: CommitToken) -> None:
        """Say at once that we have learned of others since we agreed.

        Its creator waits for the token and counts only joins that know of its ring (a whole token
        timeout in Corosync): so our next join does.
        """
        core = self._core
        core.drop("commit-token-unexpected")
        if core.me in token.members and token.ring_seq > core.attempted_seq:
            core.ring_seq = max(core.ring_seq, token.ring_seq)
            core.arm(Timer.SEND_JOIN, now)

    def on_saved(self, now: Instant) -> None:
        """Send the commit token on, if its number may be used by now."""
        token, core = self._unsaved, self._core
        if core.state is not RingState.COMMIT or token is None:
            return
        if core.numbers.may_use(token.ring_seq):
            self._unsaved = None
            self._pass_on(now, token)

    def _is_ours(self, token: CommitToken) -> bool:
        """Whether it proposes what we agreed to, and it is our turn in its first rotation."""
        core = self._core
        if frozenset(token.members) != core.proc - core.fail or token.rep == core.me:
            return False
        if token.ring_seq <= core.attempted_seq:
            return False
        return len(token.slots) == token.members.index(core.me)

    def _is_second_rotation(self, token: CommitToken) -> bool:
        """Whether all members have filled it in, and it is no retransmission of what we had."""
        forming = self._core.forming
        assert forming is not None
        if token.ring != forming.ring or token.token_seq <= forming.commit_seq:
            return False
        return len(token.slots) == len(token.members)

    def _enter(self, now: Instant, token: CommitToken) -> None:
        core = self._core
        core.state = RingState.COMMIT
        core.forming = core.configuration(token.ring, token.members)
        core.forming.commit_seq = token.token_seq
        core.ring_seq = max(core.ring_seq, token.ring_seq)
        core.attempted_seq = token.ring_seq
        old = core.installed
        slot = Slot(
            old.ring.seq,
            old.ring.representative,
            old.window.aru,
            old.delivered,
            old.window.aru == old.window.high,
        )
        self._unsaved = replace(token, slots=(*token.slots, slot))
        self._ring_started = False
        core.cancel(Timer.JOIN, Timer.SEND_JOIN, Timer.CONSENSUS, Timer.TOKEN_RETRANSMIT)
        core.sent_token = None
        core.arm(Timer.TOKEN_LOSS, now + core.options.token)
        core.note("commit", f"Ring {token.ring} is proposed.", token.members)
        core.reserve(token.ring_seq)
        self.on_saved(now)

    def _enter_recovery(self, now: Instant, token: CommitToken) -> None:
        if self._unsaved is not None:
            return  # a forged or confused rotation: ours has not left us yet
        forming = self._core.forming
        assert forming is not None
        forming.slots = token.slots
        forming.commit_seq = token.token_seq
        self._core.arm(Timer.TOKEN_LOSS, now + self._core.options.token)
        self._recovery.enter(now)
        self._pass_on(now, token)

    def _start_ring(self, token: CommitToken) -> None:
        """The representative knows that all are in RECOVERY: the first token goes out, once."""
        core = self._core
        if core.me != token.rep or self._ring_started:
            return core.drop("commit-token-unexpected")
        self._ring_started = True
        return core.loop.append(Token(token.ring_seq, token.rep, 1, 0, 0))

    def _pass_on(self, now: Instant, token: CommitToken) -> None:
        forming = self._core.forming
        assert forming is not None
        token = replace(token, token_seq=token.token_seq + 1)
        self._core.pass_on(now, token, forming.next_after(self._core.me))
