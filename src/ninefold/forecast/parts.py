"""A document cut into parts that decide for themselves.

Two top-level resources are in one part if a colocation, an order, a ticket, a set or a shared
definition joins them, directly or through others. Fence devices, and what is joined to them, are in
every part, as is what no resource claims: nodes, options, histories of what is no longer there.

Theorem: if `splittable` holds, the actions of the whole are those of the parts, provided each part
is told how many resources of the others every node has (`ninefold.scheduler.crowd`). Nothing else
that the policy engine reads of one resource reaches another: their scores meet in constraints, their
actions in orders, and what a resource does to a node (it is fenced, or put in standby) shows in the
nodes of its part, where `together` looks.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import msgspec
from lxml.etree import _Element as Element

from ninefold.forecast.faults import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONSTRAINTS: Final = "configuration/constraints/*"
_CONTAINERS: Final = (
    "configuration/resources",
    "configuration/constraints",
    "configuration/tags/tag",
    "status/node_state/lrm/lrm_resources",
)
_RESOURCES: Final = ("primitive", "group", "clone", "master", "template")
_REMOTE: Final = (
    "boolean(configuration/resources//bundle"
    " | configuration/resources//*[@class='ocf' and @type='remote']"
    " | configuration//nvpair[@name='remote-node' or @name='container']"
    " | configuration/nodes/node[@type='remote'] | status/node_state[@remote_node])"
)


class Part(msgspec.Struct, frozen=True, eq=False):
    """A document with the resources `tops` and the fence devices alone."""

    number: int
    tops: tuple[str, ...]
    document: Element


def splittable(root: Element) -> bool:
    """Tell whether resources can only meet in constraints and in counts.

    Utilisation makes all of them share the nodes' capacity, and a remote node is a node that one
    resource gives to others. In a document with the same id twice nobody knows what belongs to which.
    """
    strategies = {
        pair.get("value", "")
        for pair in root.iterfind("configuration/crm_config//nvpair")
        if pair.get("name", "").replace("_", "-") == "placement-strategy"
    }
    names = [one.get("id") for one in root.iterfind("configuration/resources//*")
             if one.tag in _RESOURCES]  # fmt: skip
    unique = None not in names and len(names) == len({*names})
    return unique and strategies <= {"default"} and not root.xpath(_REMOTE)


def split(root: Element) -> list[Part]:
    """Return the parts, the fence devices alone as the first of them."""
    tops = _tops(root)
    owners = _owners(tops)
    devices = [name for name, top in tops.items() if _is_device(root, top)]
    groups = _joined(root, list(tops), owners, devices)
    base = next((group for group in groups if set(group) & set(devices)), [])
    others = [group for group in groups if group is not base]
    pieces = _Pieces(root, owners)
    return [
        Part(number, tuple(group), pieces.cut({*base, *group}))
        for number, group in enumerate([base, *others])
    ]


def _tops(root: Element) -> dict[str, Element]:
    return {
        top.get("id", ""): top
        for top in root.iterfind("configuration/resources/*")
        if top.tag != "template"
    }


def _owners(tops: dict[str, Element]) -> dict[str, str]:
    """Return to which top-level resource each id inside one belongs."""
    return {
        element.get("id", ""): name
        for name, top in tops.items()
        for element in top.iter("*")
        if element.get("id")
    }


def _is_device(root: Element, top: Element) -> bool:
    templates = {one.get("id"): one for one in root.iterfind("configuration/resources/template")}
    for one in top.iter("primitive"):
        source = templates.get(one.get("template"), one)
        if "stonith" in (one.get("class"), source.get("class")):
            return True
    return False


def _joined(
    root: Element, names: list[str], owners: dict[str, str], devices: list[str]
) -> list[list[str]]:
    """Return the groups of names that belong together, each and all in the order of the document."""
    leader = {name: name for name in names}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for together in [devices, *_unions(root, owners)]:
        for other in together[1:]:
            leader[find(other)] = find(together[0])
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


def _unions(root: Element, owners: dict[str, str]) -> Iterator[list[str]]:
    for constraint in root.iterfind(_CONSTRAINTS):
        if constraint.tag != "rsc_location" or constraint.find("resource_set") is not None:
            yield _concerned(root, constraint, owners)
    for element in root.iterfind("configuration/resources//*[@id-ref]"):
        holder = next((owners[one.get("id", "")] for one in element.iterancestors()
                       if one.get("id", "") in owners), None)  # fmt: skip
        source = owners.get(element.get("id-ref", ""))
        if holder is not None and source is not None:
            yield [holder, source]


def _concerned(root: Element, constraint: Element, owners: dict[str, str]) -> list[str]:
    """Return the top-level resources that a constraint names, through tags and templates too."""
    names = [constraint.get(key, "") for key in ("rsc", "with-rsc", "first", "then")]
    names += [reference.get("id", "") for reference in constraint.iter("resource_ref")]
    found: list[str] = []
    for name in names:
        for one in [name, *_tagged(root, name)]:
            top = owners.get(one) or owners.get(plain(one))
            if top is not None:
                found.append(top)
            found += [
                owners[using.get("id", "")]
                for using in root.iterfind("configuration/resources//primitive[@template]")
                if using.get("template") == one and using.get("id", "") in owners
            ]
    return list(dict.fromkeys(found))


def _tagged(root: Element, name: str) -> list[str]:
    return [
        reference.get("id", "")
        for tag in root.iterfind("configuration/tags/tag")
        if name and tag.get("id") == name
        for reference in tag.iterfind("obj_ref")
    ]


class _Pieces:
    """What a part has only some of, in the order of the document, and what all parts have."""

    def __init__(self, root: Element, owners: dict[str, str]) -> None:
        self._frame = copy.deepcopy(root)
        self._contents: list[tuple[str, list[tuple[Element, frozenset[str]]]]] = []
        tree = self._frame.getroottree()
        for path in _CONTAINERS:
            for container in self._frame.iterfind(path):
                content = [(one, _needs(root, one, owners)) for one in container]
                self._contents.append((tree.getelementpath(container), content))
                for one, _ in content:
                    container.remove(one)

    def cut(self, kept: set[str]) -> Element:
        """Return a copy of the document with the resources `kept` alone."""
        document = copy.deepcopy(self._frame)
        for path, content in self._contents:
            container = document.find(path)
            assert container is not None
            container.extend(
                [copy.deepcopy(one) for one, needs in content if not needs or needs & kept]
            )
        return document


def _needs(root: Element, element: Element, owners: dict[str, str]) -> frozenset[str]:
    """Return the top-level resources that an element is about; nothing if it is about all."""
    name, tag = element.get("id") or "", element.tag
    match str(tag):
        case "template":
            found = []
        case "lrm_resource" | "obj_ref":
            found = [owners.get(name) or owners.get(plain(name), "")]
        case word if word.startswith("rsc_"):
            found = _concerned(root, element, owners)
        case _:
            found = [name]
    return frozenset(found) - {""}
