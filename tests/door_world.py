"""A door with a small node behind it: a real unix socket, a real server, canned answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

from ninefold.api.server import Limits, open_socket, serve
from ninefold.daemon.reply import Reply, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

STATUS: dict[str, Any] = {
    "node": "n1",
    "cluster": "test",
    "ring": "1.4",
    "cib": "0.1.0",
    "dc": "n1",
    "settled": True,
    "formed": True,
    "quorum": {"quorate": True, "votes": 2, "expected": 2, "threshold": 2, "reason": ""},
    "nodes": [
        {
            "id": number,
            "name": f"n{number}",
            "state": "online",
            "member": True,
            "dc": number == 1,
            "standby": False,
            "maintenance": False,
            "unclean": False,
            "detail": "",
        }
        for number in (1, 2)
    ],
    "resources": [],
    "failures": [],
    "fail_counts": {},
    "fencing": [],
    "pending": [],
    "warnings": [],
    "store": "",
    "links": {},
    "decided": True,
}


class Node:
    """A gate (`ninefold.api.gate.Gate`) that remembers who asked what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status = STATUS
        self.silent = False
        self.refusal: Reply | None = None
        self.queues: list[asyncio.Queue[dict[str, Any] | None]] = []
        self.log: list[dict[str, Any]] = []
        self.xml = "<cib/>\n"

    async def request(self, user: str, body: bytes) -> Reply:
        request = json.loads(body)
        self.asked.append((user, request))
        if self.silent:
            await asyncio.Event().wait()
        match request["type"]:
            case "status":
                answer: dict[str, Any] = self.status
            case "cib":
                answer = {"version": "0.1.0", "xml": self.xml}
            case "change" if self.refusal is not None:
                return self.refusal
            case "change" | "fence" | "attribute":
                answer = {"version": [0, 2, 0]}
            case "stop" | "declare-dead":
                answer = {"text": "accepted"}
            case other:
                return refusal("malformed", f"no {other}")
        return Reply(ok=True, body=json.dumps(answer).encode())

    async def reload(self, user: str) -> Reply:
        self.asked.append((user, {"type": "reload"}))
        if self.refusal is not None:
            return self.refusal
        return Reply(ok=True, body=json.dumps({"file": "corosync.conf", "findings": []}).encode())

    async def rotate_keys(self, user: str, without: Sequence[str]) -> Reply:
        self.asked.append((user, {"type": "rotate-keys", "without": list(without)}))
        if self.refusal is not None:
            return self.refusal
        begun = {"active": "0a0a0a0a", "under_way": False, "offered": "12ab34cd"}
        return Reply(ok=True, body=json.dumps(begun).encode())

    async def past_events(self, after: int, limit: int) -> list[dict[str, Any]]:
        return self.log[-limit:] if limit else []

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        self.queues.append(asyncio.Queue())
        return self.queues[-1]

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        self.queues.remove(queue)

    async def versions(self, limit: int) -> list[dict[str, Any]]:
        return [{"version": "0.1.0", "at": "2026-01-01 00:00:00", "who": "ann", "why": "a reason"}]

    def statistics(self) -> dict[str, Any]:
        return {"node": "n1"}


class Door:
    """A node's open door, served from a thread of its own."""

    def __init__(self, path: Path, node: Node, loop: asyncio.AbstractEventLoop) -> None:
        self.path = path
        self.node = node
        self._loop = loop

    def do(self, work: Callable[[], object]) -> None:
        """Run `work` in the node's loop."""
        self._loop.call_soon_threadsafe(work)


@contextlib.contextmanager
def open_door(run: Path, limits: Limits | None = None) -> Iterator[Door]:
    """Open a door at `run`/door.sock; it is closed in the end."""
    node = Node()
    path = run / "door.sock"
    listener = open_socket(path)
    loop = asyncio.new_event_loop()
    server = serve(node, limits)
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve(sockets=[listener]))
    )
    thread.start()
    try:
        yield Door(path, node, loop)
    finally:
        loop.call_soon_threadsafe(server.end)
        thread.join(10)
        loop.close()
        listener.close()
