"""This node's connection to Corosync: performs what the stack asks for, reports what comes.

The loop's thread only dispatches and sends, which never wait for the daemon. Whatever may wait (a
connection, a join, a question) is done by one thread of its own, one job after the other, so a Corosync that
stands still does not take this daemon along.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from ninefold.corosync.events import (
    ClusterLost,
    Connect,
    Connected,
    Disconnect,
    LinksSeen,
    Multicast,
    VotesSeen,
)
from ninefold.host.corosync.cfg import ShutdownVeto
from ninefold.host.corosync.cmap import STATISTICS, Cmap
from ninefold.host.corosync.cpg import Cpg
from ninefold.host.corosync.libraries import CorosyncAbsent, CorosyncError, Source, Status
from ninefold.host.corosync.quorum import Notice, QuorumTracker, Votes

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from ninefold.core.ids import NodeId
    from ninefold.corosync.events import Report, Request

LOG: Final = logging.getLogger("ninefold.corosync")

# Reports taken from one descriptor in a turn of the loop; then timers and others have theirs.
REPORTS_PER_TURN: Final = 64
# Corosync says "try again" while it synchronises or its queue is three quarters full: some ms.
TRY_AGAIN_S: Final = 0.005
# The stack keeps a megabyte under way (17 frames), and signs of life; more is an error of ours.
QUEUE_MAX: Final = 1_024
# A join or a farewell is tried for so long, every TRY_AGAIN_S.
PATIENCE_S: Final = 2.0
# Links are looked at this often; nothing hangs on it but what an operator sees.
LINKS_S: Final = 2.0


class _Handles:
    """Every handle of one connection. Made and given back in the worker's thread."""

    def __init__(self, told: Callable[[Report], None], noticed: Callable[[Notice], None]) -> None:
        self.cpg = Cpg(told)
        self.tracker: QuorumTracker | None = None
        self.votes: Votes | None = None
        self.veto: ShutdownVeto | None = None
        self.statistics: Cmap | None = None
        try:
            self.tracker = QuorumTracker(noticed)
            self.votes = Votes() if self.tracker.provided else None
            self.veto = ShutdownVeto()
            self.statistics = Cmap(STATISTICS)
            self.me = self.cpg.me()
            _insist("cpg_join", self.cpg.join)
        except CorosyncError:
            self.close()
            raise

    def close(self) -> None:
        """Give everything back."""
        self.cpg.close()
        for handle in (self.tracker, self.votes, self.veto, self.statistics):
            if handle is not None:
                handle.close()

    def dispatchers(self) -> list[Source]:
        """Return what is read by the loop."""
        assert self.tracker is not None
        assert self.veto is not None
        return [self.cpg, self.tracker, self.veto]

    def see(self, notice: Notice) -> VotesSeen:
        """Return the votes behind a notice."""
        if self.votes is not None:
            return self.votes.see(notice)
        votes = tuple((node, 1) for node in notice.members)
        count = len(votes)
        return VotesSeen(notice.ring, True, votes, count, count, 1, provider=False)


def _insist(call: str, attempt: Callable[[], bool]) -> None:
    """Try until it is taken; for the worker's thread."""
    end = time.monotonic() + PATIENCE_S
    while not attempt():
        if time.monotonic() > end:
            raise CorosyncError(call, Status.TRY_AGAIN)
        time.sleep(TRY_AGAIN_S)


class CorosyncLink:
    """`links` are the (peer, link) of corosync.conf; `post` hands a report to the node."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        links: Sequence[tuple[NodeId, int]],
        post: Callable[[Report], None],
    ) -> None:
        self._loop = loop
        self._links = tuple(links)
        self._post = post
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="corosync")
        self._handles: _Handles | None = None
        self._fds: dict[int, Source] = {}
        # What callbacks have told during a dispatch, in order.
        self._told: deque[Report] = deque()
        self._queue: deque[bytes] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._links_asked = False
        # Grows with each connection: what belongs to an earlier one is void.
        self._life = 0
        self.sent = 0
        self.received = 0
        self.tried_again = 0

    def perform(self, request: Request) -> None:
        """Do what the stack asks for."""
        match request:
            case Connect():
                self._connect()
            case Multicast(data):
                self._queue.append(data)
                self._send()
            case Disconnect():
                self._disconnect()

    async def close(self) -> None:
        """Let go of everything; a farewell that is under way is waited for, within its bound."""
        self._disconnect()
        await self._loop.run_in_executor(None, self._worker.shutdown)

    # Connecting and letting go.

    def _connect(self) -> None:
        assert self._handles is None
        self._life += 1
        life = self._life
        future = self._worker.submit(_Handles, self._told.append, self._on_notice)

        def done() -> None:
            error = future.exception()
            if error is None and life == self._life:
                self._connected(future.result())
            elif error is None:
                self._worker.submit(future.result().close)
            elif isinstance(error, CorosyncError | CorosyncAbsent):
                if life == self._life:
                    self._post(ClusterLost(f"{error}."))
            else:
                raise error

        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(done))

    def _connected(self, handles: _Handles) -> None:
        self._handles = handles
        self._post(Connected(handles.me))
        if self._handles is not handles:
            return
        for source in handles.dispatchers():
            descriptor = source.fd
            self._fds[descriptor] = source
            self._loop.add_reader(descriptor, self._drain, source, self._life)
        self._look_at_links(self._life)

    def _let_go(self) -> tuple[_Handles | None, list[bytes]]:
        """Take nothing more from the handles; return them, and what was not sent."""
        self._life += 1
        for descriptor in self._fds:
            self._loop.remove_reader(descriptor)
        self._fds.clear()
        for timer in (self._retry, self._look):
            if timer is not None:
                timer.cancel()
        self._retry = self._look = None
        self._links_asked = False
        self._told.clear()
        handles, self._handles = self._handles, None
        waiting = list(self._queue)
        self._queue.clear()
        return handles, waiting

    def _disconnect(self) -> None:
        handles, waiting = self._let_go()
        if handles is None:
            return

        def leave() -> None:
            try:
                for data in waiting:
                    _insist("cpg_mcast_joined", partial(handles.cpg.send, data))
                _insist("cpg_leave", handles.cpg.leave)
            except CorosyncError as error:
                LOG.info("leaving the group: %s", error)
            handles.close()

        self._worker.submit(leave)

    def _lost(self, error: Exception) -> None:
        """Corosync has ended: its descriptors would be readable for ever."""
        handles, _ = self._let_go()
        if handles is not None:
            self._worker.submit(handles.close)
        self._post(ClusterLost(f"{error}."))

    def _lost_in(self, life: int, error: Exception) -> None:
        if life == self._life:
            self._lost(error)

    # Reading and sending.

    def _drain(self, source: Source, life: int) -> None:
        for _ in range(REPORTS_PER_TURN):
            if life != self._life:
                return  # a report that was handed over has ended this connection
            try:
                more = source.dispatch()
            except CorosyncError as error:
                self._lost(error)
                return
            told = bool(self._told)
            while self._told and life == self._life:
                self.received += 1
                self._post(self._told.popleft())
            if not more or not told:
                return

    def _send(self) -> None:
        handles = self._handles
        if handles is None:
            self._queue.clear()
            return
        if self._retry is not None:
            return
        try:
            while self._queue and handles.cpg.send(self._queue[0]):
                self._queue.popleft()
                self.sent += 1
        except CorosyncError as error:
            # Told when the stack has ended the step in which it asked.
            self._loop.call_soon(self._lost_in, self._life, error)
            return
        if self._queue:
            assert len(self._queue) <= QUEUE_MAX
            self.tried_again += 1
            self._retry = self._loop.call_later(TRY_AGAIN_S, self._send_again)

    def _send_again(self) -> None:
        self._retry = None
        self._send()

    # Questions, which the worker asks.

    def _on_notice(self, notice: Notice) -> None:
        handles, life = self._handles, self._life
        if handles is None:
            return
        self._ask(lambda: handles.see(notice), life)

    def _look_at_links(self, life: int) -> None:
        handles = self._handles
        if handles is None or life != self._life or handles.statistics is None:
            return
        self._look = self._loop.call_later(LINKS_S, self._look_at_links, life)
        if self._links_asked:
            return  # a Corosync that stands still is asked once
        self._links_asked = True
        statistics = handles.statistics
        self._ask(lambda: _links(statistics, self._links), life)

    def _ask(self, question: Callable[[], Report], life: int) -> None:
        future = self._worker.submit(question)

        def done() -> None:
            if life != self._life:
                return
            error = future.exception()
            if error is None:
                report = future.result()
                self._links_asked = self._links_asked and not isinstance(report, LinksSeen)
                self._post(report)
            elif isinstance(error, CorosyncError):
                self._lost(error)
            else:
                raise error

        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(done))


def _links(statistics: Cmap, links: Sequence[tuple[NodeId, int]]) -> LinksSeen:
    seen = []
    for peer, link in links:
        connected = statistics.get(f"stats.knet.node{peer}.link{link}.connected")
        if isinstance(connected, int):
            seen.append((peer, link, bool(connected)))
    return LinksSeen(tuple(seen))
