"""Whatever a member says, well-formed or not, the others take it or drop it, and go on.

An authentic member with a defect of its own (or of its memory) may say anything that the codec lets pass.
It may cost a membership; it must not end the daemons of the others.
"""

from __future__ import annotations

import os
from typing import TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninefold.totem.codec import encode
from ninefold.totem.messages import (
    CommitToken,
    HoldCancel,
    Join,
    Mcast,
    MergeDetect,
    Message,
    Slot,
    Token,
)
from tests.totem_world import FAST, World

# A history of a ring takes fifty milliseconds. `make fuzz` has an hour's patience.
EXAMPLES = 2_000 if os.environ.get("HYPOTHESIS_PROFILE") == "search" else 60
# What is near the truth goes deepest; the rest are the limits of each field.
SEQS = st.integers(0, 60) | st.sampled_from([2**32, 2**60])
NODES = st.integers(1, 4) | st.just(65_535)
SETS = st.frozensets(NODES, max_size=5).map(lambda nodes: tuple(sorted(nodes)))
SLOTS = st.builds(Slot, SEQS, NODES, SEQS, SEQS, st.booleans())
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Token,
        SEQS,
        NODES,
        SEQS,
        SEQS,
        SEQS,
        st.integers(0, 4),
        SEQS,
        SEQS,
        st.booleans(),
        st.lists(SEQS, max_size=5).map(tuple),
    ),
    st.builds(
        Mcast,
        SEQS,
        NODES,
        SEQS.map(lambda seq: seq + 1),
        NODES,
        st.booleans(),
        st.binary(max_size=9),
    ),
    st.builds(MergeDetect, SEQS, NODES),
    st.builds(Join, SEQS, SETS, SETS, SETS, st.booleans(), SETS),
    st.builds(CommitToken, SEQS, NODES, SEQS, SETS, st.lists(SLOTS, max_size=4).map(tuple)),
    st.builds(HoldCancel, SEQS, NODES),
)
Said: TypeAlias = tuple[int, int, Message, int]


def ours(world: World, message: Message, node: int) -> Message:
    """The message, moved onto the ring that `node` is on or forms, so that it is not simply foreign."""
    core = world.hosts[node].stack._ring._core
    ring = core.current.ring
    fields = {"ring_seq": ring.seq}
    if not isinstance(message, Join):
        fields["rep"] = ring.representative
    if isinstance(message, Token):
        fields["token_seq"] = core.current.token_seq + 1
    if isinstance(message, CommitToken):
        fields["token_seq"] = core.current.commit_seq + 1
    moved: Message = type(message)(
        **{name: fields.get(name, getattr(message, name)) for name in message.__struct_fields__}
    )
    return moved


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 2), MESSAGES, st.integers(0, 400)), max_size=12
    ),
    st.booleans(),
)
def test_a_member_that_says_anything_ends_no_daemon(said: list[Said], near: bool) -> None:
    world = World(3, totem=FAST)
    world.start()
    world.run(1_000)
    for node in world.nodes:
        world.submit(node, b"x" * 2_000)

    for sender, step, message, pause in said:
        # The links take nothing for a peer's that comes from ourselves.
        target = (sender + step - 1) % 3 + 1
        told = ours(world, message, target) if near else message
        world.inject(sender, target, encode(told))
        world.run(pause)

    # It may have cost memberships, not the cluster.
    world.run(1_000)
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=60_000)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.binary(max_size=60)), max_size=20)
)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_arbitrary_bytes_of_a_member_change_nothing(said: list[tuple[int, int, bytes]]) -> None:
    world = World(3, totem=FAST)
    world.start()
    world.run(1_000)
    before = world.hosts[1].stack.statistics.memberships

    for sender, step, data in said:
        world.inject(sender, (sender + step - 1) % 3 + 1, b"\xc1" + data)
        world.run(20)

    assert world.formed(1, 2, 3)
    assert world.hosts[1].stack.statistics.memberships == before
