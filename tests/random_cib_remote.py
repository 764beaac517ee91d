"""What can be put into a draft of nodes that are reached through a resource: remote nodes, guests, bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.connections_world import started_with
from tests.random_cib import (
    NODES,
    Draft,
    Primitive,
    Top,
    nvpairs,
    operation,
    ran,
    tell,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MONITOR: Final = {"name": "monitor", "interval": "10s", "timeout": "20s"}
_BUNDLE: Final = "bb"


def remotes(draft: Draft) -> None:
    """Remote nodes: their connections, and what runs there."""
    for name in ("r", "s")[: draft.chance.randint(1, 2)]:
        parameters = draft.some(reconnect_interval=(0.25, ("60",)))
        it = Primitive(
            name,
            agent="remote",
            parameters={key.replace("-", "_"): value for key, value in parameters.items()},
            meta=draft.some(target_role=(0.08, ("Stopped",)), is_managed=(0.05, ("false",))),
            operations={f"{name}-mon": _MONITOR} if draft.maybe(0.7) else {},
        )
        host = draft.pick(*NODES, *NODES, "")
        _connect(draft, it, host)
        draft.devices.append(it)
        _prefer(draft, name)
        if host or draft.maybe(0.3):
            _reach(draft, name)


def guests(draft: Draft) -> None:
    """A virtual machine that is a node, and what runs there."""
    vm = Primitive("vm", meta={"remote-node": "gn"}, operations={"vm-mon": _MONITOR})
    vm.meta |= draft.some(
        allow_migrate=(0.3, ("true",)), target_role=(0.08, ("Stopped",)), priority=(0.1, ("3",)),
        is_managed=(0.05, ("false",)),
    )  # fmt: skip
    if draft.maybe(0.3):
        members = [Primitive("disk"), vm]
        draft.add(Top("vg", members, group="vg"))
    else:
        draft.add(Top("vm", [vm]))
    host = next((node for node in NODES if ran(vm, node)), "")
    connection = Primitive("gn", agent="remote")
    _connect(draft, connection, host if draft.maybe(0.9) else "")
    draft.past.append(connection)
    if host:
        if draft.maybe(0.1):
            vm.history[host].append(
                operation(vm, "monitor", interval_ms=10_000, rc=1, call=2, age_s=60)
            )
        _reach(draft, "gn")


def bundles(draft: Draft) -> None:
    """A bundle with a service in it, or with none."""
    inner = Primitive("in", agent=draft.pick("Dummy", "Stateful"))
    if draft.maybe(0.6):
        inner.operations = {"in-mon": _MONITOR}
    replicas = draft.chance.randint(1, 3)
    filled = draft.maybe(0.85)
    meta = draft.some(target_role=(0.06, ("Stopped",)), priority=(0.1, ("3",)))
    words = {"image": "x", "replicas": str(replicas)}
    words |= draft.some(replicas_per_host=(0.2, ("1", "2")))
    if filled and inner.agent == "Stateful":
        words["promoted-max"] = draft.pick("1", "1", "2")
        meta |= draft.some(notify=(0.2, ("true",)))
    network = {"control-port": "3121"} if draft.maybe(0.6) else {}
    network |= {"ip-range-start": "10.0.0.5"} if draft.maybe(0.4) or not network else {}
    kind = draft.pick("docker", "podman")
    text = (
        f'<bundle id="{_BUNDLE}">{nvpairs(_BUNDLE, "meta_attributes", meta)}<{kind} {_words(words)}/>'
        f"<network {_words(network)}/>{written(inner) if filled else ''}</bundle>"
    )
    draft.others.append(text)
    wishes = [
        f'<rsc_location id="bl1" rsc="{_BUNDLE}" node="{draft.pick(*NODES)}" score="-INFINITY"/>',
        f'<rsc_order id="bo1" first="{_BUNDLE}" then="a"/>',
        f'<rsc_order id="bo2" first="a" then="{_BUNDLE}"/>',
        f'<rsc_colocation id="bc1" rsc="a" with-rsc="{_BUNDLE}" score="INFINITY"/>',
        f'<rsc_colocation id="bc2" rsc="{_BUNDLE}" with-rsc="a" score="INFINITY"/>',
        f'<rsc_colocation id="bc3" rsc="b" with-rsc="{_BUNDLE}" score="-INFINITY"/>',
    ]
    draft.constraints += draft.chance.sample(wishes, draft.chance.randint(0, 1))
    _inhabit(draft, inner if filled else None, text, kind, replicas)


def _inhabit(draft: Draft, inner: Primitive | None, text: str, kind: str, replicas: int) -> None:
    """Let some replicas be at work."""
    started = started_with(text)
    hosts = draft.chance.sample(NODES, 3)
    past: list[Primitive] = []
    for number in range(replicas):
        host = hosts[number] if draft.maybe(0.8) else ""
        parts = [Primitive(f"{_BUNDLE}-{kind}-{number}", agent=kind)]
        if "ip-range-start" in text:
            parts.append(Primitive(f"{_BUNDLE}-ip-10.0.0.{5 + number}", agent="IPaddr2"))
        connection = Primitive(f"{_BUNDLE}-{number}", agent="remote")
        if inner is not None:
            parts.append(connection)
        for part in parts:
            part.parameters = dict(started.get(part.name, {}))
            where = host if part is not connection or draft.maybe(0.9) else ""
            for node in NODES:
                if part.parameters.get("addr") in NODES:
                    part.parameters["addr"] = node
                tell(part, node, active=node == where)
                if node != where and draft.maybe(0.1):
                    del part.history[node]
            if where and draft.maybe(0.06):
                part.history[where] = [operation(part, "start", rc=1, age_s=60)]
        past += parts
        if (
            inner is not None
            and connection.history.get(host, [{"rc-code": ""}])[0]["rc-code"] == "0"
        ):
            draft.reached[connection.name] = _said(draft)
            if draft.maybe(0.85):
                role = "Promoted" if inner.agent == "Stateful" and draft.maybe(0.3) else ""
                tell(inner, connection.name, active=True, role=role)
                if inner.agent == "Stateful" and draft.maybe(0.7):
                    draft.transient[connection.name] = {"master-in": draft.pick("5", "10", "-1")}
    if inner is not None:
        past.append(inner)
    draft.past += past


def _connect(draft: Draft, it: Primitive, host: str) -> None:
    """Let a connection be made at a host, and perhaps broken since."""
    for node in NODES:
        tell(it, node, active=node == host)
    if not host:
        return
    if it.operations and draft.maybe(0.6):
        it.history[host].append(operation(it, "monitor", interval_ms=10_000, call=2, age_s=500))
    match draft.pick("", "", "", "", "", "lost", "refused"):
        case "lost" if it.operations:
            failed = operation(it, "monitor", interval_ms=10_000, rc=1, call=3, age_s=60)
            it.history[host][1:] = [failed]
        case "refused":
            it.history[host] = [operation(it, "start", rc=1, age_s=60)]
        case _:
            pass


def _reach(draft: Draft, name: str) -> None:
    """Let a node have a state, and some of what there is run there."""
    draft.reached[name] = _said(draft)
    for top in draft.tops.values():
        if any(one.name in {"vm", "disk"} for one in top.members):
            # What nodes live in is on a cluster node.
            continue
        moved = draft.maybe(0.3)
        for one in top.instances or top.members:
            if top.clone and not top.instances:
                tell(one, name, active=draft.maybe(0.6))
            elif moved:
                for node in NODES:
                    tell(one, node, active=False)
                tell(one, name, active=True)
            elif draft.maybe(0.8):
                tell(one, name, active=False)


def _said(draft: Draft) -> dict[str, str]:
    return {"remote_node": "true"} | {
        key.replace("-", "_"): value
        for key, value in draft.some(
            in_ccm=(0.7, ("true", "true", "false")), node_fenced=(0.4, ("0", "1"))
        ).items()
    }


def _prefer(draft: Draft, name: str) -> None:
    """Let some be there or not, and the connection too."""
    for number in range(draft.chance.randint(0, 2)):
        score = draft.pick("INFINITY", "-INFINITY", "10", "100")
        top = draft.pick(*draft.tops)
        draft.constraints.append(
            f'<rsc_location id="reach-{name}{number}" rsc="{top}" node="{name}" score="{score}"/>'
        )
    if draft.maybe(0.2):
        draft.constraints.append(
            f'<rsc_location id="reach-{name}" rsc="{name}" node="{draft.pick(*NODES)}" score="100"/>'
        )


def _words(words: dict[str, str]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in words.items())


REMOTE: Final[dict[str, Callable[[Draft], None]]] = {
    "guests": guests,
    "remotes": remotes,
    "bundles": bundles,
}
