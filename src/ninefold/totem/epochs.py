"""Which boot of a peer is the living one: the guard against packets recorded from an earlier boot.

Each start of a daemon draws an epoch, and with it come new keys and counters from zero. Packets
of an epoch that was not proven are held, not believed.

Theorem. If a frame of sender S in epoch E is handed up by receiver R, then (1) S sealed it in E,
(2) after S had heard of the present epoch of R, (3) R hands it up once only, and (4) S was alive
in E after R had accepted S's previous epoch; so once R believes a newer boot of S, no packet of an
older one is ever believed again.

How the order of operations keeps it. R asks with a ping: a nonce drawn at that moment. Only the
holder of the key of E can seal the pong that echoes it, and the dead do not answer; when an epoch
is accepted, all open nonces for that peer are void, so that a late pong of an older boot cannot
come second and win (4). The pong also states, for each link, the counter that S had reached when
it first heard of R's epoch (its *anchor* for R); the replay windows of E begin there, so what was
recorded in E before R booted is refused too (2), and what arrived between is released (3). (1)
is the crypto layer's theorem.

Cost: one round trip after a start, or after a peer's restart; nothing afterwards.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ninefold.totem.fragments import Reassembly
from ninefold.totem.replay import ReplayWindow

if TYPE_CHECKING:
    from ninefold.totem.crypto import SenderKeys
    from ninefold.totem.packet import Header

# Packets may overtake each other by this much on one link.
WINDOW_WIDTH: Final = 1024
# Unproven epochs of one peer kept at a time: the new boot, and three for an attacker's recordings
# to quarrel about. The oldest gives way, and comes back with its next packet.
PENDING_MAX: Final = 4
# Packets held for an unproven epoch: what a ring sends in the one round trip that the proof takes.
HELD_MAX: Final = 32
# Old epochs that are refused without asking. One that is forgotten here is asked, in vain.
RETIRED_MAX: Final = 64


class Held:
    """A packet that was opened but may not be believed yet."""

    __slots__ = ("body", "header")

    def __init__(self, header: Header, body: bytes) -> None:
        self.header = header
        self.body = body


class Epoch:
    """One boot of a peer: its keys, our anchor for it, and after the proof its windows."""

    def __init__(self, keys: SenderKeys, anchors: dict[int, int]) -> None:
        self.keys = keys
        self.anchors = anchors
        self.held: deque[Held] = deque()
        self.frames = Reassembly()
        self._windows: dict[int, ReplayWindow] = {}

    def begin(self, floors: dict[int, int]) -> None:
        """Open the windows above what the peer had sent before it heard of us."""
        for link, floor in floors.items():
            # Counters start at 1, so a floor of 0 refuses nothing.
            self._windows[link] = ReplayWindow(WINDOW_WIDTH, floor=floor)

    def hold(self, held: Held) -> bool:
        """Keep a packet until the proof; False if an older one had to go for it."""
        self.held.append(held)
        if len(self.held) <= HELD_MAX:
            return True
        self.held.popleft()
        return False

    def fresh(self, link: int, counter: int) -> bool:
        """Tell whether the window of the link would take the counter; changes nothing."""
        return (self._windows.get(link) or self._open(link)).fresh(counter)

    def accept(self, link: int, counter: int) -> bool:
        """Take a counter: True the first time only."""
        return (self._windows.get(link) or self._open(link)).accept(counter)

    def _open(self, link: int) -> ReplayWindow:
        """Open the window of a link from its beginning: the peer has stated no anchor for it.

        For then it had not had the link when it heard of us, and has sent nothing on it before.
        """
        window = self._windows[link] = ReplayWindow(WINDOW_WIDTH, floor=0)
        return window


class Epochs:
    """The boots of one peer: at most one proven, a few that may become so, those that are over."""

    def __init__(self) -> None:
        self.proven: Epoch | None = None
        self._proven_id = b""
        self._pending: dict[bytes, Epoch] = {}
        self._retired: deque[bytes] = deque(maxlen=RETIRED_MAX)

    def is_proven(self, epoch: bytes) -> bool:
        """Tell whether this is the living boot."""
        return self.proven is not None and epoch == self._proven_id

    def is_retired(self, epoch: bytes) -> bool:
        """Tell whether this boot is known to be over."""
        return epoch in self._retired

    def get(self, epoch: bytes) -> Epoch | None:
        """Return what is known of a boot that is proven or may become so."""
        return self.proven if self.is_proven(epoch) else self._pending.get(epoch)

    def add(self, epoch: bytes, state: Epoch) -> int:
        """Begin to wonder about a boot; return how many held packets were given up for it."""
        assert not self.is_proven(epoch)
        assert epoch not in self._pending
        self._pending[epoch] = state
        if len(self._pending) <= PENDING_MAX:
            return 0
        oldest = next(iter(self._pending))
        return len(self._pending.pop(oldest).held)

    def prove(self, epoch: bytes, floors: dict[int, int]) -> list[Held]:
        """Believe a pending boot and retire the one before; return what was held for it.

        The caller voids all open nonces for this peer in the same step.
        """
        state = self._pending.pop(epoch)
        if self.proven is not None:
            self._retired.append(self._proven_id)
        self.proven = state
        self._proven_id = epoch
        state.begin(floors)
        held = list(state.held)
        state.held.clear()
        return held
