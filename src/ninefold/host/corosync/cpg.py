"""libcpg: the closed process group of the daemons, in agreed order."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_int, c_size_t, c_uint, c_uint32, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ninefold.core.ids import RingId
from ninefold.corosync.events import (
    GroupConfigured,
    GroupMessage,
    Process,
    Reason,
    TotemConfigured,
)
from ninefold.host.corosync.libraries import (
    HANDLE,
    Library,
    RingIdC,
    Source,
    check,
    taken,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP: Final = b"ninefold"
_MODEL_V1: Final = 1
_AGREED: Final = 2
# The present ring is told at the join, not only the next one.
_INITIAL_TOTEM_CONF: Final = 1
_REASONS: Final = {
    1: Reason.JOIN,
    2: Reason.LEAVE,
    3: Reason.NODEDOWN,
    4: Reason.NODEUP,
    5: Reason.PROCDOWN,
}


class _Name(ctypes.Structure):
    """cpg_name: read by its length, since it need not end with a NUL."""

    _fields_ = (("length", c_uint32), ("value", ctypes.c_char * 128))


class _Address(ctypes.Structure):
    _fields_ = (("nodeid", c_uint32), ("pid", c_uint32), ("reason", c_uint32))


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", c_size_t))


_Addresses: Final = POINTER(_Address)
_Deliver: Final = ctypes.CFUNCTYPE(
    None, HANDLE, POINTER(_Name), c_uint32, c_uint32, c_void_p, c_size_t
)
_Confchg: Final = ctypes.CFUNCTYPE(None, HANDLE, POINTER(_Name), *((_Addresses, c_size_t) * 3))
_TotemConfchg: Final = ctypes.CFUNCTYPE(None, HANDLE, RingIdC, c_uint32, POINTER(c_uint32))


class _Model(ctypes.Structure):
    _fields_ = (
        ("model", c_int),
        ("deliver", _Deliver),
        ("confchg", _Confchg),
        ("totem_confchg", _TotemConfchg),
        ("flags", c_uint),
    )


class _Calls:
    def __init__(self) -> None:
        library = Library("libcpg.so.4")
        handle = POINTER(HANDLE)
        self.initialize = library.function(
            "cpg_model_initialize", handle, c_int, POINTER(_Model), c_void_p
        )
        self.finalize = library.function("cpg_finalize", HANDLE)
        self.fd_get = library.function("cpg_fd_get", HANDLE, POINTER(c_int))
        self.dispatch = library.function("cpg_dispatch", HANDLE, c_int)
        self.join = library.function("cpg_join", HANDLE, POINTER(_Name))
        self.leave = library.function("cpg_leave", HANDLE, POINTER(_Name))
        self.local_get = library.function("cpg_local_get", HANDLE, POINTER(c_uint))
        self.mcast = library.function("cpg_mcast_joined", HANDLE, c_int, POINTER(_Iovec), c_uint)


@cache
def _calls() -> _Calls:
    return _Calls()


class Cpg(Source):
    """One handle, hence one group. `told` takes what the library reports, during `dispatch`.

    The calls that wait for the daemon (all but `send` and `dispatch`) belong into a thread.
    """

    def __init__(
        self, told: Callable[[GroupConfigured | GroupMessage | TotemConfigured], None]
    ) -> None:
        self._calls = _calls()
        super().__init__("cpg", self._calls)
        self._told = told
        # C calls these for as long as the handle lives, so they live as long as this object.
        self._model = _Model(
            _MODEL_V1,
            _Deliver(self.guard.wrap(self._on_deliver)),
            _Confchg(self.guard.wrap(self._on_confchg)),
            _TotemConfchg(self.guard.wrap(self._on_totem)),
            _INITIAL_TOTEM_CONF,
        )
        self._name = _Name(len(GROUP), GROUP)
        status = self._calls.initialize(
            ctypes.byref(self.handle), _MODEL_V1, ctypes.byref(self._model), None
        )
        check("cpg_model_initialize", status)

    def me(self) -> Process:
        """Return this process as the group knows it."""
        node = c_uint()
        check("cpg_local_get", self._calls.local_get(self.handle, ctypes.byref(node)))
        return Process(node.value, os.getpid())

    def join(self) -> bool:
        """Ask to join; False if it has to be tried again. Our own change of configuration completes it."""
        return taken("cpg_join", self._calls.join(self.handle, ctypes.byref(self._name)))

    def leave(self) -> bool:
        """Ask to leave; False if it has to be tried again."""
        return taken("cpg_leave", self._calls.leave(self.handle, ctypes.byref(self._name)))

    def send(self, data: bytes) -> bool:
        """Multicast; False if it has to be tried again. Nothing is proven until it comes back."""
        piece = _Iovec(data, len(data))
        status = self._calls.mcast(self.handle, _AGREED, ctypes.byref(piece), 1)
        return taken("cpg_mcast_joined", status)

    def _on_deliver(
        self, _handle: int, _name: Any, node: int, pid: int, data: int, size: int
    ) -> None:
        # The memory is the library's, and valid during this call only.
        self._told(GroupMessage(Process(node, pid), ctypes.string_at(data, size)))

    def _on_confchg(self, _handle: int, _name: Any, *lists: Any) -> None:
        members, left, joined = (
            [lists[at][index] for index in range(lists[at + 1])] for at in (0, 2, 4)
        )
        self._told(
            GroupConfigured(
                tuple(sorted(Process(each.nodeid, each.pid) for each in members)),
                tuple(_reasoned(each) for each in joined),
                tuple(_reasoned(each) for each in left),
            )
        )

    def _on_totem(self, _handle: int, ring: RingIdC, count: int, nodes: Any) -> None:
        members = tuple(sorted(nodes[index] for index in range(count)))
        self._told(TotemConfigured(RingId(ring.seq, ring.nodeid), members))


def _reasoned(address: _Address) -> tuple[Process, Reason]:
    reason = _REASONS.get(address.reason, Reason.UNDEFINED)
    return Process(address.nodeid, address.pid), reason
