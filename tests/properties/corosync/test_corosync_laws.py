"""Laws: two quorate views share a node; no bytes of a peer raise anything but the typed error."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from ninefold.core.ids import RingId
from ninefold.corosync.messages import MalformedMessage, decode
from ninefold.corosync.voting import Report, judge

NO_VIEW = RingId(0, 0)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[int, int], list[list[int]], list[list[int]], int]:
    """Votes, rings that share no node, the views in them, and whose ring has the device's votes."""
    votes = draw(st.dictionaries(st.integers(1, 9), st.integers(0, 3), min_size=1, max_size=9))
    place = {node: draw(st.integers(0, 2)) for node in sorted(votes)}
    # Which daemons run, and with whom: daemons of one ring may be in two groups for a moment.
    group = {node: draw(st.integers(0, 2)) for node in sorted(votes)}
    rings = [[node for node in sorted(votes) if place[node] == ring] for ring in range(3)]
    views = [
        [node for node in ring if group[node] == number] for ring in rings for number in range(2)
    ]
    return votes, rings, [view for view in views if view], draw(st.integers(0, 2))


@given(worlds(), st.integers(0, 5))
def test_two_views_that_are_quorate_share_a_node(
    world: tuple[dict[int, int], list[list[int]], list[list[int]], int], device: int
) -> None:
    votes, rings, views, holder = world
    expected = sum(votes.values()) + device
    needed = expected // 2 + 1

    quorate = []
    for view in views:
        number = next(i for i, ring in enumerate(rings) if view[0] in ring)
        ring = rings[number]
        total = sum(votes[node] for node in ring) + (device if number == holder else 0)
        told = tuple((node, votes[node]) for node in ring)
        said = Report(NO_VIEW, total >= needed, told, total, expected, needed)
        if judge(view, dict.fromkeys(view, said)).quorate:
            quorate.append(view)

    # Views of one world are disjoint, but for the device: with it a ring may hold two groups of which
    # each would suffice. CPG has one group in a ring, so only one of them is a view at a time.
    rings_of = [next(i for i, ring in enumerate(rings) if view[0] in ring) for view in quorate]
    assert len(dict.fromkeys(rings_of)) <= 1
    if not device:
        assert len(quorate) <= 1


@given(st.binary(max_size=200))
def test_no_bytes_of_a_peer_raise_anything_else(data: bytes) -> None:
    with suppress(MalformedMessage):
        decode(data)
