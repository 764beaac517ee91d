"""RECOVERY: those that come along bring each other to the same frames; then the ring is installed.

Sections 3.6 and 3.7 of the specification, with its advice: of all that hold a frame only the one
with the lowest id that is known, from the commit token, to hold it sends it again. The property
that the order of installation guards (extended virtual synchrony): members that go together from
one installed ring to the next deliver the same frames in between, and nothing of one that does not
go along is delivered behind a gap.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ninefold.totem.codec import MalformedMessage, decode, encode
from ninefold.totem.events import ConfigurationKind, RingChanged
from ninefold.totem.messages import Mcast
from ninefold.totem.ring_core import RingState, Timer

if TYPE_CHECKING:
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.totem.messages import Slot, Token
    from ninefold.totem.ring_core import Configuration, Core

# Visits with the flag clear until nobody can have more to send; then until all have all of it.
FLAG_CLEAR_VISITS: Final = 2
FLAG_SETTLED_VISITS: Final = 3
ROTATIONS_COMPLETE: Final = 2


class Recovery:
    """The exchange of old frames, and the installation."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.pending: deque[bytes] = deque()
        self._reset()

    def _reset(self) -> None:
        self.pending.clear()
        self._transitional: tuple[NodeId, ...] = ()
        self._safe_upto = 0
        self._flag_is_ours = False
        self._clear_visits = 0
        self._install_seq = 0
        self._rotations = 0

    def enter(self, now: Instant) -> None:
        """Every member has seen what all bring: find out who comes along and what they lack."""
        core = self._core
        conf = core.forming
        assert conf is not None
        assert len(conf.slots) == len(conf.members)
        self._reset()
        core.state = RingState.RECOVERY
        slots = dict(zip(conf.members, conf.slots, strict=True))
        old = core.installed
        self._transitional = tuple(
            node
            for node in conf.members
            if slots[node].old_ring == old.ring and node in old.members
        )
        assert core.me in self._transitional
        # What one of them has handed up was safe; by this all that stay together end the old ring alike.
        self._safe_upto = max(slots[node].high_delivered for node in self._transitional)
        self.pending.extend(self._to_send([(node, slots[node]) for node in self._transitional]))
        core.note("recovery", f"Ring {conf.ring}: {len(self.pending)} frames to send again.")

    def _to_send(self, slots: list[tuple[NodeId, Slot]]) -> list[bytes]:
        """Return the old frames that it is on us to send, wrapped."""
        low = min(slot.aru for _, slot in slots)
        high = max(slot.aru for _, slot in slots)
        if low == high and all(slot.received for _, slot in slots):
            return []
        window = self._core.installed.window
        wanted = []
        for seq in range(low + 1, window.high + 1):
            frame = window.get(seq)
            holders = [node for node, slot in slots if slot.aru >= seq]
            ours = not holders or holders[0] == self._core.me
            if frame is not None and ours and not frame.encapsulated:
                wanted.append(encode(frame))
        return wanted

    def take(self) -> bytes | None:
        """Return the next old frame to wrap."""
        return self.pending.popleft() if self.pending else None

    def on_visit(self, conf: Configuration, token: Token) -> Token:
        """Count visits on which nobody has old frames left; return the token with our flag."""
        if self.pending:
            if not token.retrans_flg:
                token = replace(token, retrans_flg=True)
                self._flag_is_ours = True
        elif token.retrans_flg and self._flag_is_ours:
            token = replace(token, retrans_flg=False)
            self._flag_is_ours = False
        self._clear_visits = 0 if token.retrans_flg else self._clear_visits + 1
        if self._clear_visits == FLAG_CLEAR_VISITS:
            self._install_seq = token.seq
        settled = self._clear_visits >= FLAG_SETTLED_VISITS and token.aru >= self._install_seq
        self._rotations = self._rotations + 1 if settled else 0
        return token

    def after_visit(self, now: Instant) -> None:
        """Install the ring once everybody is known to have everything."""
        if self._rotations >= ROTATIONS_COMPLETE:
            self._install(now)

    def _install(self, now: Instant) -> None:
        core = self._core
        new, old = core.forming, core.installed
        assert new is not None
        assert new.window.aru >= self._install_seq
        self._unwrap(new, old)
        old.safe_upto = self._safe_upto
        core.deliver(old)
        stayed = self._transitional
        core.effects.append(
            RingChanged(
                ConfigurationKind.TRANSITIONAL,
                old.ring,
                stayed,
                (),
                tuple(node for node in old.members if node not in stayed),
            )
        )
        self._deliver_past_gaps(old)
        core.effects.append(
            RingChanged(
                ConfigurationKind.REGULAR,
                new.ring,
                new.members,
                tuple(node for node in new.members if node not in stayed),
                tuple(node for node in old.members if node not in stayed),
            )
        )
        core.installed, core.forming = new, None
        core.proc, core.fail = frozenset(new.members), frozenset()
        core.failed_to_receive = False
        core.state = RingState.OPERATIONAL
        core.statistics.memberships += 1
        core.cancel(Timer.JOIN, Timer.CONSENSUS)
        self._hold_against(now, new)
        core.rotations.clear()
        self._reset()
        core.note("operational", f"Ring {new.ring} is installed.", new.members)
        # Members that installed it before us may have sent already.
        core.deliver(new)

    def _hold_against(self, now: Instant, new: Configuration) -> None:
        """Remember who asked to be in this ring, or was asked, and is not; forgive who is."""
        core = self._core
        core.strikes.forgive(new.members)
        core.in_vain.forgive(new.members)
        for node in sorted(core.invited - frozenset(new.members)):
            core.in_vain.add(now, node)
        core.invited = frozenset()
        for node in sorted(core.asked_in - frozenset(new.members)):
            if core.strikes.add(now, node):
                core.note(
                    "backed-off", f"Node {node} is let rest: it is heard, but not by all.", (node,)
                )
        core.rows = {node: row for node, row in core.rows.items() if node in core.asked_in}
        core.asked_in = frozenset()

    def _unwrap(self, new: Configuration, old: Configuration) -> None:
        """Put wrapped frames of our old ring back into its window."""
        for seq in range(1, new.window.aru + 1):
            outer = new.window.get(seq)
            if outer is None or not outer.encapsulated:
                continue
            try:
                inner = decode(outer.payload)
            except MalformedMessage:
                self._core.drop("malformed")
                continue
            if not isinstance(inner, Mcast) or inner.ring != old.ring:
                continue  # of a member that comes from another ring
            if inner.node in old.members:
                old.window.insert(inner)

    def _deliver_past_gaps(self, old: Configuration) -> None:
        """Deliver what is left: what was not known to be safe, and behind a gap what comes along."""
        old.safe_upto = old.window.aru
        self._core.deliver(old)
        for seq in range(old.delivered + 1, old.window.high + 1):
            frame = old.window.get(seq)
            if frame is not None and frame.node in self._transitional:
                self._core.emit(frame)
        old.delivered = old.window.high
