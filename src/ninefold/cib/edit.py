"""Small edits of a tree one owns: attributes and name-value pairs. Each tells whether it mattered.

Used by the families of changes (`configuration`, `status`, `failcounts`); never on a document's
own trees.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree

from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element as Element

_NOT_IN_IDS: Final = re.compile(r"[^A-Za-z0-9._-]")


class Refused(msgspec.Struct, frozen=True):
    """A change that was not applied, and everything that speaks against it."""

    findings: tuple[Finding, ...]


def refused(code: str, subject: str, sentence: str, remedy: str) -> Refused:
    """Return a refusal for one reason."""
    return Refused((Finding(code, Severity.ERROR, subject, sentence, remedy),))


def as_id(text: str) -> str:
    """Return `text` with what may not stand in an XML id replaced by dots, as Pacemaker does."""
    return _NOT_IN_IDS.sub(".", text)


def set_attributes(element: Element, attributes: Mapping[str, str]) -> bool:
    """Set attributes; keep the order of those that are there."""
    wanted = {name: value for name, value in attributes.items() if element.get(name) != value}
    for name, value in wanted.items():
        element.set(name, value)
    return bool(wanted)


def remove(element: Element) -> None:
    """Take an element out of its tree."""
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def child(parent: Element, tag: str, **attributes: str) -> Element:
    """Return the first child called `tag`, made at the end if there is none."""
    found = parent.find(tag)
    return etree.SubElement(parent, tag, attributes) if found is None else found


def find_by(parent: Element, tag: str, attribute: str, value: str) -> Element | None:
    """Return the first child `tag` whose attribute has this value."""
    return next((e for e in parent.iterchildren(tag) if e.get(attribute) == value), None)


def pair_set(owner: Element, tag: str, set_id: str, position: int | None = None) -> Element:
    """Return the owner's set of pairs with this id, else its first without a rule, else a new one."""
    sets = [found for found in owner.iterchildren(tag) if found.find("rule") is None]
    for found in sets:
        if found.get("id") == set_id:
            return found
    if sets:
        return sets[0]
    made = etree.Element(tag, id=free_id(owner, set_id))
    owner.insert(len(owner) if position is None else position, made)
    return made


def set_pair(pairs: Element, name: str, value: str) -> bool:
    """Set one `nvpair`, with Pacemaker's id `SET-NAME`."""
    pair = find_by(pairs, "nvpair", "name", name)
    if pair is not None:
        return set_attributes(pair, {"value": value})
    wanted = f"{pairs.get('id', 'set')}-{as_id(name)}"
    pair = etree.SubElement(pairs, "nvpair", id=free_id(pairs, wanted))
    pair.set("name", name)
    pair.set("value", value)
    return True


def drop_pair(owner: Element, tag: str, name: str) -> bool:
    """Remove a pair from all the owner's sets that have no rule."""
    found = [
        pair
        for pairs in owner.iterchildren(tag)
        if pairs.find("rule") is None
        for pair in pairs.iterchildren("nvpair")
        if pair.get("name") == name
    ]
    for pair in found:
        remove(pair)
    return bool(found)


def free_id(near: Element, wanted: str) -> str:
    """Return `wanted`, with a number behind it if the tree around `near` has that id already."""
    # A scan for one value runs in C; collecting the ids of all history in Python would not.
    root = near.getroottree()
    has = etree.XPath("boolean(//*[@id = $wanted])")
    candidate, number = wanted, 0
    while has(root, wanted=candidate):
        number += 1
        candidate = f"{wanted}-{number}"
    return candidate
