"""The last resort: a device that resets this host unless it is fed, and the reset on demand.

A watchdog bounds how long a host whose daemon has died or stalled can go on running resources. It
is armed by opening the device; only the magic close disarms it, so a daemon that is killed leaves
it running.

A self-fence reaches no further than the host it is meant for. In the machine's own pid namespace it
writes to the sysrq trigger it was given, and to none by default. In any other pid namespace (a lab's
host, a container) that trigger would reset the machine below, so `reboot(2)` is called instead,
which there ends that namespace and nothing else (pid_namespaces(7), "reboot(2) in a PID namespace").
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ninefold.core.instants import Millis

DEVICE: Final = Path("/dev/watchdog")
SYSRQ: Final = Path("/proc/sysrq-trigger")
# linux/watchdog.h: _IOWR("W", 6, int)
_SET_TIMEOUT: Final = 0xC004_5706
# "I mean it": closing after this byte disarms (kernel documentation, watchdog-api, "Magic Close").
_MAGIC: Final = b"V"
# The inode of the first pid namespace (linux/proc_ns.h, PROC_PID_INIT_INO).
_MACHINE_PID_NAMESPACE: Final = "pid:[4026531836]"
# linux/reboot.h: restart at once, without sync.
_RB_AUTOBOOT: Final = 0x0123_4567
_INT: Final = struct.Struct("i")


class WatchdogError(Exception):
    """The device cannot be used; the text says why."""


class Watchdog(Protocol):
    """What a daemon needs of a watchdog."""

    @property
    def armed(self) -> bool:
        """Whether the host is reset if nobody feeds."""

    @property
    def timeout_ms(self) -> Millis:
        """How long the host lives without being fed; 0 if for ever."""

    @property
    def reason(self) -> str:
        """Why there is none, or ""."""

    def feed(self) -> None:
        """Live for another `timeout_ms`."""

    def close(self) -> None:
        """Disarm, because nothing runs here any more."""

    def self_fence(self, reason: str) -> None:
        """Reset this host now, without unmounting or stopping anything."""


class DeviceWatchdog:
    """The kernel's watchdog device, armed from construction to `close`."""

    reason = ""

    def __init__(
        self, timeout_ms: Millis, *, device: Path = DEVICE, sysrq: Path | None = None
    ) -> None:
        """Arm. The kernel counts whole seconds and may round up. Raises `WatchdogError`."""
        assert timeout_ms > 0
        self._sysrq = sysrq
        self._given_up = False
        try:
            self._fd = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise WatchdogError(f"cannot use {device}: {error.strerror}") from error
        try:
            seconds = _ioctl(self._fd, _SET_TIMEOUT, -(-timeout_ms // 1000))
        except OSError as error:
            self.close()
            raise WatchdogError(f"{device} takes no timeout: {error.strerror}") from error
        self._timeout_ms = seconds * 1000
        self._open = True

    @property
    def armed(self) -> bool:
        """Whether the host is reset if nobody feeds."""
        return self._open

    @property
    def timeout_ms(self) -> Millis:
        """What the device really uses, which may be longer than what was asked for."""
        return self._timeout_ms

    def feed(self) -> None:
        """Live for another `timeout_ms`, unless a self-fence has begun."""
        if self._given_up:
            return
        with contextlib.suppress(OSError):  # the device decides when it has been too long
            os.write(self._fd, b"\0")

    def close(self) -> None:
        """Disarm, unless a self-fence has begun. A device built with "nowayout" goes on all the same."""
        self._open = False
        if not self._given_up:
            with contextlib.suppress(OSError):
                os.write(self._fd, _MAGIC)
        os.close(self._fd)

    def self_fence(self, reason: str) -> None:
        """Reset at once; if that fails, the watchdog runs out, for it is fed no more."""
        self._given_up = True
        reset(reason, self._sysrq)


class NoWatchdog:
    """No device: the host cannot promise to end by itself, and `reason` says why."""

    armed = False
    timeout_ms: Millis = 0

    def __init__(self, reason: str, *, sysrq: Path | None = None) -> None:
        """`sysrq` is what a self-fence writes to on a real machine."""
        self.reason = reason
        self._sysrq = sysrq

    def feed(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def self_fence(self, reason: str) -> None:
        """Reset at once, if that is possible here."""
        reset(reason, self._sysrq)


def open_watchdog(
    timeout_ms: Millis, *, device: Path = DEVICE, sysrq: Path | None = None
) -> DeviceWatchdog | NoWatchdog:
    """Return the device's watchdog, or one that says why there is none."""
    try:
        return DeviceWatchdog(timeout_ms, device=device, sysrq=sysrq)
    except WatchdogError as error:
        return NoWatchdog(str(error), sysrq=sysrq)


def reset(reason: str, sysrq: Path | None) -> None:
    """Reset the host that this process sees as its own, without sync or unmount.

    Returns only where that is not possible.
    """
    if not in_machine_pid_namespace():
        ctypes.CDLL(None).reboot(_RB_AUTOBOOT)
        return
    if sysrq is None:
        return
    with contextlib.suppress(OSError):  # where the console and its log show it
        Path("/dev/kmsg").write_text(f"ninefold: self-fencing: {reason}\n", encoding="utf-8")
    with contextlib.suppress(OSError):
        sysrq.write_text("b", encoding="ascii")


def in_machine_pid_namespace() -> bool:
    """Tell whether this is a whole machine rather than a namespace of one; true if unknown."""
    try:
        return Path("/proc/self/ns/pid").readlink().name == _MACHINE_PID_NAMESPACE
    except OSError:
        return True


def _ioctl(fd: int, request: int, value: int) -> int:
    buffer = bytearray(_INT.pack(value))
    fcntl.ioctl(fd, request, buffer)
    return int(_INT.unpack(buffer)[0])
