"""Agents that outlive their daemon, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.core.findings import Severity
from ninefold.daemon.settings import CannotStart, Settings, begin
from ninefold.host.orphans import MARK, end_orphans, owner

if TYPE_CHECKING:
    from collections.abc import Iterator

# A daemon that calls an agent and does not live to see it end.
DAEMON = """
import asyncio, sys
from pathlib import Path
from ninefold.agents.model import AgentName, Call
from ninefold.agents.ocf import Places
from ninefold.host.agents import AgentRunner
from ninefold.host.orphans import owner
from ninefold.host.systemd import Systemd
root = Path(sys.argv[1])
runner = AgentRunner(
    places=Places(temporary=str(root / "tmp"), run=str(root / "run")),
    ocf_roots=[root / "ocf"],
    init_directory=root / "init.d",
    systemd=Systemd("unix:path=/nonexistent"),
    owner=owner(root),
)
agent = AgentName(*sys.argv[2].split(":"))
asyncio.run(runner.run(Call(agent, "r1", "start", 0, 60_000)))
"""

# It starts its service, says so, and goes on for long; at its end it would leave a file.
AGENT = """#!/bin/sh
if test "$1" = start; then
    setsid sleep 61.5 </dev/null >/dev/null 2>&1 &
    echo $! >"{root}/service"
    echo $$ >"{root}/agent.new"
    mv "{root}/agent.new" "{root}/agent"
    sleep 60.5
    touch "{root}/started-late"
fi
"""


class Stage:
    """An agent's call whose daemon was killed."""

    def __init__(self, root: Path, agent: str = "ocf:t:Slow") -> None:
        self.root = root
        file = root / ("ocf/t/Slow" if agent.startswith("ocf") else "init.d/Slow")
        file.parent.mkdir(parents=True)
        file.write_text(AGENT.format(root=root))
        file.chmod(0o755)
        daemon = subprocess.Popen([sys.executable, "-c", DAEMON, str(root), agent])
        until = time.monotonic() + 20
        while not (root / "agent").exists():
            assert time.monotonic() < until
            assert daemon.poll() is None
            time.sleep(0.02)
        daemon.kill()
        daemon.wait()
        self.agent = int((root / "agent").read_text())
        self.service = int((root / "service").read_text())

    def clear(self) -> None:
        for pid in (self.agent, self.service):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def runs(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.fixture(params=["ocf:t:Slow", "lsb::Slow"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, request.param)
    yield stage
    stage.clear()


def test_slow_start_that_outlived_its_daemon_is_ended_and_its_service_lives(stage: Stage) -> None:
    assert runs(stage.agent)
    children = Path(f"/proc/{stage.agent}/task/{stage.agent}/children").read_text().split()
    sleeping = next(int(pid) for pid in children if int(pid) != stage.service)

    found = end_orphans(owner(stage.root))

    assert [(o.pid, o.action) for o in found.ended] == [(stage.agent, "start")]
    assert found.left == ()
    assert not runs(stage.agent)
    assert not runs(sleeping)
    assert not (stage.root / "started-late").exists()
    # It carries the mark, and leads a session of its own, but is no agent.
    assert runs(stage.service)
    assert MARK.encode() in Path(f"/proc/{stage.service}/environ").read_bytes()
    assert end_orphans(owner(stage.root)).ended == ()


def test_agents_of_another_node_on_the_same_kernel_are_left_alone(
    stage: Stage, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()

    assert end_orphans(owner(other)).ended == ()

    assert runs(stage.agent)


def test_process_that_cannot_be_ended_in_time_is_said(stage: Stage) -> None:
    # With no time at all nothing can have ended.
    found = end_orphans(owner(stage.root), patience_ms=0)

    assert [o.pid for o in found.left] == [stage.agent]


def test_calls_of_no_node_carry_no_mark(tmp_path: Path) -> None:
    from ninefold.agents.model import AgentName, Call
    from ninefold.agents.ocf import Places
    from ninefold.host.agents import AgentRunner
    from ninefold.host.systemd import Systemd

    file = tmp_path / "ocf" / "t" / "Env"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\nenv\n")
    file.chmod(0o755)
    places = Places(temporary=str(tmp_path / "tmp"), run=str(tmp_path / "run"))
    bus = Systemd("unix:path=/nonexistent")
    call = Call(AgentName("ocf", "t", "Env"), "r1", "start", 0, 10_000)
    said = [
        asyncio.run(
            AgentRunner(places=places, ocf_roots=[tmp_path / "ocf"], systemd=bus, owner=name).run(
                call
            )
        ).output
        for name in ("", "1:2")
    ]

    assert MARK not in said[0]
    assert f"{MARK}=1:2 start {file}" in said[1]


def test_daemon_that_begins_ends_them_first_and_says_so(stage: Stage) -> None:
    # Without a configuration it cannot begin, and tells everything that it found.
    with pytest.raises(CannotStart) as told:
        begin(Settings(config=stage.root / "none", state=stage.root))

    found = {finding.code: finding for finding in told.value.findings}
    assert found["orphan-ended"].severity is Severity.WARNING
    assert str(stage.agent) in found["orphan-ended"].sentence
    assert not runs(stage.agent)
    assert runs(stage.service)
