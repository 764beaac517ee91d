"""libcfg: Corosync asks before it stops, and is told no while this node runs.

`corosync-cfgtool -H` would otherwise take the ground from under running resources.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int, c_uint
from functools import cache
from typing import Any, Final

from ninefold.host.corosync.libraries import HANDLE, Library, Source, check

_REPLY_NO: Final = 0
_Shutdown: Final = ctypes.CFUNCTYPE(None, HANDLE, c_uint)


class _Callbacks(ctypes.Structure):
    _fields_ = (("shutdown", _Shutdown),)


class _Calls:
    def __init__(self) -> None:
        library = Library("libcfg.so.7")
        self.initialize = library.function(
            "corosync_cfg_initialize", POINTER(HANDLE), POINTER(_Callbacks)
        )
        self.finalize = library.function("corosync_cfg_finalize", HANDLE)
        self.fd_get = library.function("corosync_cfg_fd_get", HANDLE, POINTER(c_int))
        self.dispatch = library.function("corosync_cfg_dispatch", HANDLE, c_uint)
        self.track = library.function("corosync_cfg_trackstart", HANDLE, ctypes.c_uint8)
        self.reply = library.function("corosync_cfg_replyto_shutdown", HANDLE, c_int)


@cache
def _calls() -> _Calls:
    return _Calls()


class ShutdownVeto(Source):
    """Refuses a shutdown of Corosync; `asked` counts how often that was tried."""

    def __init__(self) -> None:
        self._calls = _calls()
        super().__init__("corosync_cfg", self._calls)
        self._callbacks = _Callbacks(_Shutdown(self.guard.wrap(self._on_shutdown)))
        self.asked = 0
        status = self._calls.initialize(ctypes.byref(self.handle), ctypes.byref(self._callbacks))
        check("corosync_cfg_initialize", status)
        check("corosync_cfg_trackstart", self._calls.track(self.handle, 0))

    def _on_shutdown(self, handle: Any, _flags: int) -> None:
        self.asked += 1
        self._calls.reply(handle, _REPLY_NO)
