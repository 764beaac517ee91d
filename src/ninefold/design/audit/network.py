"""Links, addresses and routes by netlink; listening sockets; name resolution."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psutil
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ninefold.design.audit import network_files
from ninefold.design.audit.facts import Link, Listener, Names, Route
from ninefold.design.audit.lldp import switches

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

_MAIN_TABLE: Final = 254
_UP: Final = 1
_PERMANENT: Final = 0x80
# Addresses of this scope or wider are of use to others; link (253) and host (254) are not.
_LINK_SCOPE: Final = 253


def links(source: Source) -> tuple[Link, ...]:
    """Return the host's links, loopback apart: by netlink, those of a tree of files by sysfs."""
    if not source.real:
        return network_files.links(source)
    try:
        with IPRoute() as route:
            found = list(route.get_links())
            addresses, dynamic = _addresses(route)
    except (NetlinkError, OSError) as error:
        source.note("links", str(error))
        return ()
    names = {int(message["index"]): str(_attribute(message, "IFLA_IFNAME")) for message in found}
    told = switches(source)
    rows = []
    for message in found:
        if _attribute(message, "IFLA_IFNAME") != "lo":
            index = int(message["index"])
            link = msgspec.structs.replace(
                _link(source, message, names),
                addresses=tuple(sorted(addresses.get(index, ()))),
                dynamic=tuple(sorted(dynamic.get(index, ()))),
                switch=told.get(index, ""),
            )
            rows.append(link)
    return tuple(sorted(rows, key=lambda link: link.name))


def _addresses(route: IPRoute) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Return all addresses by link, and of these the ones that expire (DHCP, advertised)."""
    every: dict[int, list[str]] = {}
    dynamic: dict[int, list[str]] = {}
    for message in route.get_addr():
        text = _attribute(message, "IFA_LOCAL") or _attribute(message, "IFA_ADDRESS")
        index = int(message["index"])
        every.setdefault(index, []).append(f"{text}/{message['prefixlen']}")
        flags = int(_attribute(message, "IFA_FLAGS") or message["flags"])
        if not flags & _PERMANENT and int(message["scope"]) < _LINK_SCOPE:
            dynamic.setdefault(index, []).append(f"{text}/{message['prefixlen']}")
    return every, dynamic


def _attribute(message: Any, name: str) -> Any:
    return message.get_attr(name)


def _link(source: Source, message: Any, names: dict[int, str]) -> Link:
    name = str(_attribute(message, "IFLA_IFNAME"))
    info = _attribute(message, "IFLA_LINKINFO")
    kind = str(info.get_attr("IFLA_INFO_KIND") or "") if info is not None else ""
    device = f"/sys/class/net/{name}/device"
    # Only hardware with a carrier has a speed; the kernel refuses the question elsewhere.
    parent_device = str(_attribute(message, "IFLA_PARENT_DEV_NAME") or "")
    # /sys may show the links of another network namespace; what has a kind is no hardware.
    hardware = not kind and bool(parent_device or source.exists(device))
    wired = hardware and _attribute(message, "IFLA_CARRIER")
    speed = source.number(f"/sys/class/net/{name}/speed") if wired else None
    master, parent = _attribute(message, "IFLA_MASTER"), _attribute(message, "IFLA_LINK")
    return Link(
        name,
        kind,
        bool(message["flags"] & _UP),
        bool(_attribute(message, "IFLA_CARRIER")),
        str(_attribute(message, "IFLA_ADDRESS") or ""),
        int(_attribute(message, "IFLA_MTU") or 0),
        speed if speed is not None and speed > 0 else None,
        source.link(f"{device}/driver").rpartition("/")[2] if hardware else "",
        (parent_device or source.link(device).rpartition("/")[2]) if hardware else "",
        names.get(int(master), "") if master else "",
        names.get(int(parent), "") if parent else "",
        virtual=not hardware,
    )


def routes(source: Source) -> tuple[Route, ...]:
    """Return the main table's routes with a gateway or a default."""
    if not source.real:
        return network_files.routes(source)
    rows = []
    try:
        with IPRoute() as route:
            names = {int(m["index"]): str(_attribute(m, "IFLA_IFNAME")) for m in route.get_links()}
            for family, word in ((socket.AF_INET, "inet"), (socket.AF_INET6, "inet6")):
                for message in route.get_routes(family=family, table=_MAIN_TABLE):
                    rows += _routes(message, names, word)
            macs = {
                (names.get(int(m["ifindex"]), ""), _attribute(m, "NDA_DST")): str(
                    _attribute(m, "NDA_LLADDR") or ""
                )
                for m in route.get_neighbours()
            }
    except (NetlinkError, OSError) as error:
        source.note("routes", str(error))
        return ()
    known = [
        msgspec.structs.replace(row, gateway_mac=macs.get((row.link, row.gateway), ""))
        for row in rows
    ]
    return tuple(sorted(known, key=lambda r: (r.family, r.target, r.metric, r.gateway, r.link)))


def _routes(message: Any, names: dict[int, str], family: str) -> list[Route]:
    target = _attribute(message, "RTA_DST")
    text = f"{target}/{message['dst_len']}" if target else "default"
    metric = int(_attribute(message, "RTA_PRIORITY") or 0)
    hops = _attribute(message, "RTA_MULTIPATH") or []
    found = [
        Route(
            text,
            str(hop.get_attr("RTA_GATEWAY") or ""),
            names.get(int(hop["oif"]), ""),
            metric,
            family,
        )
        for hop in hops
    ]
    gateway = _attribute(message, "RTA_GATEWAY")
    if not found and (gateway or text == "default"):
        link = names.get(int(_attribute(message, "RTA_OIF") or 0), "")
        found.append(Route(text, str(gateway or ""), link, metric, family))
    return found


def listeners(source: Source) -> tuple[Listener, ...]:
    """Return the listening TCP and bound UDP sockets; whose they are, where that may be seen."""
    if not source.real:
        return network_files.listeners(source)
    try:
        sockets = psutil.net_connections(kind="inet")
    except (psutil.Error, OSError) as error:
        source.note("listening sockets", str(error), "run as root")
        return ()
    rows: dict[tuple[str, str, int], Listener] = {}
    hidden = False
    for one in sockets:
        tcp = one.type == socket.SOCK_STREAM
        if not one.laddr or (tcp and one.status != psutil.CONN_LISTEN) or (not tcp and one.raddr):
            continue
        protocol = ("tcp" if tcp else "udp") + ("6" if one.family == socket.AF_INET6 else "")
        hidden = hidden or one.pid is None
        row = Listener(protocol, one.laddr.ip, one.laddr.port, _process(one.pid), int(one.pid or 0))
        rows.setdefault((protocol, one.laddr.ip, one.laddr.port), row)
    if hidden:
        root = os.geteuid() == 0
        why = "they belong to another namespace" if root else "permission denied"
        remedy = "look from outside the container" if root else "run as root"
        source.note("processes of some listening sockets", why, remedy)
    return tuple(rows[key] for key in sorted(rows, key=lambda k: (k[2], k[0], k[1])))


def _process(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""


def names(source: Source) -> Names:
    """Return how names are resolved here."""
    resolvers: list[str] = []
    search: list[str] = []
    # systemd-resolved's stub hides the servers it asks; its own file names them.
    stub = source.text("/etc/resolv.conf", optional=False) or ""
    resolved = "127.0.0.53" in stub or "127.0.0.54" in stub
    real = source.text("/run/systemd/resolve/resolv.conf") if resolved else None
    for line in (real if real is not None else stub).splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1 and words[0] == "nameserver":
            resolvers.append(words[1])
        elif len(words) > 1 and words[0] in ("search", "domain"):
            search = words[1:]
    hosts: dict[str, tuple[str, ...]] = {}
    for line in (source.text("/etc/hosts", optional=False) or "").splitlines():
        words = line.split("#")[0].split()
        if len(words) > 1:
            hosts[words[0]] = hosts.get(words[0], ()) + tuple(words[1:])
    return Names(hostname(source), tuple(resolvers), tuple(search), hosts, uses_resolved=resolved)


def hostname(source: Source) -> str:
    """Return the host's own name."""
    if source.real:
        return socket.gethostname()
    return source.line("/etc/hostname") or "unknown"
