"""What to do about a single point of failure: the book's table, made concrete."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ninefold.design.domains import names_in
from ninefold.design.library import LAYERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.design.model import Infrastructure
    from ninefold.design.results import Spof
    from ninefold.design.tree import Event

# By kind of part; the book's ten rows first, then what they leave out. {it} is the part's title.
MITIGATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "psu": "Add a second supply beside {it}, on a separate circuit, with a UPS.",
        "nic": "Bond {it} with a second card on another switch (ninefold network bond --mode 1 or 4).",
        "switch": "Add a second switch beside {it}, and bonds (802.3ad or active-backup) across both.",
        "internet-line": "Add a line of another provider beside {it}, with BGP or policy routing.",
        "node": "Make {it} a member of a cluster: a second node, fencing, and a resource manager.",
        "disk": "Mirror {it} with mdadm or a RAID controller.",
        "array": "Replicate {it} to a second array or node: DRBD, GlusterFS or Ceph.",
        "web-server": "Run several instances of {it} behind HAProxy, or keepalived with LVS.",
        "database": "Replicate {it}: Galera, or PostgreSQL streaming replication with a failover.",
        "dns-server": "Add a second resolver beside {it}; anycast or round robin.",
        "power-feed": "Feed the racks from a second, independent feed beside {it}, and both by UPS.",
        "ups": "Add a second UPS beside {it} on another feed.",
        "pdu": "Add a second PDU beside {it} and connect every machine to both.",
        "generator": "Add a second generator, or a contract for one, beside {it}.",
        "rack": "Spread the nodes over a second rack beside {it}.",
        "room": "Put one of the nodes outside {it}.",
        "site": "Add a second site beside {it}, with an arbiter on a third.",
        "hypervisor": "Keep the virtual machines of one cluster on different hosts than {it} alone.",
        "vm": "Run a second virtual machine beside {it} on another hypervisor.",
        "bond": "Let {it} have members on two cards and two switches.",
        "router": "Add a second router beside {it} with VRRP (keepalived).",
        "link": "Lay a second link beside {it} on another path.",
        "load-balancer": "Add a second load balancer beside {it} with a shared address (keepalived).",
        "controller": "Add a second controller beside {it} and use multipath.",
        "multipath": "Add a second path beside {it}: another card, switch and controller.",
        "raid": "Use a level for {it} that survives a disk, with a spare.",
        "time-server": "Add time sources beside {it}: four, so that a wrong one is outvoted.",
        "witness": "Move the witness {it} where its loss does not coincide with a node's.",
        "fence-device": "Add a second level of fencing beside {it} on another path.",
        "os": "Let another node take over from {it}: a cluster; a watchdog that reboots what hangs.",
        "application": "Run several instances of {it} behind a load balancer, or let a cluster restart it.",
        "nfs-server": "Make {it} a failover group on shared or replicated storage (DRBD).",
        "firewall": "Add a second firewall beside {it}, with VRRP (keepalived) and shared state.",
        "external-service": "Agree on an SLA for {it}, and on what works without it: a cache, a queue.",
        "cloud-zone": "Spread the nodes over a second zone beside {it}, and a third for the witness.",
        "operator": "Try changes on a copy first, roll them out node by node, and rehearse the way back.",
        "common-cause": "Make its members differ: {it} strikes them together.",
    }
)
OTHERWISE: Final = "Add a second, independent one beside {it}, so that either suffices."


# Kinds of which a second one stands by and has to take over; all others work side by side.
TAKEN_OVER: Final = frozenset(
    {"node", "os", "vm", "hypervisor", "database", "application", "nfs-server", "generator"}
)
# What a takeover is assumed to cost: a minute, as detection, fencing and a start take in the field.
TAKEOVER_H: Final = 1 / 60
# What saves less than this share of what a part costs is no advice.
WORTH_IT: Final = 0.05
USERS_NAMED: Final = 4


def mitigation(event: Event, model: Infrastructure | None = None) -> str:
    """Return a sentence that says what to do about a single point of failure, by its name.

    With the model it also says what stands on the part, and whether one of its kind is there already.
    """
    told = MITIGATIONS.get(event.kind, OTHERWISE).format(it=event.title)
    if event.q > 0 and saved(event, 1.0) < WORTH_IT * event.q:
        told = (
            f"Make {event.title} fail less often: it is back as soon as a second one could have taken over, "
            f"which would save next to nothing."
        )
    if model is None or event.part not in model.parts:
        return told
    users = [
        part.name
        for part in model.parts.values()
        if event.part in part.inside or event.part in names_in(part.needs)
    ]
    if users:
        named = ", ".join(users[:USERS_NAMED])
        more = len(users) - USERS_NAMED
        told += f" On it {'stand' if len(users) > 1 else 'stands'} {named}"
        told += f" and {more} more." if more > 0 else "."
    return told


def saved(event: Event, slope: float) -> float:
    """Return the share of time that a second, independent one of the kind would save a service.

    Both are then down for q squared; where one takes over from the other, each loss still costs
    `TAKEOVER_H`. What strikes several parts has no second one: it would go.
    """
    if event.kind == "common-cause":
        return event.q * slope
    left = event.q**2
    if event.kind in TAKEN_OVER and event.rate is not None:
        left = min(event.q, left + event.rate * (1 - event.q) * TAKEOVER_H)
    return (event.q - left) * slope


def by_layer(spofs: Sequence[Spof]) -> tuple[tuple[str, tuple[Spof, ...]], ...]:
    """Return the single points of failure layer by layer, as the layers stand on each other.

    A layer without any is there too: that nothing was found in it is a result.
    """
    return tuple((layer, tuple(s for s in spofs if s.layer == layer)) for layer in LAYERS)
