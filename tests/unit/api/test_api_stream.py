"""The event stream, as bytes on the socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from litestar.response.sse import ServerSentEventMessage

from ninefold.api.server import follow

if TYPE_CHECKING:
    from ninefold.api.gate import Gate


class Quiet:
    """A gate at which one event happens, and only when told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.followers = 0

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        self.followers += 1
        return self.queue

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        self.followers -= 1


def test_a_quiet_stream_carries_comments_and_no_empty_event() -> None:
    gate = Quiet()

    async def read() -> list[bytes]:
        messages = []
        async for message in follow(cast("Gate", gate), keepalive_s=0.01):
            messages.append(ServerSentEventMessage(**message).encode())
            # After the first sign of life one event happens, then the node ends.
            if len(messages) == 1:
                gate.queue.put_nowait({"what": "token-lost"})
                gate.queue.put_nowait(None)
        return messages

    assert asyncio.run(read()) == [b": alive\r\n\r\n", b'data: {"what":"token-lost"}\r\n\r\n']
    assert gate.followers == 0
