"""The door as HTTP: routes, and the unix socket they are served on.

    GET  /v1/status          the cluster as this node sees it
    GET  /v1/cib             the document
    GET  /v1/cib/versions    who changed it, when and why
    POST /v1/requests        any request of `ninefold.controller.requests`
    GET  /v1/events          what happened, from the log
    GET  /v1/events/stream   what happens (server-sent events)
    GET  /v1/statistics      counters

The routes know no meaning: they carry bytes between a peer the kernel vouched for and the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.response import ServerSentEvent
from uvicorn.protocols.http.h11_impl import H11Protocol

from ninefold import __version__
from ninefold.api.credentials import Peer, group_id, peer_of
from ninefold.controller import requests as rq

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ninefold.api.gate import Gate
    from ninefold.daemon.reply import Reply

EVENTS_LIMIT: Final = 1000
KEEPALIVE_S: Final = 15


class DoorError(Exception):
    """The socket could not be opened; the message says where and what to do."""


def build(gate: Gate) -> Litestar:
    """Return the application that carries requests to `gate`."""

    async def ask(request: Request[Any, Any, Any], body: bytes) -> Response[bytes]:
        reply = await gate.request(user_of(request), body)
        return answer(reply)

    @get("/v1/status")
    async def status(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await ask(request, rq.encode(rq.ShowStatus()))

    @get("/v1/cib")
    async def cib(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await ask(request, rq.encode(rq.ShowCib()))

    @get("/v1/cib/versions")
    async def versions(request: Request[Any, Any, Any], limit: int = 20) -> list[dict[str, Any]]:
        user_of(request)
        return await gate.versions(min(limit, EVENTS_LIMIT))

    @post("/v1/requests", status_code=200)
    async def requests(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await ask(request, await request.body())

    @get("/v1/events")
    async def events(
        request: Request[Any, Any, Any], after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        user_of(request)
        return await gate.past_events(after, min(limit, EVENTS_LIMIT))

    @get("/v1/events/stream")
    async def stream(request: Request[Any, Any, Any]) -> ServerSentEvent:
        user_of(request)
        return ServerSentEvent(follow(gate))

    @get("/v1/statistics")
    async def statistics(request: Request[Any, Any, Any]) -> dict[str, Any]:
        user_of(request)
        return gate.statistics()

    return Litestar(
        [status, cib, versions, requests, events, stream, statistics],
        logging_config=None,
        openapi_config=OpenAPIConfig(title="Ninefold", version=__version__),
    )


def user_of(request: Request[Any, Any, Any]) -> str:
    """Return the peer's user; refuse who may not enter."""
    extensions = cast("dict[str, Any]", request.scope.get("extensions") or {})
    peer: Peer | None = extensions.get("ninefold.peer")
    if peer is None or not peer.allowed:
        who = "unknown" if peer is None else peer.user
        raise HTTPException(
            status_code=403,
            detail=f"{who} may not ask this node: only root and members of haclient may.",
        )
    return peer.user


def answer(reply: Reply) -> Response[bytes]:
    """Return a node's reply as HTTP: 200, or 409 with the refusal."""
    code = 200 if reply.ok else 409
    return Response(reply.body, media_type="application/json", status_code=code)


async def follow(gate: Gate, *, keepalive_s: float = KEEPALIVE_S) -> AsyncIterator[dict[str, Any]]:
    """Yield events as they happen, with a comment now and then so that a dead peer is noticed."""
    queue = gate.subscribe()
    try:
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), keepalive_s)
            except TimeoutError:
                # Without the `None` there would be a line of empty data, which is no event.
                yield {"comment": "alive", "data": None}
                continue
            if event is None:
                return
            yield {"data": msgspec.json.encode(event).decode()}
    finally:
        gate.unsubscribe(queue)


class CredentialProtocol(H11Protocol):
    """HTTP/1.1 that knows who connected."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection and ask the kernel whose it is."""
        super().connection_made(transport)
        peer = peer_of(cast("socket.socket", transport.get_extra_info("socket")))
        inner = self.app

        async def vouched(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})["ninefold.peer"] = peer
            await inner(scope, receive, send)

        self.app = vouched


class DoorServer(uvicorn.Server):
    """uvicorn without its ten wake-ups a second and without its own signal handlers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be told to end."""
        await self.on_tick(0)
        await self._ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the daemon."""
        yield

    def end(self) -> None:
        """Close the door."""
        self.should_exit = True
        self._ended.set()


def open_socket(path: Path) -> socket.socket:
    """Bind the unix socket: mode 0660, group haclient where that exists."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX)
        old = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        group = group_id()
        if group is not None and os.geteuid() == 0:
            with contextlib.suppress(PermissionError):
                os.chown(path, -1, group)
                os.chown(path.parent, -1, group)
    except OSError as error:
        raise DoorError(
            f"{path}: cannot open the socket: {error.strerror}. Is the directory writable?"
        ) from error
    listener.listen(64)
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise DoorError(f"{path} exists and is no socket. Remove it or choose another --run.")
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(str(path))
    except OSError:
        path.unlink()
    else:
        raise DoorError(f"{path}: another daemon is listening there. Stop it first.")
    finally:
        probe.close()


def serve(gate: Gate) -> DoorServer:
    """Return a server for `gate`; run it with `serve(sockets=[open_socket(path)])`."""
    config = uvicorn.Config(
        build(gate),
        http=CredentialProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return DoorServer(config)
