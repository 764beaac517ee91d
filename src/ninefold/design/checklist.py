"""The design checklist: 66 items, each answered by what can be seen, by the owner, or left open.

What is seen counts more than what the owner says, except `na`: only the owner knows that something does
not concern them. An item of kind `A` that nothing here can see says what is missing, and takes the
owner's answer meanwhile. Nothing is guessed.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.design.checklist_cib import CIB_PROBES
from ninefold.design.checklist_design import DESIGN_PROBES, Look, look_at
from ninefold.design.checklist_hosts import HOSTS_PROBES, managed_twice
from ninefold.design.checklist_items import ITEMS
from ninefold.design.checklist_seen import Seen, together, unseen
from ninefold.design.results import CheckItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element as Element

    from ninefold.design.audit.facts import HostFacts
    from ninefold.design.model import Infrastructure
    from ninefold.design.results import ServiceResult

STATES: Final = ("yes", "no", "open", "na")
_WORDS: Final = {
    "yes": "yes", "y": "yes", "true": "yes", "done": "yes", "ok": "yes",
    "no": "no", "n": "no", "false": "no",
    "na": "na", "n/a": "na", "not applicable": "na",
    "open": "open", "": "open",
}  # fmt: skip
_ASKED: Final = "Nobody has answered: write it under `checklist:` in the infrastructure file."
_NEEDS_AUDIT: Final = (
    "Not to be seen from files: give the hosts' audits (`ninefold audit --json`), or answer it."
)
_NEEDS_CIB: Final = "No group names a CIB that can be read."
_NEEDS_OWNER: Final = "It cannot be seen from here; answer it."


def checklist(
    model: Infrastructure,
    *,
    results: Mapping[str, ServiceResult] | None = None,
    hosts: Sequence[HostFacts] = (),
) -> tuple[CheckItem, ...]:
    """Return all items by number. `results` answer item 4, `hosts` what only a host can tell."""
    look = look_at(model, results or {})
    seen = dict(_seen(look, hosts))
    return tuple(
        _item(row, seen.get(row[0]), model.answers.get(row[0], ""), model) for row in ITEMS
    )


def _seen(look: Look, hosts: Sequence[HostFacts]) -> Iterator[tuple[int, Seen]]:
    """Return what each probe saw; a number that several probes know adds up."""
    found: dict[int, list[Seen]] = {}
    for number, probe in DESIGN_PROBES.items():
        found.setdefault(number, []).append(probe(look))
    documents = [
        v.evidence.configuration for v in look.views if v.evidence.configuration is not None
    ]
    for number, ask in CIB_PROBES.items():
        seen = together((ask(document) for document in documents), _NEEDS_CIB)
        found.setdefault(number, []).append(seen)
    if hosts:
        for number, tell in HOSTS_PROBES.items():
            found.setdefault(number, []).append(tell(hosts))
        if documents:
            for number, one in managed_twice(hosts, *_managed(documents)).items():
                found.setdefault(number, []).append(one)
    else:
        for number in (*HOSTS_PROBES, 49, 55):
            found.setdefault(number, []).append(unseen(_NEEDS_AUDIT))
    for number, several in found.items():
        yield number, together(several, _NEEDS_OWNER)


def _managed(documents: Sequence[Element]) -> tuple[list[str], list[str]]:
    """Return the systemd units and the mount points that CIBs manage."""
    units: list[str] = []
    mounts: list[str] = []
    for document in documents:
        for primitive in document.iterfind("resources//primitive"):
            if primitive.get("class") == "systemd":
                units.append(str(primitive.get("type")))
            directories = primitive.iterfind("instance_attributes/nvpair[@name='directory']")
            mounts.extend(str(pair.get("value")) for pair in directories)
    return units, mounts


def _item(
    row: tuple[int, str, str, str, str], seen: Seen | None, answer: str, model: Infrastructure
) -> CheckItem:
    number, area, kind, text, remedy = row
    word, _, comment = (part.strip() for part in answer.partition(":"))
    said = _WORDS.get(word.lower())
    if said is None:
        said, comment = "open", f"The answer `{answer[:80]}` is not yes, no, na or open."
    if seen is None:
        seen = unseen(_ASKED if kind == "M" else _NEEDS_OWNER)
    if kind == "M":
        seen = _known_of(number, model) or seen
    told = f"The owner says {said}" + (f": {comment}" if comment else "") + "."
    if answer and said == "open" and comment:
        told = comment
    if not answer or (said == "open" and seen.state != "open"):
        state, evidence = seen.state, seen.evidence
    elif said == "na" or seen.state == "open":
        state, evidence = said, told if said != "open" else f"{told} {seen.evidence}"
    else:
        state = seen.state
        evidence = seen.evidence if said == seen.state else f"{seen.evidence} {told}"
    return CheckItem(
        number, area, kind, text, state, evidence, "" if state in ("yes", "na") else remedy
    )


def _known_of(number: int, model: Infrastructure) -> Seen | None:
    """Return what the model itself shows about an item that is asked; never a yes."""
    services = model.services.values()
    if number == 1:
        lacking = [service.name for service in services if not service.owner]
        what = (
            f"Without an owner: {', '.join(lacking[:8])}."
            if lacking
            else "Every service has an owner."
        )
    elif number == 2:
        lacking = [s.name for s in services if s.slo is None or s.rto_s is None or s.rpo_s is None]
        what = (
            f"Without slo, rto or rpo: {', '.join(lacking[:8])}." if lacking else "All are given."
        )
    elif number == 7:
        sizes = ", ".join(f"{g.name}: {len(g.nodes)} nodes" for g in model.groups.values())
        what = f"Groups: {sizes}." if sizes else ""
    else:
        return None
    return unseen(f"{what} {_ASKED}".strip())


def counts(items: Sequence[CheckItem]) -> dict[str, int]:
    """Return how many items are in each state."""
    return {state: sum(item.state == state for item in items) for state in STATES}


def as_markdown(items: Sequence[CheckItem], title: str) -> str:
    """Return the list as Markdown, a section for each area; open and failed items are unticked."""
    lines = [f"# Design checklist: {title}", ""]
    lines.append(", ".join(f"{count} {state}" for state, count in counts(items).items()))
    area = ""
    for item in items:
        if item.area != area:
            area = item.area
            lines += ["", f"## {area}", ""]
        tick = "x" if item.state in ("yes", "na") else " "
        lines.append(f"- [{tick}] **{item.number}** ({item.kind}, {item.state}) {item.text}")
        lines.append(f"  {item.evidence}" + (f" *{item.remedy}*" if item.remedy else ""))
    return "\n".join(lines) + "\n"


def as_csv(items: Sequence[CheckItem]) -> str:
    """Return the list as CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CheckItem.__struct_fields__)
    writer.writerows(msgspec.structs.astuple(item) for item in items)
    return out.getvalue()


def answers_text(answers: Mapping[int, str]) -> str:
    """Return answers as the `checklist:` section of an infrastructure file."""
    lines = [f"  {number}: {_quoted(answer)}" for number, answer in sorted(answers.items())]
    return "\n".join(["checklist:", *lines]) + "\n"


def _quoted(answer: str) -> str:
    return (
        answer if answer.isalnum() else '"' + answer.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
