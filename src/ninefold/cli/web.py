"""`ninefold web`: the dashboard of one node."""

from __future__ import annotations

import socket as sockets
from typing import Annotated

import typer

from ninefold.api.client import Client
from ninefold.cli.out import USAGE, SocketOption, console, fail

PORT_MAX = 65_535


def web(
    *,
    listen: Annotated[
        str, typer.Option(help="ADDRESS:PORT. It has no log-in: keep it on loopback.")
    ] = "127.0.0.1:8899",
    socket: SocketOption = None,
) -> None:
    """Serve the live dashboard (read-only) until interrupted."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= PORT_MAX:
        fail(f"{listen!r} is no ADDRESS:PORT.", USAGE)
    # The web server takes 0.2 s to import, which every other command would pay.
    import uvicorn  # noqa: PLC0415

    from ninefold.web.pages import build  # noqa: PLC0415

    bare = host.removeprefix("[").removesuffix("]")
    listener = _listen(bare, int(port))
    console.print(f"http://{host}:{listener.getsockname()[1]}/", markup=False)
    server = uvicorn.Server(uvicorn.Config(build(Client(socket)), log_level="warning"))
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> sockets.socket:
    try:
        family = sockets.getaddrinfo(host, port, type=sockets.SOCK_STREAM)[0][0]
        return sockets.create_server((host, port), family=family)
    except OSError as error:
        fail(f"{host}:{port}: {error.strerror}. Choose another by --listen.", USAGE)
