"""Read `corosync.conf` again while the node runs: all of it, or nothing.

Each node reads its own file. Timers may differ from node to node for as long as it takes to reload them
all: each goes by its own, and the most impatient one decides when a new membership is sought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ninefold.config.reload import reloaded
from ninefold.controller.requests import encode
from ninefold.core.findings import Finding, Severity
from ninefold.daemon.reply import Reply, refusal
from ninefold.daemon.settings import configuration
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.config.model import ClusterConfig
    from ninefold.core.instants import Instant
    from ninefold.node.machine import Node

REFUSED: Final = "reload-refused"


class Reloaded(msgspec.Struct, frozen=True):
    """What a reload did: one entry for each thing found, the changes among them."""

    file: str
    findings: tuple[Finding, ...]


def read_again(
    path: Path, running: ClusterConfig, key: bytes
) -> tuple[ClusterConfig | None, list[Finding]]:
    """Return what to go on with, or None and why not. Reads files and looks names up: may block."""
    config, found_key, findings = configuration(path)
    if config is None:
        return None, findings
    taken, differences = reloaded(running, config, file=str(path))
    if found_key != key:
        return None, [*findings, *differences, _other_key(path)]
    return taken, [*findings, *differences]


def take(
    node: Node, now: Instant, path: Path, config: ClusterConfig | None, findings: list[Finding]
) -> Reply:
    """Have the node go on with `config`, or refuse; return the answer for the operator."""
    if config is None:
        # What would have changed beside it is no news while nothing does.
        in_the_way = [finding for finding in findings if finding.severity is not Severity.INFO]
        return refusal(REFUSED, *map(str, in_the_way), "Nothing was changed.")
    assert isinstance(node.stack, Stack)
    node.reconfigure(now, config)
    return Reply(ok=True, body=encode(Reloaded(str(path), tuple(findings))))


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


def _other_key(path: Path) -> Finding:
    return Finding(
        "key-changed",
        Severity.ERROR,
        "totem.keyfile",
        "The shared key is another than the one in use; a reload does not take that.",
        "Put the key back; 'ninefold keys rotate' gives all nodes a new one while they run.",
        str(path),
    )
