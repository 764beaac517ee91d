"""The checker of what a cluster must remember (S9): told that it forgot something, it must see that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    ForgetHistory,
    NodeFenced,
    Operation,
    RecordOperation,
    ReplaceHistory,
    SetNodeAttribute,
    SetNodeState,
    SetProperty,
    SetTransientAttribute,
    Stamp,
)
from ninefold.controller import requests as rq
from ninefold.sim.checkers import Violation
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.sim.memory import Memory

CAUSE = Cause("alice", "test", 1_700_000_000, 1)
FAILED = Operation("db", "ocf", "sim", "service", "monitor", 1_000, 5, 1, 0, 0, "1:x", 1, 10, 10)
LATER = 60_000


class Cluster:
    """A document that grows, and the checker that sees each version being saved."""

    def __init__(self) -> None:
        shape = Shape(nodes=3, resources=[Primitive("db")])
        self.world = World(1, corosync_conf(shape), document(shape))
        self.memory: Memory = self.world.memory
        self.stamp, self.cib = Stamp(), document(shape)
        self.save(0, AddNodes(((1, "node1"), (2, "node2"), (3, "node3"))))

    def save(self, now: int, *changes: Change, ring: int = 4) -> None:
        for change in changes:
            outcome = apply(self.cib, change, CAUSE)
            assert isinstance(outcome, Cib)
            self.cib = outcome
        self.stamp = Stamp(ring, self.cib.version)
        self.memory.on_save(now, self.stamp, self.cib)

    def ask(self, now: int, number: int, change: rq.OperatorChange) -> None:
        self.memory.on_asked(now, number, rq.encode(rq.ChangeCib(change)))

    def acknowledge(self, now: int, number: int) -> None:
        self.memory.on_acknowledged(now, number, self.stamp)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


STANDBY = SetNodeAttribute("node2", "standby", "on")
ONLINE = SetNodeAttribute("node2", "standby", None)
MAINTENANCE = SetProperty("maintenance-mode", "true")


@pytest.mark.parametrize(
    ("wish", "undone"),
    [(STANDBY, ONLINE), (MAINTENANCE, SetProperty("maintenance-mode", None))],
    ids=["standby", "maintenance"],
)
def test_wish_that_is_gone_in_a_later_ring_is_a_violation(
    cluster: Cluster, wish: rq.OperatorChange, undone: rq.OperatorChange
) -> None:
    cluster.ask(10, 1, wish)
    cluster.save(20, wish)
    cluster.acknowledge(30, 1)

    with pytest.raises(Violation, match="was asked to be"):
        cluster.save(40, undone, ring=8)


def test_wish_that_somebody_else_takes_back_later_or_at_the_same_time_is_none(
    cluster: Cluster,
) -> None:
    cluster.ask(10, 1, STANDBY)
    cluster.ask(11, 2, ONLINE)
    cluster.save(20, STANDBY)
    cluster.acknowledge(30, 1)

    cluster.save(40, ONLINE)
    cluster.save(41, STANDBY)
    cluster.ask(50, 3, ONLINE)
    cluster.save(60, ONLINE)


def test_wish_that_was_over_before_another_began_does_not_come_back(cluster: Cluster) -> None:
    cluster.ask(10, 1, STANDBY)
    cluster.save(20, STANDBY)
    cluster.acknowledge(30, 1)
    cluster.ask(40, 2, ONLINE)
    cluster.save(50, ONLINE)
    cluster.acknowledge(60, 2)

    with pytest.raises(Violation, match="'on'"):
        cluster.save(70, STANDBY)


@pytest.mark.parametrize(("code", "counts"), [("no-quorum", False), ("not-acknowledged", True)])
def test_wish_that_was_refused_for_certain_is_none(
    cluster: Cluster, code: str, *, counts: bool
) -> None:
    cluster.ask(10, 1, STANDBY)
    cluster.memory.on_refused(1, rq.encode(rq.Refusal(code, ())))
    cluster.ask(20, 2, ONLINE)
    cluster.save(30, ONLINE)
    cluster.acknowledge(40, 2)

    if counts:
        cluster.save(50, STANDBY)
    else:
        with pytest.raises(Violation, match="was asked to be"):
            cluster.save(50, STANDBY)


def test_wishes_of_one_moment_are_kept_each_from_its_own_document_on(cluster: Cluster) -> None:
    before = cluster.cib
    other = SetNodeAttribute("node1", "standby", "on")
    cluster.ask(10, 1, STANDBY)
    cluster.ask(10, 2, other)
    cluster.save(20, STANDBY)
    stamp = cluster.stamp
    cluster.acknowledge(30, 1)
    cluster.save(30, other)
    cluster.acknowledge(30, 2)

    with pytest.raises(Violation, match="node2 standby is None"):
        cluster.memory.on_save(40, stamp, before)


def test_older_document_that_is_saved_late_need_not_hold_a_wish(cluster: Cluster) -> None:
    before, stamp = cluster.cib, cluster.stamp
    cluster.ask(10, 1, STANDBY)
    cluster.save(20, STANDBY)
    cluster.acknowledge(30, 1)

    cluster.memory.on_save(40, stamp, before)


def fail(cluster: Cluster, now: int) -> None:
    cluster.save(now, RecordOperation(2, FAILED, counts=True))


def forgotten(cluster: Cluster) -> None:
    name = f"fail-count-{FAILED.resource}#{FAILED.task}_{FAILED.interval_ms}"
    cluster.save(100, SetTransientAttribute(2, name, None), ring=8)
    cluster.save(LATER, SetTransientAttribute(1, "any", "1"), ring=8)


def test_fail_count_that_does_not_come_back_is_a_violation(cluster: Cluster) -> None:
    fail(cluster, 20)

    with pytest.raises(Violation, match="had failed 1 times"):
        forgotten(cluster)


def test_cleanup_that_was_refused_is_no_reason_to_forget(cluster: Cluster) -> None:
    cluster.save(10, RecordOperation(2, FAILED, counts=True))
    cluster.ask(20, 1, ForgetHistory("db"))
    cluster.memory.on_refused(1, rq.encode(rq.Refusal("no-quorum", ())))
    cluster.save(30, ForgetHistory("db"))

    with pytest.raises(Violation, match="had failed 1 times"):
        cluster.save(30 + LATER, MAINTENANCE)


def test_fail_count_may_be_said_again_in_the_next_ring(cluster: Cluster) -> None:
    fail(cluster, 20)
    name = f"fail-count-{FAILED.resource}#{FAILED.task}_{FAILED.interval_ms}"
    cluster.save(100, SetTransientAttribute(2, name, None), ring=8)
    cluster.save(200, SetTransientAttribute(2, name, "1"), ring=8)

    cluster.save(LATER, SetTransientAttribute(1, "any", "1"), ring=8)


@pytest.mark.parametrize("cause", ["cleanup", "new-daemon", "fenced"])
def test_fail_count_may_be_forgotten_for_a_reason(cluster: Cluster, cause: str) -> None:
    fail(cluster, 20)
    if cause == "cleanup":
        cluster.ask(30, 1, ForgetHistory("db", 2))
        cluster.acknowledge(40, 1)
    elif cause == "new-daemon":
        cluster.memory.on_begun(30, 2)
    else:
        cluster.memory.on_vouched(30, "node2")

    forgotten(cluster)


LOST = SetNodeState(3, "node3", in_ccm=False, crmd="offline", join="down", expected="member")


def test_lost_node_that_counts_as_silent_without_a_word_is_a_violation(cluster: Cluster) -> None:
    cluster.save(20, LOST)

    with pytest.raises(Violation, match="nobody has silenced it"):
        cluster.save(40, SetNodeState(3, "node3", expected="down"), ring=8)


def test_word_about_an_earlier_life_does_not_silence_a_lost_node(cluster: Cluster) -> None:
    cluster.memory.on_vouched(5, "node3")
    cluster.save(10, SetNodeState(3, "node3", in_ccm=True, expected="member", joined_in=4))
    cluster.save(20, LOST)

    with pytest.raises(Violation, match="nobody has silenced it"):
        cluster.save(40, NodeFenced(3, "node3", "fence", 0))


def test_word_silences_a_node_that_has_booted_since_and_not_joined(cluster: Cluster) -> None:
    cluster.save(10, SetNodeState(3, "node3", in_ccm=True, expected="member", joined_in=4))
    cluster.memory.on_vouched(15, "node3")
    cluster.memory.on_begun(18, 3)
    cluster.save(20, LOST)

    cluster.save(40, NodeFenced(3, "node3", "fence", 0), ring=8)


def test_lost_node_may_be_silenced_or_come_back(cluster: Cluster) -> None:
    cluster.memory.on_begun(5, 3)
    cluster.save(20, LOST)
    cluster.memory.on_vouched(30, "node3")
    cluster.save(40, NodeFenced(3, "node3", "fence", 0))

    cluster.save(50, SetNodeState(3, "node3", in_ccm=True, crmd="online", expected="member"))
    cluster.save(60, LOST)
    cluster.save(70, SetNodeState(3, "node3", in_ccm=True))
    cluster.save(80, SetNodeState(3, "node3", in_ccm=False, expected="down"))


def test_nothing_is_demanded_of_a_disk_that_was_set_back(cluster: Cluster) -> None:
    cluster.ask(10, 1, STANDBY)
    cluster.save(20, STANDBY)
    cluster.acknowledge(30, 1)
    cluster.world.documents.set_back()

    cluster.save(40, ONLINE, ring=8)


def test_account_of_a_daemon_that_begins_anew_ends_its_fail_counts(cluster: Cluster) -> None:
    fail(cluster, 20)
    cluster.memory.on_begun(30, 2)

    cluster.save(40, ReplaceHistory(2, "node2", (), fresh=True), ring=8)
    cluster.save(LATER, SetTransientAttribute(1, "any", "1"), ring=8)
