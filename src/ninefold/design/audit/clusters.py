"""What of a cluster lies and runs on the host: files, programs, and what its documents manage.

Ninefold's own store is a database that even a reader writes beside; an audit leaves it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.config.grammar import decode, parse
from ninefold.design.audit.clock import COMM_MAX
from ninefold.design.audit.facts import Managed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.source import Source

COROSYNC_CONF: Final = "/etc/corosync/corosync.conf"
CIB: Final = "/var/lib/pacemaker/cib/cib.xml"
STORE: Final = "/var/lib/ninefold/ninefold.db"
FILES: Final = (
    COROSYNC_CONF,
    "/etc/corosync/authkey",
    CIB,
    STORE,
    "/etc/keepalived/keepalived.conf",
    "/etc/haproxy/haproxy.cfg",
    "/etc/drbd.conf",
    "/etc/multipath.conf",
    "/etc/default/sbd",
    "/etc/sysconfig/sbd",
    "/etc/booth/booth.conf",
    "/etc/mdadm/mdadm.conf",
    "/etc/exports",
)
# Programs that make several hosts one; keepalived moves an address, and nothing else.
CLUSTER_DAEMONS: Final = ("corosync", "pacemakerd", "ninefoldd", "keepalived", "sbd")
# Programs that serve clients, and what they are, as kinds of a model's parts.
SERVERS: Final = {
    "nginx": "web-server",
    "apache2": "web-server",
    "httpd": "web-server",
    "lighttpd": "web-server",
    "caddy": "web-server",
    "haproxy": "load-balancer",
    "mysqld": "database",
    "mariadbd": "database",
    "postgres": "database",
    "mongod": "database",
    "redis-server": "database",
    "etcd": "database",
    "slapd": "application",
    "beam.smp": "application",
    "smbd": "application",
    "nfsd": "application",
    "named": "dns-server",
    "unbound": "dns-server",
    "pdns_server": "dns-server",
}


def files(source: Source) -> dict[str, bool]:
    """Return which files of a cluster lie here, and whether they may be read."""
    found = {}
    for name in FILES:
        try:
            with source.path(name).open("rb"):
                found[name] = True
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            # Seen in its directory, or not even that: only the former says that it is there.
            if source.exists(name):
                found[name] = False
        except OSError:
            found[name] = False
    return found


def daemons(processes: frozenset[str]) -> tuple[str, ...]:
    """Return which programs of interest run, by the names in /proc/*/comm."""
    return tuple(
        sorted(name for name in (*CLUSTER_DAEMONS, *SERVERS) if name[:COMM_MAX] in processes)
    )


def managed(source: Source) -> Managed | None:
    """Return what the documents of a cluster on this host manage; `None` if there are none."""
    config, cib = source.content(COROSYNC_CONF), source.content(CIB)
    if source.exists(STORE):
        why = "reading a database that another program has open writes beside it"
        source.note(f"the CIB in {STORE}", why, "audit the output of `ninefold cib show` yourself")
    if config is None and cib is None:
        return None
    nodes = tuple(_nodes(decode(config))) if config is not None else ()
    found = None if cib is None else _resources(source, cib)
    units, mounts = found or ((), ())
    return Managed(nodes, units, mounts, cib_read=found is not None)


def _nodes(text: str) -> Iterator[str]:
    top, _ = parse(text)
    for section in top.sections:
        if section.name != "nodelist":
            continue
        for node in section.sections:
            values = {entry.key: entry.value for entry in node.entries}
            if values.get("name") or values.get("ring0_addr"):
                yield values.get("name") or values["ring0_addr"]


def _resources(source: Source, cib: bytes) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the units (systemd, lsb) and the mount points of a CIB's primitives."""
    # Entities of a file that somebody else wrote are left alone.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=False)
    try:
        top = etree.fromstring(cib, parser)
    except etree.XMLSyntaxError as error:
        source.note(CIB, f"it is not XML: {error}")
        return None
    units: dict[str, None] = {}
    mounts: dict[str, None] = {}
    for primitive in top.iter("primitive"):
        standard, agent = primitive.get("class", ""), primitive.get("type", "")
        if standard in ("systemd", "lsb", "service"):
            units[agent.removesuffix(".service")] = None
        if agent == "Filesystem":
            for pair in primitive.iter("nvpair"):
                if pair.get("name") == "directory":
                    mounts[pair.get("value", "").rstrip("/") or "/"] = None
    return tuple(units), tuple(mounts)
