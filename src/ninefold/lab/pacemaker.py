"""Giving a Pacemaker cluster on the lab's hosts its configuration, once all of them are online."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from ninefold.lab import enter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ninefold.lab.model import LabStatus

# Pacemaker elects its first DC after dc-deadtime, 20 s; the rest is for a busy machine.
LIMIT_S: Final = 120
EVERY_S: Final = 0.2
COMMAND_LIMIT_S: Final = 30


class CibLoader:
    """Loads the configuration section of `cib` through the first host."""

    def __init__(self, status: Callable[[], LabStatus], cib: Path) -> None:
        self._status = status
        text = cib.read_text(encoding="utf-8")
        # The operator's own file and our own process: no untrusted XML here.
        found = ET.fromstring(text).find("configuration")  # noqa: S314
        self._file = cib.with_name("configuration.xml")
        if found is not None:
            self._file.write_bytes(ET.tostring(found))

    def run(self) -> None:
        """Wait until all hosts are online, then replace the configuration; give up in the end."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if self._all_online() and self._replaced():
                return
            time.sleep(EVERY_S)

    def _all_online(self) -> bool:
        names = [host.name for host in self._status().hosts]
        seen = self._run("crm_mon", "-1", "--output-as", "xml")
        if seen.returncode != 0:
            return False
        nodes = ET.fromstring(seen.stdout).iterfind("nodes/node")  # noqa: S314
        online = [
            node.get("name")
            for node in nodes
            if node.get("online") == "true" and node.get("pending") == "false"
        ]
        return sorted(filter(None, online)) == sorted(names)

    def _replaced(self) -> bool:
        file = f"/run/ninefold-lab/shared/{self._file.name}"
        done = self._run("cibadmin", "--replace", "--scope", "configuration", "--xml-file", file)
        return done.returncode == 0

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        status = self._status()
        inside = enter.host_command(status, status.hosts[0].name, command, inside=True)
        return subprocess.run(
            inside,
            env=status.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_LIMIT_S,
        )
