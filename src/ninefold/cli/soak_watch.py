"""What a soak looks at between episodes: daemons' memory, processes that are left, remains of the lab."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ninefold.drill.leaks import Sample
from ninefold.lab import processes
from ninefold.lab.model import Power
from ninefold.lab.start import DATA_ROOT, link_of

if TYPE_CHECKING:
    from ninefold.cli.lab_stage import LabStage

# What a host at rest runs: its first process and that one's sleep, the daemon, the web server.
EXPECTED: Final = ("host-init", "sleep 86400", "ninefold.cli.ninefoldd", "/programs/")
# A monitor that is just under way is no leftover; the longest agent's action here takes a second.
LOOKS: Final = 3
LOOK_S: Final = 1.2
PROC: Final = Path("/proc")


def sample(stage: LabStage) -> list[Sample]:
    """Return what every daemon holds now."""
    found = []
    for host in stage.stage.lab.status().hosts:
        pid = stage.daemon(host) if host.power is Power.ON else 0
        if pid:
            with suppress(OSError):
                found.append(_daemon(host.name, pid))
    return found


def _daemon(node: str, pid: int) -> Sample:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return Sample(
        at_s=time.monotonic(),
        node=node,
        pid=pid,
        memory_kib=int(fields["VmRSS"].split()[0]),
        descriptors=len(os.listdir(PROC / str(pid) / "fd")),  # noqa: PTH208 - only counted
        threads=int(fields["Threads"]),
    )


def leftovers(stage: LabStage) -> list[str]:
    """Return the processes that no host at rest should have: unknown ones that stay, and zombies."""
    staying: set[tuple[str, int, str]] | None = None
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_S)
        now = {
            (host.name, process.shown, f"{process.command or process.name} ({process.state})")
            for host in stage.stage.lab.status().hosts
            if host.power is Power.ON
            for process in processes.in_namespace(processes.pid_namespace(host.init_pid))
            if process.state == "Z" or not any(word in process.command for word in EXPECTED)
        }
        staying = now if staying is None else staying & now
    return [f"{node}: process {pid}: {what}" for node, pid, what in sorted(staying or ())]


def store_bytes(stage: LabStage) -> dict[str, int]:
    """Return how much each host's state directory holds."""
    found = {}
    for host in stage.stage.lab.status().hosts:
        root = PROC / str(host.init_pid) / "root/var/lib/ninefold"
        with suppress(OSError):
            files = [path for path in root.rglob("*") if path.is_file()]
            found[host.name] = sum(path.stat().st_size for path in files)
    return found


def remains(name: str, directory: str) -> list[str]:
    """Return what is left of a lab that has ended: processes, files, its name."""
    found = [
        f"{path} is left" for path in (link_of(name), Path(directory)) if os.path.lexists(path)
    ]
    found += [f"{path} is left" for path in DATA_ROOT.glob(f"ninefold-lab-{name}-*")]
    mark = f"NINEFOLD_LAB={name}".encode()
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"process {entry.name} is left: {command}")
    return found
