"""The same tests with real packets and real Corosync: members are processes on the lab's hosts.

One lab for each back end; between two tests the members are brought together again rather than made anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.lab import start
from ninefold.lab.client import Lab
from ninefold.lab.errors import LabError
from ninefold.lab.plan import Settings
from tests.conformance.member import Seen
from tests.conformance.test_conformance import (
    MEMBERSHIP_MS,
    last,
    test_a_clean_leave_is_quick,
    test_a_member_that_stands_still_is_gone_without_and_begins_anew,
    test_a_ring_number_never_comes_back_nor_falls,
    test_a_short_pause_changes_nothing,
    test_a_slow_reader_does_not_lose_what_a_fast_sender_says,
    test_all_members_deliver_the_same_messages_in_the_same_order,
    test_members_know_who_joined_and_who_left_and_why,
    test_messages_larger_than_any_packet_arrive_whole,
    test_quorum_follows_the_partition_and_the_merge,
    test_the_barrier_opens_with_the_annexes_of_all,
    test_those_who_move_on_together_have_delivered_the_same,
    test_three_ways_apart_and_together_again,
    test_what_was_submitted_in_a_broken_ring_comes_out_in_the_next,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "test_a_clean_leave_is_quick",
    "test_a_member_that_stands_still_is_gone_without_and_begins_anew",
    "test_a_ring_number_never_comes_back_nor_falls",
    "test_a_short_pause_changes_nothing",
    "test_a_slow_reader_does_not_lose_what_a_fast_sender_says",
    "test_all_members_deliver_the_same_messages_in_the_same_order",
    "test_members_know_who_joined_and_who_left_and_why",
    "test_messages_larger_than_any_packet_arrive_whole",
    "test_quorum_follows_the_partition_and_the_merge",
    "test_the_barrier_opens_with_the_annexes_of_all",
    "test_those_who_move_on_together_have_delivered_the_same",
    "test_three_ways_apart_and_together_again",
    "test_what_was_submitted_in_a_broken_ring_comes_out_in_the_next",
]

pytestmark = [pytest.mark.system, pytest.mark.root]

HERE = Path(__file__).parent
NODES = (1, 2, 3)
TOKEN_MS = 1000
DRIVER = "/run/ninefold-lab/shared/conformance/driver.py"
CONF = "/etc/corosync/corosync.conf"
SAVED = "/var/lib/ninefold/ring-seq"
# What of an earlier test still holds: where a member is, and whether it may act.
STANDING = ("regular", "active", "quorum")


def wait(wanted: Callable[[], bool], limit_ms: int) -> bool:
    """Wait until something holds; say whether it came to hold."""
    end_s = time.monotonic() + limit_ms / 1000
    while not wanted():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.005)
    return True


def needs_corosync() -> None:
    """Skip where no real Corosync can run."""
    if reason := start.permitted():
        pytest.skip(reason)
    if os.geteuid() != 0:
        pytest.skip("Corosync takes no other user's clients than root's")
    if shutil.which("corosync", path="/usr/sbin") is None:
        pytest.skip("the package corosync is not installed")


class Process:
    """A driver on a host, and what it says."""

    def __init__(
        self,
        lab: Lab,
        node: int,
        cluster: str,
        *,
        within: Sequence[str] = (),
        saved: str = SAVED,
    ) -> None:
        self.name = f"node{node}"
        self.log: list[Seen] = []
        self.leaving = False
        self._lab = lab
        self._popen = lab.start(
            self.name,
            *(*within, sys.executable, DRIVER, cluster, CONF, saved),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._input, self._output = self._popen.stdin, self._popen.stdout
        self._pid = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def runs(self) -> bool:
        return self._popen.poll() is None

    def _read(self) -> None:
        lines = iter(self._output.readline, b"")
        for line in lines:
            if not self._pid:
                self._pid = line.strip().decode()
                continue
            self.log.append(msgspec.json.decode(line, type=Seen))

    def tell(self, line: str) -> None:
        rest = line.encode() + b"\n"
        while rest:
            rest = rest[self._input.write(rest) or 0 :]

    def until(self, holds: Callable[[list[Seen]], bool], limit_ms: int = MEMBERSHIP_MS) -> bool:
        """Wait until something holds of what it was told."""
        return wait(lambda: holds(self.log), limit_ms)

    def end(self) -> None:
        """Close its input, and let go of it."""
        self._input.close()
        self.wait()

    def forget(self) -> None:
        """Begin a new test: of what was told only the present standing is left."""
        standing = [last(self.log, what) for what in STANDING]
        order = {id(seen): place for place, seen in enumerate(self.log)}
        kept = [seen for seen in standing if seen is not None]
        self.log[:] = sorted(kept, key=lambda seen: order[id(seen)])

    def kill(self) -> None:
        """Kill it, and let go of it."""
        if self.runs and self._pid:
            self._lab.thaw(self.name, DRIVER)
            self._lab.run(self.name, "kill", "-KILL", self._pid)
        self.wait()

    def wait(self) -> None:
        """Let go of a process that ends now."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)
        self._popen.kill()
        self._popen.wait(5)
        self._reader.join(5)
        self._input.close()
        self._output.close()


class RealBench:
    """Members on hosts of one lab."""

    nodes: tuple[int, ...] = NODES
    token_ms = TOKEN_MS

    def __init__(self, lab: Lab, cluster: str) -> None:
        self.lab = lab
        self.cluster = cluster
        self.processes: dict[int, Process] = {}

    def gather(self) -> None:
        """Bring all members together in one ring, with empty logs."""
        self.lab.heal()
        for node in NODES:
            process = self.processes.get(node)
            if process is None or process.leaving or not process.runs:
                if process is not None:
                    process.wait()
                self.start(node)
            else:
                self.lab.thaw(process.name, DRIVER)
        assert self.until(lambda: together(self, *NODES), MEMBERSHIP_MS), {
            node: self.log(node)[-4:] for node in NODES
        }
        for process in self.processes.values():
            process.forget()

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()

    def log(self, node: int) -> list[Seen]:
        return self.processes[node].log

    def submit(self, node: int, payload: bytes) -> None:
        short = payload.rstrip(b"\0")
        self.processes[node].tell(f"submit x{short.hex()} {len(payload) - len(short)}")

    def until(self, wanted: Callable[[], bool], limit_ms: int) -> bool:
        return wait(wanted, limit_ms)

    def partition(self, *sides: Sequence[int]) -> None:
        names = [[f"node{node}" for node in side] for side in sides]
        for index, side in enumerate(names):
            for other in names[index + 1 :]:
                self.lab.cut(side, to=other)

    def heal(self) -> None:
        self.lab.heal()

    def pause(self, node: int) -> None:
        self.lab.freeze(f"node{node}", DRIVER)

    def resume(self, node: int) -> None:
        self.lab.thaw(f"node{node}", DRIVER)

    def kill(self, node: int) -> None:
        self.processes[node].kill()

    def start(self, node: int) -> None:
        self.processes[node] = Process(self.lab, node, self.cluster)

    def leave(self, node: int) -> None:
        self.processes[node].tell("leave")
        self.processes[node].leaving = True


@pytest.fixture(scope="module", params=["embedded", "corosync"])
def members(request: pytest.FixtureRequest) -> Iterator[RealBench]:
    cluster = str(request.param)
    if reason := start.permitted():
        pytest.skip(reason)
    if cluster == "corosync":
        needs_corosync()
    name = f"t{os.getpid()}-{cluster[:4]}"
    settings = Settings(
        nodes=len(NODES), name=name, stack="none", token_ms=TOKEN_MS, token_coefficient_ms=0
    )
    with Lab.up(settings) as lab:
        shared = start.link_of(name) / "shared" / "conformance"
        shared.mkdir()
        for file in ("driver.py", "member.py"):
            shutil.copy(HERE / file, shared / file)
        corosyncs = corosync_on_every_host(lab) if cluster == "corosync" else []
        bench = RealBench(lab, cluster)
        try:
            yield bench
        finally:
            with contextlib.suppress(LabError):
                bench.close()
    for process in corosyncs:
        process.wait(10)


def corosync_on_every_host(lab: Lab) -> list[subprocess.Popen[bytes]]:
    """Start Corosync as the lab does on a stack that wants it, and return when all answer."""
    script = (
        "mkdir -p /var/log/corosync /var/lib/corosync; exec corosync -f >/var/log/corosync/out 2>&1"
    )
    quiet = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    hosts = [host.name for host in lab.status().hosts]
    started = [lab.start(host, "sh", "-c", script, **quiet) for host in hosts]
    end_s = time.monotonic() + 10
    for host in hosts:
        while lab.run(host, "corosync-cmapctl", "-g", "totem.version").returncode != 0:
            assert time.monotonic() < end_s, f"corosync on {host} does not answer"
            time.sleep(0.05)
    return started


@pytest.fixture
def bench(members: RealBench) -> RealBench:
    members.gather()
    return members
