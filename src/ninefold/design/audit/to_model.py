"""The infrastructure file of what was found on one or several hosts, with the evidence as comments.

It is a beginning: rates are the library's defaults, and what no host can see (feeds, racks, the
network behind the first switch, who is a replica of whom) is left to its owner, and said in the
file's head. Two hosts share a part only where `shared` found evidence that it is the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit.clusters import SERVERS
from ninefold.design.audit.rules import running_cluster
from ninefold.design.audit.rules_host import supplies
from ninefold.design.audit.rules_network import virtual_router
from ninefold.design.audit.shared import commons
from ninefold.design.audit.sketch import AtLeast, Sketch, name_of
from ninefold.design.audit.wiring import disk_of, hardware_of, mirror_images, served

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.design.audit.facts import Audit, Disk, HostFacts, Link, Raid
    from ninefold.design.audit.shared import Common
    from ninefold.design.audit.sketch import Entry

_HEAD: Final = (
    "Written by `ninefold audit --to-model`: what was found, with the evidence above each entry.",
    "Rates are defaults: replace them by your own. Add what a host cannot see: power feeds, racks and",
    "rooms, the network behind the first switch, replicas, fence devices, objectives of the services.",
    "Then: ninefold design check THIS-FILE; ninefold design report THIS-FILE",
)


def to_model(audit: Audit) -> str:
    """Return the text of an infrastructure.yaml."""
    sketch = Sketch()
    for common in commons(audit.hosts):
        if common.kind not in ("time-server", "switch"):
            _surrounding(sketch, common)
    nodes = {facts.host: _host(sketch, facts, audit) for facts in audit.hosts}
    member_of = _groups(sketch, audit, nodes)
    _services(sketch, audit, nodes, member_of)
    names = ", ".join(facts.host for facts in audit.hosts)
    return sketch.text(f"audit of {names}", f"Found by an audit of {names}.", list(_HEAD))


_PREFIX: Final = {
    "router": "gateway",
    "switch": "switch",
    "dns-server": "resolver",
    "nfs-server": "files",
    "hypervisor": "hypervisor",
    "rack": "chassis",
}


def _surrounding(sketch: Sketch, common: Common) -> Entry:
    return sketch.part(f"{_PREFIX[common.kind]}-{common.name}", common.kind, common.evidence)


def _host(sketch: Sketch, facts: HostFacts, audit: Audit) -> str:
    """Put a host in with all that it stands on, and return the part's name."""
    machine = facts.machine
    virtual = machine is not None and bool(machine.virtualisation)
    about = (
        "What it is made of was not read."
        if machine is None
        else f"{machine.vendor} {machine.product} {machine.distribution}, {machine.cpus} CPUs, "
        f"{machine.memory_mib} MiB".strip()
    )
    host = sketch.part(facts.host, "vm" if virtual else "node", about)
    if virtual and machine is not None and not machine.hypervisor:
        below = sketch.part(
            f"{facts.host}-hypervisor",
            "hypervisor",
            f"Which machine {facts.host} runs on is unknown ({machine.virtualisation}); give two guests "
            "of one machine the same part.",
        )
        host.inside.append(below.name)
    if not virtual:
        _power(sketch, facts, host)
    _network(sketch, facts, host, virtual=virtual)
    _storage(sketch, facts, host, virtual=virtual)
    _around(sketch, facts, host, audit)
    return host.name


def _power(sketch: Sketch, facts: HostFacts, host: Entry) -> None:
    found = supplies(facts)
    names = [
        sketch.part(f"{facts.host}-psu{number}", "psu", f"IPMI entity {entity}").name
        for number, entity in enumerate(found, 1)
    ]
    if names:
        host.needs.append(AtLeast(1, tuple(names)) if len(names) > 1 else names[0])
    else:
        host.evidence.append("Its power supplies are unknown.")


def _network(sketch: Sketch, facts: HostFacts, host: Entry, *, virtual: bool) -> None:
    ways = {route.link for route in facts.routes if route.target == "default"}
    links = served(facts)
    wanted = [link for link in links if link.name in ways] or links
    for link in links:
        if link not in wanted and hardware_of(facts, link.name):
            told = f"{link.name} ({', '.join(link.addresses)})"
            host.evidence.append(f"Also there, and not needed to be reached: {told}.")
    for link in wanted:
        cards = hardware_of(facts, link.name)
        if virtual:
            host.evidence.append(f"{link.name} is virtual: its cards are the hypervisor's.")
            continue
        names = [_card(sketch, facts, card) for card in cards]
        if len(names) == 1:
            host.needs.append(names[0])
        elif names:
            bond = sketch.part(f"{facts.host}-{link.name}", "bond", _bond_told(facts, link))
            bond.needs.append(AtLeast(1, tuple(names)))
            host.needs.append(bond.name)


def _bond_told(facts: HostFacts, link: Link) -> str:
    for bond in facts.bonds:
        if bond.name in (
            link.name,
            link.parent,
            *(x.name for x in facts.links if x.master == link.name),
        ):
            return f"{bond.name}: mode {bond.mode}, miimon {bond.miimon_ms}, slaves {', '.join(bond.slaves)}"
    return f"{link.name} {link.kind}"


def _card(sketch: Sketch, facts: HostFacts, name: str) -> str:
    link = next(one for one in facts.links if one.name == name)
    told = f"{facts.host} {name}: {link.driver} {link.bus} {link.mac}"
    card = sketch.part(f"{facts.host}-{name}", "nic", told)
    partner = next((b.lacp_partner for b in facts.bonds if name in b.slaves), "")
    if link.switch or partner:
        evidence = (
            f"LLDP on {facts.host} {name}"
            if link.switch
            else (f"LACP partner on {facts.host} {name}: one switch, or several that act as one")
        )
        switch = sketch.part(f"switch-{link.switch or partner}", "switch", evidence)
        card.needs.append(switch.name)
    return card.name


def _storage(sketch: Sketch, facts: HostFacts, host: Entry, *, virtual: bool) -> None:
    for mount in facts.mounts:
        device = None if mount.network else disk_of(facts, mount)
        if device is None:
            continue
        shelf = _Shelf(sketch, facts, mount.target, virtual=virtual)
        host.needs += [name for name in shelf.below(device.name) if name not in host.needs]


class _Shelf:
    """The parts that a host's devices need; each device is looked at once, for facts may hold a loop."""

    def __init__(self, sketch: Sketch, facts: HostFacts, target: str, *, virtual: bool) -> None:
        self._sketch = sketch
        self._facts = facts
        self._target = target
        self._virtual = virtual
        self._by_name = {one.name: one for one in facts.disks}
        self._known: dict[str, tuple[str, ...]] = {}

    def below(self, name: str) -> tuple[str, ...]:
        """Return the parts below a device: disks, or the array that doubles them."""
        disk = self._by_name.get(name)
        if disk is None or disk.kind in ("loop", "rom"):
            return ()
        if name not in self._known:
            self._known[name] = ()
            self._known[name] = self._parts(disk)
        return self._known[name]

    def _parts(self, disk: Disk) -> tuple[str, ...]:
        raid = next((one for one in self._facts.raids if one.name == disk.name), None)
        if raid is not None:
            told = _raid_told(raid, self._target)
            return self._array(raid.name, raid.members, _spare(raid), told)
        if disk.parents and disk.kind != "multipath":
            images = mirror_images(disk, self._by_name)
            if len(images) > 1:
                told = f"{disk.label or disk.name}: a volume of {len(images)} images"
                return self._array(disk.label or disk.name, images, 1, told)
            found = [part for parent in disk.parents for part in self.below(parent)]
            return tuple(dict.fromkeys(found))
        far = disk.kind == "multipath" or disk.transport in ("fc", "iscsi")
        if self._virtual and not far:
            # What the hypervisor makes a disk of is not known: no part would be true.
            return ()
        words = (disk.model, disk.serial, disk.transport, self._target)
        told = f"{self._facts.host} {disk.name}: {' '.join(word for word in words if word)}"
        kind = "array" if far else "ssd" if disk.rotational is False else "disk"
        return (self._put(disk.label or disk.name, kind, told).name,)

    def _array(self, name: str, members: Iterable[str], spare: int, told: str) -> tuple[str, ...]:
        """Put an array in, of which `spare` members may be lost."""
        below = [self.below(member) for member in members]
        each = tuple(dict.fromkeys(part for parts in below for part in parts))
        if not each:
            return ()
        array = self._put(name, "raid", told)
        if array.needs:
            return (array.name,)
        # A member that stands on several parts, or two on one: then all of them is the safe word.
        single = len(each) == len(below) and all(len(parts) == 1 for parts in below)
        needed = max(len(each) - spare, 1) if single else len(each)
        array.needs += each if needed == len(each) else [AtLeast(needed, each)]
        return (array.name,)

    def _put(self, name: str, kind: str, told: str) -> Entry:
        return self._sketch.part(f"{self._facts.host}-{name}", kind, told)


def _raid_told(raid: Raid, target: str) -> str:
    return f"{raid.name} {raid.level}: {raid.working} of {raid.wanted} members work; {target}"


def _spare(raid: Raid) -> int:
    """Return how many members an array can lose. RAID 10 survives more by luck; one is certain."""
    if raid.level in ("raid1", "btrfs-raid1"):
        return len(raid.members) - 1 if raid.level == "raid1" else 1
    return {"raid4": 1, "raid5": 1, "raid6": 2, "raid10": 1}.get(raid.level, 0)


def _around(sketch: Sketch, facts: HostFacts, host: Entry, audit: Audit) -> None:
    """Let the host need what its surroundings give: gateways, resolvers, file servers."""
    mine = [common for common in commons(audit.hosts) if facts.host in common.hosts]
    resolvers = [_surrounding(sketch, c).name for c in mine if c.kind == "dns-server"]
    if resolvers:
        host.needs.append(AtLeast(1, tuple(resolvers)) if len(resolvers) > 1 else resolvers[0])
    routers = [c for c in mine if c.kind == "router"]
    # Traffic of one family has no use for the gateway of the other.
    for family in ("inet", "inet6"):
        names = []
        for common in routers:
            address = common.name.partition(" ")[0]
            ways = [r for r in facts.routes if address in (r.gateway, r.gateway_mac)]
            if not any(way.family == family for way in ways):
                continue
            part = _surrounding(sketch, common)
            names.append(part.name)
            for protocol in sorted({virtual_router(way.gateway_mac) for way in ways} - {""}):
                note = f"Its MAC is one of {protocol}: several routers; describe each."
                if note not in part.evidence:
                    part.evidence.append(note)
        if names:
            host.needs.append(AtLeast(1, tuple(names)) if len(names) > 1 else names[0])
    host.needs += [_surrounding(sketch, c).name for c in mine if c.kind == "nfs-server"]
    host.inside += [_surrounding(sketch, c).name for c in mine if c.kind in ("hypervisor", "rack")]


def _groups(sketch: Sketch, audit: Audit, nodes: dict[str, str]) -> dict[str, str]:
    """Put in each cluster that runs, by its node list; return group by host."""
    found: dict[tuple[str, ...], list[HostFacts]] = {}
    for facts in audit.hosts:
        if facts.managed is not None and len(facts.managed.nodes) > 1 and running_cluster(facts):
            found.setdefault(facts.managed.nodes, []).append(facts)
    member_of = {}
    for listed, hosts in found.items():
        short = {facts.host.partition(".")[0]: nodes[facts.host] for facts in hosts}
        members = []
        for name in listed:
            known = short.get(name.partition(".")[0])
            if known is None:
                known = sketch.part(name, "node", "In the node list, and not audited.").name
            members.append(known)
        evidence = f"Node list {', '.join(listed)}; running on {', '.join(f.host for f in hosts)}."
        group = sketch.group(
            "cluster" if len(found) == 1 else f"cluster-{listed[0]}", members, evidence
        )
        group.evidence.append(
            "Name its files to have quorum and fencing read: `corosync: FILE`, `cib: FILE`."
        )
        member_of.update({facts.host: group.name for facts in hosts})
    return member_of


def _services(
    sketch: Sketch, audit: Audit, nodes: dict[str, str], member_of: dict[str, str]
) -> None:
    """Put in a service for each server program: of a cluster where one runs, else of its host."""
    for facts in audit.hosts:
        host = facts.host
        programs = [name for name in facts.daemons if name in SERVERS]
        for program in programs:
            if host in member_of:
                group = member_of[host]
                service = sketch.service(f"{program}-of-{group}", f"{program} runs on {host}.")
                service.needs[:] = [group]
                continue
            kind = SERVERS[program]
            part = sketch.part(f"{host}-{program}", kind, f"{program} runs on {host}.")
            part.needs[:] = [nodes[host]]
            service = sketch.service(f"{program}-on-{host}", f"{program} runs on {host}.")
            service.needs[:] = [part.name]
        if not programs:
            what = member_of.get(host, nodes[host])
            name = f"service-of-{name_of(what)}"
            if name not in sketch.services:
                told = "No known server program was seen; rename it after what users see."
                sketch.service(name, told).needs[:] = [what]
