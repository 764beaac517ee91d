"""Orders and health, wish by wish, as crm_simulate 2.1.5 and the recorded decisions have them."""

from __future__ import annotations

from lxml import etree

from ninefold.scheduler import schedule_document
from tests.forecast_world import NOW, cluster
from tests.transition_order import awaited

DUMMY = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
BAN = '<rsc_location id="ban-{0}-{1}" rsc="{0}" node="{1}" score="-INFINITY"/>'


def test_set_whose_middle_has_nothing_to_do_still_comes_as_a_whole_after_the_other() -> None:
    # a moves from n1, c from n3; b, between a and c, is stopped and shall not run.
    stopped = (
        '<meta_attributes id="bm"><nvpair id="bt" name="target-role" value="Stopped"/>'
        "</meta_attributes><operations/></primitive>"
    )
    resources = DUMMY.format("a") + DUMMY.format("b")[:-2] + ">" + stopped + DUMMY.format("c")
    sets = (
        '<rsc_order id="o" kind="Optional"><resource_set id="s1"><resource_ref id="a"/></resource_set>'
        '<resource_set id="s2"><resource_ref id="b"/><resource_ref id="c"/></resource_set></rsc_order>'
    )
    constraints = sets + BAN.format("a", "n1") + BAN.format("c", "n3")

    transition = schedule_document(cluster(resources, constraints, {"a": "n1", "c": "n3"}), NOW)

    assert "a_start_0" in {action.key for action in awaited(transition, "c_start_0")}
    assert "c_stop_0" in {action.key for action in awaited(transition, "a_stop_0")}


def test_second_order_of_the_same_two_adds_nothing_to_one_that_forbids_both_at_once() -> None:
    # b would be restarted with a for the mandatory order alone.
    resources = DUMMY.format("a") + DUMMY.format("b")
    mandatory = '<rsc_order id="o2" first="a" then="b"/>'
    serialize = '<rsc_order id="o1" first="a" then="b" kind="Serialize"/>'
    running = {"a": "n1", "b": "n2"}

    def stopped(orders: str) -> set[str]:
        stays = '<rsc_location id="stays" rsc="b" node="n2" score="100"/>'
        root = cluster(resources, orders + stays + BAN.format("a", "n1"), running)
        found = schedule_document(root, NOW).actions
        return {one.resource for one in found if one.task == "stop"}

    assert stopped(mandatory) >= {"a", "b"}
    assert "b" not in stopped(serialize + mandatory)


def test_who_may_run_on_unhealthy_nodes_still_prefers_healthy_ones() -> None:
    spared = (
        '<primitive id="a" class="ocf" provider="heartbeat" type="Dummy"><meta_attributes id="am">'
        '<nvpair id="au" name="allow-unhealthy-nodes" value="true"/></meta_attributes></primitive>'
    )
    root = cluster(
        spared + DUMMY.format("b"),
        options='<nvpair id="h" name="node-health-strategy" value="progressive"/>',
    )
    for node, value in (("n1", "-20"), ("n2", "7")):
        element = next(
            e for e in root.iterfind("configuration/nodes/node") if e.get("uname") == node
        )
        element.append(
            etree.fromstring(
                f'<instance_attributes id="h{node}"><nvpair id="d{node}" name="#health-disk"'
                f' value="{value}"/></instance_attributes>'
            )
        )

    scores = {p.resource: p.scores for p in schedule_document(root, NOW).placements}

    assert scores["a"] == {"n1": 0, "n2": 7, "n3": 0}
    assert scores["b"] == {"n1": -20, "n2": 7, "n3": 0}
