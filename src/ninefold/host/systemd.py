"""Units of systemd as resources, over its D-Bus interface (org.freedesktop.systemd1).

A start or stop is a job: the call is answered at once, the job ends later. Systemd says "active"
only when the unit's own readiness protocol does, which is what a resource's start must wait for.
Absent bus or manager: every call is answered with "not installed" and the reason.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus

from ninefold.agents.model import OpStatus, Outcome, Rc

if TYPE_CHECKING:
    from ninefold.core.instants import Millis

_SERVICE: Final = "org.freedesktop.systemd1"
_PATH: Final = "/org/freedesktop/systemd1"
_MANAGER: Final = "org.freedesktop.systemd1.Manager"
_UNIT: Final = "org.freedesktop.systemd1.Unit"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
# How long the bus itself may take to let us in; it is local.
CONNECT_TIMEOUT_MS: Final[Millis] = 2000
# The state of a job is asked for this often: a property read costs 0.3 ms, and a takeover waits
# for half of it on average.
POLL_MS: Final[Millis] = 20
_SUFFIXES: Final = (".service", ".socket", ".mount", ".timer", ".path", ".target", ".device")

# ActiveState -> what a monitor says. Activating and deactivating are waited for.
_STATES: Final[dict[str, Rc]] = {
    "active": Rc.OK,
    "reloading": Rc.OK,
    "inactive": Rc.NOT_RUNNING,
    "failed": Rc.NOT_RUNNING,
}


class BusUnavailableError(Exception):
    """There is no system bus, or no systemd on it."""


class UnitError(Exception):
    """Systemd refused; `name` is the D-Bus error's name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def unit_name(name: str) -> str:
    """`nginx` -> `nginx.service`."""
    return name if name.endswith(_SUFFIXES) else f"{name}.service"


class Systemd:
    """The host's service manager. Connects when first asked."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._bus: MessageBus | None = None
        self._connecting = asyncio.Lock()

    async def act(self, name: str, action: str, timeout_ms: Millis) -> Outcome:
        """Carry out `start`, `stop`, `monitor`, `status` or `reload` on a unit."""
        began = time.monotonic()
        unit = unit_name(name)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                rc, reason = await self._act(unit, action)
        except TimeoutError:
            reason = f"{unit} {action} did not end within {timeout_ms} ms"
            return Outcome(Rc.ERROR, OpStatus.TIMEOUT, reason, exec_ms=timeout_ms)
        except BusUnavailableError as error:
            return Outcome(Rc.INSTALLED, OpStatus.NOT_INSTALLED, str(error))
        except UnitError as error:
            return _refused(unit, action, error)
        exec_ms = round((time.monotonic() - began) * 1000)
        return Outcome(rc, OpStatus.DONE, reason, exec_ms=exec_ms)

    async def knows(self, name: str) -> bool:
        """Tell whether systemd has a unit file of that name."""
        try:
            await self._call("GetUnitFileState", "s", [unit_name(name)])
        except (BusUnavailableError, UnitError):
            return False
        return True

    async def unit_names(self) -> list[str]:
        """Return the names of services that can be managed, without `.service`; no templates."""
        try:
            files = (await self._call("ListUnitFiles"))[0]
        except (BusUnavailableError, UnitError):
            return []
        names = [str(path).rpartition("/")[2] for path, _state in files]
        return sorted(
            name.removesuffix(".service")
            for name in names
            if name.endswith(".service") and "@." not in name
        )

    async def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None

    async def _act(self, unit: str, action: str) -> tuple[int, str]:
        match action:
            case "start":
                await self._call("StartUnit", "ss", [unit, "replace"])
                state = await self._settled(unit)
                return _wanted(unit, state, Rc.OK)
            case "stop":
                try:
                    await self._call("StopUnit", "ss", [unit, "replace"])
                except UnitError as error:
                    if error.name.endswith(".NoSuchUnit"):
                        return Rc.OK, ""
                    raise
                state = await self._settled(unit)
                return _wanted(unit, state, Rc.NOT_RUNNING)
            case "monitor" | "status":
                state = await self._settled(unit)
                return _STATES.get(state, Rc.ERROR), "" if state == "active" else f"{unit} {state}"
            case "reload":
                await self._call("ReloadUnit", "ss", [unit, "replace"])
                return _wanted(unit, await self._settled(unit), Rc.OK)
            case "meta-data" | "validate-all":
                return Rc.OK, ""
            case other:
                return Rc.UNIMPLEMENTED, f"systemd units have no action {other}"

    async def _settled(self, unit: str) -> str:
        """Wait until no job is pending and the unit is between no states; the caller's timeout bounds it."""
        path = (await self._call("LoadUnit", "s", [unit]))[0]
        while True:
            state = str(await self._property(path, "ActiveState"))
            job = await self._property(path, "Job")
            if not job[0] and state not in {"activating", "deactivating"}:
                if await self._property(path, "LoadState") == "not-found":
                    raise UnitError(f"{_SERVICE}.NoSuchUnit", f"there is no unit {unit}")
                return state
            await asyncio.sleep(POLL_MS / 1000)

    async def _property(self, path: str, name: str) -> Any:
        reply = await self._call("Get", "ss", [_UNIT, name], path=path, interface=_PROPERTIES)
        return reply[0].value

    async def _call(
        self,
        member: str,
        signature: str = "",
        body: list[Any] | None = None,
        *,
        path: str = _PATH,
        interface: str = _MANAGER,
    ) -> list[Any]:
        bus = await self._connected()
        request = Message(
            destination=_SERVICE,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body or [],
        )
        try:
            reply = await bus.call(request)
        except (OSError, EOFError, DBusError) as error:
            self._bus = None
            raise BusUnavailableError(f"the system bus went away: {error}") from error
        if reply is None:
            raise BusUnavailableError("the system bus gave no answer")
        if reply.message_type is MessageType.ERROR:
            text = str(reply.body[0]) if reply.body else str(reply.error_name)
            if _is_absence(str(reply.error_name)):
                raise BusUnavailableError(f"no systemd on the system bus: {text}")
            raise UnitError(str(reply.error_name), text)
        return list(reply.body)

    async def _connected(self) -> MessageBus:
        async with self._connecting:
            if self._bus is None or not self._bus.connected:
                self._bus = await self._connect()
            return self._bus

    async def _connect(self) -> MessageBus:
        try:
            bus = MessageBus(bus_address=self._address, bus_type=BusType.SYSTEM)
            async with asyncio.timeout(CONNECT_TIMEOUT_MS / 1000):
                return await bus.connect()
        except (OSError, EOFError, DBusError, ValueError) as error:
            raise BusUnavailableError(f"there is no system bus here: {error}") from error


def _is_absence(error_name: str) -> bool:
    """Tell whether the bus says that nobody answers to systemd's name, nor could be started."""
    absent = error_name.endswith((".ServiceUnknown", ".NameHasNoOwner"))
    return absent or ".DBus.Error.Spawn." in error_name


def _wanted(unit: str, state: str, rc: Rc) -> tuple[int, str]:
    if _STATES.get(state) == rc:
        return Rc.OK, ""
    return Rc.ERROR, f"{unit} is {state}"


def _refused(unit: str, action: str, error: UnitError) -> Outcome:
    if error.name.endswith(".NoSuchUnit"):
        if action in {"monitor", "status"}:
            return Outcome(Rc.NOT_RUNNING, OpStatus.DONE, str(error))
        return Outcome(Rc.INSTALLED, OpStatus.NOT_INSTALLED, str(error))
    if error.name.endswith((".AccessDenied", ".InteractiveAuthorizationRequired")):
        return Outcome(Rc.PERM, OpStatus.ERROR, f"{unit} {action}: {error}")
    return Outcome(Rc.ERROR, OpStatus.ERROR, f"{unit} {action}: {error}")
