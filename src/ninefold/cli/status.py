"""`ninefold status`: the cluster at a glance."""

from __future__ import annotations

import textwrap
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.live import Live
from rich.text import Text

from ninefold.agents.model import Rc
from ninefold.api.client import Client
from ninefold.cli.out import JsonFlag, SocketOption, ask, console, show_json

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOURS = {
    "online": "green",
    "unclean": "bold red",
    "offline": "red",
    "pending": "yellow",
    "standby": "yellow",
    "maintenance": "yellow",
}
# Where the constant's name alone would say the opposite, or too little.
_EXITS = {
    Rc.ARGS: "wrong parameters",
    Rc.PERM: "not permitted",
    Rc.INSTALLED: "not installed",
    Rc.CONFIGURED: "not configured",
}
WATCH_S = 1.0
# What an operator's terminal has at least.
WIDTH = 80
# A last column narrower than this goes on a line of its own.
ROOM_MIN = 24
# A fail count from which a resource may not run on a node (Pacemaker's score of infinity).
INFINITY = 1_000_000


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
        console.print(render(ask(client.status), columns()), end="")
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(render(ask(client.status), columns()), refresh=True)
            time.sleep(WATCH_S)


def columns() -> int:
    """Return how wide the lines may be: as the terminal, within what is pleasant to read."""
    return max(WIDTH, min(console.width, 120))


def render(status: dict[str, Any], width: int = WIDTH) -> Text:
    """Return a status as an operator wants to read it, in lines of at most `width` columns.

    Only a word longer than the line stands out; nothing is cut.
    """
    page = Page(width)
    _head(page, status)
    _nodes(page, status)
    _resources(page, status)
    _fencing(page, status)
    _failures(page, status)
    _notes(page, status)
    return page.text


class Page:
    """Lines of text, wrapped with the continuation under its column."""

    def __init__(self, width: int) -> None:
        self.text = Text()
        self._width = width

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """Add a sentence at `indent`, wrapped."""
        space = " " * indent
        wrapped = textwrap.wrap(
            text,
            self._width,
            initial_indent=space,
            subsequent_indent=space,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.text.append("\n".join(wrapped or [""]) + "\n", style=style)

    def title(self, text: str) -> None:
        """Begin a part."""
        self.text.append(f"\n{text}\n", style="bold")

    def row(self, columns: list[tuple[str, int, str]], last: str = "") -> None:
        """Add cells of text, width and style; `last` takes the rest, wrapped under itself."""
        used = 2
        self.text.append("  ")
        for cell, width, style in columns:
            self.text.append(cell.ljust(width), style=style)
            self.text.append("  ")
            used += max(width, len(cell)) + 2
        indent = min(used, self._width // 2)
        room = self._width - used
        if last and (len(last) <= room or room >= ROOM_MIN):
            rest = textwrap.wrap(last, max(room, 1), break_on_hyphens=False)
            self.text.append(f"\n{' ' * used}".join(rest))
        elif last:
            self.text.append("\n")
            self.line(last, indent=indent)
            return
        self.text.rstrip()
        self.text.append("\n")


def _head(page: Page, status: dict[str, Any]) -> None:
    quorum = status["quorum"]
    page.line(f"Cluster {status['cluster'] or '(no name)'}, seen from {status['node']}", "bold")
    votes = f"{quorum['votes']} of {quorum['expected']} votes, {quorum['threshold']} needed"
    if quorum["quorate"]:
        page.line(f"Quorum: yes ({votes})" if quorum["threshold"] else "Quorum: yes", "green")
    else:
        page.line(f"Quorum: NO. {quorum['reason']} Nothing is started here.", "bold red")
    page.line(f"DC: {status['dc'] or 'none'}    ring {status['ring']}    CIB {status['cib']}")
    if not any(node["member"] for node in status["nodes"]):
        text = "State: joining; all of this is what the node's own disk knew last"
        page.line(text, "yellow")
    elif not status.get("decided", True):
        text = "State: the policy engine failed, so nothing is decided; what to do is under Notes"
        page.line(text, "bold red")
    elif not status["formed"]:
        page.line("State: waiting for absent nodes before deciding anything", "yellow")
    elif status["fencing"]:
        page.line("State: waiting for a node to be fenced", "bold red")
    else:
        page.line("State: settled" if status["settled"] else "State: at work")
    if status["store"]:
        page.line(f"The store of this node refuses: {status['store']}", "bold red")


def _nodes(page: Page, status: dict[str, Any]) -> None:
    page.title("Nodes")
    widths = _width(node["name"] for node in status["nodes"])
    for node in status["nodes"]:
        words = ["DC"] if node["dc"] else []
        words += [w for w in ("standby", "maintenance") if node[w] and w != node["state"]]
        words += _links(status["links"].get(node["name"], {}), member=node["member"])
        words += [node["detail"]] if node["detail"] else []
        state = "UNCLEAN" if node["unclean"] else node["state"]
        page.row(
            [(node["name"], widths, ""), (state, 11, _COLOURS.get(node["state"], ""))],
            "; ".join(words),
        )


def _links(links: dict[str, bool], *, member: bool) -> list[str]:
    """Say which links are down; of a node that is away they are, and that says nothing."""
    down = [number for number, up in sorted(links.items()) if not up]
    return [f"link {', '.join(down)} down"] if down and member else []


def _resources(page: Page, status: dict[str, Any]) -> None:
    page.title("Resources")
    if not status.get("decided", True):
        page.line("not known without the policy engine; what ran runs on", indent=2)
    elif not status["resources"]:
        page.line("none are configured", indent=2)
    names = _width(_name(entry) for entry in status["resources"])
    states = {node["name"]: node["state"] for node in status["nodes"]}
    for entry in status["resources"]:
        where, style = _where(entry, states)
        count = _fail_count(status, entry["id"])
        page.row([(_name(entry), names, ""), (where, 26, style)], entry["agent"])
        if entry["blocked"]:
            page.line(f"blocked: {entry['blocked']}", "yellow", indent=4)
        elif goal := _goal(entry):
            page.line(goal, "yellow", indent=4)
        if not entry["nodes"] and not entry["next_node"]:
            for reason in entry["reasons"]:
                page.line(reason, indent=4)
        if count:
            page.line(count, "red", indent=4)


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['group']}/{entry['id']}" if entry["group"] else str(entry["id"])


def _where(entry: dict[str, Any], states: dict[str, str]) -> tuple[str, str]:
    """Say where a resource runs; on a node that is not known to be off it may still do so."""
    if not entry["nodes"]:
        return entry["role"].lower(), "red" if entry["next_node"] or entry["blocked"] else ""
    text = f"{entry['role'].lower()} on {', '.join(entry['nodes'])}"
    if any(states.get(node) == "unclean" for node in entry["nodes"]):
        return f"{text} (UNCLEAN)", "bold red"
    return text, "bold red" if len(entry["nodes"]) > 1 else "green"


def _goal(entry: dict[str, Any]) -> str:
    now = (entry["role"], list(entry["nodes"]))
    goal = (entry["next_role"], [entry["next_node"]] if entry["next_node"] else [])
    if now == goal:
        return ""
    place = f" on {entry['next_node']}" if entry["next_node"] else ""
    return f"will be {entry['next_role'].lower()}{place}"


def _fail_count(status: dict[str, Any], resource: str) -> str:
    counts = status["fail_counts"].get(resource, {})
    shown = [
        f"{'INFINITY' if count >= INFINITY else count} on {node}" for node, count in counts.items()
    ]
    return f"fail count {', '.join(shown)}" if shown else ""


def _fencing(page: Page, status: dict[str, Any]) -> None:
    if status["fencing"]:
        page.title("Fencing")
    for entry in status["fencing"]:
        tries = f" after {entry['attempts']} attempts" if entry["attempts"] else ""
        state = f"{entry['state'].upper()}{tries}"
        page.line(f"{entry['node']}: {state}: {entry['reason']}", "bold red", indent=2)
        if entry["state"] == "failed":
            page.line("Nothing that it ran starts elsewhere until it is fenced.", indent=4)
            page.line("If it is certainly powered off:", indent=4)
            page.line(f"ninefold node declare-dead {entry['node']}", indent=6)


def _failures(page: Page, status: dict[str, Any]) -> None:
    if status["failures"]:
        page.title("Failed operations")
    for entry in status["failures"]:
        at = datetime.fromtimestamp(entry["at"], tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        reason = f": {entry['reason']}" if entry["reason"] else ""
        page.line(
            f"{entry['operation']} on {entry['node']}: {_exit(entry['rc'])}{reason}, at {at}",
            "red",
            indent=2,
        )
    for resource in dict.fromkeys(entry["resource"] for entry in status["failures"]):
        page.line(f"Forget them: ninefold resource cleanup {resource}", indent=4)


def _exit(rc: int) -> str:
    try:
        code = Rc(rc)
        return f"{_EXITS.get(code, code.name.lower().replace('_', ' '))} ({rc})"
    except ValueError:
        return f"exit {rc}"


def _notes(page: Page, status: dict[str, Any]) -> None:
    lines = [f"under way: {entry}" for entry in status["pending"]]
    lines += [f"warning: {entry}" for entry in status["warnings"]]
    if lines:
        page.title("Notes")
    for line in lines:
        page.line(line, indent=2)


def _width(words: Iterable[str]) -> int:
    return min(max((len(word) for word in words), default=0), WIDTH // 3)
