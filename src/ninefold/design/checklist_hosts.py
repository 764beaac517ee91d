"""The checklist's items that an audit of the hosts can answer (`ninefold audit --json`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.design.checklist_seen import Seen, na, no, unseen, yes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.design.audit.facts import HostFacts, Unit

    HostsProbe: TypeAlias = Callable[[Sequence[HostFacts]], Seen]

_CLUSTER_UNITS: Final = ("corosync", "pacemaker", "sbd", "ninefold", "ninefoldd")


def _versions(hosts: Sequence[HostFacts]) -> Seen:
    if len(hosts) < 2:
        return unseen("One host was audited; audit all nodes and give all files.")
    kinds: dict[str, dict[str, str]] = {}
    for host in hosts:
        if host.machine is not None:
            kinds.setdefault("kernel", {})[host.host] = host.machine.kernel
            kinds.setdefault("system", {})[host.host] = host.machine.distribution
        for package in host.packages:
            kinds.setdefault(package.name, {})[host.host] = package.version
    uneven = [
        name
        for name, versions in kinds.items()
        if len(versions) < len(hosts) or len(dict.fromkeys(versions.values())) > 1
    ]
    if uneven:
        return no(f"Not the same on all hosts: {', '.join(uneven[:8])}.")
    return yes(
        f"The same on {len(hosts)} hosts: {', '.join(kinds)}." if kinds else "Nothing differs."
    )


def _watchdog(hosts: Sequence[HostFacts]) -> Seen:
    soft = [
        h.host for h in hosts if h.watchdogs and all(w.driver == "softdog" for w in h.watchdogs)
    ]
    unread = [h.host for h in hosts if any(u.what == "watchdogs" for u in h.unread)]
    unread += [h.host for h in hosts if any(not w.driver for w in h.watchdogs)]
    without = [h.host for h in hosts if not h.watchdogs and h.host not in unread]
    if soft:
        return no(f"softdog alone on {', '.join(soft)}.")
    if unread:
        return unseen(f"The watchdog's driver could not be read on {', '.join(unread)}.")
    if without:
        return no(f"No watchdog was seen on {', '.join(without)}.")
    return yes("Every audited host has a watchdog that is no softdog.")


def _time(hosts: Sequence[HostFacts]) -> Seen:
    unsynced = [h.host for h in hosts if h.time is not None and h.time.synchronised is False]
    # A pool is several servers behind one name.
    few = [
        h.host
        for h in hosts
        if h.time is not None
        and len(h.time.sources) == 1
        and not h.time.sources[0].startswith("pool ")
    ]
    unread = [h.host for h in hosts if h.time is None or not h.time.sources]
    if unsynced:
        return no(f"The clock is not synchronised on {', '.join(unsynced)}.")
    if few:
        return no(f"A single source of time on {', '.join(few)}.")
    if unread:
        return unseen(f"The sources of time could not be read on {', '.join(unread)}.")
    return yes("Two sources at least on every audited host; whether steps are noticed is not seen.")


def _names(hosts: Sequence[HostFacts]) -> Seen:
    wrong = [
        h.host
        for h in hosts
        if h.names is not None
        and any(
            address.startswith("127.") and h.names.hostname.partition(".")[0] in names
            for address, names in h.names.hosts.items()
            if address != "127.0.0.1"
        )
    ]
    if wrong:
        return no(f"/etc/hosts gives its own name a loopback address on {', '.join(wrong)}.")
    known = [h for h in hosts if h.names is not None]
    every = [h.names.hostname.partition(".")[0] for h in known if h.names is not None]
    for host in known:
        assert host.names is not None
        told = [name for names in host.names.hosts.values() for name in names]
        missing = [name for name in every if name not in told]
        if missing:
            return no(f"/etc/hosts on {host.host} lacks {', '.join(missing)}.")
    if len(known) < 2:
        return unseen("One host was audited; audit all nodes and give all files.")
    return unseen(
        "/etc/hosts has all audited hosts; whether addresses are static, the audit does not say."
    )


def _links(hosts: Sequence[HostFacts]) -> Seen:
    if len(hosts) < 2:
        return unseen("One host was audited; audit all nodes and give all files.")
    sets = {
        h.host: tuple(sorted(link.name for link in h.links if not link.virtual and link.kind == ""))
        for h in hosts
    }
    if len(dict.fromkeys(sets.values())) > 1:
        return no("; ".join(f"{host}: {', '.join(names)}" for host, names in sets.items()) + ".")
    return yes("The same names on all audited hosts.")


def _memory(hosts: Sequence[HostFacts]) -> Seen:
    killed = [h.host for h in hosts if any(t.kind == "oom" and t.count for t in h.troubles)]
    if killed:
        return no(f"The kernel killed for want of memory on {', '.join(killed)}.")
    return unseen(
        "No out-of-memory kill was seen in the logs; swapping under load is not measured."
    )


def _autostart(hosts: Sequence[HostFacts]) -> Seen:
    enabled = {
        h.host: [u.name for u in h.units if _stem(u) in _CLUSTER_UNITS and u.enabled == "enabled"]
        for h in hosts
    }
    found = {host: units for host, units in enabled.items() if units}
    if found:
        told = "; ".join(f"{host}: {', '.join(units)}" for host, units in found.items())
        return unseen(f"Enabled at boot ({told}); whether that was decided, the owner knows.")
    return yes("The cluster does not start at boot on the audited hosts.")


def _multipaths(hosts: Sequence[HostFacts]) -> Seen:
    maps = [(h.host, m) for h in hosts for m in h.multipaths]
    if not maps:
        return na("No audited host has a multipath map.")
    single = [f"{host} {m.name}" for host, m in maps if len(m.working) < 2]
    if single:
        return no(f"A single path works: {', '.join(single[:8])}.")
    queues = [f"{host} {m.name}" for host, m in maps if "queue_if_no_path" in m.features]
    if queues:
        return no(
            f"queue_if_no_path: I/O hangs for ever when all paths are lost, on {', '.join(queues[:8])}."
        )
    return yes("Two working paths at least to each map, none queues for ever.")


def _journal(hosts: Sequence[HostFacts]) -> Seen:
    volatile = [h.host for h in hosts if h.log_persistent is False]
    unread = [h.host for h in hosts if h.log_persistent is None]
    if volatile:
        return no(f"The journal is gone after a reboot on {', '.join(volatile)}.")
    if unread:
        return unseen(f"No journal and no syslog was found on {', '.join(unread)}.")
    return unseen("Logs survive a reboot; whether they leave the node is not seen.")


def _stem(unit: Unit) -> str:
    return unit.name.removesuffix(".service")


HOSTS_PROBES: Final[dict[int, HostsProbe]] = {
    9: _versions,
    14: _memory,
    15: _watchdog,
    16: _time,
    17: _names,
    18: _links,
    46: _autostart,
    47: _multipaths,
    62: _journal,
}


def managed_twice(
    hosts: Sequence[HostFacts], units: Sequence[str], mounts: Sequence[str]
) -> dict[int, Seen]:
    """Return items 49 and 55: what the cluster manages (`units`, `mounts`) and the system starts too."""
    enabled = [
        f"{h.host} {u.name}"
        for h in hosts
        for u in h.units
        if _stem(u) in units and u.enabled == "enabled"
    ]
    # On the node that does not run it now, it is in fstab all the same and not mounted.
    listed = [
        f"{h.host} {line.target}"
        for h in hosts
        for line in h.planned
        if line.target in mounts and "noauto" not in line.options.split(",")
    ]
    unread = [h.host for h in hosts if not h.units]
    at_boot = yes("No systemd resource of the CIB is enabled on the audited hosts.")
    if unread:
        at_boot = unseen(f"The services could not be read on {', '.join(unread)}.")
    if enabled:
        at_boot = no(f"Enabled in systemd and in the CIB: {', '.join(enabled[:8])}.")
    return {
        49: no(f"In fstab and in the CIB: {', '.join(listed[:8])}.")
        if listed
        else yes("No file system of the CIB is mounted by the audited hosts' fstab."),
        55: at_boot,
    }
