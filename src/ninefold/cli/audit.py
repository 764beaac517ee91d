"""`ninefold audit`: look at this host, or put together what was seen on several."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ninefold.cli.design_checks import hosts_of
from ninefold.cli.out import REFUSED, USAGE, JsonFlag, console, fail, show_json

if TYPE_CHECKING:
    from ninefold.design.audit.facts import Audit

DAYS_MAX = 3650


def audit(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="What --json printed on other hosts: put together instead of looking at this one.",
            metavar="HOST.json ...",
        ),
    ] = None,
    *,
    html: Annotated[Path | None, typer.Option(help="Also write a page to this file.")] = None,
    to_model: Annotated[
        Path | None,
        typer.Option(
            help="Also write an infrastructure file of what was found; never over another."
        ),
    ] = None,
    since_days: Annotated[
        int, typer.Option(help="Read the logs of so many days.", min=1, max=DAYS_MAX)
    ] = 30,
    root: Annotated[
        Path | None,
        typer.Option(help="Look at a tree of files that was copied from a host, or mounted."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Single points of failure and other dangers of a host, by looking at it; nothing is changed.

    Needs no cluster. An ordinary user may run it, and is told what only root can read. Ends with 1 if
    something is broken or dangerous now (severity error); single points of failure alone are 0.
    """
    if files and root is not None:
        fail("Give files, or --root, not both.", USAGE)
    if to_model is not None and to_model.exists():
        fail(f"{to_model} is there already; give another name.", USAGE)
    found = _put_together(files) if files else _looked_at(root or Path("/"), since_days)
    # Files first: a pager that is closed early ends us while we print.
    if html is not None:
        from ninefold.design.page import audit_page  # noqa: PLC0415 - as in `_looked_at`

        _write(html, audit_page(found))
    if to_model is not None:
        from ninefold.design.audit.to_model import to_model as drawn  # noqa: PLC0415 - likewise

        _write(to_model, drawn(found))
    if json:
        show_json(msgspec.to_builtins(found))
    else:
        from ninefold.cli.audit_report import show_audit  # noqa: PLC0415 - as in `_looked_at`
        from ninefold.cli.sheet import Sheet  # noqa: PLC0415 - as in `_looked_at`

        show_audit(Sheet(), found)
        for path in (html, to_model):
            if path is not None:
                console.print(f"{path}: written", markup=False)
    if any(judgement.severity == "error" for judgement in found.judgements):
        raise typer.Exit(REFUSED)


def _looked_at(root: Path, since_days: int) -> Audit:
    # The design layer takes psutil along; a host that only runs a cluster does without.
    from ninefold.design.audit.collect import collect  # noqa: PLC0415
    from ninefold.design.audit.judge import audit as judged  # noqa: PLC0415

    if not root.is_dir():
        fail(f"{root} is no directory.", USAGE)
    # `/.` and `//` are the real root too.
    place = Path("/") if root.samefile("/") else root
    return judged([collect(place, now=int(time.time()), since_days=since_days)])


def _put_together(files: list[Path]) -> Audit:
    from ninefold.design.audit.judge import audit as judged  # noqa: PLC0415 - as in `_looked_at`

    return judged([host for file in files for host in hosts_of(file)])


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}.", USAGE)
