"""`ninefold design timing|quorum|capacity|fencing|checklist`: what a design must be asked besides its nines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from ninefold.cli.design_tables import show_capacity, show_fencing, show_quorum, timing_counts
from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, console, fail, show_json
from ninefold.cli.sheet import Column, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ninefold.core.findings import Finding
    from ninefold.design.audit.facts import HostFacts
    from ninefold.design.model import Infrastructure
    from ninefold.design.results import CheckItem, ServiceResult, TimingRow
    from ninefold.design.timing import Proposal

FileArgument = Annotated[Path, typer.Argument(help="The infrastructure file.", metavar="FILE")]
_WORDS = {True: "holds", False: "FAILS", None: "unknown"}
_STYLES = {True: "green", False: "bold red", None: "yellow"}
_ITEM_STYLES = {"yes": "green", "no": "bold red", "open": "yellow"}


def register(app: typer.Typer) -> None:
    """Add these commands to `ninefold design`."""
    for command in (timing, quorum, capacity, fencing, checklist):
        app.command()(command)


def timing(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Every timeout that must outlast another, and the least values that make all of them fit."""
    # The design layer takes scipy and networkx along; other commands do without.
    from ninefold.design.timing import proposals, timing_rows  # noqa: PLC0415

    model = loaded(file)
    rows = [row for group in model.groups.values() for row in timing_rows(model, group)]
    wanted = [change for group in model.groups.values() for change in proposals(model, group)]
    if json:
        show_json({"rows": msgspec.to_builtins(rows), "proposals": msgspec.to_builtins(wanted)})
    else:
        _no_groups(model)
        sheet = Sheet()
        for name in model.groups:
            _print_timing(sheet, name, [row for row in rows if row.group == name])
            _print_proposals(sheet, [change for change in wanted if change.group == name])
    if any(row.holds is False for row in rows):
        raise typer.Exit(REFUSED)


def _print_timing(sheet: Sheet, group: str, rows: list[TimingRow]) -> None:
    sheet.title(f"Timing chain of {group}: {timing_counts(rows)}")
    columns = (
        Column(""),
        Column("Rule", wide=True),
        Column("Left", right=True, wide=True),
        Column("Right", right=True, wide=True),
        Column("What to do", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                Text(_WORDS[row.holds], style=_STYLES[row.holds]),
                row.rule.partition(": ")[2],
                "?" if row.left_ms is None else _length(row.left_ms),
                "?" if row.right_ms is None else _length(row.right_ms),
                row.proposal,
            )
            for row in rows
        ),
    )


def _print_proposals(sheet: Sheet, changes: list[Proposal]) -> None:
    if not changes:
        return
    sheet.say("The least changes that make all of them hold whose numbers are known:", indent=2)
    columns = (
        Column("Set", wide=True),
        Column("to", right=True),
        Column("now", right=True),
        Column("in", wide=True),
    )
    sheet.table(
        columns,
        (
            (
                change.quantity,
                _length(change.proposed_ms),
                "unknown" if change.current_ms is None else _length(change.current_ms),
                change.where,
            )
            for change in changes
        ),
    )


def quorum(file: FileArgument, *, json: JsonFlag = False) -> None:
    """The truth table of every way a group can be cut: which part may act, and what that teaches."""
    from ninefold.design.quorum_table import quorum_table  # noqa: PLC0415 - as in `timing`

    model = loaded(file)
    tables = [quorum_table(model, group) for group in model.groups.values()]
    if json:
        show_json(msgspec.to_builtins(tables))
        return
    _no_groups(model)
    sheet = Sheet()
    for found in tables:
        told = f"{found.threshold} of {found.expected} votes are needed"
        sheet.title(f"Quorum of {found.group}: {told}")
        show_quorum(sheet, found, len(found.rows))


def capacity(file: FileArgument, *, json: JsonFlag = False) -> None:
    """After each single loss (node, rack, feed, ...): is there room for all that must run?"""
    from ninefold.design.capacity import capacity_rows  # noqa: PLC0415 - as in `timing`

    model = loaded(file)
    rows = [row for group in model.groups.values() for row in capacity_rows(model, group)]
    if json:
        show_json(msgspec.to_builtins(rows))
    elif not rows:
        text = "Nothing to compare: give nodes `capacity` and services `uses`, or utilization in the CIB."
        console.print(text, markup=False)
    else:
        show_capacity(Sheet(), rows)
    if any(not row.suffices for row in rows):
        raise typer.Exit(REFUSED)


def fencing(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Can every node be silenced, and by something that does not die with it?"""
    from ninefold.design.fence_check import fence_rows  # noqa: PLC0415 - as in `timing`

    model = loaded(file)
    rows = [row for group in model.groups.values() for row in fence_rows(model, group)]
    if json:
        show_json(msgspec.to_builtins(rows))
        return
    _no_groups(model)
    if rows:
        show_fencing(Sheet(), rows)


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
    model = loaded(file)
    hosts = [host for path in audit or () for host in hosts_of(path)]
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
        sheet = Sheet()
        _print_items(sheet, items)
        told = ", ".join(f"{count} {state}" for state, count in lists.counts(items).items())
        sheet.title(told)


def _print_items(sheet: Sheet, items: Iterable[CheckItem]) -> None:
    area = ""
    for item in items:
        if item.area != area:
            area = item.area
            sheet.title(area)
        told = Text(f"{item.state:5}", style=_ITEM_STYLES.get(item.state, ""))
        sheet.table(
            (Column("", right=True), Column(""), Column("", wide=True)),
            [(f"{item.number:2}", told, item.text)],
            head=False,
        )
        sheet.say(item.evidence, "dim", indent=13)
        if item.remedy and item.state == "no":
            sheet.say(f"Do: {item.remedy}", indent=13)


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


def hosts_of(path: Path) -> tuple[HostFacts, ...]:
    """Return the hosts of a file that `ninefold audit --json` printed; end if it is none."""
    from ninefold.design.audit.facts import Audit  # noqa: PLC0415 - as in `timing`

    try:
        return msgspec.json.decode(path.read_bytes(), type=Audit).hosts
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}.", USAGE)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fail(f"{path}: is not what `ninefold audit --json` prints: {error}.", USAGE)


def loaded(file: Path) -> Infrastructure:
    """Return the model; print what is wrong with it, and end if it cannot be used."""
    return all_loaded([file])[0]


def all_loaded(files: Sequence[Path]) -> list[Infrastructure]:
    """Return several models; print what is wrong with all of them before ending."""
    from ninefold.design.load import load  # noqa: PLC0415 - as in `timing`

    models, wrong, code = [], [], REFUSED
    for file in files:
        model, findings = load(file)
        if model is not None:
            models.append(model)
            continue
        wrong.append(str(file))
        code = USAGE if unreadable(findings) else code
        for finding in findings:
            complaints.print(str(finding), markup=False)
    if wrong:
        fail(f"{', '.join(wrong)} cannot be used as {'they are' if wrong[1:] else 'it is'}.", code)
    return models


def unreadable(findings: Iterable[Finding]) -> bool:
    """Tell whether it is the file itself that could not be read, and not one that it names."""
    return any(found.code == "unreadable" and found.subject == "file" for found in findings)


def _no_groups(model: Infrastructure) -> None:
    if not model.groups:
        console.print("The model has no failover group.", markup=False)


def _length(ms: float) -> str:
    from ninefold.design.timing import told_ms  # noqa: PLC0415 - as in `timing`

    return told_ms(ms)
