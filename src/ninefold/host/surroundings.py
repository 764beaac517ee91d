"""Look up what a `corosync.conf` is judged by: this host's names, addresses, key file and users.

All input and output of the configuration is here; the rules are in `ninefold.config`. What cannot be
looked up is reported as absent, and the rules say what that means.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import stat
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from ninefold.config.grammar import decode, parse
from ninefold.config.load import check, load
from ninefold.config.security import KEY_BYTES_MAX
from ninefold.config.surroundings import KeyFile, Surroundings, wanted

if TYPE_CHECKING:
    from ninefold.config.explain import CheckReport
    from ninefold.config.grammar import Section
    from ninefold.config.model import ClusterConfig
    from ninefold.core.findings import Finding


def look(tree: Section) -> Surroundings:
    """Return everything that judging `tree` needs. May take seconds if names must be resolved."""
    what = wanted(tree)
    return Surroundings(
        hostnames=(socket.gethostname(),),
        addresses=_local_addresses(),
        resolved={name: _resolve(name) for name in what.names},
        keyfile=_read_keyfile(what.keyfile),
        users=tuple(name for name in what.users if _user_exists(name)),
        groups=tuple(name for name in what.groups if _group_exists(name)),
        uid=os.geteuid(),
    )


def load_file(path: str) -> tuple[ClusterConfig | None, list[Finding], Surroundings]:
    """Return the configuration in the file `path` as this host sees it. Raises `OSError`."""
    with open(path, "rb") as file:  # noqa: PTH123 - a path given as text, read once
        text = decode(file.read())
    tree, _ = parse(text, file=path)
    surroundings = look(tree)
    config, findings = load(text, file=path, surroundings=surroundings)
    return config, findings, surroundings


def check_file(path: str) -> CheckReport:
    """Return what this host finds about the file `path`, and what each key would be.

    Raises `OSError`.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - a path given as text, read once
        text = decode(file.read())
    tree, _ = parse(text, file=path)
    return check(text, path, look(tree))


def _local_addresses() -> tuple[str, ...]:
    with IPRoute() as route:
        found: list[dict[str, str]] = [dict(message["attrs"]) for message in route.get_addr()]
    addresses = [attrs.get("IFA_LOCAL", attrs.get("IFA_ADDRESS", "")) for attrs in found]
    return tuple(str(ip_address(address)) for address in addresses if address)


def _resolve(name: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return ()
    addresses = [str(entry[4][0]) for entry in found]
    return tuple(dict.fromkeys(addresses))


def _read_keyfile(path: str) -> KeyFile:
    """Return the facts of the key file, all of the same opened file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        return KeyFile(trouble=getattr(error, "strerror", None) or str(error))
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return KeyFile(trouble="it is not a regular file")
        data = os.read(descriptor, KEY_BYTES_MAX + 1)
    except OSError as error:
        return KeyFile(trouble=error.strerror or str(error))
    finally:
        os.close(descriptor)
    return KeyFile(
        size=facts.st_size, mode=stat.S_IMODE(facts.st_mode), owner=facts.st_uid, data=data
    )


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
