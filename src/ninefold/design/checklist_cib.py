"""The checklist's items that a CIB can answer: policy, resources, constraints, devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import networkx as nx

from ninefold.cib.views import cluster_property, node_names
from ninefold.design.checklist_seen import Seen, na, no, unseen, yes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lxml.etree import _Element as Element

    CibProbe: TypeAlias = Callable[[Element], Seen]

_SECRETS: Final = ("password", "passwd", "secret", "token", "secret_key", "snmp_priv_passwd")


def _policy(configuration: Element) -> Seen:
    text = cluster_property(configuration, "no-quorum-policy", "")
    if not text:
        return no("no-quorum-policy is not set: the default, stop, applies undecided.")
    return (
        no("no-quorum-policy=ignore: every partition may act.")
        if text == "ignore"
        else yes(f"no-quorum-policy={text}.")
    )


def _delays(configuration: Element) -> Seen:
    nodes = node_names(configuration)
    if len(nodes) != 2:
        return na(f"{len(nodes)} nodes.")
    priority = cluster_property(configuration, "priority-fencing-delay", "0")
    if priority not in ("0", "0s"):
        return yes(f"priority-fencing-delay={priority}.")
    for name in ("pcmk_delay_base", "pcmk_delay_max"):
        pairs = configuration.findall(
            f"resources//primitive[@class='stonith']//nvpair[@name='{name}']"
        )
        if pairs:
            return yes(f"{name}={pairs[0].get('value')}.")
    return no("Neither a priority nor a delay: both nodes of a split may fence each other at once.")


def _kdump(configuration: Element) -> Seen:
    if configuration.find("resources//primitive[@type='fence_kdump']") is not None:
        return yes("fence_kdump is configured.")
    return unseen("There is no fence_kdump; whether hosts dump at all, the CIB does not say.")


def _credentials(configuration: Element) -> Seen:
    devices = configuration.findall("resources//primitive[@class='stonith']")
    inline = [
        str(device.get("id"))
        for device in devices
        if any(
            pair.get("name") in _SECRETS for pair in device.iterfind("instance_attributes/nvpair")
        )
    ]
    if inline:
        return no(f"The CIB holds the password of {_listed(inline)}.")
    if not devices:
        return unseen("The CIB has no fence device.")
    return yes(
        "No password of a device stands in the CIB; what rights the accounts have is not seen."
    )


def _exclusive(configuration: Element) -> Seen:
    volumes = configuration.findall("resources//primitive[@type='LVM-activate']")
    loose = [
        str(v.get("id"))
        for v in volumes
        if v.find("instance_attributes/nvpair[@name='vg_access_mode']") is None
    ]
    old = [str(v.get("id")) for v in configuration.findall("resources//primitive[@type='LVM']")]
    if loose or old:
        return no(f"{_listed(loose + old)}: nothing keeps the volume group from two nodes.")
    return (
        yes("Every LVM-activate has its access mode.")
        if volumes
        else na("The CIB activates no volumes.")
    )


def _monitors(configuration: Element) -> Seen:
    bare = [
        str(p.get("id"))
        for p in configuration.iterfind("resources//primitive")
        if not any(
            op.get("name") == "monitor" and op.get("interval", "0") not in ("0", "0s")
            for op in p.iterfind("operations/op")
        )
    ]
    if bare:
        return no(f"No recurring monitor: {_listed(bare)}.")
    if configuration.find("resources//primitive") is None:
        return unseen("The CIB has no resource.")
    return yes(
        "Every resource has a recurring monitor; whether timeouts are twice the measured time, drills tell."
    )


def _stops(configuration: Element) -> Seen:
    services = [
        p for p in configuration.iterfind("resources//primitive") if p.get("class") != "stonith"
    ]
    if not services:
        return unseen("The CIB has no resource.")
    bare = [
        str(p.get("id"))
        for p in services
        if not any(
            op.get("name") == "stop" and op.get("timeout") for op in p.iterfind("operations/op")
        )
    ]
    default = configuration.find("op_defaults/meta_attributes/nvpair[@name='timeout']")
    if bare and default is None:
        return no(f"The default of 20 s applies to stopping {_listed(bare)}.")
    return unseen(
        "Every stop has a timeout; whether it is twice the longest measured, drills tell."
    )


def _interleave(configuration: Element) -> Seen:
    clones = [
        *configuration.iterfind("resources//clone"),
        *configuration.iterfind("resources//master"),
    ]
    wrong = [
        str(clone.get("id"))
        for clone in clones
        if _meta(clone, "interleave").lower() not in ("true", "1", "yes", "on")
    ]
    if wrong:
        return no(f"interleave is not set on {_listed(wrong)}.")
    return yes("Every clone has it.") if clones else na("The CIB has no clone.")


def _stickiness(configuration: Element) -> Seen:
    names = ("resource-stickiness", "migration-threshold", "failure-timeout")
    missing = []
    for name in names:
        default = configuration.find(f"rsc_defaults/meta_attributes/nvpair[@name='{name}']")
        own = configuration.find(f"resources//meta_attributes/nvpair[@name='{name}']")
        if default is None and own is None:
            missing.append(name)
    return no(f"Not set anywhere: {', '.join(missing)}.") if missing else yes("All three are set.")


def _leftovers(configuration: Element) -> Seen:
    left = [
        str(c.get("id"))
        for c in configuration.iterfind("constraints/rsc_location")
        if str(c.get("id")).startswith(("cli-ban-", "cli-prefer-", "cli-standby-"))
    ]
    if left:
        return no(f"Left from a move: {_listed(left)}.")
    return yes(
        "No constraint is left from a move; orphans and fail counts, `ninefold status` shows."
    )


def _cycles(configuration: Element) -> Seen:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for order in configuration.iterfind("constraints/rsc_order"):
        if order.get("first") and order.get("then"):
            first, then = (
                f"{order.get(s)} {order.get(f'{s}-action', 'start')}" for s in ("first", "then")
            )
            graph.add_edge(first, then)
    try:
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        cycle = []
    if cycle:
        return no(f"Orders form a cycle: {' -> '.join([*cycle, cycle[0]])}.")
    nodes = [name for name in node_names(configuration).values() if name]
    bans: dict[str, set[str]] = {}
    for location in configuration.iterfind("constraints/rsc_location[@score='-INFINITY']"):
        bans.setdefault(str(location.get("rsc")), set()).add(str(location.get("node")))
    nowhere = [rsc for rsc, banned in bans.items() if nodes and banned.issuperset(nodes)]
    if nowhere:
        return no(f"Banned from every node: {_listed(nowhere)}.")
    return yes("Orders form no cycle, and nothing is banned from every node.")


def _complete(configuration: Element) -> Seen:
    orders = _pairs(configuration.iterfind("constraints/rsc_order"), "first", "then")
    colocations = _pairs(
        configuration.iterfind("constraints/rsc_colocation[@score='INFINITY']"), "rsc", "with-rsc"
    )
    half = [f"{'/'.join(sorted(pair))} (no order)" for pair in colocations if pair not in orders]
    half += [
        f"{'/'.join(sorted(pair))} (no colocation)" for pair in orders if pair not in colocations
    ]
    if half:
        return unseen(f"Look at {_listed(half)}.")
    return unseen(
        "No half pair of constraints; what else the applications need, the CIB does not say."
    )


def _pairs(constraints: Iterable[Element], one: str, other: str) -> list[frozenset[str]]:
    pairs = [
        frozenset((str(c.get(one)), str(c.get(other))))
        for c in constraints
        if c.get(one) and c.get(other)
    ]
    return list(dict.fromkeys(pairs))


def _alerts(configuration: Element) -> Seen:
    if configuration.find("alerts/alert") is not None:
        return unseen(
            "The CIB has an alert agent; what it is told of and who reads it, the owner knows."
        )
    return unseen("The CIB has no alert agent; monitoring from outside is not seen.")


def _meta(element: Element, name: str) -> str:
    pair = element.find(f"meta_attributes/nvpair[@name='{name}']")
    return "" if pair is None else str(pair.get("value", ""))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


CIB_PROBES: Final[dict[int, CibProbe]] = {
    32: _policy,
    41: _delays,
    43: _kdump,
    44: _credentials,
    48: _exclusive,
    53: _monitors,
    54: _stops,
    56: _interleave,
    57: _stickiness,
    58: _leftovers,
    59: _cycles,
    60: _complete,
    61: _alerts,
}
