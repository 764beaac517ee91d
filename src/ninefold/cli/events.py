"""`ninefold events`: what happened, and what happens."""

from __future__ import annotations

import json as json_module
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from ninefold.api.client import Client
from ninefold.cli.out import NO_NODE, JsonFlag, SocketOption, ask, console, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

# One answer of the door (`api.server.EVENTS_LIMIT`).
EVENTS_MAX = 1000
_LOUD = {
    "fenced": "bold red",
    "fencing": "bold red",
    "fence-failed": "bold red",
    "token-lost": "yellow",
    "membership": "yellow",
    "quorum-lost": "bold red",
    "failed": "red",
    "started": "green",
}


def events(
    *,
    follow: bool = typer.Option(False, "--follow", "-f", help="Go on as things happen."),
    limit: int = typer.Option(50, help="How many past events first.", min=0, max=EVENTS_MAX),
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """The event log of this node: who did what, what the cluster decided and did."""
    client = Client(socket)
    # Connected before the past is read, so that nothing falls between the two. What happens
    # meanwhile is in both.
    stream: Iterator[dict[str, Any]] = ask(client.follow) if follow else iter(())
    past = ask(lambda: client.events(0, limit)) if limit else []
    for event in past:
        _show(event, as_json=json)
    shown = {_mark(event) for event in past}
    try:
        for event in stream:
            if _mark(event) not in shown:
                _show(event, as_json=json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if follow:
        fail("The node ended the stream: it has stopped, or this reader was too slow.", NO_NODE)


def _mark(event: dict[str, Any]) -> tuple[int, str, str]:
    return event["at_ms"], event["what"], event["text"]


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_module.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    at = datetime.fromtimestamp(event["at_ms"] / 1000, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
    style = _LOUD.get(event["what"], "")
    console.print(f"{at}  {event['what']:<14} {event['text']}", style=style, markup=False)
