"""Rights to run something that are at one site at a time, and what their loss means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import reasons, scoring
from ninefold.scheduler.constraints_location import expand, members
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.words import Role, boolean, role
from ninefold.scheduler.workspace import Ticket, TicketUse

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace

_POLICIES = frozenset({"stop", "demote", "fence", "freeze"})


def unpack_tickets(work: Workspace) -> None:
    """Read which tickets are granted here."""
    for state in work.root.iterfind("status/tickets/ticket_state"):
        name = state.get("id") or ""
        work.tickets[name] = Ticket(
            name,
            granted=boolean(state.get("granted"), default=False),
            standby=boolean(state.get("standby"), default=False),
        )


def unpack_ticket(work: Workspace, element: Element) -> None:
    """Read one `<rsc_ticket>`."""
    name = element.get("ticket") or ""
    ticket = work.tickets.setdefault(name, Ticket(name))
    policy = element.get("loss-policy")
    sets = list(element.iterchildren("resource_set"))
    if not sets:
        for resource in expand(work, element.get("rsc") or ""):
            _use(
                work,
                element,
                resource,
                ticket,
                wanted=role(element.get("rsc-role")),
                policy=policy,
            )
    for one in sets:
        for resource in members(work, one):
            _use(work, element, resource, ticket, wanted=role(one.get("role")), policy=policy)


def _use(
    work: Workspace,
    element: Element,
    resource: Resource,
    ticket: Ticket,
    *,
    wanted: Role,
    policy: str | None,
) -> None:
    default = "demote" if wanted is Role.PROMOTED else "stop"
    chosen = policy if policy in _POLICIES else default
    if chosen == "fence" and not work.options.fencing_enabled:
        chosen = "stop"
    use = TicketUse(element.get("id") or "", resource, ticket, chosen, wanted)
    resource.tickets.append(use)
    if not ticket.granted or ticket.standby:
        _without(work, resource, use)


def _without(work: Workspace, resource: Resource, use: TicketUse) -> None:
    for child in resource.children:
        _without(work, child, use)
    if resource.children:
        return
    if use.ticket.granted or not resource.active:
        if use.role is not Role.PROMOTED or use.loss_policy == "stop":
            _ban(work, resource, use)
        return
    concerns = use.role in {Role.UNKNOWN, resource.role}
    if use.loss_policy in {"fence", "freeze"} and not concerns:
        return
    match use.loss_policy:
        case "demote" if use.role is Role.PROMOTED:
            # Promotion is what the ticket is needed for: see `forbid_promotion`.
            return
        case "freeze":
            resource.managed = False
            resource.blocked = True
        case "fence":
            _ban(work, resource, use)
            for node in resource.active:
                fence(work, node, "deadman ticket was lost")
        case _:
            _ban(work, resource, use)
    resource.placement_reasons.append(reasons.ticket_lost(use.ticket.id, use.loss_policy))


def _ban(work: Workspace, resource: Resource, use: TicketUse) -> None:
    scoring.ban_everywhere(work, resource, "ticket", use.ticket.id)


def forbid_promotion(work: Workspace, clone: Resource) -> None:
    """Keep a promotable clone from being promoted without the ticket that this needs."""
    for use in clone.tickets:
        if use.role is Role.PROMOTED and (not use.ticket.granted or use.ticket.standby):
            scoring.ban_everywhere(work, clone, "ticket", use.ticket.id)
