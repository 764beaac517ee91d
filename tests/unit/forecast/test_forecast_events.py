"""Events put into a document, and what the engine then reads in it."""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.forecast import events as ev
from ninefold.forecast import opspec
from ninefold.forecast.events import inject
from ninefold.scheduler import schedule_document
from tests.forecast_world import NOW, cluster


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("db_monitor_10000@n1=7", opspec.OpSpec("db", "monitor", 10_000, "n1", 7)),
        (
            "my_db_migrate_to_0@n1.example=1",
            opspec.OpSpec("my_db", "migrate_to", 0, "n1.example", 1),
        ),
        ("db:1_stop_0@n2=1", opspec.OpSpec("db:1", "stop", 0, "n2", 1)),
        ("db_monitor@n1=7", None),
        ("db_monitor_0@n1", None),
        ("db_monitor_0@n1=256", None),
        ("db_monitor_x@n1=0", None),
        ("", None),
    ],
)
def test_operations_are_written_as_crm_simulate_has_them(
    text: str, wanted: opspec.OpSpec | None
) -> None:
    assert opspec.parse(text) == wanted


def test_lost_node_is_unclean_and_one_that_left_is_not() -> None:
    lost, left = cluster(running={"db": "n1"}), cluster(running={"db": "n1"})

    assert inject(lost, [ev.NodeFail("n1")], NOW) == []
    assert inject(left, [ev.NodeDown("n1")], NOW) == []

    assert [n.name for n in schedule_document(lost, NOW).nodes if n.unclean] == ["n1"]
    after = schedule_document(left, NOW)
    assert [n.name for n in after.nodes if n.unclean or not n.online] == ["n1"]
    assert not any(n.unclean for n in after.nodes)
    assert after.placements[1].nodes == ()


def test_node_that_comes_up_is_online() -> None:
    root = cluster()
    inject(root, [ev.NodeDown("n2")], NOW)

    inject(root, [ev.NodeUp("n2")], NOW)

    assert all(n.online and not n.unclean for n in schedule_document(root, NOW).nodes)


def test_failed_monitor_is_recovered_and_counted() -> None:
    root = cluster(running={"db": "n1"})
    spec = opspec.OpSpec("db", "monitor", 10_000, "n1", 7)

    assert inject(root, [ev.OperationResult(spec)], NOW) == []

    keys = [(a.key, a.node) for a in schedule_document(root, NOW).actions]
    assert ("db_stop_0", "n1") in keys
    assert ("db_start_0", "n1") in keys
    counts = [p.get("value") for p in root.iter("nvpair") if "fail-count" in p.get("name", "")]
    assert counts == ["1"]


def test_without_quorum_everything_stops() -> None:
    root = cluster(running={"db": "n1"})

    inject(root, [ev.Quorum(quorate=False)], NOW)

    assert "db_stop_0" in [a.key for a in schedule_document(root, NOW).actions]


def test_ticket_is_granted_and_put_in_standby() -> None:
    root = cluster()

    inject(root, [ev.TicketChange("T", granted=True), ev.TicketChange("T", standby=True)], NOW)

    state = root.find("status/tickets/ticket_state")
    assert state is not None
    assert sorted(state.items()) == [("granted", "true"), ("id", "T"), ("standby", "true")]


def test_everything_unknown_is_told_and_nothing_is_written() -> None:
    root = cluster()
    before = etree.tostring(root)
    spec = opspec.OpSpec("web", "start", 0, "n8", 1)

    findings = inject(root, [ev.NodeFail("n9"), ev.NodeDown("n1"), ev.OperationResult(spec)], NOW)

    assert [f.subject for f in findings] == ["node n9", "node n8", "resource web"]
    assert "n1, n2, n3" in findings[0].remedy
    assert "db" in findings[2].remedy
    assert etree.tostring(root) == before


def test_what_is_recorded_of_an_injected_operation_is_what_it_is_run_with_today() -> None:
    parameters = '<instance_attributes id="i"><nvpair id="i1" name="ip" value="192.0.2.7"/></instance_attributes>'
    monitor = '<operations><op id="m" name="monitor" interval="10s"/></operations>'
    root = cluster(
        f'<primitive id="db" class="ocf" provider="heartbeat" type="Dummy">{parameters}{monitor}</primitive>',
        running={"db": "n1"},
    )

    for text in ("db_start_0@n1=0", "db_monitor_10000@n1=0"):
        spec = opspec.parse(text)
        assert spec is not None
        assert inject(root, [ev.OperationResult(spec)], NOW) == []

    # Nothing has changed since, so nothing is restarted, and the monitor is there already.
    assert [one.key for one in schedule_document(root, NOW).actions] == []


def test_operation_of_what_a_bundle_implies_can_be_injected() -> None:
    root = cluster('<bundle id="b"><docker image="i" replicas="2"/></bundle>')
    there, beyond = (opspec.parse(f"b-docker-{number}_start_0@n2=0") for number in (1, 2))
    assert there is not None
    assert beyond is not None

    assert inject(root, [ev.OperationResult(there)], NOW) == []
    (finding,) = inject(root, [ev.OperationResult(beyond)], NOW)

    placements = {one.resource: one.nodes for one in schedule_document(root, NOW).placements}
    assert placements["b-docker-1"] == ("n2",)
    assert finding.subject == "resource b-docker-2"
