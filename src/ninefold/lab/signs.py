"""What runs on a host, as its kernel and its files show it: what no node says about itself.

Each sign is asked for by the number of a host's first process and raises `OSError` when that has ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

# In /proc/net/tcp: a port in hexadecimal, nobody at the other end, and the state LISTEN.
_LISTENS: Final = (
    ("tcp", ":{port:04X} 00000000:0000 0A"),
    ("tcp6", ":{port:04X} 00000000000000000000000000000000:0000 0A"),
)

Sign: TypeAlias = "Callable[[int], bool]"


def listens(port: int) -> Sign:
    """Does anything listen on that TCP port in the host's network?"""
    marks = [(name, mark.format(port=port)) for name, mark in _LISTENS]
    return lambda pid: any(mark in (_proc(pid) / "net" / name).read_text() for name, mark in marks)


def has_address(address: str) -> Sign:
    """Does the host's network have that address?"""
    return lambda pid: f"|-- {address}\n" in (_proc(pid) / "net/fib_trie").read_text()


def has_dummy(resource: str) -> Sign:
    """Is the resource, an `ocf:ninefold:dummy`, started there?"""
    return lambda pid: dummy_state(pid, resource).exists()


def dummy_state(pid: int, resource: str) -> Path:
    """Return the file that is such a resource."""
    return _proc(pid) / f"root/run/ninefold/dummy-{resource}.state"


def dummy_fault(pid: int, resource: str, word: str) -> Path:
    """Return the file by which a test makes such a resource misbehave on one host."""
    return _proc(pid) / f"root/run/ninefold/faults-{resource}/{word}"


def _proc(pid: int) -> Path:
    return Path("/proc") / str(pid)
