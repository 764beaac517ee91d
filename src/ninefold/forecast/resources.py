"""The tree of resources with their states, as Pacemaker's tools print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.forecast.events import agent_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Placement, Transition

_CONTAINERS: Final = ("docker", "podman", "rkt")
_ROLES: Final = ("Promoted", "Unpromoted", "Started")
_TRUE: Final = ("true", "yes", "on", "y", "1")


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines as items of a list one level deeper."""
    return [f"  {line}" if line.lstrip().startswith("* ") else f"  * {line}" for line in lines]


class Leaf:
    """One primitive or instance, in the words of the status."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        codes = [reason.code for reason in placement.reasons]
        self.failed = "failed" in codes or "stop-failed" in codes
        self.blocked = "blocked" in codes
        self.unmanaged = "unmanaged" in codes

    @property
    def plain(self) -> bool:
        """Whether there is no more to say than its role and node."""
        return not (self.failed or self.blocked or self.unmanaged or len(self.placement.nodes) > 1)

    def state(self, *, disabled: bool, unclean: bool = False) -> str:
        """Return role, node and what is out of the ordinary."""
        nodes = self.placement.nodes
        role = self.placement.role.capitalize() if nodes else "Stopped"
        if self.failed:
            role = "FAILED" if role == "Started" else f"FAILED {role}"
        where = "" if not nodes else nodes[0] if len(nodes) == 1 else f"[ {' '.join(nodes)} ]"
        flags = [
            word
            for word, there in (
                ("UNCLEAN", unclean),
                ("disabled", disabled),
                ("blocked", self.blocked),
                ("unmanaged", self.unmanaged and not self.blocked),
            )
            if there
        ]
        parts = [role, where, f"({', '.join(flags)})" if flags else ""]
        return " ".join(part for part in parts if part)


def resource_lines(root: Element, transition: Transition) -> list[str]:
    """Return one line for each resource, nested as configured; what is not configured comes last."""
    listing = _Listing(root, transition)
    section = root.find("configuration/resources")
    # The engine's order: by priority, and as configured among equals.
    place = {one.resource: index for index, one in enumerate(transition.placements)}
    blocks = [] if section is None else [(_place(one, place), listing.of(one)) for one in section]
    blocks.sort(key=lambda block: block[0])
    return [*(line for _, lines in blocks for line in lines), *listing.rest()]


def _place(element: Element, place: dict[str, int]) -> int:
    names = [one.get("id", "") for one in (element, *element.iter("primitive"))]
    found = [place[n] for name in names for n in (name, f"{name}:0") if n in place]
    return min(found, default=len(place))


class _Listing:
    """What the lines are made from, and which instances have been shown."""

    def __init__(self, root: Element, transition: Transition) -> None:
        self.root = root
        self.leaves = {one.resource: Leaf(one) for one in transition.placements}
        self.online = [node.name for node in transition.nodes if node.online]
        self.unclean = [node.name for node in transition.nodes if node.unclean]
        self.shown: dict[str, bool] = {}

    def of(self, element: Element) -> list[str]:
        match element.tag:
            case "primitive":
                return self._primitive(element, element.get("id", ""))
            case "group":
                return self._group(element, "")
            case "clone" | "master":
                return self._clone(element)
            case "bundle":
                return self._bundle(element)
            case _:
                return []

    def rest(self) -> Iterator[str]:
        for name, leaf in self.leaves.items():
            if name not in self.shown and "removed" in [r.code for r in leaf.placement.reasons]:
                yield f"{name}\t(removed):\t {leaf.state(disabled=False)}"

    def _primitive(self, element: Element, name: str, shown_as: str = "") -> list[str]:
        leaf = self.leaves.get(name)
        if leaf is None:
            return []
        self.shown[name] = True
        agent = ":".join(part for part in agent_of(self.root, element) if part)
        lost = any(node in self.unclean for node in leaf.placement.nodes)
        state = leaf.state(disabled=_disabled(element), unclean=lost)
        return [f"{shown_as or name}\t({agent}):\t {state}"]

    def _group(self, element: Element, number: str) -> list[str]:
        lines = [
            line
            for member in element.iterchildren("primitive")
            for line in self._primitive(member, member.get("id", "") + number, member.get("id", ""))
        ]
        return [f"Resource Group: {element.get('id', '')}{number}:", *indented(lines)]

    def _clone(self, element: Element) -> list[str]:
        child = next(iter(element.iterchildren("primitive", "group")), None)
        if child is None:
            return []
        promotable = element.tag == "master" or _meta(element, "promotable").lower() in _TRUE
        unique = _meta(element, "globally-unique").lower() in _TRUE
        words = (("promotable", promotable), ("unique", unique), ("disabled", _disabled(element)))
        flags = [word for word, on in words if on]
        head = f"Clone Set: {element.get('id', '')} [{child.get('id', '')}]"
        lines: list[str] = []
        busy: list[str] = []
        where: dict[str, list[str]] = {role: [] for role in _ROLES}
        for number in self._instances(child):
            together = None if unique else self._together(child, number)
            if together is None:
                busy += [n for m in self._members(child, number) for n in m.placement.nodes]
                name = child.get("id", "")
                lines += (
                    self._group(child, number)
                    if child.tag == "group"
                    else self._primitive(child, name + number, "" if unique else name)
                )
            elif together[0]:
                where[together[1]].append(together[0])
            self._mark(child, number)
        if not unique:
            lines += self._by_role(where, busy, disabled=_disabled(child))
        told = f" ({', '.join(flags)})" if flags else ""
        return [f"{head}{told}:", *indented(lines)]

    def _by_role(
        self, where: dict[str, list[str]], busy: list[str], *, disabled: bool
    ) -> Iterator[str]:
        active = [*busy, *(name for names in where.values() for name in names)]
        for role in _ROLES:
            if where[role]:
                order = [name for name in self.online if name in where[role]]
                others = [name for name in where[role] if name not in order]
                yield f"{role}: [ {' '.join([*order, *others])} ]"
        idle = [name for name in self.online if name not in active]
        if idle:
            yield f"Stopped{' (disabled)' if disabled else ''}: [ {' '.join(idle)} ]"

    def _instances(self, child: Element) -> list[str]:
        """Return the suffixes (":0", ":1", …) of the instances there are."""
        first = child if child.tag == "primitive" else next(child.iterchildren("primitive"), child)
        name = first.get("id", "")
        found = [one.removeprefix(name) for one in self.leaves if one.startswith(f"{name}:")]
        return [suffix for suffix in found if suffix[1:].isdigit()]

    def _members(self, child: Element, number: str) -> list[Leaf]:
        parts = [child] if child.tag == "primitive" else list(child.iterchildren("primitive"))
        names = [part.get("id", "") + number for part in parts]
        return [self.leaves[name] for name in names if name in self.leaves]

    def _mark(self, child: Element, number: str) -> None:
        for leaf in self._members(child, number):
            self.shown[leaf.placement.resource] = True

    def _together(self, child: Element, number: str) -> tuple[str, str] | None:
        """Return node ("" if stopped) and role, if one word says it all."""
        members = self._members(child, number)
        states = {(m.placement.nodes, m.placement.role) for m in members}
        if not members or len(states) != 1 or not all(self._plain(m) for m in members):
            return None
        nodes, role = members[0].placement.nodes, members[0].placement.role.capitalize()
        return (nodes[0] if nodes else "", role if nodes and role in _ROLES else "Started")

    def _plain(self, leaf: Leaf) -> bool:
        return leaf.plain and not any(node in self.unclean for node in leaf.placement.nodes)

    def _bundle(self, element: Element) -> list[str]:
        name = element.get("id", "")
        container = next((e for e in element if e.tag in _CONTAINERS), None)
        if container is None:
            return []
        child = next(element.iterchildren("primitive"), None)
        lines = []
        number = 0
        while (shell := self.leaves.get(f"{name}-{container.tag}-{number}")) is not None:
            inner = None if child is None else self.leaves.get(f"{child.get('id', '')}:{number}")
            parts = (f"{name}-{container.tag}-{number}", f"{name}-{number}")
            self.shown |= dict.fromkeys(parts, True)
            if inner is None or child is None:
                lines.append(f"{parts[0]}\t(ocf:heartbeat:{container.tag}):\t "
                             f"{shell.state(disabled=False)}")  # fmt: skip
            else:
                self.shown[inner.placement.resource] = True
                agent = ":".join(part for part in agent_of(self.root, child) if part)
                role = inner.placement.role.capitalize() if inner.placement.nodes else ""
                at = " ".join(shell.placement.nodes)
                state = f"{role or 'Starting'} {at}" if at else "Stopped"
                lines.append(f"{parts[1]}\t({agent}):\t {state}")
            number += 1
        return [f"Container bundle: {name} [{container.get('image', '')}]:", *indented(lines)]


def _meta(element: Element, name: str) -> str:
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value", "")
    return ""


def _disabled(element: Element) -> bool:
    """Whether the operator wants it stopped, it or what it is in."""
    one: Element | None = element
    while one is not None and one.tag != "resources":
        if _meta(one, "target-role").lower() == "stopped":
            return True
        one = one.getparent()
    return False
