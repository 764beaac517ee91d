"""What every command needs: the node's client, tables, JSON, and one way to end with a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ninefold.api.client import Client, DoorClosedError, RefusedError
from ninefold.cli.answers import (
    EXIT_CODES,
    JSON,
    NO_NODE,
    REFUSED,
    SOCKET,
    USAGE,
    complaints,
    console,
    fail,
    show_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.controller import requests as rq

__all__ = [
    "EXIT_CODES",
    "NO_NODE",
    "REFUSED",
    "USAGE",
    "JsonFlag",
    "SocketOption",
    "WhyOption",
    "ask",
    "complaints",
    "console",
    "done",
    "fail",
    "request",
    "show_json",
]

JsonFlag = Annotated[bool, JSON.for_typer()]
SocketOption = Annotated[str | None, SOCKET.for_typer()]
WhyOption = Annotated[str, typer.Option("--why", help="Kept with the change in the history.")]


def ask(call: Callable[[], Any]) -> Any:
    """Run a client's call; turn what it raises into a message and an exit code."""
    try:
        return call()
    except DoorClosedError as error:
        fail(str(error), NO_NODE)
    except RefusedError as error:
        for problem in error.problems:
            complaints.print(f"ninefold: {problem}", markup=False)
        raise typer.Exit(REFUSED) from error


def request(socket: str | None, body: rq.Request) -> dict[str, Any]:
    """Hand a request in and return the answer; end with a message if it is refused."""
    client = Client(socket)
    answer: dict[str, Any] = ask(lambda: client.request(body))
    return answer


def done(answer: dict[str, Any], text: str, *, as_json: bool = False) -> None:
    """Say that a change has been acknowledged."""
    if as_json:
        show_json(answer)
        return
    version = answer.get("version")
    shown = f" (CIB {'.'.join(map(str, version))}, on a majority of disks)" if version else ""
    console.print(f"{text}{shown}", markup=False)
