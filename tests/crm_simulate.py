"""What Debian's crm_simulate (2.1.5) makes of a document, and the same of ours in one form."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml, score_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

INSTALLED: Final = shutil.which("crm_simulate") is not None
WHY_NOT: Final = "Pacemaker's crm_simulate is not installed"
# Of processor time: it does not end on some documents. Others take a fiftieth of a second.
SECONDS_MAX: Final = 5
_SCORE: Final = re.compile(r" (allocation|promotion) score ")


class Answer(msgspec.Struct, frozen=True):
    """A decision: actions by key and node, which of them wait for which, and lines of scores."""

    actions: tuple[str, ...]
    order: frozenset[tuple[str, str]]
    scores: frozenset[str]


class Endless(Exception):
    """It took all its time and gave no answer."""


def iso(now: int) -> str:
    """Return an instant as `crm_simulate -t` reads it; seconds since 1970 it does not."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def field_graph(
    root: etree._Element, place: Path, now: int, options: Sequence[str] = ("-R",)
) -> tuple[etree._Element, str]:
    """Let crm_simulate decide; return its graph, and what it printed."""
    file, graph = place / "cib.xml", place / "graph.xml"
    file.write_bytes(etree.tostring(root))
    graph.unlink(missing_ok=True)
    command = ["prlimit", f"--cpu={SECONDS_MAX}", "crm_simulate", "-x", str(file), "-G", str(graph)]
    done = subprocess.run(
        [*command, "-t", iso(now), *options], capture_output=True, text=True, check=False
    )
    if done.returncode < 0:
        raise Endless
    assert done.returncode == 0, done.stderr
    return etree.parse(graph).getroot(), done.stdout


def field_answer(root: etree._Element, place: Path, now: int) -> Answer:
    """Return what crm_simulate decides."""
    graph, printed = field_graph(root, place, now, ("-R", "-s"))
    return Answer(actions(graph), order(graph), scores(printed.splitlines()))


def says_invalid(root: etree._Element, place: Path, now: int) -> bool:
    """Whether crm_simulate carries out what it has decided and finds that this cannot be done."""
    file = place / "cib.xml"
    file.write_bytes(etree.tostring(root))
    command = ["crm_simulate", "-x", str(file), "-t", iso(now), "-S"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "An invalid transition was produced" in done.stdout + done.stderr


def our_answer(root: etree._Element, now: int) -> tuple[Answer, tuple[str, ...]]:
    """Return what we decide, and the warnings."""
    transition = schedule_document(root, now)
    nodes = root.iterfind("configuration/nodes/node")
    ids = {node.get("uname", ""): node.get("id", "") for node in nodes}
    graph = etree.fromstring(graph_xml(transition, ids))
    lines = scores(score_lines(transition))
    return Answer(actions(graph), order(graph), lines), tuple(transition.warnings)


def names(graph: etree._Element) -> dict[str, str]:
    """Return all actions by id, each as its key and node; points in between are among them.

    What 2.1.5 tells itself about remote nodes in maintenance is none of what is done, nor is a point that
    nothing is done before or after.
    """
    idle = _idle(graph)
    return {
        one.get("id", ""): f"{one.get('internal_operation_key') or one.get('operation_key')}"
        f"@{one.get('on_node') or ''}"
        for one in graph.iterfind("synapse/action_set/*")
        if one.get("operation") != "maintenance_nodes" and one.get("id", "") not in idle
    }


def _idle(graph: etree._Element) -> set[str]:
    """Return the points in between that are linked, directly or not, with nothing but such points."""
    linked: dict[str, set[str]] = {}
    for synapse in graph.iterfind("synapse"):
        firsts = {first.get("id", "") for first in synapse.iterfind("inputs/trigger/*")}
        for one in synapse.iterfind("action_set/*"):
            then = one.get("id", "")
            linked.setdefault(then, set()).update(firsts)
            for first in firsts:
                linked.setdefault(first, set()).add(then)
    todo = [
        one.get("id", "")
        for one in graph.iterfind("synapse/action_set/*")
        if one.tag != "pseudo_event"
    ]
    reached = set[str]()
    while todo:
        number = todo.pop()
        if number not in reached:
            reached.add(number)
            todo += linked.get(number, set())
    return set(linked) - reached


def actions(graph: etree._Element) -> tuple[str, ...]:
    """Return all actions, sorted."""
    return tuple(sorted(names(graph).values()))


def order(graph: etree._Element) -> frozenset[tuple[str, str]]:
    """Return every pair of actions of which the second waits for the first, directly or not."""
    known = names(graph)
    before: dict[str, set[str]] = {
        one.get("id", ""): {
            first.get("id", "")
            for first in synapse.iterfind("inputs/trigger/*")
            if first.get("id", "") in known
        }
        for synapse in graph.iterfind("synapse")
        for one in synapse.iterfind("action_set/*")
        if one.get("id", "") in known
    }
    found = set()
    for then in known:
        todo, seen = [then], set[str]()
        while todo:
            for first in before[todo.pop()] - seen:
                seen.add(first)
                todo.append(first)
        found |= {(known[first], known[then]) for first in seen}
    return frozenset(found)


def scores(lines: Iterable[str]) -> frozenset[str]:
    """Return the lines of scores in one form: 2.1.5 names two functions in another way.

    An instance that is nowhere has no score that counts; the versions write different ones.
    """
    found = set()
    for line in map(str.strip, lines):
        if not _SCORE.search(line):
            continue
        instance, promotion, rest = line.partition(" promotion score ")
        if promotion and rest.startswith(("on none", "(inactive)")):
            found.add(f"{instance} is inactive")
            continue
        found.add(re.sub(r"^pcmk__(clone|bundle)_allocate:", r"pcmk__\1_assign:", line))
    return frozenset(found)
