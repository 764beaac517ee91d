"""Do all members see the same? Judged from what each node's controller is told.

same views   whoever is configured in a ring sees the same members, verdict and annexes (S5)
total order  within a ring the deliveries of any two members are prefixes of one order, and those
             who move on together into the same next ring have delivered the same (S4)
own words    what is delivered was sent by its sender; each message comes at most once to a node, and
             those of one sender in the order in which it sent them (S4)
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
        # What each node ever sent, and up to where each other has it, by (receiver, sender).
        self._sent: dict[NodeId, list[bytes]] = {}
        self._heard: dict[tuple[NodeId, NodeId], int] = {}

    def forget(self, node: NodeId) -> None:
        """A daemon began anew: it has seen nothing."""
        self._standing.pop(node, None)

    def on_sent(self, node: NodeId, payload: bytes) -> None:
        """A controller tells its group something."""
        self._sent.setdefault(node, []).append(payload)

    def unheard(self) -> list[str]:
        """Return who has not got the last word of whom, though they have long been in one ring."""
        return [
            f"{node} has not got the last message of {sender}"
            for node, standing in self._standing.items()
            for sender, sent in self._sent.items()
            if standing.deliveries and (sender, sent[-1]) not in standing.deliveries
        ]

    def _check_sent(self, now: Instant, node: NodeId, delivery: Delivery) -> None:
        sender, payload = delivery
        sent, place = self._sent.get(sender, []), self._heard.get((node, sender), 0)
        while place < len(sent) and sent[place] != payload:
            place += 1
        if place == len(sent):
            raise Violation(
                f"{now}: {node} is delivered what {sender} did not send, or has twice, or out of order"
            )
        self._heard[(node, sender)] = place + 1

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
        self._check_sent(now, node, delivery)
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
        elif place < len(order) and order[place] != delivery:
            raise Violation(
                f"{now}: message {place} of ring {standing.ring} is from {delivery[0]} at {node}, "
                f"but from {order[place][0]} elsewhere, or not the same"
            )
