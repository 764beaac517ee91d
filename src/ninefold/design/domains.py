"""What falls when a part is lost, and what two things share: walks over `needs` and `inside`.

Only this module evaluates needs by names instead of by probabilities. A model has no cycles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.design.model import AllOf, AtLeast, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ninefold.design.model import Group, Infrastructure, Need


def names_in(need: Need) -> Iterator[str]:
    """Walk the names that a need mentions, in order, one mentioned twice twice."""
    match need:
        case Use(name):
            yield name
        case AllOf(of) | AtLeast(of=of):
            for below in of:
                yield from names_in(below)


def supports(model: Infrastructure, name: str) -> tuple[str, ...]:
    """Return every part that `name` stands on, however remotely, without itself; nearest first."""
    found: dict[str, None] = {}
    queue = list(_direct(model, name))
    for below in queue:
        if below not in found and below != name:
            found[below] = None
            queue.extend(_direct(model, below))
    return tuple(found)


def _direct(model: Infrastructure, name: str) -> Iterator[str]:
    if name in model.parts:
        part = model.parts[name]
        yield from part.inside
        yield from names_in(part.needs)
    elif name in model.groups:
        yield from model.groups[name].nodes
        yield from names_in(model.groups[name].needs)


class Fallen:
    """What is down when `lost` is lost, and nothing else is broken."""

    def __init__(self, model: Infrastructure, lost: Collection[str]) -> None:
        self._model = model
        self._down = dict.fromkeys(lost, True)

    def down(self, name: str) -> bool:
        """Return whether a part, a group or a service is down."""
        known = self._down.get(name)
        if known is None:
            known = self._is_down(name)
            self._down[name] = known
        return known

    def _is_down(self, name: str) -> bool:
        model = self._model
        if name in model.parts:
            part = model.parts[name]
            return any(self.down(holder) for holder in part.inside) or not self.met(part.needs)
        if name in model.groups:
            return self._group_is_down(model.groups[name])
        if name in model.services:
            return not self.met(model.services[name].needs)
        return False

    def _group_is_down(self, group: Group) -> bool:
        up = [node for node in group.nodes if not self.down(node)]
        votes = sum(group.votes.get(node, 1) for node in up)
        if group.witness and not self.down(group.witness):
            votes += group.witness_votes
        needed = 1 if group.two_node else group.quorum
        return len(up) < group.needed or votes < needed or not self.met(group.needs)

    def met(self, need: Need) -> bool:
        """Return whether a need is met."""
        match need:
            case Use(name):
                return not self.down(name)
            case AllOf(of):
                return all(self.met(below) for below in of)
            case AtLeast(k, of):
                return sum(self.met(below) for below in of) >= k


def shared_domains(model: Infrastructure, group: Group) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each part that is no node and whose loss takes nodes of the group, with those nodes.

    A domain that takes a single node tells no more than that node's loss, and is left out.
    """
    candidates = dict.fromkeys(
        part for node in group.nodes for part in supports(model, node) if part not in group.nodes
    )
    domains = []
    for part in candidates:
        fallen = Fallen(model, (part,))
        taken = tuple(node for node in group.nodes if fallen.down(node))
        if len(taken) > 1:
            domains.append((part, taken))
    return tuple(domains)
