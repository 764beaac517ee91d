"""Whose document goes on where two parts had quorum at once (`two_node`): that of the node that went on.

Stamps put the documents of one line in order. Two nodes that were cut apart have two lines, and the
number of a ring says nothing about which of them lived on: fencing decides that. So:

* one that has been at work without interruption has not lost to one that was started since;
* if both have, or both were started since, one whose document tells of the other's end, in the life
  that the other's document was made in or a later one, has not lost to that one;
* otherwise nothing is known, and the stamps decide.

Where only one part has quorum, all documents are of one line, and this module has no say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.cib.document import Cib
    from ninefold.controller.messages import Annex
    from ninefold.core.ids import NodeId
    from ninefold.quorum.events import Verdict


def both_may_act(verdict: Verdict) -> bool:
    """Whether two nodes that are cut apart have quorum each."""
    return (verdict.expected, verdict.threshold) == (2, 1)


def own_life(cib: Cib, me: NodeId) -> int:
    """Return the ring in which this node's life began that the document was last the cluster's in, or 0."""
    state = cib.node_state(me)
    return 0 if state is None else state.joined_in


def ended_lives(cib: Cib) -> tuple[tuple[NodeId, int], ...]:
    """Return the nodes that were silenced or said goodbye, each with the ring in which that life began."""
    return tuple(
        (state.node, state.joined_in)
        for state in cib.node_states()
        if not state.in_ccm and state.expected == "down"
    )


def standing(annexes: Mapping[NodeId, Annex]) -> list[NodeId]:
    """Return the members whose documents have not lost."""
    for one_has in (_has_gone_on, _has_outlived_the_others):
        found = [node for node in annexes if one_has(node, annexes)]
        if len(found) == 1:
            return found
    return list(annexes)


def _has_gone_on(node: NodeId, annexes: Mapping[NodeId, Annex]) -> bool:
    return annexes[node].formed and bool(annexes[node].senior)


def _has_outlived_the_others(node: NodeId, annexes: Mapping[NodeId, Annex]) -> bool:
    ended = dict(annexes[node].ended)
    others = [other for other in annexes if other != node]
    return all(other in ended and annexes[other].life <= ended[other] for other in others)
