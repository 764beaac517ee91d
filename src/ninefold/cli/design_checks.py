"""`ninefold design timing|quorum|capacity|fencing|checklist`: what a design must be asked besides its nines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, console, fail, show_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.design.audit.facts import HostFacts
    from ninefold.design.model import Infrastructure
    from ninefold.design.results import CheckItem, ServiceResult, TimingRow

FileArgument = Annotated[Path, typer.Argument(help="The infrastructure file.", metavar="FILE")]
_WORDS = {True: "holds", False: "FAILS", None: "unknown"}


def register(app: typer.Typer) -> None:
    """Add these commands to `ninefold design`."""
    for command in (timing, quorum, capacity, fencing, checklist):
        app.command()(command)


def timing(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Every timeout that must outlast another, and the least values that make all of them fit."""
    # The design layer takes scipy and networkx along; other commands do without.
    from ninefold.design.timing import proposals, timing_rows  # noqa: PLC0415

    model = _loaded(file)
    rows = [row for group in model.groups.values() for row in timing_rows(model, group)]
    wanted = [change for group in model.groups.values() for change in proposals(model, group)]
    if json:
        show_json({"rows": msgspec.to_builtins(rows), "proposals": msgspec.to_builtins(wanted)})
    else:
        _no_groups(model)
        _print_timing(rows)
        for change in wanted:
            now = "unknown" if change.current_ms is None else _length(change.current_ms)
            told = f"set {change.quantity} to {_length(change.proposed_ms)} (now {now}): {change.where}"
            console.print(f"{change.group}: {told}", markup=False)
    if any(row.holds is False for row in rows):
        raise typer.Exit(REFUSED)


def _print_timing(rows: list[TimingRow]) -> None:
    table = Table("Group", "Rule", "Left", "Right", "", "What to do", box=None, pad_edge=False)
    for row in rows:
        sides = [
            f"{name} = {'unknown' if ms is None else _length(ms)}"
            for name, ms in ((row.left_name, row.left_ms), (row.right_name, row.right_ms))
        ]
        cells = (row.group, row.rule.partition(": ")[2], *sides, _WORDS[row.holds], row.proposal)
        table.add_row(*map(_plain, cells))
    console.print(table)


def quorum(file: FileArgument, *, json: JsonFlag = False) -> None:
    """The truth table of every way a group can be cut: which part may act, and what that teaches."""
    from ninefold.design.quorum_table import quorum_table  # noqa: PLC0415 - as in `timing`

    model = _loaded(file)
    tables = [quorum_table(model, group) for group in model.groups.values()]
    if json:
        show_json(msgspec.to_builtins(tables))
        return
    _no_groups(model)
    for found in tables:
        head = f"{found.group}: {found.expected} votes expected, {found.threshold} needed"
        console.print(head, markup=False)
        table = Table("Together", "Votes", "", box=None, pad_edge=False)
        for row in found.rows:
            table.add_row(_plain(", ".join(row.members)), str(row.votes), _plain(row.sentence))
        console.print(table)
        for note in found.notes:
            console.print(f"- {note}", markup=False)


def capacity(file: FileArgument, *, json: JsonFlag = False) -> None:
    """After each single loss (node, rack, feed, ...): is there room for all that must run?"""
    from ninefold.design.capacity import capacity_rows  # noqa: PLC0415 - as in `timing`

    model = _loaded(file)
    rows = [row for group in model.groups.values() for row in capacity_rows(model, group)]
    if json:
        show_json(msgspec.to_builtins(rows))
    elif not rows:
        text = "Nothing to compare: give nodes `capacity` and services `uses`, or utilization in the CIB."
        console.print(text, markup=False)
    else:
        table = Table("Group", "Without", "Room", "", box=None, pad_edge=False)
        for row in rows:
            told = "suffices" if row.suffices else "TOO LITTLE"
            table.add_row(*map(_plain, (row.group, row.lost, told, row.sentence)))
        console.print(table)
    if any(not row.suffices for row in rows):
        raise typer.Exit(REFUSED)


def fencing(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Can every node be silenced, and by something that does not die with it?"""
    from ninefold.design.fence_check import fence_rows  # noqa: PLC0415 - as in `timing`

    model = _loaded(file)
    rows = [row for group in model.groups.values() for row in fence_rows(model, group)]
    if json:
        show_json(msgspec.to_builtins(rows))
        return
    _no_groups(model)
    table = Table("Group", "Node", "Devices", "Shared", "", box=None, pad_edge=False)
    for row in rows:
        cells = (row.group, row.node, ", ".join(row.devices), ", ".join(row.shared), row.sentence)
        table.add_row(*map(_plain, cells))
    console.print(table)


def checklist(
    file: FileArgument,
    *,
    audit: Annotated[
        list[Path] | None,
        typer.Option("--audit", help="What `ninefold audit --json` printed; once for each file."),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask what is open; print the answers to keep.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: JsonFlag = False,
) -> None:
    """The design checklist: 66 items, checked where they can be seen, else asked."""
    from ninefold.design import checklist as lists  # noqa: PLC0415 - as in `timing`

    if markdown + csv + json + ask > 1:
        fail("Choose one of --markdown, --csv, --json and --ask.", USAGE)
    model = _loaded(file)
    hosts = [host for path in audit or () for host in _hosts(path)]
    items = lists.checklist(model, results=_results(model), hosts=hosts)
    if ask:
        typer.echo(lists.answers_text({**model.answers, **_asked(items)}), nl=False)
    elif json:
        show_json(msgspec.to_builtins(items))
    elif markdown:
        typer.echo(lists.as_markdown(items, model.name), nl=False)
    elif csv:
        typer.echo(lists.as_csv(items), nl=False)
    else:
        _print_items(items)
        told = ", ".join(f"{count} {state}" for state, count in lists.counts(items).items())
        console.print(told, markup=False)


def _print_items(items: Iterable[CheckItem]) -> None:
    area = ""
    for item in items:
        if item.area != area:
            area = item.area
            console.print(f"\n{area}", style="bold", markup=False)
        console.print(f"{item.number:3} {item.state:5} {item.text}", markup=False)
        console.print(f"          {item.evidence}", markup=False, style="dim")
        if item.remedy and item.state == "no":
            console.print(f"          Do: {item.remedy}", markup=False)


def _asked(items: Iterable[CheckItem]) -> dict[int, str]:
    """Ask for each open item; an empty answer leaves it open, `q` ends the questions."""
    answers: dict[int, str] = {}
    for item in items:
        if item.state != "open":
            continue
        complaints.print(f"{item.number}. {item.text}\n   {item.evidence}", markup=False)
        said = str(
            typer.prompt(
                "yes, no, na (: comment), q to end", default="", show_default=False, err=True
            )
        ).strip()
        if said == "q":
            break
        if said:
            answers[item.number] = said
    return answers


def _results(model: Infrastructure) -> dict[str, ServiceResult]:
    """Return the predicted availabilities, without the sampling that the list does not need."""
    # `analyse` computes all of the report; the layer below `cli` is the only one that knows how.
    from ninefold.design.analysis import analyse  # noqa: PLC0415 - as in `timing`

    report = analyse(model, samples=0, seed=1, policy_years=0)
    return {result.service: result for result in report.services}


def _hosts(path: Path) -> tuple[HostFacts, ...]:
    from ninefold.design.audit.facts import Audit  # noqa: PLC0415 - as in `timing`

    try:
        return msgspec.json.decode(path.read_bytes(), type=Audit).hosts
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}.", USAGE)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fail(f"{path}: is not what `ninefold audit --json` prints: {error}.", USAGE)


def _loaded(file: Path) -> Infrastructure:
    """Return the model; print what is wrong with it, and end if it cannot be used."""
    from ninefold.design.load import load  # noqa: PLC0415 - as in `timing`

    try:
        model, findings = load(file)
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}.", USAGE)
    if model is None:
        for finding in findings:
            complaints.print(str(finding), markup=False)
        fail(f"{file} cannot be used as it is.")
    return model


def _no_groups(model: Infrastructure) -> None:
    if not model.groups:
        console.print("The model has no failover group.", markup=False)


def _length(ms: float) -> str:
    from ninefold.design.timing import told_ms  # noqa: PLC0415 - as in `timing`

    return told_ms(ms)


def _plain(text: str) -> Any:
    from rich.text import Text  # noqa: PLC0415 - rich's text, so that brackets stay brackets

    return Text(text)
