"""Who conducts, who has joined, and when a starting cluster begins to decide.

Everything here is a function of what all members hold: the annexes of the barrier and the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib.model import Change, SetNodeState, Stamp
from ninefold.controller.messages import Annex, MalformedMessage, decode_annex
from ninefold.core.durations import millis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId, RingId
    from ninefold.core.instants import Millis

# A starting cluster waits this long for absent nodes before it decides without them and fences
# them. Pacemaker's dc-deadtime has the same default; if everybody is there nobody waits.
DC_DEADTIME_MS: Millis = 20_000

# A member that has not told its history after this long is decided about as it stands: its daemon
# is in the ring but its controller is stuck. One token rotation is enough for a healthy one.
JOIN_PATIENCE_MS: Millis = 10_000


def conductor(annexes: Mapping[NodeId, Annex]) -> NodeId:
    """Return the DC: the member longest in the quorate partition, then the lowest id.

    A member that was never in a quorate partition (`senior` 0) comes after all that were.
    """

    def rank(node: NodeId) -> tuple[bool, int, NodeId]:
        senior = annexes[node].senior
        return (senior == 0, senior, node)

    return min(annexes, key=rank)


def membership_changes(cib: Cib, annexes: Mapping[NodeId, Annex], ring: RingId) -> list[Change]:
    """Return what a new ring says about every node, the same list on every member.

    A member is `pending` until it has told its history. A node that is gone and was expected to be a
    member is left `expected=member`: the scheduler sees it as unclean and has it fenced. One that
    said goodbye (`expected=down`) is merely offline; one that was only asked to go did not say it, and
    an order that crossed its wish may be known to it alone: the wish is forgotten with the node.
    """
    names = cib.node_names()
    changes: list[Change] = []
    for node in sorted(annexes):
        annex = annexes[node]
        state = cib.node_state(node)
        # One that was away, or has just started, begins a life: what was said of it before is void.
        anew = annex.fresh or state is None or not state.in_ccm
        changes.append(
            SetNodeState(
                node,
                annex.name,
                in_ccm=True,
                crmd="online",
                join="pending",
                expected="member",
                joined_in=ring.seq if anew else None,
            )
        )
    for node, name in sorted(names.items()):
        if node in annexes:
            continue
        state = cib.node_state(node)
        if state is None or not state.in_ccm:
            continue
        changes.append(
            SetNodeState(node, name, in_ccm=False, crmd="offline", join="down", shutdown=0)
        )
    return changes


def absent_at_formation(cib: Cib, annexes: Mapping[NodeId, Annex], ring: RingId) -> list[Change]:
    """Return what the end of the wait says about nodes that did not appear.

    What they did before the cluster stopped is unknown (one may have been started alone since), so
    they count as lost members: startup fencing, unless that is switched off. One that joined since
    the first of the members began, and said goodbye, is known to be down. A wish to stop that stands
    in the document is of an earlier life, and excuses nobody.
    """
    if cib.property("startup-fencing", "true").lower() in ("false", "no", "off", "n", "0"):
        return []
    began = min(annex.since or ring.seq for annex in annexes.values())
    absent = []
    for node, name in sorted(cib.node_names().items()):
        state = cib.node_state(node)
        gone = state is not None and state.expected == "down" and state.joined_in >= began
        if node not in annexes and not gone:
            absent.append((node, name))
    return [
        SetNodeState(
            node, name, in_ccm=False, crmd="offline", join="down", expected="member", shutdown=0
        )
        for node, name in absent
    ]


def read_annex(node: NodeId, payload: bytes | None) -> Annex:
    """Return a member's annex; one that cannot be read counts as one that knows nothing."""
    try:
        if payload is not None:
            return decode_annex(payload)
    except MalformedMessage:
        pass
    return Annex(str(node), Stamp(), "", 0, 0, formed=False, fresh=False, wall=0, votes=0)


def dc_deadtime(cib: Cib) -> Millis:
    """Return how long a starting cluster waits for absent nodes."""
    configured = millis(cib.property("dc-deadtime", ""))
    return DC_DEADTIME_MS if configured is None else configured
