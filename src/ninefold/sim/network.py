"""The cables of the virtual world: a matrix of directed paths that can be slow, lossy or cut.

Carrier never goes away: as with a dead switch further off, a sender cannot tell. A path is one
direction of one link between two hosts. It can be whole, cut, late (each packet takes so much longer),
narrow (what is larger than `NARROW_BYTES` gets lost, as behind a router that tells nobody; `mtus` have
another limit), or clogged (packets pile up, and all come when it is opened).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.core.ids import NodeId
from ninefold.core.instants import Millis

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

Path: TypeAlias = tuple[NodeId, NodeId, int]

# What Ethernet carries, and the headers of IPv4 and UDP in it.
MTU: Final = 1500
HEADERS_BYTES: Final = 28

# Heartbeats and tokens of a small ring pass; a document does not.
NARROW_BYTES: Final = 400

# Packets that are put in disorder, or sent again, come this much later; those recorded by somebody
# may come when their sender has long been started anew.
DISORDER_MAX_MS: Final[Millis] = 60
REPLAY_MAX_MS: Final[Millis] = 20_000

# A clogged path holds as much as a switch would; what comes when it is open again comes within this.
CLOGGED_MAX: Final = 2_000
UNCLOG_MS: Final[Millis] = 300


class Weather(msgspec.Struct):
    """What the network does to packets: shares between 0 and 1, delays in milliseconds."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    reordering: float = 0.0
    replay: float = 0.0
    delay_min_ms: Millis = 1
    delay_max_ms: Millis = 1

    @property
    def calm(self) -> bool:
        """Does every packet arrive once and soon?"""
        shares = (self.loss, self.duplication, self.corruption, self.reordering, self.replay)
        return not any(shares) and self.delay_max_ms <= 1


class Network:
    """Who can reach whom, over which link."""

    def __init__(self, nodes: Iterable[NodeId], links: int, rng: random.Random) -> None:
        self._nodes = tuple(sorted(nodes))
        self._links = links
        self._rng = rng
        self.weather = Weather()
        self._cut: dict[Path, bool] = {}
        self._late: dict[Path, Millis] = {}
        self._narrow: dict[Path, bool] = {}
        # Of paths that carry more or less than Ethernet. It is the network's nature: mending leaves it.
        self.mtus: dict[Path, int] = {}
        # What waits on a clogged path, to be delivered after a delay that is yet to be drawn.
        self._clogged: dict[Path, list[Callable[[Millis], None]]] = {}
        # Grows when everything is mended: what was to be done to the cables later is void.
        self.mended = 0

    def cut(self, sender: NodeId, receiver: NodeId, link: int | None = None) -> None:
        """Stop one direction, on one link or on all."""
        for number in range(self._links) if link is None else (link,):
            self._cut[(sender, receiver, number)] = True

    def isolate(self, node: NodeId, link: int | None = None) -> None:
        """Cut a node off from everybody, both ways."""
        for other in self._nodes:
            if other != node:
                self.cut(node, other, link)
                self.cut(other, node, link)

    def rejoin(self, node: NodeId, link: int | None = None) -> None:
        """Mend every cable of a node, or those of one link."""
        for path in [p for p in self._cut if node in p[:2] and link in (None, p[2])]:
            del self._cut[path]

    def partition(self, sides: Sequence[Sequence[NodeId]]) -> None:
        """Cut between each two of the sides; nodes in none of them keep all their cables."""
        for index, side in enumerate(sides):
            for other_side in sides[index + 1 :]:
                for one in side:
                    for other in other_side:
                        self.cut(one, other)
                        self.cut(other, one)

    def heal(self) -> None:
        """Mend every cable."""
        self.mended += 1
        self._cut.clear()
        self._late.clear()
        self._narrow.clear()
        self.unclog()

    def mend(self, one: NodeId, other: NodeId) -> None:
        """Mend what is cut between two hosts."""
        for path in [p for p in self._cut if {one, other} == set(p[:2])]:
            del self._cut[path]

    def delay(self, sender: NodeId, receiver: NodeId, delay: Millis) -> None:
        """Let every packet from one to another take so much longer; 0 for no longer."""
        for link in range(self._links):
            self._late[(sender, receiver, link)] = delay

    def narrow(self, sender: NodeId, receiver: NodeId) -> None:
        """Let large packets from one to another get lost."""
        for link in range(self._links):
            self._narrow[(sender, receiver, link)] = True

    def clog(self, sender: NodeId, receiver: NodeId) -> None:
        """Let packets from one to another pile up."""
        for link in range(self._links):
            self._clogged.setdefault((sender, receiver, link), [])

    def unclog(self) -> None:
        """Open every clogged path, in an order of chance: each one's packets come in theirs."""
        clogged, self._clogged = self._clogged, {}
        for held in clogged.values():
            delay = self._rng.randint(1, UNCLOG_MS)
            for number, deliver in enumerate(held):
                deliver(delay + number // 100)

    def held(
        self, sender: NodeId, receiver: NodeId, link: int, deliver: Callable[[Millis], None]
    ) -> bool:
        """Keep a packet if its path is clogged; answer whether it is."""
        held = self._clogged.get((sender, receiver, link))
        if held is None:
            return False
        if len(held) < CLOGGED_MAX:
            held.append(deliver)
        return True

    @property
    def lively(self) -> bool:
        """Does every packet on a path that is not cut arrive once, whole, and soon?"""
        return self.weather.calm and not (self._late or self._narrow or self._clogged)

    @property
    def clogs(self) -> bool:
        """Is any path clogged?"""
        return bool(self._clogged)

    def reaches(self, sender: NodeId, receiver: NodeId, link: int) -> bool:
        """Do small packets come through in that direction of that link?"""
        path = (sender, receiver, link)
        return path not in self._cut and path not in self._clogged

    def connected(self, one: NodeId, other: NodeId) -> bool:
        """Does some link work between the two, both ways?"""
        return any(
            self.reaches(one, other, link) and self.reaches(other, one, link)
            for link in range(self._links)
        )

    def fits(self, sender: NodeId, receiver: NodeId, link: int, size: int) -> bool:
        """Is a packet small enough for that path? No delay and no stranger brings it along if not."""
        over = size + HEADERS_BYTES
        if (over > MTU or self.mtus) and over > self.mtus.get((sender, receiver, link), MTU):
            return False
        return not (
            self._narrow and size > NARROW_BYTES and (sender, receiver, link) in self._narrow
        )

    def journeys(self, sender: NodeId, receiver: NodeId, link: int) -> list[Millis]:
        """Return the delays after which copies of a packet arrive that fits; none if it is lost."""
        path = (sender, receiver, link)
        if self._cut and path in self._cut:
            return []
        weather, rng = self.weather, self._rng
        if weather.loss and rng.random() < weather.loss:
            return []
        copies = 2 if weather.duplication and rng.random() < weather.duplication else 1
        if weather.delay_min_ms == weather.delay_max_ms:
            delays = [weather.delay_min_ms] * copies
        else:
            delays = [
                rng.randint(weather.delay_min_ms, weather.delay_max_ms) for _ in range(copies)
            ]
        if weather.reordering and rng.random() < weather.reordering:
            delays[0] += rng.randint(1, DISORDER_MAX_MS)
        if weather.replay and rng.random() < weather.replay:
            delays.append(rng.randint(1, REPLAY_MAX_MS))
        if self._late and path in self._late:
            delays = [delay + self._late[path] for delay in delays]
        return delays

    def bent(self, data: bytes) -> bytes:
        """Return a packet as it arrives: now and then with a bit wrong, or cut short."""
        if not self.weather.corruption or self._rng.random() >= self.weather.corruption or not data:
            return data
        place = self._rng.randrange(len(data))
        if self._rng.random() < 0.3:
            return data[:place]
        bent = bytearray(data)
        bent[place] ^= 1 << self._rng.randrange(8)
        return bytes(bent)
