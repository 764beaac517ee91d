"""A first infrastructure file: from a few answers, or from a cluster's own files, to text with comments.

`Sketch` holds what is known; `text_of` writes it down with what usually stands between a service and
the mains, so that its author corrects and completes instead of starting from an empty page. Nothing
in it is measured: every rate is left to the library of defaults, and the comments say where to put
one's own.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.design.schema import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# How data is kept: a disk or a mirror in each node, a copy on each node, or one array for all.
STORAGES: Final = ("disk", "mirror", "drbd", "array")
FENCINGS: Final = ("bmc", "none")
_LETTERS: Final = "abcdefgh"
# More of a kind than letters would be a list to be written by hand.
COUNT_MAX: Final = len(_LETTERS)
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# Words that YAML 1.2, or an older reader, takes for something else than a text.
_TAKEN: Final = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


class Promise(msgspec.Struct, frozen=True):
    """A service: what was promised (as written, `99.9 %`; empty: nothing), and its resource."""

    name: str
    slo: str = ""
    resource: str = ""


class FenceDevice(msgspec.Struct, frozen=True):
    """A fence device that a CIB names. `inside` is the node it is built into; empty if apart."""

    name: str
    inside: str = ""


class Sketch(msgspec.Struct, frozen=True):
    """What a first file is made from. Counts are 1 or more; `internet` and `dns` may be 0.

    `corosync` and `cib` are paths as they shall stand in the file; empty if there are none.
    """

    name: str
    nodes: tuple[str, ...]
    services: tuple[Promise, ...]
    group: str = "cluster"
    feeds: int = 2
    supplies: int = 2
    switches: int = 2
    internet: int = 1
    dns: int = 2
    storage: str = "mirror"
    fencing: str = "bmc"
    devices: tuple[FenceDevice, ...] = ()
    witness: bool = False
    corosync: str = ""
    cib: str = ""

    @property
    def clustered(self) -> bool:
        """Do several nodes take over for each other?"""
        return len(self.nodes) > 1


def text_of(sketch: Sketch, file: str = "infrastructure.yaml") -> str:
    """Return the file's text; `file` is how its first lines name it."""
    names = _Names(sketch)
    lines = [
        *_head(sketch, file),
        *_parts(sketch, names),
        *_group(sketch, names),
        *_services(sketch, names),
        *_causes(sketch, names),
        *_tail(),
    ]
    return "\n".join(lines) + "\n"


class _Names:
    """Names of everything, each of them once: nodes and services keep theirs."""

    def __init__(self, sketch: Sketch) -> None:
        self._taken = {*sketch.nodes, *(device.name for device in sketch.devices)}
        self.services = [self.free(service.name) for service in sketch.services]
        group = f"{sketch.group}-cluster" if sketch.group in self._taken else sketch.group
        self.group = self.free(group) if sketch.clustered else ""
        self.feeds = [self.free(f"feed-{letter}") for letter in _LETTERS[: sketch.feeds]]
        self.switches = [self.free(f"switch-{letter}") for letter in _LETTERS[: sketch.switches]]
        self.lines = [self.free(f"internet-{letter}") for letter in _LETTERS[: sketch.internet]]
        self.dns = [self.free(f"dns-{letter}") for letter in _LETTERS[: sketch.dns]]
        self.supplies = {
            node: [self.free(f"{node}-psu-{letter}") for letter in _LETTERS[: sketch.supplies]]
            for node in sketch.nodes
        }
        disks = (
            _LETTERS[: 2 if sketch.storage == "mirror" else 1] if sketch.storage != "array" else ""
        )
        self.disks = {
            node: [self.free(f"{node}-disk-{letter}") for letter in disks] for node in sketch.nodes
        }
        self.data = self.free("array" if sketch.storage == "array" else "drbd")
        self.witness = self.free("witness")
        self.bmcs = {node: self.free(f"bmc-{node}") for node in sketch.nodes}

    def free(self, wanted: str) -> str:
        """Take a name, with a number behind it if it is taken."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}-{number}", number + 1
        self._taken.add(name)
        return name


def scalar(text: str) -> str:
    """Return a text as YAML reads it back, quoted where it must be.

    >>> scalar("web"), scalar("99.9 %"), scalar("no")
    ('web', '"99.9 %"', '"no"')
    """
    plain = _PLAIN.fullmatch(text) and text.lower() not in _TAKEN
    return text if plain else json.dumps(text, ensure_ascii=False)


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(scalar(name) for name in names)}]"


def _either(names: Sequence[str]) -> str:
    """Return a need of one of several."""
    return scalar(names[0]) if len(names) == 1 else f"{{any: {_listed(names)}}}"


def _head(sketch: Sketch, file: str) -> list[str]:
    return [
        f"# yaml-language-server: $schema={FILE_NAME}",
        "#",
        "# What there is, what needs what, and how often it breaks. A first draft: correct it, and add what is missing.",
        "# A part that says nothing of its own takes a rate from the library of defaults, and the report marks it as",
        "# assumed. Put yours in, with where they come from:",
        "#",
        "#     mtbf: 8 y           or  rate: 2 /y  or  availability: 99.9 %",
        "#     mttr: 4 h",
        "#     spread: 2           the 95th percentile divided by the median; or write a range: 2 h..8 h",
        "#     source: our tickets of the last two years",
        "#",
        f"# Check it:    ninefold design check {file}",
        f"# What follows: ninefold design report {file}",
        f"name: {scalar(sketch.name)}",
        "# currency: EUR           and a `cost` on parts, to compare designs",
        "",
    ]


def _parts(sketch: Sketch, names: _Names) -> Iterator[str]:
    yield "# Everything that can fail. What two things share (a feed, a switch, a rack) is a part that both need."
    yield "parts:"
    yield "  # Power"
    for feed in names.feeds:
        yield f"  {scalar(feed)}: {{kind: power-feed}}"
    yield "  # Network"
    for number, switch in enumerate(names.switches):
        feed = names.feeds[number % len(names.feeds)]
        yield f"  {scalar(switch)}: {{kind: switch, needs: {_listed([feed])}}}"
    for line in names.lines:
        yield f"  {scalar(line)}: {{kind: internet-line}}"
    for server in names.dns:
        yield f"  {scalar(server)}: {{kind: dns-server}}"
    for number, node in enumerate(sketch.nodes):
        yield from _node(sketch, names, node, number)
    yield from _shared(sketch, names)
    yield ""


def _node(sketch: Sketch, names: _Names, node: str, number: int) -> Iterator[str]:
    yield f"  # {node}: a server with its operating system"
    for place, supply in enumerate(names.supplies[node]):
        # With one supply each, nodes are spread over the feeds.
        feed = names.feeds[(place if sketch.supplies > 1 else number) % len(names.feeds)]
        yield f"  {scalar(supply)}: {{kind: psu, needs: {_listed([feed])}}}"
    for disk in names.disks[node]:
        yield f"  {scalar(disk)}: {{kind: disk}}"
    needs = [_either(names.supplies[node]), _either(names.switches)]
    if sketch.storage in ("disk", "mirror"):
        needs.append(_either(names.disks[node]))
    yield f"  {scalar(node)}:"
    yield "    kind: node"
    yield f"    needs: [{', '.join(needs)}]"
    yield "    # inside: rack-1          what holds it is lost with it: a rack, a room, a hypervisor"
    yield "    # capacity: {cpu: 16, memory: 64}     and `uses` on services: is there room after a loss?"


def _shared(sketch: Sketch, names: _Names) -> Iterator[str]:
    if sketch.storage == "array":
        yield "  # Storage for all nodes"
        yield f"  {scalar(names.data)}: {{kind: array, needs: [{_either(names.feeds)}]}}"
    elif sketch.storage == "drbd":
        yield "  # Storage: a copy on each node, as good as the best of them"
        disks = [disk for node in sketch.nodes for disk in names.disks[node]]
        yield f"  {scalar(names.data)}: {{kind: drbd, needs: {_either(disks)}}}"
    if not sketch.clustered:
        return
    if sketch.devices or sketch.fencing == "bmc":
        yield "  # Fence devices. One that shares the power of its node cannot prove that the node is off."
    for device in sketch.devices:
        supplies = names.supplies.get(device.inside)
        needs = [_either(supplies) if supplies else scalar(names.feeds[0])]
        yield f"  {scalar(device.name)}: {{kind: fence-device, needs: [{', '.join([*needs, _either(names.switches)])}]}}"
    if not sketch.devices and sketch.fencing == "bmc":
        for node in sketch.nodes:
            needs = [_either(names.supplies[node]), _either(names.switches)]
            yield f"  {scalar(names.bmcs[node])}: {{kind: fence-device, needs: [{', '.join(needs)}]}}"
    if sketch.witness:
        yield "  # The quorum device's server: it must not stand where a node stands."
        yield f"  {scalar(names.witness)}: {{kind: witness}}"


def _group(sketch: Sketch, names: _Names) -> Iterator[str]:
    if not sketch.clustered:
        return
    yield "# Nodes that take over for each other."
    yield "groups:"
    yield f"  {scalar(names.group)}:"
    yield f"    nodes: {_listed(sketch.nodes)}"
    if sketch.corosync:
        yield f"    corosync: {scalar(sketch.corosync)}"
    if sketch.cib:
        yield f"    cib: {scalar(sketch.cib)}"
    yield from _quorum(sketch, names)
    if sketch.storage in ("array", "drbd"):
        yield f"    needs: {_listed([names.data])}"
    yield from _fencing(sketch, names)
    yield "    failover:"
    yield "      # How long a failover takes is predicted from the timers; what a drill measured goes before it:"
    yield "      # measured: [24 s, 31 s]"
    yield "      # Until a person has helped where the cluster could not: woken, at the console, done."
    yield "      manual: 2 h"
    yield "    # maintenance: {every: 30 d, takes: 1 h}"
    yield ""


def _quorum(sketch: Sketch, names: _Names) -> Iterator[str]:
    if sketch.witness:
        yield f"    witness: {scalar(names.witness)}"
    if sketch.corosync:
        return
    count = len(sketch.nodes)
    if count == 2 and not sketch.witness:
        yield "    # Either half may act alone, and fencing decides which (votequorum's two_node)."
        yield "    two-node: true"
        yield "    quorum: 1"
    else:
        yield f"    quorum: {(count + sketch.witness) // 2 + 1}"


def _fencing(sketch: Sketch, names: _Names) -> Iterator[str]:
    if sketch.cib:
        return
    if sketch.fencing == "none":
        yield "    # Without fencing two halves may write at once. This is how it is, not how it should be."
        yield "    fencing-enabled: false"
        return
    yield "    # How often each succeeds when it must: test it, from every node."
    yield "    fencing:"
    for node in sketch.nodes:
        yield f"      - {{device: {scalar(names.bmcs[node])}, targets: {_listed([node])}, success: 98 %}}"


def _services(sketch: Sketch, names: _Names) -> Iterator[str]:
    yield "# What users see, and what was promised."
    yield "services:"
    base = names.group or sketch.nodes[0]
    for service, name in zip(sketch.services, names.services, strict=True):
        needs = [scalar(base)]
        needs += [_either(several) for several in (names.lines, names.dns) if several]
        if sketch.storage in ("array", "drbd") and not sketch.clustered:
            needs.append(scalar(names.data))
        yield f"  {scalar(name)}:"
        yield f"    needs: [{', '.join(needs)}]"
        if service.resource:
            yield f"    resource: {scalar(service.resource)}"
        yield f"    slo: {service.slo}" if service.slo else "    # slo: 99.9 %"
        yield "    # owner: operations"
        yield "    # rto: 2 min"
        yield "    # downtime-cost: 500     an hour"
    yield ""


def _causes(sketch: Sketch, names: _Names) -> Iterator[str]:
    if not sketch.clustered:
        return
    yield "# What strikes several parts at once: the same update, the same firmware, the same hand. Without it, redundancy looks"
    yield "# far better than it is."
    yield "common-causes:"
    cause = names.free("same-software")
    yield f"  {scalar(cause)}: {{of: {_listed(sketch.nodes)}, beta: 5 %, source: assumed}}"
    yield ""


def _tail() -> list[str]:
    return [
        "# Answers to the design checklist: ninefold design checklist FILE --ask prints them.",
        "# checklist:",
        '#   52: "no: restore has never been tested"',
    ]
