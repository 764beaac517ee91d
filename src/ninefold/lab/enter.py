"""Command lines that run inside a host, or at the client's place beside the bridges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ninefold.lab.errors import UnknownNode, WrongPower
from ninefold.lab.model import Power

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.lab.model import HostStatus, LabStatus


def host_command(
    status: LabStatus, node: str, command: Sequence[str], *, inside: bool = False
) -> list[str]:
    """Return `command` to be run on host `node`: it shares nothing with the caller but its tty.

    `inside` says that the caller is the supervisor, in the lab's user namespace already.
    """
    host = known_host(status, node)
    if host.power is Power.OFF:
        raise WrongPower(f"{node} is off: nothing can run on it.")
    place = [f"/proc/{host.init_pid}/ns/{kind}" for kind in ("mnt", "uts", "ipc", "net", "pid")]
    flags = ("--mount", "--uts", "--ipc", "--net", "--pid")
    pairs = [f"{flag}={path}" for flag, path in zip(flags, place, strict=True)]
    user = [] if inside else _user(status, host.init_pid)
    return ["nsenter", *user, *pairs, "--", *command]


def client_command(status: LabStatus, command: Sequence[str]) -> list[str]:
    """Return `command` to be run where the client is: its network is the bridges'."""
    pid = status.supervisor_pid
    return ["nsenter", *_user(status, pid), f"--net=/proc/{pid}/ns/net", "--", *command]


def door_of(init_pid: int) -> Path:
    """Return where a host's ninefoldd listens, as it is seen from outside."""
    return Path(f"/proc/{init_pid}/root/run/ninefold/ninefold.sock")


def known_host(status: LabStatus, node: str) -> HostStatus:
    """Return the host called `node`; `UnknownNode` names those there are."""
    try:
        return status.host(node)
    except KeyError:
        known = ", ".join(host.name for host in status.hosts)
        sentence = f"There is no node {node!r} in lab {status.name}; there are {known}."
        raise UnknownNode(sentence) from None


def _user(status: LabStatus, pid: int) -> list[str]:
    if not status.user_namespace:
        return []
    return [f"--user=/proc/{pid}/ns/user", "--preserve-credentials"]
