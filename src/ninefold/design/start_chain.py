"""Which resources of a CIB have to start one after the other: the chain that a failover waits for.

Members of a group follow each other, and so does what an `rsc_order` joins, by name or by sets. What nothing
joins starts at the same time. Of all chains the longest counts, by a weight that the caller gives each primitive.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import networkx as nx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lxml.etree import _Element as Element

# With these a resource becomes usable; an order of stops does not lengthen a takeover from a dead node.
_STARTS: Final = ("start", "promote")


def longest_chain(configuration: Element, weight: Callable[[Element], float]) -> list[Element]:
    """Return the primitives of the heaviest chain of starts, the first to start first; fence devices are left out.

    Of two that weigh the same it is the one of more members. Orders that form a cycle are not followed.
    """
    tops = list(configuration.iterfind("resources/*"))
    graph: nx.DiGraph[str] = nx.DiGraph()
    primitives: dict[str, Element] = {}
    for top in tops:
        members = _primitives(top)
        primitives.update((str(one.get("id")), one) for one in members)
        graph.add_nodes_from(str(one.get("id")) for one in members)
        if top.tag == "group" or top.find("group") is not None:
            graph.add_edges_from(pairwise(str(one.get("id")) for one in members))
    ordered = graph.copy()
    ordered.add_edges_from(_orders(configuration, primitives))
    if nx.is_directed_acyclic_graph(ordered):
        graph = ordered
    chains: dict[str, list[Element]] = {}
    for name in nx.topological_sort(graph):
        before = [chains[one] for one in graph.predecessors(name)]
        chains[name] = [*_heaviest(before, weight), primitives[name]]
    return _heaviest(chains.values(), weight)


def _heaviest(chains: Iterable[list[Element]], weight: Callable[[Element], float]) -> list[Element]:
    return max(chains, key=lambda chain: (sum(map(weight, chain)), len(chain)), default=[])


def _primitives(top: Element) -> list[Element]:
    return [one for one in top.iter("primitive") if one.get("class") != "stonith"]


def _orders(configuration: Element, primitives: dict[str, Element]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of primitives that orders of starts put one before the other."""
    edges = {
        str(one.get("id")): _primitives(one) for one in configuration.iterfind("resources//*[@id]")
    }
    for order in configuration.iterfind("constraints/rsc_order"):
        if (order.get("kind") or "").lower() == "serialize":
            continue
        for first, then in _joined(order):
            before, after = edges.get(first), edges.get(then)
            if before and after:
                pair = (str(before[-1].get("id")), str(after[0].get("id")))
                if pair[0] != pair[1] and primitives.keys() >= set(pair):
                    yield pair


def _joined(order: Element) -> Iterator[tuple[str, str]]:
    sets = order.findall("resource_set")
    if not sets:
        action = order.get("first-action") or "start"
        if {action, order.get("then-action") or action} <= set(_STARTS):
            yield str(order.get("first")), str(order.get("then"))
        return
    members = []
    for one in sets:
        if (one.get("action") or "start") not in _STARTS:
            continue
        names = [str(reference.get("id")) for reference in one.iterfind("resource_ref")]
        members.append(names)
        if (one.get("sequential") or "true").lower() in ("true", "yes", "1", "on", "y"):
            yield from pairwise(names)
    for before, after in pairwise(members):
        yield from ((first, then) for first in before for then in after)
