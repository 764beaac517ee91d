"""Do all members see the same? Judged from what each node's controller is told.

same views   whoever is configured in a ring sees the same members, verdict and annexes (S5)
total order  within a ring the deliveries of any two members are prefixes of one order, and those
             who move on together into the same next ring have delivered the same (S4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ninefold.controller import events as control
from ninefold.core.ids import NodeId, RingId
from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from ninefold.core.instants import Instant

Delivery: TypeAlias = tuple[NodeId, bytes]


class Standing(msgspec.Struct):
    """What one node was told since its last configuration."""

    ring: RingId
    deliveries: list[Delivery] = []
    together: tuple[tuple[NodeId, ...], ...] = ()


class Passage(msgspec.Struct, frozen=True):
    """How nodes went from one ring to the next, by whose company."""

    before: RingId
    together: tuple[tuple[NodeId, ...], ...]
    after: RingId


class Views:
    """Told of every controller's events, raises `Violation` when two of them disagree."""

    def __init__(self) -> None:
        self._configured: dict[RingId, control.Configured] = {}
        self._orders: dict[RingId, list[Delivery]] = {}
        self._passages: dict[Passage, list[Delivery]] = {}
        self._standing: dict[NodeId, Standing] = {}

    def forget(self, node: NodeId) -> None:
        """A daemon began anew: it has seen nothing."""
        self._standing.pop(node, None)

    def on_event(self, now: Instant, node: NodeId, event: control.Event) -> None:
        """Note what a controller is told."""
        match event:
            case control.Configured():
                self._on_configured(now, node, event)
            case control.Unsettled(together):
                standing = self._standing.get(node)
                if standing is not None:
                    standing.together = (*standing.together, together)
            case control.MessageDelivered(sender, payload):
                self._on_delivered(now, node, (sender, payload))
            case _:
                pass

    def _on_configured(self, now: Instant, node: NodeId, event: control.Configured) -> None:
        known = self._configured.setdefault(event.ring, event)
        if known != event:
            raise Violation(f"{now}: {node} sees ring {event.ring} as {event}, another as {known}")
        before = self._standing.get(node)
        if before is not None:
            passage = Passage(before.ring, before.together, event.ring)
            same = self._passages.setdefault(passage, before.deliveries)
            if same != before.deliveries:
                raise Violation(
                    f"{now}: {node} and another went together from ring {before.ring} to "
                    f"{event.ring}, but one delivered {len(before.deliveries)} and the other "
                    f"{len(same)} messages, or others"
                )
        self._standing[node] = Standing(event.ring)

    def _on_delivered(self, now: Instant, node: NodeId, delivery: Delivery) -> None:
        standing = self._standing.get(node)
        if standing is None:
            return
        standing.deliveries.append(delivery)
        if standing.together:
            return
        order = self._orders.setdefault(standing.ring, [])
        place = len(standing.deliveries) - 1
        if place == len(order):
            order.append(delivery)
        elif order[place] != delivery:
            raise Violation(
                f"{now}: message {place} of ring {standing.ring} is from {delivery[0]} at {node}, "
                f"but from {order[place][0]} elsewhere, or not the same"
            )
