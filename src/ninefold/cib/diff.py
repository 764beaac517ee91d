"""What changed between two documents, in sentences for the history and the event log.

Elements are known by their ids, so that a move inside the file is no change. Only the
configuration is compared: status speaks through events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib.document import is_element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.cib.document import Cib

# A replaced document may differ in everything; nobody reads more than this.
SENTENCES_MAX: Final = 500

_KINDS: Final = {
    "nvpair": "setting",
    "op": "operation",
    "rsc_location": "location constraint",
    "rsc_colocation": "colocation constraint",
    "rsc_order": "ordering constraint",
    "rsc_ticket": "ticket constraint",
}
_WRAPPERS: Final = ("instance_attributes", "meta_attributes", "cluster_property_set", "operations")
_OWNERS: Final = ("primitive", "group", "clone", "master", "bundle", "template", "node", "op")


def describe(old: Cib, new: Cib) -> list[str]:
    """Return one sentence per element added, removed or changed, in the order of the documents."""
    if old.configuration is new.configuration:
        return []
    sentences = list(_sentences(_by_id(old.configuration), _by_id(new.configuration)))
    left_out = len(sentences) - SENTENCES_MAX
    if left_out > 0:
        return [*sentences[:SENTENCES_MAX], f"And {left_out} more changes."]
    return sentences


def _sentences(before: dict[str, Element], after: dict[str, Element]) -> Iterator[str]:
    for key, element in before.items():
        if key not in after and not _inside(element, before, after):
            yield f"Removed {_name(element)}."
    for key, element in after.items():
        known = before.get(key)
        if known is None:
            if not _inside(element, after, before):
                yield f"Added {_name(element)}{_details(element)}."
        else:
            yield from _changed(known, element)


def _changed(old: Element, new: Element) -> Iterator[str]:
    for name in dict.fromkeys((*map(str, old.attrib), *map(str, new.attrib))):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        what = _name(new) if name == "value" else f"{name} of {_name(new)}"
        if after is None:
            yield f"Removed {what} (was {before})."
        elif before is None:
            yield f"Set {what} to {after}."
        else:
            yield f"Changed {what} from {before} to {after}."
    if _owner_id(old) != _owner_id(new):
        yield f"Moved {_name(new)} from {_owner_id(old) or 'the top'} to {_owner_id(new) or 'the top'}."


def _inside(element: Element, here: dict[str, Element], there: dict[str, Element]) -> bool:
    """Tell whether a parent with an id is news too: then it is told there."""
    parent = element.getparent()
    while parent is not None:
        key = _key(parent)
        if key in here and key not in there and parent.tag not in _WRAPPERS:
            return True
        parent = parent.getparent()
    return False


def _by_id(configuration: Element) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for element in configuration.iter():
        key = _key(element)
        if key and element.tag not in _WRAPPERS:
            found.setdefault(key, element)
    return found


def _key(element: Element) -> str:
    own = element.get("id") if is_element(element) else None
    if own is None:
        return ""
    # A reference carries the id of what it refers to; its place tells it apart.
    parent = element.getparent()
    above = parent.get("id", "") if parent is not None and str(element.tag).endswith("_ref") else ""
    return f"{element.tag} {above} {own}"


def _name(element: Element) -> str:
    tag = str(element.tag)
    own = element.get("name") if tag in ("nvpair", "op") else element.get("id")
    owner = _owner_id(element) if tag in ("nvpair", "op", "resource_ref") else ""
    return f"{_KINDS.get(tag, tag)} {own}" + (f" of {owner}" if owner else "")


def _details(element: Element) -> str:
    if element.tag == "nvpair":
        return f" = {element.get('value', '')}"
    shown = [f"{n}={element.get(n)}" for n in map(str, element.attrib) if n not in ("id", "name")]
    members = [child.get("id", "") for child in element if child.tag in _OWNERS[:2]]
    if members:
        shown.append("with " + ", ".join(members))
    return f" ({' '.join(shown)})" if shown else ""


def _owner_id(element: Element) -> str:
    parent = element.getparent()
    while parent is not None:
        if parent.tag in _OWNERS or parent.tag == "resource_set":
            name = "name" if parent.tag == "op" else "uname"
            return str(parent.get(name) or parent.get("id", ""))
        parent = parent.getparent()
    return ""
