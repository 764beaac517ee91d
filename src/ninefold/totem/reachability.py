"""Who hears whom, which nodes should go on together, and who has disturbed the ring too often.

Totem assumes that a network which splits falls into pieces within which all hear all. A cable
between two of three nodes makes it neither one piece nor two: the third hears both, agrees with
each in turn, and rings chase each other for as long as the cable stays cut (Corosync issues 750
and 760). So every join says whom its sender hears, and whoever must do without some takes the largest
group in which all hear all, ties broken by the lowest ids. All that see the same matrix choose the
same groups.

A node that was asked in and could not be agreed with is a *strike* against it; one with three of
them within a minute is let rest before it is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant, Millis

# Groups compared before the search takes the best so far. Each node that misses some others doubles the
# work at worst: this covers every matrix of 12 such nodes, and more takes ten milliseconds, not for ever.
GROUPS_COMPARED_MAX: Final = 4_096
# Two attempts may fail by chance (a packet lost, a node late); a third one within a minute is a pattern.
STRIKES_MAX: Final = 3
STRIKES_WINDOW_MS: Final[Millis] = 60_000
# An attempt in vain costs at most token + consensus, 8 s at the defaults of three nodes; after this rest
# the ring has worked for most of the time. It bounds how late a mended node is let in, too.
REST_MS: Final[Millis] = 30_000


class Matrix:
    """What is known of who hears whom: a row for each node that has said so."""

    def __init__(self, rows: Mapping[NodeId, Collection[NodeId]]) -> None:
        self._rows = {node: frozenset(heard) for node, heard in rows.items()}

    def hear_each_other(self, a: NodeId, b: NodeId) -> bool:
        """Whether nothing is known against it; a node that said nothing is given the benefit."""
        return self._hears(a, b) and self._hears(b, a)

    def heard(self, nodes: Iterable[NodeId]) -> frozenset[NodeId]:
        """Return those of `nodes` that somebody else says to hear."""
        return frozenset(
            node
            for node in nodes
            if any(node in row for speaker, row in self._rows.items() if speaker != node)
        )

    def whole(self, nodes: frozenset[NodeId]) -> bool:
        """Whether all of `nodes` hear each other, as far as they say."""
        return all(nodes <= row | {node} for node, row in self._rows.items() if node in nodes)

    def group_of(self, me: NodeId, nodes: Iterable[NodeId]) -> frozenset[NodeId]:
        """Return the group of `me` as all `nodes` divide: the largest first, then of the rest."""
        rest = frozenset(nodes)
        assert me in rest
        while True:
            group = self.largest_group(rest)
            if me in group:
                return group
            rest -= group

    def largest_group(self, nodes: frozenset[NodeId]) -> frozenset[NodeId]:
        """Return the largest group in which all hear all; of equals that with the lowest ids."""
        deaf = {
            node: frozenset(
                other for other in nodes if other != node and not self.hear_each_other(node, other)
            )
            for node in sorted(nodes)
        }
        best: tuple[int, tuple[NodeId, ...]] | None = None
        waiting = [nodes]
        for _ in range(GROUPS_COMPARED_MAX):
            if not waiting:
                break
            group = waiting.pop()
            if best is not None and -len(group) > best[0]:
                continue
            worst = max(sorted(group), key=lambda node: len(deaf[node] & group), default=0)
            against = deaf.get(worst, frozenset()) & group
            if against:
                # Either without it, or with it and without all that it does not hear.
                waiting += [group - against, group - {worst}]
                continue
            rank = (-len(group), tuple(sorted(group)))
            best = rank if best is None else min(best, rank)
        assert best is not None, "the first descent ends within as many steps as there are nodes"
        return frozenset(best[1])

    def _hears(self, a: NodeId, b: NodeId) -> bool:
        return a not in self._rows or b in self._rows[a]


class Strikes:
    """Which nodes were asked in and could not be agreed with, and when."""

    def __init__(self) -> None:
        self._at: dict[NodeId, list[Instant]] = {}

    def add(self, now: Instant, node: NodeId) -> bool:
        """Note that a ring was formed without `node`, who had asked to be in it; True if it rests now."""
        at = self._at.setdefault(node, [])
        rested = len(at) == STRIKES_MAX
        # Whoever has rested rests again at once: the reason has not gone away.
        recent = at if rested else [one for one in at if now - one < STRIKES_WINDOW_MS]
        self._at[node] = [*recent, now][-STRIKES_MAX:]
        return self.resting(now, node)

    def forgive(self, nodes: Iterable[NodeId]) -> None:
        """Forget everything against nodes that are with us now."""
        for node in nodes:
            self._at.pop(node, None)

    def resting(self, now: Instant, node: NodeId) -> bool:
        """Whether the node is to be left alone for now."""
        at = self._at.get(node, ())
        return len(at) == STRIKES_MAX and now - at[-1] < REST_MS
