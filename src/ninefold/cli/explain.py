"""`ninefold explain`: why a resource is where it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ninefold.api.client import Client
from ninefold.cli.documents import NowOption, document, moment, refuse_document
from ninefold.cli.out import JsonFlag, SocketOption, ask, console, show_json
from ninefold.forecast import causes
from ninefold.forecast import explain as explaining
from ninefold.forecast.events import node_names, unknown_node, unknown_resource
from ninefold.forecast.explain import meant
from ninefold.forecast.present import with_present
from ninefold.scheduler import schedule_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.forecast.explain import Explanation, Place, Trial
    from ninefold.forecast.sums import Part, Promotion

ResourceArgument = Annotated[
    str, typer.Argument(help="A primitive, an instance (NAME:0), a group, a clone or a bundle.")
]
OnOption = Annotated[
    list[str] | None, typer.Option("--on", metavar="NODE", help="Tell of these nodes only.")
]
CibOption = Annotated[
    Path | None,
    typer.Option("--cib", metavar="FILE", help="A CIB; left out: the running cluster's."),
]


def explain(
    resource: ResourceArgument,
    *,
    on: OnOption = None,
    cib: CibOption = None,
    now: NowOption = None,
    json: JsonFlag = False,
    socket: SocketOption = None,
) -> None:
    """Why a resource is where it is, why not elsewhere, what it waits for, what would move it."""
    root, _ = document(cib, socket, as_json=json)
    at = moment(now, root)
    known = [name.lower() for name in node_names(root)]
    findings = [unknown_node(root, name) for name in on or [] if name.lower() not in known]
    found = () if findings else explaining.explain(root, at, resource, on or [], live=cib is None)
    if (findings and not meant(root, schedule_document(root, at), resource)) or (
        not found and not findings
    ):
        findings.append(unknown_resource(root, resource))
    if findings:
        refuse_document(findings, as_json=json)
    if cib is None:
        found = with_present(found, ask(Client(socket).status))
    if json:
        show_json({"now": at, "explanations": msgspec.to_builtins(found)})
        return
    for number, one in enumerate(found):
        if number:
            console.print()
        for line in lines(one):
            console.print(line, markup=False)


def lines(one: Explanation) -> Iterator[str]:
    """Yield the text: the verdict, the reasons, the nodes with their sums, what it waits for."""
    yield one.verdict
    if one.reasons:
        yield ""
        yield "Reasons"
        for cause in one.reasons:
            yield f"  {cause.sentence}"
            yield from _remedy(cause.command, "    ")
    for place in one.places:
        yield ""
        yield from _place(place)
    if one.promotion is not None:
        yield ""
        yield from _promotion(one.promotion)
    if one.waits:
        yield ""
        yield "Order"
        yield from (f"  {sentence}" for sentence in one.waits)
    if one.trials:
        yield ""
        yield "What would move it (tried on a copy of the document)"
        for trial in one.trials:
            yield f"  {_trial(one.resource, trial)}"


def _place(place: Place) -> Iterator[str]:
    chosen = ", chosen" if place.chosen else ""
    yield f"{place.node}: {causes.text(place.score)}{chosen}"
    yield from _parts(place.parts)
    if not place.parts:
        yield "           0  Nothing speaks for or against it."
    for cause in place.obstacles:
        yield f"  {'not usable':>10}  {cause.sentence}"
        yield from _remedy(cause.command, " " * 14)


def _promotion(one: Promotion) -> Iterator[str]:
    """Yield how fit it is to be promoted where it is to run."""
    chosen = "promoted" if one.chosen else "not promoted"
    yield f"Promotion on {one.node}: {causes.text(one.score)}, {chosen}"
    yield from _parts(one.parts)


def _parts(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        sign = "=" if part.sets else "+" if part.score >= 0 else ""
        yield f"  {sign + causes.text(part.score):>10}  {part.sentence}"
        yield from _remedy(part.command, " " * 14)


def _remedy(command: str, indent: str) -> Iterator[str]:
    if command:
        yield f"{indent}-> {command}"


def _trial(resource: str, trial: Trial) -> str:
    result = f"{resource} goes there" if trial.goes else f"{resource} would still not go there"
    also = f"; and {', '.join(trial.also)}" if trial.also else ""
    return f"{trial.command}: {result}{also}."
