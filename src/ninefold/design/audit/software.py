"""Services of systemd and SysV, time synchronisation, packages and files of a cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from ninefold.design.audit.facts import Package, TimeSync, Unit

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

BUS_LIMIT_S: Final = 5.0
_SYSTEMD: Final = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
_DAEMONS: Final = (
    ("chronyd", "chrony"),
    ("ntpd", "ntp"),
    ("ntpsec", "ntpsec"),
    ("systemd-timesyncd", "systemd-timesyncd"),
    ("ptp4l", "ptp4l"),
)
PACKAGES: Final = (
    "booth",
    "corosync",
    "crmsh",
    "csync2",
    "dlm",
    "drbd",
    "fence-agents",
    "gfs2",
    "glusterfs-server",
    "haproxy",
    "hawk",
    "keepalived",
    "ldirectord",
    "lvm2-lockd",
    "mdadm",
    "multipath-tools",
    "ninefold",
    "ocfs2",
    "open-iscsi",
    "pacemaker",
    "patroni",
    "pcs",
    "resource-agents",
    "sbd",
)
CLUSTER_FILES: Final = (
    "/etc/corosync/corosync.conf",
    "/etc/corosync/authkey",
    "/var/lib/pacemaker/cib/cib.xml",
    "/var/lib/ninefold/ninefold.db",
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


def units(source: Source) -> tuple[Unit, ...]:
    """Return services: systemd's over D-Bus where it runs, SysV's scripts where it does not."""
    if source.real and source.exists("/run/systemd/system"):
        found = asyncio.run(_within(source, "services of systemd", _systemd_units()))
        return () if found is None else found
    source.note("services of systemd", "systemd does not run here")
    return _sysv(source)


async def _within(source: Source, what: str, work: Any) -> Any:
    """Await something on the bus within bounds; note what went wrong and return `None`."""
    try:
        return await asyncio.wait_for(work, BUS_LIMIT_S)
    except TimeoutError:
        source.note(what, f"no answer on the system bus within {BUS_LIMIT_S:g} s")
    except (AuthError, DBusError, InvalidAddressError, OSError, EOFError) as error:
        source.note(what, f"the system bus cannot be used: {error}")
    return None


async def _call(bus: MessageBus, member: str, target: tuple[str, str], interface: str) -> list[Any]:
    message = Message(destination=target[0], path=target[1], interface=interface, member=member)
    reply = await bus.call(message)
    if reply.message_type is MessageType.ERROR:
        raise DBusError("org.freedesktop.DBus.Error.Failed", str(reply.body))
    return list(reply.body)


async def _systemd_units() -> tuple[Unit, ...]:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        manager = "org.freedesktop.systemd1.Manager"
        (loaded,) = await _call(bus, "ListUnits", _SYSTEMD, manager)
        (files,) = await _call(bus, "ListUnitFiles", _SYSTEMD, manager)
    finally:
        bus.disconnect()
    enabled = {str(path).rpartition("/")[2]: str(state) for path, state in files}
    rows = [
        Unit(str(u[0]), str(u[4]), enabled.get(str(u[0]), ""), str(u[1]))
        for u in loaded
        if str(u[0]).endswith(".service") and str(u[2]) != "not-found"
    ]
    return tuple(sorted(rows, key=lambda unit: unit.name))


def _sysv(source: Source) -> tuple[Unit, ...]:
    """Return init scripts; whether they run is not asked, since a script may do anything."""
    started = {
        entry.lstrip("S0123456789")
        for level in "2345"
        for entry in source.entries(f"/etc/rc{level}.d")
        if entry.startswith("S")
    }
    return tuple(
        Unit(
            name,
            "unknown",
            "enabled" if name in started else "disabled",
            manager="sysv",
        )
        for name in source.entries("/etc/init.d")
        if name not in ("README", "functions", "skeleton")
    )


def time_sync(source: Source, processes: frozenset[str]) -> TimeSync:
    """Return who keeps the clock; `processes` are the names of what runs here."""
    daemon = next((name for process, name in _DAEMONS if process in processes), "")
    synchronised: bool | None = None
    if source.real and source.exists("/run/systemd/system"):
        synchronised = asyncio.run(_within(source, "timedated", _synchronised()))
    return TimeSync(daemon, synchronised, _sources(source))


async def _synchronised() -> bool:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        message = Message(
            destination="org.freedesktop.timedate1",
            path="/org/freedesktop/timedate1",
            interface="org.freedesktop.DBus.Properties",
            member="Get",
            signature="ss",
            body=["org.freedesktop.timedate1", "NTPSynchronized"],
        )
        reply = await bus.call(message)
    finally:
        bus.disconnect()
    if reply.message_type is MessageType.ERROR:
        raise DBusError("org.freedesktop.DBus.Error.Failed", str(reply.body))
    return bool(reply.body[0].value)


def _sources(source: Source) -> tuple[str, ...]:
    """Return the configured time sources of chrony, ntp and timesyncd."""
    found: dict[str, None] = {}
    files = ["/etc/chrony/chrony.conf", "/etc/chrony.conf", "/etc/ntp.conf", "/etc/ntpsec/ntp.conf"]
    files += [f"/etc/chrony/sources.d/{n}" for n in source.entries("/etc/chrony/sources.d")]
    files += [f"/etc/chrony/conf.d/{n}" for n in source.entries("/etc/chrony/conf.d")]
    for file in files:
        for line in (source.text(file) or "").splitlines():
            words = line.split("#")[0].split()
            if len(words) > 1 and words[0] in ("server", "pool", "peer", "refclock"):
                # A pool is several servers behind one name.
                found[f"{words[0]} {words[1]}"] = None
    for line in (source.text("/etc/systemd/timesyncd.conf") or "").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "NTP":
            found.update(dict.fromkeys(f"server {word}" for word in value.split()))
    return tuple(found)


def packages(source: Source) -> tuple[Package, ...]:
    """Return installed packages that have to do with clusters: dpkg's status file, or rpm."""
    text = source.text("/var/lib/dpkg/status")
    if text is not None:
        return dpkg(text)
    if source.exists("/var/lib/rpm") or source.exists("/usr/lib/sysimage/rpm"):
        report = source.run("rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\\n")
        rows = [line.split() for line in (report or b"").decode(errors="replace").splitlines()]
        return tuple(
            sorted(
                (Package(r[0], r[1]) for r in rows if len(r) == 2 and _of_cluster(r[0])),
                key=lambda p: p.name,
            )
        )
    source.note("packages", "neither dpkg nor rpm keeps a list here")
    return ()


def _of_cluster(name: str) -> bool:
    return name.startswith(PACKAGES)


def dpkg(text: str) -> tuple[Package, ...]:
    """Return the cluster's packages of a dpkg status file."""
    rows = []
    for paragraph in text.split("\n\n"):
        fields = {
            key: value.strip()
            for key, colon, value in (line.partition(":") for line in paragraph.splitlines())
            if colon and key in ("Package", "Status", "Version")
        }
        name = fields.get("Package", "")
        if _of_cluster(name) and fields.get("Status", "").endswith(" installed"):
            rows.append(Package(name, fields.get("Version", "")))
    return tuple(sorted(rows, key=lambda package: package.name))


def cluster_files(source: Source) -> dict[str, bool]:
    """Return which files of a cluster lie here, and whether they may be read."""
    found = {}
    for name in CLUSTER_FILES:
        try:
            with source.path(name).open("rb"):
                found[name] = True
        except FileNotFoundError:
            continue
        except PermissionError:
            # Seen in its directory, or not even that: only the former says that it is there.
            if source.exists(name):
                found[name] = False
        except OSError:
            found[name] = False
    return found
