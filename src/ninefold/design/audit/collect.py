"""Look at one host, all of it, and change nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from ninefold.design.audit import (
    bonds,
    clusters,
    history,
    machine,
    network,
    packages,
    software,
    storage,
)
from ninefold.design.audit.clock import time_sync
from ninefold.design.audit.facts import HostFacts
from ninefold.design.audit.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


def collect(root: Path = Path("/"), *, now: int, since_days: int = 30) -> HostFacts:
    """Return what can be seen below `root` at `now` (epoch seconds); logs of the last `since_days` days.

    Never raises for what a host shows, or does not: that stands in `unread`.
    """
    source = Source(root)

    def seen(what: str, look: Callable[[Source], T], otherwise: T) -> T:
        try:
            return look(source)
        except (OSError, ValueError, KeyError, psutil.Error) as error:
            source.note(what, f"{type(error).__name__}: {error}")
            return otherwise

    nothing: frozenset[str] = frozenset()
    processes = seen("processes", _processes, nothing)
    log = seen("log", lambda s: history.log(s, now=now, since_days=since_days), history.Log())
    facts = HostFacts(
        host=network.hostname(source),
        at=now,
        as_root=os.geteuid() == 0,
        since_days=since_days,
        machine=seen("machine", machine.machine, None),
        uptime_s=history.uptime_s(source),
        boots=seen("reboots", history.boots, ()),
        units=seen("services", software.units, ()),
        listeners=seen("listening sockets", network.listeners, ()),
        mounts=seen("mounts", storage.mounts, ()),
        links=seen("links", network.links, ()),
        bonds=seen("bonds", bonds.bonds, ()),
        routes=seen("routes", network.routes, ()),
        names=seen("name resolution", network.names, None),
        time=seen("time", lambda s: time_sync(s, processes), None),
        disks=seen("disks", storage.disks, ()),
        raids=seen("RAID", storage.raids, ()),
        multipaths=seen("multipath", storage.multipaths, ()),
        volume_groups=seen("LVM", storage.volume_groups, ()),
        drbd=seen("DRBD", storage.drbd, ()),
        power=seen("power supplies", machine.power_supplies, ()),
        troubles=log.troubles,
        watchdogs=seen("watchdogs", machine.watchdogs, ()),
        packages=seen("packages", packages.packages, ()),
        cluster_files=seen("files of a cluster", clusters.files, {}),
        planned=seen("fstab", storage.planned, ()),
        daemons=clusters.daemons(processes),
        managed=seen("what a cluster manages", clusters.managed, None),
        log_source=log.source,
        log_persistent=log.persistent,
    )
    return msgspec.structs.replace(facts, unread=source.unread)


def _processes(source: Source) -> frozenset[str]:
    """Return the names of what runs, by /proc/*/comm."""
    found = frozenset(
        source.line(f"/proc/{entry}/comm") for entry in source.entries("/proc") if entry.isdigit()
    )
    if not found:
        source.note("processes", "/proc shows none", "mount /proc without hidepid")
    return found
