"""Load the libraries, name their results, and keep what C must not lose.

The sonames are those of Corosync 3. Handles are 64 bits wide, so every call gets its argument types:
without them ctypes would cut a handle to an int.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

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


class RingIdC(ctypes.Structure):
    """cpg_ring_id and quorum_ring_id: 16 bytes, 4 of them padding; passed by value."""

    _fields_ = (("nodeid", ctypes.c_uint32), ("seq", ctypes.c_uint64))
