"""The pipeline: one pass from the document to the transition, in the order of section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.scheduler import assign, changes, constraints_location, ordering, tickets, variants
from ninefold.scheduler.bundle import Bundle
from ninefold.scheduler.clone import Clone
from ninefold.scheduler.colocation import unpack_colocation
from ninefold.scheduler.criteria import apply_criteria, apply_locks
from ninefold.scheduler.digest_check import digest_today
from ninefold.scheduler.fencing import fence_and_shut_down
from ninefold.scheduler.graph import build, premature, seen
from ninefold.scheduler.group import Group
from ninefold.scheduler.history import unpack_history
from ninefold.scheduler.leave_alone import leave_alone
from ninefold.scheduler.link_orders import link_orderings
from ninefold.scheduler.nodes import unpack_nodes, unpack_states
from ninefold.scheduler.notifications import create_notifications
from ninefold.scheduler.primitive import Primitive
from ninefold.scheduler.probes import schedule_probes
from ninefold.scheduler.propagate import propagate
from ninefold.scheduler.remote import order_remote_actions
from ninefold.scheduler.resources import unpack_resources
from ninefold.scheduler.rules import Scope
from ninefold.scheduler.unpack_options import unpack_options
from ninefold.scheduler.upgrade import upgraded
from ninefold.scheduler.words import boolean
from ninefold.scheduler.workspace import Variant, Workspace

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.cib.document import Cib
    from ninefold.core.instants import Millis, WallSeconds
    from ninefold.scheduler.crowd import Crowd
    from ninefold.scheduler.history import Histories
    from ninefold.scheduler.model import Transition


class Definition(msgspec.Struct, frozen=True):
    """What runs when a resource is asked for something, and the digest of its parameters."""

    agent_class: str
    provider: str
    agent_type: str
    digest: str


variants.register(Variant.PRIMITIVE, Primitive())
variants.register(Variant.GROUP, Group())
variants.register(Variant.CLONE, Clone())
variants.register(Variant.BUNDLE, Bundle())


def schedule(cib: Cib, now: WallSeconds) -> Transition:
    """Decide what has to be done about `cib` at `now`; the document is not changed.

    This is what the controller carries out: what it cannot carry out yet is left alone and named.
    """
    return schedule_document(cib.root, now, live=True)


def schedule_document(
    document: Element, now: WallSeconds, *, live: bool = False, crowd: Crowd | None = None
) -> Transition:
    """Decide for a `<cib>` element; `live` leaves alone what the controller cannot carry out.

    `crowd` tells what else is on the nodes if the document is a part of a larger one.
    """
    work, histories = _read(document, now, live=live)
    work.crowd = crowd
    return _decide(work, histories)


def observe(document: Element, now: WallSeconds) -> Transition:
    """Say what a `<cib>` element tells of nodes and resources; where they shall be is left open."""
    return seen(_read(document, now, live=False)[0])


def observe_and_schedule(document: Element, now: WallSeconds) -> tuple[Transition, Transition]:
    """Do both in one reading: what is there, as `observe`, and the decision."""
    work, histories = _read(document, now, live=False)
    there = seen(work)
    return there, _decide(work, histories)


def definition(
    document: Element, now: WallSeconds, resource: str, node: str, operation: tuple[str, Millis]
) -> Definition | None:
    """Return as what a node would record an operation (a task and its interval) of `resource` today.

    Instances of clones and what bundles and guests imply are known too; `None` for what is not there.
    """
    work = _read(document, now, live=False)[0]
    found = work.by_id.get(resource) or next(iter(work.by_config_id.get(resource, [])), None)
    place = work.node(node)
    if found is None or found.removed or found.variant is not Variant.PRIMITIVE or place is None:
        return None
    digest = digest_today(work, found, place, *operation)
    return Definition(found.agent_class, found.provider, found.agent_type, digest)


def premature_steps(document: Element, now: WallSeconds) -> list[str]:
    """Decide, and name what would be done too early or in vain: a law that tests hold it to."""
    work, histories = _read(document, now, live=False)
    _decide(work, histories)
    return premature(work)


def _read(document: Element, now: WallSeconds, *, live: bool) -> tuple[Workspace, Histories]:
    """Return everything that is read before the constraints."""
    root = upgraded(document)
    quorate = boolean(root.get("have-quorum"), default=False)
    turns: list[int] = []
    options = unpack_options(root, Scope(now=now, turns=turns), quorate=quorate)
    work = Workspace(root=root, now=now, options=options, quorate=quorate, turns=turns)
    work.utilization = options.placement_strategy != "default"
    work.elements = {
        element.get("id") or "": element
        for element in root.iterfind("configuration//*[@id]")
        if element.tag in {"template", "tag"}
    }
    unpack_nodes(work)
    unpack_resources(work)
    if live:
        leave_alone(work)
    unpack_states(work)
    tickets.unpack_tickets(work)
    return work, unpack_history(work)


def _decide(work: Workspace, histories: Histories) -> Transition:
    constraints_location.apply_health(work)
    _unpack_constraints(work)
    apply_locks(work)
    constraints_location.apply_locations(work)
    apply_criteria(work)
    for resource in work.resources:
        variants.of(resource).order_inside(work, resource)
    changes.apply_changes(work, histories)
    if work.options.fencing_enabled and not work.has_fence_device:
        work.warn(
            "Fencing is enabled and no fence device is configured: nothing is started or moved."
            " Configure a device (class stonith), or set stonith-enabled to false."
        )
    assign.assign_all(work)
    changes.compare_late(work)
    schedule_probes(work)
    changes.forget_removed(work)
    for resource in work.resources:
        variants.of(resource).create(work, resource)
    order_remote_actions(work)
    fence_and_shut_down(work)
    link_orderings(work)
    propagate(work)
    create_notifications(work)
    return build(work)


def _unpack_constraints(work: Workspace) -> None:
    constraints = work.root.find("configuration/constraints")
    for element in [] if constraints is None else constraints:
        match element.tag:
            case "rsc_location":
                constraints_location.unpack_location(work, element)
            case "rsc_colocation":
                unpack_colocation(work, element)
            case "rsc_order":
                ordering.unpack_order(work, element)
            case "rsc_ticket":
                tickets.unpack_ticket(work, element)
            case _:
                pass
