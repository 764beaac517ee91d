"""`ninefold ring`: the messaging below the cluster, as one node sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from ninefold.api.client import Client
from ninefold.cli.out import JsonFlag, SocketOption, ask, fail, show_json
from ninefold.cli.sheet import Column, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

app = typer.Typer(no_args_is_help=True, help="The ring: membership, links, token.")


@app.callback()
def ring() -> None:
    """Look at the ring."""


@app.command()
def status(*, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """Links, their latency and what they carry, the token's rotation, retransmissions, who hears whom."""
    told = ask(Client(socket).statistics)
    if json:
        show_json(told)
        return
    if not told.get("ring"):
        fail("this node does not run its own ring: ask Corosync, with 'corosync-cfgtool -s'.")
    sheet = Sheet()
    _head(sheet, told)
    _peers(sheet, told)
    _dropped(sheet, told["dropped"])


def _head(sheet: Sheet, told: dict[str, Any]) -> None:
    seen, names = told["ring"], told["names"]
    members = _named(seen["members"], names)
    sheet.title(f"Ring {seen['ring']}, seen from {told['node']}: {seen['state'].lower()}")
    sheet.say(f"Members: {members}", indent=2)
    rotation = "not yet known"
    if seen["rotation_ms"] is not None:
        rotation = f"{seen['rotation_ms']} ms on average, {seen['rotation_max_ms']} ms at most"
    silent = seen["silent_ms"]
    last = "never seen" if silent is None else f"last seen {silent} ms ago"
    sheet.say(f"Token: around in {rotation}; timeout {seen['token_ms']} ms, {last}", indent=2)
    sheet.say(
        f"Since the start: {told['tokens']} tokens, {told['token_losses']} lost; "
        f"{told['memberships']} memberships",
        indent=2,
    )
    sheet.say(
        f"Frames: {told['messages_sent']} sent, {told['messages_delivered']} delivered, "
        f"{told['retransmits']} sent again",
        indent=2,
    )
    misses = seen["scheduling_misses"]
    text = "Scheduling: never late"
    if misses:
        text = (
            f"Scheduling: {misses} times late by more than a fifth of the token timeout, "
            f"{seen['scheduling_miss_max_ms']} ms at most"
        )
    sheet.say(text, "yellow" if misses else "", indent=2)


def _peers(sheet: Sheet, told: dict[str, Any]) -> None:
    seen, names = told["ring"], told["names"]
    sheet.title("Peers")
    if not seen["peers"]:
        sheet.say("none are configured", indent=2)
        return
    columns = (
        Column("Node"),
        Column("Ring"),
        Column("Heard"),
        Column("Hears", wide=True),
        Column("Link"),
        Column("Address", wide=True),
        Column("State"),
        Column("Round trip", right=True),
        Column("MTU", right=True),
    )
    sheet.table(columns, _rows(seen, names))
    for note in _remarks(seen, names):
        sheet.point(note, "yellow")


def _rows(seen: dict[str, Any], names: dict[str, str]) -> Iterator[list[str | Text]]:
    for node, peer in seen["peers"].items():
        silent = peer["silent_ms"]
        said = peer["hears"]
        first: list[str | Text] = [
            names.get(node, node),
            "resting" if peer["resting"] else "member" if peer["member"] else "away",
            "never" if silent is None else f"{silent} ms ago",
            "has not said" if said is None else _named(said, names),
        ]
        for number, link in peer["links"].items():
            up = link["up"]
            yield [
                *first,
                number,
                link["address"],
                Text("up", style="green") if up else Text("down", style="red"),
                (f"{link['round_trip_ms']} ms" if link["round_trip_ms"] else "< 1 ms")
                if up
                else "",
                _mtu(link) if up else "",
            ]
            first = ["", "", "", ""]


def _mtu(link: dict[str, Any]) -> str | Text:
    return str(link["mtu"]) if link["mtu"] else Text("none", style="red")


def _remarks(seen: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    """Say who does not hear whom though both live, and who is let rest."""
    heard = {node for peer in seen["peers"].values() for node in peer["hears"] or ()}
    for node, peer in seen["peers"].items():
        if peer["resting"]:
            yield (
                f"{names.get(node, node)} asks to join but is not heard by all; it is asked again within "
                "half a minute. Look at the network between it and the others."
            )
        elif peer["hears"] is not None and (deaf := sorted(heard - set(peer["hears"]))):
            who = _named(deaf, names)
            yield f"{names.get(node, node)} did not hear {who} as the ring was formed; others did."


def _dropped(sheet: Sheet, dropped: dict[str, int]) -> None:
    if not dropped:
        return
    sheet.title("Not used, by reason")
    counted = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    sheet.table(
        (Column("Reason"), Column("Packets", right=True)),
        [[reason, str(count)] for reason, count in counted],
        head=False,
    )


def _named(nodes: Iterable[int], names: dict[str, str]) -> str:
    return ", ".join(names.get(str(node), str(node)) for node in nodes)
