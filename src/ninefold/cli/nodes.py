"""`ninefold node`: standby, online, maintenance, fencing, stopping."""

from __future__ import annotations

from typing import Annotated

import typer

from ninefold.api.client import Client
from ninefold.cib.model import SetNodeAttribute
from ninefold.cli.out import (
    USAGE,
    JsonFlag,
    SocketOption,
    WhyOption,
    ask,
    console,
    done,
    fail,
    request,
)
from ninefold.controller.requests import ChangeCib, DeclareDead, FenceNode, StopNode

app = typer.Typer(no_args_is_help=True, help="Put nodes aside, bring them back, silence them.")

NodeArgument = Annotated[str, typer.Argument(help="The node's name.")]


def _known(socket: str | None, node: str) -> None:
    names = [entry["name"] for entry in ask(Client(socket).status)["nodes"]]
    if node not in names:
        fail(f"There is no node {node}; there are {', '.join(names)}.", USAGE)


def _attribute(
    socket: str | None, node: str, change: tuple[str, str | None], text: str, *, as_json: bool
) -> None:
    _known(socket, node)
    name, value = change
    answer = request(socket, ChangeCib(SetNodeAttribute(node, name, value), text))
    done(answer, text, as_json=as_json)


@app.command()
def standby(node: NodeArgument, *, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """Move everything away from a node and keep it free. It keeps its vote."""
    _attribute(socket, node, ("standby", "on"), f"{node} in standby", as_json=json)


@app.command()
def online(node: NodeArgument, *, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """End a node's standby."""
    _attribute(socket, node, ("standby", None), f"{node} online again", as_json=json)


@app.command()
def maintenance(node: NodeArgument, *, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """Leave a node's resources alone: nothing is started, stopped or monitored there."""
    _attribute(socket, node, ("maintenance", "true"), f"{node} in maintenance", as_json=json)


@app.command()
def unmaintenance(
    node: NodeArgument, *, json: JsonFlag = False, socket: SocketOption = None
) -> None:
    """End a node's maintenance."""
    _attribute(socket, node, ("maintenance", None), f"{node} out of maintenance", as_json=json)


@app.command()
def fence(
    node: NodeArgument,
    *,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    why: WhyOption = "",
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Silence a node now: power it off, or on again, as stonith-action says."""
    _known(socket, node)
    if not yes:
        typer.confirm(f"Fence {node}? Whatever runs there is cut off.", abort=True)
    answer = request(socket, FenceNode(node, why))
    done(answer, f"{node} will be fenced", as_json=json)


@app.command(name="declare-dead")
def declare_dead(
    node: NodeArgument,
    *,
    yes: bool = typer.Option(False, "--yes", help="Do not ask: it is certain."),
    socket: SocketOption = None,
) -> None:
    """Vouch that a lost node is powered off, where fencing cannot. A wrong word damages data."""
    _known(socket, node)
    if not yes:
        console.print(
            f"If {node} still runs anything, it will be started a second time and its data will be "
            f"damaged.",
            markup=False,
        )
        typed = typer.prompt(f"Is {node} powered off? Type its name to confirm")
        if typed != node:
            fail("Not confirmed; nothing was changed.")
    answer = request(socket, DeclareDead(node, confirmed=True))
    console.print(answer["text"], markup=False)


@app.command()
def stop(*, socket: SocketOption = None) -> None:
    """Stop the node asked: its resources move away, then it leaves. No fencing."""
    console.print(request(socket, StopNode())["text"], markup=False)
