"""The token's visit: send, ask again, free, pass on. The same for OPERATIONAL and RECOVERY.

Section 3.2 of the specification. In RECOVERY the frames come from the recovery's own queue and
nothing is delivered or held; everything else is one machinery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ninefold.totem.messages import RTR_MAX, HoldCancel, Mcast, MergeDetect, Token
from ninefold.totem.ring_core import RingState, SendFrame, Timer

if TYPE_CHECKING:
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.totem.recovery import Recovery
    from ninefold.totem.ring_core import Configuration, Core

# Gaps looked at on one visit: many times what fits a token, far less than the whole window.
GAPS_LOOKED_AT: Final = 8 * RTR_MAX
# A ring of one frees a frame after two visits; more laps with nothing to do are only heat.
SINGLETON_LAPS: Final = 2


class Operational:
    """What a member does with the token and with frames."""

    def __init__(self, core: Core, recovery: Recovery) -> None:
        self._core = core
        self._recovery = recovery

    # --- the token ---

    def on_token(self, now: Instant, token: Token) -> None:
        """Take the token of the current ring, once per hop."""
        core = self._core
        conf = core.current
        if core.state not in (RingState.OPERATIONAL, RingState.RECOVERY):
            return core.drop("token-out-of-state")
        if token.ring != conf.ring:
            return core.drop("token-foreign")
        if token.token_seq <= conf.token_seq:
            return core.drop("token-old")
        conf.token_seq = token.token_seq
        self._restart_timers(now)
        self._notice_idleness(now, conf, token)
        # Whoever had less would have lowered it in one of two rotations.
        conf.safe_upto = max(conf.safe_upto, min(token.aru, conf.previous_aru))
        conf.window.release(min(conf.safe_upto, conf.delivered))
        asked = len(token.rtr)
        token = self._serve(conf, token)
        if core.state is RingState.RECOVERY:
            token = self._recovery.on_visit(conf, token)
        conf.previous_aru, moved = token.aru, token.aru != conf.previous_aru
        if self._deaf(conf, token, moved=moved):
            core.failed_to_receive = True
            core.fail |= {core.me}
            core.note("failed-to-receive", "The ring goes on without what we miss.", (core.me,))
            return core.enter_gather(now, "we failed to receive")
        conf.last_seq = token.seq
        if self._holds(conf, asked):
            conf.held = token
            core.arm(Timer.HOLD, now + core.options.hold)
        else:
            self._pass_on(now, conf, token)
        if core.state is RingState.OPERATIONAL:
            return core.deliver(conf)
        return self._recovery.after_visit(now)

    def on_hold_expired(self, now: Instant) -> None:
        """Let a resting token go, with whatever we have to send by now."""
        conf = self._core.current
        if conf.held is None or self._core.state is not RingState.OPERATIONAL:
            return
        token, conf.held = conf.held, None
        self._core.cancel(Timer.HOLD)
        allowed = conf.flow.allowed(token, self._core.source.backlog, conf.window)
        token, sent = self._send_new(conf, token, allowed)
        if sent:
            fcc, backlog = conf.flow.account_more(
                token, sent=sent, backlog=self._core.source.backlog
            )
            token = self._lower_aru(conf, replace(token, fcc=fcc, backlog=backlog))
            conf.previous_aru = min(conf.previous_aru, token.aru)
            conf.last_seq = token.seq
        self._pass_on(now, conf, token)
        self._core.deliver(conf)

    def on_hold_cancel(self, now: Instant, message: HoldCancel) -> None:
        """Somebody has something to send."""
        conf = self._core.current
        if message.ring != conf.ring:
            return self._core.drop("hold-cancel-foreign")
        conf.seq_unchanged = 0
        return self.on_hold_expired(now)

    def on_new_frames(self, now: Instant) -> None:
        """We have something to send: wake the ring if its token rests."""
        core = self._core
        conf = core.current
        if core.state is not RingState.OPERATIONAL or not core.source.backlog:
            return
        if conf.held is not None:
            conf.seq_unchanged = 0
            self.on_hold_expired(now)
        elif conf.seq_unchanged >= core.options.seqno_unchanged_const:
            # One is enough: a lost cancel costs a hold interval, no more.
            conf.seq_unchanged = 0
            core.multicast(HoldCancel(conf.ring.seq, conf.ring.representative))

    def on_retransmit(self, now: Instant) -> None:
        """No sign that the token we sent on arrived: send it again."""
        core = self._core
        if core.sent_token is None:
            return
        core.effects.append(SendFrame(*core.sent_token))
        core.arm(Timer.TOKEN_RETRANSMIT, now + core.options.token_retransmit)

    def on_merge_timer(self) -> None:
        """An idle representative shows its ring, if any configured node is missing."""
        core = self._core
        conf = core.installed
        if core.state is RingState.OPERATIONAL and conf.members != core.peers:
            core.multicast(MergeDetect(conf.ring.seq, conf.ring.representative))

    # --- frames ---

    def on_mcast(self, frame: Mcast) -> None:
        """Keep a frame of the current ring; what is not for it was handled before."""
        core = self._core
        conf = core.current
        if frame.node not in conf.members:
            return core.drop("frame-of-stranger")
        if frame.node == core.me or not conf.window.insert(frame):
            return core.drop("frame-known")
        conf.missed.pop(frame.seq, None)
        if core.state is RingState.OPERATIONAL:
            core.deliver(conf)
        return None

    # --- the parts of a visit ---

    def _restart_timers(self, now: Instant) -> None:
        core = self._core
        core.statistics.tokens += 1
        if core.state is RingState.OPERATIONAL:
            core.rotations.append(now - core.statistics.last_token_at)
        core.statistics.last_token_at = now
        core.arm(Timer.TOKEN_LOSS, now + core.options.token)
        if core.options.token_warning:
            warn_after = core.options.token * core.options.token_warning // 100
            core.arm(Timer.TOKEN_WARNING, now + warn_after)
        core.cancel(Timer.TOKEN_RETRANSMIT, Timer.HOLD)
        core.sent_token = None

    def _notice_idleness(self, now: Instant, conf: Configuration, token: Token) -> None:
        core = self._core
        if token.seq != conf.last_seq:
            conf.seq_unchanged = 0
            core.cancel(Timer.MERGE)
            return
        conf.seq_unchanged += 1
        if core.me == conf.ring.representative and Timer.MERGE not in core.timers:
            core.arm(Timer.MERGE, now + core.options.merge)

    def _serve(self, conf: Configuration, token: Token) -> Token:
        """Send what others miss, ask for what we miss, send what is new, settle the accounts."""
        backlog = self._backlog()
        allowed = conf.flow.allowed(token, backlog, conf.window)
        rtr, resent = self._resend(conf, token, allowed)
        token, sent = self._send_new(conf, token, allowed - resent)
        rtr = self._ask(conf, token, rtr)
        fcc, total = conf.flow.account(token, sent=resent + sent, backlog=self._backlog())
        return self._lower_aru(conf, replace(token, rtr=rtr, fcc=fcc, backlog=total))

    def _backlog(self) -> int:
        recovering = self._core.state is RingState.RECOVERY
        return len(self._recovery.pending) if recovering else self._core.source.backlog

    def _resend(
        self, conf: Configuration, token: Token, allowed: int
    ) -> tuple[tuple[int, ...], int]:
        """Return the requests that remain and how many frames were sent again."""
        remaining: list[int] = []
        sent = 0
        for seq in token.rtr:
            frame = conf.window.get(seq)
            if frame is None or sent >= allowed:
                remaining.append(seq)
                continue
            self._core.multicast(frame)
            sent += 1
        self._core.statistics.retransmits += sent
        return tuple(remaining), sent

    def _ask(self, conf: Configuration, token: Token, rtr: tuple[int, ...]) -> tuple[int, ...]:
        """Add our gaps to the requests, each after it was missed on several visits."""
        if conf.window.aru >= token.seq:
            conf.missed.clear()
            return rtr
        requests = list(rtr)
        missed: dict[int, int] = {}
        for seq in conf.window.missing(token.seq, limit=GAPS_LOOKED_AT):
            missed[seq] = conf.missed.get(seq, 0) + 1
            patient = missed[seq] <= self._core.options.miss_count_const
            if patient or seq in requests or len(requests) >= RTR_MAX:
                continue
            requests.append(seq)
        conf.missed = missed
        return tuple(requests)

    def _send_new(self, conf: Configuration, token: Token, allowed: int) -> tuple[Token, int]:
        """Send up to `allowed` new frames; return the token after them, and their number."""
        core = self._core
        seq = token.seq
        while seq - token.seq < allowed:
            recovering = core.state is RingState.RECOVERY
            payload = self._recovery.take() if recovering else core.source.take()
            if payload is None:
                break
            seq += 1
            frame = Mcast(
                conf.ring.seq,
                conf.ring.representative,
                seq,
                core.me,
                recovering,
                payload,
                not recovering and core.source.took_safe,
            )
            kept = conf.window.insert(frame)
            assert kept, "flow control keeps the token within the window"
            core.multicast(frame)
        sent = seq - token.seq
        core.statistics.messages_sent += sent
        if sent:
            # Our own message is none that we see arrive. Counting on would let a representative rest
            # before the others expect it: they would send no cancel, and wait for the hold timer.
            conf.seq_unchanged = 0
        return (replace(token, seq=seq) if sent else token), sent

    def _lower_aru(self, conf: Configuration, token: Token) -> Token:
        """Apply the aru rule: only who lowered it, or nobody, may raise it again."""
        mine = conf.window.aru
        if mine < token.aru or token.aru_addr in (self._core.me, 0):
            behind: NodeId = 0 if mine == token.seq else self._core.me
            return replace(token, aru=min(mine, token.seq), aru_addr=behind)
        return token

    def _deaf(self, conf: Configuration, token: Token, *, moved: bool) -> bool:
        """Count visits on which we alone hold the ring back; true when there were too many."""
        if moved or token.aru_addr == 0:
            conf.aru_unmoved = 0
        else:
            conf.aru_unmoved += 1
        too_many = conf.aru_unmoved > self._core.options.fail_recv_const
        return too_many and token.aru_addr == self._core.me

    def _holds(self, conf: Configuration, asked: int) -> bool:
        core = self._core
        if core.state is not RingState.OPERATIONAL or core.me != conf.ring.representative:
            return False
        if core.source.backlog:
            return False
        if asked and core.options.cancel_token_hold_on_retransmit:
            return False
        if len(conf.members) == 1:
            return conf.seq_unchanged >= SINGLETON_LAPS
        return conf.seq_unchanged > core.options.seqno_unchanged_const

    def _pass_on(self, now: Instant, conf: Configuration, token: Token) -> None:
        token = replace(token, token_seq=token.token_seq + 1)
        self._core.pass_on(now, token, conf.next_after(self._core.me))
