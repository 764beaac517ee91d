"""`ninefold keys`: the key that the members of the ring share, and another one in its place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ninefold.api.client import Client
from ninefold.cli.out import JsonFlag, SocketOption, ask, console, fail, show_json
from ninefold.cli.sheet import Column, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A rotation takes three saves at each node and as many words around the ring: well under a second.
POLL_S = 0.1

app = typer.Typer(
    no_args_is_help=True, help="The ring's shared keys: which are held, and rotation."
)


@app.callback()
def keys() -> None:
    """Look at the ring's shared keys, or rotate them."""


@app.command()
def status(*, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """Which key each member sends under and which it takes, by fingerprint."""
    told = _told(socket)
    if json:
        show_json({"names": told["names"], "keys": told["ring"]["keys"]})
        return
    seen, names = told["ring"]["keys"], told["names"]
    sheet = Sheet()
    sheet.title(f"Keys, seen from {told['node']}")
    columns = (Column("Node"), Column("Sends under"), Column("Next"), Column("Takes still"))
    rows: list[list[str]] = []
    for node, name in names.items():
        held = seen["nodes"].get(node)
        cells = [held["active"], held["next"], held["previous"]] if held else ["absent", "", ""]
        rows.append([name, *cells])
    sheet.table(columns, rows)
    text = _standing(seen, names)
    sheet.say(text, "yellow" if seen["under_way"] else "", indent=2)


@app.command()
def rotate(
    *,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            help="An absent node that need not take part. Its key file must be replaced by hand.",
            metavar="NODE",
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", help="Seconds to wait until all is done; 0 does not wait.")
    ] = 30.0,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Give all nodes a new shared key while they run; or have a rotation under way go on.

    The new key is sent around the ring under the old one, and used when every node has it on its disk. If
    the old one may be known to others, stop the cluster and copy a new key file by hand instead.
    """
    begun = ask(lambda: Client(socket).rotate_keys(without or ()))
    told = _waited(socket, begun, wait)
    seen, names = told["ring"]["keys"], told["names"]
    over = _is_over(seen, begun)
    if json:
        show_json({"begun": begun, "done": over, "names": names, "keys": seen})
    if over:
        if not json:
            _tell_the_end(seen, without or ())
        return
    if wait:
        fail(f"not done within {wait:g} s. {_standing(seen, names)}")
    if not json:
        console.print(_standing(seen, names), markup=False)


REMEDY = (
    "copy the key file (totem.keyfile) from a member to it, remove FILE.next, FILE.previous and FILE.without there,"
    " then start its daemon."
)


def _told(socket: str | None) -> dict[str, Any]:
    told: dict[str, Any] = ask(Client(socket).statistics)
    if not told.get("ring"):
        fail(
            "the ring is Corosync's, and so is its key; 'ninefold keys rotate' says how Corosync takes another."
        )
    if not told["ring"].get("keys"):
        fail("crypto is off in this ring's corosync.conf: there are no keys.")
    return told


def _waited(socket: str | None, begun: dict[str, Any], wait: float) -> dict[str, Any]:
    end = time.monotonic() + wait
    while True:
        told = _told(socket)
        if _is_over(told["ring"]["keys"], begun) or time.monotonic() >= end:
            return told
        time.sleep(POLL_S)


def _is_over(seen: dict[str, Any], begun: dict[str, Any]) -> bool:
    """Whether the rotation that was begun, or went on, has come to its end."""
    if seen["under_way"]:
        return False
    return bool(begun["under_way"]) or bool(seen["active"] != begun["active"])


def _tell_the_end(seen: dict[str, Any], without: Sequence[str]) -> None:
    text = f"All nodes send under key {seen['active']}, and take no other."
    console.print(text, markup=False)
    for node in without:
        console.print(f"{node} was left out: {REMEDY}", markup=False)


def _standing(seen: dict[str, Any], names: dict[str, str]) -> str:
    if not seen["under_way"]:
        return "No rotation is under way."
    waits = _named(seen["waits_for"], names)
    if not waits:
        return "A rotation is under way; every node has the key."
    if all(str(node) in seen["nodes"] for node in seen["waits_for"]):
        return f"A rotation is under way and waits for the disk of {waits}; the log there has why."
    return (
        f"A rotation is under way and waits for {waits}: it goes on when they are in the ring again. If"
        f" they will not come back soon, leave them out: 'ninefold keys rotate --without NODE', and {REMEDY}"
    )


def _named(nodes: Iterable[int], names: dict[str, str]) -> str:
    return ", ".join(names.get(str(node), str(node)) for node in nodes)
