"""Where each resource shall run: section 11 of the specification.

Scores of a resource are changed only here and before; what is printed as its scores is the state
after all colocations have been applied and before the choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import act
from ninefold.scheduler.colocation import effective_this_with, effective_with_this, has_role
from ninefold.scheduler.model import ScoreLine
from ninefold.scheduler.preferences import add_preferences
from ninefold.scheduler.scores import INFINITY, add
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace


def assign_all(work: Workspace) -> None:
    """Assign every top-level resource, in the order of priority."""
    for resource in list(work.resources):
        assign(work, resource, None)


def assign(work: Workspace, resource: Resource, prefer: Node | None) -> Node | None:
    """Assign `resource` and whatever it depends on."""
    match resource.variant:
        case Variant.PRIMITIVE:
            return _assign_primitive(work, resource, prefer)
        case Variant.GROUP:
            return _assign_group(work, resource, prefer)
        case _:
            return None


def _assign_group(work: Workspace, group: Resource, prefer: Node | None) -> Node | None:
    if group.is_assigned or group.is_assigning:
        return group.assigned
    group.is_assigning = True
    _print_tree(work, group, "pcmk__group_assign")
    chosen: Node | None = None
    for number, member in enumerate(group.children):
        node = assign(work, member, prefer)
        if number == 0:
            chosen = node
    group.assigned = chosen
    group.next_role = group.children[0].next_role if group.children else Role.STOPPED
    group.is_assigning = False
    group.is_assigned = True
    return chosen


def _print_tree(work: Workspace, resource: Resource, kind: str) -> None:
    print_scores(work, resource, kind)
    for child in resource.children:
        _print_tree(work, child, kind)


def print_scores(work: Workspace, resource: Resource, kind: str) -> None:
    """Record the scores of `resource` as they are now."""
    if resource.removed:
        return
    for node in work.nodes:
        if node.name in resource.scores:
            line = ScoreLine(kind, resource.id, node.name, resource.scores[node.name])
            work.score_lines.append(line)


def _assign_primitive(work: Workspace, resource: Resource, prefer: Node | None) -> Node | None:
    parent = resource.parent
    if parent is not None and not parent.is_assigned and not parent.is_assigning:
        assign(work, parent, None)
    if resource.is_assigned or resource.is_assigning:
        return resource.assigned
    resource.is_assigning = True
    this_with = [c for c in effective_this_with(resource) if not has_role(c)]
    with_this = [c for c in effective_with_this(resource) if not has_role(c)]
    for mandatory in (True, False):
        for one in this_with:
            if one.mandatory is mandatory:
                _place_with(work, resource, one)
        for one in with_this:
            if one.mandatory is mandatory and one.influence:
                factor = one.score / INFINITY
                add_preferences(work, resource, one.dependent, one, factor)
    stopped = resource.target_role is Role.STOPPED or resource.next_role is Role.STOPPED
    if stopped:
        resource.next_role = Role.STOPPED
        for name in list(resource.scores):
            resource.scores[name] = -INFINITY
    resource.final_scores = dict(resource.scores)
    print_scores(work, resource, "pcmk__primitive_assign")
    resource.is_assigning = False
    _choose(work, resource, prefer)
    return resource.assigned


def _place_with(work: Workspace, resource: Resource, one: Colocation) -> None:
    primary = one.primary
    if resource in primary.primitives() or primary is resource:
        return
    assign(work, primary, None)
    before = dict(resource.scores)
    apply_to_scores(work, resource, one)
    if -INFINITY < one.score < 0 and not _any_node(work, resource.scores):
        resource.scores = before


def _any_node(work: Workspace, scores: dict[str, int]) -> bool:
    return any(n.available and scores.get(n.name, -INFINITY) > -INFINITY for n in work.nodes)


def apply_to_scores(work: Workspace, resource: Resource, one: Colocation) -> None:
    """Change the scores of `resource` by where the primary of `one` has been put."""
    primary = _standing_for(one.primary)
    target = primary.assigned
    if target is None:
        if one.score > 0:
            before = dict(resource.scores)
            for name in resource.scores:
                resource.scores[name] = add(resource.scores[name], -one.score)
            if one.score < INFINITY and not _any_node(work, resource.scores):
                resource.scores = before
        return
    value = target.attributes.get(one.attribute)
    updated = dict(resource.scores)
    for node in work.nodes:
        if node.name not in updated:
            continue
        matches = value is not None and node.attributes.get(one.attribute) == value
        if matches and one.score < INFINITY:
            updated[node.name] = add(updated[node.name], one.score)
        elif not matches and one.score >= INFINITY:
            updated[node.name] = -INFINITY
    if abs(one.score) >= INFINITY or _any_node(work, updated):
        resource.scores = updated
        if one.id:
            resource.placement_reasons.append(reasons.colocation(one, target.name))


def _standing_for(primary: Resource) -> Resource:
    """The member of a group that its dependents go with: the last."""
    return primary.children[-1] if primary.variant is Variant.GROUP else primary


def _choose(work: Workspace, resource: Resource, prefer: Node | None) -> None:
    managed = resource.is_managed and not _without_device(work, resource)
    if not managed:
        resource.is_assigned = True
        if not resource.active:
            resource.assigned = None
            resource.next_role = Role.STOPPED
            return
        resource.assigned = resource.active[0]
        resource.next_role = max(resource.role, Role.STARTED)
        resource.managed = False
        return
    if work.options.stop_all and not resource.fence_device:
        set_node(work, resource, None)
        return
    set_node(work, resource, _best_node(work, resource, prefer))


def _without_device(work: Workspace, resource: Resource) -> bool:
    """With fencing enabled and no device nothing is started or stopped: it could not be recovered."""
    if work.options.fencing_enabled and not work.has_fence_device:
        resource.managed = False
        return True
    return False


def rank_nodes(work: Workspace, scores: dict[str, int], current: Node | None) -> list[Node]:
    """Return the nodes that `scores` knows, best first."""
    strategy = work.options.placement_strategy

    def key(node: Node) -> tuple[int, int, int, bytes]:
        score = scores[node.name] if node.available else -INFINITY
        name = node.name.encode()
        if strategy == "minimal":
            return (-score, 0, 0, name)
        return (-score, node.count, 0 if node is current else 1, name)

    return sorted((n for n in work.nodes if n.name in scores), key=key)


def _best_node(work: Workspace, resource: Resource, prefer: Node | None) -> Node | None:
    current = resource.active[0] if resource.active else None
    ranked = rank_nodes(work, resource.scores, current)
    if not ranked:
        return None
    best = ranked[0]
    top = resource.scores[best.name]
    if prefer is not None and prefer.available and resource.scores.get(prefer.name) == top:
        return prefer
    ties = [n for n in ranked if n.available and resource.scores[n.name] == top]
    if current in ties and top > 0:
        return current
    return best


def set_node(work: Workspace, resource: Resource, node: Node | None) -> None:
    """Assign `resource` to `node`; a node that may not be used means that it stops."""
    resource.is_assigned = True
    usable = node is not None and node.available and resource.scores.get(node.name, -INFINITY) >= 0
    if node is None or not usable:
        resource.assigned = None
        resource.next_role = Role.STOPPED
        for action in resource.actions:
            if action.task == "stop":
                action.optional = False
            elif action.task == "start":
                action.runnable = False
        return
    resource.assigned = node
    if resource.next_role is Role.UNKNOWN:
        resource.next_role = Role.STARTED
    for action in resource.actions:
        if action.task == "start" and action.node is None:
            act(work, resource, "start", node, optional=False)
    node.count += 1
