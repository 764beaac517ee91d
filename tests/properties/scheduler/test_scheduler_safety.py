"""Laws of the policy engine for all clusters of three nodes and a few resources.

The one that matters: what a lost node may be running starts nowhere else before that node is
confirmed silent, and if it cannot be silenced it does not start at all.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.model import ActionKind, Transition

NOW = 1_800_000_000
NODES = ("n1", "n2", "n3")
RESOURCES = ("a", "b", "c", "d")
HISTORIES = ("none", "stopped", "running", "failed", "starting", "stop-failed", "start-failed")
STANDINGS = ("member", "lost", "dead-process", "joining", "down", "leaving", "unseen")


def operation(
    resource: str, task: str, call: int, rc: int, expected: int, *, status: int = 0
) -> str:
    return (
        f'<lrm_rsc_op id="{resource}_{task}_{call}" operation="{task}" interval="0"'
        f' call-id="{call}" rc-code="{rc}" op-status="{status}" last-rc-change="{NOW - 60}"'
        f' transition-key="1:1:{expected}:x"/>'
    )


def history(resource: str, kind: str) -> str:
    ops = {
        "none": [],
        "stopped": [operation(resource, "monitor", 1, 7, 7)],
        "running": [operation(resource, "start", 2, 0, 0)],
        "failed": [operation(resource, "start", 2, 0, 0), operation(resource, "monitor", 3, 1, 0)],
        "starting": [operation(resource, "start", -1, -1, 0, status=-1)],
        "stop-failed": [operation(resource, "stop", 4, 1, 0)],
        "start-failed": [operation(resource, "start", 4, 1, 0)],
    }[kind]
    return (
        f'<lrm_resource id="{resource}" class="ocf" provider="x" type="y">{"".join(ops)}'
        "</lrm_resource>"
    )


def node_state(name: str, standing: str, histories: dict[str, str]) -> str:
    if standing == "unseen":
        return ""
    member, crmd, join, expected = {
        "member": ("true", "online", "member", "member"),
        "lost": ("false", "offline", "down", "member"),
        "dead-process": ("true", "offline", "member", "member"),
        "joining": ("true", "online", "pending", "down"),
        "down": ("false", "offline", "down", "down"),
        "leaving": ("true", "online", "member", "member"),
    }[standing]
    shutdown = f' shutdown="{NOW}"' if standing == "leaving" else ""
    inner = "".join(history(resource, kind) for resource, kind in histories.items())
    return (
        f'<node_state id="{name[1:]}" uname="{name}" in_ccm="{member}" crmd="{crmd}" join="{join}"'
        f' expected="{expected}"{shutdown}><lrm><lrm_resources>{inner}</lrm_resources></lrm>'
        "</node_state>"
    )


def primitive(name: str) -> str:
    return f'<primitive id="{name}" class="ocf" provider="x" type="y"/>'


CONSTRAINTS = (
    '<rsc_order id="o1" first="a" then="c"/>',
    '<rsc_order id="o2" first="g" then="d" kind="Optional"/>',
    '<rsc_colocation id="c1" rsc="d" with-rsc="a" score="INFINITY"/>',
    '<rsc_colocation id="c2" rsc="g" with-rsc="a" score="-INFINITY"/>',
    '<rsc_colocation id="c3" rsc="d" with-rsc="c" score="-50"/>',
    '<rsc_location id="l1" rsc="a" node="n2" score="100"/>',
    '<rsc_location id="l2" rsc="g" node="n1" score="-INFINITY"/>',
)


@st.composite
def clusters(draw: st.DrawFn) -> etree._Element:
    policy = draw(st.sampled_from(["stop", "freeze", "ignore", "suicide"]))
    fencing = draw(st.sampled_from(["true", "true", "true", "false"]))
    device = draw(st.sampled_from(['<primitive id="f" class="stonith" type="z"/>', ""]))
    quorate = draw(st.sampled_from(["1", "1", "0"]))
    constraints = draw(st.lists(st.sampled_from(CONSTRAINTS), unique=True))
    states = []
    for name in NODES:
        standing = draw(st.sampled_from(STANDINGS))
        kinds = {resource: draw(st.sampled_from(HISTORIES)) for resource in RESOURCES}
        states.append(node_state(name, standing, kinds))
    nodes = "".join(f'<node id="{name[1:]}" uname="{name}"/>' for name in NODES)
    group = f'<group id="g">{primitive("b")}{primitive("c")}</group>'
    return etree.fromstring(
        f'<cib have-quorum="{quorate}" dc-uuid="1"><configuration><crm_config>'
        '<cluster_property_set id="cib-bootstrap-options">'
        f'<nvpair id="p1" name="no-quorum-policy" value="{policy}"/>'
        f'<nvpair id="p2" name="stonith-enabled" value="{fencing}"/></cluster_property_set>'
        f"</crm_config><nodes>{nodes}</nodes><resources>{device}{primitive('a')}{group}"
        f"{primitive('d')}</resources><constraints>{''.join(constraints)}</constraints>"
        f"</configuration><status>{''.join(states)}</status></cib>"
    )


def ancestors(transition: Transition, number: int) -> list[int]:
    by_id = {action.id: action for action in transition.actions}
    found: list[int] = []
    todo = list(by_id[number].inputs)
    while todo:
        one = todo.pop()
        if one not in found:
            found.append(one)
            todo.extend(by_id[one].inputs)
    return found


def unsearched(document: etree._Element, resource: str) -> list[str]:
    """Return the nodes on which nobody has looked for a resource, so that it may run there."""
    found = []
    for name in NODES:
        state = document.find(f"status/node_state[@uname='{name}']")
        if state is None or state.find(f".//lrm_resource[@id='{resource}']/lrm_rsc_op") is None:
            found.append(name)
    return found


@settings(max_examples=300, deadline=None)
@given(clusters())
def test_nothing_a_lost_node_may_run_starts_before_that_node_is_silent(
    document: etree._Element,
) -> None:
    fencing = document.find(".//nvpair[@id='p2']")
    assert fencing is not None
    transition = schedule_document(document, NOW)
    if fencing.get("value") == "false":
        return

    fenced = {a.node: a.id for a in transition.actions if a.kind is ActionKind.FENCING}
    unclean = [node.name for node in transition.nodes if node.unclean]
    where = {placement.resource: placement.nodes for placement in transition.placements}
    for action in transition.actions:
        if action.task != "start" or action.resource not in RESOURCES:
            continue
        suspects = list(where[action.resource])
        if all(node in unclean for node in suspects):
            # What runs among those that are here may go on among them (no-quorum-policy=freeze).
            suspects += unsearched(document, action.resource)
        for node in suspects:
            if node in unclean and node != action.node:
                assert node in fenced
                assert fenced[node] in ancestors(transition, action.id)


@settings(max_examples=300, deadline=None)
@given(clusters())
def test_a_transition_can_be_carried_out_and_is_the_same_twice(document: etree._Element) -> None:
    before = etree.tostring(document)

    transition = schedule_document(document, NOW)

    assert schedule_document(document, NOW) == transition
    assert etree.tostring(document) == before
    ids = [action.id for action in transition.actions]
    assert ids == sorted(set(ids))
    for action in transition.actions:
        # Every input is in the transition, and none of them waits for what waits for it.
        assert set(action.inputs) <= set(ids)
        assert action.id not in ancestors(transition, action.id)
        if action.kind is ActionKind.RESOURCE:
            view = next(node for node in transition.nodes if node.name == action.node)
            assert view.online
            assert not view.unclean


@settings(max_examples=200, deadline=None)
@given(clusters())
def test_no_resource_is_started_on_two_nodes(document: etree._Element) -> None:
    transition = schedule_document(document, NOW)

    for resource in RESOURCES:
        starts = [
            action
            for action in transition.actions
            if action.task == "start" and action.resource == resource
        ]
        assert len(starts) <= 1
        for start in starts:
            placement = next(p for p in transition.placements if p.resource == resource)
            for node in placement.nodes:
                if node != start.node:
                    stops = [
                        a.id
                        for a in transition.actions
                        if a.task == "stop" and a.resource == resource and a.node == node
                    ]
                    assert stops
                    assert stops[0] in ancestors(transition, start.id)
