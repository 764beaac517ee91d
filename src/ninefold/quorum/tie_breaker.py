"""auto_tie_breaker: which of two equal halves goes on.

Theorem: of two disjoint halves at most one wins. Each half names one node, the tie-breaker, from the
last quorate membership that any of its members remembers, and wins only if that node is in it. A
membership becomes the one that counts only when all of its members are known to remember it (they
have said so since); until then the one before counts as well, and the half must hold the
tie-breakers of all of them. So a membership that reached some members and not others can never give
the halves two different tie-breakers that are both at home.

Only an exact half may win. Corosync also lets floor(E/2) of an odd number win when enough others had
left before; but those others may come back to the lost side in the same instant, and then both act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ninefold.core.ids import NodeId
    from ninefold.quorum.messages import Memory, NodeInfo

# Memberships in a row that broke before all members had spoken; then no tie is broken until one holds.
MEMORIES_MAX: Final = 8


def wins(
    members: Sequence[NodeId],
    infos: Iterable[NodeInfo],
    preference: str,
    *,
    votes: int,
    expected: int,
) -> bool:
    """Return whether `members`, who have `votes`, are the half that goes on."""
    known = list(infos)
    if 2 * votes != expected or any(info.forgetful for info in known):
        return False
    memories = relevant(known)
    return bool(memories) and all(tie_breaker(memory, preference) in members for memory in memories)


def relevant(infos: Iterable[NodeInfo]) -> list[Memory]:
    """Return the memories that count: the newest that is known to all of its members, and later."""
    known = [info.memories for info in infos if info.memories]
    if not known:
        return []
    newest = max(memories[0].ring for memories in known)
    later = {memory.ring: memory for memories in known for memory in memories}
    return [later[ring] for ring in sorted(later) if ring >= newest]


def tie_breaker(memory: Memory, preference: str) -> NodeId:
    """Return the node that must be present; 0, which is nobody, if a list names none of them.

    With a list it is the first listed node that was there: a later one may not take its place
    while it may be on the other side.
    """
    if preference == "lowest":
        return memory.members[0]
    if preference == "highest":
        return memory.members[-1]
    listed = [int(word) for word in preference.split()]
    return next((node for node in listed if node in memory.members), 0)
