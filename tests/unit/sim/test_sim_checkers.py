"""The checkers by themselves: told a story, they must see what is wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.agents.model import AgentName, Call
from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import AddNodes, Cause, SetNodeAttribute, Stamp
from ninefold.config.model import TotemOptions
from ninefold.controller import events as control
from ninefold.core.ids import RingId
from ninefold.quorum.events import Verdict
from ninefold.sim.checkers import Beliefs, Checkers, Health, Partition, Violation, check_needed
from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.stage import Stage
from ninefold.sim.views import Views
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.sim.host import Host

RING, NEXT = RingId(4, 1), RingId(8, 1)


@pytest.fixture
def checkers() -> Checkers:
    return Checkers(two_node=False)


def test_resource_on_two_hosts_is_a_violation(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")

    with pytest.raises(Violation, match="while it runs on"):
        checkers.on_start(20, 2, "db")


def test_resource_that_was_stopped_may_start_elsewhere(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_stop(20, 1, "db")

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_power_cut_alone_does_not_permit_a_takeover(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)

    with pytest.raises(Violation, match="was not fenced"):
        checkers.on_start(30, 2, "db")


def test_fencing_before_the_power_cut_does_not_count(checkers: Checkers) -> None:
    checkers.on_silenced(5, 1)
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)

    with pytest.raises(Violation, match="was not fenced"):
        checkers.on_start(30, 2, "db")


def test_fenced_host_may_be_taken_over(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)
    checkers.on_silenced(20, 1)

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_host_that_came_back_by_itself_has_lost_what_it_ran(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "db")
    checkers.on_power_off(20, 1)
    checkers.on_boot(25, 1)

    checkers.on_start(30, 2, "db")

    assert checkers.starts == 2


def test_move_of_what_does_not_run_at_its_source_is_a_violation(checkers: Checkers) -> None:
    checkers.on_start(10, 1, "vm")

    with pytest.raises(Violation, match="moves from 2 to 3"):
        checkers.on_migration(20, 2, 3, "vm")


def test_start_without_quorum_is_a_violation(checkers: Checkers) -> None:
    me = Partition(1, (1,), quorate=False)

    with pytest.raises(Violation, match="without quorum"):
        checkers.on_launch(10, "db", me, [me])


def test_two_separate_partitions_with_quorum_are_a_violation(checkers: Checkers) -> None:
    me, other = Partition(1, (1, 2), quorate=True), Partition(3, (3, 4), quorate=True)

    with pytest.raises(Violation, match="both have quorum"):
        checkers.on_launch(10, "db", me, [me, other])


def test_paused_node_that_still_believes_in_the_old_ring_is_no_separate_partition(
    checkers: Checkers,
) -> None:
    me, paused = Partition(1, (1, 2), quorate=True), Partition(3, (1, 2, 3), quorate=True)

    checkers.on_launch(10, "db", me, [me, paused])


def test_quorum_of_half_the_votes_is_a_violation(checkers: Checkers) -> None:
    with pytest.raises(Violation, match="2 of 4"):
        checkers.on_quorum(10, Partition(1, (1, 2), quorate=True), 2, 4)


def healthy(**changes: object) -> Health:
    standing: dict[str, object] = {
        "node": 1,
        "running": True,
        "connected": True,
        "disturbed_at": 0,
        "stop_fails": False,
        "requested": False,
    }
    return Health(**(standing | changes))  # type: ignore[arg-type]


def test_fencing_of_a_healthy_host_is_a_violation() -> None:
    with pytest.raises(Violation, match="healthy"):
        check_needed(100_000, healthy(), memory_ms=60_000)


@pytest.mark.parametrize(
    "reason",
    [
        {"running": False},
        {"connected": False},
        {"stop_fails": True},
        {"requested": True},
        {"disturbed_at": 50_000},
    ],
)
def test_fencing_with_a_reason_is_none(reason: dict[str, object]) -> None:
    check_needed(100_000, healthy(**reason), memory_ms=60_000)


# Views.


def configured(*, members: tuple[int, ...] = (1, 2), ring: RingId = RING) -> control.Configured:
    verdict = Verdict(ring, True, 2, 2, 2, "")
    return control.Configured(ring, members, dict.fromkeys(members, b""), verdict)


def delivered(sender: int, payload: bytes) -> control.MessageDelivered:
    return control.MessageDelivered(sender, payload)


def told() -> Views:
    """Return checkers that know of one message of node 1 and one of node 2."""
    views = Views()
    views.on_sent(1, b"a")
    views.on_sent(2, b"b")
    return views


def test_wrong_belief_may_last_longer_after_a_start_and_where_a_device_has_failed() -> None:
    beliefs = Beliefs(TotemOptions(token=1_000, consensus=1_200))
    rounds = 3 * 2_200 + 10_000

    assert beliefs.last_ms(100_000) == rounds

    beliefs.on_begun(90_000)
    assert beliefs.last_ms(100_000) == rounds + 20_000
    assert beliefs.last_ms(90_000 + rounds + 20_001) == rounds

    beliefs.device_failed = True
    assert beliefs.last_ms(200_000) == rounds + 60_000


def test_different_members_of_one_ring_are_a_violation() -> None:
    views = told()
    views.on_event(1, 1, configured())

    with pytest.raises(Violation, match="sees ring"):
        views.on_event(2, 2, configured(members=(2, 3)))


def test_two_orders_in_one_ring_are_a_violation() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.on_event(2, 1, delivered(2, b"b"))

    with pytest.raises(Violation, match="message 0"):
        views.on_event(3, 2, delivered(2, b"b"))


def test_member_that_is_behind_is_no_violation() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.on_event(2, 1, delivered(2, b"b"))

    views.on_event(3, 2, delivered(1, b"a"))


def test_those_who_move_on_together_must_have_delivered_the_same() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    for node in (1, 2):
        views.on_event(3, node, control.Unsettled((1, 2)))
    views.on_event(4, 1, configured(ring=NEXT))

    with pytest.raises(Violation, match="went together"):
        views.on_event(4, 2, configured(ring=NEXT))


def test_late_delivery_in_the_transitional_configuration_counts() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    for node in (1, 2):
        views.on_event(3, node, control.Unsettled((1, 2)))
    views.on_event(3, 2, delivered(1, b"a"))

    views.on_event(4, 1, configured(ring=NEXT))
    views.on_event(4, 2, configured(ring=NEXT))


def test_daemon_that_began_anew_has_seen_nothing() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
    views.on_event(2, 1, delivered(1, b"a"))
    views.forget(2)

    views.on_event(4, 1, configured(ring=NEXT))
    views.on_event(4, 2, configured(ring=NEXT))


def test_message_that_nobody_sent_is_a_violation() -> None:
    views = told()
    views.on_event(1, 1, configured())

    with pytest.raises(Violation, match="did not send"):
        views.on_event(2, 1, delivered(2, b"x"))


def test_message_that_comes_twice_is_a_violation() -> None:
    views = told()
    views.on_event(1, 1, configured())
    views.on_event(2, 1, delivered(1, b"a"))

    with pytest.raises(Violation, match="has twice"):
        views.on_event(3, 1, delivered(1, b"a"))


def test_messages_of_one_sender_in_another_order_are_a_violation() -> None:
    views = told()
    views.on_sent(1, b"later")
    views.on_event(1, 2, configured())
    views.on_event(2, 2, delivered(1, b"later"))

    with pytest.raises(Violation, match="out of order"):
        views.on_event(3, 2, delivered(1, b"a"))


def test_last_word_that_has_not_come_is_seen() -> None:
    views = told()
    for node in (1, 2):
        views.on_event(1, node, configured())
        views.on_event(2, node, delivered(1, b"a"))
    views.on_event(3, 1, delivered(2, b"b"))

    assert views.unheard() == ["2 has not got the last message of 2"]


# What is said of a fencing.


def test_fencing_that_no_device_has_done_must_not_be_told(checkers: Checkers) -> None:
    checkers.on_device_said("node2")
    checkers.on_fencing_told(1, "node2")

    with pytest.raises(Violation, match="node3 is said to be fenced"):
        checkers.on_fencing_told(2, "node3")


# Disks.


def cluster(nodes: int = 3) -> World:
    shape = Shape(nodes=nodes, resources=[Primitive("vip"), Primitive("http")])
    shape.groups = {"web": ["vip", "http"]}
    return World(1, corosync_conf(shape), document(shape))


def with_attribute(cib: Cib, name: str) -> Cib:
    cause = Cause("alice", "test", 0, 1)
    named = apply(cib, AddNodes(((1, "node1"),)), cause)
    assert isinstance(named, Cib)
    changed = apply(named, SetNodeAttribute("node1", name, "here"), cause)
    assert isinstance(changed, Cib)
    return changed


def test_two_documents_under_one_stamp_are_a_violation() -> None:
    world = cluster()
    one, other = (with_attribute(document(Shape()), name) for name in ("a", "b"))
    stamp = Stamp(5, one.version)
    world.documents.on_save(1, 1, stamp, one)
    world.documents.on_save(2, 2, stamp, one)

    with pytest.raises(Violation, match="hold different documents"):
        world.documents.on_save(3, 3, stamp, other)


def test_acknowledged_change_must_be_on_so_many_disks_that_no_majority_lacks_it() -> None:
    world = cluster()
    changed = with_attribute(document(Shape()), "mark-1")
    for node in (1, 2):
        world.hosts[node].disk.keep(Stamp(5, changed.version), changed)
    world.documents.check_kept(1, "mark-1")
    world.hosts[2].disk.lose()

    with pytest.raises(Violation, match="mark-1 is acknowledged"):
        world.documents.check_kept(2, "mark-1")


def test_disk_that_was_set_back_may_lack_what_was_promised() -> None:
    world = cluster()
    world.documents.set_back()

    world.documents.check_kept(1, "mark-1")


# Order.


def call(resource: str, action: str) -> Call:
    return Call(AgentName("ocf", "sim", "service"), resource, action, 0, 1000)


def test_member_of_a_group_must_not_start_before_those_before_it() -> None:
    world = cluster()

    with pytest.raises(Violation, match="starts http before vip"):
        world.ordering.on_launch(1, world.hosts[1], call("http", "start"))


def test_member_of_a_group_must_start_where_those_before_it_were_started() -> None:
    world = cluster()
    world.ordering.on_effect(1, call("vip", "start"), active=True)
    world.ordering.on_launch(1, world.hosts[1], call("http", "start"))

    with pytest.raises(Violation, match="node2 starts http before vip"):
        world.ordering.on_launch(2, world.hosts[2], call("http", "start"))


def test_member_of_a_group_must_not_stop_before_those_behind_it() -> None:
    world = cluster()
    world.hosts[1].resources.active["http"] = True

    with pytest.raises(Violation, match="stops vip before http"):
        world.ordering.on_launch(1, world.hosts[1], call("vip", "stop"))


def test_order_of_a_group_that_was_removed_does_not_count() -> None:
    stage = Stage()
    stage.do("cluster nodes=2")
    stage.do("resource vip")
    stage.do("resource http")
    stage.do("group web = vip http")
    stage.end_of_block()
    host = stage.host(stage.world.where("vip")[0])
    with pytest.raises(Violation, match="stops vip before http"):
        stage.world.ordering.on_launch(1, host, call("vip", "stop"))

    stage.do("maintenance " + host.name)
    stage.do("advance 1s")
    stage.do("remove web")
    stage.do("advance 1s")

    assert stage.world.where("http") == [host.name]
    stage.world.ordering.on_launch(1, host, call("vip", "stop"))


def _told(host: Host, resource: str) -> bool:
    assert host.node is not None
    working = host.node.controller.replica.working
    return any(operation.resource == resource for operation in working.operations(host.id))


@pytest.mark.parametrize("limited", [True, False])
def test_order_counts_unless_a_member_of_an_instance_too_many_was_cleaned_up(limited: bool) -> None:
    stage = Stage()
    for command in (
        "cluster nodes=2",
        "resource vip",
        "resource http",
        "group web = vip http",
        f"clone webs = web{' clone-max=2' if limited else ''}",
    ):
        stage.do(command)
    stage.end_of_block()
    host = stage.host("node1")
    with pytest.raises(Violation, match="stops vip before http"):
        stage.world.ordering.on_launch(1, host, call("vip", "stop"))

    for command in ("maintenance node1", "advance 1s", "patience 0s", "cleanup http"):
        stage.do(command)
    assert stage.world.advance_until(lambda: not _told(host, "http"), limit=1_000, step=1)
    if limited:
        stage.world.ordering.on_launch(1, host, call("vip", "stop"))
    else:
        with pytest.raises(Violation, match="stops vip before http"):
            stage.world.ordering.on_launch(1, host, call("vip", "stop"))


def test_start_that_was_undone_by_a_power_cut_does_not_count() -> None:
    world = cluster()
    world.ordering.on_effect(1, call("vip", "start"), active=True)
    world.ordering.on_power_off(1)

    with pytest.raises(Violation, match="starts http before vip"):
        world.ordering.on_launch(2, world.hosts[1], call("http", "start"))
