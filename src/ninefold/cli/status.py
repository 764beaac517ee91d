"""`ninefold status`: the cluster at a glance."""

from __future__ import annotations

import time
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ninefold.api.client import Client
from ninefold.cli.out import JsonFlag, SocketOption, ask, console, show_json

_COLOURS = {
    "online": "green",
    "unclean": "bold red",
    "offline": "red",
    "pending": "yellow",
    "standby": "yellow",
    "maintenance": "yellow",
}
WATCH_S = 1.0


def status(
    *,
    json: JsonFlag = False,
    socket: SocketOption = None,
    watch: bool = typer.Option(False, "--watch", "-w", help="Show it again every second."),
) -> None:
    """Nodes, quorum, DC, resources, failures, pending fencing."""
    client = Client(socket)
    if json:
        show_json(ask(client.status))
        return
    if not watch:
        console.print(render(ask(client.status)))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(render(ask(client.status)), refresh=True)
            time.sleep(WATCH_S)


def render(status: dict[str, Any]) -> RenderableType:
    """Return a status as an operator wants to read it."""
    parts: list[RenderableType] = [
        _head(status),
        Text(),
        _nodes(status),
        Text(),
        _resources(status),
    ]
    for block in (_fencing(status), _failures(status), _waiting(status)):
        if block is not None:
            parts += [Text(), block]
    return Group(*parts)


def _head(status: dict[str, Any]) -> Text:
    quorum = status["quorum"]
    text = Text()
    text.append(f"Cluster {status['cluster'] or '(no name)'}", style="bold")
    text.append(f"   seen from {status['node']}   ring {status['ring']}   CIB {status['cib']}\n")
    word = "quorate" if quorum["quorate"] else "NO QUORUM"
    text.append(word, style="green" if quorum["quorate"] else "bold red")
    if quorum["threshold"]:
        text.append(
            f"  {quorum['votes']} of {quorum['expected']} votes, {quorum['threshold']} needed"
        )
    if quorum["reason"] and not quorum["quorate"]:
        text.append(f"\n{quorum['reason']}")
    text.append(f"\nDC {status['dc'] or '(none)'}   ")
    if not status["formed"]:
        text.append("waiting for absent nodes before deciding", style="yellow")
    else:
        text.append("settled" if status["settled"] else "at work")
    if status["store"]:
        text.append(f"\nThe store of this node refuses: {status['store']}", style="bold red")
    return text


def _nodes(status: dict[str, Any]) -> Table:
    table = Table("Node", "State", "", box=None, pad_edge=False)
    for node in status["nodes"]:
        links = status["links"].get(node["name"], {})
        down = [f"link {number} down" for number, up in sorted(links.items()) if not up]
        notes = ["DC"] if node["dc"] else []
        notes += [
            word for word in ("standby", "maintenance") if node[word] and word != node["state"]
        ]
        notes += down + ([node["detail"]] if node["detail"] else [])
        state = Text(node["state"], style=_COLOURS.get(node["state"], ""))
        table.add_row(node["name"], state, "; ".join(notes))
    return table


def _resources(status: dict[str, Any]) -> RenderableType:
    if not status["resources"]:
        return Text("No resources are configured.")
    table = Table("Resource", "Agent", "Role", "Node", "", box=None, pad_edge=False)
    for resource in status["resources"]:
        name = (
            resource["id"] if not resource["group"] else f"{resource['group']} / {resource['id']}"
        )
        goal = ""
        if (resource["next_role"], [resource["next_node"]]) != (
            resource["role"],
            resource["nodes"] or [""],
        ):
            goal = f"-> {resource['next_role']} {resource['next_node']}".rstrip()
        if resource["blocked"]:
            goal = resource["blocked"]
        table.add_row(name, resource["agent"], resource["role"], ", ".join(resource["nodes"]), goal)
    return table


def _fencing(status: dict[str, Any]) -> RenderableType | None:
    if not status["fencing"]:
        return None
    text = Text("Fencing\n", style="bold red")
    for entry in status["fencing"]:
        attempts = f", {entry['attempts']} attempts" if entry["attempts"] else ""
        text.append(
            f"  {entry['node']}: {entry['state']}{attempts}: {entry['reason']}\n", style="red"
        )
        if entry["state"] == "failed":
            text.append(
                f"    Nothing it ran starts elsewhere. If it is certainly powered off: "
                f"ninefold node declare-dead {entry['node']}\n",
                style="",
            )
    return text


def _failures(status: dict[str, Any]) -> RenderableType | None:
    if not status["failures"]:
        return None
    table = Table("Failed", "Node", "Exit", "Reason", box=None, pad_edge=False)
    for entry in status["failures"]:
        table.add_row(entry["operation"], entry["node"], str(entry["rc"]), entry["reason"])
    return table


def _waiting(status: dict[str, Any]) -> RenderableType | None:
    lines = [f"under way: {entry}" for entry in status["pending"]]
    lines += [f"warning: {entry}" for entry in status["warnings"]]
    return Text("\n".join(lines)) if lines else None
