"""A bundle: containers, with an address, a connection and a resource inside each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import assign, scoring, variants
from ninefold.scheduler.actions import collective, first_with_task, key_of
from ninefold.scheduler.bundle_model import Replica, inner_clone
from ninefold.scheduler.clone_assign import assign_instances, sort_instances
from ninefold.scheduler.colocation import add_colocation
from ninefold.scheduler.criteria import threshold_reached
from ninefold.scheduler.instance_actions import create_collective
from ninefold.scheduler.orders import order, order_action
from ninefold.scheduler.relations import (
    FIRST_IMPLIES_THEN_GRAPHED,
    IF_ON_SAME_NODE,
    NESTED_REMOTE_PROBE,
    ORDERED,
    THEN_IMPLIES_FIRST,
    THEN_IMPLIES_FIRST_GRAPHED,
    UNRUNNABLE_FIRST_BLOCKS,
)
from ninefold.scheduler.scores import INFINITY

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Node, Resource, Workspace

_BEGINS = THEN_IMPLIES_FIRST_GRAPHED
_ENDS = FIRST_IMPLIES_THEN_GRAPHED


class Bundle:
    """How a bundle behaves."""

    def assign(
        self, work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
    ) -> Node | None:
        """Assign the containers, what belongs to each, and then what runs inside."""
        if resource.is_assigned or resource.is_assigning:
            return None
        resource.is_assigning = True
        assign.print_tree(work, resource, "pcmk__bundle_assign")
        resource.final_scores = dict(resource.scores)
        resource.counts = dict.fromkeys(resource.scores, 0)
        containers = [replica.container for replica in resource.replicas]
        containers = sort_instances(work, containers)
        inner = inner_clone(resource)
        assign_instances(work, resource, containers, len(containers), resource.replicas_per_host)
        for replica in resource.replicas:
            _assign_replica(work, replica, stop_if_fail=stop_if_fail)
        if inner is not None:
            own = {r.node.name for r in resource.replicas if r.node is not None}
            for name in inner.scores:
                inner.scores[name] = 0 if name in own else -INFINITY
            variants.of(inner).assign(work, inner, prefer, stop_if_fail=stop_if_fail)
        resource.is_assigning = False
        resource.is_assigned = True
        return None

    def create(self, work: Workspace, resource: Resource) -> None:
        """Create the actions of all containers and of what belongs to them."""
        containers = [replica.container for replica in resource.replicas]
        parts = [
            part
            for replica in resource.replicas
            for part in (replica.address, replica.container, replica.connection)
            if part is not None
        ]
        create_collective(work, resource, containers, parts)
        inner = inner_clone(resource)
        if inner is not None:
            variants.of(inner).create(work, inner)
            if inner.promotable:
                for task in ("promote", "promoted", "demote", "demoted"):
                    action = collective(work, resource, task, optional=True)
                    action.runnable = True
                    if task in {"promoted", "demoted"}:
                        action.priority = INFINITY

    def order_inside(self, work: Workspace, resource: Resource) -> None:
        """Let the bundle's own points enclose those of its containers and of what is inside."""
        inner = inner_clone(resource)
        if inner is not None:
            order(work, (resource, "start"), (inner, "start"), _BEGINS)
            order(work, (resource, "stop"), (inner, "stop"), _BEGINS)
            order(work, (inner, "running"), (resource, "running"), _ENDS)
            order(work, (inner, "stopped"), (resource, "stopped"), _ENDS)
        for replica in resource.replicas:
            _order_replica(work, resource, replica)
        if inner is not None:
            variants.of(inner).order_inside(work, inner)
            if inner.promotable:
                _order_roles(work, resource, inner)

    def probe(self, work: Workspace, resource: Resource, node: Node) -> bool:
        """Probe every part of every replica."""
        found = False
        for replica in resource.replicas:
            if replica.address is not None:
                found |= variants.of(replica.address).probe(work, replica.address, node)
            if replica.child is not None and replica.node is node:
                found |= variants.of(replica.child).probe(work, replica.child, node)
            container = replica.container
            if variants.of(container).probe(work, container, node):
                found = True
                _keep_others_waiting(work, resource, replica)
            connection = replica.connection
            if connection is not None and variants.of(connection).probe(work, connection, node):
                found = True
                _probe_after_start(work, container, connection, node)
        return found


def _assign_replica(work: Workspace, replica: Replica, *, stop_if_fail: bool) -> None:
    host = replica.container.assigned
    if replica.address is not None:
        variants.of(replica.address).assign(work, replica.address, host, stop_if_fail=stop_if_fail)
    connection = replica.connection
    if connection is not None:
        if host is not None and host.remote and host.connection is not None:
            # A remote node accepts only one connection, so nested ones share its host.
            add_colocation(
                work, "", connection, host.connection, INFINITY, influence="true", explicit=False
            )
        variants.of(connection).assign(work, connection, host, stop_if_fail=stop_if_fail)
    child = replica.child
    if child is None:
        return
    for name in child.scores:
        node = work.node_names[name.lower()]
        if node is not replica.node:
            scoring.settle(child, name, -INFINITY, "own-container", replica.container.id)
        elif not threshold_reached(work, child, node):
            scoring.settle(child, name, INFINITY, "own-container", replica.container.id)
    assert child.parent is not None
    child.parent.is_assigning = True
    variants.of(child).assign(work, child, replica.node, stop_if_fail=stop_if_fail)
    child.parent.is_assigning = False


def _order_roles(work: Workspace, bundle: Resource, inner: Resource) -> None:
    for first, then in (
        ("stopped", "start"), ("stopped", "promote"), ("demoted", "start"), ("running", "promote"),
        ("demoted", "stop"), ("demote", "demoted"), ("demoted", "promote"),
    ):  # fmt: skip
        order(work, (bundle, first), (bundle, then), ORDERED)
    order(work, (bundle, "promote"), (inner, "promote"), _BEGINS)
    order(work, (inner, "promoted"), (bundle, "promoted"), _ENDS)
    order(work, (bundle, "demote"), (inner, "demote"), _BEGINS)
    order(work, (inner, "demoted"), (bundle, "demoted"), _ENDS)


def _order_replica(work: Workspace, bundle: Resource, replica: Replica) -> None:
    # A resource's own orders come first: what must be started by others is not restarted for that.
    container, address = replica.container, replica.address
    variants.of(container).order_inside(work, container)
    order(work, (bundle, "start"), (container, "start"), UNRUNNABLE_FIRST_BLOCKS | _BEGINS)
    if replica.child is not None:
        order(work, (bundle, "stop"), (replica.child, "stop"), _BEGINS)
    order(work, (bundle, "stop"), (container, "stop"), _BEGINS)
    order(work, (container, "start"), (bundle, "running"), _ENDS)
    order(work, (container, "stop"), (bundle, "stopped"), _ENDS)
    if address is not None:
        variants.of(address).order_inside(work, address)
        order(work, (address, "start"), (container, "start"), UNRUNNABLE_FIRST_BLOCKS)
        order(work, (container, "stop"), (address, "stop"), THEN_IMPLIES_FIRST)
        add_colocation(work, "", address, container, INFINITY, influence="true", explicit=False)
    if replica.connection is not None:
        variants.of(replica.connection).order_inside(work, replica.connection)


def _keep_others_waiting(work: Workspace, bundle: Resource, probed: Replica) -> None:
    """One replica per host: no other container starts there before it is known to be free."""
    if bundle.replicas_per_host > 1:
        return
    for other in bundle.replicas:
        if other is not probed:
            order(
                work, (probed.container, "monitor"), (other.container, "start"),
                ORDERED | IF_ON_SAME_NODE,
            )  # fmt: skip


def _probe_after_start(
    work: Workspace, container: Resource, connection: Resource, node: Node
) -> None:
    """Ask for the connection only when it is known where the container runs."""
    probe = first_with_task(connection, "monitor", node)
    if probe is not None and probe.interval_ms == 0:
        first = (container, key_of(container.id, "start"))
        order_action(work, first, probe, NESTED_REMOTE_PROBE)
