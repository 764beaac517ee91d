"""Which nodes a resource prefers or avoids: location constraints and node health (section 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons, scoring
from ninefold.scheduler.resources import parameters_on
from ninefold.scheduler.rules import Scope, expanded, holds
from ninefold.scheduler.scores import INFINITY, add, parse
from ninefold.scheduler.words import Role, boolean, role
from ninefold.scheduler.workspace import Location, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace

# How strongly a constraint says where to look for a resource.
_DISCOVERY: Final = ("always", "never", "exclusive")


class _Target:
    """A resource that a constraint is about, with what a pattern matched in its name."""

    def __init__(
        self,
        resource: Resource,
        role_text: str | None,
        score: str | None,
        submatches: tuple[str, ...] = (),
    ) -> None:
        self.resource = resource
        self.role = role_text
        self.score = score
        self.submatches = submatches


def unpack_location(work: Workspace, element: Element) -> None:
    """Read one `<rsc_location>` for each resource it is about."""
    for target in _targets(work, element):
        _unpack_for(work, element, target)


def _targets(work: Workspace, element: Element) -> list[_Target]:
    outer_role, outer_score = element.get("role"), element.get("score")
    found: list[_Target] = []
    names = element.get("rsc")
    if names is not None:
        found.extend(_Target(one, outer_role, outer_score) for one in expand(work, names))
    pattern = element.get("rsc-pattern")
    if pattern is not None:
        found.extend(_matching(work, element, pattern))
    for one in element.iterchildren("resource_set"):
        for resource in members(work, one):
            set_role = one.get("role") or outer_role
            found.append(_Target(resource, set_role, one.get("score") or outer_score))
    return found


def _matching(work: Workspace, element: Element, pattern: str) -> list[_Target]:
    invert = pattern.startswith("!")
    try:
        regex = re.compile(pattern.removeprefix("!"))
    except re.error:
        work.warn(f"Constraint {element.get('id')} has a pattern that cannot be read.")
        return []
    found = []
    for resource in work.resources:
        match = regex.search(resource.id)
        if (match is None) != invert:
            continue
        groups = () if match is None else (match[0], *(group or "" for group in match.groups()))
        found.append(_Target(resource, element.get("role"), element.get("score"), groups))
    return found


def members(work: Workspace, one: Element) -> list[Resource]:
    """Return the resources of a `<resource_set>`, in order."""
    return [
        resource
        for ref in one.iterchildren("resource_ref")
        for resource in expand(work, ref.get("id") or "")
    ]


def expand(work: Workspace, name: str) -> list[Resource]:
    """Return the resources that `name` stands for: itself, a tag's or a template's members."""
    resource = work.by_id.get(name)
    if resource is not None:
        return [resource]
    element = work.elements.get(name)
    if element is None:
        # The name of a clone's inside means the clone, once an instance is on record under it.
        instances = work.by_config_id.get(name, [])
        if any(one.history_id == name for one in instances):
            return [instances[0].top]
        work.warn(f"A constraint names {name}, which is unknown: it is ignored.")
        return []
    if element.tag == "tag":
        ids = [ref.get("id") or "" for ref in element.iterchildren("obj_ref")]
        return [inner for one in ids for inner in expand(work, one)]
    users = work.root.iterfind(f"configuration/resources//primitive[@template='{name}']")
    return [one for user in users for one in expand(work, user.get("id") or "")]


def _unpack_for(work: Workspace, element: Element, target: _Target) -> None:
    identity = element.get("id") or ""
    discovery = element.get("resource-discovery") or "always"
    node_name = element.get("node")
    if node_name is not None:
        node = work.node(node_name)
        lifetime = element.findall("lifetime/rule")
        lives = not lifetime or all(
            holds(rule, Scope(now=work.now, turns=work.turns)) for rule in lifetime
        )
        if node is not None and lives:
            scores = {node.name: parse(target.score)}
            wanted = _role(target.role)
            _keep(work, Location(identity, target.resource, scores, wanted, discovery))
    for rule in element.iterchildren("rule"):
        rule_role = rule.get("role") or target.role
        scores = _rule_scores(work, rule, target)
        rule_id = rule.get("id") or identity
        _keep(work, Location(rule_id, target.resource, scores, _role(rule_role), discovery))


def _role(name: str | None) -> Role:
    wanted = role(name)
    return Role.UNKNOWN if wanted in {Role.STARTED, Role.UNPROMOTED} else wanted


def _rule_scores(work: Workspace, rule: Element, target: _Target) -> dict[str, int]:
    resource = target.resource
    fixed, attribute = rule.get("score"), rule.get("score-attribute")
    if attribute is not None:
        attribute = expanded(attribute, target.submatches)
    agent = (resource.agent_class, resource.provider, resource.agent_type)
    scores: dict[str, int] = {}
    for node in work.nodes:
        scope = Scope(
            now=work.now,
            turns=work.turns,
            attributes=node.attributes,
            resource=agent,
            parameters=parameters_on(work, resource, node),
            meta=resource.meta,
            submatches=target.submatches,
        )
        if holds(rule, scope):
            text = node.attributes.get(attribute) if attribute else fixed
            scores[node.name] = parse(text, -INFINITY if attribute else 0)
    return scores


def _keep(work: Workspace, location: Location) -> None:
    work.locations.insert(0, location)
    location.resource.locations.append(location)
    if location.discovery == "exclusive":
        location.resource.exclusive_probes = True


def apply_locations(work: Workspace) -> None:
    """Add the scores of every location; those about a role only count if it is the next role."""
    for location in work.locations:
        apply_location(work, location.resource, location, location.scores)


def apply_location(
    work: Workspace, resource: Resource, location: Location, scores: dict[str, int]
) -> None:
    """Add the scores of a location to `resource` and what is in it."""
    _apply(work, resource, location, scores)
    match resource.variant:
        case Variant.PRIMITIVE:
            pass
        case Variant.GROUP:
            # The first member of a colocated group stands for all of them.
            none = dict.fromkeys(scores, 0) if resource.colocated else scores
            for number, child in enumerate(resource.children):
                apply_location(work, child, location, none if number else scores)
        case Variant.CLONE:
            for child in resource.children:
                apply_location(work, child, location, scores)
        case Variant.BUNDLE:
            _apply_to_bundle(work, resource, location, scores)


def _apply_to_bundle(
    work: Workspace, bundle: Resource, location: Location, scores: dict[str, int]
) -> None:
    for replica in bundle.replicas:
        for part in (replica.container, replica.address):
            if part is None:
                continue
            apply_location(work, part, location, scores)
            part.exclusive_probes = part.exclusive_probes or location.discovery == "exclusive"
    inner = bundle.children[-1] if bundle.children else None
    if location.role is Role.PROMOTED and inner is not None and inner.clone is not None:
        apply_location(work, inner, location, scores)
        if location not in inner.locations:
            inner.locations.insert(0, location)


def _apply(work: Workspace, resource: Resource, location: Location, scores: dict[str, int]) -> None:
    if location.role is not Role.UNKNOWN and location.role is not resource.next_role:
        return
    for name, score in scores.items():
        node = work.node_names[name.lower()]
        scoring.insert(resource, node, score, "location", location.id)
        mode = resource.probe_modes.get(name, "always")
        if _rank(mode) < _rank(location.discovery):
            resource.probe_modes[name] = location.discovery
        if score:
            resource.placement_reasons.append(reasons.location(location, name, score))


def _rank(mode: str) -> int:
    return _DISCOVERY.index(mode) if mode in _DISCOVERY else 0


def apply_health(work: Workspace) -> None:
    """Turn the nodes' health attributes into locations, as the strategy says."""
    strategy = work.options.health_strategy
    green, yellow, red = {
        "migrate-on-red": (0, 0, -INFINITY),
        "only-green": (0, -INFINITY, -INFINITY),
        "progressive": work.options.health_scores,
        "custom": work.options.health_scores,
    }.get(strategy, (None, None, None))
    if green is None or yellow is None or red is None:
        return
    colours = {"green": green, "yellow": yellow, "red": red}
    base = work.options.health_base if strategy == "progressive" else 0
    for node in work.nodes:
        health = base
        for name, value in node.attributes.items():
            if name.startswith("#health"):
                word = value.strip().lower()
                health = add(health, colours[word] if word in colours else parse(value))
        if health == 0:
            continue
        for resource in work.resources:
            # Who may run on unhealthy nodes is spared what is bad there, and keeps what is good.
            spared = boolean(resource.meta.get("allow-unhealthy-nodes"), default=False)
            if health > 0 or not spared:
                _keep(work, Location(f"health of {node.name}", resource, {node.name: health}))
