"""Places of clones and of what stays away from them, and what comes after what, situation by situation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import operation_digest, schedule_document
from tests.forecast_world import NOW, cluster
from tests.transition_order import awaited

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Transition

DUMMY = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'


def meta(owner: str, **pairs: str) -> str:
    inner = "".join(
        f'<nvpair id="{owner}-{name}" name="{name.replace("_", "-")}" value="{value}"/>'
        for name, value in pairs.items()
    )
    return f'<meta_attributes id="{owner}-meta">{inner}</meta_attributes>'


def clone(name: str, inner: str, **pairs: str) -> str:
    return f'<clone id="{name}">{meta(name, **pairs)}{inner}</clone>'


def remember(root: Element, node: str, **attributes: str) -> None:
    """Give `node` transient attributes; "__" in a name stands for the "#" of failure counts."""
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == node)
    made = state.makeelement("transient_attributes", {"id": node[1:]})
    pairs = made.makeelement("instance_attributes", {"id": f"status-{node}"})
    for name, value in attributes.items():
        known = name.replace("__", "#").replace("_", "-", 2) if "__" in name else name
        pairs.append(pairs.makeelement("nvpair", {"id": known, "name": known, "value": value}))
    made.append(pairs)
    state.append(made)


def score(transition: Transition, resource: str, node: str) -> int:
    return next(p for p in transition.placements if p.resource == resource).scores[node]


def node_of(transition: Transition, resource: str) -> str:
    return next(p for p in transition.placements if p.resource == resource).next_node


def placed_in_turn(transition: Transition, clone: str) -> list[str]:
    """Return the instances in the order in which they were given a place, tries included."""
    kinds = {"pcmk__primitive_assign", "pcmk__group_assign"}
    lines = [line for line in transition.scores if line.kind in kinds]
    return list(dict.fromkeys(line.resource for line in lines if line.resource.startswith(clone)))


def fail(root: Element, resource: str, node: str, rc: str = "1") -> None:
    """Let the last monitor of what runs on `node` have failed, or ended with `rc`."""
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == node)
    history = next(h for h in state.iter("lrm_resource") if h.get("id") == resource)
    failure = {
        "id": f"{resource}_monitor_10000" if rc == "0" else f"{resource}_last_failure_0", "operation_key": f"{resource}_monitor_10000",
        "operation": "monitor", "interval": "10000", "call-id": "7", "rc-code": rc,
        "op-status": "0", "transition-key": "1:1:0:x", "last-rc-change": str(NOW - 10),
        "op-digest": operation_digest({}, interval_ms=10_000, timeout_ms=20_000),
    }  # fmt: skip
    history.append(history.makeelement("lrm_rsc_op", failure))


def run_too(root: Element, resource: str, node: str) -> None:
    """Let an instance run on `node` as well."""
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == node)
    history = next(h for h in state.iter("lrm_resource") if h.get("id") == resource)
    for entry in history:
        entry.set("operation", "start")
        entry.set("operation_key", f"{resource}_start_0")
        entry.set("rc-code", "0")
        entry.set("transition-key", "1:1:0:x")


def comes_after(transition: Transition, key: str, node: str = "") -> set[str]:
    return {action.key for action in awaited(transition, key, node)}


def test_primary_that_would_rather_stay_keeps_its_dislike_of_a_failed_dependent() -> None:
    # The far group has one node left. What the near one thinks of that node is worse by the wish to be
    # apart, and not better by what the failed member cannot do any more: it sticks as much as it can.
    stick = meta("x", resource_stickiness="INFINITY", migration_threshold="1")
    members = [
        f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
        f"{stick.replace('x-', name + '-')}</primitive>"
        for name in ("a1", "a2", "b1", "b2")
    ]
    root = cluster(
        f'<group id="a">{members[0]}{members[1]}</group><group id="b">{members[2]}{members[3]}</group>',
        '<rsc_colocation id="apart" rsc="b" with-rsc="a" score="-5000"/>'
        '<rsc_location id="l1" rsc="b" node="n3" score="-INFINITY"/>'
        '<rsc_location id="l2" rsc="b2" node="n3" score="-INFINITY"/>',
        {"a1": "n2", "a2": "n2", "b1": "n1", "b2": "n1"},
    )
    remember(root, "n1", fail_count_b2__monitor_10000="1")

    transition = schedule_document(root, NOW)

    assert score(transition, "a1", "n1") == -5000
    assert [node_of(transition, name) for name in ("a1", "a2", "b1", "b2")] == ["n2"] * 4


def test_instance_where_dependents_gather_is_placed_first() -> None:
    # For n1 speak a and c with 1 and 7, and b is against; for n2 all three do, with 1, 1 and 4. An
    # objection makes a place no worse than 1, so n1 has 8 and n2 has 6. Counted anew on top of what they
    # made of the clone, n2 would have 12.
    wishes = "".join(
        f'<rsc_colocation id="c-{name}" rsc="{name}" with-rsc="k" score="1000"/>'
        f'<rsc_location id="{name}-1" rsc="{name}" node="n1" score="{one}"/>'
        f'<rsc_location id="{name}-2" rsc="{name}" node="n2" score="{two}"/>'
        f'<rsc_location id="{name}-3" rsc="{name}" node="n3" score="-INFINITY"/>'
        for name, one, two in (
            ("a", "300", "100"),
            ("b", "-INFINITY", "300"),
            ("c", "7000", "4000"),
        )
    )
    root = cluster(
        "".join(DUMMY.format(name) for name in "abc")
        + clone("k", DUMMY.format("k1"), clone_max="2"),
        wishes,
        {"k1": "n1"},
    )
    run_too(root, "k1", "n2")

    transition = schedule_document(root, NOW)

    active = {p.resource: p.nodes for p in transition.placements}
    assert active[placed_in_turn(transition, "k1:")[0]] == ("n1",)


def test_instance_keeps_off_the_other_promoted_one_before_its_own_role_is_known() -> None:
    # Where it runs already it stays; the node of the one to be kept away from is ruled out for it.
    root = cluster(
        clone("p", DUMMY.format("p1"), promotable="true", clone_max="1")
        + clone("q", DUMMY.format("q1"), promotable="true", clone_max="2"),
        '<rsc_colocation id="apart" rsc="q" rsc-role="Promoted" with-rsc="p" with-rsc-role="Promoted"'
        ' score="-INFINITY"/>',
        {"p1": "n1", "q1": "n2"},
    )
    remember(root, "n1", **{"master-p1": "10"})
    remember(root, "n2", **{"master-q1": "10"})

    transition = schedule_document(root, NOW)

    assert score(transition, "q1:0", "n1") < 0
    assert node_of(transition, "q1:0") == "n2"


def test_transient_standby_counts_instead_of_the_permanent_one() -> None:
    root = cluster(DUMMY.format("a"), running={"a": "n1"})
    node = next(n for n in root.iterfind("configuration/nodes/node") if n.get("uname") == "n1")
    pairs = node.makeelement("instance_attributes", {"id": "n1-attributes"})
    pairs.append(
        pairs.makeelement("nvpair", {"id": "n1-standby", "name": "standby", "value": "on"})
    )
    node.append(pairs)
    assert node_of(schedule_document(root, NOW), "a") != "n1"

    remember(root, "n1", standby="off")

    assert node_of(schedule_document(root, NOW), "a") == "n1"


def test_group_is_promoted_only_with_what_it_must_be_promoted_with() -> None:
    # Its own agents would have it promoted on n1, where d is not.
    group = f'<group id="g">{DUMMY.format("p1")}{DUMMY.format("p2")}</group>'
    root = cluster(
        DUMMY.format("d") + clone("pg", group, promotable="true"),
        '<rsc_colocation id="near" rsc="pg" rsc-role="Promoted" with-rsc="d" score="INFINITY"/>',
        {"d": "n2", "p1": "n1", "p2": "n1"},
    )
    for name in ("p1", "p2"):
        run_too(root, name, "n2")
    remember(root, "n1", **{"master-p1": "10", "master-p2": "10"})
    remember(root, "n2", **{"master-p1": "5", "master-p2": "5"})

    transition = schedule_document(root, NOW)

    promoted = [a.node for a in transition.actions if a.task == "promote" and a.node]
    assert promoted == ["n2", "n2"]


def test_failed_instance_is_placed_after_those_that_run_well() -> None:
    # A failure that is to be answered by stopping makes an instance failed as any other does.
    operations = (
        '<operations><op id="o" name="monitor" interval="10s" on-fail="stop"/></operations>'
    )
    first = (
        f'<primitive id="k1" class="ocf" provider="heartbeat" type="Dummy">{operations}</primitive>'
    )
    group = f'<group id="g">{first}{DUMMY.format("k2")}</group>'
    root = cluster(clone("k", group), running={"k1": "n1", "k2": "n1"})
    run_too(root, "k1", "n2")
    run_too(root, "k2", "n2")
    fail(root, "k1", "n1")

    transition = schedule_document(root, NOW)

    assert placed_in_turn(transition, "g:")[0] == "g:1"


def test_dependent_of_an_unmanaged_promoted_instance_may_stay_with_it() -> None:
    # A location that would keep the clone off its node cannot move what is not managed.
    root = cluster(
        clone("p", DUMMY.format("p1"), promotable="true", clone_max="1", is_managed="false")
        + DUMMY.format("vip"),
        '<rsc_location id="off" rsc="p" node="n1" score="-INFINITY"/>'
        '<rsc_colocation id="near" rsc="vip" with-rsc="p" with-rsc-role="Promoted" score="INFINITY"/>',
        {"p1": "n1", "vip": "n1"},
    )
    for entry in root.iter("lrm_rsc_op"):
        if entry.get("operation_key") == "p1_start_0":
            entry.set("operation", "promote")
            entry.set("operation_key", "p1_promote_0")

    transition = schedule_document(root, NOW)

    assert score(transition, "vip", "n1") >= 0
    assert node_of(transition, "vip") == "n1"


def test_ordered_instances_follow_all_before_them_even_past_one_with_nothing_to_do() -> None:
    # The one on n1 is recovered, the one on n2 is left alone, the one on n3 comes up.
    operations = '<operations><op id="o" name="monitor" interval="10s"/></operations>'
    inner = (
        f'<primitive id="k1" class="ocf" provider="heartbeat" type="Dummy">{operations}</primitive>'
    )
    root = cluster(clone("k", inner, ordered="true"), running={"k1": "n1"})
    run_too(root, "k1", "n2")
    fail(root, "k1", "n1")

    transition = schedule_document(root, NOW)

    starts = {a.key: a.node for a in transition.actions if a.task == "start" and a.agent_class}
    assert starts == {"k1:0_start_0": "n1", "k1:2_start_0": "n3"}
    assert "k1:0_start_0" in comes_after(transition, "k1:2_start_0")


def test_node_is_let_in_before_it_is_probed() -> None:
    device = (
        '<primitive id="scsi" class="stonith" type="fence_scsi">'
        + meta("scsi", provides="unfencing")
        + "</primitive>"
    )
    root = cluster(device + DUMMY.format("a"), running={"a": "n1", "scsi": "n1"})
    for history in list(root.iter("lrm_resource")):
        state = next(s for s in history.iterancestors("node_state"))
        if history.get("id") == "a" and state.get("uname") == "n2":
            parent = history.getparent()
            assert parent is not None
            parent.remove(history)

    transition = schedule_document(root, NOW)

    assert "stonith-n2-on" in comes_after(transition, "a_monitor_0", "n2")


def test_failures_are_not_forgotten_on_a_node_that_is_about_to_be_fenced() -> None:
    # One failure has expired, another makes the node be fenced: with that, both are forgotten anyway.
    monitor = '<operations><op id="{0}-o" name="monitor" interval="10s"{1}/></operations>'
    root = cluster(
        f'<primitive id="a" class="ocf" provider="heartbeat" type="Dummy">{meta("a", failure_timeout="5s")}'
        + monitor.format("a", "")
        + '</primitive><primitive id="b" class="ocf" provider="heartbeat" type="Dummy">'
        + monitor.format("b", ' on-fail="fence"')
        + "</primitive>",
        running={"a": "n1", "b": "n1"},
    )
    fail(root, "a", "n1")
    fail(root, "b", "n1")
    remember(
        root,
        "n1",
        **{"fail-count-a#monitor_10000": "1", "last-failure-a#monitor_10000": str(NOW - 10)},
    )

    transition = schedule_document(root, NOW)

    assert "stonith-n1-reboot" in {action.key for action in transition.actions}
    assert "clear_failcount" not in {action.task for action in transition.actions}


def test_one_way_order_leaves_alone_a_clone_with_no_instance_left_to_start() -> None:
    # What comes first cannot start. One instance has started before it, the other has no place: there is
    # nothing that the clone could begin, nor end.
    off = meta("a", target_role="Stopped")
    root = cluster(
        f'<primitive id="a" class="ocf" provider="heartbeat" type="Dummy">{off}</primitive>'
        + clone("k", DUMMY.format("k1"), clone_max="2"),
        '<rsc_order id="o" first="a" then="k" symmetrical="false"/>'
        '<rsc_location id="l2" rsc="k" node="n2" score="-INFINITY"/>'
        '<rsc_location id="l3" rsc="k" node="n3" score="-INFINITY"/>',
        {"k1": "n1"},
    )

    transition = schedule_document(root, NOW)

    assert [action.key for action in transition.actions if action.key.startswith("k")] == []


def test_probe_holds_up_only_the_instance_that_goes_with_what_is_probed() -> None:
    # If the probe on n2 finds it there, n1 has one too many; the instances elsewhere are not concerned.
    root = cluster(
        DUMMY.format("a")
        + clone("k", DUMMY.format("k1"), interleave="true")
        + '<primitive id="z" class="ocf" provider="heartbeat" type="Dummy"/>',
        '<rsc_order id="o" first="a" then="k"/>'
        '<rsc_location id="l" rsc="a" node="n1" score="INFINITY"/>'
        '<rsc_location id="l1" rsc="k" node="n1" score="-INFINITY"/>',
        {"k1": "n2"},
    )
    run_too(root, "k1", "n3")
    for history in list(root.iter("lrm_resource")):
        state = next(s for s in history.iterancestors("node_state"))
        if history.get("id") == "a" and state.get("uname") == "n2":
            parent = history.getparent()
            assert parent is not None
            parent.remove(history)

    transition = schedule_document(root, NOW)

    for node in ("n2", "n3"):
        stop = next(a for a in transition.actions if a.task == "stop" and a.node == node)
        assert "a_monitor_0" not in comes_after(transition, stop.key, node)


def test_unmanaged_resource_that_is_active_twice_is_watched_where_it_belongs() -> None:
    operations = '<operations><op id="o" name="monitor" interval="10s"/></operations>'
    root = cluster(
        '<primitive id="a" class="ocf" provider="heartbeat" type="Dummy">'
        + meta("a", is_managed="false", multiple_active="stop_unexpected")
        + f"{operations}</primitive>",
        running={"a": "n1"},
    )
    run_too(root, "a", "n2")
    for node in ("n1", "n2"):
        fail(root, "a", node, rc="0")

    transition = schedule_document(root, NOW)

    watched = {(a.key, a.node) for a in transition.actions if a.interval_ms}
    assert watched == {("a_monitor_10000", "n1")}
