"""What must come to hold once everything is mended, and what still keeps it from holding.

one membership that everybody is in, with quorum and one DC (L1, L2); everything that may run runs
on exactly one host (L3); the same bytes everywhere (L4); nothing decided, ordered or under way (L5);
nobody waiting to be fenced (L6)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.corosync.states import ViewState
from ninefold.totem.reachability import REST_MS
from ninefold.totem.ring_core import RingState

if TYPE_CHECKING:
    from ninefold.controller.conductor import Controller
    from ninefold.core.instants import Millis
    from ninefold.sim.world import World


# A ring, or a view, that carries messages.
STANDING: Final = (RingState.OPERATIONAL, ViewState.INSTALLED)


def membership_limit(world: World) -> Millis:
    """Return how long a single membership may take (L1).

    Three rounds of token and consensus, after a machine has been booted for the last fencing that was
    ordered before, with a device that was slow; or after the rest of one that not all could hear. Not
    both: whoever has booted is not let rest for what it did before.
    """
    timers = world.config.totem
    return 3 * (timers.token + timers.consensus) + max(25_000, REST_MS)


def service_limit(world: World) -> Millis:
    """Return how long everything may take from there.

    The wait for absent nodes, a join's patience, the longest pause between two attempts to fence, and
    a start, a stop and a monitor that hang.
    """
    return membership_limit(world) + 20_000 + 10_000 + 60_000 + 23_000


def apart(world: World) -> list[str]:
    """Return why there is no single membership yet."""
    everybody = tuple(sorted(world.hosts))
    reasons = [f"{host.name} has no daemon" for host in world.hosts.values() if not host.alive]
    # What a node knows while it seeks a membership is of the ring before, which may have been fine.
    reasons += [
        f"{host.name} seeks a membership"
        for host in world.hosts.values()
        if host.node is not None and host.node.stack.state not in STANDING
    ]
    for name, members in world.partitions().items():
        if members != everybody:
            reasons.append(f"{name} is in a ring of {members}")
    rings = {str(controller.situation.ring) for controller in controllers(world)}
    if len(rings) > 1:
        reasons.append(f"there are the rings {sorted(rings)}")
    for controller in controllers(world):
        situation = controller.situation
        if not controller.replica.settled or situation.members != everybody:
            reasons.append(f"{situation.name} has no document of this ring yet")
        elif not situation.quorate:
            reasons.append(f"{situation.name} has no quorum")
    return reasons


def wanting(world: World) -> list[str]:
    """Return everything that does not hold yet; empty if all is well."""
    reasons = apart(world)
    if reasons:
        return reasons
    all_ = controllers(world)
    dcs = sorted({controller.situation.dc for controller in all_})
    if len(dcs) != 1:
        return [f"there are the DCs {dcs}"]
    digests = {controller.replica.authority.digest() for controller in all_}
    if len(digests) > 1:
        reasons.append("the documents differ")
    reasons += world.keyring.wanting()
    dc = next(controller for controller in all_ if controller.situation.am_dc)
    if not dc.direction.idle:
        reasons.append("the DC has something to do")
    if dc.situation.fence_failures:
        reasons.append(f"fencing is pending: {sorted(dc.situation.fence_failures)}")
    wanted = startable(world)
    for resource in wanted:
        where = world.where(resource)
        if resource in world.instances.limits:
            reasons += [missing] if (missing := world.instances.wanting(resource)) else []
        elif len(where) != 1:
            reasons.append(f"{resource} runs on {where or 'no node'}")
    reasons += [f"{name} still runs" for name in running(world) if name not in wanted]
    return reasons


def rings(world: World) -> str:
    """Return the rings that there are."""
    return ", ".join(sorted({str(c.situation.ring) for c in controllers(world)}))


def running(world: World) -> list[str]:
    """Return everything that runs anywhere, in truth."""
    return sorted(
        {name for host in world.hosts.values() if host.powered for name in host.resources.running()}
    )


def controllers(world: World) -> list[Controller]:
    """Return the controllers of all daemons that run."""
    return [
        host.node.controller
        for host in world.hosts.values()
        if host.alive and host.node is not None
    ]


def resources(world: World) -> list[str]:
    """Return the primitives of the document."""
    document = controllers(world)[0].replica.authority
    return [str(element.get("id")) for element in document.configuration.iter("primitive")]


def moved(world: World) -> list[str]:
    """Return the resources that an operator has moved."""
    document = controllers(world)[0].replica.authority
    return sorted(
        {
            str(element.get("rsc"))
            for element in document.configuration.iter("rsc_location")
            if str(element.get("id")).startswith("cli-")
        }
    )


def startable(world: World) -> list[str]:
    """Return the resources of the document that nobody has asked to be stopped."""
    document = controllers(world)[0].replica.authority
    found = []
    for element in document.configuration.iter("primitive"):
        roles = {
            str(pair.get("value")).lower()
            for pair in element.iterfind("meta_attributes/nvpair")
            if pair.get("name") == "target-role"
        }
        if "stopped" not in roles:
            found.append(str(element.get("id")))
    return found
