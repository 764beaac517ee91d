"""`ninefold quorum`: who may act, now and in every partition that could come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from ninefold.api.client import Client
from ninefold.cli.cib import print_findings
from ninefold.cli.design_tables import show_quorum
from ninefold.cli.out import REFUSED, USAGE, JsonFlag, SocketOption, ask, fail, show_json
from ninefold.cli.sheet import Column, Sheet
from ninefold.config.grammar import decode, parse
from ninefold.config.load import load

app = typer.Typer(no_args_is_help=True, help="Votes: who may act.")


@app.callback()
def quorum() -> None:
    """Look at votes."""


@app.command()
def status(*, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """May this partition act, why, and what each member says."""
    told = ask(Client(socket).statistics)
    if json:
        show_json({key: told.get(key) for key in ("node", "names", "quorum")})
        return
    found = told.get("quorum")
    if not found:
        fail("this node does not count votes itself: ask Corosync, with 'corosync-quorumtool'.")
    sheet = Sheet()
    _verdict(sheet, told["node"], found)
    _members(sheet, found, told["names"])


def _verdict(sheet: Sheet, node: str, found: dict[str, Any]) -> None:
    sheet.title(f"Quorum in ring {found['ring']}, seen from {node}")
    word, style = ("yes", "green") if found["quorate"] else ("NO", "bold red")
    sheet.say(f"May act: {word}. {found['reason']}", style, indent=2)
    if not found["provider"]:
        return
    sheet.say(
        f"Votes: {found['votes']} present, {found['threshold']} needed, {found['expected']} expected",
        indent=2,
    )
    sheet.say(f"Options: {', '.join(found['options']) or 'none'}", indent=2)
    if found["waiting"]:
        sheet.say(
            "Waits for all nodes to be seen once. If those missing are off for certain, take them out of "
            "the nodelist.",
            "yellow",
            indent=2,
        )


def _members(sheet: Sheet, found: dict[str, Any], names: dict[str, str]) -> None:
    sheet.title("Nodes")
    rows: list[list[str | Text]] = []
    for node, votes in found["configured"].items():
        said = found["members"].get(node)
        if said is None:
            rows.append([names.get(node, node), str(votes), Text("absent", style="red"), "", ""])
            continue
        state = (
            "waits for all" if said["waiting"] else "quorate" if said["quorate"] else "inquorate"
        )
        rows.append(
            [names.get(node, node), str(said["votes"]), "member", str(said["expected"]), state]
        )
    columns = (
        Column("Node"),
        Column("Votes", right=True),
        Column("Ring"),
        Column("Expects", right=True),
        Column("Says"),
    )
    sheet.table(columns, rows)


@app.command()
def table(
    file: Annotated[Path, typer.Argument(help="The corosync.conf.")] = Path(
        "/etc/corosync/corosync.conf"
    ),
    *,
    json: JsonFlag = False,
) -> None:
    """For every partition that a corosync.conf allows: may it act? Needs no cluster."""
    # What judges a file for no host in particular belongs to design, which takes a while to import.
    from ninefold.design.evidence import surroundings_of  # noqa: PLC0415
    from ninefold.design.model import Group, Infrastructure  # noqa: PLC0415
    from ninefold.design.quorum_table import quorum_table  # noqa: PLC0415

    try:
        text = decode(file.read_bytes())
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}.", USAGE)
    tree, _ = parse(text, file=str(file))
    config, findings = load(text, file=str(file), surroundings=surroundings_of(tree))
    if config is None:
        print_findings(findings)
        raise typer.Exit(REFUSED)
    print_findings([one for one in findings if one.subject.startswith(("quorum", "nodelist"))])
    name = config.totem.cluster_name or str(file)
    group = Group(name, tuple(node.name for node in config.nodes), corosync=str(file))
    found = quorum_table(Infrastructure(name, {}), group)
    if json:
        show_json(msgspec.to_builtins(found))
        return
    sheet = Sheet()
    sheet.title(f"Quorum of {name}: {found.threshold} of {found.expected} votes are needed")
    show_quorum(sheet, found, len(found.rows))
