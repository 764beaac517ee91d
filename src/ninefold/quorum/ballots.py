"""What each member's file says of the votes, and what counts while the files of the members differ.

Theorem: of two separate partitions at most one has quorum, also while a new file is being taken (two_node
apart). A reload goes through the members of a quorate ring, and no member takes the new file before all of
them have said that they would; one that has said so counts with both files until it knows the outcome.

    Let A have quorum by the new file alone, and B be separate from it. If a member of B holds the new
    file, taken or promised, B needs a majority by that file too, as A does. If none does, nobody of B was in
    the ring that took it; that ring had a majority by the old file, so B has none.

This is the joint consensus of Raft (section 6 of its paper), with one ring in place of two log entries. It
leans on what members remember of their promises. A daemon that is started anew with a file that was promised
and never taken remembers none; so a reload moves one vote at most (`node.reload_judge`). A majority by one
of two files that are one vote apart shares a node with any majority by the other (Ongaro's dissertation,
section 4.1), and whoever has taken a file does not go back to another.

A file that was left behind is not asked: its node was away while the others agreed on one with a greater
`config_version`, and else it could take their quorum away by coming back. Without the number nobody can
tell which file is the older one, and both are asked; so they are if the newer one is only what some node
has started with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.quorum import threshold
from ninefold.quorum.messages import Ballot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.quorum.messages import NodeInfo


def ballot_of(config: ClusterConfig) -> Ballot:
    """Return what a file says of the votes."""
    return Ballot(
        version=config.totem.config_version,
        expected=threshold.configured_expected(config),
        two_node=config.quorum.two_node,
        votes=tuple(sorted((entry.nodeid, entry.quorum_votes) for entry in config.nodes)),
    )


def left_behind(infos: Mapping[NodeId, NodeInfo]) -> frozenset[NodeId]:
    """Return the members whose file is older than one that a quorate member and its ring agreed on.

    Only what happened later than their own last quorum is news to them: of two members of one quorate
    ring neither was away.
    """
    taken = [info for info in infos.values() if info.quorate and info.agreed and info.ballots]
    return frozenset(
        node
        for node, info in infos.items()
        if info.ballots
        and any(
            other.ballots[0].version > info.ballots[0].version
            and (not info.quorate or other.ring > info.ring)
            for other in taken
        )
    )


def in_question(infos: Mapping[NodeId, NodeInfo]) -> list[Ballot]:
    """Return what the files that members go by, or may have to, say differently; oldest first."""
    behind = left_behind(infos)
    asked = sorted(
        ballot for node, info in infos.items() if node not in behind for ballot in info.ballots
    )
    newest = {(ballot.expected, ballot.two_node, ballot.votes): ballot for ballot in asked}
    return sorted(newest.values())


def same_votes(one: Ballot, other: Ballot) -> bool:
    """Whether two files say the same of the votes, whatever their numbers are."""
    return msgspec.structs.replace(one, version=other.version) == other


def distance(one: Ballot, other: Ballot) -> int:
    """Return how many votes two files are apart: summed over the nodes, or by what is expected."""
    before, after = dict(one.votes), dict(other.votes)
    moved = sum(abs(before.get(n, 0) - after.get(n, 0)) for n in before.keys() | after.keys())
    return max(moved, abs(one.expected - other.expected))


def present(ballot: Ballot, members: Sequence[NodeId]) -> int:
    """Return the votes that `members` have by a file."""
    votes = dict(ballot.votes)
    return sum(votes.get(node, 0) for node in members)


def objection(ballots: Sequence[Ballot], members: Sequence[NodeId]) -> str:
    """Return, as a sentence, the first of several files by which `members` are too few; else nothing.

    A single file is none of this module's business: expected votes may have been lowered since.
    """
    if len(ballots) < 2:
        return ""
    for ballot in ballots:
        votes, needed = present(ballot, members), needs(ballot, members)
        if votes < needed:
            return (
                f"The members go by different files, and by that of version {ballot.version} only"
                f" {votes} of {ballot.expected} votes are present; {needed} are needed."
            )
    return ""


def needs(ballot: Ballot, members: Sequence[NodeId]) -> int:
    """Return the votes that `members` need by a file."""
    return threshold.threshold(ballot.expected, two_node=ballot.two_node, members=len(members))
