"""The node's store: every version of the document and the event log, on disk, off the loop.

All work happens in one thread of its own. Saves that wait together are committed together, in the
order they were asked for. A future is done when its work is on stable storage, or failed with a
`StoreError` when it is not; the thread survives every failure and tries again with the next job.

After a failed save the next one makes the store whole again: each save holds a whole document.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from ninefold.host.database import (
    Database,
    Kept,
    Limits,
    LoggedEvent,
    StoreBehind,
    StoreClosed,
    StoreDamaged,
    StoreDenied,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreInUse,
    StoreTooNew,
    set_aside,
    typed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.cib.document import Cib
    from ninefold.cib.model import Cause, Stamp

__all__ = [
    "Kept",
    "Limits",
    "LoggedEvent",
    "Store",
    "StoreBehind",
    "StoreClosed",
    "StoreDamaged",
    "StoreDenied",
    "StoreError",
    "StoreFailed",
    "StoreFull",
    "StoreInUse",
    "StoreTooNew",
    "Told",
    "set_aside",
]

# A transaction this large still takes well under a second, so nobody waits long for its commit.
JOBS_PER_COMMIT_MAX: Final = 256

# At one commit of 256 jobs in 50 ms this is 0.4 s of backlog; more means the disk has stopped.
JOBS_WAITING_MAX: Final = 2048

# One question of an operator; more is asked for in pages.
ROWS_MAX: Final = 10_000

T = TypeVar("T")


class Told(Protocol):
    """What the event log keeps of an event; a node's `Happened` is one."""

    @property
    def what(self) -> str:
        """A word for programs."""

    @property
    def text(self) -> str:
        """A sentence for people."""

    @property
    def fields(self) -> dict[str, str]:
        """The data."""


class _Job(msgspec.Struct):
    """One thing to do. `writes` ones share a transaction with their neighbours."""

    work: Callable[[Database], Any]
    future: Future[Any]
    writes: bool


class Store:
    """A node's durable memory in `directory`. Methods may be called from any thread."""

    def __init__(self, directory: Path, limits: Limits | None = None) -> None:
        """Open and check the database; blocks, so make it before the loop runs.

        Raises a `StoreError`. A damaged database is left as it is: see `set_aside`.
        """
        self._directory = directory
        self._limits = limits or Limits()
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._closing = False
        self._database: Database | None = None
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()
        try:
            self._ask(lambda _: None).result()
        except StoreError:
            self.close()
            raise

    def load(self) -> tuple[Stamp, Cib] | None:
        """Return the newest document, or `None` on a node that never had one. Blocks."""
        return self._ask(lambda database: database.current()).result()

    def save(self, stamp: Stamp, cib: Cib, cause: Cause) -> Future[None]:
        """Add a version; the future is done when it is on stable storage."""
        # Made here and not in the thread: lxml trees are not to be shared between threads.
        cib.pieces()
        cib.digest()
        return self._submit(lambda database: database.save(stamp, cib, cause), writes=True)

    def log(self, event: Told, at: int | None = None) -> Future[None]:
        """Add a line to the event log."""
        when = int(time.time()) if at is None else at
        return self._submit(
            lambda database: database.log(when, event.what, event.text, event.fields), writes=True
        )

    def events(self, after_id: int = 0, limit: int = 100) -> Future[tuple[LoggedEvent, ...]]:
        """Return the oldest events after `after_id`, oldest first."""
        return self._ask(lambda database: database.events(after_id, _rows(limit)))

    def latest_events(self, limit: int = 100) -> Future[tuple[LoggedEvent, ...]]:
        """Return the newest events, oldest of them first."""
        return self._ask(lambda database: database.latest_events(_rows(limit)))

    def history(self, limit: int = 100) -> Future[tuple[Kept, ...]]:
        """Return the newest versions, newest first, with who, why and when."""
        return self._ask(lambda database: database.history(_rows(limit)))

    def version(self, n: int) -> Future[tuple[Stamp, Cib] | None]:
        """Return one version of the history as a document, or `None` if it is not kept."""
        return self._ask(lambda database: database.version(n))

    def close(self) -> None:
        """Finish what waits, then close. Blocks; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _ask(self, work: Callable[[Database], T]) -> Future[T]:
        return self._submit(work, writes=False)

    def _submit(self, work: Callable[[Database], T], *, writes: bool) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with self._changed:
            if self._closing:
                future.set_exception(StoreClosed("The store is closed."))
            elif len(self._jobs) >= JOBS_WAITING_MAX:
                future.set_exception(StoreBehind(f"{len(self._jobs)} jobs are waiting."))
            else:
                self._jobs.append(_Job(work, future, writes))
                self._changed.notify()
        return future

    def _run(self) -> None:
        while batch := self._next_batch():
            if batch[0].writes:
                self._perform_writes(batch)
            else:
                self._perform_read(batch[0])
        if self._database is not None:
            self._database.close()

    def _next_batch(self) -> list[_Job]:
        """Wait for jobs; return neighbouring writes or one read, nothing when all is done."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            batch: list[_Job] = []
            while self._jobs and len(batch) < JOBS_PER_COMMIT_MAX:
                if batch and not (batch[0].writes and self._jobs[0].writes):
                    break
                batch.append(self._jobs.popleft())
            return batch

    def _perform_writes(self, batch: list[_Job]) -> None:
        try:
            database = self._opened()
            database.begin()
            for job in batch:
                job.work(database)
            database.trim()
            database.commit()
        except (StoreError, sqlite3.Error, OSError) as error:
            failure = self._recover(error)
            for job in batch:
                job.future.set_exception(failure)
        except Exception as error:  # noqa: BLE001 - our bug must reach those who wait for the thread
            self._recover(error)
            for job in batch:
                job.future.set_exception(error)
        else:
            for job in batch:
                job.future.set_result(None)

    def _perform_read(self, job: _Job) -> None:
        try:
            result = job.work(self._opened())
        except (StoreError, sqlite3.Error, OSError) as error:
            job.future.set_exception(self._recover(error))
        except Exception as error:  # noqa: BLE001 - as above
            self._recover(error)
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _opened(self) -> Database:
        if self._database is None:
            self._database = Database(self._directory, self._limits)
        return self._database

    def _recover(self, error: Exception) -> StoreError:
        """Return the typed error; what cannot be rolled back is closed and opened anew next time."""
        failure = typed(error, self._directory)
        if self._database is None:
            return failure
        try:
            self._database.rollback()
        except sqlite3.Error:
            pass
        else:
            if isinstance(failure, StoreFull):
                return failure
        # The counts kept in memory may be off after a failure, too; opening reads them anew.
        with suppress(sqlite3.Error):
            self._database.close()
        self._database = None
        return failure


def _rows(limit: int) -> int:
    return max(0, min(limit, ROWS_MAX))
