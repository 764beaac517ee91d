"""Random documents of three nodes by features: what is there, what is wished of it, what became of it.

A draft is an ordinary small cluster at work. `tests/random_cib_features.py` has a function for each
feature of the policy engine, which adds that feature to a draft as chance will have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree

from ninefold.scheduler import operation_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

NOW: Final = 1_800_000_000
NODES: Final = ("n1", "n2", "n3")
_RECURRING_MS: Final = 10_000
_TIMEOUT_MS: Final = 20_000
_UP: Final = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
_DOWN: Final = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
STANDINGS: Final = {
    "up": _UP,
    "lost": _UP | {"in_ccm": "false", "crmd": "offline", "join": "down"},
    "left": _DOWN,
    # Gone, and what it remembers is kept.
    "down": _DOWN,
    "joining": _UP | {"join": "down"},
    "refused": _UP | {"join": "nack"},
    "no controller": _UP | {"crmd": "offline", "join": "down"},
    "back without controller": _UP | {"crmd": "offline", "join": "down", "expected": "down"},
    "not expected": _UP | {"expected": "down"},
    "alone": _UP | {"in_ccm": "false"},
    "pending": _UP | {"join": "pending"},
    "coming": {"in_ccm": "true", "crmd": "offline", "join": "down"},
}


class Primitive(msgspec.Struct):
    """One service, and for each node the operations that it remembers, in the order of their calls."""

    name: str
    agent: str = "Dummy"
    standard: str = "ocf"
    meta: dict[str, str] = {}
    parameters: dict[str, str] = {}
    utilization: dict[str, str] = {}
    extra: list[str] = []
    operations: dict[str, dict[str, str]] = {}
    history: dict[str, list[dict[str, str]]] = {}
    locked: dict[str, str] = {}
    template: str = ""

    @property
    def described(self) -> str:
        """The words that say which agent it is run with."""
        if self.standard != "ocf":
            return f'class="{self.standard}" type="{self.agent}"'
        provider = "pacemaker" if self.agent in {"Stateful", "remote"} else "heartbeat"
        return f'class="ocf" provider="{provider}" type="{self.agent}"'


class Top(msgspec.Struct):
    """A resource that stands alone: a primitive, a group, or a clone of either.

    Of a clone whose instances differ, `instances` have the histories, and its member has none.
    """

    name: str
    members: list[Primitive]
    instances: list[Primitive] = []
    group: str = ""
    clone: bool = False
    group_meta: dict[str, str] = {}
    meta: dict[str, str] = {}

    @property
    def promotable(self) -> bool:
        """Whether its instances have two roles."""
        return self.meta.get("promotable") == "true"


class Draft:
    """A document in the making."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        # The default has changed since 2.1.
        self.options = {"stonith-enabled": "true", "concurrent-fencing": "true"}
        self.tops: dict[str, Top] = {}
        self.constraints: list[str] = []
        self.tickets: list[str] = []
        self.defaults: list[str] = []
        self.quorum = True
        self.devices = [Primitive("fence", agent="fence_x", standard="stonith")]
        for name in NODES:
            tell(self.devices[0], name, active=name == "n3")
        # What is remembered only; what is configured besides, as text.
        self.past: list[Primitive] = []
        self.others: list[str] = []
        self.tags: list[str] = []
        # Nodes that are reached through a resource, and what their state says of them.
        self.reached: dict[str, dict[str, str]] = {}
        self.standing = dict.fromkeys(NODES, "up")
        self.attributes: dict[str, dict[str, str]] = {name: {} for name in NODES}
        self.transient: dict[str, dict[str, str]] = {name: {} for name in NODES}
        self.capacity: dict[str, dict[str, str]] = {name: {} for name in NODES}
        for name in ("a", "b", "c", "d"):
            self.add(Top(name, [Primitive(name)]))

    def maybe(self, likely: float) -> bool:
        """Let chance decide."""
        return self.chance.random() < likely

    def pick(self, *words: str) -> str:
        """Return one of the words."""
        return self.chance.choice(words)

    def some(self, **likely: tuple[float, tuple[str, ...]]) -> dict[str, str]:
        """Return settings: each with its likelihood, and what it may be."""
        return {
            name.replace("_", "-"): self.pick(*words)
            for name, (chance, words) in likely.items()
            if self.maybe(chance)
        }

    def add(self, top: Top) -> None:
        """Add a resource that is at work, or not, where chance puts it."""
        self.tops[top.name] = top
        where = self.pick(*NODES, *NODES, "")
        for member in top.members:
            if top.clone:
                active = [node for node in NODES if self.maybe(0.6)]
                if member is not top.members[0]:
                    active = [n for n in active if ran(top.members[0], n)]
            else:
                active = [where] if where else []
            for node in NODES:
                tell(member, node, active=node in active)

    def primitives(self) -> Iterable[Primitive]:
        """Yield every primitive."""
        for top in self.tops.values():
            yield from top.instances or top.members

    def two(self) -> tuple[Top, Top]:
        """Return two resources in the order in which they were made, so that no wishes go round."""
        names = list(self.tops)
        one, other = sorted(self.chance.sample(range(len(names)), 2))
        return self.tops[names[one]], self.tops[names[other]]

    def document(self) -> etree._Element:
        """Return the document."""
        nodes = "".join(self._node(name) for name in NODES)
        resources = "".join(map(written, self.devices))
        resources += "".join(map(_top, self.tops.values())) + "".join(self.others)
        options = nvpairs("cib-bootstrap-options", "cluster_property_set", self.options)
        states = "".join(map(self._state, [*NODES, *self.reached]))
        tickets = f"<tickets>{''.join(self.tickets)}</tickets>" if self.tickets else ""
        tags = f"<tags>{''.join(self.tags)}</tags>" if self.tags else ""
        return etree.fromstring(
            f'<cib have-quorum="{int(self.quorum)}" dc-uuid="3" epoch="1" num_updates="0"'
            ' admin_epoch="0" validate-with="pacemaker-3.9" crm_feature_set="3.16.1"'
            f' execution-date="{NOW}"><configuration><crm_config>{options}</crm_config>'
            f"<nodes>{nodes}</nodes><resources>{resources}</resources><constraints>"
            f"{''.join(self.constraints)}</constraints>{''.join(self.defaults)}{tags}</configuration>"
            f"<status>{states}{tickets}</status></cib>"
        )

    def _node(self, name: str) -> str:
        inner = nvpairs(f"node-{name}", "instance_attributes", self.attributes[name])
        inner += nvpairs(f"node-{name}", "utilization", self.capacity[name])
        return f'<node id="{name[1:]}" uname="{name}">{inner}</node>'

    def _state(self, name: str) -> str:
        standing = self.standing.get(name, "up")
        if standing == "unseen":
            return ""
        said = self.reached.get(name, STANDINGS[standing])
        words = " ".join(f'{key}="{value}"' for key, value in said.items())
        told = ""
        if standing != "left":
            told = "".join(
                remembered(one, name) for one in [*self.devices, *self.primitives(), *self.past]
            )
        identity = name[1:] if name in NODES else name
        transient = self.transient.get(name, {})
        pairs = nvpairs(f"status-{identity}", "instance_attributes", transient)
        known = f'<transient_attributes id="{identity}">{pairs}</transient_attributes>'
        return (
            f'<node_state id="{identity}" uname="{name}" {words}>{known if pairs else ""}'
            f'<lrm id="{identity}"><lrm_resources>{told}</lrm_resources></lrm></node_state>'
        )


def nvpairs(owner: str, kind: str, values: Mapping[str, str]) -> str:
    """Return an element with name-value pairs; nothing of nothing."""
    pairs = "".join(
        f'<nvpair id="{owner}-{kind}-{name.replace("#", "").replace(":", ".")}" name="{name}" value="{value}"/>'
        for name, value in values.items()
    )
    identity = owner if kind == "cluster_property_set" else f"{owner}-{kind}"
    return f'<{kind} id="{identity}">{pairs}</{kind}>' if pairs else ""


def ran(primitive: Primitive, node: str) -> bool:
    """Whether the first thing a node remembers of it is a start."""
    told = primitive.history.get(node) or [{"operation": ""}]
    return told[0]["operation"] in {"start", "promote"}


def tell(primitive: Primitive, node: str, *, active: bool, role: str = "") -> None:
    """Let a node remember that the primitive runs there, or that it was looked for in vain."""
    if not active:
        primitive.history[node] = [operation(primitive, "monitor", rc=7, expected=7)]
        return
    primitive.history[node] = [operation(primitive, "promote" if role else "start")]


def operation(
    primitive: Primitive,
    task: str,
    *,
    interval_ms: int = 0,
    rc: int = 0,
    expected: int = 0,
    status: int = 0,
    call: int = 1,
    age_s: int = 600,
    ways: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return what a node remembers of one operation."""
    digest = operation_digest(
        primitive.parameters, interval_ms=interval_ms, timeout_ms=_TIMEOUT_MS if interval_ms else 0
    )
    failed = status == 0 and rc != expected
    suffix = (
        "last_failure_0"
        if failed and interval_ms
        else f"{task}_{interval_ms}"
        if interval_ms
        else "last_0"
    )
    key = f"{abs(call)}:1:{expected}:00000000-0000-0000-0000-000000000000"
    return {
        "id": f"{primitive.name}_{suffix}",
        "operation_key": f"{primitive.name}_{task}_{interval_ms}",
        "operation": task,
        "interval": str(interval_ms),
        "call-id": str(call),
        "rc-code": str(rc),
        "op-status": str(status),
        "last-rc-change": str(NOW - age_s),
        "transition-key": key,
        "transition-magic": f"{status}:{rc};{key}",
        "op-digest": digest,
    } | dict(ways or {})


def _top(top: Top) -> str:
    inner = "".join(written(one) for one in top.members)
    if top.group:
        meta = nvpairs(top.group, "meta_attributes", top.group_meta)
        inner = f'<group id="{top.group}">{meta}{inner}</group>'
    if not top.clone:
        return inner
    return f'<clone id="{top.name}">{nvpairs(top.name, "meta_attributes", top.meta)}{inner}</clone>'


def written(one: Primitive) -> str:
    """Return a primitive as it is configured."""
    inner = nvpairs(one.name, "meta_attributes", one.meta)
    inner += nvpairs(one.name, "instance_attributes", one.parameters)
    inner += nvpairs(one.name, "utilization", one.utilization) + "".join(one.extra)
    operations = "".join(
        f'<op id="{identity}" {" ".join(f"{k}={v!r}" for k, v in values.items())}/>'
        for identity, values in one.operations.items()
    )
    agent = f'template="{one.template}"' if one.template else one.described
    return (
        f'<primitive id="{one.name}" {agent}>'
        f"{inner}<operations>{operations}</operations></primitive>"
    )


def remembered(one: Primitive, node: str) -> str:
    """Return what a node remembers of it."""
    told = one.history.get(node)
    if not told:
        return ""
    entries = "".join(_entry(entry) for entry in told)
    lock = f' shutdown-lock="{one.locked[node]}"' if node in one.locked else ""
    return f'<lrm_resource id="{one.name}" {one.described}{lock}>{entries}</lrm_resource>'


def _entry(told: Mapping[str, str]) -> str:
    return f"<lrm_rsc_op {' '.join(f'{key}={value!r}' for key, value in told.items())}/>"
