"""`ninefold config`: the corosync.conf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from ninefold.api.client import Client
from ninefold.cli.cib import print_findings
from ninefold.cli.out import (
    REFUSED,
    USAGE,
    JsonFlag,
    SocketOption,
    ask,
    console,
    fail,
    show_json,
)
from ninefold.config.grammar import decode, parse
from ninefold.config.load import check as judge_text
from ninefold.config.surroundings import KeyFile
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from ninefold.config.explain import CheckReport

# What corosync-keygen writes.
KEY_BYTES = 256

app = typer.Typer(no_args_is_help=True, help="Judge a corosync.conf, or have it read again.")


@app.callback()
def config() -> None:
    """Judge a corosync.conf."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file to judge, as this host sees it.")] = Path(
        "/etc/corosync/corosync.conf"
    ),
    *,
    node: Annotated[
        str, typer.Option("--as", help="Judge it as the host of this node would.", metavar="NODE")
    ] = "",
    values: bool = typer.Option(False, "--values", help="Show what every key amounts to."),
    json_: JsonFlag = False,
) -> None:
    """Say everything that is wrong with a corosync.conf, with line and remedy. Needs no cluster."""
    try:
        report = judge(file, node)
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}.", USAGE)
    if json_:
        show_json(msgspec.to_builtins(report))
    else:
        print_findings(list(report.findings))
        if not node and any(entry.code == "local-node-absent" for entry in report.findings):
            console.print("A file for another host is judged with '--as NODE'.", markup=False)
        if values:
            console.print(values_table(report))
        if report.accepted:
            where = f"by {node}, given a fit key file there" if node else "on this host"
            console.print(f"{file}: can be used {where}", markup=False)
    if not report.accepted:
        raise typer.Exit(REFUSED)


@app.command()
def reload(*, socket: SocketOption = None, json_: JsonFlag = False) -> None:
    """Have all members of the ring read their corosync.conf again: all take it, or none.

    Put the same file on every node first; one command on one node is enough. Nodes, links, addresses, votes
    and timers change together, but not more than one vote at a time: add or take several nodes one after the
    other. If any member cannot go by its file, nothing changes anywhere, and every reason is named.
    """
    answer = ask(Client(socket).reload)
    if json_:
        show_json(answer)
        return
    findings = msgspec.convert(answer["findings"], list[Finding])
    print_findings(findings)
    changed = any(finding.severity is Severity.INFO for finding in findings)
    text = "taken by all members" if changed else "nothing that a running node takes has changed"
    console.print(f"{answer['file']}: {text}", markup=False)


def judge(file: Path, node: str) -> CheckReport:
    """Judge a file with this host's surroundings, or as `node`. Raises `OSError`.

    As another node, what this host finds of names is still taken as the truth. Its key file says
    nothing about the other's, which cannot be seen from here: that is taken to be as it should.
    """
    # What looks at the host's interfaces takes 0.1 s to import; other commands do without.
    from ninefold.host.surroundings import look  # noqa: PLC0415

    text = decode(file.read_bytes())
    tree, _ = parse(text, file=str(file))
    surroundings = look(tree)
    if node:
        theirs = KeyFile(size=KEY_BYTES, owner=surroundings.uid)
        surroundings = msgspec.structs.replace(
            surroundings, hostnames=(node,), addresses=(), keyfile=theirs
        )
    return judge_text(text, str(file), surroundings)


def values_table(report: CheckReport) -> Table:
    """Return the value that every key takes, and where it comes from."""
    table = Table("Key", "Value", "From", box=None, pad_edge=False)
    for entry in report.values:
        source = f"line {entry.line}" if entry.line else entry.source.value
        table.add_row(entry.key, f"{entry.value} {entry.unit}".rstrip(), source)
    return table
