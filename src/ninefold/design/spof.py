"""What to do about a single point of failure: the book's table, made concrete."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def mitigation(event: Event) -> str:
    """Return a sentence that says what to do about a single point of failure, by its name."""
    return MITIGATIONS.get(event.kind, OTHERWISE).format(it=event.title)
