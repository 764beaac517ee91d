"""libquorum and libvotequorum: does this ring have quorum, and how many votes is that."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.corosync.events import VotesSeen
from ninefold.host.corosync.libraries import (
    HANDLE,
    CorosyncError,
    Library,
    RingIdC,
    Source,
    Status,
    check,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MODEL_V1: Final = 1
# CS_TRACK_CURRENT | CS_TRACK_CHANGES: what is now, then what changes.
_TRACK: Final = 1 | 2
_NO_PROVIDER: Final = 0

_Numbers: Final = POINTER(c_uint32)
_Notified: Final = ctypes.CFUNCTYPE(None, HANDLE, c_uint32, RingIdC, c_uint32, _Numbers)
_Listed: Final = ctypes.CFUNCTYPE(None, HANDLE, RingIdC, *((c_uint32, _Numbers) * 3))


class _Model(ctypes.Structure):
    _fields_ = (("model", c_int), ("notified", _Notified), ("listed", _Listed))


class _Info(ctypes.Structure):
    """votequorum_info: nine numbers and the name of the quorum device."""

    _fields_ = (
        *(
            (name, c_uint)
            for name in (
                *("node_id", "node_state", "node_votes", "node_expected_votes"),
                *("highest_expected", "total_votes", "quorum", "flags", "qdevice_votes"),
            )
        ),
        ("qdevice_name", ctypes.c_char * 255),
    )


class _Calls:
    def __init__(self) -> None:
        quorum = Library("libquorum.so.5")
        votes = Library("libvotequorum.so.8")
        handle = POINTER(HANDLE)
        self.initialize = quorum.function(
            "quorum_model_initialize", handle, c_int, POINTER(_Model), _Numbers, c_void_p
        )
        self.finalize = quorum.function("quorum_finalize", HANDLE)
        self.fd_get = quorum.function("quorum_fd_get", HANDLE, POINTER(c_int))
        self.dispatch = quorum.function("quorum_dispatch", HANDLE, c_int)
        self.track = quorum.function("quorum_trackstart", HANDLE, c_uint)
        self.votes_initialize = votes.function("votequorum_initialize", handle, c_void_p)
        self.votes_finalize = votes.function("votequorum_finalize", HANDLE)
        self.info = votes.function("votequorum_getinfo", HANDLE, c_uint, POINTER(_Info))


@cache
def _calls() -> _Calls:
    return _Calls()


class Notice(msgspec.Struct, frozen=True):
    """What the quorum service says of a ring."""

    ring: RingId
    quorate: bool
    members: tuple[NodeId, ...]


class QuorumTracker(Source):
    """The quorum service's notices. `told` takes one during `dispatch`.

    The lists of joined and left nodes come before the notice, and decide nothing: they are not used.
    """

    def __init__(self, told: Callable[[Notice], None]) -> None:
        self._calls = _calls()
        super().__init__("quorum", self._calls)
        self._told = told
        # Kept for as long as C may call them.
        self._model = _Model(
            _MODEL_V1, _Notified(self.guard.wrap(self._on_notice)), _Listed(_ignored)
        )
        kind = c_uint32()
        status = self._calls.initialize(
            ctypes.byref(self.handle),
            _MODEL_V1,
            ctypes.byref(self._model),
            ctypes.byref(kind),
            None,
        )
        check("quorum_model_initialize", status)
        self.provided = kind.value != _NO_PROVIDER
        check("quorum_trackstart", self._calls.track(self.handle, _TRACK))

    def _on_notice(self, _handle: int, quorate: int, ring: RingIdC, count: int, nodes: Any) -> None:
        members = tuple(sorted(nodes[index] for index in range(count)))
        self._told(Notice(RingId(ring.seq, ring.nodeid), bool(quorate), members))


def _ignored_list(*_: Any) -> None:
    return


# One for all handles, alive for ever.
_ignored = _Listed(_ignored_list)


class Votes:
    """Asks votequorum. Its calls wait for the daemon: they belong into a thread."""

    def __init__(self) -> None:
        self._calls = _calls()
        self._handle = HANDLE()
        none = (c_uint64 * 3)()
        status = self._calls.votes_initialize(
            ctypes.byref(self._handle), ctypes.cast(none, c_void_p)
        )
        check("votequorum_initialize", status)

    def close(self) -> None:
        """Give the handle back."""
        self._calls.votes_finalize(self._handle)

    def see(self, notice: Notice) -> VotesSeen:
        """Return the votes of the notice's members, and what is needed."""
        infos = {node: self._info(node) for node in notice.members}
        votes = tuple((node, info.node_votes if info else 0) for node, info in infos.items())
        whole = next((info for info in infos.values() if info is not None), None)
        if whole is None:
            raise CorosyncError("votequorum_getinfo", Status.NOT_EXIST)
        return VotesSeen(
            notice.ring,
            notice.quorate,
            votes,
            whole.total_votes,
            whole.highest_expected,
            whole.quorum,
        )

    def _info(self, node: NodeId) -> _Info | None:
        info = _Info()
        status = self._calls.info(self._handle, node, ctypes.byref(info))
        if status == Status.NOT_EXIST:
            return None
        check("votequorum_getinfo", status)
        return info
