"""`ninefold events`: what happened, and what happens."""

from __future__ import annotations

import json as json_module
import sys
from datetime import UTC, datetime
from typing import Any

import typer

from ninefold.api.client import Client
from ninefold.cli.out import JsonFlag, SocketOption, ask, console

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
    limit: int = typer.Option(50, help="How many past events first."),
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """The event log of this node: who did what, what the cluster decided and did."""
    client = Client(socket)
    stream = iter(ask(client.follow)) if follow else iter(())
    for event in ask(lambda: client.events(0, limit)):
        _show(event, as_json=json)
    try:
        while (event := ask(lambda: next(stream, None))) is not None:
            _show(event, as_json=json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_module.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    at = datetime.fromtimestamp(event["at_ms"] / 1000, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
    style = _LOUD.get(event["what"], "")
    console.print(f"{at}  {event['what']:<14} {event['text']}", style=style, markup=False)
