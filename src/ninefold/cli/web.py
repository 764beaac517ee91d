"""`ninefold web`: the dashboard of one node."""

from __future__ import annotations

from typing import Annotated

import typer
import uvicorn

from ninefold.api.client import Client
from ninefold.cli.out import USAGE, SocketOption, console, fail
from ninefold.web.pages import build


def web(
    *,
    listen: Annotated[
        str, typer.Option(help="ADDRESS:PORT. It has no log-in: keep it on loopback.")
    ] = "127.0.0.1:8899",
    socket: SocketOption = None,
) -> None:
    """Serve the live dashboard (read-only) until interrupted."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        fail(f"{listen!r} is no ADDRESS:PORT.", USAGE)
    console.print(f"http://{host}:{port}/", markup=False)
    uvicorn.run(build(Client(socket)), host=host, port=int(port), log_level="warning")
