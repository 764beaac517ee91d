"""`ninefold config`: the corosync.conf."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from ninefold.cli.cib import print_findings
from ninefold.cli.out import REFUSED, USAGE, JsonFlag, console, fail, show_json
from ninefold.host.surroundings import check_file

app = typer.Typer(no_args_is_help=True, help="Judge a corosync.conf.")


@app.callback()
def config() -> None:
    """Judge a corosync.conf."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file to judge, as this host sees it.")] = Path(
        "/etc/corosync/corosync.conf"
    ),
    *,
    values: bool = typer.Option(False, "--values", help="Show what every key amounts to."),
    json_: JsonFlag = False,
) -> None:
    """Say everything that is wrong with a corosync.conf, with line and remedy. Needs no cluster."""
    try:
        report = check_file(str(file))
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}.", USAGE)
    if json_:
        show_json(json.loads(msgspec.json.encode(report)))
    else:
        print_findings(list(report.findings))
        if values:
            table = Table("Key", "Value", "From", box=None, pad_edge=False)
            for entry in report.values:
                source = f"line {entry.line}" if entry.line else entry.source.value
                table.add_row(entry.key, f"{entry.value} {entry.unit}".rstrip(), source)
            console.print(table)
        if report.accepted:
            console.print(f"{file}: can be used on this host", markup=False)
    if not report.accepted:
        raise typer.Exit(REFUSED)
