"""Orders, health and changed parameters, wish by wish, as crm_simulate 2.1.5 and the recorded decisions have them."""

from __future__ import annotations

from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import score_lines
from ninefold.scheduler.scores import INFINITY
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


def test_promoted_instance_whose_parameters_have_changed_is_restarted() -> None:
    # A node remembers the last of start and promote only.
    inner = (
        '<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="pi">'
        '<nvpair id="pl" name="level" value="2"/></instance_attributes></primitive>'
    )
    meta = '<meta_attributes id="km"><nvpair id="kp" name="promotable" value="true"/></meta_attributes>'
    root = cluster(f'<clone id="k">{meta}{inner}</clone>', running={"p": "n1"})
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == "n1")
    entry = next(e for e in state.iter("lrm_rsc_op") if e.get("operation_key") == "p_start_0")
    entry.set("operation", "promote")
    entry.set("operation_key", "p_promote_0")
    state.append(
        etree.fromstring(
            '<transient_attributes id="1"><instance_attributes id="t"><nvpair id="m" name="master-p"'
            ' value="10"/></instance_attributes></transient_attributes>'
        )
    )

    found = [
        a for a in schedule_document(root, NOW).actions if a.instance == "p:0" or a.resource == "p"
    ]

    tasks = [a.task for a in found if a.node == "n1"]
    assert {"demote", "stop", "start", "promote"} <= set(tasks)


def test_who_keeps_away_from_a_group_keeps_away_from_where_only_its_first_member_runs() -> None:
    # g2 is stopped, and since nobody manages the group, it stays so.
    unmanaged = '<meta_attributes id="gm"><nvpair id="gu" name="is-managed" value="false"/>'
    members = DUMMY.format("g1") + DUMMY.format("g2")
    group = f'<group id="g">{unmanaged}</meta_attributes>{members}</group>'
    wishes = (
        '<rsc_location id="likes" rsc="x" node="n1" score="10"/>'
        '<rsc_colocation id="apart" rsc="x" with-rsc="g" score="-INFINITY"/>'
    )

    transition = schedule_document(cluster(group + DUMMY.format("x"), wishes, {"g1": "n1"}), NOW)

    placed = next(p for p in transition.placements if p.resource == "x")
    assert placed.scores["n1"] == -INFINITY
    assert placed.next_node not in {"", "n1"}


def test_instance_that_rates_itself_higher_has_its_turn_first_whatever_else_keeps_it() -> None:
    # Both stay where they are, since nobody manages them; the turns show in who finds a node taken.
    meta = "".join(
        f'<nvpair id="k{name}" name="{name}" value="{value}"/>'
        for name, value in (("promotable", "true"), ("is-managed", "false"))
    )
    inner = DUMMY.format("p")
    resources = f'<clone id="k"><meta_attributes id="km">{meta}</meta_attributes>{inner}</clone>'
    root = cluster(resources, running={"p": "n1"})
    states = {s.get("uname"): s for s in root.iterfind("status/node_state")}
    lower = next(
        e for e in states["n1"].iter("lrm_rsc_op") if e.get("operation_key") == "p_start_0"
    )
    asked = next(e for e in states["n2"].iter("lrm_rsc_op") if e.get("id") == "p_last_0")
    for name, value in lower.attrib.items():
        asked.set(name, value)
    for node, rating in (("n1", "10"), ("n2", "100")):
        states[node].append(
            etree.fromstring(
                f'<transient_attributes id="{node[1:]}"><instance_attributes id="t{node}"><nvpair'
                f' id="m{node}" name="master-p" value="{rating}"/></instance_attributes>'
                "</transient_attributes>"
            )
        )

    lines = score_lines(schedule_document(root, NOW))

    assert "pcmk__primitive_assign: p:0 allocation score on n2: -INFINITY" in lines
    assert "pcmk__primitive_assign: p:1 allocation score on n1: 0" in lines
