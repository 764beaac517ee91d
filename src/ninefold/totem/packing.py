"""Application messages in ring frames: several in one, or one over several.

A frame is a row of chunks: a flag byte (first, last), a two-byte length, the bytes. The receiver
keeps one assembly per sender. At a configuration change every assembly is dropped, and a sender
whose message had not been sent to its end starts that message anew on the next ring: so nothing is
stuck, nothing arrives twice, and all who move together agree (section 5).
"""

from __future__ import annotations

import struct
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from ninefold.totem.codec import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.core.ids import NodeId

FIRST: Final = 1
LAST: Final = 2
_HEADER: Final = struct.Struct(">BH")

# A chunk smaller than this is not worth starting at the end of a frame.
CHUNK_BYTES_MIN: Final = 64
# One application message (1 MiB) and room for its envelope.
MESSAGE_BYTES_MAX: Final = 1_048_576 + 4_096
# What may wait to be sent: beyond the first the queue is congested and clients should pause,
# beyond the second (64 of the greatest messages) a submission is refused.
QUEUE_BYTES_HIGH: Final = 4 * 1_048_576
QUEUE_BYTES_MAX: Final = 64 * MESSAGE_BYTES_MAX


class Lane(Enum):
    """Which queue a message waits in."""

    BARRIER = "sent even while the members are not yet synchronised"
    APPLICATION = "waits until they are"


class Packer:
    """One sender's queues, emptied frame by frame as the token allows."""

    def __init__(self, frame_bytes: int) -> None:
        assert _HEADER.size + CHUNK_BYTES_MIN < frame_bytes <= 65_535
        self._frame_bytes = frame_bytes
        # Attributes, not a dict by lane: an Enum is hashed in Python, six times a frame.
        self._barrier: deque[bytes] = deque()
        self._application: deque[bytes] = deque()
        # For each message in the application's lane, whether it asks for safe delivery.
        self._safe: deque[bool] = deque()
        # Whether something of the frame last taken does.
        self.took_safe = False
        self._partial: tuple[deque[bytes], int] | None = None
        self._bytes = 0
        self.blocked = True

    def resize(self, frame_bytes: int) -> None:
        """Make the next frames of another size; a message that is half sent goes on in them."""
        assert _HEADER.size + CHUNK_BYTES_MIN < frame_bytes <= 65_535
        self._frame_bytes = frame_bytes

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait, in both lanes."""
        return self._bytes

    @property
    def backlog(self) -> int:
        """Frames that could be sent now, roughly: each message counts at least one per frame."""
        if not self._bytes:
            return 0
        if not self.blocked and self._application:
            return -(-self._bytes // self._frame_bytes)
        return -(-sum(map(len, self._barrier)) // self._frame_bytes)

    def push(self, message: bytes, lane: Lane, *, safe: bool = False) -> bool:
        """Queue a message; False if the queue is full."""
        assert message
        assert len(message) <= MESSAGE_BYTES_MAX
        if self._bytes + len(message) > QUEUE_BYTES_MAX:
            return False
        if lane is Lane.BARRIER:
            self._barrier.append(message)
        else:
            self._application.append(message)
            self._safe.append(safe)
        self._bytes += len(message)
        return True

    def restart(self) -> None:
        """A new ring: barrier messages are void, a half-sent message starts anew."""
        self._bytes -= sum(map(len, self._barrier))
        self._barrier.clear()
        self._partial = None

    def take(self) -> bytes | None:
        """Return the next frame, None if nothing may be sent."""
        chunks: list[bytes] = []
        room = self._frame_bytes
        self.took_safe = False
        while room > _HEADER.size + CHUNK_BYTES_MIN:
            lane, offset = self._partial or (self._next_lane(), 0)
            if lane is None:
                break
            message = lane[0]
            piece = message[offset : offset + room - _HEADER.size]
            end = offset + len(piece)
            flags = (FIRST if offset == 0 else 0) | (LAST if end == len(message) else 0)
            chunks += (_HEADER.pack(flags, len(piece)), piece)
            room -= _HEADER.size + len(piece)
            of_application = lane is self._application
            if of_application and self._safe[0]:
                self.took_safe = True
            if flags & LAST:
                lane.popleft()
                if of_application:
                    self._safe.popleft()
                self._bytes -= len(message)
                self._partial = None
            else:
                self._partial = (lane, end)
        return b"".join(chunks) if chunks else None

    def _next_lane(self) -> deque[bytes] | None:
        if self._barrier:
            return self._barrier
        if not self.blocked and self._application:
            return self._application
        return None


def chunks_of(frame: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (flags, bytes) of a frame; raise `MalformedMessage` if lengths do not add up."""
    at = 0
    while at < len(frame):
        if at + _HEADER.size > len(frame):
            raise MalformedMessage("a chunk header is cut off")
        flags, size = _HEADER.unpack_from(frame, at)
        at += _HEADER.size
        if flags > FIRST | LAST or at + size > len(frame):
            raise MalformedMessage("a chunk is cut off")
        yield flags, frame[at : at + size]
        at += size


class Assembly:
    """The receiving side: one unfinished message per sender at most."""

    def __init__(self) -> None:
        self._parts: dict[NodeId, bytearray] = {}

    def restart(self) -> None:
        """Forget everything unfinished: its senders start those messages anew."""
        self._parts.clear()

    def add(self, sender: NodeId, frame: bytes) -> list[bytes]:
        """Take a frame in its order; return the messages it completes."""
        done: list[bytes] = []
        for flags, piece in chunks_of(frame):
            if flags & FIRST:
                self._parts[sender] = bytearray()
            parts = self._parts.get(sender)
            if parts is None:
                continue  # the rest of a message whose beginning was on an earlier ring
            parts += piece
            if flags & LAST:
                del self._parts[sender]
                done.append(bytes(parts))
            elif len(parts) > MESSAGE_BYTES_MAX:
                del self._parts[sender]
                raise MalformedMessage("a message without end")
        return done
