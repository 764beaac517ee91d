"""The cables of the virtual world: a matrix of directed paths that can be slow, lossy or cut.

Carrier never goes away: as with a dead switch further off, a sender cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.core.instants import Millis

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from ninefold.core.ids import NodeId


class Weather(msgspec.Struct):
    """What the network does to packets: shares between 0 and 1, delays in milliseconds."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_min_ms: Millis = 1
    delay_max_ms: Millis = 1


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

    def partition(self, side: Iterable[NodeId]) -> None:
        """Cut between `side` and the rest."""
        inside = tuple(side)
        for one in inside:
            for other in self._nodes:
                if other not in inside:
                    self.cut(one, other)
                    self.cut(other, one)

    def heal(self) -> None:
        """Mend every cable."""
        self._cut.clear()

    def reaches(self, sender: NodeId, receiver: NodeId, link: int) -> bool:
        """Is that direction of that link whole?"""
        return (sender, receiver, link) not in self._cut

    def journeys(self, sender: NodeId, receiver: NodeId, link: int) -> list[Millis]:
        """Return the delays after which copies of a packet arrive; none if it is lost."""
        if not self.reaches(sender, receiver, link):
            return []
        weather = self.weather
        if weather.loss and self._rng.random() < weather.loss:
            return []
        copies = 2 if weather.duplication and self._rng.random() < weather.duplication else 1
        return [
            self._rng.randint(weather.delay_min_ms, weather.delay_max_ms) for _ in range(copies)
        ]
