"""How large the datagrams, and so the frames, of this node may be, from what each path carries.

Theorem: a frame of `frame_max` bytes goes in one datagram that every link in use to every peer is known to
carry. It is the worst of them that counts, since one frame goes to all. While some peer has no usable link
nothing is known of how it will be reached, and no more is sent at once than the usual size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.totem import packet as wire
from ninefold.totem.events import Noted
from ninefold.totem.pmtu import PathMtu

if TYPE_CHECKING:
    from collections.abc import Collection

    from ninefold.config.model import TotemOptions
    from ninefold.core.ids import NodeId
    from ninefold.totem.peers import Peer

# IPv6 and UDP headers, the larger of the two families; of IPv4.
IP_UDP_BYTES: Final = 40 + 8
IPV4_UDP_BYTES: Final = 20 + 8
# Until more is known: what the narrowest common tunnel (WireGuard, 1420) carries.
MTU_DEFAULT: Final = 1420
# IPv4 guarantees no more than this on any path.
MTU_MIN: Final = 576


class Paths:
    """The sizes that this node goes by. `overhead` is what sealing adds to a datagram."""

    def __init__(self, options: TotemOptions, *, overhead: int) -> None:
        mtu = options.knet_mtu
        self._usual = min(max(MTU_MIN, mtu or MTU_DEFAULT) - IP_UDP_BYTES, wire.DATAGRAM_MAX)
        # An MTU that was given is checked, and nothing else is tried.
        self._floor = self._usual if mtu else MTU_MIN - IP_UDP_BYTES
        self._ceiling = self._usual if mtu else wire.DATAGRAM_MAX
        self._search_ms = options.knet_pmtud_interval
        self._netmtu = options.netmtu
        self._around = wire.HEADER_BYTES + overhead + wire.FRAGMENT_BYTES
        self._told: dict[tuple[NodeId, int], int] = {}
        self.room = self._usual - self._around

    @property
    def frame_max(self) -> int:
        """The largest frame in one datagram, within netmtu."""
        return min(self.room, self._netmtu)

    def new(self) -> PathMtu:
        """Return a path of which nothing is known."""
        return PathMtu(
            self._usual, floor=self._floor, ceiling=self._ceiling, search_ms=self._search_ms
        )

    def resize(self, peers: Collection[Peer]) -> None:
        """Go by what the worst link in use carries."""
        sizes = [peer.paths[link].size for peer in peers for link in peer.carriers]
        for peer in peers:
            if not peer.carriers:
                sizes += [self._usual, *(path.size for path in peer.paths.values())]
        self.room = min(sizes, default=self._usual) - self._around

    def news(self, peer: Peer) -> list[Noted]:
        """Return what has become known of the paths to a peer since this was last asked."""
        noted = []
        for link, path in peer.paths.items():
            mtu = path_mtu(peer, link)
            told = self._told.setdefault((peer.nodeid, link), mtu)
            # Only the end of a search is news: a link that was cut for a moment is found as it was.
            if mtu == told or not (path.settled or mtu == 0):
                continue
            self._told[(peer.nodeid, link)] = mtu
            carries = f"carries an MTU of {mtu} now" if mtu else "carries no large packets"
            text = f"Link {link} to node {peer.nodeid} {carries}."
            noted.append(Noted("path-mtu", text, (peer.nodeid,)))
        return noted


def path_mtu(peer: Peer, link: int) -> int:
    """Return the MTU of a path as far as it is known; 0 if not even the least passes."""
    path = peer.paths[link]
    if not path.valid:
        return 0
    return path.size + (IP_UDP_BYTES if ":" in peer.addresses[link].address else IPV4_UDP_BYTES)
