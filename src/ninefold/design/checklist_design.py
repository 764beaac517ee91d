"""The checklist's items that the model, the `corosync.conf` and the other analyses can answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.design.capacity import capacity_rows
from ninefold.design.checklist_seen import Seen, by_rows, na, no, together, unseen, yes
from ninefold.design.domains import Fallen, supports
from ninefold.design.evidence import Evidence, evidence_of
from ninefold.design.fence_check import die_together, fence_rows, levels_of
from ninefold.design.model import Group, Infrastructure
from ninefold.design.quorum_table import voters_of, witness_shares
from ninefold.design.results import FenceRow, ServiceResult, TimingRow
from ninefold.design.timing import timing_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NO_GROUP: Final = "The model has no failover group."
_NO_FILE: Final = "The group names no corosync.conf that can be read."
_BOND_MODES: Final = ("active-backup", "1", "802.3ad", "4", "lacp")
_POWER: Final = ("psu", "power-feed", "pdu", "ups", "generator", "circuit")
_HOLDERS: Final = ("rack", "hypervisor", "chassis", "blade-enclosure")


class View(msgspec.Struct):
    """One group with all that has been worked out about it."""

    model: Infrastructure
    group: Group
    evidence: Evidence
    timing: tuple[TimingRow, ...]
    fencing: tuple[FenceRow, ...]


class Look(msgspec.Struct):
    """The whole design; `results` are the predicted availabilities, where they have been computed."""

    model: Infrastructure
    views: tuple[View, ...]
    results: dict[str, ServiceResult]


Probe: TypeAlias = Callable[[Look], Seen]


def look_at(model: Infrastructure, results: Mapping[str, ServiceResult]) -> Look:
    """Read the groups' files and work out what the probes share."""
    views = tuple(
        View(model, group, evidence_of(group), timing_rows(model, group), fence_rows(model, group))
        for group in model.groups.values()
    )
    return Look(model, views, dict(results))


def _each(probe: Callable[[View], Seen]) -> Probe:
    """Ask every group."""

    def ask(look: Look) -> Seen:
        return together((probe(view) for view in look.views), _NO_GROUP)

    return ask


def _timing(*codes: str, absent: str) -> Probe:
    return _each(lambda view: by_rows(view.timing, codes, f"{view.group.name}: {absent}"))


def _availability(look: Look) -> Seen:
    if not look.results:
        return unseen("Not computed here: `ninefold design report` predicts it.")
    seen = []
    for result in look.results.values():
        told = f"{result.service}: {100 * result.availability:.5f} % predicted"
        if result.meets_slo is None or result.slo is None:
            seen.append(unseen(f"{told}, but it has no objective."))
            continue
        wanted = f"{told}, {100 * result.slo:g} % wanted."
        seen.append(yes(wanted) if result.meets_slo else no(wanted))
    return together(seen, "No service was analysed.")


def _capacity(view: View) -> Seen:
    rows = capacity_rows(view.model, view.group)
    if not rows:
        return unseen(
            f"{view.group.name}: give nodes `capacity` and services `uses`, or utilization in the CIB."
        )
    short = [row for row in rows if not row.suffices]
    if short:
        worst = max(short, key=lambda row: row.needed - row.left)
        return no(f"{view.group.name}: without {worst.lost}: {worst.sentence}.")
    return yes(
        f"{view.group.name}: everything fits after each of {len({r.lost for r in rows}) - 1} losses."
    )


def _power(view: View) -> Seen:
    model, seen = view.model, []
    for node in view.group.nodes:
        feeds = [
            n for n in supports(model, node) if n in model.parts and model.parts[n].kind in _POWER
        ]
        single = [feed for feed in feeds if Fallen(model, (feed,)).down(node)]
        if not feeds:
            seen.append(unseen(f"{node}: the model tells of no power supply."))
        elif single:
            seen.append(no(f"{node} falls with {', '.join(single)} alone."))
        else:
            seen.append(yes(f"{node} survives the loss of each of {', '.join(feeds)}."))
    return together(seen, _NO_GROUP)


def _apart(view: View) -> Seen:
    model = view.model
    holders = dict.fromkeys(
        name
        for node in view.group.nodes
        for name in supports(model, node)
        if name in model.parts and model.parts[name].kind in _HOLDERS
    )
    if not holders:
        return unseen(f"{view.group.name}: the model tells of no rack or hypervisor (`inside`).")
    seen = []
    for holder in holders:
        fallen = Fallen(model, (holder,))
        taken = [node for node in view.group.nodes if fallen.down(node)]
        if len(taken) > 1:
            seen.append(no(f"{', '.join(taken)} all stand on {holder}."))
    return (
        together(seen, "")
        if seen
        else yes(f"{view.group.name}: no rack or hypervisor takes two nodes.")
    )


def _links(view: View) -> Seen:
    config = view.evidence.config
    if config is None:
        return unseen(f"{view.group.name}: {_NO_FILE}")
    least = min(len(node.links) for node in config.nodes)
    if least < 2:
        return no(f"{view.group.name}: {least} link in corosync.conf.")
    return yes(
        f"{view.group.name}: {least} links in corosync.conf; see the model for the switches they take."
    )


def _bonding(view: View) -> Seen:
    names = dict.fromkeys(name for node in view.group.nodes for name in supports(view.model, node))
    seen = []
    for name in names:
        part = view.model.parts.get(name)
        if part is None or part.kind != "bond":
            continue
        mode = part.facts.get("mode", "").strip().lower()
        if not mode:
            seen.append(unseen(f"{name}: say its `mode`."))
        elif mode in _BOND_MODES:
            seen.append(yes(f"{name}: mode {mode}."))
        else:
            seen.append(
                no(f"{name}: mode {mode} is not for the ring; active-backup and 802.3ad are.")
            )
    if not seen:
        return na(f"{view.group.name}: the model has no bond.")
    rows = by_rows(view.timing, ("bond-failover", "lacp"), "")
    return together([*seen, rows], "")


def _multicast(view: View) -> Seen:
    if view.evidence.config is None:
        return unseen(f"{view.group.name}: {_NO_FILE}")
    transport = view.evidence.transport
    if transport == "udp":
        return unseen(
            f"{view.group.name}: the transport udp uses multicast: verify it between all nodes."
        )
    return yes(f"{view.group.name}: the transport {transport} needs no multicast.")


def _encrypted(view: View) -> Seen:
    config = view.evidence.config
    if config is None:
        return unseen(f"{view.group.name}: {_NO_FILE}")
    cipher, digest = config.totem.crypto_cipher, config.totem.crypto_hash
    told = f"{view.group.name}: crypto_cipher {cipher}, crypto_hash {digest}"
    if "none" in (cipher, digest):
        return no(f"{told}.")
    return yes(f"{told}; that the key is the same everywhere shows when the ring forms.")


def _odd(view: View) -> Seen:
    voters = voters_of(view.group)
    told = f"{view.group.name}: {voters.expected} votes"
    if not voters.asked:
        return no(f"{view.group.name}: no quorum is asked for.")
    if voters.witness:
        return yes(f"{told}, a witness among them.")
    if voters.expected % 2:
        return yes(f"{told}.")
    if voters.config.quorum.auto_tie_breaker:
        return no(f"{told} and no witness; auto_tie_breaker saves one half only.")
    return no(f"{told} and no witness.")


def _two_nodes(view: View) -> Seen:
    voters = voters_of(view.group)
    if len(view.group.nodes) != 2:
        return na(f"{view.group.name} has {len(view.group.nodes)} nodes.")
    options = voters.config.quorum
    if voters.witness:
        return yes(f"{view.group.name}: a quorum device votes.")
    if options.two_node and options.wait_for_all:
        return yes(f"{view.group.name}: two_node with wait_for_all.")
    lacks = "wait_for_all is off" if options.two_node else "neither two_node nor a quorum device"
    return no(f"{view.group.name}: {lacks}.")


def _witness(view: View) -> Seen:
    group = view.group
    if not voters_of(group).witness:
        return na(f"{group.name} has no witness.")
    if not group.witness:
        return unseen(f"{group.name}: say in the model what part the quorum device is (`witness`).")
    common = witness_shares(view.model, group)
    if common:
        return no(f"{group.witness} shares {', '.join(common)} with nodes of {group.name}.")
    return yes(f"{group.witness} shares no part of the model with a node of {group.name}.")


def _expected(view: View) -> Seen:
    config = view.evidence.config
    if config is None:
        return unseen(f"{view.group.name}: {_NO_FILE}")
    listed = sum(node.quorum_votes for node in config.nodes)
    listed += config.quorum.device.votes if config.quorum.device else 0
    given = config.quorum.expected_votes
    if given and given != listed:
        return no(f"{view.group.name}: expected_votes is {given}, the nodelist has {listed}.")
    return yes(f"{view.group.name}: {listed} votes in the nodelist, and as many expected.")


def _covered(view: View) -> Seen:
    if not view.group.fencing_enabled:
        return no(f"{view.group.name}: fencing is disabled.")
    bare = [row.node for row in view.fencing if not row.devices]
    if bare:
        return no(f"{view.group.name}: no device for {', '.join(bare)}.")
    return yes(f"{view.group.name}: every node has a device.")


def _second_level(view: View) -> Seen:
    return together(_levels(view), _NO_GROUP)


def _levels(view: View) -> Iterator[Seen]:
    for node in view.group.nodes:
        levels = levels_of(view.group, node)
        if len(levels) < 2:
            yield no(f"{node} has {len(levels)} level{'s' * (len(levels) != 1)} of fencing.")
            continue
        first, second = ([path.device for path in level] for level in levels[:2])
        below = {part for device in second for part in (device, *supports(view.model, device))}
        common = [
            part for device in first for part in (device, *supports(view.model, device))
            if part in below and _matters(view, part, first, second)
        ]  # fmt: skip
        if common:
            yield no(f"{node}: both levels fall with {', '.join(dict.fromkeys(common))}.")
        else:
            yield yes(f"{node}: {', '.join(first)}, then {', '.join(second)}.")


def _matters(view: View, part: str, first: list[str], second: list[str]) -> bool:
    fallen = Fallen(view.model, (part,))
    if all(fallen.down(node) for node in view.group.nodes):
        return False
    return all(any(fallen.down(device) for device in level) for level in (first, second))


def _shared_fate(view: View) -> Seen:
    seen = []
    for row in view.fencing:
        fatal = [
            part
            for part in row.shared
            if die_together(view.model, row.node, row.devices, part) or part == row.node
        ]
        if not row.devices:
            seen.append(no(f"{row.node} has no device."))
        elif fatal:
            seen.append(no(f"{row.node} shares {', '.join(fatal)} with its device."))
        elif all(not supports(view.model, device) for device in row.devices):
            seen.append(
                unseen(f"{row.node}: the model does not say what feeds {', '.join(row.devices)}.")
            )
        else:
            seen.append(yes(f"{row.node}: nothing takes it down together with its devices."))
    return together(seen, _NO_GROUP)


def _drilled(look: Look) -> Seen:
    measured = [name for name, group in look.model.groups.items() if group.failover.measured_s]
    if not measured:
        return unseen("No measured failover is in the model (`failover: {measured: [...]}`).")
    return unseen(
        f"Failovers of {', '.join(measured)} have been measured; whether the whole plan passed, the owner knows."
    )


def _replicas(look: Look) -> Seen:
    kinds = ("drbd", "galera", "postgresql", "replica", "ceph")
    replicas = [p.name for p in look.model.parts.values() if any(k in p.kind for k in kinds)]
    if replicas:
        return unseen(f"Not to be seen from here for {', '.join(replicas[:8])}.")
    return unseen("The model tells of no replica; answer na if there is none.")


# What is not here or in the other tables of probes cannot be seen from files, and is asked.
DESIGN_PROBES: Final[dict[int, Probe]] = {
    4: _availability,
    8: _each(_capacity),
    11: _each(_power),
    12: _each(_apart),
    19: _each(_links),
    20: _each(_bonding),
    22: _each(_multicast),
    23: _each(_encrypted),
    29: _each(_odd),
    30: _each(_two_nodes),
    31: _each(_witness),
    33: _each(_expected),
    35: _timing("qdevice-sync", "qdevice-timeout", absent="no SBD beside a quorum device."),
    36: _each(_covered),
    37: _each(_second_level),
    38: _each(_shared_fate),
    40: _timing("measured-fencing", absent="no measured time of fencing is in the model."),
    45: _timing(
        "msgwait", "stonith-msgwait", "delay-start", "start-timeout", "watchdog-timeout", "multipath",
        absent="no SBD.",
    ),
    47: _timing("multipath", absent="no multipath beside SBD."),
    51: _replicas,
    65: _drilled,
}  # fmt: skip
