"""One node's operations: one at a time for each resource, recurring ones by the clock."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc
from ninefold.cib.model import Change, ForgetOperation, RecordOperation
from ninefold.controller.events import Happened, RunAgent
from ninefold.controller.executor import AGENTS_MAX, Executor
from ninefold.controller.messages import Order
from ninefold.core.instants import NEVER

AGENT = AgentName("ocf", "sim", "service")
GOOD = Outcome(Rc.OK, OpStatus.DONE)
NOT_RUNNING = Outcome(Rc.NOT_RUNNING, OpStatus.DONE)
BAD = Outcome(Rc.ERROR, OpStatus.DONE, "broken")


def order(
    task: str, resource: str = "db", *, interval: int = 0, expected: int = 0, delay: int = 0
) -> Order:
    action = "monitor" if task == "cancel" else task
    call = Call(AGENT, resource, action, interval, 20_000)
    quorum = task in ("start", "promote")
    return Order(
        1,
        "1:1-4",
        7,
        task,
        resource,
        expected,
        call,
        start_delay_ms=delay,
        needs_quorum=quorum,
    )


class Driver:
    """Drives an executor and keeps what is running."""

    def __init__(self) -> None:
        self.executor = Executor(1, "node1")
        self.now = 0
        self.running: list[RunAgent] = []
        self.changes: list[Change] = []
        self.told: list[Happened] = []

    def take(self, effects: list[object]) -> None:
        self.running += [effect for effect in effects if isinstance(effect, RunAgent)]
        self.told += [effect for effect in effects if isinstance(effect, Happened)]

    def perform(self, wanted: Order, *, quorate: bool = True) -> None:
        self.take([*self.executor.perform(self.now, wanted, quorate=quorate, wall=1000)])

    def launch(self, *, quorate: bool = True) -> None:
        self.take([*self.executor.launch(self.now, quorate=quorate, wall=1000)])

    def finish(self, outcome: Outcome, *, quorate: bool = True, start_fatal: bool = True) -> None:
        """End the agent that has run longest."""
        token = self.running.pop(0).token
        effects, changes = self.executor.on_finished(
            self.now, token, outcome, wall=1001, start_fatal=start_fatal
        )
        self.take([*effects])
        self.changes += changes
        self.launch(quorate=quorate)

    def actions(self) -> list[str]:
        return [f"{run.call.action} {run.call.resource}" for run in self.running]


@pytest.fixture
def node() -> Driver:
    return Driver()


def defined(wanted: Order, agent: AgentName, **parameters: str) -> Order:
    call = msgspec.structs.replace(wanted.call, agent=agent, parameters=parameters)
    return msgspec.structs.replace(wanted, call=call)


def test_what_was_started_is_stopped_as_it_was_started(node: Driver) -> None:
    # The operator has given the resource another address and another agent since.
    other = AgentName("ocf", "sim", "other")
    node.perform(defined(order("start"), AGENT, ip="10.0.0.1"))
    node.finish(GOOD)

    for outcome in (BAD, GOOD):
        node.perform(defined(order("stop"), other, ip="10.0.0.2"))
        stop = node.running[-1].call
        node.finish(outcome)

        assert (stop.agent, stop.parameters) == (AGENT, {"ip": "10.0.0.1"})
        assert stop.action == "stop"


def test_what_was_started_by_others_is_stopped_as_the_order_says(node: Driver) -> None:
    node.perform(defined(order("start"), AGENT, ip="10.0.0.1"))
    node.finish(GOOD)
    node.perform(defined(order("stop"), AGENT, ip="10.0.0.1"))
    node.finish(GOOD)

    node.perform(defined(order("stop"), AGENT, ip="10.0.0.2"))

    assert node.running[-1].call.parameters == {"ip": "10.0.0.2"}


def test_operations_of_one_resource_run_one_after_the_other(node: Driver) -> None:
    node.perform(order("stop"))
    node.perform(order("start"))
    assert node.actions() == ["stop db"]

    node.finish(GOOD)
    assert node.actions() == ["start db"]


def test_operations_of_different_resources_run_at_the_same_time(node: Driver) -> None:
    node.perform(order("start", "db"))
    node.perform(order("start", "mail"))

    assert node.actions() == ["start db", "start mail"]


def test_no_more_agents_at_once_than_the_host_can_take(node: Driver) -> None:
    for number in range(AGENTS_MAX + 2):
        node.perform(order("start", f"r{number}"))
    assert len(node.running) == AGENTS_MAX
    assert node.executor.deadline == NEVER

    node.finish(GOOD)
    assert len(node.running) == AGENTS_MAX


def test_start_is_not_launched_without_quorum(node: Driver) -> None:
    node.perform(order("start"), quorate=False)
    node.perform(order("monitor"), quorate=False)

    assert node.actions() == ["monitor db"]


def test_start_that_waits_when_quorum_is_lost_is_void(node: Driver) -> None:
    node.perform(order("stop"))
    node.perform(order("start"))

    node.finish(GOOD, quorate=False)

    assert node.actions() == []
    assert node.executor.idle


def test_order_that_waits_when_the_configuration_breaks_up_is_void(node: Driver) -> None:
    node.perform(order("stop"))
    node.perform(order("start"))

    node.executor.on_unsettled()
    node.finish(GOOD)

    assert node.actions() == []


def test_delayed_start_waits_for_its_time(node: Driver) -> None:
    node.perform(order("start", delay=5_000))
    assert node.actions() == []
    assert node.executor.deadline == 5_000

    node.now = 5_000
    node.launch()
    assert node.actions() == ["start db"]


def test_recurring_monitor_runs_again_after_its_interval(node: Driver) -> None:
    node.perform(order("monitor", interval=1_000))
    node.finish(GOOD)
    assert node.executor.deadline == 1_000

    node.now = 999
    node.launch()
    assert node.actions() == []
    node.now = 1_000
    node.launch()
    assert node.actions() == ["monitor db"]


def test_monitor_that_says_the_same_again_is_not_reported(node: Driver) -> None:
    node.perform(order("monitor", interval=1_000))
    node.finish(GOOD)
    assert len(node.changes) == 1

    node.now = 1_000
    node.launch()
    node.finish(GOOD)
    assert len(node.changes) == 1

    node.now = 2_000
    node.launch()
    node.finish(NOT_RUNNING)
    failure = node.changes[-1]
    assert isinstance(failure, RecordOperation)
    assert (failure.operation.rc, failure.counts, failure.fatal) == (7, True, False)


def test_stop_cancels_the_monitors_of_its_resource_only(node: Driver) -> None:
    for resource in ("db", "mail"):
        node.perform(order("monitor", resource, interval=1_000))
        node.finish(GOOD)

    node.perform(order("stop"))
    node.finish(GOOD)
    node.now = 5_000
    node.launch()

    assert node.actions() == ["monitor mail"]


def test_monitor_that_was_cancelled_while_it_ran_says_nothing(node: Driver) -> None:
    node.perform(order("monitor", interval=1_000))
    node.finish(GOOD)
    node.now = 1_000
    node.launch()

    change = node.executor.cancel(order("cancel", interval=1_000))
    node.finish(NOT_RUNNING)

    assert change == ForgetOperation(1, "db", "monitor", 1_000)
    assert len(node.changes) == 1
    assert node.executor.deadline == NEVER


@pytest.mark.parametrize(
    ("task", "start_fatal", "fatal"),
    [
        ("stop", False, True),
        ("start", True, True),
        ("start", False, False),
        ("monitor", True, False),
    ],
)
def test_which_failures_are_final(node: Driver, task: str, start_fatal: bool, fatal: bool) -> None:
    node.perform(order(task, interval=1_000 if task == "monitor" else 0))

    node.finish(BAD, start_fatal=start_fatal)

    failure = node.changes[-1]
    assert isinstance(failure, RecordOperation)
    assert (failure.counts, failure.fatal) == (True, fatal)
    assert node.told[-1].what == "failed"
    assert "broken" in node.told[-1].text


def test_answer_of_a_probe_is_no_failure(node: Driver) -> None:
    node.perform(order("monitor", expected=7))

    node.finish(BAD)

    answer = node.changes[-1]
    assert isinstance(answer, RecordOperation)
    assert not answer.counts


def test_history_tells_what_was_done_and_what_is_under_way(node: Driver) -> None:
    node.perform(order("start"))
    node.finish(GOOD)
    node.perform(order("monitor", interval=1_000))

    done, under_way = node.executor.history()

    assert (done.task, done.op_status, done.rc) == ("start", OpStatus.DONE, 0)
    assert (under_way.task, under_way.op_status) == ("monitor", OpStatus.PENDING)


def test_call_ids_grow(node: Driver) -> None:
    for task in ("start", "stop", "start"):
        node.perform(order(task))
        node.finish(GOOD)

    ids = [c.operation.call_id for c in node.changes if isinstance(c, RecordOperation)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("last", "outcome", "active"),
    [
        ("start", GOOD, True),
        ("start", BAD, True),  # it may have been started before it failed
        ("stop", GOOD, False),
        ("stop", BAD, True),
    ],
)
def test_what_may_be_running_by_the_last_operation(
    node: Driver, last: str, outcome: Outcome, active: bool
) -> None:
    node.perform(order(last))
    node.finish(outcome)

    assert node.executor.active_resources() == (["db"] if active else [])


def test_resource_that_was_forgotten_has_no_history(node: Driver) -> None:
    node.perform(order("start"))
    node.finish(GOOD)
    node.perform(order("monitor", interval=1_000))
    node.finish(GOOD)

    node.executor.forget(("db",))

    assert node.executor.history() == ()
    assert node.executor.deadline == NEVER


def test_what_was_to_recur_before_a_resource_was_forgotten_says_nothing_of_it(node: Driver) -> None:
    node.perform(order("start"))
    node.finish(GOOD)
    node.perform(order("monitor", interval=1_000))
    node.changes.clear()

    node.executor.forget(("db",))
    node.perform(order("monitor"))
    node.finish(BAD)

    assert node.changes == [ForgetOperation(1, "db", "monitor", 1_000)]
    assert node.executor.deadline == NEVER
    node.finish(GOOD)
    assert [op.key for op in node.executor.history()] == ["db_monitor_0"]
