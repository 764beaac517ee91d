"""What several audited hosts share, where the evidence says so: one thing that takes all of them down.

Nothing is guessed: two hosts share a gateway if its address and, where both know it, its MAC are the
same; a switch by LLDP or an LACP partner's MAC; a machine or chassis by its serial number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.design.audit.facts import Judgement
from ninefold.design.audit.rules import ERROR, INFO, WARNING
from ninefold.design.audit.rules_network import virtual_router
from ninefold.design.audit.rules_storage import file_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ninefold.design.audit.facts import HostFacts


class Common(msgspec.Struct, frozen=True):
    """A thing that hosts have in common: `kind` as in a model, `name` its own, `evidence` for each."""

    kind: str
    name: str
    hosts: tuple[str, ...]
    evidence: str


def gateways(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield (name, evidence) of default gateways."""
    for route in facts.routes:
        if route.target == "default" and route.gateway:
            mac = f" {route.gateway_mac}" if route.gateway_mac else ""
            link = f"%{route.link}" if route.gateway.startswith("fe80:") else ""
            # A link-local address means another router on another wire: only the MAC can tell.
            if link and not route.gateway_mac:
                continue
            name = route.gateway_mac if link else route.gateway
            yield name, f"default via {route.gateway}{mac} dev {route.link}"


def resolvers(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield resolvers that are no program of the host's own."""
    if facts.names is not None:
        for address in facts.names.resolvers:
            if not address.startswith("127.") and address != "::1":
                yield address, f"nameserver {address}"


def time_servers(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield sources of time, pools apart."""
    if facts.time is not None:
        for source in facts.time.sources:
            if source.startswith(("server ", "peer ")):
                yield source.split()[1], source


def file_servers(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield servers of mounted NFS and CIFS."""
    for mount in facts.mounts:
        if mount.fstype in ("nfs", "nfs4", "cifs", "smb3"):
            yield file_server(mount.source), f"{mount.source} on {mount.target}"


def switches(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield switches: by LLDP, or the MAC of an LACP partner (one switch, or several that act as one)."""
    for link in facts.links:
        if link.switch:
            yield link.switch, f"LLDP on {link.name}: {link.switch}"
    for bond in facts.bonds:
        # Where LLDP names the switches of a bond, the partner's MAC would name them a second time.
        named = any(link.switch for link in facts.links if link.name in bond.slaves)
        if bond.lacp_partner and not named:
            yield bond.lacp_partner, f"LACP partner of {bond.name}: {bond.lacp_partner}"


def hypervisors(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield the machine below, where it tells its name."""
    machine = facts.machine
    if machine is not None and machine.virtualisation and machine.hypervisor:
        yield machine.hypervisor, f"guest of {machine.hypervisor}"


def chassis(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield the chassis of a blade: its serial number is not that of the machine."""
    machine = facts.machine
    if machine is None or machine.virtualisation or not machine.chassis_serial:
        return
    if machine.chassis_serial != machine.serial:
        yield machine.chassis_serial, f"chassis {machine.vendor} {machine.chassis_serial}"


# kind of a model's part: (layer, what finds it, what to do about it)
KINDS: Final[dict[str, tuple[str, Callable[[HostFacts], Iterator[tuple[str, str]]], str]]] = {
    "router": ("network", gateways, "Let two routers share the address by VRRP."),
    "switch": ("network", switches, "Connect each host to two switches."),
    "dns-server": ("dns", resolvers, "Add a second, independent resolver to each host."),
    "time-server": ("other", time_servers, "Use three servers, or a pool."),
    "nfs-server": ("storage", file_servers, "Make the server a cluster, or replicate."),
    "hypervisor": ("compute", hypervisors, "Keep them on different hypervisors (anti-affinity)."),
    "rack": ("site", chassis, "Spread the nodes over several chassis and racks."),
}


def commons(hosts: Sequence[HostFacts]) -> tuple[Common, ...]:
    """Return everything that can be named in these hosts' surroundings, with who uses it."""
    found = []
    for kind, (_, look, _) in KINDS.items():
        users: dict[str, dict[str, str]] = {}
        twins = _twins(hosts) if kind == "router" else {}
        for facts in hosts:
            for name, evidence in look(facts):
                known = twins.get((facts.host, name), name)
                users.setdefault(known, {}).setdefault(facts.host, evidence)
        for name, seen in users.items():
            told = "; ".join(f"{host}: {evidence}" for host, evidence in seen.items())
            found.append(Common(kind, name, tuple(seen), told))
    return tuple(found)


def _twins(hosts: Sequence[HostFacts]) -> dict[tuple[str, str], str]:
    """Return names for gateways of one address and several MACs: they stand on different wires."""
    macs: dict[str, dict[str, list[str]]] = {}
    for facts in hosts:
        for route in facts.routes:
            if route.target == "default" and route.gateway_mac:
                macs.setdefault(route.gateway, {}).setdefault(route.gateway_mac, []).append(
                    facts.host
                )
    return {
        (host, address): f"{address} at {mac}"
        for address, found in macs.items()
        if len(found) > 1
        for mac, users in found.items()
        for host in users
    }


def shared(hosts: Sequence[HostFacts]) -> list[Judgement]:
    """Return judgements about what two or more hosts have in common and none has twice."""
    found = []
    every = commons(hosts)
    for common in every:
        layer, look, mitigation = KINDS[common.kind]
        alone = [f.host for f in hosts if f.host in common.hosts and len(dict(look(f))) == 1]
        if len(alone) < 2 or _stands_for_several(common, hosts):
            continue
        grave = common.kind in ("hypervisor", "rack")
        found.append(
            Judgement(
                f"shared-{common.kind}",
                ", ".join(alone),
                layer,
                ERROR if common.kind == "hypervisor" else WARNING,
                spof=True,
                subject=common.name,
                sentence=f"{' and '.join(alone)} {'stand on' if grave else 'depend on'} the same {WORDS[common.kind]}.",
                evidence=common.evidence,
                mitigation=mitigation,
            )
        )
    return found + _unknown_machines(hosts)


def _unknown_machines(hosts: Sequence[HostFacts]) -> list[Judgement]:
    """Return the question whether guests share the machine below, where they cannot know it."""
    guests = [
        facts.host
        for facts in hosts
        if facts.machine is not None
        and facts.machine.virtualisation
        and not facts.machine.hypervisor
    ]
    if len(guests) < 2:
        return []
    return [
        Judgement(
            "shared-hypervisor",
            ", ".join(guests),
            "compute",
            INFO,
            spof=False,
            subject="hypervisor",
            sentence=f"Whether {' and '.join(guests)} are guests of one machine is unknown.",
            evidence="their hypervisor does not tell its guests where they are",
            mitigation="Ask the hypervisor; keep them on different machines (anti-affinity).",
            unknown=True,
        )
    ]


WORDS: Final = {
    "router": "gateway",
    "switch": "switch, or group of switches that act as one",
    "dns-server": "resolver, and no other",
    "time-server": "source of time, and no other",
    "nfs-server": "file server",
    "hypervisor": "hypervisor",
    "rack": "chassis",
}


def _stands_for_several(common: Common, hosts: Sequence[HostFacts]) -> bool:
    """Is this gateway an address that several routers share?"""
    return common.kind == "router" and any(
        route.gateway == common.name.partition(" ")[0] and virtual_router(route.gateway_mac)
        for facts in hosts
        for route in facts.routes
    )
