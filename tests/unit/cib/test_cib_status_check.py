"""What is wrong with a status: each kind of it, with its line, and nothing said of a good one."""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.cib.verify import verify
from ninefold.core.findings import Severity
from tests.forecast_world import cluster

DIGEST = "f2317cad3d54cec5d7d7aa7d0bf35cf8"


def text(**changes: str) -> bytes:
    """Return a sound document with changes of n1's `state`, a `history`, an operation (`op`)."""
    root = cluster(running={"db": "n1"})
    state = root.find("status/node_state")
    assert state is not None
    history = state.find("lrm/lrm_resources/lrm_resource[@id='db']")
    assert history is not None
    places = {"state": state, "history": history, "op": history[0]}
    for place, change in changes.items():
        name, _, value = change.partition("=")
        if value == "-":
            del places[place].attrib[name]
        else:
            places[place].set(name, value)
    return bytes(etree.tostring(root, pretty_print=True))


def test_sound_status_has_no_finding() -> None:
    assert [one for one in verify(text()) if "status" in one.subject] == []
    assert {one.code for one in verify(text())} <= {"no-monitor"}


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"state": "id=9"}, "state-twice", None),
        ({"state": "uname=n2"}, "state-contradicts", Severity.ERROR),
        ({"state": "uname=n2"}, "state-twice", Severity.WARNING),
        ({"state": "crmd=perhaps"}, "bad-standing", Severity.WARNING),
        ({"state": "crmd=1718744075"}, "bad-standing", None),
        ({"history": "id=gone"}, "history-of-unknown", Severity.WARNING),
        ({"history": "id=db:1"}, "history-of-unknown", None),
        ({"history": "id=-"}, "history-of-nothing", Severity.ERROR),
        ({"op": "operation=-"}, "operation-unnamed", Severity.ERROR),
        ({"op": "rc-code=seven"}, "bad-number", Severity.ERROR),
        ({"op": "call-id=-"}, "bad-number", Severity.ERROR),
        ({"op": "interval=soon"}, "bad-number", Severity.ERROR),
        ({"op": "last-rc-change=yesterday"}, "bad-time", Severity.WARNING),
        ({"op": "last-rc-change=999999999999"}, "bad-time", Severity.WARNING),
        ({"op": "transition-key=1:2"}, "bad-key", Severity.WARNING),
        ({"op": "transition-magic=0:0:1"}, "bad-key", Severity.WARNING),
        ({"op": "transition-magic=0:1;1:1:0:x"}, "status-contradicts", Severity.WARNING),
        ({"op": "transition-magic=0:0;1:1:0:x"}, "status-contradicts", None),
        ({"op": "op-digest=abc"}, "bad-digest", Severity.WARNING),
        ({"op": f"op-digest={DIGEST}"}, "bad-digest", None),
    ],
)
def test_what_is_wrong_is_found_with_its_line_and_a_remedy(
    change: dict[str, str], code: str, severity: Severity | None
) -> None:
    found = [one for one in verify(text(**change)) if one.code == code]

    assert {one.severity for one in found} == ({severity} if severity else set())
    assert all(one.line and one.remedy for one in found)


def test_state_of_a_node_that_is_not_configured() -> None:
    root = etree.fromstring(text())
    status = root.find("status")
    assert status is not None
    etree.SubElement(status, "node_state", id="7", uname="n7")
    etree.SubElement(status, "node_state", id="r", uname="r", remote_node="true")
    etree.SubElement(status, "node_state", crmd="online")

    found = {one.subject: one.code for one in verify(etree.tostring(root))}

    assert found["node_state n7"] == "state-of-unknown"
    assert found["node_state"] == "state-of-nobody"
    assert "node_state r" not in found


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("fail-count-db#monitor_10000", "many", "bad-count"),
        ("fail-count-db#start_0", "INFINITY", ""),
        ("last-failure-db#start_0", "long ago", "bad-time"),
    ],
)
def test_fail_counts_are_numbers(name: str, value: str, code: str) -> None:
    root = etree.fromstring(text())
    state = root.find("status/node_state")
    assert state is not None
    transient = etree.SubElement(state, "transient_attributes", id="1")
    pairs = etree.SubElement(transient, "instance_attributes", id="status-1")
    etree.SubElement(pairs, "nvpair", id="a", name=name, value=value)

    found = [one.code for one in verify(etree.tostring(root)) if one.subject == "nvpair a"]

    assert found == ([code] if code else [])
