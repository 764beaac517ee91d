"""Load the libraries, name their results, and keep what C must not lose.

The sonames are those of Corosync 3. Handles are 64 bits wide, so every call gets its argument types:
without them ctypes would cut a handle to an int.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE: Final = "Install Debian's packages corosync and libcpg4 (or your distribution's)."
HANDLE: Final = ctypes.c_uint64
# CS_DISPATCH_ONE_NONBLOCKING: one callback, or none. DISPATCH_ALL was seen to run 800 in one call.
DISPATCH_ONE: Final = 4


class Status(IntEnum):
    """cs_error_t, as far as it means something here."""

    OK = 1
    LIBRARY = 2
    INIT = 4
    TIMEOUT = 5
    TRY_AGAIN = 6
    INVALID_PARAM = 7
    BAD_HANDLE = 9
    ACCESS = 11
    NOT_EXIST = 12
    EXIST = 14
    INTERRUPT = 16
    NO_RESOURCES = 18
    NOT_SUPPORTED = 19


_MEANING: Final[dict[int, str]] = {
    Status.LIBRARY: "Corosync does not run, or has ended",
    Status.TRY_AGAIN: "Corosync is busy",
    Status.ACCESS: "this user may not speak to Corosync: run as root, or add a uidgid.d file",
    Status.EXIST: "this process is in the group already",
}


class CorosyncError(Exception):
    """A call was refused; `status` is the library's number for the reason."""

    def __init__(self, call: str, status: int) -> None:
        meaning = _MEANING.get(status, f"error {status} of Corosync")
        super().__init__(f"{call}: {meaning}")
        self.status = status


class CorosyncAbsent(Exception):
    """The client libraries are not installed; the text says what to install."""


class Library:
    """One shared library with typed calls."""

    def __init__(self, soname: str) -> None:
        try:
            self._library = ctypes.CDLL(soname)
        except OSError as error:
            raise CorosyncAbsent(f"{soname} cannot be loaded ({error}). {PACKAGE}") from error

    def function(self, name: str, *argtypes: Any) -> Callable[..., int]:
        """Return the call `name`, typed, with an int as its result."""
        function = getattr(self._library, name)
        function.argtypes = argtypes
        function.restype = ctypes.c_int
        found: Callable[..., int] = function
        return found


def check(call: str, status: int) -> None:
    """Raise `CorosyncError` unless the call was done."""
    if status != Status.OK:
        raise CorosyncError(call, status)


def taken(call: str, status: int) -> bool:
    """Say whether a call was taken, or has to be made again; raise `CorosyncError` if neither."""
    if status in (Status.TRY_AGAIN, Status.TIMEOUT):
        return False
    check(call, status)
    return True


class Guard:
    """Carries an exception of a callback past the C code that called it, which would lose it."""

    def __init__(self) -> None:
        self._error: BaseException | None = None

    def wrap(self, function: Callable[..., None]) -> Callable[..., None]:
        """Return `function` so that what it raises is kept."""

        def guarded(*arguments: Any) -> None:
            try:
                function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised again by `release`
                self._error = self._error or error

        return guarded

    def release(self) -> None:
        """Raise what a callback raised."""
        error, self._error = self._error, None
        if error is not None:
            raise error


class Calls(Protocol):
    """The calls of one library that every handle with callbacks needs."""

    @property
    def fd_get(self) -> Callable[..., int]:
        """`*_fd_get`."""

    @property
    def dispatch(self) -> Callable[..., int]:
        """`*_dispatch`."""

    @property
    def finalize(self) -> Callable[..., int]:
        """`*_finalize`."""


class Source:
    """A handle whose callbacks are called while `dispatch` runs, one at a time.

    `name` is what the calls of the library begin with. Whoever inherits initialises the handle, with callbacks that are
    wrapped by `guard` and kept for as long as the handle lives.
    """

    def __init__(self, name: str, calls: Calls) -> None:
        self.guard = Guard()
        self.handle = HANDLE()
        self._prefix = name
        self._library = calls

    @property
    def fd(self) -> int:
        """The descriptor that is readable when there is something to dispatch, or the daemon is dead."""
        found = ctypes.c_int()
        check(f"{self._prefix}_fd_get", self._library.fd_get(self.handle, ctypes.byref(found)))
        return found.value

    def dispatch(self) -> bool:
        """Take one report at most; False if there is none."""
        status = self._library.dispatch(self.handle, DISPATCH_ONE)
        self.guard.release()
        return taken(f"{self._prefix}_dispatch", status)

    def close(self) -> None:
        """Give the handle back."""
        self._library.finalize(self.handle)


class RingIdC(ctypes.Structure):
    """cpg_ring_id and quorum_ring_id: 16 bytes, 4 of them padding; passed by value."""

    _fields_ = (("nodeid", ctypes.c_uint32), ("seq", ctypes.c_uint64))
