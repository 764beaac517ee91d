"""`ninefold design`: judge a model of an infrastructure, and report on it."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from ninefold.cli import design_checks
from ninefold.cli.design_checks import FileArgument, all_loaded, hosts_of, loaded, unreadable
from ninefold.cli.design_init import init
from ninefold.cli.extra import ExtraGroup
from ninefold.cli.out import (
    REFUSED,
    USAGE,
    JsonFlag,
    complaints,
    console,
    fail,
    show_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ninefold.design.audit.facts import HostFacts
    from ninefold.design.model import Infrastructure
    from ninefold.design.results import Report

app = typer.Typer(
    cls=ExtraGroup,
    no_args_is_help=True,
    help="From a model of an infrastructure to its single points of failure, its nines, and what to do.",
)
app.command()(init)  # the order of the help is that of the work

SamplesOption = Annotated[
    int,
    typer.Option(help="Draws of the inputs for the band; 0 leaves it out.", min=0, max=1_000_000),
]
SeedOption = Annotated[int, typer.Option(help="The same seed draws the same.", min=0)]
YearsOption = Annotated[
    float,
    typer.Option(help="Simulate so many years of life with the real scheduler.", min=0, max=1e6),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", help="Write it as one page for a browser, which needs no network."),
]
AuditOption = Annotated[
    list[Path] | None,
    typer.Option("--audit", help="What `ninefold audit --json` printed; once for each file."),
]


@app.command()
def check(file: FileArgument, *, json: JsonFlag = False) -> None:
    """Say everything that is wrong with an infrastructure file, with line and remedy."""
    # The design layer takes scipy and networkx along; other commands do without.
    from ninefold.core.findings import Severity, errors  # noqa: PLC0415
    from ninefold.design.load import load  # noqa: PLC0415

    model, findings = load(file)
    if json:
        accepted = model is not None
        show_json({"accepted": accepted, "findings": msgspec.to_builtins(findings)})
    else:
        for found in findings:
            complaints.print(str(found), markup=False)
    if unreadable(findings):
        raise typer.Exit(USAGE)
    wrong = len(errors(findings))
    if model is None:
        if not json:
            complaints.print(f"ninefold: {file} has {_count(wrong, 'error')}.", markup=False)
        raise typer.Exit(REFUSED)
    if not json:
        warned = sum(found.severity is Severity.WARNING for found in findings)
        parts = [
            _count(len(model.parts), "part"),
            _count(len(model.groups), "group"),
            _count(len(model.services), "service"),
            _count(warned, "warning"),
        ]
        console.print(f"{file}: can be used ({', '.join(parts)})", markup=False)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


@app.command()
def report(
    file: FileArgument,
    *,
    section: Annotated[
        list[str] | None,
        typer.Option("--section", help="Only this part of it: services, spofs, timing, ..."),
    ] = None,
    samples: SamplesOption = 1000,
    seed: SeedOption = 1,
    years: YearsOption = 0.0,
    audit: AuditOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 if a service misses its objective.")
    ] = False,
    html: HtmlOption = None,
    json: JsonFlag = False,
) -> None:
    """Everything that can be said of a design: nines, single points of failure, failover, quorum, ..."""
    from ninefold.cli.design_report import SECTIONS, show_report  # noqa: PLC0415 - as in `check`
    from ninefold.cli.sheet import Sheet  # noqa: PLC0415

    unknown = [name for name in section or () if name not in SECTIONS]
    if unknown:
        fail(f"There is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.", USAGE)
    model = loaded(file)
    hosts = [host for path in audit or () for host in hosts_of(path)]
    found = analysed(model, samples=samples, seed=seed, years=years, hosts=hosts)
    if html is not None:
        from ninefold.design.page import report_page  # noqa: PLC0415 - as in `check`

        write_page(html, report_page(found, model))
    if json:
        show_json(finite(msgspec.to_builtins(found)))
    elif html is None or section:
        show_report(Sheet(), found, section or ())
    else:
        console.print(f"The report is in {html}", markup=False)
    if strict and any(service.meets_slo is False for service in found.services):
        raise typer.Exit(REFUSED)


@app.command()
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(help="Two infrastructure files or more.", metavar="FILE FILE..."),
    ],
    *,
    samples: SamplesOption = 0,
    seed: SeedOption = 1,
    html: HtmlOption = None,
    json: JsonFlag = False,
) -> None:
    """Designs side by side: availability, single points of failure, cost, and what a minute costs.

    The first file is what the others are measured against.
    """
    from ninefold.cli.design_compare import show_comparison  # noqa: PLC0415 - as in `check`
    from ninefold.cli.sheet import Sheet  # noqa: PLC0415
    from ninefold.design.compare import Incomparable  # noqa: PLC0415
    from ninefold.design.compare import compare as compared  # noqa: PLC0415

    if len(files) < 2:
        fail("Give two files or more.", USAGE)
    models = all_loaded(files)
    reports = [analysed(model, samples=samples, seed=seed) for model in models]
    try:
        found = compared(list(zip(models, reports, strict=True)))
    except Incomparable as error:
        fail(str(error))
    if html is not None:
        from ninefold.design.page import compare_page  # noqa: PLC0415 - as in `check`

        write_page(html, compare_page(found))
    if json:
        show_json(finite(msgspec.to_builtins(found)))
    elif html is None:
        show_comparison(Sheet(), found)
    else:
        console.print(f"The comparison is in {html}", markup=False)


def write_page(path: Path, text: str) -> None:
    """Write a page; end with a message if that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}.", USAGE)


@app.command()
def schema() -> None:
    """Print the JSON Schema of an infrastructure file, for editors."""
    from ninefold.design.schema import text  # noqa: PLC0415 - as in `check`

    typer.echo(text(), nl=False)


def analysed(
    model: Infrastructure,
    *,
    samples: int = 1000,
    seed: int = 1,
    years: float = 0.0,
    hosts: list[HostFacts] | None = None,
) -> Report:
    """Return all analyses of a model, with a bar on a terminal while they run."""
    from ninefold.design.analysis import analyse  # noqa: PLC0415 - as in `check`
    from ninefold.design.bdd import TooLarge  # noqa: PLC0415

    steps = len(model.groups) + len(model.services) + 1 + (years > 0)
    with progress(steps) as (tell, share):
        try:
            return analyse(
                model,
                samples=samples,
                seed=seed,
                policy_years=years,
                hosts=hosts or (),
                progress=tell,
                lived=share,
            )
        except TooLarge as error:
            fail(f"{model.file}: {error}")


@contextlib.contextmanager
def progress(steps: int) -> Iterator[tuple[Callable[[str], None], Callable[[float], None]]]:
    """Show a bar on the standard error while something takes long; nothing if it is no terminal.

    Yields what is to be told the name of each step as it begins, and the share of it that is done.
    """
    if not complaints.is_terminal:
        yield lambda _: None, lambda _: None
        return
    from rich.progress import (  # noqa: PLC0415 - only a terminal needs it
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    begun = -1

    def tell(text: str) -> None:
        nonlocal begun
        begun += 1
        # The bar draws ten times a second by itself, and a step may be shorter than that.
        bar.update(task, completed=begun, description=text, refresh=True)

    with Progress(*columns, console=complaints, transient=True) as bar:
        task = bar.add_task("", total=steps)
        yield tell, lambda share: bar.update(task, completed=begun + share)


def finite(value: Any) -> Any:
    """Return data without infinities, which JSON cannot say: `null` instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(inner) for inner in value]
    return value


design_checks.register(app)
