"""Laws of an executed transition, for all clusters of three nodes and a few resources."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.forecast.execute import execute, idle, settle
from ninefold.scheduler import schedule_document
from tests.differential import drawn
from tests.forecast_world import NODES, NOW, cluster
from tests.random_cib_features import FEATURES

NAMES = ("a", "b", "c", "d")
CONSTRAINTS = (
    '<rsc_order id="o1" first="a" then="d"/>',
    '<rsc_order id="o2" first="g" then="d" kind="Optional"/>',
    '<rsc_colocation id="c1" rsc="d" with-rsc="a" score="INFINITY"/>',
    '<rsc_colocation id="c2" rsc="g" with-rsc="a" score="-INFINITY"/>',
    '<rsc_colocation id="c3" rsc="d" with-rsc="g" score="-50"/>',
    '<rsc_location id="l1" rsc="a" node="n2" score="100"/>',
    '<rsc_location id="l2" rsc="g" node="n1" score="-INFINITY"/>',
)


def primitive(name: str) -> str:
    return f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy"/>'


@st.composite
def clusters(draw: st.DrawFn) -> etree._Element:
    """Three members with some resources running, of which some nodes may be lost."""
    resources = primitive("a") + f'<group id="g">{primitive("b")}{primitive("c")}</group>'
    chosen = draw(st.lists(st.sampled_from(CONSTRAINTS), unique=True))
    places = st.sampled_from([*NODES, ""])
    running = {name: place for name in NAMES if (place := draw(places))}
    root = cluster(resources + primitive("d"), "".join(chosen), running)
    for state in root.iter("node_state"):
        if draw(st.sampled_from([True, False, False])):
            state.set("in_ccm", "false")
            state.set("crmd", "offline")
            state.set("join", "down")
    return root


def active(root: etree._Element) -> dict[str, tuple[str, ...]]:
    return {p.resource: p.nodes for p in schedule_document(root, NOW).placements}


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_executed_transition_leaves_nothing_to_do(root: etree._Element) -> None:
    transition = schedule_document(root, NOW)

    done = execute(root, transition, NOW)

    assert done.stuck == ()
    assert idle(schedule_document(done.document, NOW)) or settle(done.document, NOW).settled
    assert settle(root, NOW).settled


@pytest.mark.parametrize("feature", FEATURES)
def test_what_is_decided_with_every_feature_can_be_done_and_comes_to_rest(feature: str) -> None:
    for seed in range(2):
        root, name = drawn(feature, seed, mixed=True)

        done = execute(root, schedule_document(root, NOW), NOW)

        assert done.stuck == (), name
        assert settle(root, NOW).settled, name


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_no_resource_is_started_where_it_may_still_run_elsewhere(root: etree._Element) -> None:
    """At every prefix: a start on one node finds it stopped, or fenced, on all the others."""
    transition = schedule_document(root, NOW)
    may_run = {p.resource: list(p.nodes) for p in transition.placements}

    for step in execute(root, transition, NOW).steps:
        action = step.action
        if action.task == "stonith":
            may_run = {k: [n for n in v if n != action.node] for k, v in may_run.items()}
        elif action.task == "stop" and action.resource in may_run:
            may_run[action.resource] = [n for n in may_run[action.resource] if n != action.node]
        elif action.task == "start" and action.resource in may_run:
            assert [n for n in may_run[action.resource] if n != action.node] == [], action.key
            may_run[action.resource] = [action.node]


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_mandatory_constraints_hold_at_every_prefix(root: etree._Element) -> None:
    """What starts finds what it needs; what is needed is not taken away under what runs."""
    ids = {one.get("id") for one in root.iter("rsc_order", "rsc_colocation", "rsc_location")}
    orders = [("a", "d")] if "o1" in ids else []
    orders.append(("b", "c"))
    for step in settle(root, NOW).rounds:
        transition = step.transition
        where = {p.resource: p.nodes for p in transition.placements}
        coming = {p.resource: p.next_node for p in transition.placements}
        for done in step.execution.steps:
            action = done.action
            resource = action.resource
            if action.task == "stonith":
                where = {k: tuple(n for n in v if n != action.node) for k, v in where.items()}
            elif action.task == "stop" and resource in where:
                left = tuple(n for n in where[resource] if n != action.node)
                for first, then in orders:
                    # A node that is fenced takes both along, in no order.
                    assert (
                        resource != first
                        or left
                        or not where[then]
                        or action.node
                        not in (
                            view.name
                            for view in transition.nodes
                            if view.online and not view.unclean
                        )
                    ), f"{action.key} while {then} runs on {where[then]}"
                where[resource] = left
            elif action.task == "start" and resource in where:
                for first, then in orders:
                    assert resource != then or where[first], f"{action.key} before {first}"
                if resource == "d" and "c1" in ids:
                    assert action.node in (*where["a"], coming["a"])
                if resource == "c":
                    assert action.node in where["b"]
                if "l2" in ids and resource in ("b", "c"):
                    assert action.node != "n1"
                where[resource] = (action.node,)


@settings(max_examples=150, deadline=None)
@given(clusters())
def test_mandatory_constraints_hold_settled(root: etree._Element) -> None:
    story = settle(root, NOW)
    assume(story.settled)
    ids = {one.get("id") for one in root.iter("rsc_order", "rsc_colocation", "rsc_location")}
    where = active(story.document)

    if "o1" in ids and where["d"]:
        assert where["a"]
    if "c1" in ids and where["d"]:
        assert where["d"] == where["a"]
    for member in ("b", "c"):
        if "c2" in ids and where[member]:
            assert where[member] != where["a"]
        if "l2" in ids:
            assert where[member] != ("n1",)
    if where["c"]:
        assert where["b"] == where["c"]


@settings(max_examples=60, deadline=None)
@given(clusters(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_and_constraints_in_the_document_does_not_matter(
    root: etree._Element, chance: object
) -> None:
    """Where the semantics allow: nodes are ranked by name, constraints add up."""
    shuffled = etree.fromstring(etree.tostring(root))
    for path in ("configuration/nodes", "configuration/constraints", "status"):
        section = shuffled.find(path)
        assert section is not None
        children = list(section)
        chance.shuffle(children)  # type: ignore[attr-defined]
        section[:] = children

    assert active(settle(shuffled, NOW).document) == active(settle(root, NOW).document)
