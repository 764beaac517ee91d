"""`ninefold resource`: where services run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ninefold.api.client import Client
from ninefold.cib.model import ClearMoves, ForgetHistory, MoveResource, SetMetaAttribute
from ninefold.cli.out import (
    REFUSED,
    USAGE,
    JsonFlag,
    SocketOption,
    WhyOption,
    ask,
    done,
    fail,
    request,
)
from ninefold.controller.requests import ChangeCib

if TYPE_CHECKING:
    from ninefold.controller.requests import OperatorChange

app = typer.Typer(no_args_is_help=True, help="Move, start, stop, and forget failures of services.")

ResourceArgument = Annotated[str, typer.Argument(help="A primitive, group or clone.")]
WaitOption = Annotated[
    int, typer.Option("--wait", help="Wait up to so many seconds until the cluster has settled.")
]
# How often a waiting command looks again.
LOOK_S = 0.1


def _change(
    socket: str | None, change: OperatorChange, text: str, why: str, wait: int, *, as_json: bool
) -> None:
    answer = request(socket, ChangeCib(change, why or text))
    done(answer, text, as_json=as_json)
    if wait:
        _settle(Client(socket), wait)


def _settle(client: Client, seconds: int) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ask(client.status)["settled"]:
            return
        time.sleep(LOOK_S)
    fail(f"The cluster has not settled within {seconds} s. See 'ninefold status'.", REFUSED)


def _node(socket: str | None, node: str | None) -> None:
    names = [entry["name"] for entry in ask(Client(socket).status)["nodes"]]
    if node is not None and node not in names:
        fail(f"There is no node {node}; there are {', '.join(names)}.", USAGE)


@app.command()
def move(
    resource: ResourceArgument,
    node: Annotated[str | None, typer.Argument(help="Left out: away from where it is.")] = None,
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Move a service by a constraint that stays until 'clear'."""
    _node(socket, node)
    rows = [r for r in ask(Client(socket).status)["resources"] if resource in (r["id"], r["group"])]
    if node is not None:
        text = f"{resource} prefers {node} until 'ninefold resource clear {resource}'"
        _change(
            socket,
            MoveResource(resource, node=node),
            text + _how(rows, node),
            why,
            wait,
            as_json=json,
        )
        return
    where = sorted({n for r in rows for n in r["nodes"]})
    if len(where) != 1:
        fail(f"{resource} runs on {len(where)} nodes; say where it shall go.", USAGE)
    ban(resource, where[0], why=why, wait=wait, json=json, socket=socket)


def _how(rows: list[dict[str, Any]], node: str) -> str:
    """Say what moves alive. Failures, or what must be stopped for it, may still make it a restart."""
    alive = [r["id"] for r in rows if r.get("alive") and r["nodes"] and node not in r["nodes"]]
    return f"; {', '.join(alive)} moves alive if nothing hinders it" if alive else ""


@app.command()
def ban(
    resource: ResourceArgument,
    node: Annotated[str, typer.Argument(help="The node to keep it away from.")],
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Keep a service away from a node until 'clear'."""
    _node(socket, node)
    text = f"{resource} keeps away from {node} until 'ninefold resource clear {resource}'"
    _change(socket, MoveResource(resource, ban=node), text, why, wait, as_json=json)


@app.command()
def clear(
    resource: ResourceArgument,
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Remove the constraints that 'move' and 'ban' made."""
    text = f"moves and bans of {resource} cleared"
    _change(socket, ClearMoves(resource), text, why, wait, as_json=json)


@app.command()
def cleanup(
    resource: Annotated[str, typer.Argument(help="Left out: all.")] = "",
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Forget failures and history; what runs is probed again."""
    text = f"history of {resource or 'all resources'} forgotten"
    _change(socket, ForgetHistory(resource), text, why, wait, as_json=json)


@app.command()
def start(
    resource: ResourceArgument,
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Let a stopped service start."""
    change = SetMetaAttribute(resource, "target-role", "Started")
    _change(socket, change, f"{resource} may start", why, wait, as_json=json)


@app.command()
def stop(
    resource: ResourceArgument,
    *,
    why: WhyOption = "",
    wait: WaitOption = 0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Stop a service and keep it stopped."""
    change = SetMetaAttribute(resource, "target-role", "Stopped")
    _change(socket, change, f"{resource} stops", why, wait, as_json=json)
