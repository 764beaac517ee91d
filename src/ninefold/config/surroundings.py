"""What a `corosync.conf` can only be judged by: names, addresses, the key file, users of this host.

A value, looked up by whoever may look (`host.surroundings`) or made up by a test. `wanted` says what
a given file makes worth looking up.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from ninefold.config.grammar import Section

DEFAULT_KEYFILE: Final = "/etc/corosync/authkey"
# Each name costs a look-up that may take seconds when the resolver is away: 384 nodes, 8 links.
NAMES_MAX: Final = 384 * 8


class KeyFile(msgspec.Struct, frozen=True):
    """The key file as found. `mode` holds the permission bits, `owner` a uid.

    `trouble` says why it could not be read, in the system's words; then the rest means nothing.
    """

    size: int = 0
    mode: int = 0o400
    owner: int = 0
    data: bytes = b""
    trouble: str = ""

    @property
    def present(self) -> bool:
        """Whether it could be read."""
        return not self.trouble


class Surroundings(msgspec.Struct, frozen=True):
    """What was found on this host. `resolved` maps each name to its addresses, in order."""

    hostnames: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    resolved: dict[str, tuple[str, ...]] = {}
    keyfile: KeyFile = KeyFile(trouble="was not looked for")
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    uid: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """What to look up for one file. `keyfile` is empty when the key is not in a file."""

    names: tuple[str, ...]
    keyfile: str
    users: tuple[str, ...]
    groups: tuple[str, ...]


def is_numeric(address: str) -> bool:
    """Return whether `address` is an IP address and needs no look-up."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def names_to_resolve(tree: Section) -> tuple[str, ...]:
    """Return the addresses of the nodelist that are names, each once, in order."""
    names = [
        entry.value
        for nodelist in tree.named("nodelist")
        for node in nodelist.named("node")
        for entry in node.entries
        if entry.key.startswith("ring") and entry.key.endswith("_addr")
    ]
    wanted = [name for name in dict.fromkeys(names) if name and not is_numeric(name)]
    return tuple(wanted[:NAMES_MAX])


def wanted(tree: Section) -> Wanted:
    """Return everything that must be looked up to judge the file."""
    keyfile = DEFAULT_KEYFILE
    for totem in tree.named("totem"):
        for entry in totem.entries:
            if entry.key == "keyfile":
                keyfile = entry.value
    users = [e.value for s in tree.named("uidgid") for e in s.entries if e.key == "uid"]
    groups = [e.value for s in tree.named("uidgid") for e in s.entries if e.key == "gid"]
    return Wanted(
        names=names_to_resolve(tree),
        keyfile=keyfile,
        users=tuple(dict.fromkeys(users)),
        groups=tuple(dict.fromkeys(groups)),
    )
