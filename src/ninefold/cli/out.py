"""What every command needs: the node's client, tables, JSON, and one way to end with a message."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from ninefold.api.client import Client, DoorClosedError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.controller import requests as rq

# The exit codes of every command, besides 0 for done. They are part of the interface: scripts
# repeat what ended with 3 on another node, and show a person what ended with 1.
REFUSED = 1  # the node, or a check, said no; or what was waited for did not come
USAGE = 2  # the command line is wrong, or names a file that cannot be read or written
NO_NODE = 3  # no node could be asked: it is not running, does not answer, or we may not enter
EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, or not as wished; 2 wrong usage; 3 no node could be asked."
)

console = Console(highlight=False, emoji=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print data for programs.")]
SocketOption = Annotated[
    str | None,
    typer.Option("--socket", help="The node's socket, if not /run/ninefold/ninefold.sock."),
]
WhyOption = Annotated[str, typer.Option("--why", help="Kept with the change in the history.")]


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """Say what is wrong and end."""
    complaints.print(f"ninefold: {message}", markup=False)
    raise typer.Exit(code)


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


def show_json(value: Any) -> None:
    """Print data."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def done(answer: dict[str, Any], text: str, *, as_json: bool = False) -> None:
    """Say that a change has been acknowledged."""
    if as_json:
        show_json(answer)
        return
    version = answer.get("version")
    shown = f" (CIB {'.'.join(map(str, version))}, on a majority of disks)" if version else ""
    console.print(f"{text}{shown}", markup=False)
