"""What a virtual cluster is made of, as text: its `corosync.conf` and its CIB.

The same two documents that a real cluster reads, so that the simulator also plays their parsers.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

import msgspec
from lxml import etree

from ninefold.cib.document import Cib
from ninefold.core.instants import Millis
from ninefold.sim.clones import Clone, clone_xml
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

# One network a link; the last number is the node's id.
_NETWORK: Final = "10.{link}.0.{node}"
_MOVED: Final = "10.{link}.1.{node}"

# Of the `quorum` section, which a shape turns on and off.
QUORUM_FLAGS: Final = (
    "two_node",
    "wait_for_all",
    "auto_tie_breaker",
    "last_man_standing",
    "allow_downscale",
)

# How often a promoted instance is looked at.
PROMOTED_MONITOR: Final = "1001ms"

OPERATION_TIMEOUT: Final = "20s"


class Primitive(msgspec.Struct):
    """A resource. `prefers` is a node it leans to, with the score 50; `options` are its meta."""

    name: str
    prefers: str = ""
    monitor: str = "1s"
    timeouts: dict[str, str] = {}
    on_fail: dict[str, str] = {}
    options: dict[str, str] = {}


class Shape(msgspec.Struct):
    """A cluster to be built. `totem` and `quorum` are further keys of those sections."""

    nodes: int = 3
    links: int = 2
    seed: int = 1
    fencing: bool = True
    token_ms: Millis | None = None
    token_coefficient_ms: Millis | None = None
    totem: dict[str, str] = {}
    quorum: dict[str, str] = {}
    properties: dict[str, str] = {}
    resources: list[Primitive] = []
    groups: dict[str, list[str]] = {}
    clones: dict[str, Clone] = {}
    stickiness: int = 100
    # What the file says, where that is less or other than what there is: the nodes in the list (none for
    # all), the links in use (0 for all), votes, and the links on which a node has another address.
    listed: list[int] = []
    links_used: int = 0
    votes: dict[int, int] = {}
    moved: list[tuple[int, int]] = []
    # What carries the messages: `embedded`, or `corosync` for a virtual one on every host.
    cluster: str = "embedded"

    @property
    def names(self) -> list[str]:
        """`node1`, `node2`, ..."""
        return [f"node{number}" for number in range(1, self.nodes + 1)]


def corosync_conf(shape: Shape) -> str:
    """Return the `corosync.conf` of a cluster."""
    totem = {"version": "2", "cluster_name": "sim", "transport": "knet"}
    totem |= {"crypto_cipher": "aes256", "crypto_hash": "sha256"}
    if shape.token_ms is not None:
        totem["token"] = str(shape.token_ms)
    if shape.token_coefficient_ms is not None:
        totem["token_coefficient"] = str(shape.token_coefficient_ms)
    quorum = {"provider": "corosync_votequorum"}
    sections = [_section("totem", totem | shape.totem)]
    sections.append("nodelist {\n" + "".join(_node(shape, n) for n in _listed(shape)) + "}\n")
    sections.append(_section("quorum", quorum | shape.quorum))
    return "\n".join(sections)


def whole(shape: Shape) -> Shape:
    """Return the shape of a cluster that uses all that there is: for the cables and the power."""
    return msgspec.structs.replace(shape, listed=[], links_used=0)


def _listed(shape: Shape) -> list[int]:
    return shape.listed or list(range(1, shape.nodes + 1))


def _section(name: str, entries: dict[str, str]) -> str:
    lines = "".join(f"    {key}: {value}\n" for key, value in entries.items())
    return f"{name} {{\n{lines}}}\n"


def _node(shape: Shape, number: int) -> str:
    lines = [f"nodeid: {number}", f"name: node{number}"]
    if number in shape.votes:
        lines.append(f"quorum_votes: {shape.votes[number]}")
    for link in range(shape.links_used or shape.links):
        network = _MOVED if (number, link) in shape.moved else _NETWORK
        lines.append(f"ring{link}_addr: {network.format(link=link, node=number)}")
    return "    node {\n" + "".join(f"        {line}\n" for line in lines) + "    }\n"


def cib_xml(shape: Shape) -> str:
    """Return the CIB that every node of a cluster begins with."""
    properties = {
        "stonith-enabled": "true" if shape.fencing else "false",
        "no-quorum-policy": "stop",
        "stonith-timeout": "60s",
        "cluster-name": "sim",
    } | shape.properties
    grouped = [member for members in shape.groups.values() for member in members]
    cloned = {clone.member: name for name, clone in shape.clones.items()}
    alone = [primitive for primitive in shape.resources if primitive.name not in grouped]
    by_name = {primitive.name: primitive for primitive in shape.resources}
    resources = [_FENCE.format(names=",".join(shape.names))] if shape.fencing else []
    promotable = [
        clone.member for clone in shape.clones.values() if clone.options.get("promotable") == "true"
    ]
    tops = {p.name: _primitive(p, roles=p.name in promotable) for p in alone}
    for group, members in shape.groups.items():
        roles = group in promotable
        inner = "".join(_primitive(by_name[member], roles=roles) for member in members)
        tops[group] = f"<group id={quoteattr(group)}>{inner}</group>"
    for top, xml in tops.items():
        clone = cloned.get(top)
        resources.append(xml if clone is None else clone_xml(clone, shape.clones[clone], xml))
    return _CIB.format(
        options="".join(_pair(f"opt-{name}", name, value) for name, value in properties.items()),
        resources="".join(resources),
        constraints="".join(_preference(p) for p in shape.resources if p.prefers),
        stickiness=shape.stickiness,
    )


def document(shape: Shape) -> Cib:
    """Return the parsed CIB; `ValueError` if it has errors."""
    cib, findings = Cib.parse(cib_xml(shape))
    if cib is None:
        raise ValueError("\n".join(map(str, findings)))
    return cib


def without(configuration: Element, resource: str) -> str:
    """Return a configuration that lacks a resource and every constraint that names it."""
    kept = deepcopy(configuration)
    found = [e for e in kept.iter("primitive", "group") if e.get("id") == resource]
    # A clone of it would be empty.
    found = [
        parent if (parent := e.getparent()) is not None and parent.tag == "clone" else e
        for e in found
    ]
    gone = [resource, *(str(e.get("id")) for e in found)]
    found += [e for e in kept.iter() if {e.get("rsc"), e.get("first"), e.get("then")} & set(gone)]
    if not found:
        raise StageError(f"there is no resource {resource!r}")
    for element in found:
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)
    return etree.tostring(kept, encoding="unicode")


def _pair(pair_id: str, name: str, value: str) -> str:
    return f"<nvpair id={quoteattr(pair_id)} name={quoteattr(name)} value={quoteattr(value)}/>"


def _primitive(primitive: Primitive, *, roles: bool) -> str:
    """Return a primitive; with `roles` each role has a monitor of its own."""
    name = primitive.name
    operations = []
    if primitive.monitor not in ("", "0"):
        operations.append(("monitor", primitive.monitor))
    operations += [("start", "0"), ("stop", "0")]
    operations += [(task, "0") for task in primitive.on_fail if task in ("promote", "demote")]
    rows = "".join(_operation(primitive, task, interval) for task, interval in operations)
    if roles and primitive.monitor not in ("", "0"):
        # Two operations of the same name need two intervals.
        rows += (
            f'<op id="{name}-promoted" name="monitor" interval="{PROMOTED_MONITOR}"'
            ' role="Promoted" timeout="20s"/>'
        )
    meta = "".join(
        _pair(f"{name}-meta-{key}", key, value) for key, value in primitive.options.items()
    )
    options = f'<meta_attributes id="{name}-meta">{meta}</meta_attributes>' if meta else ""
    return (
        f'<primitive id="{name}" class="ocf" provider="sim" type="service">{options}'
        f"<operations>{rows}</operations></primitive>"
    )


def _operation(primitive: Primitive, task: str, interval: str) -> str:
    on_fail = primitive.on_fail.get(task)
    extra = f" on-fail={quoteattr(on_fail)}" if on_fail else ""
    timeout = primitive.timeouts.get(task, OPERATION_TIMEOUT)
    own = quoteattr(f"{primitive.name}-{task}")
    return f'<op id={own} name="{task}" interval="{interval}" timeout="{timeout}"{extra}/>'


def _preference(primitive: Primitive) -> str:
    name, node = primitive.name, primitive.prefers
    return f'<rsc_location id="{name}-prefers-{node}" rsc="{name}" node="{node}" score="50"/>'


_FENCE: Final = (
    '<primitive id="fence" class="stonith" type="fence_sim">'
    '<instance_attributes id="fence-params">'
    '<nvpair id="fence-host-check" name="pcmk_host_check" value="static-list"/>'
    '<nvpair id="fence-host-list" name="pcmk_host_list" value="{names}"/>'
    "</instance_attributes><operations>"
    '<op id="fence-monitor" name="monitor" interval="60s" timeout="20s"/>'
    "</operations></primitive>"
)

_CIB: Final = """\
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">{options}</cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>{resources}</resources>
    <constraints>{constraints}</constraints>
    <rsc_defaults>
      <meta_attributes id="rsc-defaults">
        <nvpair id="rsc-stickiness" name="resource-stickiness" value="{stickiness}"/>
      </meta_attributes>
    </rsc_defaults>
  </configuration>
  <status/>
</cib>
"""
