"""What agents ask about the whole cluster; the patterns are those that they look for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from ninefold.api.client import Client
from ninefold.cli.agent_tools import main
from tests.door_world import STATUS, Door, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def op(name: str, task: str, call: int, rc: int, interval: int = 0) -> str:
    """Return an operation that was expected to end with 0."""
    return (
        f'<lrm_rsc_op id="{name}_{task}" operation="{task}" interval="{interval}" call-id="{call}"'
        f' rc-code="{rc}" op-status="0" transition-key="1:1:0:x"/>'
    )


def xml(*operations: str) -> str:
    return (
        '<cib><configuration><resources><clone id="dbs"><primitive id="db"><utilization id="u">'
        '<nvpair id="u1" name="cpu" value="4"/></utilization></primitive></clone>'
        '<primitive id="ip"><instance_attributes id="i"><nvpair id="i1" name="ip" value="10.0.0.1"/>'
        "</instance_attributes></primitive></resources></configuration><status>"
        '<node_state id="1" uname="n1" crmd="online"><transient_attributes id="1">'
        '<instance_attributes id="a"><nvpair id="a1" name="rmq" value="rabbit@n1"/></instance_attributes>'
        '</transient_attributes><lrm id="1"><lrm_resources><lrm_resource id="db">'
        f"{''.join(operations)}</lrm_resource></lrm_resources></lrm></node_state>"
        '<node_state id="2" uname="n2" crmd="offline"><transient_attributes id="2">'
        '<instance_attributes id="b"><nvpair id="b1" name="rmq" value="rabbit@n2"/></instance_attributes>'
        "</transient_attributes></node_state></status></cib>"
    )


def row(name: str, group: str, role: str, *nodes: str) -> dict[str, Any]:
    return {"id": name, "agent": "ocf:t:A", "group": group, "role": role, "nodes": list(nodes)}


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setenv("OCF_RESOURCE_INSTANCE", "db")
    with open_door(tmp_path) as opened:
        opened.node.xml = xml(op("db", "start", 1, 0), op("db", "promote", 2, 0))
        nodes = [dict(node) for node in STATUS["nodes"]]
        nodes[1] |= {"member": False, "state": "offline", "unclean": True}
        rows = [row("db:0", "dbs", "Promoted", "n1"), row("ip", "", "Stopped")]
        opened.node.status = {**STATUS, "nodes": nodes, "resources": rows}
        yield opened


def run(door: Door, line: str) -> int:
    return main(line.split(), Client(str(door.path)))


# From redis, galera and pgsql of resource-agents.
HEALTHY = (
    r'resource.*id="db".*role="(Promoted|Master)".*active="true".*orphaned="false".*failed="false"'
)
PROMOTED = r'<resource id="db" .* role="(Promoted|Master)"'
ONLINE = r'<node name="n1" .* online="true"'


@pytest.mark.parametrize("how", ["-1 --output-as=xml", "-1 --as-xml", "-1X", "-r --as-xml"])
def test_what_agents_look_for_is_found(
    door: Door, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    assert run(door, f"crm_mon {how}") == 0

    said = capsys.readouterr().out
    for pattern in (HEALTHY, PROMOTED, ONLINE):
        assert re.search(pattern, said, re.IGNORECASE), pattern
    assert not re.search(ONLINE.replace("n1", "n2"), said)
    root = etree.fromstring(said)
    assert root.xpath("count(//nodes/node[@type='member'])") == 2
    assert root.xpath("count(//nodes/node[@type='member' and @unclean='false'])") == 1
    assert root.xpath("//nodes//node[@online='true' and @standby='false']/@name") == ["n1"]


def test_an_instance_that_has_just_failed_is_said_to_have(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    door.node.xml = xml(op("db", "promote", 2, 0), op("db", "monitor", 3, 1, 10_000))
    run(door, "crm_mon -1X")
    assert not re.search(HEALTHY, capsys.readouterr().out)

    # A failure that was followed by something that went well is past.
    door.node.xml = xml(op("db", "monitor", 3, 1, 10_000), op("db", "start", 4, 0))
    run(door, "crm_mon -1X")
    assert re.search(HEALTHY, capsys.readouterr().out)


def test_a_few_lines_for_people(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(door, "crm_mon -1") == 0

    said = capsys.readouterr().out
    assert "  * Online: [ n1 ]\n  * OFFLINE: [ n2 ]" in said
    assert "  * db\t(ocf:t:A):\t Promoted n1" in said


def test_the_document_and_what_an_xpath_finds_in_it(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(door, "cibadmin -Q") == 0
    assert etree.fromstring(capsys.readouterr().out).tag == "cib"

    found = "cibadmin -Q --xpath //node_state[@crmd='online']//nvpair[@name='rmq']"
    assert run(door, found) == 0
    assert re.findall('value=.(.*?)"', capsys.readouterr().out) == ["rabbit@n1"]

    assert run(door, "cibadmin -Q --xpath //node_state//nvpair[@name='rmq']") == 0
    assert re.findall('value=.(.*?)"', capsys.readouterr().out) == ["rabbit@n1", "rabbit@n2"]
    assert run(door, "cibadmin -Q --xpath //nothing") == 105


def test_a_ban_names_the_clone_that_the_resource_is_in(door: Door) -> None:
    assert run(door, "crm_resource -B -r db -N n1 -Q") == 0

    change = door.node.asked[-1][1]["change"]
    assert (change["resource"], change["ban"]) == ("dbs", "n1")


@pytest.mark.parametrize("name", ["db", "db:0"])
def test_a_ban_of_an_instance_is_cleared_under_the_name_that_it_was_made(
    door: Door, name: str
) -> None:
    assert run(door, f"crm_resource -U -r {name}") == 0

    assert door.node.asked[-1][1]["change"]["resource"] == "dbs"


def test_where_a_resource_is_and_what_it_weighs(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(door, "crm_resource -W -r db") == 0
    assert run(door, "crm_resource -Q -r db -z -g cpu") == 0
    assert run(door, "crm_resource -Q -r ip -g ip") == 0
    assert capsys.readouterr().out == "resource db is running on: n1 \n4\n10.0.0.1\n"
    assert run(door, "crm_resource -Q -r db -z -g hv_memory") == 105
    assert run(door, "crm_resource -W -r ip") == 105


@pytest.mark.parametrize(
    "line",
    [
        "crm_mon -d -i 15",
        "crm_mon",
        "cibadmin -R --xml-file x",
        "cibadmin -Q --xpath //[",
        "crm_resource -r db -z -p cpu -v 4",
        "crm_resource --list-operations -N n1",
    ],
)
def test_what_cannot_be_done_is_refused_as_wrong_usage(door: Door, line: str) -> None:
    assert run(door, line) == 64


@pytest.mark.parametrize("line", ["crm_resource --locate --resource ip", "crm_mon -1"])
def test_nothing_is_said_to_run_nowhere_when_nothing_could_be_decided(
    door: Door, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    door.node.status = {**door.node.status, "resources": [], "decided": False}

    assert run(door, line) == 1

    told = capsys.readouterr()
    assert told.out == ""
    assert "the policy engine has failed" in told.err
