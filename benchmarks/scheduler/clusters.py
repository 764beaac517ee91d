"""Clusters of any size for the policy engine: everything ordinary, a full history, one node lost.

Three resources in ten are members of groups of three. Up to four clones run on every node, the
second of them promotable. Every primitive and group has a node it prefers; some are placed with
or started after their neighbour, some after a clone. All of it runs where it shall, and each node
remembers a probe of what it does not run, so the history has nodes x resources entries.
"""

from __future__ import annotations

import random
from itertools import pairwise

from lxml import etree

from ninefold.scheduler import operation_digest

STARTED_AT = 1_700_000_000
MINUTES_LATER = STARTED_AT + 600
FEATURE_SET = "3.16.1"
ONCE = operation_digest({})
EVERY_10_S = operation_digest({}, interval_ms=10_000, timeout_ms=20_000)
CLONES_MAX = 4
SHARE_OF_GROUPS = 0.3
GROUP_SIZE = 3
PREFERENCE = "100"


class Cluster:
    """One generated cluster; `document` is its CIB."""

    def __init__(self, nodes: int, resources: int, seed: int = 1, *, one_lost: bool = True) -> None:
        self.one_lost = one_lost
        self.rng = random.Random(seed)
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        groups = int(resources * SHARE_OF_GROUPS) // GROUP_SIZE
        self.single = [f"single{n}" for n in range(1, resources - groups * GROUP_SIZE + 1)]
        self.groups = {
            f"group{n}": [f"member{n}-{m}" for m in range(1, GROUP_SIZE + 1)]
            for n in range(1, groups + 1)
        }
        count = min(CLONES_MAX, max(1, resources // 50))
        self.clones = {f"clone{n}": f"everywhere{n}" for n in range(1, count + 1)}
        self.home: dict[str, str] = {}
        self.root = etree.Element(
            "cib",
            {"crm_feature_set": FEATURE_SET, "validate-with": "pacemaker-3.9"}
            | {"epoch": "1", "num_updates": "0", "admin_epoch": "0", "have-quorum": "1"}
            | {"dc-uuid": str(nodes), "execution-date": str(MINUTES_LATER)},
        )
        configuration = etree.SubElement(self.root, "configuration")
        self._options(etree.SubElement(configuration, "crm_config"))
        members = etree.SubElement(configuration, "nodes")
        for number, name in enumerate(self.nodes, 1):
            etree.SubElement(members, "node", id=str(number), uname=name)
        self._resources(etree.SubElement(configuration, "resources"))
        self._constraints(etree.SubElement(configuration, "constraints"))
        status = etree.SubElement(self.root, "status")
        for number, name in enumerate(self.nodes, 1):
            self._state(status, number, name)

    @property
    def document(self) -> bytes:
        """The CIB as text."""
        return bytes(etree.tostring(self.root, pretty_print=True))

    def _options(self, section: etree._Element) -> None:
        options = etree.SubElement(section, "cluster_property_set", id="cib-bootstrap-options")
        for name, value in (("stonith-enabled", "true"), ("no-quorum-policy", "stop")):
            etree.SubElement(options, "nvpair", id=f"option-{name}", name=name, value=value)

    def _resources(self, section: etree._Element) -> None:
        etree.SubElement(
            section, "primitive", {"id": "fence", "class": "stonith"}, type="fence_xvm"
        )
        for name in self.single:
            self._primitive(section, name)
        for group, members in self.groups.items():
            element = etree.SubElement(section, "group", id=group)
            for name in members:
                self._primitive(element, name)
        for clone, name in self.clones.items():
            element = etree.SubElement(section, "clone", id=clone)
            meta = etree.SubElement(element, "meta_attributes", id=f"{clone}-meta")
            words = ["interleave", "promotable"] if self._promotable(name) else ["interleave"]
            for word in words:
                etree.SubElement(meta, "nvpair", id=f"{clone}-{word}", name=word, value="true")
            self._primitive(element, name)

    def _promotable(self, name: str) -> bool:
        return name == "everywhere2"

    def _primitive(self, parent: etree._Element, name: str) -> None:
        agent = "Stateful" if self._promotable(name) else "Dummy"
        names = {"id": name, "class": "ocf", "provider": "pacemaker", "type": agent}
        element = etree.SubElement(parent, "primitive", names)
        if not self._promotable(name):
            operations = etree.SubElement(element, "operations")
            etree.SubElement(operations, "op", id=f"{name}-m", name="monitor", interval="10s")

    def _constraints(self, section: etree._Element) -> None:
        for number, name in enumerate([*self.single, *self.groups]):
            self.home[name] = self.nodes[number % len(self.nodes)]
            attributes = {"id": f"on-{name}", "rsc": name, "node": self.home[name]}
            etree.SubElement(section, "rsc_location", attributes, score=PREFERENCE)
        for number, (before, name) in enumerate(pairwise(self.single), 1):
            if number % 5 == 0:
                score = "INFINITY" if number % 20 == 0 else "200"
                together = {"id": f"with-{name}", "rsc": name, "with-rsc": before}
                etree.SubElement(section, "rsc_colocation", together, score=score)
                self.home[name] = self.home[before]
            if number % 4 == 0:
                after = {"id": f"after-{name}", "first": before, "then": name}
                etree.SubElement(section, "rsc_order", after)
            if number % 8 == 0:
                clone = self.rng.choice(list(self.clones))
                near = {"id": f"near-{name}", "rsc": name, "with-rsc": clone}
                etree.SubElement(section, "rsc_colocation", near, score="INFINITY")
                later = {"id": f"later-{name}", "first": clone, "then": name}
                etree.SubElement(section, "rsc_order", later)

    def _state(self, status: etree._Element, number: int, node: str) -> None:
        lost = number == 1 and self.one_lost
        standing = ("false", "offline", "down") if lost else ("true", "online", "member")
        names = dict(zip(("in_ccm", "crmd", "join"), standing, strict=True))
        head = {"id": str(number), "uname": node} | names | {"expected": "member"}
        state = etree.SubElement(status, "node_state", head)
        history = etree.SubElement(etree.SubElement(state, "lrm", id=str(number)), "lrm_resources")
        self._history(history, "fence", active=number == len(self.nodes), agent="fence_xvm")
        for name in self.single:
            self._history(history, name, active=self.home[name] == node)
        for group, members in self.groups.items():
            for name in members:
                self._history(history, name, active=self.home[group] == node)
        for name in self.clones.values():
            agent = "Stateful" if self._promotable(name) else "Dummy"
            task = "promote" if self._promotable(name) and lost else "start"
            self._history(history, name, active=True, agent=agent, task=task)
        transient = etree.SubElement(state, "transient_attributes", id=str(number))
        pairs = etree.SubElement(transient, "instance_attributes", id=f"status-{number}")
        for name in filter(self._promotable, self.clones.values()):
            attribute = {"id": f"status-{number}-{name}", "name": f"master-{name}"}
            etree.SubElement(pairs, "nvpair", attribute, value="10" if lost else "5")

    def _history(
        self,
        parent: etree._Element,
        name: str,
        *,
        active: bool,
        agent: str = "Dummy",
        task: str = "start",
    ) -> None:
        kind = (
            {"class": "ocf", "provider": "pacemaker"}
            if agent[0].isupper()
            else {"class": "stonith"}
        )
        element = etree.SubElement(parent, "lrm_resource", {"id": name, "type": agent} | kind)
        call = 3 * len(parent)
        if not active:
            self._operation(element, "monitor", 0, call, rc=7)
            return
        self._operation(element, task, 0, call)
        if agent == "Dummy":
            self._operation(element, "monitor", 10_000, call + 1)

    def _operation(
        self, parent: etree._Element, task: str, interval_ms: int, call: int, rc: int = 0
    ) -> None:
        name = parent.get("id")
        key = f"1:1:{rc}:00000000-0000-0000-0000-000000000000"
        suffix = f"monitor_{interval_ms}" if interval_ms else "last_0"
        entry = {
            "id": f"{name}_{suffix}",
            "operation_key": f"{name}_{task}_{interval_ms}",
            "operation": task,
            "crm_feature_set": FEATURE_SET,
            "transition-key": key,
            "transition-magic": f"0:{rc};{key}",
            "call-id": str(call),
            "rc-code": str(rc),
            "op-status": "0",
            "interval": str(interval_ms),
            "last-rc-change": str(STARTED_AT),
            "exec-time": "1",
            "queue-time": "0",
            "op-digest": EVERY_10_S if interval_ms else ONCE,
        }
        etree.SubElement(parent, "lrm_rsc_op", entry)
