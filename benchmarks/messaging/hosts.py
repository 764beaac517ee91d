"""Hosts of a lab with or without real Corosync on them, and the clients that are started there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninefold.lab import start
from ninefold.lab.client import Lab
from ninefold.lab.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).with_name("client.py")
CONF = "/etc/corosync/corosync.conf"
# The embedded ring beside a Corosync that has nothing to do: other ports, nothing else differs.
RING_CONF = "/run/ninefold-lab/shared/ring.conf"
PORTS = "".join(
    f"    interface {{\n        linknumber: {link}\n        mcastport: {5505 + link}\n    }}\n"
    for link in (0, 1)
)
ANSWER_S = 15
# What the kinds are called in the table.
KINDS = {"embedded": "embedded", "corosync": "Corosync, stable", "cpg": "Corosync, agreed"}


def corosync_missing() -> str:
    """Return why there can be no Corosync here; empty if there can."""
    if os.geteuid() != 0:
        return "Corosync takes no other user's clients than root's"
    if shutil.which("corosync", path="/usr/sbin:/usr/bin") is None:
        return "the package corosync is not installed"
    return ""


@contextlib.contextmanager
def hosts(count: int, *, corosync: bool) -> Iterator[Lab]:
    """Make hosts on the default timers, encrypted; with Corosync running on each if wanted."""
    name = f"msg{os.getpid() % 100_000}"
    started = []
    with Lab.up(Settings(nodes=count, name=name, stack="none")) as lab:
        shared = start.link_of(name) / "shared"
        shutil.copy(CLIENT, shared / CLIENT.name)
        text = (start.link_of(name) / "hosts/1/etc/corosync/corosync.conf").read_text()
        (shared / "ring.conf").write_text(text.replace("totem {", f"totem {{\n{PORTS}", 1))
        if corosync:
            names = [host.name for host in lab.status().hosts]
            started = [_corosync(lab, host) for host in names]
            end_s = time.monotonic() + ANSWER_S
            for host in names:
                while lab.run(host, "corosync-cmapctl", "-g", "totem.version").returncode:
                    if time.monotonic() > end_s:
                        raise TimeoutError(f"corosync on {host} does not answer")
                    time.sleep(0.05)
        yield lab
    for process in started:
        process.wait(10)


def _corosync(lab: Lab, host: str) -> subprocess.Popen[bytes]:
    script = (
        "mkdir -p /var/log/corosync /var/lib/corosync; exec corosync -f >/var/log/corosync/out 2>&1"
    )
    quiet = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    return lab.start(host, "sh", "-c", script, **quiet)


class Member:
    """A client on a host."""

    def __init__(self, lab: Lab, host: str, kind: str, count: int, *load: float) -> None:
        conf = RING_CONF if kind == "embedded" else CONF
        self.process = lab.start(
            host,
            *(sys.executable, f"/run/ninefold-lab/shared/{CLIENT.name}", kind, conf, str(count)),
            *(f"{number:g}" for number in load),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """Return what it says, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def until(self, members: list[int]) -> float:
        """Return when it saw these members; `EOFError` if it ended before."""
        for said in self.lines():
            if said.get("members") == members:
                return float(said["at_s"])
        raise EOFError(f"never {members}")

    def leave(self) -> None:
        """Let it go cleanly."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"leave\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Let go of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()
