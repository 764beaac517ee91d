"""Which processes belong to a host, read from /proc; and stopping them all.

The supervisor keeps the /proc of whoever started it, so that the numbers it shows are theirs, and
runs in a pid namespace of its own, in whose numbers it must send signals. `NSpid` in
/proc/PID/status has both.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

import msgspec

PROC: Final = Path("/proc")
# A host that forks faster than it is stopped is looked at again: a stopped process forks no more,
# so each round can only find children of the round before.
FREEZE_ROUNDS_MAX: Final = 50


class Process(msgspec.Struct, frozen=True):
    """One process: `shown` is its number in the caller's pid namespace, `own` in the supervisor's."""

    shown: int
    own: int
    state: str
    name: str
    command: str


def pid_namespace(shown: int) -> str:
    """Return what names the pid namespace of a process, empty if it is gone."""
    try:
        return str((PROC / str(shown) / "ns/pid").readlink())
    except OSError:
        return ""


def in_namespace(namespace: str) -> list[Process]:
    """Return the processes in a pid namespace, by number; those that just ended are left out."""
    assert namespace
    found = []
    for entry in sorted(int(path.name) for path in PROC.iterdir() if path.name.isdecimal()):
        if pid_namespace(entry) == namespace:
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(_read(entry))
    return found


def matching(processes: list[Process], word: str) -> list[Process]:
    """Return those whose name is `word` or whose command line has it; all if `word` is empty."""
    return [process for process in processes if word == process.name or word in process.command]


def freeze(namespace: str, word: str) -> int:
    """Stop the matching processes of a host; return how many are stopped."""
    count = 0
    for _ in range(FREEZE_ROUNDS_MAX):
        chosen = matching(in_namespace(namespace), word)
        count = len(chosen)
        running = [process for process in chosen if process.state not in "TZX"]
        if not running:
            return count
        _signal(running, signal.SIGSTOP)
        time.sleep(0.001)
    return count


def thaw(namespace: str, word: str) -> int:
    """Let the matching processes go on; return how many."""
    chosen = matching(in_namespace(namespace), word)
    _signal(chosen, signal.SIGCONT)
    return len(chosen)


def wake_wrappers(init_pid: int) -> None:
    """Let stopped nsenter(1) processes of ours go on that wait for a command inside a host.

    nsenter stops itself when its child is stopped, and it stands outside the host, so neither the
    thaw nor the end of the host reaches it.
    """
    marker = f"/proc/{init_pid}/ns/pid".encode()
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[0] == b"nsenter" and any(word.endswith(marker) for word in words):
                    os.kill(int(entry.name), signal.SIGCONT)


def _signal(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.own, number)


def _read(shown: int) -> Process:
    lines = (PROC / str(shown) / "status").read_text(errors="replace").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    numbers = [int(number) for number in fields["NSpid"].split()]
    command = (PROC / str(shown) / "cmdline").read_bytes().replace(b"\0", b" ")
    return Process(
        shown=shown,
        # The last number is the host's own, the one before it the supervisor's.
        own=numbers[-2],
        state=fields["State"].split()[0],
        name=fields["Name"].strip(),
        command=command.decode(errors="replace").strip(),
    )
