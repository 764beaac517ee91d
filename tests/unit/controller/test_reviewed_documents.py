"""What an adversary found about documents: acknowledgements, repeated proposals, equal stamps.

Each test names the reviewed behaviour as a situation; each failed before it was mended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.cib.model import SetNodeState, SetProperty
from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from ninefold.controller import requests as rq
from tests.controller_ring import Controllers

if TYPE_CHECKING:
    from ninefold.core.ids import NodeId


def change(value: str) -> rq.ChangeCib:
    return rq.ChangeCib(SetProperty("stonith-timeout", value))


def settled(nodes: int, *, expected: int = 0) -> Controllers:
    """Return controllers in one ring who have told everything and saved it."""
    cluster = Controllers(nodes, expected=expected)
    cluster.ring(list(cluster.all))
    cluster.save(*cluster.all)
    cluster.deliver()
    return cluster


def is_change(payload: bytes) -> bool:
    message = msg.decode(payload)
    return isinstance(message, msg.Propose) and isinstance(message.change, SetProperty)


def values(cluster: Controllers) -> list[str]:
    return [cluster.property(node, "stonith-timeout") for node in cluster.all]


def test_change_that_one_member_delivered_alone_is_not_acknowledged_when_others_went_on() -> None:
    cluster = settled(3)
    cluster.ask(1, change("77s"))
    cluster.deliver([1])
    cluster.break_up([2, 3])
    cluster.ring([2, 3])
    cluster.break_up([1])
    cluster.break_up([2, 3])

    # Node 1 comes straight into the others' ring, adopts their document, and all disks save that.
    cluster.ring([1, 2, 3])
    cluster.save(1, 2, 3)
    cluster.deliver()

    assert values(cluster) == ["", "", ""]
    assert cluster.answers(1) == [False]


def test_change_is_not_acknowledged_by_older_words_about_another_document() -> None:
    # Its own disk has the change, under a stamp greater than what the others go on with.
    cluster = settled(3)
    cluster.ask(1, change("77s"))
    cluster.deliver([1])
    cluster.save(1)
    cluster.sent.clear()
    cluster.break_up([2, 3])
    cluster.ring([2, 3])
    cluster.save(2, 3)
    cluster.deliver([2, 3])
    cluster.break_up([1])
    cluster.break_up([2, 3])

    cluster.ring([1, 2, 3])
    cluster.save(1, 2, 3)
    cluster.deliver()

    assert cluster.answers(1) == [False]


def test_majority_of_a_ring_that_is_not_one_of_the_cluster_does_not_acknowledge() -> None:
    # Five nodes, three present: two disks are no majority, for the third and two others could go on.
    cluster = settled(3, expected=5)
    cluster.ask(1, change("77s"))
    cluster.deliver()

    cluster.save(1, 2)
    cluster.deliver()
    assert cluster.answers(1) == []

    cluster.save(3)
    cluster.deliver()
    assert cluster.answers(1) == [True]


def test_members_with_equal_stamps_and_different_documents_come_to_agree() -> None:
    # Both halves of a two-node cluster had quorum; each took one change under the same stamp.
    cluster = settled(2)
    cluster.expected = 1
    cluster.ask(1, change("71s"))
    cluster.deliver([1])
    cluster.ask(2, change("72s"))
    cluster.deliver([2])
    one, two = (controller.replica for controller in cluster.all.values())
    assert one.stamp == two.stamp
    assert one.authority.digest() != two.authority.digest()
    cluster.break_up([1])
    cluster.break_up([2])

    cluster.ring([1, 2])

    assert one.authority.digest() == two.authority.digest()
    assert one.settled
    assert two.settled


def test_change_that_was_sent_twice_does_not_undo_what_came_in_between() -> None:
    # It still waited to be sent when the ring changed, and is sent again at the beginning of the next.
    cluster = settled(2)
    cluster.ask(1, change("71s"))
    waited = cluster.sent.popleft()
    cluster.break_up([1, 2])
    cluster.configure([1, 2])
    cluster.sent.appendleft(waited)
    again = next(entry for entry in cluster.sent if is_change(entry[1]) and entry is not waited)
    cluster.sent.remove(again)
    cluster.deliver()
    cluster.ask(2, change("72s"), number=8)
    first, second = again, cluster.sent.popleft()
    assert values(cluster) == ["", ""]

    cluster.sent.extend([first, second])
    cluster.deliver()

    assert values(cluster) == ["72s", "72s"]


def test_full_disk_that_is_freed_saves_by_itself_and_the_request_is_answered() -> None:
    cluster = settled(3)
    cluster.ask(1, change("77s"))
    cluster.deliver()
    for node in (2, 3):
        for stamp in cluster.unsaved[node]:
            cluster.give(node, ev.CibNotSaved(stamp, "no space left on device"))
        cluster.unsaved[node] = []
    cluster.save(1)
    cluster.deliver()
    assert cluster.answers(1) == []

    # Nobody changes anything: the wait for another try is all that passes.
    cluster.now = cluster.all[2].deadline
    cluster.give(2, ev.Woke())
    cluster.save(2)
    cluster.deliver()

    assert cluster.answers(1) == [True]


def test_request_that_no_disk_will_ever_confirm_is_answered_in_time() -> None:
    cluster = settled(3)
    cluster.ask(1, change("77s"))
    cluster.deliver()

    while not cluster.answers(1) and cluster.now < 60_000:
        cluster.now = max(cluster.now + 1, cluster.all[1].deadline)
        cluster.give(1, ev.Woke())

    assert cluster.answers(1) == [False]
    assert cluster.now < 30_000  # an operator's client waits so long


def test_document_that_cannot_be_read_makes_the_node_leave_and_say_so() -> None:
    cluster = settled(2)
    replica = cluster.all[2].replica
    cluster.break_up([1, 2])
    replica.stamp = msgspec.structs.replace(replica.stamp, quorate_ring=cluster.seq + 1)
    cluster.configure([1, 2])
    ring = cluster.all[1].situation.ring
    stamp = replica.stamp

    bad = msg.encode(msg.Document(ring, stamp, b"<cib><nonsense"))
    effects = cluster.give(1, ev.MessageDelivered(2, bad))

    assert any(isinstance(effect, ev.LeaveRing) for effect in effects)
    (halted,) = [effect for effect in effects if isinstance(effect, ev.Halted)]
    assert "cannot be read" in halted.reason


def state_of(cluster: Controllers, node: NodeId, target: NodeId) -> str:
    state = cluster.all[node].replica.working.node_state(target)
    assert state is not None
    return state.expected


def say_goodbye(cluster: Controllers) -> None:
    """Let node 2 be asked to stop, and propose its goodbye."""
    cluster.give(2, ev.Stop())
    cluster.deliver()
    cluster.order(2, "do_shutdown")
    ((sender, order),) = cluster.sent
    cluster.sent.clear()
    for node in (1, 2):
        cluster.give(node, ev.MessageDelivered(sender, order))


def test_goodbye_of_a_member_in_the_transitional_configuration_is_said_again() -> None:
    cluster = settled(2)
    say_goodbye(cluster)
    cluster.break_up([1, 2])
    cluster.deliver()
    assert not cluster.all[2].situation.leaving

    # The next ring takes it for a member again, until it has heard the same words.
    cluster.configure([1, 2])
    assert state_of(cluster, 1, 2) == "member"
    cluster.deliver()

    assert state_of(cluster, 1, 2) == "down"
    assert cluster.all[2].situation.leaving


def test_goodbye_that_waited_for_the_next_ring_lets_nobody_go_before_it_counts() -> None:
    # It was sent for the old ring and is void in the new one: who left by it would be fenced.
    cluster = settled(2)
    say_goodbye(cluster)
    waited = cluster.sent.popleft()
    cluster.break_up([1, 2])
    cluster.configure([1, 2])

    for node in (1, 2):
        cluster.give(node, ev.MessageDelivered(*waited))
    assert not cluster.all[2].situation.leaving
    assert state_of(cluster, 1, 2) == "member"

    cluster.deliver()
    assert cluster.all[2].situation.leaving
    assert state_of(cluster, 1, 2) == "down"


def test_member_has_joined_when_its_history_counts_and_not_before() -> None:
    # It told its history twice, for two rings that broke up; the first account is void in the third.
    cluster = Controllers(2)
    cluster.configure([1, 2])
    waited = next(entry for entry in cluster.sent if entry[0] == 2)
    cluster.break_up([1, 2])
    cluster.configure([1, 2])

    for node in (1, 2):
        cluster.give(node, ev.MessageDelivered(*waited))
    assert cluster.all[1].situation.joined == []

    cluster.deliver()
    assert cluster.all[1].situation.joined == [1, 2]


def test_what_lies_behind_a_gap_is_not_acknowledged_for_what_was_in_it() -> None:
    # Node 1 alone has delivered its change; 2 and 3 lack it, and have one of node 2 behind the gap.
    cluster = settled(3)
    cluster.ask(1, change("71s"))
    cluster.deliver([1])
    cluster.ask(2, change("72s"))
    behind = cluster.sent.popleft()
    cluster.break_up([1])
    cluster.break_up([2, 3])
    for node in (2, 3):
        cluster.give(node, ev.MessageDelivered(*behind))
    one, two = cluster.all[1].replica, cluster.all[2].replica
    assert one.stamp != two.stamp

    # They meet in one ring: each is told the truth about its own change.
    cluster.ring([1, 2, 3])
    cluster.save(1, 2, 3)
    cluster.deliver()

    assert values(cluster) == ["72s", "72s", "72s"]
    assert [cluster.answers(1), cluster.answers(2)] == [[True], [True]]


def test_goodbye_of_a_node_where_nothing_runs_before_anybody_decides() -> None:
    # One of three, alone: there is nobody to let it go, and nothing to move away.
    cluster = Controllers(1, expected=3)
    cluster.ring([1])

    cluster.give(1, ev.Stop())
    cluster.deliver()

    assert any(isinstance(effect, ev.Halted) for effect in cluster.effects[1])
    assert not any(
        isinstance(message, msg.Propose)
        and isinstance(message.change, SetNodeState)
        and message.change.shutdown
        for message in (
            msg.decode(effect.payload)
            for effect in cluster.effects[1]
            if isinstance(effect, ev.Multicast)
        )
    )


def test_change_that_waited_longer_is_not_taken_for_one_that_was_delivered() -> None:
    # Of two changes of node 1 the first was delivered where it did not count, the second still
    # waited to be sent when the next ring began. Both are sent again there.
    cluster = settled(3)
    cluster.ask(1, change("71s"))
    first = cluster.sent.popleft()
    cluster.ask(1, rq.ChangeCib(SetProperty("cluster-name", "late")), number=8)
    second = cluster.sent.popleft()
    cluster.break_up([1])
    cluster.give(1, ev.MessageDelivered(*first))
    cluster.break_up([2, 3])
    cluster.configure([1, 2, 3])

    cluster.sent.appendleft(second)
    cluster.deliver()
    cluster.save(1, 2, 3)
    cluster.deliver()

    assert values(cluster) == ["71s"] * 3
    assert cluster.answers(1) == [True, True]
