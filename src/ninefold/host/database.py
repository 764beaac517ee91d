"""The store's SQLite database: schema, errors, and the statements. Synchronous; one thread's own.

A document is stored as a list of pieces, and equal pieces once: a status update writes the part of
one node, not the configuration again. `store` gives this a thread and futures.

Errors, each with a sentence and a remedy:

    StoreError
        StoreFull      no space; tried again with the next save
        StoreDamaged   not a database, failed its check, or a document does not match its digest
        StoreDenied    permissions, or a read-only file system
        StoreInUse     another process has it
        StoreTooNew    written by a later version of this program
        StoreFailed    anything else that the disk or SQLite says
        StoreBehind    too many saves are waiting (raised by `store`)
        StoreClosed    used after `close` (raised by `store`)
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, Stamp, Version
from ninefold.core.instants import WallSeconds
from ninefold.host.files import sync_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA_VERSION: Final = 1
FILE_NAME: Final = "ninefold.db"

# Pieces shorter than this are kept in the version's own row: a row of their own costs as much.
_INLINE_BYTES_MAX: Final = 1024

# Uncompressed, so that a damaged length cannot exhaust memory: the document's own limit.
_PIECE_BYTES_MAX: Final = 32 * 1024 * 1024

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pieces (
    id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, body BLOB NOT NULL, uses INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS cib_versions (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    quorate_ring INTEGER NOT NULL, admin_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL,
    num_updates INTEGER NOT NULL, digest TEXT NOT NULL,
    who TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, node INTEGER NOT NULL,
    pieces BLOB NOT NULL
);
CREATE VIEW IF NOT EXISTS current AS SELECT * FROM cib_versions ORDER BY n DESC LIMIT 1;
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL
);
"""


class StoreError(Exception):
    """The store could not do what it was asked; `remedy` says what an operator can do."""

    remedy = "See the system's log for errors of the disk."

    def __str__(self) -> str:
        return f"{super().__str__()} {self.remedy}"


class StoreFull(StoreError):
    """There is no space left."""

    remedy = "Free some space; saving is tried again with the next change."


class StoreDamaged(StoreError):
    """The database does not hold what was written."""

    remedy = (
        "Move it aside (`ninefold store set-aside`); the node then takes the cluster's document "
        "from the other members."
    )


class StoreDenied(StoreError):
    """The system does not let us write."""

    remedy = "The directory must be writable for the user that runs the daemon."


class StoreInUse(StoreError):
    """Another process holds the database."""

    remedy = "Only one daemon may run with one directory: stop the other."


class StoreTooNew(StoreError):
    """A later version of this program wrote the database."""

    remedy = "Install that version, or move the database aside."


class StoreFailed(StoreError):
    """Anything else that the disk or SQLite says."""


class StoreBehind(StoreError):
    """More saves are waiting than the store accepts."""

    remedy = "The disk is too slow for the rate of changes."


class StoreClosed(StoreError):
    """The store was closed."""

    remedy = "Nothing was written."


_ERRORS: Final[dict[int, type[StoreError]]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_CORRUPT: StoreDamaged,
    sqlite3.SQLITE_NOTADB: StoreDamaged,
    sqlite3.SQLITE_READONLY: StoreDenied,
    sqlite3.SQLITE_PERM: StoreDenied,
    sqlite3.SQLITE_CANTOPEN: StoreDenied,
    sqlite3.SQLITE_AUTH: StoreDenied,
    sqlite3.SQLITE_BUSY: StoreInUse,
    sqlite3.SQLITE_LOCKED: StoreInUse,
}

_OS_ERRORS: Final[dict[int, type[StoreError]]] = {
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EACCES: StoreDenied,
    errno.EPERM: StoreDenied,
    errno.EROFS: StoreDenied,
    errno.ENOTDIR: StoreDenied,
    errno.EEXIST: StoreDenied,
}


class Limits(msgspec.Struct, frozen=True):
    """How much is kept.

    5000 versions are weeks of an ordinary cluster's life. 200 MB of versions and 100000 events
    (about 20 MB) fit below the bound of the whole file, which leaves room for free pages.
    """

    versions: int = 5000
    version_bytes: int = 200_000_000
    events: int = 100_000
    database_bytes: int = 512_000_000


class Kept(msgspec.Struct, frozen=True):
    """One line of the history: a version that can be asked for by its number `n`."""

    n: int
    stamp: Stamp
    cause: Cause
    digest: str


class LoggedEvent(msgspec.Struct, frozen=True):
    """One line of the event log."""

    id: int
    at: WallSeconds
    what: str
    text: str
    fields: dict[str, str]


class Database:
    """An open database."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        """Open, check and if need be create it; raises `StoreError`."""
        assert limits.versions > 0
        self._path = directory / FILE_NAME
        self._limits = limits
        # Pieces of the last version with their rows: unchanged parts hand in the same object.
        self._recent: list[tuple[bytes, int]] = []
        try:
            _prepare(directory, self._path)
            self._connection = sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise typed(error, self._path) from error
        try:
            self._open()
        except (OSError, sqlite3.Error) as error:
            self._connection.close()
            raise typed(error, self._path) from error
        except StoreError:
            self._connection.close()
            raise

    def _open(self) -> None:
        execute = self._connection.execute
        # Exclusive: a second daemon is refused, and WAL needs no shared memory on a full tmpfs.
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        page_bytes = execute("PRAGMA page_size").fetchone()[0]
        execute(f"PRAGMA max_page_count = {self._limits.database_bytes // page_bytes}")
        self._check()
        execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            execute(statement)
        execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        execute("COMMIT")
        row = execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if row[0] != str(SCHEMA_VERSION):
            raise StoreTooNew(f"{self._path} has schema {row[0]}; this is {SCHEMA_VERSION}.")
        sync_directory(self._path.parent)
        held = "SELECT (SELECT total(length(body)) FROM pieces)"
        held += " + (SELECT total(length(pieces)) FROM cib_versions)"
        self._version_bytes = int(execute(held).fetchone()[0])
        self._version_bytes_before = self._version_bytes

    def _check(self) -> None:
        lines = [str(row[0]) for row in self._connection.execute("PRAGMA quick_check(5)")]
        if lines != ["ok"]:
            raise StoreDamaged(f"{self._path} failed its check: {'; '.join(lines)}.")

    def begin(self) -> None:
        """Start a transaction; what follows becomes durable with `commit`."""
        self._version_bytes_before = self._version_bytes
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything since `begin` durable: when this returns, it is on the disk."""
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget everything since `begin`. May raise if the connection is beyond repair."""
        self._recent = []
        self._version_bytes = self._version_bytes_before
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; uncommitted work is lost."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def save(self, stamp: Stamp, cib: Cib, cause: Cause) -> None:
        """Add a version."""
        listed: list[bytes | int] = []
        recent = []
        for piece in cib.pieces():
            if len(piece) < _INLINE_BYTES_MAX:
                listed.append(piece)
                continue
            row = self._use(piece)
            listed.append(row)
            recent.append((piece, row))
        packed = msgspec.msgpack.encode(listed)
        self._connection.execute(
            "INSERT INTO cib_versions (quorate_ring, admin_epoch, epoch, num_updates, digest,"
            " who, why, at, node, pieces) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                stamp.quorate_ring,
                stamp.version.admin_epoch,
                stamp.version.epoch,
                stamp.version.num_updates,
                cib.digest(),
                cause.who,
                cause.why,
                cause.at,
                cause.node,
                packed,
            ),
        )
        self._version_bytes += len(packed)
        self._recent = recent

    def trim(self) -> None:
        """Drop the oldest versions and events beyond the limits; the newest version always stays."""
        execute = self._connection.execute
        count = execute("SELECT count(*) FROM cib_versions").fetchone()[0]
        while count > 1 and (
            count > self._limits.versions or self._version_bytes > self._limits.version_bytes
        ):
            row = execute("SELECT n, pieces FROM cib_versions ORDER BY n LIMIT 1").fetchone()
            execute("DELETE FROM cib_versions WHERE n = ?", (row[0],))
            self._version_bytes -= len(row[1])
            for piece in _listed(row[1], self._path):
                if isinstance(piece, int):
                    self._unuse(piece)
            count -= 1
        newest = execute("SELECT max(id) FROM events").fetchone()[0]
        if newest is not None:
            execute("DELETE FROM events WHERE id <= ?", (newest - self._limits.events,))

    def log(self, at: WallSeconds, what: str, text: str, fields: dict[str, str]) -> None:
        """Add a line to the event log."""
        self._connection.execute(
            "INSERT INTO events (at, what, text, fields) VALUES (?, ?, ?, ?)",
            (at, what, text, msgspec.json.encode(fields).decode()),
        )

    def current(self) -> tuple[Stamp, Cib] | None:
        """Return the newest version, or `None` if there never was one."""
        row = self._connection.execute("SELECT n FROM current").fetchone()
        return None if row is None else self.version(row[0])

    def version(self, n: int) -> tuple[Stamp, Cib] | None:
        """Return one version of the history, or `None` if it is not kept."""
        row = self._connection.execute(
            "SELECT quorate_ring, admin_epoch, epoch, num_updates, digest, pieces"
            " FROM cib_versions WHERE n = ?",
            (n,),
        ).fetchone()
        if row is None:
            return None
        text = b"".join(
            piece if isinstance(piece, bytes) else self._piece(piece)
            for piece in _listed(row[5], self._path)
        )
        cib, _ = Cib.parse(text)
        if cib is None or cib.digest() != row[4]:
            raise StoreDamaged(f"{self._path}: document {n} does not match its digest.")
        return Stamp(row[0], Version(*row[1:4])), cib

    def history(self, limit: int) -> tuple[Kept, ...]:
        """Return the newest versions, newest first."""
        rows: Sequence[tuple[int, int, int, int, int, str, str, int, int, str]]
        rows = self._connection.execute(
            "SELECT n, quorate_ring, admin_epoch, epoch, num_updates, who, why, at, node, digest"
            " FROM cib_versions ORDER BY n DESC LIMIT ?",
            (limit,),
        ).fetchall()
        return tuple(
            Kept(row[0], Stamp(row[1], Version(*row[2:5])), Cause(*row[5:9]), row[9])
            for row in rows
        )

    def events(self, after_id: int, limit: int) -> tuple[LoggedEvent, ...]:
        """Return the oldest events after `after_id`, oldest first."""
        return self._events("WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit))

    def latest_events(self, limit: int) -> tuple[LoggedEvent, ...]:
        """Return the newest events, oldest of them first."""
        return self._events("ORDER BY id DESC LIMIT ?", (limit,))[::-1]

    def _events(self, which: str, numbers: tuple[int, ...]) -> tuple[LoggedEvent, ...]:
        query = f"SELECT id, at, what, text, fields FROM events {which}"  # noqa: S608 - our own words
        rows = self._connection.execute(query, numbers).fetchall()
        return tuple(
            LoggedEvent(
                row[0], row[1], row[2], row[3], msgspec.json.decode(row[4], type=dict[str, str])
            )
            for row in rows
        )

    def _use(self, piece: bytes) -> int:
        execute = self._connection.execute
        known = next((row for kept, row in self._recent if kept is piece), None)
        if known is None:
            sha256 = hashlib.sha256(piece).digest()
            found = execute("SELECT id FROM pieces WHERE sha256 = ?", (sha256,)).fetchone()
            if found is None:
                body = zlib.compress(piece, 1)
                self._version_bytes += len(body)
                cursor = execute(
                    "INSERT INTO pieces (sha256, body, uses) VALUES (?, ?, 1)", (sha256, body)
                )
                assert cursor.lastrowid is not None
                return cursor.lastrowid
            known = int(found[0])
        execute("UPDATE pieces SET uses = uses + 1 WHERE id = ?", (known,))
        return known

    def _unuse(self, row: int) -> None:
        execute = self._connection.execute
        execute("UPDATE pieces SET uses = uses - 1 WHERE id = ?", (row,))
        found = execute("SELECT uses, length(body) FROM pieces WHERE id = ?", (row,)).fetchone()
        if found is not None and found[0] <= 0:
            execute("DELETE FROM pieces WHERE id = ?", (row,))
            self._version_bytes -= found[1]

    def _piece(self, row: int) -> bytes:
        found = self._connection.execute("SELECT body FROM pieces WHERE id = ?", (row,)).fetchone()
        try:
            inflater = zlib.decompressobj()
            data = inflater.decompress(found[0], _PIECE_BYTES_MAX) if found else b""
        except zlib.error as error:
            raise StoreDamaged(f"{self._path}: piece {row} is damaged ({error}).") from error
        if not data:
            raise StoreDamaged(f"{self._path}: piece {row} is missing.")
        return data


def set_aside(directory: Path) -> Path:
    """Rename a damaged database, so that the next start begins anew; only on an operator's order."""
    number = 1
    while (directory / f"{FILE_NAME}.damaged-{number}").exists():
        number += 1
    target = directory / f"{FILE_NAME}.damaged-{number}"
    for suffix in ("-wal", "-shm", ""):
        part = directory / (FILE_NAME + suffix)
        if part.exists():
            part.rename(directory / (target.name + suffix))
    sync_directory(directory)
    return target


def typed(error: Exception, path: Path) -> StoreError:
    """Return our own error for one of SQLite's or of the system's."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        kind = _OS_ERRORS.get(error.errno or 0, StoreFailed)
        return kind(f"{path}: {error.strerror or error}.")
    # The low byte is the primary code, the rest says more precisely where it happened.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _ERRORS.get(code, StoreFailed)(f"{path}: {error}.")


def _prepare(directory: Path, path: Path) -> None:
    """Make directory and file readable for nobody else: agents' parameters hold passwords."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _listed(packed: bytes, path: Path) -> list[bytes | int]:
    try:
        return msgspec.msgpack.decode(packed, type=list[bytes | int])
    except msgspec.MsgspecError as error:
        raise StoreDamaged(f"{path}: a version's list of pieces is damaged.") from error
