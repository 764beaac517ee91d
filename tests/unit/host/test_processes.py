"""Real programs: how they end, what they print, what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.host import processes
from ninefold.host.processes import ProcessResult, SpawnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENV = {"PATH": "/usr/bin:/bin", "GREETING": "hello"}


def sh(
    script: str, *, timeout_ms: int = 10_000, stdin: bytes = b"", limit: int = 65536
) -> ProcessResult:
    argv = ["/bin/sh", "-c", script]
    return asyncio.run(
        processes.run(argv, env=ENV, stdin=stdin, timeout_ms=timeout_ms, output_limit=limit)
    )


def children() -> list[str]:
    """Pids of this process's children, zombies too."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    # A lab that other tests share may be a child of this process, too.
    before = children()
    yield
    assert not set(children()) - set(before)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that its new parent has yet to reap does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def eventually(said: Callable[[], bool], within_s: float = 3.0) -> bool:
    until = time.monotonic() + within_s
    while not said():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_exit_code_and_both_outputs_are_told() -> None:
    result = sh("echo out; echo err >&2; exit 7")

    assert (result.rc, result.signal, result.timed_out) == (7, None, False)
    assert (result.stdout, result.stderr, result.truncated) == (b"out\n", b"err\n", False)


def test_environment_is_exactly_what_was_given() -> None:
    result = sh("env")

    names = {line.split(b"=")[0] for line in result.stdout.splitlines()}
    assert names - {b"PWD", b"OLDPWD", b"SHLVL", b"_"} == {b"PATH", b"GREETING"}


def test_input_longer_than_a_pipe_arrives_whole() -> None:
    result = sh("wc -c", stdin=b"x" * 300_000)

    assert result.stdout.strip() == b"300000"


def test_no_input_is_the_end_of_input() -> None:
    assert sh("cat").stdout == b""


def test_program_leads_a_session_and_group_of_its_own() -> None:
    fields = sh("cat /proc/self/stat; echo $$").stdout.split()

    # pid (comm) state ppid pgrp session: cat's group and session are the shell's pid
    assert fields[4] == fields[5] == fields[-1]


def test_death_by_signal_is_told_as_such() -> None:
    result = sh("kill -9 $$")

    assert (result.rc, result.signal, result.timed_out) == (None, 9, False)


def test_slow_program_is_ended_by_sigterm_within_its_grace() -> None:
    result = sh("trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done", timeout_ms=100)

    assert result.timed_out
    assert (result.rc, result.stdout) == (3, b"bye\n")
    assert result.exec_ms < 100 + processes.KILL_GRACE_MS


def test_program_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {note}; while :; do sleep 600; done"

    result = sh(script, timeout_ms=100)

    assert result.timed_out
    assert result.signal == 9
    assert eventually(lambda: not alive(int(note.read_text())))


def test_child_that_ignores_sigterm_goes_with_a_leader_that_heeds_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"(trap '' TERM; echo go > {note}.go; sleep 600 & echo $! > {note}; wait) & wait"

    result = sh(script, timeout_ms=200)

    assert result.timed_out
    assert eventually(lambda: not alive(int(note.read_text())))


def test_grandchild_that_holds_the_output_open_delays_nothing(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    result = sh(f"sleep 30 & echo $! > {note}; echo started")

    grandchild = int(note.read_text())
    assert (result.rc, result.stdout, result.timed_out) == (0, b"started\n", False)
    assert result.exec_ms < 5000
    assert alive(grandchild)  # a daemon that a start left behind must live on
    os.kill(grandchild, 9)


def test_flood_is_cut_and_does_not_block() -> None:
    result = sh("head -c 3000000 /dev/zero; echo end >&2", limit=1000)

    assert (result.rc, result.timed_out, result.truncated) == (0, False, True)
    assert len(result.stdout) == 1000
    assert result.stderr == b"end\n"


def test_endless_flood_ends_at_the_timeout() -> None:
    result = sh("yes", timeout_ms=200, limit=1000)

    assert result.timed_out
    assert len(result.stdout) == 1000


def test_last_words_before_the_end_are_not_lost() -> None:
    for _ in range(20):
        assert len(sh("head -c 60000 /dev/zero").stdout) == 60_000


def test_missing_program_is_told_by_errno() -> None:
    with pytest.raises(SpawnError) as caught:
        asyncio.run(processes.run(["/no/such"], env={}, timeout_ms=1000))

    assert caught.value.errno == 2


def test_program_without_execute_bit_is_told_by_errno(tmp_path: Path) -> None:
    script = tmp_path / "plain"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(SpawnError) as caught:
        asyncio.run(processes.run([str(script)], env={}, timeout_ms=1000))

    assert caught.value.errno == 13


def test_parameter_with_a_nul_byte_is_refused_not_crashed_on() -> None:
    with pytest.raises(SpawnError):
        asyncio.run(processes.run(["/bin/true"], env={"A": "b\0c"}, timeout_ms=1000))


def test_cancelling_kills_the_group_and_leaves_no_zombie(tmp_path: Path) -> None:
    note = tmp_path / "pid"

    async def cancel_midway() -> None:
        argv = ["/bin/sh", "-c", f"trap '' TERM; sleep 600 & echo $! > {note}; wait; sleep 600"]
        task = asyncio.create_task(processes.run(argv, env=ENV, timeout_ms=60_000))
        assert await asyncio.to_thread(eventually, lambda: note.exists() and note.read_text() != "")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_midway())

    assert eventually(lambda: not alive(int(note.read_text())))


def test_many_programs_at_once_leave_neither_zombies_nor_descriptors() -> None:
    async def many() -> list[ProcessResult]:
        calls = [
            processes.run(["/bin/sh", "-c", f"exit {n}"], env=ENV, timeout_ms=20_000)
            for n in range(40)
        ]
        return await asyncio.gather(*calls)

    gc.collect()  # what earlier tests left to the collector must not be counted
    before = len(list(Path("/proc/self/fd").iterdir()))
    results = asyncio.run(many())

    assert [result.rc for result in results] == list(range(40))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_starting_a_program_does_not_copy_a_large_process() -> None:
    # vfork: the loop's longest standstill does not grow with what the process holds in memory.
    # 200 MiB of touched pages cost a fork about 4 ms on this class of machine, a vfork nothing.
    ballast = bytearray(os.urandom(4096) * 51_200)

    small = _standstill_ms()
    assert len(ballast) > 200_000_000
    assert small < 20  # generous: two busy cores may run something else in between


def _standstill_ms() -> float:
    """The median, over several starts, of the longest gap between two turns of the loop."""

    async def measure() -> float:
        worst: list[float] = []
        for _ in range(9):
            task = asyncio.create_task(processes.run(["/bin/true"], env={}, timeout_ms=5000))
            longest, last = 0.0, time.perf_counter()
            while not task.done():
                await asyncio.sleep(0)
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            worst.append(longest * 1000)
        return sorted(worst)[len(worst) // 2]

    return asyncio.run(measure())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may shield a process")
def test_daemon_shielded_from_the_killer_shields_no_service() -> None:
    mine = Path("/proc/self/oom_score_adj")
    before = mine.read_text()
    try:
        mine.write_text("-500")
    except OSError as error:
        pytest.skip(f"no capability to shield a process: {error.strerror}")

    try:
        result = sh("sleep 0.1; cat /proc/self/oom_score_adj")
    finally:
        mine.write_text(before)

    assert result.stdout.strip() == b"0"
