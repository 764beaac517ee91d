"""The door as HTTP: routes, and the unix socket they are served on.

    GET  /v1/status          the cluster as this node sees it
    GET  /v1/cib             the document
    GET  /v1/cib/versions    who changed it, when and why
    POST /v1/requests        any request of `ninefold.controller.requests`
    POST /v1/reload          read corosync.conf again, all of it or nothing
    POST /v1/keys/rotate     a new shared key for all nodes, without downtime
    GET  /v1/events          what happened, from the log
    GET  /v1/events/stream   what happens (server-sent events)
    GET  /v1/statistics      counters

The routes know no meaning: they carry bytes between a peer the kernel vouched for and the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.params import FromQuery, JSONBody, QueryParameter
from litestar.response import ServerSentEvent
from uvicorn.protocols.http.h11_impl import H11Protocol

from ninefold import __version__
from ninefold.api.credentials import Peer, group_id, peer_of
from ninefold.controller import requests as rq
from ninefold.daemon.reply import Reply, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from litestar.handlers import HTTPRouteHandler

    from ninefold.api.gate import Gate

EVENTS_LIMIT: Final = 1000
KEEPALIVE_S: Final = 15

# Connections at once; more are answered 503. An operator has one, a follower one, a dashboard one.
CONNECTIONS_MAX: Final = 128
# A connection that has not brought a whole request by then is closed: it would fill the 128.
REQUEST_S: Final = 10.0
# A change needs one token rotation and one sync on a majority. A ring that has to form anew first
# takes token + consensus, 8 s at the defaults for 9 nodes, and a second round if that fails.
ANSWER_S: Final = 30.0
# A client that takes nothing for so long is cut off. What it has not read until then waits in its
# queue of events, which is bounded, too.
SEND_S: Final = 20.0
# The largest request replaces the CIB: 20 MiB of XML, in JSON with its quotes escaped.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024


Count = Annotated[int, QueryParameter(ge=0, le=EVENTS_LIMIT)]


class Limits(msgspec.Struct, frozen=True):
    """How long the door waits for whom, in seconds, and for how many at once."""

    request_s: float = REQUEST_S
    answer_s: float = ANSWER_S
    send_s: float = SEND_S
    connections: int = CONNECTIONS_MAX


class RotateKeys(msgspec.Struct, frozen=True):
    """Names of absent nodes that need not take part."""

    without: tuple[str, ...] = ()


class DoorError(Exception):
    """The socket could not be opened; the message says where and what to do."""


def build(gate: Gate, limits: Limits) -> Litestar:
    """Return the application that carries requests to `gate`."""

    async def ask(request: Request[Any, Any, Any], body: bytes) -> Response[bytes]:
        try:
            async with asyncio.timeout(limits.answer_s):
                return answer(await gate.request(user_of(request), body))
        except TimeoutError:
            return answer(unanswered(limits.answer_s), status=504)

    @get("/v1/status")
    async def status(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await ask(request, rq.encode(rq.ShowStatus()))

    @get("/v1/cib")
    async def cib(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await ask(request, rq.encode(rq.ShowCib()))

    @get("/v1/cib/versions")
    async def versions(request: Request[Any, Any, Any], limit: Count = 20) -> list[dict[str, Any]]:
        user_of(request)
        return await gate.versions(limit)

    @post("/v1/requests", status_code=200)
    async def requests(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            async with asyncio.timeout(limits.request_s):
                body = await request.body()
        except TimeoutError as error:
            raise HTTPException(status_code=408, detail="The request did not come.") from error
        return await ask(request, body)

    @get("/v1/events")
    async def events(
        request: Request[Any, Any, Any], after: FromQuery[int] = 0, limit: Count = 100
    ) -> list[dict[str, Any]]:
        user_of(request)
        return await gate.past_events(max(after, 0), limit)

    @get("/v1/events/stream")
    async def stream(request: Request[Any, Any, Any]) -> ServerSentEvent:
        user_of(request)
        return ServerSentEvent(follow(gate))

    @get("/v1/statistics")
    async def statistics(request: Request[Any, Any, Any]) -> dict[str, Any]:
        user_of(request)
        return gate.statistics()

    return Litestar(
        [status, cib, versions, requests, *_workings(gate), events, stream, statistics],
        logging_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=OpenAPIConfig(title="Ninefold", version=__version__),
    )


def _workings(gate: Gate) -> list[HTTPRouteHandler]:
    """Return what concerns the node itself and not the document."""

    @post("/v1/reload", status_code=200)
    async def reload(request: Request[Any, Any, Any]) -> Response[bytes]:
        return answer(await gate.reload(user_of(request)))

    @post("/v1/keys/rotate", status_code=200)
    async def rotate(
        request: Request[Any, Any, Any], data: JSONBody[RotateKeys]
    ) -> Response[bytes]:
        return answer(await gate.rotate_keys(user_of(request), data.without))

    return [reload, rotate]


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


def answer(reply: Reply, *, status: int = 409) -> Response[bytes]:
    """Return a node's reply as HTTP: 200, or `status` with the refusal."""
    code = 200 if reply.ok else status
    return Response(reply.body, media_type="application/json", status_code=code)


def unanswered(seconds: float) -> Reply:
    """Return what is said when the node does not answer in time."""
    return refusal(
        "unanswered",
        f"The node gave no answer within {seconds:g} s: the ring may be forming anew, or the disks "
        f"of the members may be slow. A change may still be carried out: see 'ninefold events'.",
    )


def follow(gate: Gate, *, keepalive_s: float = KEEPALIVE_S) -> AsyncIterator[dict[str, Any]]:
    """Return events from this moment on, and a comment now and then so that a dead peer is noticed.

    Subscribed before the first answer is sent: who has the headers misses nothing.
    """
    return _followed(gate, gate.subscribe(), keepalive_s)


async def _followed(
    gate: Gate, queue: asyncio.Queue[dict[str, Any] | None], keepalive_s: float
) -> AsyncIterator[dict[str, Any]]:
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


class DoorProtocol(H11Protocol):
    """HTTP/1.1 that knows who connected, and waits for nobody for ever."""

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection and ask the kernel whose it is."""
        super().connection_made(transport)
        peer = peer_of(cast("socket.socket", transport.get_extra_info("socket")))
        self._hurry = self.loop.call_later(self.limits.request_s, transport.close)
        inner = self.app

        async def vouched(scope: Any, receive: Any, send: Any) -> None:
            async def sent(message: Any) -> None:
                try:
                    async with asyncio.timeout(self.limits.send_s):
                        await send(message)
                except TimeoutError:
                    # uvicorn takes no notice of what is sent after this, and ends the request.
                    transport.abort()

            self._hurry.cancel()
            scope.setdefault("extensions", {})["ninefold.peer"] = peer
            await inner(scope, receive, sent)

        self.app = vouched

    def on_response_complete(self) -> None:
        """Give the next request on this connection, or the rest of this one, as long again."""
        super().on_response_complete()
        self._hurry = self.loop.call_later(self.limits.request_s, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._hurry.cancel()
        super().connection_lost(exc)


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
    """Bind the unix socket: mode 0660, group haclient where that exists. Raises `DoorError`."""
    try:
        made = _make_directory(path.parent)
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            # Nobody can connect before `listen`, so there is no moment with a wider mode. An umask
            # would be the whole process's, and the store's thread makes files, too.
            listener.bind(str(path))
            _give_to_group(path, 0o660)
            if made:
                _give_to_group(path.parent, 0o750)
            listener.listen(CONNECTIONS_MAX)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise DoorError(
            f"{path}: cannot open the socket: {error.strerror or error}. Is the directory writable, "
            f"and the path shorter than 108 bytes?"
        ) from error
    listener.setblocking(False)
    return listener


def _make_directory(path: Path) -> bool:
    """Make the directory; tell whether it is new, and so ours to give away."""
    if path.is_dir():
        return False
    path.mkdir(mode=0o750, parents=True)
    return True


def _give_to_group(path: Path, mode: int) -> None:
    group = group_id()
    if group is not None:
        try:
            os.chown(path, -1, group)
        except OSError as error:
            # EINVAL: a user namespace that does not map the group. Root may enter all the same.
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
    path.chmod(mode)


def _remove_stale(path: Path) -> None:
    """Remove a socket that a daemon left behind; raise `DoorError` if that is not what it is."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise DoorError(f"{path} exists and is no socket. Remove it or choose another --run.")
    with socket.socket(socket.AF_UNIX) as probe:
        # A daemon that hangs, with a full queue of connections, is there all the same.
        probe.setblocking(False)
        refused = probe.connect_ex(str(path))
    if refused != errno.ECONNREFUSED:
        raise DoorError(f"{path}: another daemon is listening there. Stop it first.")
    path.unlink()


def serve(gate: Gate, limits: Limits | None = None) -> DoorServer:
    """Return a server for `gate`; run it with `serve(sockets=[open_socket(path)])`."""
    bounds = limits or Limits()
    config = uvicorn.Config(
        build(gate, bounds),
        http=type("Protocol", (DoorProtocol,), {"limits": bounds}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
        limit_concurrency=bounds.connections,
        timeout_graceful_shutdown=1,
    )
    return DoorServer(config)
