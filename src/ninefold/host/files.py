"""Small files that must survive a power cut: the ring's sequence number, the highest expected votes.

A write is durable when it returns: a temporary file is written and flushed, renamed over the old
one, and the directory flushed. After a crash there is the old file or the new one, never a part.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# `ring-seq` holds the bound of ring numbers, as Corosync stores its last number: eight bytes in host order.
_RING_SEQ: Final = struct.Struct("=Q")

# Four counts are used up per membership change, 64 per start; this many last longer than any host.
RING_SEQ_MAX: Final = 2**63 - 1


# As votes are counted: 32 bits.
EXPECTED_MAX: Final = 2**32 - 1


class FileDamagedError(Exception):
    """A small file does not hold what it must; `str()` says what to do."""


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data` so that a crash at any instant leaves the old or the new file.

    Raises `OSError` if the file system refuses; the old file is then still there.
    """
    temporary = path.with_name(path.name + ".tmp")
    # What an interrupted write has left keeps its own mode, and may not be ours to write.
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names created, renamed or removed in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_ring_seq(path: Path, seq: int) -> None:
    """Make the ring's sequence number durable. Raises `OSError`."""
    assert 0 <= seq <= RING_SEQ_MAX
    write_durably(path, _RING_SEQ.pack(seq))


def load_ring_seq(path: Path) -> int | None:
    """Return the saved sequence number, or `None` if none was ever saved.

    A file of another length, or with an impossible number, raises `FileDamagedError`: starting from 0
    could repeat a ring id that others have seen.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_RING_SEQ.size + 1)
    except FileNotFoundError:
        return None
    if len(data) != _RING_SEQ.size:
        raise FileDamagedError(
            f"{path} has {len(data)} bytes in place of {_RING_SEQ.size}: the number of the last ring is "
            "lost. Remove the file to start from the numbers that the other members know."
        )
    seq = int(_RING_SEQ.unpack(data)[0])
    if seq > RING_SEQ_MAX:
        raise FileDamagedError(
            f"{path} holds the impossible ring number {seq}. Remove the file to start from the "
            "numbers that the other members know."
        )
    return seq


def save_expected(path: Path, votes: int) -> None:
    """Make the highest expected votes durable, as a line of digits. Raises `OSError`."""
    assert 0 < votes <= EXPECTED_MAX
    write_durably(path, f"{votes}\n".encode())


def load_expected(path: Path) -> int:
    """Return the highest expected votes that were saved, 0 if none were or the file was removed.

    Anything but a number of votes raises `FileDamagedError`: without the floor a part of the cluster could
    take itself for the whole.
    """
    try:
        with path.open("rb") as file:
            data = file.read(16)
    except FileNotFoundError:
        return 0
    word = data.strip()
    if not word.isdigit() or not 0 < int(word) <= EXPECTED_MAX:
        raise FileDamagedError(
            f"{path} holds no number of votes: the highest expected votes are lost. Write their number into "
            "it, or remove the file to expect those of corosync.conf."
        )
    return int(word)


def sync(path: Path) -> None:
    """Make a file durable that somebody else has written, and its name. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
