"""What a lab is to be: its settings, checked, turned into hosts, addresses and files.

Pure but for reading the operator's own files. The supervisor is handed the finished `Plan` and
decides nothing.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import shutil
import sys
from pathlib import Path
from typing import Final

import msgspec

from ninefold.lab import defaults
from ninefold.lab.errors import BadPlan

# A host is 15 to 30 MiB without its daemons' caches and two ports on each bridge; Totem itself is
# meant for no more than 32 members.
NODES_MAX: Final = 32
# The length keeps `/var/tmp/ninefold-lab-NAME-xxxxxxxx/hosts/32/fence/fence.sock` below the 107
# bytes of a unix socket's path.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}")
HOST_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
STACKS: Final = ("ninefold", "pacemaker", "none")
CLUSTERS: Final = ("embedded", "corosync")
# What `corosync-keygen` writes.
AUTHKEY_BYTES: Final = 256
CLIENT_HOST_NUMBER: Final = 254


class Settings(msgspec.Struct, frozen=True):
    """What the operator asks for. `argv` overrides what a `ninefold` host runs.

    `token_ms` and `token_coefficient_ms` go into the generated `corosync.conf`, and so does
    `totem_extra` (lines of the totem section); with `conf` they must be left out.
    """

    nodes: int = 3
    name: str = "lab"
    stack: str = "ninefold"
    conf: str = ""
    cib: str = ""
    token_ms: int | None = None
    token_coefficient_ms: int | None = None
    totem_extra: str = ""
    argv: tuple[str, ...] = ()
    cluster: str = "embedded"


class HostPlan(msgspec.Struct, frozen=True):
    """One host: `addresses` by link, with `prefix` bits of network each."""

    name: str
    nodeid: int
    addresses: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """Everything the supervisor needs. `clients` are the switch's own addresses, one per link."""

    name: str
    stack: str
    hosts: tuple[HostPlan, ...]
    clients: tuple[str, ...]
    prefix: int
    conf: str
    cib: str
    authkey: bytes
    argv: tuple[str, ...]
    keep: tuple[str, ...]
    python: str
    user_namespace: bool = False
    cluster: str = "embedded"


def daemon_argv(cluster: str = "embedded") -> tuple[str, ...]:
    """Return how a host starts `ninefoldd`."""
    return (
        *(sys.executable, "-m", "ninefold.cli.ninefoldd"),
        *("--config", "/etc/corosync/corosync.conf"),
        *("--state", "/var/lib/ninefold", "--run", "/run/ninefold"),
        *("--cib", "/run/ninefold-lab/shared/cib.xml"),
        *("--cluster", cluster),
    )


def make_plan(settings: Settings) -> Plan:
    """Return the plan for `settings`; `BadPlan` says what cannot be."""
    _check(settings)
    if settings.conf:
        conf = _read(settings.conf)
        hosts = defaults.hosts_of(conf, settings.conf)
    else:
        hosts = defaults.hosts(settings.nodes)
        conf = defaults.corosync_conf(
            hosts,
            token_ms=settings.token_ms,
            token_coefficient_ms=settings.token_coefficient_ms,
            extra=settings.totem_extra,
        )
    planned = tuple(HostPlan(name, nodeid, addresses) for name, nodeid, addresses in hosts)
    cib = _read(settings.cib) if settings.cib else defaults.cib([host.name for host in planned])
    return Plan(
        name=settings.name,
        stack=settings.stack,
        hosts=planned,
        clients=_clients(planned),
        prefix=defaults.PREFIX,
        conf=conf,
        cib=cib,
        authkey=secrets.token_bytes(AUTHKEY_BYTES),
        argv=settings.argv or daemon_argv(settings.cluster),
        keep=_keep(),
        python=str(Path(sys.executable).resolve()),
        cluster=settings.cluster,
    )


def check_name(name: str) -> None:
    """Raise `BadPlan` unless a lab may be called `name`."""
    if not NAME.fullmatch(name):
        raise BadPlan(f"A lab cannot be called {name!r}: 1 to 16 letters, digits, - and _.")


def _check(settings: Settings) -> None:
    check_name(settings.name)
    if settings.stack not in STACKS:
        raise BadPlan(f"There is no stack {settings.stack!r}; choose one of {', '.join(STACKS)}.")
    if settings.cluster not in CLUSTERS:
        raise BadPlan(f"--cluster is one of {', '.join(CLUSTERS)}, not {settings.cluster!r}.")
    if settings.cluster == "corosync":
        _check_corosync(settings)
    if not 1 <= settings.nodes <= NODES_MAX:
        raise BadPlan(f"A lab has 1 to {NODES_MAX} nodes, not {settings.nodes}.")
    generated = (settings.token_ms, settings.token_coefficient_ms, settings.totem_extra or None)
    if settings.conf and any(value is not None for value in generated):
        raise BadPlan("--token and --token-coefficient belong into the file given with --conf.")


def _check_corosync(settings: Settings) -> None:
    if settings.stack != "ninefold":
        raise BadPlan(f"--cluster corosync is for the stack ninefold, not {settings.stack}.")
    if os.geteuid() != 0:
        raise BadPlan("--cluster corosync needs root: Corosync takes no other user's clients.")
    if shutil.which("corosync", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None:
        raise BadPlan("--cluster corosync needs the program: install the package corosync.")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPlan(f"Cannot read {path}: {error}.") from error


def _clients(hosts: tuple[HostPlan, ...]) -> tuple[str, ...]:
    """Return the switch's address on each link, the last but one of the hosts' network."""
    clients = []
    _distinct(hosts)
    for link, first in enumerate(hosts[0].addresses):
        network = ipaddress.ip_network(f"{first}/{defaults.PREFIX}", strict=False)
        client = str(network[CLIENT_HOST_NUMBER])
        for host in hosts:
            if len(host.addresses) != len(hosts[0].addresses):
                raise BadPlan(f"{host.name} and {hosts[0].name} have different numbers of links.")
            if ipaddress.ip_address(host.addresses[link]) not in network:
                raise BadPlan(f"Link {link} of {host.name} is not in {network}, as the lab needs.")
            if host.addresses[link] == client:
                raise BadPlan(f"{client} is the lab's client; {host.name} needs another address.")
        clients.append(client)
    return tuple(clients)


def _distinct(hosts: tuple[HostPlan, ...]) -> None:
    """Raise `BadPlan` unless names can be host names, addresses are numeric, and none is used twice."""
    seen: dict[str, str] = {}
    for host in hosts:
        if not HOST_NAME.fullmatch(host.name):
            raise BadPlan(f"{host.name!r} cannot be the name of a host.")
        for address in host.addresses:
            try:
                ipaddress.IPv4Address(address)
            except ValueError:
                raise BadPlan(f"{host.name}: a lab needs numeric IPv4, not {address}.") from None
        for word in (f"name {host.name}", f"nodeid {host.nodeid}", *host.addresses):
            if word in seen:
                raise BadPlan(f"{word} belongs to two hosts, {seen[word]} and {host.name}.")
            seen[word] = host.name


def _keep() -> tuple[str, ...]:
    """Return the directories that a host must see even below a private /tmp or /run."""
    package = Path(__file__).resolve().parents[2]
    wanted = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve(), package)
    return tuple(dict.fromkeys(str(path) for path in wanted))
