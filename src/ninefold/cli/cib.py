"""`ninefold cib`: the cluster's document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ninefold.api.client import Client
from ninefold.cib.check import check as check_cib
from ninefold.cib.document import Cib
from ninefold.cib.model import ReplaceConfiguration, SetProperty, Version
from ninefold.cli.out import (
    REFUSED,
    USAGE,
    JsonFlag,
    SocketOption,
    WhyOption,
    ask,
    complaints,
    console,
    done,
    fail,
    request,
    show_json,
)
from ninefold.controller.requests import ChangeCib
from ninefold.core.findings import Finding, Severity

app = typer.Typer(no_args_is_help=True, help="Show, check, replace and look back at the CIB.")

FileArgument = Annotated[Path, typer.Argument(help="A file with a <cib>, or - for standard input.")]


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {error}.", USAGE)


def print_findings(findings: list[Finding]) -> None:
    """Print findings, errors first as found."""
    for finding in findings:
        complaints.print(str(finding), markup=False)


@app.command()
def show(*, json: JsonFlag = False, socket: SocketOption = None) -> None:
    """Print the document as this node has it."""
    answer = ask(Client(socket).cib)
    if json:
        show_json(answer)
    else:
        sys.stdout.write(answer["xml"])


@app.command()
def replace(
    file: FileArgument,
    *,
    force: bool = typer.Option(False, "--force", help="Overwrite what others changed meanwhile."),
    why: WhyOption = "",
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Replace the configuration; the status stays. Refused if it was edited from an old version."""
    text = _read(file)
    base: Version | None = None
    if not force:
        cib, _ = Cib.parse(text)
        base = cib.version if cib is not None else None
    change = ReplaceConfiguration(text, base)
    answer = request(socket, ChangeCib(change, why or f"replaced from {file.name}"))
    done(answer, "The configuration was replaced", as_json=json)


@app.command()
def check(file: FileArgument) -> None:
    """Say everything that is wrong with a CIB file, with line and remedy. Needs no cluster."""
    text = _read(file)
    cib, findings = Cib.parse(text)
    if cib is not None:
        findings = check_cib(cib.root)
    print_findings(findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(REFUSED)
    console.print(f"{file}: can be used", markup=False)


@app.command()
def history(
    *,
    limit: int = typer.Option(20, help="How many versions."),
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Who changed the document, when and why."""
    versions = ask(lambda: Client(socket).versions(limit))
    if json:
        show_json(versions)
        return
    table = Table("Version", "When (UTC)", "Who", "Why", box=None, pad_edge=False)
    for entry in versions:
        table.add_row(entry["version"], entry["at"], entry["who"], entry["why"])
    console.print(table)


@app.command(name="property")
def set_property(
    name: Annotated[str, typer.Argument(help="For example maintenance-mode.")],
    value: Annotated[str | None, typer.Argument(help="Left out: the property is removed.")] = None,
    *,
    why: WhyOption = "",
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Set or remove a cluster property."""
    what = f"{name} removed" if value is None else f"{name}={value}"
    answer = request(socket, ChangeCib(SetProperty(name, value), why or what))
    done(answer, what, as_json=json)
