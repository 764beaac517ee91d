"""Resources that move alive, carried out: each half fails, and each end dies, at the worst moment."""

from __future__ import annotations

import pytest

from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc
from ninefold.cib import model as cib
from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from ninefold.controller import requests as rq
from ninefold.controller.executor import Executor
from ninefold.core.instants import NEVER
from tests.controller_life import Job, Life, document

VM = (
    '<primitive id="vm" class="ocf" provider="sim" type="service"><meta_attributes id="vm-meta">'
    '<nvpair id="vm-alive" name="allow-migrate" value="true"/></meta_attributes>'
    '<operations><op id="vm-m" name="monitor" interval="10s"/></operations></primitive>'
)
PREFERS = '<rsc_location id="l" rsc="vm" node="n1" score="50"/>'


def begun() -> Life:
    """Return a cluster in which `vm` runs on 1, where it may not be active twice, and is asked to move to 2."""
    life = Life(3, document(VM, PREFERS))

    def judge(job: Job) -> None:
        assert len(life.where("vm")) <= 1, f"vm runs on {life.where('vm')}"
        assert job.call.resource != "vm" or job.call.action != "start" or not others(life, job)

    life.on_change.append(judge)
    life.on_launch.append(lambda job: judge_start(life, job))
    life.begin()
    assert life.settle(lambda _: 0)
    assert life.where("vm") == [1]
    life.story.clear()
    life.ask(1, rq.ChangeCib(cib.MoveResource("vm", node="n2")))
    life.drain()
    return life


def others(life: Life, job: Job) -> list[int]:
    """Return where else `vm` runs."""
    return [node for node in life.where("vm") if node != job.node]


def judge_start(life: Life, job: Job) -> None:
    """Whoever starts it is alone, and nobody is sending it anywhere."""
    if job.call.resource != "vm" or job.call.action != "start":
        return
    assert not others(life, job), f"vm is started on {job.node} and runs on {others(life, job)}"
    sending = [
        one.node
        for one in life.jobs
        if one.call.action == "migrate_to" and one.node not in life.off
    ]
    assert not sending, f"vm is started on {job.node} while {sending} may be sending it"


def until(life: Life, action: str) -> Job:
    """Let agents end until one that does this is under way."""
    for _ in range(50):
        found = [j for j in life.jobs if (j.call.resource, j.call.action) == ("vm", action)]
        if found:
            return found[0]
        life.finish(life.jobs[0])
    raise AssertionError(f"no {action} of vm: {life.story}")


def test_it_leaves_arrives_and_is_stopped_where_it_was() -> None:
    life = begun()

    assert life.settle(lambda _: 0)

    assert life.where("vm") == [2]
    told = [line for line in life.story if "monitor" not in line]
    assert told == ["1: migrate_to vm", "2: migrate_from vm", "1: stop vm"]
    assert "vm moved alive from n1 to n2" in life.told()
    assert life.ring.all[1].replica.working.fail_counts() == ()


def test_nothing_is_remembered_of_a_migration_that_is_complete() -> None:
    # An old migrate_to would be taken for news once its target has been fenced and is back.
    life = begun()

    assert life.settle(lambda _: 0)
    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)

    tasks = [op.task for op in life.ring.all[3].replica.working.operations(1)]
    assert "migrate_to" not in tasks
    assert [op.task for op in life.ring.all[1].executor.history() if op.resource == "vm"] == [
        "stop"
    ]


def test_the_agent_is_told_both_ends() -> None:
    life = begun()

    job = until(life, "migrate_to")

    assert job.call.meta["migrate_source"] == "n1"
    assert job.call.meta["migrate_target"] == "n2"


def test_the_source_waits_for_the_word_of_the_target() -> None:
    # The target has not heard of the order: cut off now, it would vouch for not running vm.
    life = Life(3, document(VM, PREFERS))
    life.begin()
    assert life.settle(lambda _: 0)
    life.ring.ask(1, rq.ChangeCib(cib.MoveResource("vm", node="n2")))

    life.members = [1, 3]
    life.drain()

    assert [job for job in life.jobs if job.call.action == "migrate_to"] == []


def test_a_departure_that_fails_ends_in_a_stop_and_a_start() -> None:
    life = begun()
    life.faults[(1, "vm", "migrate_to")] = 1

    assert life.settle(lambda _: 0)

    assert life.where("vm") == [2]
    assert "2: start vm" in life.story


@pytest.mark.parametrize("action", ["migrate_to", "migrate_from"])
def test_a_half_that_is_said_to_have_failed_though_it_was_done(action: str) -> None:
    life = begun()
    node = {"migrate_to": 1, "migrate_from": 2}[action]
    life.faults[(node, "vm", action)] = 1
    life.half.append((node, "vm", action))

    assert life.settle(lambda _: 0)

    assert len(life.where("vm")) == 1


@pytest.mark.parametrize("moment", ["migrate_to", "migrate_from", "stop"])
@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_whoever_is_lost_at_whatever_moment(moment: str, lost: int, *, late: bool) -> None:
    life = begun()
    job = until(life, moment)

    # Node 1 conducts; what runs on the lost node may end before its power is cut, unheard of.
    life.configure([node for node in life.nodes if node != lost])
    fencing = next((j for j in life.jobs if j.call.action in ("reboot", "off")), None)
    if late and job.node == lost and fencing is not None:
        life.finish_unheard(job)
    assert life.settle(lambda _: 0)

    assert len(life.where("vm")) == 1, life.story


@pytest.mark.parametrize("moment", ["migrate_to", "migrate_from", "stop"])
@pytest.mark.parametrize("who", [1, 2])
def test_a_daemon_that_begins_anew_at_whatever_moment(moment: str, who: int) -> None:
    life = begun()
    until(life, moment)

    for job in [j for j in life.jobs if j.node == who]:
        life.finish_unheard(job)
    life.restart_daemon(who)
    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)

    assert len(life.where("vm")) == 1, life.story


@pytest.mark.parametrize("moment", ["migrate_to", "migrate_from", "stop"])
def test_the_target_of_a_complete_migration_is_fenced_and_back_later(moment: str) -> None:
    # What ran elsewhere meanwhile is left alone.
    life = begun()
    until(life, moment)
    life.configure([1, 3])
    assert life.settle(lambda _: 0)
    where = life.where("vm")

    life.story.clear()
    life.boot(2)
    life.ask(1, rq.ChangeCib(cib.ClearMoves("vm")))
    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)

    assert life.where("vm") == where
    assert [line for line in life.story if "monitor" not in line and "vm" in line] == []


def test_what_was_to_arrive_is_stopped_only_when_its_source_is_silent() -> None:
    # The lost node goes on sending until its power is cut.
    life = begun()
    sending = until(life, "migrate_to")
    life.configure([2, 3])
    life.ask(2, rq.ChangeCib(cib.SetNodeAttribute("n2", "standby", "on")))
    life.drain()

    fencing = [j for j in life.jobs if j.call.action == "reboot"]
    while not fencing or (others := [j for j in life.jobs if j.node != 1 and j not in fencing]):
        life.finish(next(j for j in life.jobs if j.node != 1) if not fencing else others[0])
        fencing = [j for j in life.jobs if j.call.action == "reboot"]
    assert "2: stop vm" not in life.story
    life.finish_unheard(sending)
    assert life.where("vm") == [2]
    assert life.settle(lambda _: 0)

    assert life.where("vm") == [3]


def deliver_until(life: Life, members: list[int], kind: type[msg.Message]) -> None:
    """Deliver what was sent until a message of that kind has been; the rest is lost."""
    while life.ring.sent:
        sender, payload = life.ring.sent.popleft()
        for node in members:
            life.ring.give(node, ev.MessageDelivered(sender, payload))
        if isinstance(msg.decode(payload), kind):
            return
    raise AssertionError(f"no {kind.__name__} was sent")


def test_the_source_is_fenced_and_its_word_gone_before_anything_was_done_at_the_target() -> None:
    # What left it lives on where it went, and nothing but a look at that node tells.
    life = begun()
    sending = until(life, "migrate_to")
    life.finish_unheard(sending)
    life.ring.give(1, ev.AgentFinished(sending.token, Outcome(Rc.OK, OpStatus.DONE)))
    life.ring.deliver([2, 3])
    life.configure([2, 3])
    life.ask(2, rq.ChangeCib(cib.SetNodeAttribute("n2", "standby", "on")))
    life.drain()
    while not (fencing := [j for j in life.jobs if j.call.action == "reboot"]):
        life.finish(next(j for j in life.jobs if j.node != 1))

    # The ring breaks up between the report of the fencing and the next order.
    life.jobs.remove(fencing[0])
    life.power_off(1)
    answer = Outcome(Rc.OK, OpStatus.DONE)
    life.ring.give(fencing[0].node, ev.AgentFinished(fencing[0].token, answer))
    deliver_until(life, [2, 3], msg.FenceReport)
    life.configure([2, 3])
    assert life.ring.all[2].replica.working.operations(1) == ()
    assert life.settle(lambda _: 0)

    assert life.where("vm") == [3]


def test_a_departure_that_nobody_releases_does_not_hold_up_what_comes_after() -> None:
    executor = Executor(1, "n1")
    agent = AgentName("ocf", "sim", "service")

    def order(number: int, task: str, meta: dict[str, str]) -> msg.Order:
        call = Call(agent, "vm", task, 0, 20_000, {}, meta)
        return msg.Order(1, "1:x", number, task, "vm", 0, call)

    departing = order(1, "migrate_to", {"migrate_source": "n1", "migrate_target": "n2"})
    assert executor.perform(0, departing, quorate=True, wall=0) == []
    assert executor.deadline == NEVER
    begun = executor.perform(0, order(2, "stop", {}), quorate=True, wall=0)

    assert [effect.call.action for effect in begun if isinstance(effect, ev.RunAgent)] == ["stop"]
    # The word that comes too late releases nothing.
    executor.release(0, "1:x", 1)
    assert executor.launch(0, quorate=True, wall=0) == []
