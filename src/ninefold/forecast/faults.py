"""What may break, in the words of an operator, and a document in which it is broken.

A fault is for good: a node that is lost stays lost, a resource that fails somewhere cannot be
started there again, a fence device that fails silences nobody.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Final

import msgspec
from lxml.etree import _Element as Element

from ninefold.core.findings import Finding, Severity
from ninefold.fencing.topology import read_fencing
from ninefold.forecast import events as ev
from ninefold.forecast.opspec import OpSpec
from ninefold.quorum.threshold import threshold
from ninefold.scheduler import schedule_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.instants import Millis, WallSeconds
    from ninefold.scheduler.model import Placement

_FALSE: Final = ("false", "no", "off", "n", "0")
_SECOND_MS: Final = 1000

# If a resource has no monitor nobody would notice its failure; that is told elsewhere.
_SOME_INTERVAL_MS: Final = 10_000

FORMS: Final = (
    '"node NODE down", "resource RESOURCE fails", "resource RESOURCE fails on NODE",'
    ' "device DEVICE fails", "quorum lost"'
)
_PHRASES: Final = (
    ("node", re.compile(r"node (?P<name>\S+) (down|dies|fails|lost|is lost|is down)")),
    ("resource", re.compile(r"resource (?P<name>\S+) fails( on (?P<node>\S+))?")),
    ("device", re.compile(r"(fence )?device (?P<name>\S+) fails")),
    ("quorum", re.compile(r"(?P<name>quorum) (is )?lost")),
)


class Fault(msgspec.Struct, frozen=True):
    """One thing that breaks: `kind` is node, resource, device or quorum; a resource breaks on `node`."""

    kind: str
    name: str
    node: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "node":
                return f"node {self.name} is lost"
            case "resource":
                return f"{self.name} fails on {self.node} for good"
            case "device":
                return f"fence device {self.name} fails"
            case _:
                return "quorum is lost"


class Broken(msgspec.Struct, frozen=True):
    """The document after the faults, and what cannot succeed in it."""

    document: Element
    failing: tuple[OpSpec, ...]
    unfenceable: tuple[str, ...]


class Voters(msgspec.Struct, frozen=True):
    """Who votes: votes by node name, how many are expected, and whether either of two may go on.

    Of two equal halves the one with `tie_breaker` goes on; "" if none does.
    """

    votes: dict[str, int]
    expected: int
    two_node: bool = False
    tie_breaker: str = ""

    def quorate(self, present: Sequence[str]) -> bool:
        """Tell whether these nodes may act, all votes being expected that were before."""
        there = [name for name in present if name in self.votes]
        needed = threshold(self.expected, two_node=self.two_node, members=len(there))
        votes = sum(self.votes[name] for name in there)
        return votes >= needed or (2 * votes == self.expected and self.tie_breaker in there)


def voters_of(root: Element) -> Voters:
    """Return what a document lets one assume: one vote for each node, and `two_node` with two."""
    names = [
        str(node.get("uname"))
        for node in root.iterfind("configuration/nodes/node")
        if node.get("type") != "remote"
    ]
    return Voters(dict.fromkeys(names, 1), len(names), two_node=len(names) == 2)


def parse_fault(root: Element, phrase: str, now: WallSeconds) -> Fault | Finding:
    """Read a phrase; a resource without a node fails where it runs."""
    words = " ".join(phrase.split())
    for kind, form in _PHRASES:
        found = form.fullmatch(words)
        if found is None:
            continue
        name = found["name"]
        if kind == "node":
            known = [one for one in ev.node_names(root) if one.lower() == name.lower()]
            return Fault(kind, known[0]) if known else ev.unknown_node(root, name)
        if kind == "resource":
            return _resource_fault(root, name, found["node"], now)
        if kind == "device" and read_fencing(root).device(name) is None:
            names = ", ".join(device.id for device in read_fencing(root).devices) or "none"
            sentence = "There is no such fence device."
            return Finding(
                "unknown-device", Severity.ERROR, f"device {name}", sentence, f"There are {names}."
            )
        return Fault(kind, name)
    return Finding(
        "bad-phrase", Severity.ERROR, f"what-if {words!r}", "It is not understood.", f"Say {FORMS}."
    )


def _resource_fault(
    root: Element, name: str, node: str | None, now: WallSeconds
) -> Fault | Finding:
    if ev.primitive(root, name) is None:
        return ev.unknown_resource(root, name)
    placements = schedule_document(root, now).placements
    where = [n for p in placements if name in (p.resource, plain(p.resource)) for n in p.nodes]
    if node is not None:
        known = [one for one in ev.node_names(root) if one.lower() == node.lower()]
        return Fault("resource", name, known[0]) if known else ev.unknown_node(root, node)
    if not where:
        sentence = "It runs nowhere."
        remedy = "Say on which node it shall fail: resource NAME fails on NODE."
        return Finding("not-running", Severity.ERROR, f"resource {name}", sentence, remedy)
    return Fault("resource", name, where[0])


def plain(instance: str) -> str:
    """Return the configured name of an instance."""
    name, _, number = instance.rpartition(":")
    return name if name and number.isdigit() else instance


def all_faults(root: Element, placements: Sequence[Placement]) -> list[Fault]:
    """Return every single fault: nodes, running resources where they run, fence devices."""
    members = [
        str(node.get("uname"))
        for node in root.iterfind("configuration/nodes/node")
        if node.get("uname") and node.get("type") != "remote"
    ]
    fencing = read_fencing(root)
    devices = [device.id for device in fencing.devices]
    faults = [Fault("node", name) for name in members]
    for placement in placements:
        if placement.resource not in devices and ev.primitive(root, placement.resource) is not None:
            faults += [Fault("resource", plain(placement.resource), n) for n in placement.nodes]
    return [*dict.fromkeys(faults), *(Fault("device", name) for name in devices)]


def broken(
    root: Element, faults: Sequence[Fault], now: WallSeconds, voters: Voters | None = None
) -> Broken:
    """Return a copy of the document in which all the faults have happened.

    `voters` are those of a running cluster; left out, they are assumed as `voters_of` says.
    """
    document = copy.deepcopy(root)
    failing: list[OpSpec] = []
    events: list[ev.Event] = []
    lost = [fault.name for fault in faults if fault.kind == "node"]
    for fault in faults:
        match fault.kind:
            case "node":
                events.append(ev.NodeFail(fault.name))
            case "resource":
                failing.append(OpSpec(fault.name, "start", 0, fault.node, 1))
                if fault.node not in lost:
                    interval_ms = _monitor_ms(document, fault.name)
                    spec = OpSpec(fault.name, "monitor", interval_ms, fault.node, 1)
                    events.append(ev.OperationResult(spec))
            case "quorum":
                events.append(ev.Quorum(quorate=False))
            case _:
                pass
    known = [(event.spec, _digest(root, event.spec)) for event in events
             if isinstance(event, ev.OperationResult)]  # fmt: skip
    problems = ev.inject(document, events, now)
    assert not problems, problems
    for spec, digest in known:
        for entry in _entries(document, spec) if digest else ():
            entry.set("op-digest", digest)
    if lost and not (voters or voters_of(document)).quorate(_present(document)):
        ev.inject(document, [ev.Quorum(quorate=False)], now)
    dead = [fault.name for fault in faults if fault.kind == "device"]
    return Broken(document, tuple(failing), tuple(unfenceable(document, dead)))


def _entries(root: Element, spec: OpSpec) -> list[Element]:
    """Return what a node remembers of an operation."""
    return [
        entry
        for state in root.iterfind("status/node_state")
        if state.get("uname") == spec.node
        for history in state.iterfind("lrm/lrm_resources/lrm_resource")
        if plain(history.get("id", "")) == spec.resource
        for entry in history
        if (entry.get("operation"), entry.get("interval")) == (spec.task, str(spec.interval_ms))
    ]


def _digest(root: Element, spec: OpSpec) -> str:
    """Return with which parameters an operation ran, so that it fails with the same."""
    digests = [entry.get("op-digest", "") for entry in _entries(root, spec)]
    return next(filter(None, digests), "")


def _present(root: Element) -> list[str]:
    """Return the names of those that are members now."""
    return [
        str(state.get("uname"))
        for state in root.iterfind("status/node_state")
        if state.get("in_ccm", "").lower() not in ("", *_FALSE)
    ]


def unfenceable(root: Element, dead: Sequence[str]) -> list[str]:
    """Return the nodes that nothing can silence while the devices `dead` fail.

    A device that would have to be asked whom it can silence is believed to be able to.
    """
    fencing = read_fencing(root)
    return [
        name
        for name in fencing.nodes
        if not any(all(device.id not in dead for device in level) for level in fencing.levels(name))
    ]


def _monitor_ms(root: Element, name: str) -> Millis:
    element = ev.primitive(root, name)
    for op in [] if element is None else element.iterfind("operations/op"):
        found = re.fullmatch(r"([0-9]{1,9})(s|sec|ms|min|m|h)?", op.get("interval", ""))
        if op.get("name") == "monitor" and found and int(found[1]):
            unit = {"ms": 1, "min": 60_000, "m": 60_000, "h": 3_600_000}
            return int(found[1]) * unit.get(found[2] or "s", _SECOND_MS)
    return _SOME_INTERVAL_MS
