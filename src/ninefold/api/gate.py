"""What the door needs of a running node, whoever provides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from ninefold.daemon.reply import Reply


class Gate(Protocol):
    """A running node, seen from the door."""

    async def request(self, user: str, body: bytes) -> Reply:
        """Hand in a request for `user`; wait for the answer."""

    async def reload(self, user: str) -> Reply:
        """Read corosync.conf again and go on with what it says, or change nothing; say which."""

    async def rotate_keys(self, user: str, without: Sequence[str]) -> Reply:
        """Offer a new shared key to the ring, or go on with the rotation that is under way."""

    async def past_events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return logged events with an id greater than `after`, oldest first."""

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        """Return a bounded queue of events to come; `None` in it means it overflowed or ended."""

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Give a queue back."""

    async def versions(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest stored versions of the CIB: who, why, when."""

    def statistics(self) -> dict[str, Any]:
        """Return the node's counters."""
