"""Services: systemd's over D-Bus where it runs, SysV's scripts where it does not.

Where the bus cannot be used, the links of /etc/systemd/system say what is enabled, and the kernel's
control groups what runs; that is less (no failed unit, no description), and said in `unread`.
An init script may do anything, so none is asked for its status; a SysV service runs if the process
that its pid file names lives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

from ninefold.design.audit.facts import Unit

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

BUS_LIMIT_S: Final = 5.0
_SYSTEMD: Final = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")


def units(source: Source) -> tuple[Unit, ...]:
    """Return services: systemd's over D-Bus where it runs, SysV's scripts where it does not."""
    if source.real and source.exists("/run/systemd/system"):
        found = asyncio.run(_within(source, "services of systemd", _systemd_units()))
        return _by_files(source) if found is None else found
    if not source.real and source.exists("/etc/systemd/system"):
        source.note("services of systemd", "a tree of files has no bus to ask", "audit the host")
        return _by_files(source)
    found = _sysv(source)
    if not found:
        source.note("services", "neither systemd runs here, nor is there an init script")
    return found


def _by_files(source: Source) -> tuple[Unit, ...]:
    """Return what links and control groups tell of services."""
    wanted = {
        name
        for target in source.entries("/etc/systemd/system")
        if target.endswith((".wants", ".requires"))
        for name in source.entries(f"/etc/systemd/system/{target}")
        if name.endswith(".service")
    }
    slices = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
    running = {
        name for place in slices for name in source.entries(place) if name.endswith(".service")
    }
    return tuple(
        Unit(
            name,
            "running" if name in running else "unknown",
            "enabled" if name in wanted else "",
        )
        for name in sorted(wanted | running)
    )


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
    """Return init scripts, whether they are started at boot, and whether they run."""
    started = {
        entry.lstrip("S0123456789")
        for level in "2345"
        for entry in source.entries(f"/etc/rc{level}.d")
        if entry.startswith("S")
    }
    return tuple(
        Unit(
            name,
            _sysv_state(source, name),
            "enabled" if name in started else "disabled",
            manager="sysv",
        )
        for name in source.entries("/etc/init.d")
        if name not in ("README", "functions", "skeleton")
    )


def _sysv_state(source: Source, name: str) -> str:
    """Return `running` if a pid file names a process that lives; else nobody can say."""
    for place in (f"/run/{name}.pid", f"/run/{name}/{name}.pid", f"/run/{name}d.pid"):
        pid = source.line(place)
        if pid.isdigit() and source.exists(f"/proc/{pid}/comm"):
            return "running"
    return "unknown"
