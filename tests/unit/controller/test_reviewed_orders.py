"""What an adversary found about orders, decisions and fencing.

Each test names the reviewed behaviour as a situation; each failed before it was mended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc
from ninefold.cib.model import ForgetHistory, SetNodeState
from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from ninefold.controller import requests as rq
from ninefold.controller.executor import AGENTS_MAX, Executor
from ninefold.quorum.events import Verdict
from ninefold.scheduler import schedule
from tests.controller_ring import WALL, Controllers

if TYPE_CHECKING:
    from ninefold.cib.model import NodeState
    from ninefold.core.ids import NodeId

GOOD = Outcome(Rc.OK, OpStatus.DONE)
METADATA = (
    '<resource-agent name="fence_test"><parameters><parameter name="plug"><content type="string"/>'
    '</parameter></parameters><actions><action name="off"/><action name="reboot"/>'
    "</actions></resource-agent>"
)


def monitor(resource: str, interval_ms: int, *, delay_ms: int = 0) -> msg.Order:
    call = Call(AgentName("ocf", "sim", "service"), resource, "monitor", interval_ms, 20_000)
    return msg.Order(1, "1:x", 1, "monitor", resource, 0, call, start_delay_ms=delay_ms)


def launched(effects: list[ev.Effect]) -> list[int]:
    return [effect.token for effect in effects if isinstance(effect, ev.RunAgent)]


def monitored() -> Executor:
    """Return an executor with a monitor of db that is due at 1010."""
    executor = Executor(1, "n1")
    (token,) = launched(executor.perform(0, monitor("db", 1000), quorate=True, wall=WALL))
    executor.on_finished(10, token, GOOD, wall=WALL, start_fatal=True)
    return executor


def test_monitor_that_waits_for_a_free_place_survives_a_new_ring() -> None:
    executor = monitored()
    busy = []
    for number in range(AGENTS_MAX):
        order = monitor(f"other{number}", 60_000)
        busy += launched(executor.perform(500, order, quorate=True, wall=WALL))
    assert launched(executor.launch(1500, quorate=True, wall=WALL)) == []

    executor.on_unsettled()

    for token in busy:
        executor.on_finished(1600, token, GOOD, wall=WALL, start_fatal=True)
    assert len(launched(executor.launch(1600, quorate=True, wall=WALL))) == 1


def test_delayed_monitor_behind_which_another_is_due_wakes_nobody_at_once() -> None:
    executor = monitored()
    executor.perform(20, monitor("db", 5000, delay_ms=60_000), quorate=True, wall=WALL)

    assert launched(executor.launch(2000, quorate=True, wall=WALL)) == []

    assert executor.deadline == 60_020


def formed(nodes: int = 3) -> Controllers:
    cluster = Controllers(nodes)
    cluster.ring(list(cluster.all))
    assert all(controller.situation.formed for controller in cluster.all.values())
    return cluster


def pending(cluster: Controllers, node: NodeId) -> list[str]:
    return [
        operation.task
        for operation in cluster.all[1].replica.working.operations(node)
        if operation.op_status == OpStatus.PENDING
    ]


def test_start_that_is_dropped_without_quorum_is_not_shown_as_under_way() -> None:
    cluster = formed()
    ring = cluster.all[1].situation.ring
    for node in cluster.all:
        cluster.give(node, ev.QuorumChanged(Verdict(ring, False, 1, 3, 2, "")))
    cluster.order(2, "start", needs_quorum=True)

    cluster.deliver()

    calls = [e.call for e in cluster.effects[2] if isinstance(e, ev.RunAgent)]
    assert not any(call.agent.standard != "stonith" for call in calls)
    assert pending(cluster, 2) == []


def test_cleanup_in_a_transitional_configuration_leaves_the_nodes_own_history() -> None:
    cluster = formed()
    cluster.order(1, "start")
    cluster.deliver()
    (run,) = [
        e for e in cluster.effects[1] if isinstance(e, ev.RunAgent) and e.call.resource == "db"
    ]
    cluster.give(1, ev.AgentFinished(run.token, GOOD))
    cluster.deliver()
    assert cluster.all[1].executor.active_resources() == ["db"]
    cluster.ask(2, rq.ChangeCib(ForgetHistory("db", 1)))
    ((sender, payload),) = cluster.sent

    cluster.break_up([1])
    cluster.give(1, ev.MessageDelivered(sender, payload))

    # Its own history and the document that it offers to others go together: neither forgets.
    assert cluster.all[1].executor.active_resources() == ["db"]


def test_decision_for_an_older_question_is_not_taken_for_the_present_one() -> None:
    cluster = formed()
    first = [effect for effect in cluster.effects[1] if isinstance(effect, ev.Decide)][-1]
    answer = schedule(first.cib, first.now)
    # The transient attribute of a new ring: the same version may come again with other content.
    cluster.break_up([1, 2, 3])
    cluster.ring([1, 2, 3])
    second = [effect for effect in cluster.effects[1] if isinstance(effect, ev.Decide)][-1]
    assert second.number != first.number

    cluster.give(1, ev.Decided(second.version, answer, first.number))
    assert cluster.all[1].direction.carrier is None

    cluster.give(1, ev.Decided(second.version, answer, second.number))
    assert cluster.all[1].direction.carrier is not None


# Fencing.


def node3(cluster: Controllers, node: NodeId = 1) -> NodeState:
    state = cluster.all[node].replica.working.node_state(3)
    assert state is not None
    return state


def lose_node3(cluster: Controllers) -> None:
    cluster.break_up([1, 2])
    cluster.ring([1, 2])
    assert node3(cluster).expected == "member"
    assert not node3(cluster).in_ccm


def order_fencing(cluster: Controllers) -> None:
    """Let the DC's order to fence node 3 reach node 1."""
    ring = cluster.all[1].situation.ring
    order = msg.FenceOrder(ring, 1, 3, "n3", "reboot", "1:x", 7)
    cluster.sent.append((1, msg.encode(order)))
    cluster.deliver([1, 2])


def fence_calls(cluster: Controllers) -> list[ev.RunAgent]:
    """Return the calls of the device so far; what it can do is answered on the way."""
    for effect in list(cluster.effects[1]):
        if isinstance(effect, ev.RunAgent) and effect.call.action == "metadata":
            cluster.effects[1].remove(effect)
            told = msgspec.structs.replace(GOOD, output=METADATA)
            cluster.give(1, ev.AgentFinished(effect.token, told))
    return [
        effect
        for effect in cluster.effects[1]
        if isinstance(effect, ev.RunAgent) and effect.call.action in ("off", "reboot")
    ]


def test_report_of_a_fencing_before_a_nodes_return_does_not_silence_its_new_life() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    (call,) = fence_calls(cluster)
    # The device has acted: node 3 boots, is a member, and is lost again while the device is slow to
    # answer. Whatever it runs now was not silenced.
    cluster.all[3].situation.fresh = True
    cluster.break_up([1, 2])
    cluster.ring([1, 2, 3])
    lose_node3(cluster)

    cluster.give(1, ev.AgentFinished(call.token, GOOD))
    cluster.deliver([1, 2])

    assert "fenced" not in cluster.told(1)
    assert node3(cluster).expected == "member"


def test_report_that_was_sent_before_a_nodes_return_is_void_when_it_arrives_after_it() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    (call,) = fence_calls(cluster)
    cluster.give(1, ev.AgentFinished(call.token, GOOD))
    ((sender, payload),) = cluster.sent
    cluster.break_up([1, 2])
    cluster.ring([1, 2, 3])
    lose_node3(cluster)

    for node in (1, 2):
        cluster.give(node, ev.MessageDelivered(sender, payload))

    assert "fenced" not in cluster.told(1)
    assert node3(cluster).expected == "member"


def test_node_that_is_back_is_not_tried_again_after_a_failed_attempt() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    (call,) = fence_calls(cluster)
    cluster.give(1, ev.AgentFinished(call.token, Outcome(Rc.ERROR, OpStatus.DONE)))
    cluster.break_up([1, 2])
    cluster.ring([1, 2, 3])

    cluster.now += 5_000
    cluster.give(1, ev.Woke())

    assert fence_calls(cluster) == [call]


def second_tries(cluster: Controllers) -> int:
    """Let the first try of a fencing fail; return how many follow when it is time."""
    (call,) = fence_calls(cluster)
    cluster.give(1, ev.AgentFinished(call.token, Outcome(Rc.ERROR, OpStatus.DONE)))
    cluster.now += 600
    cluster.give(1, ev.Woke())
    return len(fence_calls(cluster)) - 1


def test_node_that_has_lost_quorum_in_the_middle_of_a_fencing_does_not_go_on_with_it() -> None:
    # Nodes 2 and 3 have found each other meanwhile: whom it would fence may be running everything.
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    assert len(fence_calls(cluster)) == 1

    cluster.break_up([1])
    cluster.ring([1])

    assert second_tries(cluster) == 0


def test_node_that_has_lost_quorum_without_a_new_ring_does_not_go_on_either() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    assert len(fence_calls(cluster)) == 1

    ring = cluster.all[1].situation.ring
    for node in (1, 2):
        cluster.give(node, ev.QuorumChanged(Verdict(ring, False, 1, 3, 2, "")))

    assert second_tries(cluster) == 0


def test_order_that_arrives_after_quorum_was_lost_is_not_begun_but_answered() -> None:
    # A verdict is a node's own (a quorum device, Corosync): the DC may have quorum, and waits.
    cluster = formed()
    lose_node3(cluster)
    ring = cluster.all[1].situation.ring
    cluster.give(1, ev.QuorumChanged(Verdict(ring, False, 1, 3, 2, "")))

    order_fencing(cluster)

    assert fence_calls(cluster) == []
    assert cluster.all[2].situation.fence_failures["n3"].reason == "n1 has no quorum"


def test_fencing_that_is_given_up_without_quorum_in_the_same_ring_is_answered() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    assert len(fence_calls(cluster)) == 1

    ring = cluster.all[1].situation.ring
    cluster.give(1, ev.QuorumChanged(Verdict(ring, False, 1, 3, 2, "")))
    cluster.deliver([1, 2])

    assert cluster.all[2].situation.fence_failures["n3"].reason == "n1 has no quorum"


def test_node_that_has_quorum_still_goes_on_with_a_fencing_in_a_new_ring() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    assert len(fence_calls(cluster)) == 1

    cluster.break_up([1, 2])
    cluster.ring([1, 2])

    assert second_tries(cluster) == 1


def test_report_that_nobody_could_apply_is_told_again_in_the_next_ring() -> None:
    cluster = formed()
    lose_node3(cluster)
    order_fencing(cluster)
    (call,) = fence_calls(cluster)
    cluster.break_up([1, 2])
    cluster.give(1, ev.AgentFinished(call.token, GOOD))
    cluster.deliver([1, 2])
    assert "fenced" not in cluster.told(1)

    cluster.ring([1, 2])

    assert "fenced" in cluster.told(1)
    assert "fenced" in cluster.told(2)
    assert node3(cluster).expected == "down"


def test_word_of_death_that_meets_a_new_ring_is_told_again() -> None:
    cluster = formed()
    lose_node3(cluster)
    cluster.ask(1, rq.DeclareDead("n3", confirmed=True))
    cluster.break_up([1, 2])
    cluster.deliver([1, 2])

    cluster.ring([1, 2])

    assert node3(cluster, 2).expected == "down"


def test_word_of_death_says_nothing_about_a_node_that_has_joined_meanwhile() -> None:
    cluster = formed()
    lose_node3(cluster)
    cluster.ask(1, rq.DeclareDead("n3", confirmed=True))
    word = cluster.sent[-1]
    cluster.break_up([1, 2])
    cluster.configure([1, 2, 3])

    cluster.sent.appendleft(word)
    cluster.deliver()

    assert "fenced" not in cluster.told(1)
    assert node3(cluster).in_ccm
    assert node3(cluster).expected == "member"


def test_nobody_may_declare_a_node_dead_while_the_ring_forms_anew() -> None:
    cluster = formed()
    lose_node3(cluster)
    cluster.break_up([1, 2])

    cluster.ask(1, rq.DeclareDead("n3", confirmed=True))

    assert cluster.answers(1) == [False]
    assert cluster.sent == type(cluster.sent)()


def test_cancelled_fencing_does_not_swallow_what_is_due_for_another() -> None:
    # Two nodes are to be fenced by one device, one after the other. The first is back just when the
    # second attempt at the other is due.
    cluster = Controllers(5)
    cluster.ring([1, 2, 3, 4, 5])
    cluster.break_up([1, 2, 5])
    cluster.ring([1, 2, 5])
    ring = cluster.all[1].situation.ring
    for target in (3, 4):
        order = msg.FenceOrder(ring, 1, target, f"n{target}", "reboot", "1:x", target)
        cluster.sent.append((1, msg.encode(order)))
    cluster.deliver([1, 2, 5])
    (call,) = fence_calls(cluster)
    cluster.give(1, ev.AgentFinished(call.token, Outcome(Rc.ERROR, OpStatus.DONE)))
    first, second = fence_calls(cluster)
    assert [c.call.parameters["plug"] for c in (first, second)] == ["n3", "n4"]
    cluster.give(1, ev.AgentFinished(second.token, Outcome(Rc.ERROR, OpStatus.DONE)))
    cluster.now += 600

    cluster.break_up([1, 2, 5])
    cluster.ring([1, 2, 3, 5])

    assert [c.call.parameters["plug"] for c in fence_calls(cluster)[2:]] == ["n4"]


def test_formation_waits_for_quorum_before_it_counts_the_wait_for_others() -> None:
    # Node 1 is alone for longer than the wait. When node 2 comes, node 3 still has its time.
    cluster = Controllers(2, expected=3)
    cluster.ring([1])
    cluster.now += 25_000
    cluster.give(1, ev.Woke())
    cluster.deliver([1])
    assert not cluster.all[1].situation.formed

    cluster.break_up([1])
    cluster.ring([1, 2])
    assert not cluster.all[1].situation.formed
    cluster.now += 20_000
    cluster.give(cluster.all[1].situation.dc, ev.Woke())
    cluster.deliver()

    assert cluster.all[1].situation.formed
    # And then it says of the absent node that it must be silenced.
    assert node3(cluster).expected == "member"


def test_wait_for_absent_nodes_begins_anew_after_a_time_without_quorum() -> None:
    cluster = Controllers(2, expected=3)
    cluster.ring([1, 2])
    cluster.now += 1_000
    for node in cluster.all:
        cluster.break_up([node])
        cluster.ring([node])
    cluster.now += 30_000
    for node in cluster.all:
        cluster.give(node, ev.Woke())

    for node in cluster.all:
        cluster.break_up([node])
    cluster.ring([1, 2])

    assert not cluster.all[1].situation.formed
    assert cluster.all[1].situation.formed_by == cluster.now + 20_000


def test_quorum_that_comes_without_a_new_ring_begins_the_wait() -> None:
    cluster = Controllers(2, expected=3)
    cluster.ring([1, 2], quorate=False)
    cluster.now += 30_000
    ring = cluster.all[1].situation.ring
    for node in cluster.all:
        cluster.give(node, ev.QuorumChanged(Verdict(ring, True, 2, 3, 2, "")))
    assert cluster.all[1].situation.formed_by == cluster.now + 20_000

    cluster.now += 20_000
    cluster.give(1, ev.Woke())
    cluster.deliver()

    assert cluster.all[1].situation.formed


def test_word_that_the_cluster_has_formed_counts_for_nothing_without_quorum() -> None:
    # It was sent by two of three, and arrives when node 1 is alone again.
    cluster = Controllers(2, expected=3)
    cluster.ring([1, 2])
    cluster.now += 20_000
    cluster.give(1, ev.Woke())
    (word,) = [sent for sent in cluster.sent if isinstance(msg.decode(sent[1]), msg.Formed)]
    cluster.break_up([1])
    cluster.ring([1])
    cluster.give(1, ev.MessageDelivered(*word))
    assert not cluster.all[1].situation.formed

    cluster.break_up([1])
    cluster.ring([1, 2])

    cluster.now += 20_000
    cluster.give(cluster.all[1].situation.dc, ev.Woke())
    cluster.deliver()

    # Now it counts, in the document of the cluster.
    assert cluster.all[1].situation.formed
    state = cluster.all[1].replica.authority.node_state(3)
    assert state is not None
    assert state.expected == "member"


def test_stop_is_asked_for_again_in_every_ring() -> None:
    cluster = formed()
    cluster.give(3, ev.Stop())
    cluster.deliver()
    cluster.sent.clear()
    cluster.break_up([1, 2, 3])
    # The others' document has forgotten it: node 3 was taken for a new life there.
    for node in cluster.all:
        clear = SetNodeState(3, "n3", shutdown=0)
        replica = cluster.all[node].replica
        replica.amend(clear, cluster.all[1].situation.cause("cluster", "forgotten"))

    cluster.ring([1, 2, 3])

    assert 'name="shutdown"' in cluster.all[1].replica.working.to_xml().decode()


def test_fence_agents_are_asked_what_they_can_do_before_anybody_is_in_a_hurry() -> None:
    cluster = Controllers(3)
    cluster.ring([1, 2, 3])

    calls = [e.call for e in cluster.effects[2] if isinstance(e, ev.RunAgent)]

    assert [call.action for call in calls if call.agent.standard == "stonith"] == ["metadata"]
