"""Old documents as if they had been written today, before anything else is read.

Only what the engine reads is brought up to date: references are replaced by what they refer to,
`<master>` is a promotable clone, the properties' old names and places are left behind. The
document itself is never changed: what has to be different is changed in a copy.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from lxml import etree

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

# Properties that have become defaults of resources or operations since.
_TO_RESOURCES: Final = {
    "default-resource-stickiness": "resource-stickiness",
    "default-migration-threshold": "migration-threshold",
    "is-managed-default": "is-managed",
}
_TO_OPERATIONS: Final = {"default-action-timeout": "timeout"}
_GONE_CLASSES: Final = frozenset({"upstart", "nagios"})
_GONE: Final = (
    "configuration/resources//primitive[@class='upstart']"
    "|configuration/resources//primitive[@class='nagios']|configuration/resources//rkt"
)


def upgraded(root: Element) -> Element:
    """Return `root`, or an upgraded copy if there is anything to upgrade."""
    if not _is_old(root):
        return root
    copy = deepcopy(root)
    _resolve_references(copy)
    _promotable_clones(copy)
    _properties(copy)
    _remove_gone(copy)
    return copy


def _is_old(root: Element) -> bool:
    configuration = root.find("configuration")
    if configuration is None:
        return False
    tests = (
        "boolean(.//@id-ref or .//master or .//primitive[@class='upstart' or @class='nagios']"
        " or .//rkt or crm_config//nvpair[contains(@name, '_') or starts-with(@name, 'default-')"
        " or @name='is-managed-default'])"
    )
    return bool(configuration.xpath(tests))


def _resolve_references(root: Element) -> None:
    configuration = root.find("configuration")
    assert configuration is not None
    known: dict[str, Element] = {}
    for element in configuration.iter("*"):
        known.setdefault(element.get("id") or "", element)
    for element in list(configuration.iterfind(".//*[@id-ref]")):
        source, parent = known.get(element.get("id-ref") or ""), element.getparent()
        if source is None or parent is None or source.tag != element.tag:
            continue
        replacement = deepcopy(source)
        if element.get("name") is not None:
            replacement.set("name", element.get("name") or "")
        replacement.tail = None
        parent.replace(element, replacement)


def _promotable_clones(root: Element) -> None:
    for master in list(root.iterfind("configuration/resources//master")):
        master.tag = "clone"
        name = master.get("id") or ""
        extra = etree.SubElement(master, "meta_attributes", id=f"{name}-promotable")
        etree.SubElement(
            extra, "nvpair", id=f"{name}-promotable-is", name="promotable", value="true"
        )


def _properties(root: Element) -> None:
    for pair in list(root.iterfind("configuration/crm_config//nvpair")):
        name = (pair.get("name") or "").replace("_", "-")
        pair.set("name", name)
        if name in _TO_RESOURCES:
            _default(root, "rsc_defaults", _TO_RESOURCES[name], pair)
        elif name in _TO_OPERATIONS:
            _default(root, "op_defaults", _TO_OPERATIONS[name], pair)


def _default(root: Element, section: str, name: str, pair: Element) -> None:
    configuration = root.find("configuration")
    assert configuration is not None
    defaults = configuration.find(section)
    if defaults is None:
        defaults = etree.SubElement(configuration, section)
    # A set that stands last has the last word: whoever set the default itself is not overruled.
    holder = etree.SubElement(defaults, "meta_attributes", id=f"{section}-upgraded-{name}")
    etree.SubElement(holder, "nvpair", name=name, value=pair.get("value") or "")


def _remove_gone(root: Element) -> None:
    found = root.xpath(_GONE)
    assert isinstance(found, list)
    for element in found:
        assert isinstance(element, etree._Element)  # noqa: SLF001 - lxml's only name for the type
        parent = element.getparent()
        if parent is None:
            continue
        if element.tag == "rkt" and parent.getparent() is not None:
            element, parent = parent, parent.getparent()  # noqa: PLW2901
        assert parent is not None
        parent.remove(element)
