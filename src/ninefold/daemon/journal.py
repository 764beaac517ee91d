"""The event log: to the store, to those who follow, and to the system's log."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.daemon.faults import die
from ninefold.host import clock
from ninefold.host.store import StoreError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ninefold.host.database import LoggedEvent
    from ninefold.host.store import Store
    from ninefold.node.events import Happened

LOG: Final = logging.getLogger("ninefold")

# A follower that has not read so many events is cut off rather than kept in memory for ever.
FOLLOWER_EVENTS_MAX: Final = 1000

LOUD: Final = frozenset(
    {
        "engine-failed",
        "failed",
        "fence-failed",
        "fenced",
        "fencing",
        "not-converging",
        "quorum-lost",
        "store-failed",
    }
)


class Journal:
    """Takes events of the node; hands them on.

    `lost` counts those that the store did not take. They still reached the system's log and those
    who follow.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._followers: list[asyncio.Queue[dict[str, Any] | None]] = []
        self.lost = 0
        self._silent = False

    def write(self, event: Happened) -> None:
        """Take an event, now."""
        at_ms = time.time_ns() // 1_000_000
        fields = event.fields | {"at_ms": str(at_ms)}
        LOG.log(
            logging.WARNING if event.what in LOUD else logging.INFO,
            "%s: %s",
            event.what,
            event.text,
        )
        future = self._store.log(msgspec.structs.replace(event, fields=fields), at_ms // 1000)
        future.add_done_callback(self._stored)
        shown = {
            "node": self._name,
            "at_ms": at_ms,
            "clock_ms": clock.now(),
            "what": event.what,
            "text": event.text,
            "fields": event.fields,
        }
        for queue in list(self._followers):
            self._offer(queue, shown)

    def _offer(self, queue: asyncio.Queue[dict[str, Any] | None], shown: dict[str, Any]) -> None:
        if queue.qsize() < FOLLOWER_EVENTS_MAX:
            queue.put_nowait(shown)
            return
        self.unsubscribe(queue)
        queue.put_nowait(None)

    def _stored(self, future: Future[None]) -> None:
        """Note in the store's thread what came of a line; a full disk is said once, not per line."""
        error = future.exception()
        if error is None:
            if self._silent:
                LOG.warning("the event log is kept again; %d events were lost", self.lost)
            self._silent = False
            return
        if not isinstance(error, StoreError):
            die("writing the event log failed", error)
        self.lost += 1
        if not self._silent:
            LOG.error("the event log cannot be kept: %s", error)
        self._silent = True

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        """Return a queue of events to come."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._followers.append(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Give a queue back."""
        if queue in self._followers:
            self._followers.remove(queue)

    def close(self) -> None:
        """Tell every follower that there is no more."""
        for queue in self._followers:
            queue.put_nowait(None)
        self._followers.clear()


def shown_event(name: str, logged: LoggedEvent) -> dict[str, Any]:
    """Return a logged event as the door shows it."""
    fields = dict(logged.fields)
    at_ms = int(fields.pop("at_ms", logged.at * 1000))
    return {
        "id": logged.id,
        "node": name,
        "at_ms": at_ms,
        "what": logged.what,
        "text": logged.text,
        "fields": fields,
    }
