"""The cables of the virtual world: a matrix of directed paths that can be slow, lossy or cut.

Carrier never goes away: as with a dead switch further off, a sender cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.core.instants import Millis

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from ninefold.core.ids import NodeId


class Weather(msgspec.Struct):
    """What the network does to packets: shares between 0 and 1, delays in milliseconds."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_min_ms: Millis = 1
    delay_max_ms: Millis = 1

    @property
    def calm(self) -> bool:
        """Does every packet arrive once and soon?"""
        return not self.loss and not self.duplication and self.delay_max_ms <= 1


class Network:
    """Who can reach whom, over which link."""

    def __init__(self, nodes: Iterable[NodeId], links: int, rng: random.Random) -> None:
        self._nodes = tuple(sorted(nodes))
        self._links = links
        self._rng = rng
        self.weather = Weather()
        self._cut: dict[tuple[NodeId, NodeId, int], bool] = {}

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
        self._cut.clear()

    def reaches(self, sender: NodeId, receiver: NodeId, link: int) -> bool:
        """Is that direction of that link whole?"""
        return (sender, receiver, link) not in self._cut

    def connected(self, one: NodeId, other: NodeId) -> bool:
        """Does some link work between the two, both ways?"""
        return any(
            self.reaches(one, other, link) and self.reaches(other, one, link)
            for link in range(self._links)
        )

    def journeys(self, sender: NodeId, receiver: NodeId, link: int) -> list[Millis]:
        """Return the delays after which copies of a packet arrive; none if it is lost."""
        if self._cut and not self.reaches(sender, receiver, link):
            return []
        weather = self.weather
        if weather.loss and self._rng.random() < weather.loss:
            return []
        copies = 2 if weather.duplication and self._rng.random() < weather.duplication else 1
        if weather.delay_min_ms == weather.delay_max_ms:
            return [weather.delay_min_ms] * copies
        return [
            self._rng.randint(weather.delay_min_ms, weather.delay_max_ms) for _ in range(copies)
        ]
