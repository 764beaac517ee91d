"""A transition as the field writes it: the graph's XML, and the lines of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.scheduler.model import ActionKind
from ninefold.scheduler.scores import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Action, ScoreLine, Transition

_TAGS: Final = {
    ActionKind.RESOURCE: "rsc_op",
    ActionKind.PSEUDO: "pseudo_event",
    ActionKind.FENCING: "crm_event",
    ActionKind.CLUSTER: "crm_event",
}


def score_lines(transition: Transition) -> list[str]:
    """Return the lines of a `.scores` file, sorted."""
    return sorted(_score_line(line) for line in transition.scores)


def _score_line(line: ScoreLine) -> str:
    score = render(line.score)
    if line.kind == "promotion" and not line.node:
        return f"{line.resource} promotion score (inactive): {score}"
    if line.kind == "promotion":
        return f"{line.resource} promotion score on {line.node}: {score}"
    return f"{line.kind}: {line.resource} allocation score on {line.node}: {score}"


def graph_xml(transition: Transition, node_ids: Mapping[str, str]) -> str:
    """Return the transition graph; `node_ids` maps the names of nodes to their ids."""
    root = etree.Element("transition_graph", {**transition.header, "transition_id": "1"})
    if transition.recheck_at:
        root.set("recheck-by", str(transition.recheck_at))
    by_id = {action.id: action for action in transition.actions}
    for number, action in enumerate(transition.in_sequence):
        synapse = etree.SubElement(root, "synapse", id=str(number))
        if action.priority:
            synapse.set("priority", str(action.priority))
        group = etree.SubElement(synapse, "action_set")
        element = _head(group, action, node_ids)
        _body(element, action, node_ids)
        inputs = etree.SubElement(synapse, "inputs")
        for earlier in action.inputs:
            _head(etree.SubElement(inputs, "trigger"), by_id[earlier], node_ids)
    return etree.tostring(root, pretty_print=True).decode()


def _head(parent: Element, action: Action, node_ids: Mapping[str, str]) -> Element:
    element = etree.SubElement(parent, _TAGS[action.kind])
    if action.task == "lrm_delete":
        element.set("mode", "cib")
    element.set("id", str(action.id))
    element.set("operation", action.task)
    element.set("operation_key", action.history_key or action.key)
    if action.history_key:
        element.set("internal_operation_key", action.key)
    if action.node and (action.kind is not ActionKind.PSEUDO or action.task == "stonith"):
        element.set("on_node", action.node)
        element.set("on_node_uuid", _id_of(action.node, node_ids))
    if action.router and action.kind is ActionKind.RESOURCE:
        element.set("router_node", action.router)
    return element


def _id_of(node: str, node_ids: Mapping[str, str]) -> str:
    """Return the id of a node; one behind a connection is known by its name only."""
    return node_ids.get(node) or node


def _body(element: Element, action: Action, node_ids: Mapping[str, str]) -> None:
    if action.kind is ActionKind.RESOURCE or (
        action.kind is ActionKind.CLUSTER and action.resource
    ):
        primitive = etree.SubElement(element, "primitive", id=action.resource)
        if action.instance:
            primitive.set("long-id", action.instance)
        named = (
            ("class", action.agent_class), ("provider", action.provider), ("type", action.agent_type)
        )  # fmt: skip
        for name, value in named:
            if value:
                primitive.set(name, value)
    attributes = {f"CRM_meta_{n.replace('-', '_')}": value for n, value in action.meta.items()}
    if action.node and (action.kind is not ActionKind.PSEUDO or action.task == "stonith"):
        attributes["CRM_meta_on_node"] = action.node
        attributes["CRM_meta_on_node_uuid"] = _id_of(action.node, node_ids)
    attributes |= action.parameters
    body = etree.SubElement(element, "attributes")
    for name in sorted(attributes):
        if name[:1].isdigit():
            # Not the name of an XML attribute; the field writes such parameters as children.
            etree.SubElement(body, "param", name=name, value=attributes[name])
        else:
            body.set(name, attributes[name])
    if action.downed:
        downed = etree.SubElement(element, "downed")
        for node in action.downed:
            etree.SubElement(downed, "node", id=_id_of(node, node_ids))
