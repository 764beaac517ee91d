"""Bundles as configured: the containers, addresses, connections and clone that they stand for.

The texts of `run_opts` and `mount_points` are part of the containers' parameters, so a change in
them is a change of configuration; they are written as Pacemaker writes them.
"""

from __future__ import annotations

from copy import deepcopy
from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.scheduler.bundle_model import HOST_NAME, Replica
from ninefold.scheduler.nodes import create_remote
from ninefold.scheduler.record import Record, field
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import boolean, integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace

    Unpack = Callable[[Workspace, Element, Resource | None, int | None], Resource]

_ENGINES: Final = ("docker", "podman")
_PORT: Final = "3121"
_DAEMON: Final = "/usr/sbin/pacemaker-remoted"
_KEY: Final = "/etc/pacemaker/authkey"
_LOGS: Final = "/var/log/pacemaker/bundles"
# The last address of a network that is handed out; 255 is its broadcast address.
_HOST_MAX: Final = 254
# What a replica's child is worth on its own node, and the weight of a connection to its container.
_OWN_NODE: Final = 500


class _Plan(Record):
    """The attributes of a bundle, read once."""

    id: str
    engine: str
    element: Element
    image: str
    replicas: int
    several: bool
    per_host: int
    promoted_max: int
    command: str
    options: str
    network: str
    addresses: list[str]
    interface: str
    netmask: str
    port: str
    add_host: bool
    has_child: bool
    mounts: list[tuple[str, str, str, bool]] = field(default_factory=list)
    ports: list[tuple[str, str]] = field(default_factory=list)


def unpack_bundle(work: Workspace, bundle: Resource, unpack: Unpack) -> None:
    """Create everything that `bundle` stands for."""
    plan = _plan(bundle.element)
    if isinstance(plan, str):
        work.warn(f"{bundle.id} does not count: {plan}.")
        bundle.managed = False
        return
    bundle.unique = plan.several
    bundle.replicas_per_host = plan.per_host
    inner = None
    if plan.has_child:
        inner = unpack(work, _clone_element(plan), bundle, None)
    for number in range(plan.replicas):
        _replica(work, bundle, plan, number, inner, unpack=unpack)
    for replica in bundle.replicas:
        bundle.children.extend(replica.parts)
    if inner is not None:
        bundle.children.append(inner)


def _plan(element: Element) -> _Plan | str:
    """Return what a bundle says, or why nothing can be made of it."""
    engine = next(element.iterchildren(*_ENGINES), None)
    if engine is None:
        return "it has no container that is known here"
    network = element.find("network")
    settings = network if network is not None else etree.Element("network")
    promoted_max = integer(engine.get("promoted-max") or engine.get("masters"), 0)
    replicas = integer(engine.get("replicas"), promoted_max if promoted_max > 0 else 1)
    start = settings.get("ip-range-start") or ""
    addresses = addresses_from(start, replicas) if start else []
    if start and len(addresses) < replicas:
        return f"from ip-range-start {start!r} there are no {replicas} IPv4 addresses"
    primitive = element.find("primitive")
    control_port = settings.get("control-port") or ""
    has_child = primitive is not None and bool(start or control_port)
    if primitive is not None and not has_child:
        inside = primitive.get("id")
        return f"without ip-range-start or control-port {inside} inside could not be controlled"
    per_host = integer(engine.get("replicas-per-host"), 1)
    plan = _Plan(
        id=element.get("id") or "",
        engine=str(engine.tag),
        element=element,
        image=engine.get("image") or "",
        replicas=replicas,
        several=per_host > 1,
        # Connections are told apart by address: at one port of its host there is room for one.
        per_host=1 if has_child and not start else per_host,
        promoted_max=promoted_max,
        command=engine.get("run-command") or "",
        options=engine.get("options") or "",
        network=engine.get("network") or "",
        addresses=addresses,
        interface=settings.get("host-interface") or "",
        netmask=settings.get("host-netmask") or "",
        port=control_port,
        add_host=boolean(settings.get("add-host"), default=True),
        has_child=has_child,
    )
    _mappings(plan, settings, element.find("storage"))
    return plan


def addresses_from(start: str, count: int) -> list[str]:
    """Return up to `count` IPv4 addresses from `start` on; after 254 comes 1 of the next network."""
    try:
        first = IPv4Address(start)
    except AddressValueError:
        return []
    network, host = divmod(int(first), 256)
    found: list[str] = []
    while len(found) < count and network < 2**24:
        found.append(str(IPv4Address(network * 256 + host)))
        host += 1
        if host > _HOST_MAX:
            network, host = network + 1, 1
    return found


def _mappings(plan: _Plan, network: Element, storage: Element | None) -> None:
    for mapping in network.iterchildren("port-mapping"):
        source = mapping.get("port") or mapping.get("range") or ""
        plan.ports.append((source, mapping.get("internal-port") or source))
    for mapping in [] if storage is None else storage.iterchildren("storage-mapping"):
        root = mapping.get("source-dir-root")
        source = mapping.get("source-dir") or root or ""
        target = mapping.get("target-dir") or ""
        if source and target:
            plan.mounts.append((source, target, mapping.get("options") or "", root is not None))
    if plan.has_child:
        plan.mounts.append((_KEY, _KEY, "", False))
        if not any(target == "/var/log" for _source, target, _options, _root in plan.mounts):
            plan.mounts.append((_LOGS, "/var/log", "", True))
        port = plan.port or _PORT
        plan.ports.append((port, port))


def _pairs(parent: Element, tag: str, name: str, values: dict[str, str]) -> None:
    holder = etree.SubElement(parent, tag, id=name)
    for key, value in values.items():
        etree.SubElement(holder, "nvpair", id=f"{name}-{key}", name=key, value=value)


def _clone_element(plan: _Plan) -> Element:
    suffix = "master" if plan.promoted_max > 0 else "clone"
    clone = etree.Element("clone", id=f"{plan.id}-{suffix}")
    meta = {
        "ordered": "true",
        "clone-max": str(plan.replicas),
        "clone-node-max": str(plan.per_host),
        "globally-unique": "true" if plan.per_host > 1 else "false",
    }
    if plan.promoted_max > 0:
        meta |= {"promotable": "true", "promoted-max": str(plan.promoted_max)}
    _pairs(clone, "meta_attributes", f"{plan.id}-clone-meta", meta)
    primitive = plan.element.find("primitive")
    assert primitive is not None
    clone.append(deepcopy(primitive))
    return clone


def _replica(
    work: Workspace,
    bundle: Resource,
    plan: _Plan,
    number: int,
    inner: Resource | None,
    *,
    unpack: Unpack,
) -> None:
    address = plan.addresses[number] if plan.addresses else None
    container = unpack(work, _container(plan, number, address), bundle, None)
    container.bundled = True
    container.nested_remote_allowed = True
    replica = Replica(number, container, ip=address or "")
    bundle.replicas.append(replica)
    if address is not None:
        replica.address = unpack(work, _address(plan, address), bundle, None)
    if inner is None:
        return
    replica.child = inner.children[number]
    _connect(work, bundle, plan, replica, address, unpack=unpack)


def _connect(
    work: Workspace,
    bundle: Resource,
    plan: _Plan,
    replica: Replica,
    address: str | None,
    *,
    unpack: Unpack,
) -> None:
    child = replica.child
    assert child is not None
    name = f"{plan.id}-{replica.number}"
    node = create_remote(work, name)
    node.score = -INFINITY
    node.explicit_only = True
    node.attributes["#kind"] = "container"
    replica.node = node
    bundle.scores.pop(name, None)
    for known in work.by_id.values():
        # The bundle's own parts keep off each other's nodes without being told.
        if name in known.scores and known.outermost is not bundle:
            known.scores[name] = -INFINITY
    element = _connection(plan, name, replica.container.id, address or HOST_NAME)
    connection = unpack(work, element, bundle, None)
    connection.bundled = True
    connection.nested_remote_allowed = True
    replica.connection = connection
    node.connection = connection
    for other in work.nodes:
        # A connection can only be held by a cluster node; an asymmetric cluster says so of every other one.
        if other.remote and (other.name in connection.scores or not work.options.symmetric):
            connection.scores[other.name] = -INFINITY
    assert child.parent is not None
    child.parent.scores[name] = -INFINITY
    child.scores = {name: _OWN_NODE}
    child.probe_modes = {name: "exclusive"}
    child.exclusive_probes = True
    if child.utilization:
        replica.container.utilization = child.utilization
        child.utilization = {}


def _container(plan: _Plan, number: int, address: str | None) -> Element:
    identity = f"{plan.id}-{plan.engine}-{number}"
    container = etree.Element(
        "primitive", {"id": identity, "class": "ocf", "provider": "heartbeat", "type": plan.engine}
    )
    parameters = {
        "image": plan.image,
        "allow_pull": "true",
        "force_kill": "false",
        "reuse": "false",
        "run_opts": _run_options(plan, number, address),
    }
    made = [f"{source}/{plan.id}-{number}" for source, _t, _o, root in plan.mounts if root]
    parameters["mount_points"] = ",".join(made)
    if plan.has_child or plan.command:
        parameters["run_cmd"] = plan.command or _DAEMON
    # Whether the container lives is all that is asked; what is inside is monitored by itself.
    parameters["monitor_cmd"] = "/bin/true"
    _pairs(container, "instance_attributes", f"{identity}-attributes", parameters)
    operations = etree.SubElement(container, "operations")
    etree.SubElement(
        operations, "op", id=f"{identity}-monitor-interval-60s", name="monitor", interval="60s"
    )
    return container


def _run_options(plan: _Plan, number: int, address: str | None) -> str:
    parts = [" --restart=no"] if _restart_policy(plan) else []
    if address is not None:
        parts.append(f" -h {plan.id}-{number}")
    parts.append(" -e PCMK_stderr=1")
    if plan.network:
        parts.append(f" --net={plan.network}")
    parts.append(f" -e PCMK_remote_port={plan.port or _PORT}")
    for source, target, options, root in plan.mounts:
        origin = f"{source}/{plan.id}-{number}" if root else source
        parts.append(f" -v {origin}:{target}" + (f":{options}" if options else ""))
    for source, target in plan.ports:
        if address is not None:
            parts.append(f" -p {address}:{source}:{target}")
        elif plan.network != "host":
            parts.append(f" -p {source}:{target}")
    if plan.options:
        parts.append(f" {plan.options}")
    parts.append(f" {_hosts(plan)}")
    return "".join(parts)


def _hosts(plan: _Plan) -> str:
    if not plan.addresses or not plan.add_host:
        return ""
    return "".join(
        f" --add-host={plan.id}-{number}:{address}" for number, address in enumerate(plan.addresses)
    )


def _restart_policy(plan: _Plan) -> bool:
    """Docker restarts containers by itself unless told not to; podman does not."""
    return plan.engine == "docker"


def _address(plan: _Plan, address: str) -> Element:
    identity = f"{plan.id}-ip-{address}"
    element = etree.Element(
        "primitive",
        {"id": identity, "class": "ocf", "provider": "heartbeat", "type": "IPaddr2"},
    )
    parameters = {"ip": address}
    if plan.interface:
        parameters["nic"] = plan.interface
    parameters["cidr_netmask"] = plan.netmask or "32"
    _pairs(element, "instance_attributes", f"{identity}-attributes", parameters)
    operations = etree.SubElement(element, "operations")
    etree.SubElement(
        operations, "op", id=f"{identity}-monitor-interval-60s", name="monitor", interval="60s"
    )
    return element


def _connection(plan: _Plan, name: str, container: str, server: str) -> Element:
    element = etree.Element(
        "primitive", {"id": name, "class": "ocf", "provider": "pacemaker", "type": "remote"}
    )
    _pairs(element, "meta_attributes", f"{name}-meta", {"container": container, "internal": "true"})
    operations = etree.SubElement(element, "operations")
    etree.SubElement(
        operations, "op", id=f"{name}-monitor", name="monitor", interval="30s", timeout="30s"
    )
    parameters = {"addr": server, "port": plan.port or _PORT}
    _pairs(element, "instance_attributes", f"{name}-attributes", parameters)
    return element
