"""Which nodes a resource prefers, avoids, or has failed on too often: sections 7 and 8."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ninefold.scheduler import reasons
from ninefold.scheduler.failcounts import effective
from ninefold.scheduler.rules import Scope, holds
from ninefold.scheduler.scores import INFINITY, add, parse
from ninefold.scheduler.words import Role, role
from ninefold.scheduler.workspace import Location, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace


def unpack_location(work: Workspace, element: Element) -> None:
    """Read one `<rsc_location>` for each resource it is about."""
    for resource, wanted_role, score in _targets(work, element):
        if resource.variant is Variant.UNSUPPORTED:
            continue
        _unpack_for(work, element, resource, wanted_role, score)


def _targets(work: Workspace, element: Element) -> list[tuple[Resource, str | None, str | None]]:
    outer_role, outer_score = element.get("role"), element.get("score")
    found: list[tuple[Resource, str | None, str | None]] = []
    names = element.get("rsc")
    if names is not None:
        for name in expand(work, names):
            resource = work.by_id.get(name)
            if resource is not None:
                found.append((resource, outer_role, outer_score))
    pattern = element.get("rsc-pattern")
    if pattern is not None:
        invert = pattern.startswith("!")
        try:
            regex = re.compile(pattern.removeprefix("!"))
        except re.error:
            work.warn(f"Constraint {element.get('id')} has a pattern that cannot be read.")
            return found
        found.extend(
            (resource, outer_role, outer_score)
            for resource in work.resources
            if (regex.search(resource.id) is None) == invert
        )
    for one in element.iterchildren("resource_set"):
        for ref in one.iterchildren("resource_ref"):
            for name in expand(work, ref.get("id") or ""):
                resource = work.by_id.get(name)
                if resource is not None:
                    set_role = one.get("role") or outer_role
                    found.append((resource, set_role, one.get("score") or outer_score))
    return found


def expand(work: Workspace, name: str) -> list[str]:
    """Return the resources that `name` stands for: itself, a tag's or a template's members."""
    if name in work.by_id:
        return [name]
    element = work.elements.get(name)
    if element is None:
        return []
    if element.tag == "tag":
        ids = [ref.get("id") or "" for ref in element.iterchildren("obj_ref")]
        return [inner for one in ids for inner in expand(work, one)]
    if element.tag == "template":
        users = work.root.iterfind(f"configuration/resources//primitive[@template='{name}']")
        return [user.get("id") or "" for user in users]
    return []


def _unpack_for(
    work: Workspace, element: Element, resource: Resource, role_name: str | None, score: str | None
) -> None:
    identity = element.get("id") or ""
    discovery = element.get("resource-discovery") or "always"
    node_name = element.get("node")
    if node_name is not None:
        node = work.node(node_name)
        if node is not None:
            scores = {node.name: parse(score)}
            _keep(work, Location(identity, resource, scores, _role(role_name), discovery))
    for rule in element.iterchildren("rule"):
        rule_role = rule.get("role") or role_name
        scores = _rule_scores(work, rule, resource)
        rule_id = rule.get("id") or identity
        _keep(work, Location(rule_id, resource, scores, _role(rule_role), discovery))


def _role(name: str | None) -> Role:
    wanted = role(name)
    return Role.UNKNOWN if wanted in {Role.STARTED, Role.UNPROMOTED} else wanted


def _rule_scores(work: Workspace, rule: Element, resource: Resource) -> dict[str, int]:
    fixed, attribute = rule.get("score"), rule.get("score-attribute")
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    scores: dict[str, int] = {}
    for node in work.nodes:
        if holds(rule, Scope(now=work.now, attributes=node.attributes, resource=agent)):
            text = node.attributes.get(attribute) if attribute else fixed
            scores[node.name] = parse(text, -INFINITY if attribute else 0)
    return scores


def _keep(work: Workspace, location: Location) -> None:
    work.locations.insert(0, location)


def apply_locations(work: Workspace) -> None:
    """Add the scores of every location; those about a role only count if it is the next role."""
    for location in work.locations:
        resource = location.resource
        if location.role is not Role.UNKNOWN and location.role is not _next_role(resource):
            continue
        _apply(location, resource, factor=1)


def _next_role(resource: Resource) -> Role:
    if resource.target_role is Role.STOPPED:
        return Role.STOPPED
    return resource.next_role


def _apply(location: Location, resource: Resource, factor: int) -> None:
    for name, score in location.scores.items():
        given = score if factor else 0
        resource.scores[name] = add(resource.scores.get(name, 0), given)
        if location.discovery != "always":
            resource.probe_modes[name] = location.discovery
        if given:
            resource.placement_reasons.append(reasons.location(location, name, given))
    for number, child in enumerate(resource.children):
        first_only = resource.variant is Variant.GROUP and resource.colocated and number > 0
        _apply(location, child, factor=0 if first_only else factor)


def apply_stickiness(work: Workspace, resource: Resource) -> None:
    """Prefer the node where it runs, if it runs on exactly one."""
    for leaf in resource.primitives():
        if not leaf.managed or leaf.stickiness < 1 or len(leaf.active) != 1:
            continue
        node = leaf.active[0]
        if not work.options.symmetric and node.name not in leaf.scores:
            continue
        leaf.scores[node.name] = add(leaf.scores.get(node.name, 0), leaf.stickiness)
        leaf.placement_reasons.append(reasons.stickiness(leaf, node))


def apply_thresholds(work: Workspace, resource: Resource) -> None:
    """Ban nodes on which a resource has failed as often as it may."""
    for leaf in resource.primitives():
        for node in work.nodes:
            count = effective(work, leaf, node)
            if count <= 0 or node.name in leaf.clear_on:
                continue
            if leaf.ignore_failure or not leaf.managed:
                continue
            if leaf.migration_threshold and count >= leaf.migration_threshold:
                leaf.scores[node.name] = -INFINITY
                leaf.placement_reasons.append(reasons.threshold(leaf, node, count))


def apply_discovery(work: Workspace, resource: Resource) -> None:
    """Exclusive discovery on some nodes bans all others."""
    for leaf in resource.primitives():
        if "exclusive" not in leaf.probe_modes.values():
            continue
        for node in work.nodes:
            if leaf.probe_modes.get(node.name) != "exclusive":
                leaf.scores[node.name] = -INFINITY
