"""Who is at the other end of the unix socket, by the kernel's word.

Served are root, the user the daemon runs as, and members of the `haclient` group, as with Pacemaker.
The socket's mode already keeps others out; the check here holds even if somebody changed the mode.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from typing import Final

import msgspec

GROUP: Final = "haclient"
_UCRED: Final = struct.Struct("3i")


class Peer(msgspec.Struct, frozen=True):
    """A connected process."""

    pid: int
    uid: int
    gid: int
    user: str
    allowed: bool


def peer_of(connection: socket.socket) -> Peer:
    """Return who connected (`SO_PEERCRED`, unix(7))."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    return Peer(pid, uid, gid, user, uid in (0, os.geteuid()) or _in_group(user, gid))


def group_id() -> int | None:
    """Return the id of the `haclient` group, if this host has it."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


def _in_group(user: str, gid: int) -> bool:
    wanted = group_id()
    if wanted is None:
        return False
    try:
        return wanted in os.getgrouplist(user, gid)
    except KeyError:
        return gid == wanted
