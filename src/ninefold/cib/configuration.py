"""Changes of the configuration: what operators ask for.

Each function gets the document and a copy of its configuration to work on, and returns what speaks
against the change, or `None`. Ids are those that Pacemaker's own tools would have chosen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.cib import edit, views

if TYPE_CHECKING:
    from collections.abc import Collection

    from lxml.etree import _Element as Element

    from ninefold.cib.edit import Refused
    from ninefold.cib.model import (
        AddNodes,
        ClearMoves,
        MoveResource,
        SetMetaAttribute,
        SetNodeAttribute,
        SetProperty,
    )
    from ninefold.core.ids import NodeId

_ATTRIBUTE_SETS: Final = ("instance_attributes", "meta_attributes")

# What follows the name of a resource in that of an instance of its clone.
_INSTANCE: Final = re.compile(":[0-9]+$")


def set_property(configuration: Element, change: SetProperty) -> Refused | None:
    """Set or remove a cluster property where it stands, else in `cib-bootstrap-options`."""
    section = edit.child(configuration, "crm_config")
    tag = "cluster_property_set"
    if change.value is None:
        edit.drop_pair(section, tag, change.name)
        return None
    sets = [pairs for pairs in section.iterchildren(tag) if pairs.find("rule") is None]
    holding = [p for p in sets if edit.find_by(p, "nvpair", "name", change.name) is not None]
    holding.sort(key=lambda pairs: pairs.get("id") != views.BOOTSTRAP_OPTIONS)
    pairs = holding[0] if holding else edit.pair_set(section, tag, views.BOOTSTRAP_OPTIONS)
    edit.set_pair(pairs, change.name, change.value)
    return None


def set_node_attribute(configuration: Element, change: SetNodeAttribute) -> Refused | None:
    """Set or remove a permanent attribute of a configured node."""
    nodes = edit.child(configuration, "nodes")
    node = edit.find_by(nodes, "node", "uname", change.node)
    if node is None:
        return _unknown_node(configuration, change.node)
    tag = "instance_attributes"
    if change.value is None:
        edit.drop_pair(node, tag, change.name)
        return None
    pairs = edit.pair_set(node, tag, f"nodes-{edit.as_id(node.get('id', ''))}")
    edit.set_pair(pairs, change.name, change.value)
    return None


def set_meta_attribute(configuration: Element, change: SetMetaAttribute) -> Refused | None:
    """Set or remove a meta attribute of a resource, wherever it stands."""
    resource = views.resource(configuration, change.resource)
    if resource is None:
        return unknown_resource(configuration, change.resource)
    tag = "meta_attributes"
    if change.value is None:
        edit.drop_pair(resource, tag, change.name)
        return None
    # The schema wants attribute sets before members and operations.
    leading = [child.tag in _ATTRIBUTE_SETS for child in resource]
    position = leading.index(False) if False in leading else len(leading)
    set_id = f"{edit.as_id(change.resource)}-meta_attributes"
    edit.set_pair(edit.pair_set(resource, tag, set_id, position), change.name, change.value)
    return None


def move_resource(configuration: Element, change: MoveResource) -> Refused | None:
    """Add what `crm_resource --move` and `--ban` would: a preference, a ban, or both."""
    if views.resource(configuration, change.resource) is None:
        return unknown_resource(configuration, change.resource)
    targets = [node for node in (change.node, change.ban) if node is not None]
    if not targets:
        sentence = "Neither a node to move to nor one to ban was named."
        return edit.refused("move-nowhere", change.resource, sentence, "Name a node.")
    if change.node == change.ban:
        sentence = f"{change.node} cannot be preferred and banned at once."
        return edit.refused("move-contradiction", change.resource, sentence, "Name two nodes.")
    for node in targets:
        if node not in _all_node_names(configuration):
            return _unknown_node(configuration, node)
    section = edit.child(configuration, "constraints")
    if change.node is not None:
        _drop_moves(section, change.resource, (_ban_id(change.resource, change.node),))
        _locate(section, _prefer_id(change.resource), change.resource, change.node, "INFINITY")
    if change.ban is not None:
        preference = edit.find_by(section, "rsc_location", "id", _prefer_id(change.resource))
        if preference is not None and preference.get("node") == change.ban:
            edit.remove(preference)
        ban_id = _ban_id(change.resource, change.ban)
        _locate(section, ban_id, change.resource, change.ban, "-INFINITY")
    return None


def clear_moves(configuration: Element, change: ClearMoves) -> Refused | None:
    """Remove the constraints of `move_resource`; a resource that is gone may have left some."""
    section = edit.child(configuration, "constraints")
    known = views.resource(configuration, change.resource) is not None
    if not known and edit.find_by(section, "rsc_location", "rsc", change.resource) is None:
        return unknown_resource(configuration, change.resource)
    ids = [_prefer_id(change.resource)]
    bans = _ban_id(change.resource, "")
    ids += [e.get("id", "") for e in section if e.get("id", "").startswith(bans)]
    _drop_moves(section, change.resource, tuple(ids))
    return None


def add_nodes(configuration: Element, change: AddNodes) -> Refused | None:
    """Give each node its `<node>`, under the id and the name of corosync.conf."""
    section = edit.child(configuration, "nodes")
    for number, name in change.nodes:
        if known_node(section, number, name) is None:
            node = etree.SubElement(section, "node", id=str(number))
            node.set("uname", name)
    return None


def known_node(section: Element, number: NodeId, name: str) -> Element | None:
    """Return the `<node>` of a node, with id and name as the ring knows them; `None` if there is none.

    Fence devices and constraints go by names, messages by ids. Were the two joined otherwise than in the
    ring, the wrong node would be silenced in place of the one that is lost.
    """
    with_id = edit.find_by(section, "node", "id", str(number))
    named = edit.find_by(section, "node", "uname", name)
    if named is None:
        if with_id is not None:
            with_id.set("uname", name)
        return with_id
    if with_id is not None and with_id is not named:
        with_id.set("id", named.get("id", ""))
    named.set("id", str(number))
    return named


def family(configuration: Element, resource: str) -> tuple[str, ...]:
    """Return a resource's id and those of all its members, also when it is not configured."""
    element = views.resource(configuration, resource)
    if element is None:
        return (resource,)
    return tuple(member.get("id", "") for member in element.iter(*views.RESOURCE_TAGS))


def belongs(name: str, resources: Collection[str]) -> bool:
    """Tell whether a name in a history is one of these resources, or an instance of one."""
    return name in resources or _INSTANCE.sub("", name) in resources


def _locate(section: Element, entry_id: str, resource: str, node: str, score: str) -> None:
    entry = edit.find_by(section, "rsc_location", "id", entry_id)
    if entry is not None and (entry.get("rsc") != resource or len(entry)):
        # Older tools wrote the preference as a rule; the plain form takes its place.
        edit.remove(entry)
        entry = None
    if entry is None:
        entry = etree.SubElement(section, "rsc_location", id=edit.free_id(section, entry_id))
    wanted = {"rsc": resource, "role": "Started", "node": node, "score": score}
    edit.set_attributes(entry, wanted)


def _drop_moves(section: Element, resource: str, ids: tuple[str, ...]) -> None:
    for entry in section.findall("rsc_location"):
        if entry.get("id") in ids and entry.get("rsc") == resource:
            edit.remove(entry)


def _prefer_id(resource: str) -> str:
    return f"cli-prefer-{edit.as_id(resource)}"


def _ban_id(resource: str, node: str) -> str:
    return f"cli-ban-{edit.as_id(resource)}-on-{edit.as_id(node)}"


def _all_node_names(configuration: Element) -> list[str]:
    """Cluster nodes, remote nodes (a primitive's id) and guest nodes (a meta attribute)."""
    names = [node.get("uname", "") for node in configuration.iterfind("nodes/node")]
    for resource in views.resources(configuration):
        if resource.get("type") == "remote":
            names.append(resource.get("id", ""))
        pairs = resource.iterfind("meta_attributes/nvpair")
        names += [pair.get("value", "") for pair in pairs if pair.get("name") == "remote-node"]
    return names


def _unknown_node(configuration: Element, name: str) -> Refused:
    known = ", ".join(_all_node_names(configuration)) or "none"
    return edit.refused(
        "unknown-node",
        f"node {name}",
        f"There is no node {name} in this cluster.",
        f"Name one of: {known}.",
    )


def unknown_resource(configuration: Element, name: str) -> Refused:
    """Refuse a change of a resource that there is not; name those there are."""
    known = ", ".join(views.resource_ids(configuration)) or "none"
    return edit.refused(
        "unknown-resource",
        f"resource {name}",
        f"There is no resource {name} in this cluster.",
        f"Name one of: {known}.",
    )
