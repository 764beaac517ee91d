"""What the node tells at its door about its ring and its votes, as plain data.

Only Ninefold's own ring and quorum are looked into. On another back end there is nothing of the kind to
tell, and both parts are None: its own tools know more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ninefold.quorum.machine import Quorum
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from ninefold.core.instants import Instant
    from ninefold.node.machine import Node


def told_of_ring(node: Node, now: Instant) -> dict[str, Any]:
    """Return `names`, `ring` (see `totem.outlook`) and `quorum`."""
    return {
        "names": {str(entry.nodeid): entry.name for entry in node.config.nodes},
        "ring": _ring(node, now),
        "quorum": _quorum(node),
    }


def _ring(node: Node, now: Instant) -> dict[str, Any] | None:
    if not isinstance(node.stack, Stack):
        return None
    told: dict[str, Any] = msgspec.to_builtins(node.stack.outlook(now), str_keys=True)
    return told


def _quorum(node: Node) -> dict[str, Any] | None:
    quorum = node.quorum
    if not isinstance(quorum, Quorum):
        return None
    verdict, options = quorum.verdict, node.config.quorum
    return {
        "quorate": verdict.quorate,
        "votes": verdict.votes,
        "expected": verdict.expected,
        "threshold": verdict.threshold,
        "reason": verdict.reason,
        "ring": str(verdict.ring),
        "waiting": quorum.waiting,
        "options": [
            name
            for name in (
                "two_node",
                "wait_for_all",
                "auto_tie_breaker",
                "last_man_standing",
                "allow_downscale",
                "expected_votes_tracking",
            )
            if options.provider and getattr(options, name)
        ],
        "provider": options.provider,
        "tie_breaker": options.auto_tie_breaker_node if options.auto_tie_breaker else "",
        "members": {
            str(member): {
                "votes": info.votes,
                "expected": info.expected,
                "quorate": info.quorate,
                "waiting": info.waiting,
            }
            for member, info in sorted(quorum.infos.items())
        },
        "configured": {str(entry.nodeid): entry.quorum_votes for entry in node.config.nodes},
    }
