"""A failover group under its real policy: the scheduler decides, this carries out, nothing else.

What the cluster believes of each node and resource is kept as a small symbolic state, turned into a
CIB's status section whenever a decision is due. The same state always gets the same decision, so
decisions are remembered: years of life meet only a few hundred states.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.cib.document import Cib
from ninefold.controller.carrier import Carrier
from ninefold.scheduler.digests import operation_digest
from ninefold.scheduler.model import ActionKind
from ninefold.scheduler.schedule import schedule_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Action, Transition

# Every decision of a life is taken at the same wall-clock time: rules with dates do not apply.
NOW: Final = 1_700_000_000
RUNNING: Final = "running"
STOPPED: Final = "stopped"
# A group that meets more states than this has forgotten how it began; start anew.
MEMORY_MAX: Final = 20_000


class Standing(Enum):
    """What the quorate partition believes of a node."""

    MEMBER = "in the partition"
    LOST = "gone, and possibly still running something: to be fenced"
    SILENT = "gone, and known to be silent"


class Policy:
    """The decisions for one CIB. `names` are the model's nodes, in the order of their ids from 1."""

    def __init__(self, cib: Cib, names: tuple[str, ...]) -> None:
        self.names = names
        self._ids = {name: number for number, name in enumerate(names, 1)}
        self._base = etree.fromstring(cib.to_xml())
        _with_nodes(self._base, self._ids)
        self.primitives: dict[str, Element] = {
            str(p.get("id")): p for p in self._base.iterfind("configuration/resources//primitive")
        }
        # What is placed as a whole (a group) by each of its members.
        self.whole = {
            name: str(next((a.get("id") for a in p.iterancestors("group")), name))
            for name, p in self.primitives.items()
        }
        self.services = tuple(
            name for name, p in self.primitives.items() if p.get("class") != "stonith"
        )
        self._known: dict[tuple[object, ...], Transition] = {}
        self.decisions = 0
        self._digests: dict[str, str] = {}
        self._digests = self._digests_of_starts()

    def decide(
        self,
        standing: Mapping[str, Standing],
        history: Mapping[str, Mapping[str, str]],
        *,
        quorate: bool,
    ) -> Transition:
        """Return the scheduler's answer for what is believed; `history` by node and resource."""
        key = (
            quorate,
            tuple(standing[name] for name in self.names),
            tuple(tuple(sorted(history[name].items())) for name in self.names),
        )
        if key not in self._known:
            if len(self._known) >= MEMORY_MAX:
                self._known.clear()
            self._known[key] = schedule_document(
                self._document(standing, history, quorate=quorate), NOW, live=True
            )
            self.decisions += 1
        return self._known[key]

    def _digests_of_starts(self) -> dict[str, str]:
        """Return what a start of each resource leaves in the history; without it each would count as changed."""
        members = dict.fromkeys(self.names, Standing.MEMBER)
        stopped = {name: dict.fromkeys(self.primitives, STOPPED) for name in self.names}
        first = schedule_document(self._document(members, stopped, quorate=True), NOW)
        return {
            action.resource: operation_digest(action.parameters)
            for action in first.actions
            if action.task == "start"
        }

    def _document(
        self,
        standing: Mapping[str, Standing],
        history: Mapping[str, Mapping[str, str]],
        *,
        quorate: bool,
    ) -> Element:
        root = etree.fromstring(etree.tostring(self._base))
        root.set("have-quorum", "1" if quorate else "0")
        present = [name for name in self.names if standing[name] is Standing.MEMBER]
        root.set("dc-uuid", str(self._ids[present[0]]) if present else "")
        status = root.find("status")
        if status is None:
            status = etree.SubElement(root, "status")
        for old in list(status):
            status.remove(old)
        for name in self.names:
            self._node_state(status, name, standing[name], history[name])
        return root

    def _node_state(
        self, status: Element, name: str, standing: Standing, history: Mapping[str, str]
    ) -> None:
        member = standing is Standing.MEMBER
        number = str(self._ids[name])
        state = etree.SubElement(status, "node_state", id=number, uname=name)
        state.set("in_ccm", "true" if member else "false")
        state.set("crmd", "online" if member else "offline")
        state.set("join", "member" if member else "down")
        state.set("expected", "down" if standing is Standing.SILENT else "member")
        lrm = etree.SubElement(etree.SubElement(state, "lrm", id=number), "lrm_resources")
        for call, (resource, what) in enumerate(sorted(history.items()), 1):
            element = self.primitives[resource]
            entry = etree.SubElement(lrm, "lrm_resource", id=resource)
            for attribute in ("class", "provider", "type"):
                if element.get(attribute):
                    entry.set(attribute, str(element.get(attribute)))
            task, rc = ("start", 0) if what == RUNNING else ("monitor", 7)
            operation = etree.SubElement(entry, "lrm_rsc_op", id=f"{resource}_last_0")
            operation.set("operation_key", f"{resource}_{task}_0")
            operation.set("operation", task)
            operation.set("transition-key", f"1:1:{rc}:life")
            operation.set("transition-magic", f"0:{rc};1:1:{rc}:life")
            operation.set("on_node", name)
            operation.set("call-id", str(call))
            operation.set("rc-code", str(rc))
            operation.set("op-status", "0")
            operation.set("interval", "0")
            operation.set("last-rc-change", str(NOW - 3600))
            if resource in self._digests:
                operation.set("op-digest", self._digests[resource])


def _with_nodes(root: Element, ids: Mapping[str, int]) -> None:
    """Make `<nodes>` name exactly the model's nodes, keeping what the CIB says of those it knows."""
    nodes = root.find("configuration/nodes")
    if nodes is None:
        configuration = root.find("configuration")
        assert configuration is not None
        nodes = etree.SubElement(configuration, "nodes")
    known = {str(node.get("uname")): node for node in nodes.iterfind("node")}
    for old in list(nodes):
        nodes.remove(old)
    for name, number in ids.items():
        node = known.get(name)
        node = etree.Element("node", uname=name) if node is None else node
        node.set("id", str(number))
        nodes.append(node)


class Work:
    """A transition under way: which actions may begin, and whether anything is left to do."""

    def __init__(self, transition: Transition) -> None:
        self._carrier = Carrier("life", transition)

    def begin(self) -> list[Action]:
        """Return the actions that begin now."""
        return self._carrier.next(0)

    def finish(self, action: Action, *, ok: bool) -> None:
        """Take an action's result."""
        self._carrier.confirm(action.id, ok=ok)


def takes_time(action: Action) -> bool:
    """Tell actions that last from those done at once: probes, recurring monitors, stonith devices."""
    if action.kind is ActionKind.FENCING:
        return True
    return action.task in ("start", "stop", "promote", "demote") and action.agent_class != "stonith"


def synthesised(name: str, resources: tuple[str, ...], nodes: tuple[str, ...]) -> Cib:
    """Return the CIB of a group that has none: one primitive per service, and a fence device.

    Stickiness keeps a service where it is, as an administrator would have it.
    """
    root = etree.Element("cib", {"validate-with": "pacemaker-3.9", "epoch": "1"})
    root.set("admin_epoch", "0")
    root.set("num_updates", "0")
    configuration = etree.SubElement(root, "configuration")
    options = etree.SubElement(
        etree.SubElement(configuration, "crm_config"), "cluster_property_set", id="options"
    )
    for option, value in (("cluster-name", name), ("stonith-enabled", "true")):
        etree.SubElement(options, "nvpair", id=f"opt-{option}", name=option, value=value)
    etree.SubElement(configuration, "nodes")
    primitives = etree.SubElement(configuration, "resources")
    # An agent's parameters do not matter here: nothing is run.
    device = etree.SubElement(primitives, "primitive", {"id": "fence", "class": "stonith"})
    device.set("type", "fence_dummy")
    hosts = etree.SubElement(device, "instance_attributes", id="fence-params")
    etree.SubElement(
        hosts, "nvpair", id="fence-hosts", name="pcmk_host_list", value=" ".join(nodes)
    )
    for resource in resources:
        primitive = etree.SubElement(primitives, "primitive", {"id": resource, "class": "ocf"})
        primitive.set("provider", "ninefold")
        primitive.set("type", "dummy")
    etree.SubElement(configuration, "constraints")
    defaults = etree.SubElement(
        etree.SubElement(configuration, "rsc_defaults"), "meta_attributes", id="defaults"
    )
    etree.SubElement(defaults, "nvpair", id="stickiness", name="resource-stickiness", value="100")
    etree.SubElement(root, "status")
    cib, findings = Cib.parse(etree.tostring(root))
    assert cib is not None, findings
    return cib
