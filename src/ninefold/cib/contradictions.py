"""Constraints that cannot all hold: circles of orders, together and apart at once, nowhere to run.

Each is found on a small graph whose points are primitives (for orders: a primitive and an action),
and is told with every constraint that takes part in it. Constraints that depend on a role, a rule
or a node attribute are left out, as they may never meet: what is told here always holds.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from ninefold.cib import views
from ninefold.cib.document import is_element, line_of
from ninefold.cib.model import INFINITY
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

_FALSE: Final = ("false", "no", "off", "n", "0")

# A circle through everything is told by its first constraints; more names would not be read.
_NAMED_MAX: Final = 8

Graph = dict[str, dict[str, "Element"]]


def contradictions(configuration: Element) -> Iterator[Finding]:
    """Yield what cannot hold."""
    inside = {
        str(one.get("id")): [str(leaf.get("id")) for leaf in one.iter("primitive")]
        for one in views.resources(configuration)
        if one.get("id")
    }
    constraints = configuration.find("constraints")
    found = [] if constraints is None else [one for one in constraints if is_element(one)]
    yield from _circles(configuration, found, inside)
    yield from _together_and_apart(configuration, found, inside)
    yield from _places(configuration, found)


def _circles(
    configuration: Element, constraints: list[Element], inside: dict[str, list[str]]
) -> Iterator[Finding]:
    graph: Graph = {}
    for group in configuration.iterfind("resources//group"):
        if _meta(group, "ordered").lower() in _FALSE:
            continue
        members = [str(one.get("id")) for one in group.iterchildren("primitive")]
        for first, then in itertools.pairwise(members):
            _edge(graph, f"{first} start", f"{then} start", group)
    for one in constraints:
        if one.tag == "rsc_order" and _mandatory_order(one):
            for first, then in _pairs(one, inside):
                _edge(graph, first, then, one)
    for circle in _strong(graph):
        origins = _origins(graph, circle)
        names = ", ".join(dict.fromkeys(point.rpartition(" ")[0] for point in circle[:_NAMED_MAX]))
        sentence = f"{names} wait for each other in a circle ({_told(origins)})."
        remedy = "Remove one of these orders, or give it kind=Optional."
        yield _finding("order-cycle", Severity.ERROR, origins[-1], sentence, remedy)


def _mandatory_order(one: Element) -> bool:
    kind = one.get("kind")
    if kind is not None:
        return kind.lower() == "mandatory"
    return views.score(one.get("score", "INFINITY"), INFINITY) != 0


def _pairs(one: Element, inside: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    sets = one.findall("resource_set")
    if not sets:
        first, then = one.get("first", ""), one.get("then", "")
        action = one.get("first-action", "start")
        after = one.get("then-action", action)
        yield from _each(first, action, then, after, inside)
        return
    previous: list[tuple[str, str]] = []
    for group in sets:
        action = group.get("action", "start")
        names = [ref.get("id", "") for ref in group.iterchildren("resource_ref")]
        now = [(name, action) for name in names]
        if group.get("sequential", "true").lower() not in _FALSE:
            for (a, x), (b, y) in itertools.pairwise(now):
                yield from _each(a, x, b, y, inside)
        if group.get("require-all", "true").lower() not in _FALSE:
            for a, x in previous:
                for b, y in now:
                    yield from _each(a, x, b, y, inside)
            previous = now
        else:
            previous = []


def _each(
    first: str, action: str, then: str, after: str, inside: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    if {action, after} <= {"start", "promote"}:
        for a in inside.get(first, []):
            for b in inside.get(then, []):
                yield f"{a} {action}", f"{b} {after}"


def _together_and_apart(
    configuration: Element, constraints: list[Element], inside: dict[str, list[str]]
) -> Iterator[Finding]:
    graph: Graph = {}
    for group in configuration.iterfind("resources//group"):
        if _meta(group, "collocated").lower() in _FALSE:
            continue
        members = [str(one.get("id")) for one in group.iterchildren("primitive")]
        for primary, dependent in itertools.pairwise(members):
            _edge(graph, dependent, primary, group)
    single = [c for c in constraints if c.tag == "rsc_colocation" and _plain_colocation(c, inside)]
    apart = [one for one in single if _score(one) <= -INFINITY]
    for one in single:
        if _score(one) >= INFINITY:
            # Where a group goes its first goes, and where it is is where its last is.
            followers, leaders = inside[one.get("rsc", "")], inside[one.get("with-rsc", "")]
            _edge(graph, followers[0], leaders[-1], one)
    reach = {point: _reached(graph, point) for point in graph}
    for one in apart:
        for a in inside[one.get("rsc", "")]:
            for b in inside[one.get("with-rsc", "")]:
                yield from _impossible(reach, one, a, b)


def _plain_colocation(one: Element, inside: dict[str, list[str]]) -> bool:
    special = ("rsc-role", "with-rsc-role", "node-attribute", "score-attribute")
    if any(one.get(name) is not None for name in special) or one.find("resource_set") is not None:
        return False
    names = (one.get("rsc", ""), one.get("with-rsc", ""))
    return all(name in inside and len(inside[name]) > 0 for name in names) and all(
        _is_single(one, name) for name in names
    )


def _is_single(one: Element, name: str) -> bool:
    """Instances of a clone may be apart and together at once, on different nodes."""
    root = one.getroottree().getroot()
    for kind in ("clone", "master", "bundle"):
        for outer in root.iter(kind):
            if any(inner.get("id") == name for inner in outer.iter()):
                return False
    return True


def _impossible(
    reach: dict[str, dict[str, Element]], apart: Element, a: str, b: str
) -> Iterator[Finding]:
    for point, found in reach.items():
        ends = {point: apart, **found}
        if a in ends and b in ends and point in (a, b):
            origins = [ends[one] for one in (a, b) if ends[one] is not apart]
            sentence = (
                f"{a} must never run where {b} runs ({_told([apart])}),"
                f" and {point} must run where the other does ({_told(origins)})."
            )
            remedy = f"Remove one of them; as it is, {point} never runs."
            yield _finding("colocation-contradiction", Severity.ERROR, apart, sentence, remedy)
            return


def _places(configuration: Element, constraints: list[Element]) -> Iterator[Finding]:
    nodes = [str(node.get("uname", "")).lower() for node in configuration.iterfind("nodes/node")]
    firm: dict[tuple[str, str], tuple[int, Element]] = {}
    banned: dict[str, list[Element]] = {}
    for one in constraints:
        resource, node = one.get("rsc"), one.get("node")
        if one.tag != "rsc_location" or resource is None or node is None or one.get("role"):
            continue
        score = _score(one)
        if abs(score) < INFINITY:
            continue
        before = firm.setdefault((resource, node.lower()), (score, one))
        if before[0] != score:
            sentence = (
                f"{resource} must and must not run on {node} ({_told([before[1], one])});"
                " minus infinity wins."
            )
            yield _finding("location-contradiction", Severity.ERROR, one, sentence,
                           "Remove one of them.")  # fmt: skip
        if score < 0:
            banned.setdefault(resource, []).append(one)
    for resource, bans in banned.items():
        barred = {str(one.get("node")).lower() for one in bans}
        if nodes and all(node in barred for node in nodes):
            sentence = f"{resource} is banned from every node ({_told(bans)})."
            yield _finding(
                "runs-nowhere", Severity.WARNING, bans[-1], sentence, "Remove one of the bans."
            )


def _edge(graph: Graph, first: str, then: str, origin: Element) -> None:
    graph.setdefault(first, {}).setdefault(then, origin)
    graph.setdefault(then, {})


def _reached(graph: Graph, start: str) -> dict[str, Element]:
    """Return what can be reached from `start`, each with the constraint of the last step."""
    found: dict[str, Element] = {}
    todo = [start]
    while todo:
        for then, origin in graph.get(todo.pop(), {}).items():
            if then not in found and then != start:
                found[then] = origin
                todo.append(then)
    return found


def _strong(graph: Graph) -> Iterator[list[str]]:
    """Yield the points of each circle: strongly connected, by Tarjan's algorithm without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    held: dict[str, bool] = {}
    path: list[str] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        path.append(root)
        held[root] = True
        while work:
            point, rest = work[-1]
            for then in rest:
                if then not in index:
                    index[then] = low[then] = len(index)
                    path.append(then)
                    held[then] = True
                    work.append((then, iter(graph[then])))
                    break
                if held.get(then):
                    low[point] = min(low[point], index[then])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[point])
                if low[point] == index[point]:
                    yield from _component(graph, path, held, point)


def _component(
    graph: Graph, path: list[str], held: dict[str, bool], root: str
) -> Iterator[list[str]]:
    found: list[str] = []
    while True:
        point = path.pop()
        held[point] = False
        found.append(point)
        if point == root:
            break
    if len(found) > 1 or root in graph[root]:
        yield sorted(found)


def _origins(graph: Graph, circle: list[str]) -> list[Element]:
    inner = dict.fromkeys(circle, True)
    found = [origin for one in circle for then, origin in graph[one].items() if then in inner]
    unique = {str(one.get("id")): one for one in found}
    return sorted(unique.values(), key=line_of)


def _told(origins: list[Element]) -> str:
    named = [f"{one.tag} {one.get('id')} in line {line_of(one)}" for one in origins[:_NAMED_MAX]]
    return ", ".join(named) + (" and others" if len(origins) > _NAMED_MAX else "")


def _score(one: Element) -> int:
    # A colocation without a score has no effect; a location that names a node needs one.
    return views.score(one.get("score", "0"), 0)


def _meta(element: Element, name: str) -> str:
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == name:
            return str(pair.get("value", ""))
    return ""


def _finding(
    code: str, severity: Severity, element: Element, sentence: str, remedy: str
) -> Finding:
    subject = f"{element.tag} {element.get('id', '')}".strip()
    return Finding(code, severity, subject, sentence, remedy, line=line_of(element))
