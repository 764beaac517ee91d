"""Random clusters with remote nodes, guests and bundles, and histories to match, as documents."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.scheduler import operation_digest, schedule_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

NOW: Final = 1_800_000_000
NODES: Final = ("n1", "n2", "n3")
_DUMMY: Final = "heartbeat", "Dummy"
_REMOTE: Final = "pacemaker", "remote"
_REMOTES: Final = ("r", "s", "g")
# Everything that has a history of its own on cluster nodes, by the agent that it is run with.
_AGENTS: Final = {
    "r": _REMOTE, "s": _REMOTE, "g": _REMOTE, "old": _REMOTE, "b-0": _REMOTE, "b-1": _REMOTE,
    "b-docker-0": ("heartbeat", "docker"), "b-docker-1": ("heartbeat", "docker"),
    "b-ip-10.0.0.5": ("heartbeat", "IPaddr2"), "b-ip-10.0.0.6": ("heartbeat", "IPaddr2"),
}  # fmt: skip
# Interval and timeout of the monitors that are not configured here, in milliseconds.
_RECURRING: Final = {
    "b-0": (30_000, 30_000), "b-1": (30_000, 30_000),
    "b-docker-0": (60_000, 20_000), "b-docker-1": (60_000, 20_000),
    "b-ip-10.0.0.5": (60_000, 20_000), "b-ip-10.0.0.6": (60_000, 20_000),
    "g": (30_000, 30_000),
}  # fmt: skip


def made(chance: Random) -> etree._Element:
    """Return a document that `chance` has made up."""
    return _Maker(chance).document()


def _location(resource: str, node: str, score: str) -> str:
    return (
        f'<rsc_location id="l-{resource}-{node}" rsc="{resource}" node="{node}" score="{score}"/>'
    )


def _nvpairs(owner: str, kind: str, values: Mapping[str, str]) -> str:
    pairs = "".join(
        f'<nvpair id="{owner}-{name}" name="{name}" value="{value}"/>'
        for name, value in values.items()
    )
    return f'<{kind} id="{owner}-{kind}">{pairs}</{kind}>' if pairs else ""


class _Maker:
    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.bundle = ""
        self.replicas = 0
        self.addressed = False
        self.parameters: dict[str, dict[str, str]] = {}

    def maybe(self, likely: float) -> bool:
        return self.chance.random() < likely

    def document(self) -> etree._Element:
        resources = self._resources()
        constraints = self._constraints()
        options = {
            "stonith-enabled": "false" if self.maybe(0.15) else "true",
            "concurrent-fencing": "true",
        }
        nodes = "".join(f'<node id="{name[1:]}" uname="{name}"/>' for name in NODES)
        return etree.fromstring(
            '<cib have-quorum="1" dc-uuid="1" epoch="1" num_updates="0" admin_epoch="0"'
            f' execution-date="{NOW}" validate-with="pacemaker-3.0" crm_feature_set="3.16.1"><configuration><crm_config>'
            f"{_nvpairs('cib-bootstrap-options', 'cluster_property_set', options)}</crm_config>"
            f"<nodes>{nodes}</nodes><resources>"
            f'<primitive id="fence" class="stonith" type="fence_x"/>{resources}</resources>'
            f"<constraints>{constraints}</constraints></configuration>"
            f"<status>{self._status()}</status></cib>"
        )

    def _primitive(
        self,
        name: str,
        meta: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        provider, agent = _AGENTS.get(name, _DUMMY)
        monitor = f'<op id="{name}-mon" name="monitor" interval="10s" timeout="20s"/>'
        return (
            f'<primitive id="{name}" class="ocf" provider="{provider}" type="{agent}">'
            f"{_nvpairs(name, 'meta_attributes', meta or {})}"
            f"{_nvpairs(name, 'instance_attributes', params or {})}"
            f"<operations>{monitor}</operations></primitive>"
        )

    def _meta(self, **likely: tuple[float, str]) -> dict[str, str]:
        return {
            name.replace("_", "-"): value
            for name, (chance, value) in likely.items()
            if self.maybe(chance)
        }

    def _resources(self) -> str:
        known = [
            self._primitive(
                name,
                self._meta(target_role=(0.1, "Stopped")),
                self._reconnecting(name),
            )
            for name in ("r", "s")
        ]
        guest = {"remote-node": "g"} | self._meta(
            target_role=(0.1, "Stopped"), allow_migrate=(0.3, "true")
        )
        known.append(self._primitive("vm", guest))
        if self.maybe(0.6):
            known.append(self._bundle())
        for name in ("p", "q"):
            meta = self._meta(
                allow_migrate=(0.3, "true"), target_role=(0.1, "Stopped"), requires=(0.1, "quorum")
            )
            known.append(self._primitive(name, meta))
        known.append(f'<group id="m">{self._primitive("m1")}{self._primitive("m2")}</group>')
        clone = self._meta(interleave=(0.4, "true"), notify=(0.2, "true"))
        known.append(
            f'<clone id="k">{_nvpairs("k", "meta_attributes", clone)}{self._primitive("k1")}</clone>'
        )
        self.chance.shuffle(known)
        return "".join(known)

    def _reconnecting(self, name: str) -> dict[str, str]:
        if self.maybe(0.25):
            self.parameters[name] = {"reconnect_interval": "60"}
        return self.parameters.get(name, {})

    def _bundle(self) -> str:
        self.replicas = self.chance.randint(1, 2)
        self.addressed = self.maybe(0.3)
        network = 'ip-range-start="10.0.0.5"' if self.addressed else 'control-port="3121"'
        meta = self._meta(target_role=(0.08, "Stopped"))
        self.bundle = (
            f'<bundle id="b">{_nvpairs("b", "meta_attributes", meta)}'
            f'<docker image="x" replicas="{self.replicas}"/><network {network}/>'
            f"{self._primitive('in')}</bundle>"
        )
        return self.bundle

    def _constraints(self) -> str:
        made = []
        tops = ["p", "q", "m", "k", "vm", *(["b"] if self.bundle else [])]
        # Of what must be together, and of containers, 2.1 thinks otherwise on remote nodes.
        local = {"m", "b"} & set(tops)
        if self.maybe(0.3):
            one, other = sorted(self.chance.sample(["p", "q", "m"], 2))
            local |= {one, other}
            made.append(f'<rsc_colocation id="c" rsc="{one}" with-rsc="{other}" score="INFINITY"/>')
        made += [_location(one, where, "-INFINITY") for one in sorted(local) for where in _REMOTES]
        for one in self.chance.sample([*sorted(set(tops) - {"k"}), "r", "s"], 3):
            where = self.chance.choice(NODES if one in local else [*NODES, *_REMOTES])
            score = self.chance.choice(["-INFINITY", "-INFINITY", "100", "INFINITY"])
            # Which instance goes to a better place is another in 2.1.
            made.append(_location(one, where, "-INFINITY" if one == "b" else score))
        for number in range(self.chance.randint(0, 2)):
            first, then = sorted(self.chance.sample(tops, 2))
            kind = self.chance.choice(["Mandatory", "Mandatory", "Optional"])
            made.append(f'<rsc_order id="o{number}" first="{first}" then="{then}" kind="{kind}"/>')
        return "".join(made)

    def _status(self) -> str:
        self.told: dict[str, list[str]] = {name: [] for name in (*NODES, "r", "s", "g")}
        reached = {}
        for name in ("r", "s"):
            host = self.chance.choice([*NODES, *NODES, ""])
            self._everywhere(name, host)
            if host:
                reached[name] = host
        host = self.chance.choice([*NODES, *NODES, ""])
        self._everywhere("vm", host)
        inside = host if self.maybe(0.9) else ""
        self._everywhere("g", inside)
        if inside:
            reached["g"] = inside
        self._replicas()
        if self.maybe(0.15):
            host = self.chance.choice(NODES)
            self._history("old", host, active=True)
            self.told["old"] = []
            reached["old"] = host
        places = [*NODES, *reached]
        for name in ("p", "q", "m1"):
            self._at(name, self.chance.choice([*places, ""]), places)
        self._at("m2", "", places)
        for place in places:
            self._history("k1", place, active=self.maybe(0.6))
        return "".join(self._state(name, told) for name, told in self.told.items())

    def _replicas(self) -> None:
        hosts = self.chance.sample(NODES, 3)
        for number in range(self.replicas):
            host = hosts[number] if self.maybe(0.8) else ""
            self._everywhere(f"b-docker-{number}", host)
            if self.addressed:
                self._everywhere(f"b-ip-10.0.0.{5 + number}", host)
            linked = host if self.maybe(0.9) else ""
            self._everywhere(f"b-{number}", linked)
            self.told[f"b-{number}"] = []
            if linked and self.maybe(0.8):
                self._history("in", f"b-{number}", active=True)

    def _everywhere(self, name: str, host: str) -> None:
        for node in NODES:
            if node == host:
                self._history(name, node, active=True)
            elif self.maybe(0.85):
                self._history(name, node, active=False)

    def _at(self, name: str, host: str, places: list[str]) -> None:
        for place in places:
            if place == host:
                self._history(name, place, active=True)
            elif self.maybe(0.8):
                self._history(name, place, active=False)

    def _history(self, name: str, node: str, *, active: bool) -> None:
        provider, agent = _AGENTS.get(name, _DUMMY)
        ops = self._operation(node, name, "start") if active else ""
        if not active:
            ops = self._operation(node, name, "monitor", rc=7)
        elif name != "k1" and self.maybe(0.12):
            ops += self._operation(node, name, "monitor", rc=self.chance.choice([1, 7]), call=2)
        elif name != "k1" and self.maybe(0.04):
            ops = self._operation(node, name, "start", rc=1)
        self.told[node].append(
            f'<lrm_resource id="{name}" class="ocf" provider="{provider}" type="{agent}">'
            f"{ops}</lrm_resource>"
        )

    def _operation(self, node: str, name: str, task: str, *, rc: int = 0, call: int = 1) -> str:
        recurring = task == "monitor" and call > 1
        interval, timeout_ms = _RECURRING.get(name, (10_000, 20_000)) if recurring else (0, 0)
        parameters = started_with(self.bundle).get(name, {}) | self.parameters.get(name, {})
        if parameters.get("addr") in NODES:
            parameters["addr"] = node
        digest = operation_digest(parameters, interval_ms=interval, timeout_ms=timeout_ms)
        expected = 7 if task == "monitor" and not recurring else 0
        return (
            f'<lrm_rsc_op id="{name}_{"last_failure_0" if recurring else "last_0"}"'
            f' operation_key="{name}_{task}_{interval}" operation="{task}" interval="{interval}"'
            f' call-id="{call}" rc-code="{rc}" op-status="{4 if recurring and rc == 1 else 0}"'
            f' last-rc-change="{NOW - 30}" transition-key="1:1:{expected}:x"'
            f' transition-magic="0:{rc};1:1:{expected}:x" op-digest="{digest}"/>'
        )

    def _state(self, name: str, told: list[str]) -> str:
        more = ""
        if name not in NODES:
            kind = 'remote_node="true"'
            if self.maybe(0.2):
                kind += ' node_fenced="1"'
        else:
            up = 'in_ccm="true" crmd="online" join="member"'
            down = 'in_ccm="false" crmd="offline" join="down"'
            lost = name == "n1" and self.maybe(0.3)
            left = name == "n2" and self.maybe(0.15)
            kind = f'{down if lost or left else up} expected="{"down" if left else "member"}"'
            if left:
                told = []
            elif not lost and self.maybe(0.08):
                more = f'<nvpair id="st-{name}" name="shutdown" value="{NOW - 10}"/>'
        identity = name[1:] if name in NODES else name
        attributes = (
            f'<transient_attributes id="{identity}"><instance_attributes id="ta-{identity}">{more}'
            "</instance_attributes></transient_attributes>"
        )
        return (
            f'<node_state id="{identity}" uname="{name}" {kind}>{attributes if more else ""}'
            f'<lrm id="{identity}"><lrm_resources>{"".join(told)}</lrm_resources></lrm></node_state>'
        )


@lru_cache(maxsize=64)
def started_with(bundle: str) -> dict[str, dict[str, str]]:
    """Return what the parts of `bundle` are started with where all is well."""
    if not bundle:
        return {}
    nodes = "".join(f'<node id="{name[1:]}" uname="{name}"/>' for name in NODES)
    states = "".join(
        f'<node_state id="{name[1:]}" uname="{name}" in_ccm="true" crmd="online" join="member"'
        ' expected="member"/>'
        for name in NODES
    )
    document = etree.fromstring(
        '<cib have-quorum="1"><configuration><crm_config/>'
        f'<nodes>{nodes}</nodes><resources><primitive id="fence" class="stonith" type="fence_x"/>'
        f"{bundle.replace('Stopped', 'Started')}</resources><constraints/></configuration>"
        f"<status>{states}</status></cib>"
    )
    planned = schedule_document(document, NOW)
    return {a.resource: dict(a.parameters) for a in planned.actions if a.task == "start"}
