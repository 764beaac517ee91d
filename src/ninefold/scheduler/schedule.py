"""The pipeline: one pass from the document to the transition, in the order of section 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import assign, changes, constraints_location, ordering, resources
from ninefold.scheduler.actions import create_actions
from ninefold.scheduler.colocation import unpack_colocation
from ninefold.scheduler.fencing import fence_and_shut_down
from ninefold.scheduler.graph import build
from ninefold.scheduler.history import unpack_history
from ninefold.scheduler.nodes import unpack_nodes, unpack_states
from ninefold.scheduler.probes import schedule_probes
from ninefold.scheduler.propagate import link_orderings, propagate
from ninefold.scheduler.recurring import create_recurring
from ninefold.scheduler.rules import Scope
from ninefold.scheduler.unpack_options import unpack_options
from ninefold.scheduler.words import boolean
from ninefold.scheduler.workspace import Workspace

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.cib.document import Cib
    from ninefold.core.instants import WallSeconds
    from ninefold.scheduler.model import Transition


def schedule(cib: Cib, now: WallSeconds) -> Transition:
    """Decide what has to be done about `cib` at `now`; the document is not changed."""
    return schedule_document(cib.root, now)


def schedule_document(document: Element, now: WallSeconds) -> Transition:
    """Decide for a `<cib>` element."""
    root = resources.with_references(document)
    quorate = boolean(root.get("have-quorum"), default=False)
    options = unpack_options(root, Scope(now=now), quorate=quorate)
    work = Workspace(root=root, now=now, options=options, quorate=quorate)
    work.elements = {
        element.get("id") or "": element
        for element in root.iterfind("configuration//*[@id]")
        if element.tag in {"template", "tag"}
    }
    unpack_nodes(work)
    resources.unpack_resources(work)
    unpack_states(work)
    records = unpack_history(work)
    _unpack_constraints(work)
    constraints_location.apply_locations(work)
    for resource in work.resources:
        constraints_location.apply_stickiness(work, resource)
        constraints_location.apply_thresholds(work, resource)
        constraints_location.apply_discovery(work, resource)
        ordering.internal(work, resource)
    changes.note_existing(records)
    changes.apply_changes(work, records)
    if options.fencing_enabled and not work.has_fence_device:
        work.warn(
            "Fencing is enabled and no fence device is configured: nothing is started or moved."
            " Configure a device (class stonith), or set stonith-enabled to false."
        )
    if options.placement_strategy in {"utilization", "balanced"}:
        work.warn(
            f"placement-strategy={options.placement_strategy} is not supported yet:"
            " what the resources need and the nodes offer is not counted."
        )
    assign.assign_all(work)
    _create(work)
    fence_and_shut_down(work)
    link_orderings(work)
    propagate(work)
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
                work.warn(
                    f"Ticket constraint {element.get('id')} is not applied:"
                    " tickets are not supported yet."
                )
            case _:
                pass


def _create(work: Workspace) -> None:
    schedule_probes(work)
    for resource in work.resources:
        create_actions(work, resource)
        create_recurring(work, resource)
        for leaf in resource.primitives():
            changes.clear_failures(work, leaf)
