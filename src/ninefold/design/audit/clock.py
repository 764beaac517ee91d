"""Who keeps the clock, from which sources, and whether the kernel calls it synchronised."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from ninefold.design.audit.facts import TimeSync

if TYPE_CHECKING:
    from ninefold.design.audit.source import Source

# The kernel keeps 15 characters of a process's name (comm).
COMM_MAX: Final = 15
_DAEMONS: Final = (
    ("chronyd", "chrony"),
    ("ntpd", "ntp"),
    ("ntpsec", "ntpsec"),
    ("systemd-timesyncd", "systemd-timesyncd"),
    ("ptp4l", "ptp4l"),
)
# struct timex of 64-bit Linux: modes (4 bytes and 4 of padding), offset, freq, maxerror (8 each), ...
_TIMEX_BYTES: Final = 208
_MAXERROR_AT: Final = 24
# The kernel's bound on the clock's error grows by 500 ppm without a daemon; at 16 s it gives up.
# systemd's NTPSynchronized is the same comparison.
UNSYNCHRONISED_US: Final = 16_000_000


def time_sync(source: Source, processes: frozenset[str]) -> TimeSync:
    """Return who keeps the clock; `processes` are the names of what runs here, as comm has them."""
    daemon = next((name for process, name in _DAEMONS if process[:COMM_MAX] in processes), "")
    return TimeSync(daemon, _synchronised(source) if source.real else None, _sources(source))


def _synchronised(source: Source) -> bool | None:
    """Ask the kernel by adjtimex(2), which changes nothing when no mode is given."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = int(library.adjtimex(buffer))
    except (OSError, AttributeError) as error:
        source.note("synchronisation of the clock", str(error))
        return None
    if state < 0:
        source.note("synchronisation of the clock", os.strerror(ctypes.get_errno()))
        return None
    error_us = int.from_bytes(buffer.raw[_MAXERROR_AT : _MAXERROR_AT + 8], "little", signed=True)
    return error_us < UNSYNCHRONISED_US


def _sources(source: Source) -> tuple[str, ...]:
    """Return the configured time sources of chrony, ntp and timesyncd."""
    found: dict[str, None] = {}
    files = ["/etc/chrony/chrony.conf", "/etc/chrony.conf", "/etc/ntp.conf", "/etc/ntpsec/ntp.conf"]
    for place in (
        "/etc/chrony/sources.d",
        "/etc/chrony/conf.d",
        "/etc/chrony.d",
        "/run/chrony-dhcp",
    ):
        files += [f"{place}/{name}" for name in source.entries(place)]
    for file in files:
        for line in (source.text(file) or "").splitlines():
            words = line.split("#")[0].split()
            if len(words) > 1 and words[0] in ("server", "pool", "peer", "refclock"):
                # A pool is several servers behind one name.
                found[f"{words[0]} {words[1]}"] = None
    timesyncd = ["/etc/systemd/timesyncd.conf"]
    for place in ("/etc/systemd/timesyncd.conf.d", "/run/systemd/timesyncd.conf.d"):
        timesyncd += [f"{place}/{name}" for name in source.entries(place) if name.endswith(".conf")]
    for file in timesyncd:
        for line in (source.text(file) or "").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "NTP":
                found.update(dict.fromkeys(f"server {word}" for word in value.split()))
    return tuple(found)
