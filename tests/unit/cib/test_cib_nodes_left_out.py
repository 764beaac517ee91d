"""A configuration without some of the nodes: who may be running something stays configured."""

from __future__ import annotations

import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    NodeFenced,
    Operation,
    RecordOperation,
    ReplaceConfiguration,
    SetNodeAttribute,
    SetNodeState,
)

CAUSE = Cause("alice", "test", 1_700_000_000, 1)
EMPTY = "<configuration><crm_config/><nodes>{}</nodes><resources/><constraints/></configuration>"
MEMBER = SetNodeState(2, "n2", in_ccm=True, crmd="online", join="member", expected="member")
LOST = SetNodeState(2, "n2", in_ccm=False, crmd="offline", join="down", expected="member")
GONE = SetNodeState(2, "n2", in_ccm=False, crmd="offline", join="down", expected="down")
STARTED = RecordOperation(
    2, Operation("db", "ocf", "sim", "service", "start", 0, 3, 0, 0, 0, "1:x", 1, 1, 1)
)


def after(cib: Cib, *changes: Change) -> Cib:
    for change in changes:
        changed = apply(cib, change, CAUSE)
        assert isinstance(changed, Cib), changed
        cib = changed
    return cib


def replaced(*changes: Change, nodes: str = "") -> Cib:
    """Return the document after node 2 has come to stand so, and a configuration with `nodes` came."""
    cib = after(Cib.empty(), AddNodes(((1, "n1"), (2, "n2"))), *changes)
    return after(cib, ReplaceConfiguration(EMPTY.format(nodes)))


@pytest.mark.parametrize(
    "changes",
    [(MEMBER,), (MEMBER, LOST), (MEMBER, STARTED, GONE)],
    ids=["a member", "lost and not fenced", "left in maintenance, with all that it runs"],
)
def test_node_that_may_run_something_stays(changes: tuple[Change, ...]) -> None:
    assert replaced(*changes).node_names()[2] == "n2"


@pytest.mark.parametrize(
    "changes",
    [(), (MEMBER, GONE), (MEMBER, STARTED, LOST, NodeFenced(2, "n2", "switch", 1))],
    ids=["never seen", "left", "fenced"],
)
def test_node_that_runs_nothing_may_be_left_out(changes: tuple[Change, ...]) -> None:
    assert replaced(*changes).node_names() == {}


def test_node_that_stays_keeps_its_attributes() -> None:
    cib = replaced(MEMBER, SetNodeAttribute("n2", "standby", "on"))

    assert 'name="standby"' in cib.to_xml().decode()


def test_node_that_is_there_is_taken_as_it_is() -> None:
    cib = replaced(
        MEMBER, SetNodeAttribute("n2", "standby", "on"), nodes='<node id="2" uname="n2"/>'
    )

    assert cib.node_names() == {2: "n2"}
    assert 'name="standby"' not in cib.to_xml().decode()


def test_node_under_an_id_that_is_no_number_gets_the_one_of_corosync_conf() -> None:
    cib = replaced(MEMBER, nodes='<node id="n2" uname="n2"/>')

    assert cib.node_names() == {2: "n2"}


def test_node_that_may_run_something_keeps_the_name_that_it_has_in_the_ring() -> None:
    # A file from a cluster that numbers its nodes otherwise: the wrong one would be fenced.
    first = SetNodeState(1, "n1", in_ccm=True, expected="member")
    swapped = '<node id="2" uname="n1"/><node id="1" uname="n2"/>'

    assert replaced(first, MEMBER, nodes=swapped).node_names() == {1: "n1", 2: "n2"}
    assert replaced(MEMBER, nodes='<node id="2" uname="old"/>').node_names() == {2: "n2"}
