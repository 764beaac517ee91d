"""Where each resource shall run: section 11 of the specification.

Scores of a resource are changed only here and before; what is printed as its scores is the state
after all colocations have been applied and before the choice.
"""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING

from ninefold.scheduler import reasons, scoring, variants
from ninefold.scheduler.crowd import LAST
from ninefold.scheduler.merging import THIS_WITH, add_colocated
from ninefold.scheduler.model import ScoreLine
from ninefold.scheduler.node_rank import equals, rank, rank_nodes
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.utilization import ban_full_nodes, consume, release
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace


def assign_all(work: Workspace) -> None:
    """Assign every top-level resource: connections to remote nodes first, then in order."""
    if work.options.placement_strategy != "default":
        _sort_for_placement(work)
    if work.has_remote_nodes:
        for resource in list(work.resources):
            if resource.remote_connection:
                variants.of(resource).assign(
                    work, resource, resource.partial_target, stop_if_fail=True
                )
    for resource in list(work.resources):
        if work.crowd is not None:
            work.crowd.begin(work, resource.id)
        if resource.is_assigned and resource.variant is Variant.BUNDLE:
            # Its turn comes late: others have had to go with it. The field's tools show it again.
            print_tree(work, resource, "pcmk__bundle_assign")
        elif not resource.remote_connection:
            variants.of(resource).assign(work, resource, None, stop_if_fail=True)
    if work.crowd is not None:
        work.crowd.begin(work, LAST)


def _sort_for_placement(work: Workspace) -> None:
    """Put first what has most to lose: priority, the score where it is, the best scores."""
    order = rank(work, {node.name: node.score for node in work.nodes}, None)
    tables: dict[str, dict[str, int]] = {}
    for resource in work.resources:
        table = add_colocated(work, resource, resource, None, None, factor=1.0, flags=THIS_WITH)
        tables[resource.id] = table or {}

    def compare(left: Resource, right: Resource) -> int:
        if left.priority != right.priority:
            return -1 if left.priority > right.priority else 1
        ours, theirs = tables[left.id], tables[right.id]
        here, there = _current_score(left, ours), _current_score(right, theirs)
        if here != there:
            return -1 if here > there else 1
        for node in order:
            one, other = ours.get(node.name, -INFINITY), theirs.get(node.name, -INFINITY)
            if one != other:
                return -1 if one > other else 1
        return 0

    work.resources.sort(key=cmp_to_key(compare))


def _current_score(resource: Resource, table: dict[str, int]) -> int:
    current = current_node(resource)
    return -INFINITY if current is None else table.get(current.name, -INFINITY)


def current_node(resource: Resource) -> Node | None:
    """Return where it is now; what needs no fencing counts where it can still be reached."""
    if resource.partial_source is not None and resource.partial_source in resource.active:
        return resource.partial_source
    if not resource.active:
        return None
    if not resource.needs_fencing:
        for node in resource.active:
            if node.online and not node.unclean:
                return node
    return resource.active[0]


def print_tree(work: Workspace, resource: Resource, kind: str) -> None:
    """Record the scores of `resource` and everything in it as they are now."""
    print_scores(work, resource, kind)
    for child in resource.children:
        print_tree(work, child, kind)


def print_scores(work: Workspace, resource: Resource, kind: str) -> None:
    """Record the scores of `resource` as they are now."""
    if resource.removed:
        return
    for name in sorted(resource.scores):
        work.score_lines.append(ScoreLine(kind, resource.id, name, resource.scores[name]))


def choose(work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool) -> None:
    """Choose the node of a primitive from its scores."""
    if work.options.fencing_enabled and not work.has_fence_device:
        # Nothing is started or stopped: it could not be recovered.
        resource.managed = False
    if not resource.managed:
        resource.next_role = resource.role
        set_node(work, resource, current_node(resource), force=True, stop_if_fail=stop_if_fail)
    elif work.options.stop_all:
        set_node(work, resource, None, force=True, stop_if_fail=stop_if_fail)
    else:
        best = _best_node(work, resource, prefer)
        set_node(work, resource, best, force=False, stop_if_fail=stop_if_fail)


def _best_node(work: Workspace, resource: Resource, prefer: Node | None) -> Node | None:
    roomiest = ban_full_nodes(work, resource)
    prefer = prefer or roomiest
    current = current_node(resource)
    ranked = rank_nodes(work, resource, current)
    best = ranked[0] if ranked else None
    if prefer is not None and prefer.name in resource.scores and best is not None:
        score = resource.scores[prefer.name]
        if score >= 0 and score >= resource.scores[best.name] and prefer.available:
            return prefer
    if best is None:
        return None
    top = resource.scores[best.name]
    parent = resource.parent
    unique = parent is not None and parent.clone is not None and parent.unique
    if not unique and top > 0 and best.available and current is not None and current.available:
        for node in ranked:
            if resource.scores[node.name] != top:
                break
            if node is current:
                return node
    if work.crowd is not None and top >= 0 and best.available:
        work.crowd.chose(equals(resource.scores, ranked, current), best)
    return best


def set_node(
    work: Workspace, resource: Resource, node: Node | None, *, force: bool, stop_if_fail: bool
) -> bool:
    """Assign `resource` (and what is in it) to `node`; answer whether that changed anything.

    A node that may not be used means that it stops, unless this was only a try.
    """
    if resource.children:
        changed = False
        for child in resource.children:
            changed |= set_node(work, child, node, force=force, stop_if_fail=stop_if_fail)
        return changed
    if node is not None and not force:
        score = resource.scores.get(node.name, -INFINITY)
        if score < 0 or (not node.available and not node.guest):
            node = None
            if stop_if_fail:
                resource.next_role = Role.STOPPED
    previous = resource.assigned
    unassign(work, resource)
    resource.is_assigned = True
    if node is None:
        if stop_if_fail:
            _stays_stopped(resource)
        return previous is not None
    resource.assigned = node
    node.count += 1
    node.assigned.append(resource)
    consume(work, resource, node)
    return previous is not node


def _stays_stopped(resource: Resource) -> None:
    resource.next_role = Role.STOPPED
    for action in resource.actions:
        if action.task == "stop":
            action.optional = False
        elif action.task == "start" or (
            # With the stop ends whatever repeats: it needs no cancellation either.
            action.interval_ms > 0 and action.meta.get("op_target_rc") != "7"
        ):
            action.runnable = False
            action.why_not = action.why_not or "it has no node"


def unassign(work: Workspace, resource: Resource) -> None:
    """Take back an assignment."""
    for child in resource.children:
        unassign(work, child)
        resource.is_assigned = False
    if resource.children:
        return
    node = resource.assigned
    resource.is_assigned = False
    resource.assigned = None
    if node is not None:
        node.count -= 1
        if resource in node.assigned:
            node.assigned.remove(resource)
        release(work, resource, node)


def refuse(work: Workspace, resource: Resource) -> None:
    """Leave `resource` without a node: what it must go with is nowhere."""
    set_node(work, resource, None, force=True, stop_if_fail=True)


def forbid_all(work: Workspace, resource: Resource) -> None:
    """Take all nodes from what is wanted stopped."""
    for node in work.nodes:
        scoring.contribute(resource, node, -INFINITY, "target-role", resource.id)
    if not resource.removed:
        resource.placement_reasons.append(reasons.target_stopped(resource))
