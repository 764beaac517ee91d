"""The drill's client against a real web server on a host of the lab."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ninefold.drill.outage import outage, summary
from ninefold.drill.probe import Poller, aim
from ninefold.lab import start
from ninefold.lab.client import Lab
from ninefold.lab.plan import Settings

pytestmark = pytest.mark.system

SERVER = """
import socket
s = socket.create_server(("0.0.0.0", 80), backlog=256)
print("listening", flush=True)
name = socket.gethostname().encode()
while True:
    c, _ = s.accept()
    c.recv(2000)
    c.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + name)
    c.close()
"""


def serve(lab: Lab) -> subprocess.Popen[bytes]:
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    server = lab.start("node1", python, "-ISc", SERVER, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"
    return server


def test_the_client_sees_who_answers_and_how_long_nobody_did() -> None:
    if reason := start.permitted():
        pytest.skip(reason)
    with (
        Lab.up(Settings(nodes=1, name=f"t{os.getpid()}-probe", stack="none")) as lab,
        serve(lab) as server,
    ):
        assert server.stdout is not None
        with Poller(aim("http://10.77.0.1/"), within=lab.client_command()) as poller:
            time.sleep(0.5)
            lab.cut(["node1"], link=0)
            cut_at = time.monotonic()
            time.sleep(0.6)
            lab.heal()
            time.sleep(1.5)
            attempts = poller.stop()
        lab.crash("node1")

    seen, gone = summary(attempts), outage(attempts, cut_at)
    assert list(seen.answers) == ["node1"]
    assert seen.answers["node1"] >= 100
    assert seen.overlaps == ()
    assert gone is not None
    # At least while it was cut; asking for the neighbour's address again takes up to a second more.
    assert 0.5 <= gone.gap_s <= 2.2
    assert gone.failed >= 20
