"""Documents to think about: a CIB in a file, or the running cluster's; and the time to do it for."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec

from ninefold.cib.check import check as check_cib
from ninefold.cib.document import parse_tree
from ninefold.cib.verify import too_large
from ninefold.cli.answers import USAGE, complain, end, fail, show_json
from ninefold.cli.line import Argument, Option
from ninefold.core.findings import errors
from ninefold.scheduler import schedule_document
from ninefold.scheduler.rules import instant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.core.findings import Finding
    from ninefold.core.instants import WallSeconds

DocumentArgument = Annotated[
    Path | None,
    Argument(
        "A file with a <cib>, or - for standard input; left out: the running cluster's.",
        "[CIB.xml]",
    ),
]
NowOption = Annotated[
    str | None,
    Option(
        ("--now",),
        "The time to decide for; left out: the document's execution-date, or the present.",
        "EPOCH|ISO",
    ),
]

# 9999-12-31, the last day that ISO 8601 writes with four digits.
_EPOCH_MAX = 253_402_300_799


def read(file: Path) -> bytes:
    """Return what is in a file, or on standard input for `-`."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror or error}.", USAGE)


def document(
    file: Path | None, socket: str | None, *, as_json: bool = False
) -> tuple[Element, str]:
    """Return a `<cib>` of one's own and where it came from; what is no CIB ends with findings."""
    if file is None:
        from ninefold.api.client import Client  # noqa: PLC0415 - a file needs no node
        from ninefold.cli.out import ask  # noqa: PLC0415 - as above

        answer = ask(Client(socket).cib)
        text, source = answer["xml"].encode(), f"the running cluster, CIB {answer['version']}"
    else:
        text, source = read(file), str(file)
    root, findings = parse_tree(text)
    if root is None:
        found = [msgspec.structs.replace(one, file=source) for one in findings]
        refuse_document(found, as_json=as_json)
    huge = too_large(root)
    if huge:
        found = [msgspec.structs.replace(one, file=source, line=0) for one in huge]
        refuse_document(found, as_json=as_json)
    for warning in _left_alone(root) if file is None else []:
        complain(f"warning: {warning}")
    if "have-quorum" not in root.attrib:
        complain(
            f"warning: {source} does not say whether there is quorum, and is taken to have none. If there is, "
            'write have-quorum="1" into its <cib>.'
        )
    bad = errors(check_cib(root)) if file is not None else []
    if bad:
        count = "one error" if len(bad) == 1 else f"{len(bad)} errors"
        complain(f"warning: {source} has {count}: ninefold cib verify {source}")
    return root, source


def _left_alone(root: Element) -> list[str]:
    """Return what the running cluster leaves alone, though the decision is about all of it."""
    at = moment(None, root)
    complete = schedule_document(root, at).warnings
    live = schedule_document(root, at, live=True).warnings
    return [warning for warning in live if warning not in complete]


def refuse_document(findings: list[Finding], *, as_json: bool = False) -> NoReturn:
    """Show everything that is wrong with what was given, and end with 2."""
    if as_json:
        show_json({"accepted": False, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            complain(str(finding))
    end(USAGE)


def moment(text: str | None, root: Element) -> WallSeconds:
    """Return the time to decide for, in seconds since 1970."""
    if text is None:
        recorded = root.get("execution-date", "")
        return int(recorded) if re.fullmatch("[0-9]{1,12}", recorded) else int(time.time())
    if re.fullmatch("[0-9]{1,12}", text) and int(text) <= _EPOCH_MAX:
        return int(text)
    found = instant(text)
    if found is None:
        fail(f"--now: {text!r} is no time. Write seconds since 1970, or 2026-01-31T12:00Z.", USAGE)
    return found
