"""What follows from the orders: required, or impossible. The second half of section 14.

The field's own scheduler does not come to a fixpoint: what it finds depends on the order of its
visits, so these are made in the same order. The newest action is first, and what follows from a
change is worked out at once, before anything else. Flags move one way only (optional to required,
runnable to unrunnable; a quota counts as one flag), so the visits end: each change leads to one of
the action and of everything after it. They are kept on a list and not on Python's stack, because a
chain of orders may be as long as the configuration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.actions import first_with_task, link
from ninefold.scheduler.collective_flags import (
    BEGUN,
    COMPLETED,
    flags_for_ordering,
    flags_of,
    own_flags,
)
from ninefold.scheduler.colocation import with_this
from ninefold.scheduler.pairing import location_of
from ninefold.scheduler.relations import (
    ASYMMETRIC,
    CHANGED_FIRST,
    CHANGED_THEN,
    FIRST_ELSE_THEN,
    FIRST_IMPLIES_SAME_NODE_THEN,
    FIRST_IMPLIES_THEN,
    FIRST_IMPLIES_THEN_GRAPHED,
    IF_ON_SAME_NODE,
    INTERMEDIATE_STOP,
    MIN_RUNNABLE,
    NESTED_REMOTE_PROBE,
    OPTIONAL,
    ORDERED,
    PROMOTED_THEN_IMPLIES_FIRST,
    RUNNABLE,
    THEN_CANCELS_FIRST,
    THEN_IMPLIES_FIRST,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNMIGRATABLE_THEN_BLOCKS,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.update_actions import Rule, after, update, update_pair
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import Variant

if TYPE_CHECKING:
    from ninefold.scheduler.update_actions import Visits
    from ninefold.scheduler.workspace import Action, Edge, Node, Resource, Workspace


def propagate(work: Workspace) -> None:
    """Work off all consequences of the orders between actions."""
    for action in reversed(work.actions):
        _run(work, block_dependents(action))
    for action in reversed(work.actions):
        _run(work, _visit(work, action))
    for resource in work.by_id.values():
        if resource.clone is not None:
            # Whatever its instances do in the end, the points around that take part in.
            for action in reversed(resource.actions):
                flags_of(action, None)
    for action in work.actions:
        _watch_nothing(action)


def _watch_nothing(action: Action) -> None:
    """Nobody watches what does not come to run: it would fail, and what is stopped be stopped again.

    Nor is anything watched where nobody comes to be: on a guest that does not start, for example. A
    visit of an instance beside another clone's may leave what comes after it as it was.
    """
    if action.runnable or action.optional or action.interval_ms > 0:
        return
    for edge in action.after:
        then = edge.then
        if not then.interval_ms or not then.runnable:
            continue
        if edge.relation & UNRUNNABLE_FIRST_BLOCKS:
            blocked(then, action)


def _run(work: Workspace, begun: Visits[object]) -> None:
    """Go through `begun`, at each action that it gives visiting that one first, and so on."""
    stack: list[Visits[object]] = [begun]
    while stack:
        following = next(stack[-1], None)
        if following is None:
            stack.pop()
        else:
            stack.append(_visit(work, following))


def _visit(work: Workspace, then: Action) -> Visits[None]:
    """Apply every order that `then` comes after; give whom to visit before going on."""
    flags = own_flags(then), then.pseudo, then.migratable
    was_runnable = then.runnable
    if then.counts_runnable:
        then.runnable_before = 0
        then.required_before = then.required_before or 1
        then.runnable = False
    changed = 0
    for edge in then.before[::-1]:
        if not edge.relation:
            continue
        done = yield from _update_edge(work, edge, then)
        changed |= done & CHANGED_THEN
        if done & CHANGED_FIRST:
            yield from after(edge.first)
            yield edge.first
    if then.counts_runnable:
        # It was counted anew; only the outcome matters.
        changed = flags != (own_flags(then), then.pseudo, then.migratable)
    if changed:
        if was_runnable and not then.runnable:
            yield from block_dependents(then)
        yield then
        yield from after(then)


def _update_edge(work: Workspace, edge: Edge, then: Action) -> Visits[int]:
    """Apply one edge; answer what that changed."""
    first = edge.first
    first_node, then_node = _scope_node(first), _scope_node(then)
    apart = first_node is not None and then_node is not None and first_node is not then_node
    if edge.relation & IF_ON_SAME_NODE and apart:
        edge.relation = 0
        return 0
    if edge.relation & THEN_CANCELS_FIRST and first.resource is not None and not then.optional:
        first.optional = True
        if first.task == "reload-agent":
            first.resource.reloading = False
    if _between_others(first, then):
        completed = _completion(first)
        if completed is not first:
            changed = CHANGED_THEN if link(completed, then, edge.relation) else 0
            edge.relation = 0
            return changed
    return (yield from apply_edge(work, edge))


def _scope_node(action: Action) -> Node | None:
    resource = action.resource
    if resource is not None and resource.variant is Variant.GROUP and action.task == "start":
        return location_of(resource)
    return action.node


def _between_others(first: Action, then: Action) -> bool:
    """Whether the actions are of two resources, the second not the one that holds the first."""
    one, other = first.resource, then.resource
    if one is None or other is None or one is other:
        return False
    parent = other.parent
    while parent is not None:
        if parent is one:
            return False
        parent = parent.parent
    return True


def _completion(action: Action) -> Action:
    """Return the end of a collective action, which is what others wait for."""
    resource = action.resource
    if resource is None or resource.variant is Variant.PRIMITIVE or action.about:
        return action
    task = COMPLETED.get(action.task, action.task)
    if task not in BEGUN:
        return action
    if resource.notify and resource.variant is not Variant.GROUP:
        key = f"{resource.id}_confirmed-post_notify_{task}_0"
        # A bundle's own points are not told of (those of what is inside are), so that only its
        # beginning is waited for: this is how the field has it.
        return next((other for other in reversed(resource.actions) if other.key == key), action)
    return first_with_task(resource, task) or action


def apply_edge(work: Workspace, edge: Edge) -> Visits[int]:
    """Apply everything that an edge says; return what changed."""
    first, then, relation = edge.first, edge.then, edge.relation
    first_flags = flags_for_ordering(first, _scope_node(then))
    then_flags = flags_for_ordering(then, _scope_node(first))
    node = then.node
    changed = 0
    if relation & FIRST_IMPLIES_SAME_NODE_THEN:
        relation &= ~FIRST_IMPLIES_SAME_NODE_THEN
        node = first.node
        several = then.resource is not None and then.resource.variant is not Variant.PRIMITIVE
        if several or then.node is first.node:
            relation |= FIRST_IMPLIES_THEN
    if then.resource is None:
        changed |= _on_plain_then(relation, first, then, first_flags)
    else:
        changed |= yield from _on_resource_then(work, edge, relation, first_flags, node)
    if relation & THEN_IMPLIES_FIRST:
        if first.resource is not None:
            rule = Rule(THEN_IMPLIES_FIRST, first_flags, OPTIONAL)
            if first.resource.variant is Variant.PRIMITIVE:
                # It is about first: what then's members do does not matter.
                changed |= yield from update_pair(first, then, rule)
            else:
                changed |= yield from update(work, first, then, node, rule)
        elif not then_flags & OPTIONAL and first.optional:
            first.optional = False
            changed |= CHANGED_FIRST
    _show(relation, first, then, first_flags, then_flags)
    stuck = FIRST_IMPLIES_THEN | THEN_IMPLIES_FIRST | INTERMEDIATE_STOP
    owner = first.resource
    held = owner is not None and not owner.managed and owner.blocked and first.task == "stop"
    if relation & stuck and held and not first.runnable and then.runnable:
        due = then.due
        blocked(then, first)
        then.due = due
        changed |= CHANGED_THEN
    return changed


def _on_plain_then(relation: int, first: Action, then: Action, first_flags: int) -> int:
    changed = 0
    if relation & FIRST_IMPLIES_THEN and not first_flags & OPTIONAL and then.optional:
        then.optional = False
        then.due = then.due or reasons.due("required", first, then)
        then.reasons.append(reasons.because_of(first))
        changed = CHANGED_THEN
    if relation & MIN_RUNNABLE and first_flags & RUNNABLE:
        then.runnable_before += 1
        if then.runnable_before >= then.required_before and not then.runnable:
            then.runnable = True
            then.why_not = ""
            changed = CHANGED_THEN
    if relation & UNRUNNABLE_FIRST_BLOCKS and not first_flags & RUNNABLE and then.runnable:
        blocked(then, first)
        changed = CHANGED_THEN
    return changed


# Which of first's flags each relation is about.
_ABOUT: Final = (
    (FIRST_IMPLIES_THEN, OPTIONAL),
    (INTERMEDIATE_STOP, OPTIONAL | RUNNABLE),
    (PROMOTED_THEN_IMPLIES_FIRST, OPTIONAL),
    (MIN_RUNNABLE, RUNNABLE),
    (UNRUNNABLE_FIRST_BLOCKS, RUNNABLE),
    (UNMIGRATABLE_THEN_BLOCKS, OPTIONAL),
    (FIRST_ELSE_THEN, OPTIONAL),
    (ASYMMETRIC, RUNNABLE),
)


def _on_resource_then(
    work: Workspace, edge: Edge, relation: int, first_flags: int, node: Node | None
) -> Visits[int]:
    first, then = edge.first, edge.then
    assert then.resource is not None
    if relation & NESTED_REMOTE_PROBE:
        active = first.resource is not None and first.resource.active
        if not first_flags & RUNNABLE and active:
            # The container runs already: what is in it can be asked.
            edge.relation = 0
        else:
            relation |= UNRUNNABLE_FIRST_BLOCKS
    changed = 0
    for one, about in _ABOUT:
        if relation & one:
            changed |= yield from update(work, first, then, node, Rule(one, first_flags, about))
    several = then.resource.variant.value >= Variant.CLONE.value
    if several and relation & ORDERED:
        # An order between clones is one between their instances, too.
        changed |= yield from update(work, first, then, node, Rule(ORDERED, first_flags, RUNNABLE))
    return changed


def _show(relation: int, first: Action, then: Action, first_flags: int, then_flags: int) -> None:
    ends = relation & FIRST_IMPLIES_THEN_GRAPHED and first_flags & RUNNABLE
    if ends and not first_flags & OPTIONAL:
        then.always = True
    if relation & THEN_IMPLIES_FIRST_GRAPHED and not then_flags & OPTIONAL:
        first.always = True


def blocked(action: Action, because: Action) -> None:
    """Say that an action cannot run because of an earlier one."""
    action.runnable = False
    action.due = action.due or reasons.due("unrunnable", because, action)
    owner = because.resource.id if because.resource is not None else because.key
    if not action.why_not:
        action.why_not = f"it waits for the {because.task} of {owner}: {because.why_not}"


def block_dependents(action: Action) -> Visits[None]:
    """Whoever must run with something that cannot run, cannot run either."""
    if action.runnable or action.task not in {"start", "promote"} or action.resource is None:
        return
    whole = action.resource.outermost
    for child in whole.children:
        theirs = first_with_task(child, action.task)
        if theirs is None or theirs.runnable:
            return
    for one in with_this(whole):
        if one.score < INFINITY:
            continue
        if action.task == "promote" and one.primary_role is not Role.PROMOTED:
            continue
        task = "promote" if one.dependent_role is Role.PROMOTED else "start"
        yield from _block_task(one.dependent, task, action)


def _block_task(resource: Resource, task: str, because: Action) -> Visits[None]:
    for action in list(resource.actions):
        if action.task == task and action.runnable:
            if because.resource is not None:
                action.due = action.due or f"colocation with {because.resource.id}"
            blocked(action, because)
            yield from block_dependents(action)
            yield action
    for child in resource.children:
        yield from _block_task(child, task, because)
