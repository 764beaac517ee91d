"""What must hold between a model's parts: names that exist, no cycles, numbers that fit together.

`judge` looks at the whole model and notes everything at once; it repairs nothing.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, TypeAlias

import networkx as nx

from ninefold.design.model import AllOf, Group, Part, Service, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ninefold.design.model import Infrastructure, Need, Place
    from ninefold.design.source_yaml import Ledger


GUESSES_MAX: Final = 50
# How many things may stand on each other: a service on a program on a node on ... a site are some 15.
DEPTH_MAX: Final = 100

Thing: TypeAlias = Part | Group | Service


def things(model: Infrastructure) -> dict[str, Thing]:
    """Return everything that has a name, by it."""
    return {**model.parts, **model.groups, **model.services}


def used(need: Need) -> Iterator[Use]:
    """Yield every name in a need."""
    if isinstance(need, Use):
        yield need
    else:
        for one in need.of:
            yield from used(one)


def judge(model: Infrastructure, ledger: Ledger) -> None:
    """Note everything that is wrong with a model as a whole."""
    _names(model, ledger)
    _references(model, ledger)
    _cycles(model, ledger)
    for group in model.groups.values():
        _group(model, group, ledger)
    _common_causes(model, ledger)
    _services(model, ledger)
    _crews(model, ledger)
    _unreached(model, ledger)


def _names(model: Infrastructure, ledger: Ledger) -> None:
    seen: dict[str, str] = {}
    kinds: tuple[tuple[str, Mapping[str, Thing]], ...] = (
        ("part", model.parts),
        ("group", model.groups),
        ("service", model.services),
    )
    for word, named in kinds:
        for name, thing in named.items():
            if name in seen:
                ledger.error(
                    "twice",
                    name,
                    f"There is a {seen[name]} of the same name.",
                    "Names of parts, groups and services are one namespace: rename one.",
                    thing.place.line,
                )
            seen[name] = word


def _references(model: Infrastructure, ledger: Ledger) -> None:
    known = things(model)
    for name, thing in things(model).items():
        for use in used(thing.needs):
            _known(use.name, known, name, ledger, use.place)
    for part in model.parts.values():
        for holder in part.inside:
            _known(holder, model.parts, part.name, ledger, part.place)
        for use in used(part.needs):
            if use.name in model.services:
                ledger.error(
                    "upwards",
                    part.name,
                    f"A part cannot need the service {use.name}.",
                    "Name the part or group that does the work.",
                    use.place.line,
                )


def _known(  # noqa: PLR0917 - a complaint has so many parts
    name: str, known: Collection[str], subject: str, ledger: Ledger, place: Place, what: str = ""
) -> bool:
    if name in known:
        return True
    # Likeness costs a look at every name: nobody reads the guesses after the first of them.
    guessing = len(ledger.findings) < GUESSES_MAX
    near = difflib.get_close_matches(name, known, 1) if guessing else []
    remedy = f"Did you mean {near[0]}?" if near else "Describe it, or remove the reference."
    sentence = f"There is no {what or 'part, group or service'} {name!r}."
    ledger.error("unknown-name", subject, sentence, remedy, place.line)
    return False


def graph(model: Infrastructure) -> nx.DiGraph:
    """Return who needs whom: an edge from each thing to what it needs."""
    found = nx.DiGraph()
    for name, thing in things(model).items():
        found.add_node(name)
        for use in used(thing.needs):
            found.add_edge(name, use.name)
    for part in model.parts.values():
        found.add_edges_from((part.name, holder) for holder in part.inside)
    for group in model.groups.values():
        found.add_edges_from((group.name, node) for node in group.nodes)
        if group.witness:
            found.add_edge(group.name, group.witness)
    return found


def _cycles(model: Infrastructure, ledger: Ledger) -> None:
    """Name one cycle in each knot: resolving it may resolve the others."""
    needs = graph(model)
    named = things(model)
    if nx.is_directed_acyclic_graph(needs):
        _depth(nx.dag_longest_path(needs), named, ledger)
        return
    for knot in sorted(map(sorted, nx.strongly_connected_components(needs))):
        first = knot[0]
        if len(knot) == 1 and not needs.has_edge(first, first):
            continue
        cycle = [edge[0] for edge in nx.find_cycle(needs.subgraph(knot), first)]
        line = named[cycle[0]].place.line if cycle[0] in named else 0
        ledger.error(
            "cycle",
            cycle[0],
            f"It needs itself: {' needs '.join([*cycle, cycle[0]])}.",
            "Remove one of these needs; what both share is a part of its own.",
            line,
        )


def _depth(path: list[str], named: Mapping[str, Thing], ledger: Ledger) -> None:
    if len(path) > DEPTH_MAX:
        ledger.error(
            "deep",
            path[0],
            f"{len(path)} things stand on each other: {', '.join(path[:5])} and so on.",
            f"Describe what always fails together as one part; at most {DEPTH_MAX} deep.",
            named[path[0]].place.line if path[0] in named else 0,
        )


def _group(model: Infrastructure, group: Group, ledger: Ledger) -> None:
    line = group.place.line
    if not group.nodes:
        ledger.error("no-nodes", group.name, "It has no nodes.", "Write nodes: [n1, n2].", line)
    for name in group.nodes:
        _known(name, model.parts, group.name, ledger, group.place, "part")
    if len(set(group.nodes)) != len(group.nodes):
        ledger.error("twice", group.name, "A node is named twice.", "Name each once.", line)
    if group.nodes and group.needed > len(group.nodes):
        ledger.error(
            "needed",
            group.name,
            f"It needs {group.needed} of {len(group.nodes)} nodes.",
            "Add nodes, or need fewer.",
            line,
        )
    for name in group.votes:
        _known(name, group.nodes, f"{group.name}.votes", ledger, group.place, "node of the group")
    if group.witness:
        _known(group.witness, model.parts, f"{group.name}.witness", ledger, group.place, "part")
    votes = sum(group.votes.get(name, 1) for name in group.nodes)
    votes += group.witness_votes if group.witness else 0
    if group.quorum > votes:
        ledger.error(
            "quorum",
            group.name,
            f"Its quorum is {group.quorum}, but there are {votes} votes in all.",
            "It could never act: correct quorum or votes.",
            line,
        )
    elif group.quorum and 2 * group.quorum <= votes and not group.two_node:
        ledger.error(
            "quorum",
            group.name,
            f"Two halves with {group.quorum} of {votes} votes could both act.",
            f"A quorum needs at least {votes // 2 + 1} votes.",
            line,
        )
    _fencing(model, group, ledger)


def _fencing(model: Infrastructure, group: Group, ledger: Ledger) -> None:
    for path in group.fencing:
        # A device of the CIB need not be described: then only its success is reckoned with.
        if path.device and path.place.line:
            _known(path.device, model.parts, f"{group.name}.fencing", ledger, path.place, "part")
        for target in path.targets:
            subject = f"{group.name}.fencing"
            _known(target, group.nodes, subject, ledger, path.place, "node of the group")
    if not group.fencing_enabled or len(group.nodes) < 2:
        return
    covered = {target for path in group.fencing for target in path.targets}
    bare = [name for name in group.nodes if name not in covered]
    if bare and any(not path.targets for path in group.fencing):
        return
    if bare:
        ledger.warn(
            "unfenced",
            group.name,
            f"Nothing can fence {', '.join(bare)}: what they ran never starts elsewhere.",
            "Add a fencing entry with these targets.",
            group.place.line,
        )


def _common_causes(model: Infrastructure, ledger: Ledger) -> None:
    for cause in model.common_causes:
        line = cause.place.line
        for name in cause.of:
            _known(name, model.parts, cause.name, ledger, cause.place, "part")
            part = model.parts.get(name)
            if part is not None and part.failures is None and part.unavailability is None:
                ledger.warn(
                    "no-rate",
                    cause.name,
                    f"{name} never breaks by itself, so it shares no failures.",
                    "Give it rates, or name the parts that break.",
                    line,
                )
        if len(cause.of) < 2:
            sentence = "A common cause strikes at least two parts."
            ledger.error("alone", cause.name, sentence, "Write of: [a, b].", line)
    for name in {part for cause in model.common_causes for part in cause.of}:
        total = sum(c.beta.value for c in model.common_causes if name in c.of)
        if total > 1:
            causes = [c for c in model.common_causes if name in c.of]
            ledger.error(
                "beta",
                name,
                f"Its common causes add up to {total:.0%} of its failures.",
                "Together at most 100 %.",
                causes[-1].place.line,
            )


def _services(model: Infrastructure, ledger: Ledger) -> None:
    if not model.services:
        sentence = "There is no service: nothing to be available."
        ledger.error(
            "no-service", "services", sentence, "Write services: {web: {needs: [...]}}.", 1
        )
    for service in model.services.values():
        if service.needs == AllOf():
            ledger.error(
                "needs-nothing",
                service.name,
                "It needs nothing, so nothing can be said about it.",
                "Write needs: with the parts and groups it stands on.",
                service.place.line,
            )


def _crews(model: Infrastructure, ledger: Ledger) -> None:
    able: tuple[Part | Group, ...] = (*model.parts.values(), *model.groups.values())
    for thing in able:
        if thing.crew:
            _known(thing.crew, model.crews, thing.name, ledger, thing.place, "crew")


def _unreached(model: Infrastructure, ledger: Ledger) -> None:
    """Warn of what no service stands on; fence devices and what they need count as reached."""
    needs = graph(model)
    reached: set[str] = set()
    starts = [*model.services]
    starts += [path.device for group in model.groups.values() for path in group.fencing]
    for start in starts:
        if start in needs:
            reached |= {start, *nx.descendants(needs, start)}
    for name, thing in things(model).items():
        if name not in reached:
            ledger.warn(
                "unreached",
                name,
                "No service needs it, directly or indirectly.",
                "Name it in a `needs`, or remove it.",
                thing.place.line,
            )
