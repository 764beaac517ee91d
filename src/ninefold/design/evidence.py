"""What a failover group's own files say: its `corosync.conf` and its CIB, judged for no host in particular.

A design is read far from the cluster: names of its hosts need not resolve here, and its key need not
lie here. Both are taken as given, so that only the file itself is judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.cib.document import Cib
from ninefold.config.grammar import decode, parse
from ninefold.config.keys import KEYS
from ninefold.config.load import load
from ninefold.config.model import ClusterConfig
from ninefold.config.surroundings import KeyFile, Surroundings, names_to_resolve, wanted
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.config.grammar import Section
    from ninefold.design.model import Group

# The key that corosync-keygen makes has 256 bytes; what is in it does not matter here.
_KEY: Final = KeyFile(size=256, mode=0o400, owner=0, data=bytes(256))


class Evidence(msgspec.Struct, frozen=True):
    """The two files as read; `None` where there is none, or none that can be used."""

    config: ClusterConfig | None = None
    # The `<configuration>` of the CIB (an lxml element).
    configuration: Any = None
    findings: tuple[Finding, ...] = ()
    # How the ring's packets travel; empty without a file.
    transport: str = ""


def evidence_of(group: Group) -> Evidence:
    """Read the files that `group` names. Never raises: what cannot be read is a finding."""
    config, config_findings, transport = _config(group.corosync)
    configuration, cib_findings = _configuration(group.cib) if group.cib else (None, [])
    return Evidence(config, configuration, (*config_findings, *cib_findings), transport)


def surroundings_of(tree: Section) -> Surroundings:
    """Return a host on which the file could run: the first node's, with all names known.

    Made-up addresses are from 198.18.0.0/15, which is set aside for tests (RFC 2544).
    """
    named = [
        entry.value
        for nodelist in tree.named("nodelist")
        for node in nodelist.named("node")
        for entry in node.entries
        if entry.key == "name"
    ]
    addresses: dict[str, tuple[str, ...]] = {
        name: (f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}",)
        for number, name in enumerate(names_to_resolve(tree), 1)
    }
    firsts = [
        entry.value
        for nodelist in tree.named("nodelist")
        for node in nodelist.named("node")[:1]
        for entry in node.entries
        if entry.key == "ring0_addr"
    ]
    local = tuple(addresses.get(first, (first,))[0] for first in firsts[:1])
    asked = wanted(tree)
    return Surroundings(
        hostnames=tuple(named[:1]) or ("localhost",),
        addresses=() if named else local,
        resolved=addresses,
        keyfile=_KEY,
        users=asked.users,
        groups=asked.groups,
    )


def _config(path: str) -> tuple[ClusterConfig | None, list[Finding], str]:
    if not path:
        return None, [], ""
    try:
        text = decode(Path(path).read_bytes())
    except OSError as error:
        return None, [_unreadable(path, error)], ""
    tree, _ = parse(text, file=path)
    given = [
        entry.value
        for totem in tree.named("totem")
        for entry in totem.entries
        if entry.key == "transport"
    ]
    config, findings = load(text, file=path, surroundings=surroundings_of(tree))
    return config, findings, given[-1] if given else KEYS["totem.transport"].default


def _configuration(path: str) -> tuple[Element | None, list[Finding]]:
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        return None, [_unreadable(path, error)]
    cib, findings = Cib.parse(text)
    placed = [msgspec.structs.replace(one, file=one.file or path) for one in findings]
    return (None if cib is None else cib.configuration_part.element), placed


def _unreadable(path: str, error: OSError) -> Finding:
    return Finding(
        "unreadable",
        Severity.ERROR,
        path,
        f"The file cannot be read: {error.strerror}.",
        "Correct the path in the infrastructure file, or make the file readable.",
        path,
    )
