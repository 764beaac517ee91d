"""Run a program: its own session, a bound on time and on output, and nothing left behind.

Only this module starts and ends programs. A program is started by `vfork` (`subprocess.Popen`
without `preexec_fn`, user or group), so a daemon of 60 MiB copies no page tables; the loop stands
still only until the child's `execve`. Its end is told by a pidfd, so no signal handler and no
child watcher of asyncio is involved.

A process group is signalled only while its leader is running or a zombie of ours: until it has
been reaped its number cannot be given to a stranger.

Needs Linux 5.3 (`pidfd_open`). A child that calls `setsid` itself leaves the group; that is how an
agent's daemon survives its start, and also how it would survive a timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.instants import Millis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

# What a pipe holds by default, so one read empties it.
READ_BYTES: Final = 65536
# An agent's answer is an exit code and a few lines; logs go elsewhere.
OUTPUT_LIMIT_BYTES: Final = 65536
# A program that has had its say is read at most 64 KiB each 10 ms (6.4 MB/s): it never blocks for
# ever on a full pipe, and costs well below 1 % of a core.
FLOOD_PAUSE_S: Final = 0.01
# From SIGTERM to SIGKILL. Short, because the caller's timeout has passed already.
KILL_GRACE_MS: Final = 500
# From SIGKILL until we stop waiting: only a process inside a hung system call (a dead NFS server)
# takes longer, and no one can end it.
UNKILLABLE_MS: Final = 2000
# Reads of what is left in a pipe after the program ended: 16 x 64 KiB is the largest pipe that an
# unprivileged process may set.
LAST_READS: Final = 16


class SpawnError(Exception):
    """The program could not be started; `errno` as `execve` or `vfork` gave it."""

    def __init__(self, program: str, code: int) -> None:
        super().__init__(f"cannot run {program}: {os.strerror(code)}")
        self.errno = code


class ProcessResult(msgspec.Struct, frozen=True):
    """How a program ended. Exactly one of `rc` and `signal` is set, unless it could not be killed.

    `stdout` and `stderr` are the first `output_limit` bytes each; `truncated` says more came.
    """

    rc: int | None
    signal: int | None
    timed_out: bool
    stdout: bytes
    stderr: bytes
    exec_ms: Millis
    truncated: bool = False


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: bytes = b"",
    timeout_ms: Millis,
    output_limit: int = OUTPUT_LIMIT_BYTES,
) -> ProcessResult:
    """Run `argv` until it ends or `timeout_ms` passes; then end its whole process group.

    The result comes when the program itself has ended, also when a child of it keeps its output
    open. Cancelling the call kills the group at once. Raises `SpawnError`.
    """
    assert argv
    assert timeout_ms > 0
    loop = asyncio.get_running_loop()
    started = loop.time()
    child = _Child(loop, _spawn(argv, env, stdin), output_limit)
    try:
        timed_out = not await child.ended_within(timeout_ms)
        if timed_out:
            await _end_group(child)
    except asyncio.CancelledError:
        child.signal_group(signal.SIGKILL)
        await child.ended_within(UNKILLABLE_MS)
        raise
    return child.result(timed_out=timed_out, exec_ms=round((loop.time() - started) * 1000))


async def _end_group(child: _Child) -> None:
    child.signal_group(signal.SIGTERM)
    if not await child.ended_within(KILL_GRACE_MS):
        child.signal_group(signal.SIGKILL)
        await child.ended_within(UNKILLABLE_MS)


def _spawn(argv: Sequence[str], env: Mapping[str, str], stdin: bytes) -> subprocess.Popen[bytes]:
    """Start the program, its input in an anonymous file: nothing to feed, no pipe to fill."""
    with contextlib.ExitStack() as opened:
        source: int = subprocess.DEVNULL
        if stdin:
            file = opened.enter_context(open(os.memfd_create("stdin"), "r+b"))  # noqa: PTH123 - no path
            file.write(stdin)
            file.seek(0)
            source = file.fileno()
        try:
            process = subprocess.Popen(
                argv,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=env,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise SpawnError(argv[0], error.errno or errno.EIO) from error
        except (
            ValueError
        ) as error:  # a NUL byte or "=" where the kernel's format has no room for it
            raise SpawnError(argv[0], errno.EINVAL) from error
    _drop_shield(process.pid)
    return process


def _drop_shield(pid: int) -> None:
    """Let the kernel weigh a started program like any other when memory runs out.

    systemd shields the daemon (`OOMScoreAdjust=` of the unit), and children inherit that. Shielded
    services would leave the kernel nobody to end but those that had no part in the shortage. The
    program runs since some microseconds and has had no time for children of its own.
    """
    if int(Path("/proc/self/oom_score_adj").read_text()) < 0:
        # It may have ended already; it is not reaped, so the number is still its own.
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text("0")


class _Stream:
    """One output of a child: the first bytes are kept, the rest is read and dropped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: IO[bytes], limit: int) -> None:
        self._loop = loop
        self._pipe = pipe
        self._fd = pipe.fileno()
        self._limit = limit
        self._paused: asyncio.TimerHandle | None = None
        self.kept = bytearray()
        self.truncated = False
        os.set_blocking(self._fd, False)
        loop.add_reader(self._fd, self._on_readable)

    def _take(self) -> bool:
        """Read once; false when there is nothing (more) to read."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return False
        room = self._limit - len(self.kept)
        self.kept += data[:room]
        self.truncated = self.truncated or len(data) > room
        return bool(data)

    def _on_readable(self) -> None:
        if not self._take():
            self._loop.remove_reader(self._fd)
        elif self.truncated:
            self._loop.remove_reader(self._fd)
            self._paused = self._loop.call_later(FLOOD_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._fd, self._on_readable)

    def close(self) -> None:
        """Take what is left and let go of the pipe, whoever still holds the other end."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._fd)
        for _ in range(LAST_READS):
            if not self._take():
                break
        self._pipe.close()


class _Child:
    """A started program until it has been reaped."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, process: subprocess.Popen[bytes], limit: int
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._loop = loop
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._ended = loop.create_future()
        self._doomed = False
        self._stdout = _Stream(loop, process.stdout, limit)
        self._stderr = _Stream(loop, process.stderr, limit)
        loop.add_reader(self._pidfd, self._on_end)

    async def ended_within(self, period_ms: Millis) -> bool:
        await asyncio.wait([self._ended], timeout=period_ms / 1000)
        return self._ended.done()

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the program and every child that stayed in its group, if it has not ended."""
        self._doomed = True
        if not self._ended.done():
            os.killpg(self._process.pid, number)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self._doomed:  # what ignored SIGTERM goes with its leader, not yet reaped
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()
        self._stderr.close()
        self._ended.set_result(None)

    def result(self, *, timed_out: bool, exec_ms: Millis) -> ProcessResult:
        code = self._process.returncode
        return ProcessResult(
            rc=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            timed_out=timed_out,
            stdout=bytes(self._stdout.kept),
            stderr=bytes(self._stderr.kept),
            exec_ms=exec_ms,
            truncated=self._stdout.truncated or self._stderr.truncated,
        )
