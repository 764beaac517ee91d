"""End the agents that outlived the daemon which called them.

A start that was under way when the daemon was killed may take effect much later, when the new daemon
has probed long ago and the cluster has started the resource elsewhere. So before a node joins:

    every call of an agent that an earlier daemon of this node made has ended

An agent is called as the leader of its own session, with a mark in its environment that names the
node, the action and the agent's file. What the agent started inherits the mark; it is known as no
agent by its session or its command line, and is left alone. As at a timeout, an agent's whole
process group goes, thus also what it put into the background without a session of its own.

An agent that turns into its service by `setsid` alone, without executing another program, looks like
a call under way and is ended too: that costs a recovery, never data.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.core.instants import Millis

MARK: Final = "NINEFOLD_CALL"

# SIGKILL takes effect at once but for a process inside a hung system call (a dead NFS server), which
# nobody can end: then the node must not join.
PATIENCE_MS: Final[Millis] = 5_000
_POLL_S: Final = 0.02

_PROC: Final = Path("/proc")


class Orphan(msgspec.Struct, frozen=True):
    """A call that an earlier daemon made and that has not ended."""

    pid: int
    action: str
    agent: str

    def __str__(self) -> str:
        return f"{self.agent} {self.action} (process {self.pid})"


class Ended(msgspec.Struct, frozen=True):
    """What was found: what has ended, and what could not be ended in time."""

    ended: tuple[Orphan, ...] = ()
    left: tuple[Orphan, ...] = ()


def owner(state: Path) -> str:
    """Return what tells this node's agents from those of another on the same kernel."""
    status = state.stat()
    return f"{status.st_dev}:{status.st_ino}"


def mark(owned_by: str, argv: Sequence[str], agent: Path) -> dict[str, str]:
    """Return the variable that an agent's call carries; the action is its last argument."""
    return {MARK: f"{owned_by} {argv[-1]} {agent}"}


def end_orphans(owned_by: str, *, patience_ms: Millis = PATIENCE_MS) -> Ended:
    """End every call that an earlier daemon of this node made. Blocks at most `patience_ms`."""
    orphans = [found for pid in _pids() if (found := _orphan(pid, owned_by)) is not None]
    for orphan in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(orphan.pid, signal.SIGKILL)
    until = time.monotonic() + patience_ms / 1000
    left = orphans
    while left and time.monotonic() < until:
        groups = _living_groups()
        left = [orphan for orphan in left if orphan.pid in groups]
        if left:
            time.sleep(_POLL_S)
    return Ended(tuple(o for o in orphans if o not in left), tuple(left))


def _pids() -> list[int]:
    return sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _orphan(pid: int, owned_by: str) -> Orphan | None:
    try:
        if os.getsid(pid) != pid:
            return None
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:  # it has ended, or belongs to somebody else
        return None
    prefix = f"{MARK}={owned_by} ".encode()
    call = next((v[len(prefix) :] for v in variables if v.startswith(prefix)), None)
    if call is None:
        return None
    action, _, agent = call.partition(b" ")
    if len(arguments) < 2 or arguments[-1] != action or agent not in arguments[:-1]:
        return None
    return Orphan(pid, action.decode(errors="replace"), os.fsdecode(agent))


def _living_groups() -> set[int]:
    """Return the process groups in which anything but a zombie is."""
    groups = set()
    for pid in _pids():
        try:
            text = (_PROC / str(pid) / "stat").read_bytes()
        except OSError:
            continue
        # The name in parentheses may hold anything; state, parent and group follow it.
        state, _, group = text.rpartition(b")")[2].split()[:3]
        if state not in (b"Z", b"X"):
            groups.add(int(group))
    return groups
