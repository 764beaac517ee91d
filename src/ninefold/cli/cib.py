"""`ninefold cib`: the cluster's document."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer
from rich.table import Table

from ninefold.api.client import Client
from ninefold.cib.carried import not_carried_out, not_heeded
from ninefold.cib.check import check as check_cib
from ninefold.cib.document import Cib, parse_xml
from ninefold.cib.model import ReplaceConfiguration, SetProperty
from ninefold.cib.verify import verify as verify_cib
from ninefold.cli.documents import read
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
from ninefold.core.findings import Severity, errors

if TYPE_CHECKING:
    from ninefold.core.findings import Finding

app = typer.Typer(no_args_is_help=True, help="Show, check, replace and look back at the CIB.")

FileArgument = Annotated[Path, typer.Argument(help="A file with a <cib>, or - for standard input.")]


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}.", USAGE)


def print_findings(findings: list[Finding]) -> None:
    """Print findings, errors first as found."""
    for finding in findings:
        complaints.print(str(finding), markup=False)


def judge(text: str, file: str) -> tuple[Cib | None, list[Finding]]:
    """Return the document, if it is one, and everything that is wrong with it."""
    cib, findings = Cib.parse(text)
    # A document is written anew as it is kept; only the tree of the text itself knows its lines.
    root, _ = parse_xml(text)
    if cib is not None and root is not None:
        findings = [*findings, *(f for f in check_cib(root) if f not in findings)]
        findings += not_carried_out(cib.configuration, Severity.WARNING)
        findings += not_heeded(cib.configuration)
    return cib, [msgspec.structs.replace(finding, file=file) for finding in findings]


@app.command()
def show(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to a file, to be edited.")
    ] = None,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Print the document as this node has it."""
    answer = ask(Client(socket).cib)
    if output is not None:
        try:
            # Parameters of agents hold passwords: for nobody else, as in the store.
            output.touch(mode=0o600)
            output.write_text(answer["xml"])
        except OSError as error:
            fail(f"{output}: cannot be written: {error.strerror}.", USAGE)
    if json:
        show_json(answer)
    elif output is None:
        sys.stdout.write(answer["xml"])
    else:
        console.print(f"CIB {answer['version']} is in {output}", markup=False)


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
    cib, findings = judge(text, str(file))
    if errors(findings):
        refuse(findings, as_json=json)
    print_findings(findings)
    base = cib.version if cib is not None and not force else None
    change = ReplaceConfiguration(text, base)
    answer = request(socket, ChangeCib(change, why or f"replaced from {file.name}"))
    done(answer, "The configuration was replaced", as_json=json)


@app.command()
def check(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Say everything that is wrong with a CIB file, with line and remedy. Needs no cluster."""
    _, findings = judge(_read(file), str(file))
    if errors(findings):
        refuse(findings, as_json=json)
    if json:
        show_json({"accepted": True, "findings": msgspec.to_builtins(findings)})
        return
    print_findings(findings)
    console.print(f"{file}: can be used", markup=False)


@app.command()
def verify(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Find all that is wrong in a CIB: also references, circles, contradictions, absurd sizes.

    Ends with 2 if there is an error. Needs no cluster.
    """
    findings = verify_cib(read(file), str(file))
    bad = errors(findings)
    if json:
        show_json({"accepted": not bad, "findings": msgspec.to_builtins(findings)})
    else:
        print_findings(findings)
    if bad:
        raise typer.Exit(USAGE)
    if not json:
        told = "there is no error" if findings else "nothing is wrong"
        console.print(f"{file}: {told}", markup=False)


def refuse(findings: list[Finding], *, as_json: bool) -> NoReturn:
    """Show all findings of a document that cannot be used, and end."""
    if as_json:
        show_json({"accepted": False, "findings": msgspec.to_builtins(findings)})
    else:
        print_findings(findings)
    raise typer.Exit(REFUSED)


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
