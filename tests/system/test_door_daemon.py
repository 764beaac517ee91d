"""One real daemon on this host's loopback: how it starts, ends, and says what is wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ninefold.api.client import Client, DoorClosedError
from tests.system.stories import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system


class Daemon:
    """A `ninefoldd` of its own directory and port, alone in its ring."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.client = Client(str(home / "run" / "ninefold.sock"))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(home / "notify"))
        self.notify.settimeout(20)
        (home / "corosync.conf").write_text(
            "totem {\n version: 2\n cluster_name: alone\n crypto_cipher: none\n crypto_hash: none\n"
            f" interface {{\n  linknumber: 0\n  mcastport: {port}\n }}\n}}\n"
            f"nodelist {{\n node {{\n  nodeid: 1\n  name: {socket.gethostname()}\n"
            "  ring0_addr: 127.0.0.1\n }\n}\n"
            "quorum {\n provider: corosync_votequorum\n}\n"
            "logging {\n to_stderr: no\n to_syslog: no\n to_logfile: yes\n"
            f" logfile: {home}/log\n}}\n"
        )
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, **places: Path) -> subprocess.Popen[str]:
        where = {"state": self.home / "state", "run": self.home / "run"} | places
        words = [word for name, path in where.items() for word in (f"--{name}", str(path))]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ninefold.cli.ninefoldd"),
                *("--config", str(self.home / "corosync.conf")),
                *words,
            ],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NOTIFY_SOCKET": str(self.home / "notify"), "WATCHDOG_USEC": ""},
        )
        self.processes.append(process)
        return process

    def status(self) -> dict[str, Any]:
        end = time.monotonic() + 20
        while True:
            try:
                return self.client.status()
            except DoorClosedError:
                assert time.monotonic() < end, self.log()
                time.sleep(0.02)

    def log(self) -> str:
        file = self.home / "log"
        return file.read_text() if file.exists() else ""

    def close(self) -> None:
        self.notify.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Daemon(tmp_path, port)
    yield made
    made.close()


def test_daemon_starts_answers_and_stops_cleanly(daemon: Daemon) -> None:
    process = daemon.start()

    assert daemon.notify.recv(1024).startswith(b"READY=1\n")
    assert daemon.status()["cluster"] == "alone"
    cpu_ticks = cpu(process.pid)

    process.send_signal(signal.SIGHUP)
    wait_for("the file was taken", lambda: "as a signal wanted" in daemon.log(), 10)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0

    assert "ended: as asked" in daemon.log()
    assert not daemon.client.path.exists()
    # Two seconds of CPU would be twice what a start may take: 1 s on an ordinary core.
    assert cpu_ticks < 2 * os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_second_daemon_on_the_same_state_socket_or_port_says_so(
    daemon: Daemon, tmp_path: Path
) -> None:
    daemon.start()
    daemon.status()

    same = daemon.start()
    assert "stop the other" in same.communicate(timeout=20)[1]
    assert same.returncode == 78

    same_door = daemon.start(state=tmp_path / "state2")
    assert "another daemon is listening" in same_door.communicate(timeout=20)[1]
    assert same_door.returncode == 78

    same_port = daemon.start(state=tmp_path / "state3", run=tmp_path / "run3")
    assert "127.0.0.1" in same_port.communicate(timeout=20)[1]
    assert same_port.returncode == 78
    assert not (tmp_path / "run3" / "ninefold.sock").exists()

    assert daemon.status()["cluster"] == "alone"


def test_daemon_that_was_killed_starts_again_over_its_stale_socket(daemon: Daemon) -> None:
    first = daemon.start()
    daemon.status()
    first.kill()
    first.wait(20)
    assert daemon.client.path.exists()

    daemon.start()

    assert daemon.status()["cluster"] == "alone"


def test_changes_are_logged_with_the_user(daemon: Daemon) -> None:
    daemon.start()
    daemon.status()
    end = time.monotonic() + 20
    while not daemon.status()["quorum"]["quorate"]:
        assert time.monotonic() < end
        time.sleep(0.05)

    change = b'{"type":"change","why":"a test","change":{"type":"SetProperty",'
    change += b'"name":"maintenance-mode","value":"true"}}'
    answer = daemon.client._json("POST", "/v1/requests", change)

    assert answer["version"]
    (told,) = [event for event in daemon.client.events(0, 100) if event["what"] == "changed"]
    assert told["fields"]["why"] == "a test"
    assert told["fields"]["who"] == daemon.client.versions(1)[0]["who"]
