"""What a reload asks of one host: read `corosync.conf` again, and try what it asks of this host.

Whether it is taken is agreed upon by all members (`node.reload`). Nothing is changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ninefold.core.findings import Finding, Severity
from ninefold.daemon.reply import Reply, refusal
from ninefold.daemon.settings import configuration
from ninefold.host.files import sync
from ninefold.host.udp import openable
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.config.model import ClusterConfig
    from ninefold.node.machine import Node

REFUSED: Final = "reload-refused"


def read_again(
    path: Path, running: ClusterConfig, key: bytes
) -> tuple[ClusterConfig | None, tuple[Finding, ...]]:
    """Return what the file says now, None if it may not be run, and all findings.

    Reads files, looks names up and opens sockets for a moment: may block. The file is on the disk when this
    returns: a node that has promised to go by it must not come back with the old one after a power cut.
    """
    config, found_key, findings = configuration(path)
    if config is None:
        return None, tuple(findings)
    try:
        sync(path)
    except OSError as error:
        findings.append(_not_durable(path, error))
    if config.local == running.local:
        here, there = running.node(running.local).links, config.node(config.local).links
        findings += openable(here, there)
    if found_key != key:
        findings.append(_other_key(path))
    return config, tuple(findings)


def key_of(node: Node) -> bytes:
    """Return the key that the node sends under."""
    stack: Any = node.stack
    return stack.rotation.keys.active.material if isinstance(stack, Stack) else b""


def not_ours(node: Node) -> Reply | None:
    """Return why this node cannot reload, if it cannot."""
    stack: Any = node.stack
    if isinstance(stack, Stack):
        return None
    return refusal(REFUSED, "The ring is Corosync's: use 'corosync-cfgtool -R' on one node.")


def _not_durable(path: Path, error: OSError) -> Finding:
    return Finding(
        "conf-not-durable",
        Severity.ERROR,
        "corosync.conf",
        f"It cannot be synced to the disk: {error.strerror}.",
        "Put it on a disk that works.",
        str(path),
    )


def _other_key(path: Path) -> Finding:
    return Finding(
        "key-changed",
        Severity.ERROR,
        "totem.keyfile",
        "The shared key is another than the one in use; a reload does not take that.",
        "Put the key back; 'ninefold keys rotate' gives all nodes a new one while they run.",
        str(path),
    )
