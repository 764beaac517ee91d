"""N+1: after each single loss, is there still room for all that must run?

A loss is a node, or a shared domain (rack, feed, switch, hypervisor, site) that takes several nodes.
What must run are the services of the group with their `uses`, and what the CIB's `utilization` says of
resources that no service names. A resource group stays together on one node; a clone takes its share of
every node that is left.

Enough in total is not enough: a thing of six does not fit on two nodes with four free each. For few
things every placement is tried, so "does not fit" is a proof; for many, the largest is placed first
(first-fit decreasing), and "not found" is said, which is no proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.design.domains import Fallen, names_in, shared_domains
from ninefold.design.evidence import evidence_of
from ninefold.design.results import CapacityRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxml.etree import _Element as Element

    from ninefold.design.model import Group, Infrastructure

Amounts: TypeAlias = dict[str, float]

# Placements tried before the search gives up: under a second in Python, and all of 8 things on 5 nodes.
STEPS_MAX: Final = 200_000
# Sums of decimal fractions: a thousandth of a thousandth is rounding, not a want.
_SLACK: Final = 1e-9


class Item(msgspec.Struct, frozen=True):
    """Something that must run on one node, or (`everywhere`) on each node that is left."""

    name: str
    uses: Amounts
    everywhere: bool = False


class Placement(msgspec.Struct, frozen=True):
    """Whether all fits: `found` with the node of each item, else `proved` that there is no way."""

    found: bool
    proved: bool
    nodes: dict[str, str] = {}


def capacity_rows(model: Infrastructure, group: Group) -> tuple[CapacityRow, ...]:
    """Return a row for each loss and resource of capacity; none where nothing says what is needed."""
    items = items_of(model, group)
    room = room_of(model, group)
    resources = [
        name
        for name in dict.fromkeys(n for item in items for n in item.uses)
        if any(name in amounts for amounts in room.values())
    ]
    if not resources:
        return ()
    needing = [
        Item(item.name, {n: a for n, a in item.uses.items() if n in resources}, item.everywhere)
        for item in items
    ]
    rows: list[CapacityRow] = []
    for lost in ("", *group.nodes, *(name for name, _ in shared_domains(model, group))):
        fallen = Fallen(model, (lost,) if lost else ())
        left = {node: room[node] for node in group.nodes if not fallen.down(node)}
        rows.extend(_rows(group, lost, needing, left, resources))
    return tuple(rows)


def items_of(model: Infrastructure, group: Group) -> list[Item]:
    """Return what must run in the group: its services, then what the CIB says besides."""
    services = [
        service
        for service in model.services.values()
        if service.uses and group.name in tuple(names_in(service.needs))
    ]
    items = [Item(service.name, dict(service.uses)) for service in services]
    configuration = evidence_of(group).configuration
    if configuration is not None:
        told = {service.resource for service in services if service.resource}
        items.extend(_items_of_cib(configuration, told))
    return items


def room_of(model: Infrastructure, group: Group) -> dict[str, Amounts]:
    """Return what each node can carry: the model's `capacity`, else the CIB's `utilization`."""
    configuration = evidence_of(group).configuration
    room: dict[str, Amounts] = {}
    for name in group.nodes:
        amounts: Amounts = {}
        if configuration is not None:
            for node in configuration.iterfind("nodes/node"):
                if node.get("uname") == name:
                    amounts.update(_utilization(node))
        if name in model.parts:
            amounts.update(model.parts[name].capacity)
        room[name] = amounts
    return room


def _items_of_cib(configuration: Element, told: set[str]) -> Iterator[Item]:
    section = configuration.find("resources")
    for top in section if section is not None else ():
        inside = [top, *top.iterdescendants("group", "primitive")]
        if any(str(element.get("id")) in told for element in inside):
            continue
        total: Amounts = {}
        for primitive in (e for e in inside if e.tag == "primitive"):
            for name, amount in _utilization(primitive).items():
                total[name] = total.get(name, 0.0) + amount
        if total:
            yield Item(
                str(top.get("id")), total, everywhere=top.tag in ("clone", "master", "bundle")
            )


def _utilization(element: Element) -> Amounts:
    amounts = {}
    for pair in element.iterfind("utilization/nvpair"):
        try:
            amounts[str(pair.get("name"))] = max(0.0, float(pair.get("value", "")))
        except ValueError:
            continue  # What is no number is a finding of `cib check`, and no capacity.
    return amounts


def _rows(
    group: Group,
    lost: str,
    items: Sequence[Item],
    left: Mapping[str, Amounts],
    resources: Sequence[str],
) -> Iterator[CapacityRow]:
    placed = place(items, left)
    alone = {resource: _place_alone(resource, items, left) for resource in resources}
    for resource in resources:
        needed = sum(
            item.uses.get(resource, 0.0) * (len(left) if item.everywhere else 1) for item in items
        )
        have = sum(amounts.get(resource, 0.0) for amounts in left.values())
        enough = needed <= have + _SLACK and bool(left)
        # Where one resource alone cannot be placed, that one is to blame, and not the others.
        blamed = [name for name in resources if not alone[name].found]
        told = alone[resource] if blamed else placed
        yield CapacityRow(
            group=group.name,
            lost=lost or "nothing",
            resource=resource,
            needed=needed,
            left=have,
            suffices=enough and told.found,
            sentence=_sentence(resource, needed, have, told, nodes=len(left)),
        )


def _place_alone(resource: str, items: Sequence[Item], left: Mapping[str, Amounts]) -> Placement:
    """Return where the items could run if nothing but this resource were scarce."""
    only = [
        Item(item.name, {resource: item.uses.get(resource, 0.0)}, item.everywhere) for item in items
    ]
    room = {node: {resource: amounts.get(resource, 0.0)} for node, amounts in left.items()}
    return place(only, room)


def _sentence(resource: str, needed: float, have: float, placed: Placement, *, nodes: int) -> str:
    told = f"{needed:g} of {have:g} {resource} on {nodes} node{'s' * (nodes != 1)}"
    if not nodes:
        return "no node is left"
    if needed > have + _SLACK:
        return f"{told}: {needed - have:g} {resource} are missing"
    if placed.found:
        return f"{told}: all fits"
    if placed.proved:
        return (
            f"{told}: enough in total, but no placement on single nodes fits (every one was tried)"
        )
    return f"{told}: enough in total, but no placement was found (largest first; not every one was tried)"


def place(items: Sequence[Item], room: Mapping[str, Amounts]) -> Placement:
    """Return where each item could run; the largest is placed first.

    Exact within `STEPS_MAX` placements: beyond, nothing found proves nothing.
    """
    free = {node: dict(amounts) for node, amounts in room.items()}
    for item in (i for i in items if i.everywhere):
        for amounts in free.values():
            if not _fits(item, amounts):
                return Placement(found=False, proved=True)
            _take(item, amounts)
    total: Amounts = {}
    for amounts in room.values():
        for name, amount in amounts.items():
            total[name] = total.get(name, 0.0) + amount
    single = sorted(
        (item for item in items if not item.everywhere),
        key=lambda item: max(
            (a / (total.get(n, 0) or 1e-9) for n, a in item.uses.items()), default=0
        ),
        reverse=True,
    )
    search = _Search(single, free)
    found = search.run(0)
    return Placement(found, found or not search.gave_up, dict(search.nodes) if found else {})


class _Search:
    """Depth first over the nodes of one item after the other; its first dive is first-fit decreasing."""

    def __init__(self, items: Sequence[Item], free: Mapping[str, Amounts]) -> None:
        self._items = items
        self._free = free
        self._steps = 0
        self.nodes: dict[str, str] = {}

    @property
    def gave_up(self) -> bool:
        """Whether placements were left untried."""
        return self._steps > STEPS_MAX

    def run(self, at: int) -> bool:
        if at == len(self._items):
            return True
        item, tried = self._items[at], []
        for node, amounts in self._free.items():
            # Nodes that have the same left are the same for what follows.
            if amounts in tried or not _fits(item, amounts):
                continue
            tried.append(dict(amounts))
            self._steps += 1
            if self.gave_up:
                return False
            _take(item, amounts)
            self.nodes[item.name] = node
            if self.run(at + 1):
                return True
            del self.nodes[item.name]
            amounts.update(tried[-1])
        return False


def _fits(item: Item, amounts: Amounts) -> bool:
    return all(amounts.get(name, 0.0) + _SLACK >= amount for name, amount in item.uses.items())


def _take(item: Item, amounts: Amounts) -> None:
    for name, amount in item.uses.items():
        amounts[name] = amounts.get(name, 0.0) - amount
