"""What the links layer knows of one peer: its addresses, its links, which of them to use.

Passive uses the usable link with the highest priority, the lowest number on ties; active uses all
usable links at once and leaves it to the receiver to drop the copies; rr takes turns. While no
link is usable (after a start, or when the peer is gone), all of them are used, whatever the
mode: so that a ring forms at once and a peer that returns is found.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ninefold.core.instants import NEVER
from ninefold.totem.epochs import Epochs
from ninefold.totem.heartbeat import Heartbeat, Turn
from ninefold.totem.pmtu import STANDBY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.config.model import LinkAddress, LinkOptions, NodeEntry
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.totem.pmtu import PathMtu

# Earlier than any instant: a peer that was never heard has been silent for longer than any timeout.
NEVER_HEARD: Final[Instant] = -NEVER
# At most one challenge to a peer in this time, however many packets of unproven epochs arrive: 50
# pings a second are what an attacker with recordings can make a node send.
CHALLENGE_GAP_MS: Final = 20


def canonical(address: str) -> str:
    """Return the one spelling of a numeric address; an odd one is returned as it is."""
    try:
        return ipaddress.ip_address(address).compressed
    except ValueError:
        return address


class Peer:
    """One other node of the configuration. `links` are those that both of us have."""

    def __init__(
        self,
        entry: NodeEntry,
        links: Mapping[int, LinkOptions],
        *,
        link_mode: str,
        new_path: Callable[[], PathMtu],
    ) -> None:
        self.nodeid: NodeId = entry.nodeid
        self.addresses: dict[int, LinkAddress] = {}
        self.heartbeats: dict[int, Heartbeat] = {}
        self.paths: dict[int, PathMtu] = {}
        self._new_path = new_path
        self.epochs = Epochs()
        self.heard_at: Instant = NEVER_HEARD
        self._challenged_at: Instant = NEVER_HEARD
        self._turn = 0
        self.configure(entry, links, link_mode=link_mode)

    def configure(
        self, entry: NodeEntry, links: Mapping[int, LinkOptions], *, link_mode: str
    ) -> None:
        """Take addresses, timers and the mode; a link that has moved must prove itself anew."""
        assert entry.nodeid == self.nodeid
        assert link_mode in {"passive", "active", "rr"}
        addresses = {link: entry.links[link] for link in sorted(entry.links) if link in links}
        stay = [link for link, at in addresses.items() if self.addresses.get(link) == at]
        self.heartbeats = {
            link: self.heartbeats[link] if link in stay else Heartbeat(links[link])
            for link in addresses
        }
        for link in stay:
            self.heartbeats[link].configure(links[link])
        self.paths = {
            link: self.paths[link] if link in stay else self._new_path() for link in addresses
        }
        self.addresses = addresses
        self._mode = link_mode
        self._by_preference = sorted(addresses, key=lambda link: (-links[link].priority, link))
        self._sources = {link: canonical(at.address) for link, at in addresses.items()}
        self.turned()

    @property
    def up(self) -> bool:
        """Whether at least one link is usable."""
        return any(heartbeat.up for heartbeat in self.heartbeats.values())

    def lives_at(self, link: int, address: str) -> bool:
        """Tell whether this is the peer's configured address on the link."""
        source = self._sources[link]
        return address == source or canonical(address) == source

    def route(self) -> list[int]:
        """Choose the links for one packet."""
        if self._mode == "active" or not self._any_up:
            return self._usable
        if self._mode == "passive":
            return self._usable[:1]
        self._turn = (self._turn + 1) % len(self._usable)
        return [self._usable[self._turn]]

    @property
    def carriers(self) -> list[int]:
        """The links that carry packets by the present choice; none while no link is usable."""
        if not self._any_up:
            return []
        return self._usable[:1] if self._mode == "passive" else self._usable

    def turned(self) -> None:
        """Choose anew after a link was raised or lowered, or has been found to carry nothing large."""
        up = [link for link in self._by_preference if self.heartbeats[link].up]
        usable = [link for link in up if self.paths[link].valid] or up
        # Kept, for a packet must not ask every link.
        self._any_up = bool(usable)
        self._usable = usable or list(self._by_preference)
        self._turn = 0

    def woken(self, now: Instant) -> list[int]:
        """Lower the links whose time has come; return them."""
        lowered = [
            link
            for link, heartbeat in self.heartbeats.items()
            if heartbeat.woken(now) is Turn.LOWERED
        ]
        for link in lowered:
            self.paths[link].rest()
        if lowered:
            self.turned()
        return lowered

    def probes(self, now: Instant) -> list[tuple[int, int]]:
        """Return (link, size) of each probe that is due; choose anew if one comes to nothing for good."""
        due = []
        for link, path in self.paths.items():
            if self.probe_at(link) > now:
                continue
            was_valid = path.valid
            size = path.probe(now, self.heartbeats[link].round_trip_ms)
            if size:
                due.append((link, size))
            if path.valid != was_valid:
                self.turned()
        return due

    def doubt_paths(self, now: Instant) -> None:
        """Trust none of the ways to it with large packets: it misses what was sent."""
        for path in self.paths.values():
            path.doubt(now)

    def probe_at(self, link: int) -> Instant:
        """Return when the path of a link is to be asked next: seldom while it carries nothing."""
        path = self.paths[link]
        waits = path.urgent_at == NEVER and path.due != NEVER and link not in self.carriers
        return path.due + STANDBY_MS if waits else path.due

    def may_challenge(self, now: Instant) -> bool:
        """Tell whether a challenge is due again, and take the turn if it is."""
        if now - self._challenged_at < CHALLENGE_GAP_MS:
            return False
        self._challenged_at = now
        return True

    def forget_questions(self) -> None:
        """Void the open nonces of all links."""
        for heartbeat in self.heartbeats.values():
            heartbeat.forget_questions()
