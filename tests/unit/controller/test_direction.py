"""The DC's part: decide on news, order, see it done, abandon on news."""

from __future__ import annotations

import pytest

from ninefold.agents.model import OpStatus
from ninefold.cib.document import Cib
from ninefold.cib.model import AddNodes, Cause, RecordOperation, Stamp
from ninefold.controller import messages as msg
from ninefold.controller.direction import STREAK_MAX, Direction
from ninefold.controller.entries import pending_operation
from ninefold.controller.events import Decide, Effect, Happened, Multicast
from ninefold.controller.fence_desk import Standing
from ninefold.controller.messages import Annex
from ninefold.controller.replica import Replica
from ninefold.controller.situation import FenceFailure, Situation
from ninefold.controller.status import WorkStatus
from ninefold.core.ids import RingId
from ninefold.core.instants import NEVER
from ninefold.quorum.events import Verdict
from ninefold.scheduler.model import Action, ActionKind, Transition

RING = RingId(8, 1)
NAMES = {1: "node1", 2: "node2", 3: "node3"}
CAUSE = Cause("cluster", "test", 1, 1)


class Dc:
    """A direction at node 1, with nodes 1 and 2 in a quorate ring and node 3 lost."""

    def __init__(self, *, dc: int = 1) -> None:
        cib = Cib.empty()
        replica = Replica(1, Stamp(0, cib.version), cib)
        digest = cib.digest()
        annexes = {
            n: Annex(NAMES[n], replica.stamp, digest, 0, 0, True, False, 0, votes=1) for n in (1, 2)
        }
        verdict = Verdict(RING, True, 2, 3, 2, "")
        replica.on_configured(RING, annexes, verdict)
        replica.begin([AddNodes(tuple(NAMES.items()))], CAUSE)
        self.replica = replica
        self.situation = Situation(1, "node1", NAMES)
        self.situation.ring = RING
        self.situation.members = (1, 2)
        self.situation.annexes = annexes
        self.situation.dc = dc
        self.situation.verdict = verdict
        self.situation.formed = True
        self.situation.joined = [1, 2]
        self.direction = Direction(self.situation, replica)

    def drive(self) -> list[Effect]:
        effects, changes = self.direction.drive(self.situation.now)
        assert changes == []
        return effects

    def decide(self, *actions: Action) -> list[Effect]:
        """Let the engine answer with these actions; return what is told and ordered."""
        (question,) = self.drive()
        assert isinstance(question, Decide)
        answer = Transition(actions, (), (), quorate=True)
        return [*self.direction.on_decided(question.number, answer), *self.drive()]


def action(number: int, node: str = "node1", *inputs: int, task: str = "start") -> Action:
    kind = ActionKind.FENCING if task == "stonith" else ActionKind.RESOURCE
    return Action(number, f"key{number}", kind, task, resource="db", node=node, inputs=inputs)


def orders(effects: list[Effect]) -> list[tuple[str, int]]:
    """Return (task, node) of what was ordered."""
    found = []
    for effect in effects:
        if isinstance(effect, Multicast):
            message = msg.decode(effect.payload)
            if isinstance(message, msg.Perform):
                found.append((message.order.task, message.order.node))
            elif isinstance(message, msg.FenceOrder):
                found.append(("fence " + message.name, message.node))
    return found


def report(*, action: str = "reboot") -> msg.FenceReport:
    """Return what somebody says of a fencing of node 3."""
    return msg.FenceReport(3, "node3", True, "switch", "", RING.seq, 0, "1:x", 1, action)


def told(effects: list[Effect]) -> list[str]:
    return [effect.what for effect in effects if isinstance(effect, Happened)]


def test_member_that_is_not_dc_decides_nothing() -> None:
    member = Dc(dc=2)

    assert member.drive() == []
    assert member.direction.idle


def test_dc_asks_the_engine_once_for_each_news() -> None:
    dc = Dc()
    (question,) = dc.drive()
    assert isinstance(question, Decide)
    assert dc.drive() == []

    dc.direction.on_decided(question.number, Transition((), (), (), quorate=True))

    assert dc.drive() == []
    assert dc.direction.idle


def test_what_may_begin_is_ordered_and_the_rest_waits() -> None:
    dc = Dc()

    effects = dc.decide(action(1), action(2, "node2", 1))

    assert told(effects) == ["transition"]
    assert orders(effects) == [("start", 1)]


def test_answer_to_an_older_question_is_ignored() -> None:
    dc = Dc()
    (question,) = dc.drive()
    assert isinstance(question, Decide)
    dc.direction.reset()
    (newer,) = dc.drive()

    answer = Transition((action(1),), (), (), quorate=True)

    assert isinstance(newer, Decide)
    assert dc.direction.on_decided(question.number, answer) == []
    assert told(dc.direction.on_decided(newer.number, answer)) == ["transition"]


def test_answer_that_news_has_overtaken_is_asked_for_again() -> None:
    dc = Dc()
    (question,) = dc.drive()
    assert isinstance(question, Decide)
    dc.direction.news("the document changed")

    answer = Transition((action(1),), (), (), quorate=True)

    assert dc.direction.on_decided(question.number, answer) == []
    assert [type(effect) for effect in dc.drive()] == [Decide]


def test_news_abandons_the_transition() -> None:
    dc = Dc()
    dc.decide(action(1), action(2, "node2", 1))

    dc.direction.news("a node was lost")

    assert dc.direction.carrier is None
    assert [type(effect) for effect in dc.drive()] == [Decide]


def test_while_something_is_under_way_only_fencing_is_ordered() -> None:
    dc = Dc()
    order = msg.decode(_first_order(dc))
    assert isinstance(order, msg.Perform)
    dc.replica.amend(RecordOperation(2, pending_operation(order.order, 1)), CAUSE)
    dc.direction.reset()

    ordered = dc.decide(action(1), action(2, "node3", task="stonith"))

    assert orders(ordered) == [("fence node3", 1)]


def _first_order(dc: Dc) -> bytes:
    dc.direction.reset()
    effects = dc.decide(action(1, "node2"))
    return next(effect.payload for effect in effects if isinstance(effect, Multicast))


def test_node_that_is_being_fenced_is_not_fenced_twice() -> None:
    dc = Dc()
    assert orders(dc.decide(action(1, "node3", task="stonith"))) == [("fence node3", 1)]
    dc.direction.news("something else")

    assert orders(dc.decide(action(1, "node3", task="stonith"))) == []


@pytest.mark.parametrize(("attempts", "by"), [(1, 1), (2, 2), (3, 1)])
def test_failed_fencing_is_tried_by_the_members_in_turn(attempts: int, by: int) -> None:
    dc = Dc()
    never = 2**63 - 1
    dc.situation.fence_failures["node3"] = FenceFailure(attempts - 1, "no answer", never)

    # The DC itself comes first, then the others.
    assert orders(dc.decide(action(1, "node3", task="stonith"))) == [("fence node3", by)]


def test_fencing_that_failed_just_now_waits_for_its_time() -> None:
    dc = Dc()
    dc.situation.fence_failures["node3"] = FenceFailure(1, "no answer", retry_at=2_000)

    assert orders(dc.decide(action(1, "node3", task="stonith"))) == []
    assert dc.direction.deadline == 2_000

    dc.situation.now = 2_000
    dc.direction.wake(2_000)
    assert orders(dc.decide(action(1, "node3", task="stonith"))) == [("fence node3", 2)]


def test_failed_unfencing_is_tried_again_in_its_time_and_delays_no_fencing() -> None:
    dc = Dc()
    dc.situation.unfence_failures["node2"] = FenceFailure(1, "no answer", retry_at=2_000)
    let_in = Action(
        1, "on", ActionKind.FENCING, "stonith", node="node2", meta={"stonith_action": "on"}
    )

    assert orders(dc.decide(let_in, action(2, "node2", task="stonith"))) == [("fence node2", 1)]
    assert dc.direction.deadline == 2_000

    dc.situation.now = 2_000
    dc.direction.wake(2_000)
    assert orders(dc.decide(let_in)) == [("fence node2", 2)]


def test_what_waits_for_a_fencing_begins_when_it_is_reported() -> None:
    dc = Dc()
    dc.decide(action(1, "node3", task="stonith"), action(2, "node2", 1))

    dc.direction.on_fenced(report(), Standing.DONE)

    assert orders(dc.drive()) == [("start", 2)]


@pytest.mark.parametrize("standing", [Standing.FAILED, Standing.VOID, Standing.UNHEARD])
def test_nothing_begins_when_a_fencing_did_not_succeed(standing: Standing) -> None:
    dc = Dc()
    dc.decide(action(1, "node3", task="stonith"), action(2, "node2", 1))

    dc.direction.on_fenced(report(), standing)

    assert orders(dc.drive()) == []


def test_node_that_was_let_in_is_not_silent() -> None:
    dc = Dc()
    dc.decide(action(1, "node3", task="stonith"), action(2, "node2", 1))

    dc.direction.on_fenced(report(action="on"), Standing.DONE)

    assert orders(dc.drive()) == []


def test_action_on_a_node_that_is_no_member_is_not_ordered() -> None:
    dc = Dc()

    assert orders(dc.decide(action(1, "node3"), action(2, "node1", 1))) == []


@pytest.mark.parametrize("task", ["delete", "clear_failcount", "start"])
def test_action_on_a_node_that_nobody_knows_touches_no_other(task: str) -> None:
    dc = Dc()

    # `decide` looks that no change is proposed: to forget on node 0 is to forget everywhere.
    assert orders(dc.decide(action(1, "ghost", task=task))) == []


def test_decisions_that_lead_nowhere_end() -> None:
    dc = Dc()
    dc.drive()
    seen: list[str] = []
    for _ in range(STREAK_MAX + 2):
        pseudo = Action(1, "nothing", ActionKind.PSEUDO, "start")
        dc.direction._deciding, dc.direction._news = 1, ""
        answer = Transition((pseudo,), (), (), quorate=True)
        seen += told(dc.direction.on_decided(1, answer))
        dc.drive()

    assert seen.count("transition") == STREAK_MAX
    assert "not-converging" in seen


def test_engine_that_failed_is_asked_again_after_a_while_and_nothing_is_concluded() -> None:
    dc = Dc()
    (question,) = dc.drive()
    assert isinstance(question, Decide)
    dc.situation.unfence_failures["node2"] = FenceFailure(1, "no answer", retry_at=NEVER)
    again = dc.situation.wall + 60
    nothing = Transition((), (), (), quorate=False, recheck_at=again, decided=False)

    assert dc.direction.on_decided(question.number, nothing) == []
    assert dc.drive() == []
    assert "node2" in dc.situation.unfence_failures

    dc.situation.now = dc.direction.deadline
    assert dc.direction.wake(dc.situation.now) == []
    assert [type(effect) for effect in dc.drive()] == [Decide]
    assert dc.situation.wall == again


def test_pending_result_is_no_news() -> None:
    dc = Dc()
    order = msg.decode(_first_order(dc))
    assert isinstance(order, msg.Perform)

    dc.direction.on_result(pending_operation(order.order, 1))

    assert pending_operation(order.order, 1).op_status == OpStatus.PENDING
    assert dc.direction.carrier is not None


def test_abandoned_transition_is_remembered_until_the_next_decision_that_is_not_put_off() -> None:
    dc = Dc()
    assert orders(dc.decide(action(1, "node2"))) == [("start", 2)]
    begun = dc.direction.work.transition
    assert begun

    dc.direction.news("node3 joined")

    given_up = WorkStatus(abandoned=begun, why="node3 joined")
    assert dc.direction.work == given_up
    # The order is still in the ring, so the next decision may only fence.
    assert orders(dc.decide(action(2, "node1"))) == []
    assert dc.direction.work == given_up
    # Further news do not hide what ended it; in a new ring nothing is under way any more.
    dc.direction.news("something else")
    assert dc.direction.work == given_up
    dc.direction.reset()
    assert orders(dc.decide(action(3, "node1"))) == [("start", 1)]
    assert dc.direction.work.abandoned == ""
