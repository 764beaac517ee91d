"""libcmap: what Corosync runs with, and how its links do."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from functools import cache
from typing import Final

from ninefold.host.corosync.libraries import HANDLE, CorosyncError, Library, Status, check

# The map of statistics; the other one, 0, holds the configuration.
STATISTICS: Final = 1
_INTEGERS: Final[dict[int, type[ctypes._SimpleCData[int]]]] = {
    1: ctypes.c_int8,
    2: ctypes.c_uint8,
    3: ctypes.c_int16,
    4: ctypes.c_uint16,
    5: ctypes.c_int32,
    6: ctypes.c_uint32,
    7: ctypes.c_int64,
    8: ctypes.c_uint64,
}
_STRING: Final = 11


class _Calls:
    def __init__(self) -> None:
        library = Library("libcmap.so.4")
        self.initialize = library.function("cmap_initialize_map", POINTER(HANDLE), c_int)
        self.finalize = library.function("cmap_finalize", HANDLE)
        self.get = library.function(
            *("cmap_get", HANDLE, c_char_p, c_void_p, POINTER(c_size_t), POINTER(c_int))
        )


@cache
def _calls() -> _Calls:
    return _Calls()


class Cmap:
    """One map. Its calls wait for the daemon: they belong into a thread."""

    def __init__(self, which: int = 0) -> None:
        self._calls = _calls()
        self._handle = HANDLE()
        check("cmap_initialize", self._calls.initialize(ctypes.byref(self._handle), which))

    def close(self) -> None:
        """Give the handle back."""
        self._calls.finalize(self._handle)

    def get(self, key: str) -> int | str | None:
        """Return a whole number or a text; `None` if there is no such key, or it is something else."""
        size, kind = c_size_t(), c_int()
        name = key.encode()
        status = self._calls.get(self._handle, name, None, ctypes.byref(size), ctypes.byref(kind))
        if status == Status.NOT_EXIST:
            return None
        check("cmap_get", status)
        integer = _INTEGERS.get(kind.value)
        if integer is None and kind.value != _STRING:
            return None
        found = ctypes.create_string_buffer(max(size.value, 8))
        size.value = len(found)
        status = self._calls.get(self._handle, name, found, ctypes.byref(size), ctypes.byref(kind))
        if status == Status.NOT_EXIST:
            return None
        check("cmap_get", status)
        if integer is not None:
            return int(integer.from_buffer_copy(found).value)
        # The length of a string counts its NUL.
        return found.raw[: size.value].rstrip(b"\0").decode(errors="replace")


def corosync_runs() -> bool:
    """Say whether a Corosync answers on this host. Raises `CorosyncAbsent` without the libraries."""
    try:
        Cmap().close()
    except CorosyncError as error:
        return error.status not in (Status.LIBRARY, Status.NOT_EXIST)
    return True
