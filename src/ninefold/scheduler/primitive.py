"""A primitive: one instance of one agent, on at most one node unless something went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import applying, assign, merging, scoring, variants
from ninefold.scheduler.actions import act, find, key_of, start
from ninefold.scheduler.actions import stop as stop_on
from ninefold.scheduler.colocation import add_colocation, this_with, with_this
from ninefold.scheduler.explaining import explain_actions
from ninefold.scheduler.migration import can_migrate, create_migration, settle_partial
from ninefold.scheduler.orders import order
from ninefold.scheduler.probes import probe_primitive
from ninefold.scheduler.recurring import create_recurring
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN,
    IF_ON_SAME_NODE,
    INTERMEDIATE_STOP,
    ORDERED,
    PROMOTED_THEN_IMPLIES_FIRST,
    THEN_CANCELS_FIRST,
    THEN_IMPLIES_FIRST,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.unfencing import order_after_unfencing, order_stop_before_unfencing
from ninefold.scheduler.unfencing import order_inside as order_unfencing
from ninefold.scheduler.utilization import order_loads
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Colocation, Node, Resource, Workspace

# How much a connection inside a bundle wants to be where its container is: all but an obligation.
_NESTED_SCORE: Final = 10_000
# From a role (row) on the way to another (column): the next role on the way.
_NEXT: Final = {
    Role.UNKNOWN: dict.fromkeys(Role, Role.STOPPED),
    Role.STOPPED: {
        Role.UNKNOWN: Role.STOPPED, Role.STOPPED: Role.STOPPED, Role.STARTED: Role.STARTED,
        Role.UNPROMOTED: Role.UNPROMOTED, Role.PROMOTED: Role.UNPROMOTED,
    },
    Role.STARTED: {
        Role.UNKNOWN: Role.STOPPED, Role.STOPPED: Role.STOPPED, Role.STARTED: Role.STARTED,
        Role.UNPROMOTED: Role.UNPROMOTED, Role.PROMOTED: Role.PROMOTED,
    },
    Role.UNPROMOTED: {
        Role.UNKNOWN: Role.STOPPED, Role.STOPPED: Role.STOPPED, Role.STARTED: Role.STOPPED,
        Role.UNPROMOTED: Role.UNPROMOTED, Role.PROMOTED: Role.PROMOTED,
    },
    Role.PROMOTED: {
        Role.UNKNOWN: Role.STOPPED, Role.STOPPED: Role.UNPROMOTED, Role.STARTED: Role.UNPROMOTED,
        Role.UNPROMOTED: Role.UNPROMOTED, Role.PROMOTED: Role.PROMOTED,
    },
}  # fmt: skip


class Primitive:
    """How a primitive behaves."""

    def assign(
        self, work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
    ) -> Node | None:
        """Choose its node, after whatever it depends on and whoever contains it."""
        parent = resource.parent
        if parent is not None and not parent.is_assigning:
            variants.of(parent).assign(work, parent, None, stop_if_fail=True)
        if resource.is_assigned:
            return resource.assigned
        if resource.is_assigning:
            return None
        resource.is_assigning = True
        ours, theirs = this_with(resource), with_this(resource)
        for mandatory in (True, False):
            for one in ours:
                if one.mandatory is mandatory:
                    _place_with(work, resource, one)
            for one in theirs:
                if one.mandatory is mandatory:
                    merging.add_dependents(work, resource, one)
        if resource.next_role is Role.STOPPED:
            assign.forbid_all(work, resource)
        resource.final_scores = dict(resource.scores)
        assign.print_scores(work, resource, "pcmk__primitive_assign")
        assign.choose(work, resource, prefer, stop_if_fail=stop_if_fail)
        resource.is_assigning = False
        if resource.remote_connection:
            _connection_assigned(work, resource)
        return resource.assigned

    def create(self, work: Workspace, resource: Resource) -> None:
        """Create stops, starts, promotions, demotions, repeated operations and migrations."""
        if resource.next_role is Role.UNKNOWN:
            resource.next_role = Role.STOPPED if resource.assigned is None else Role.STARTED
        current = assign.current_node(resource)
        settle_partial(work, resource, current)
        target = resource.assigned
        moving = current is not None and target is not None and current is not target
        migrates = moving and can_migrate(resource, current)
        if resource.start_pending:
            # It is under way: shown, so that what follows waits for it, but not a restart.
            start(work, resource, target, optional=True).always = True
        need_stop = _multiply_active(resource)
        need_promote = False
        if moving:
            need_stop = True
        elif resource.failed:
            if resource.stop_if_failed:
                need_stop = True
            elif resource.next_role is Role.PROMOTED:
                need_promote = True
        elif resource.blocked:
            need_stop = True
        elif resource.role > Role.STARTED and current is not None and target is not None:
            need_stop = need_stop or not start(work, resource, target, optional=True).optional
        _restart(work, resource, need_stop=need_stop, need_promote=need_promote)
        _transition(work, resource)
        create_recurring(work, resource)
        if migrates and current is not None:
            create_migration(work, resource, current)
        explain_actions(work, resource, current)

    def order_inside(self, work: Workspace, resource: Resource) -> None:
        """Stop before start, demote before stop, start before promote; and what it lives in."""
        if not resource.managed:
            return
        restart = ORDERED | FIRST_IMPLIES_THEN | INTERMEDIATE_STOP
        order(work, (resource, "stop"), (resource, "start"), restart)
        if resource.top.promotable or resource.role > Role.UNPROMOTED:
            order(work, (resource, "demote"), (resource, "stop"), PROMOTED_THEN_IMPLIES_FIRST)
            order(work, (resource, "start"), (resource, "promote"), UNRUNNABLE_FIRST_BLOCKS)
        forget = IF_ON_SAME_NODE | THEN_CANCELS_FIRST
        order(work, (resource, "delete"), (resource, "monitor"), forget)
        order_unfencing(work, resource)
        order_loads(work, resource)
        if resource.launcher is not None:
            _order_with_launcher(work, resource, resource.launcher)
        if resource.remote_connection or resource.fence_device:
            _avoid_remote_nodes(work, resource)

    def probe(self, work: Workspace, resource: Resource, node: Node) -> bool:
        """Ask whether it runs on `node`."""
        return probe_primitive(work, resource, node)


def _place_with(work: Workspace, resource: Resource, one: Colocation) -> None:
    careful = one.dependent_role >= Role.PROMOTED or -INFINITY < one.score < 0
    before, known = dict(resource.scores), len(resource.contributions)
    variants.of(one.primary).assign(work, one.primary, None, stop_if_fail=True)
    applying.apply(work, resource, one.primary, one, assign.refuse)
    if careful and not merging.any_available(work, resource.scores):
        resource.scores = before
        del resource.contributions[known:]


def _connection_assigned(work: Workspace, connection: Resource) -> None:
    """Note what the fate of a connection means for the node behind it."""
    node = work.node(connection.id)
    if node is None:
        return
    if connection.assigned is not None and connection.next_role is not Role.STOPPED:
        node.online = True
        if node.unseen:
            # It will be connected to, and then it will be known: no need to silence it.
            node.unclean = False
    else:
        node.shutdown = True


def _multiply_active(resource: Resource) -> bool:
    """Whether it has to be stopped for being active more than once."""
    migrating = resource.partial_target is not None
    resource.expected_node = None
    if len(resource.counted_active) < 2 or migrating:
        return False
    if resource.multiple_active == "stop_unexpected":
        resource.expected_node = resource.assigned
        return True
    return resource.multiple_active == "stop_start"


def _expected(resource: Resource, node: Node | None, *, restarting: bool) -> bool:
    """Whether it is left running there while its other copies are stopped."""
    return (
        restarting
        and node is not None
        and node is resource.expected_node
        and resource.next_role > Role.STOPPED
    )


def _restart(work: Workspace, resource: Resource, *, need_stop: bool, need_promote: bool) -> None:
    """Create the way down to stopped and back up; it stays optional unless it is needed."""
    role = resource.role
    while role > Role.STOPPED:
        following = _NEXT[role][Role.STOPPED]
        _step(work, resource, role, following, optional=not need_stop, restarting=True)
        role = following
    role = max(role, Role.STOPPED)
    while resource.role <= resource.next_role and role < resource.role and not resource.blocked:
        following = _NEXT[role][resource.role]
        required = need_stop or (following is Role.PROMOTED and need_promote)
        _step(work, resource, role, following, optional=not required, restarting=True)
        role = following


def _transition(work: Workspace, resource: Resource) -> None:
    """Create the way from the role it has to the role it shall have."""
    role = resource.role
    while role is not resource.next_role:
        following = _NEXT[role][resource.next_role]
        _step(work, resource, role, following, optional=False, restarting=False)
        role = following


def _step(
    work: Workspace,
    resource: Resource,
    role: Role,
    following: Role,
    *,
    optional: bool,
    restarting: bool,
) -> None:
    node = resource.assigned
    if following is Role.STOPPED and role > Role.STOPPED:
        _stop(work, resource, optional=optional, restarting=restarting)
    elif role is Role.PROMOTED:
        for active in resource.active:
            if not _expected(resource, active, restarting=restarting):
                act(work, resource, "demote", active, optional=optional)
    elif role is Role.STOPPED:
        action = start(work, resource, node, optional=True)
        if node is not None:
            order_after_unfencing(work, resource, node, action, FIRST_IMPLIES_THEN)
        expected = _expected(resource, node, restarting=restarting)
        if action.runnable and not optional and (resource.managed or expected):
            action.optional = False
        if expected:
            action.pseudo = True
    elif following is Role.PROMOTED:
        _promote(work, resource, node, optional=optional, restarting=restarting)


def _promote(
    work: Workspace, resource: Resource, node: Node | None, *, optional: bool, restarting: bool
) -> None:
    starts = find(resource, key_of(resource.id, "start"), node)
    if all(one.runnable for one in starts):
        action = act(work, resource, "promote", node, optional=optional)
        if _expected(resource, node, restarting=restarting):
            action.pseudo = True
        return
    for action in find(resource, key_of(resource.id, "promote"), node):
        action.runnable = False
        action.why_not = starts[0].why_not if starts else ""


def _stop(work: Workspace, resource: Resource, *, optional: bool, restarting: bool) -> None:
    for node in resource.active:
        if _expected(resource, node, restarting=restarting):
            continue
        needed = not optional
        if resource.partial_target is not None:
            if node is resource.partial_target and node is resource.assigned:
                continue
            needed = True
        action = stop_on(work, resource, node, optional=not needed)
        if needed and resource.expected_node is not None:
            action.due = action.due or "being multiply active"
        if not resource.managed:
            action.runnable = False
            action.why_not = "it is unmanaged"
        order_stop_before_unfencing(work, resource, node, action)


def _order_with_launcher(work: Workspace, resource: Resource, launcher: Resource) -> None:
    if resource.remote_connection:
        inner = None
        if not resource.nested_remote_allowed:
            # A guest does not live on a remote node; only bundles may be nested so.
            _avoid_remote_nodes(work, launcher)
    else:
        inner = guest_connection_of(launcher)
    if inner is not None:
        for name in list(resource.scores):
            if work.node_names[name.lower()].connection is not inner:
                scoring.settle(resource, name, -INFINITY, "inside-guest", launcher.id)
        return
    if resource.remote_connection:
        # Whether there is a second guest is found out before the first is left.
        order(work, (launcher, "monitor"), (resource, "stop"), ORDERED)
    up = FIRST_IMPLIES_THEN | UNRUNNABLE_FIRST_BLOCKS
    order(work, (launcher, "start"), (resource, "start"), up)
    order(work, (resource, "stop"), (launcher, "stop"), THEN_IMPLIES_FIRST)
    score = _NESTED_SCORE if resource.nested_remote_allowed else INFINITY
    add_colocation(
        work, "", resource, launcher, score, influence="true", explicit=False
    )  # fmt: skip


def guest_connection_of(launcher: Resource) -> Resource | None:
    """Return the connection to the guest that lives in `launcher`."""
    return next((one for one in launcher.launched if one.remote_connection), None)


def _avoid_remote_nodes(work: Workspace, resource: Resource) -> None:
    for node in work.nodes:
        if node.connection is not None and node.name in resource.scores:
            scoring.settle(resource, node.name, -INFINITY, "not-on-remote", resource.id)
