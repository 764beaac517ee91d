"""What agents call back with, against a door with a small node behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ninefold.agents.model import AgentName, Call
from ninefold.agents.ocf import environment
from ninefold.api.client import Client
from ninefold.cli.agent_tools import main
from ninefold.host.agents import host_places
from tests.door_world import Door, open_door

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

XML = """
<cib><configuration>
  <crm_config><cluster_property_set id="x"><nvpair id="x1" name="REPL" value="f|7"/>
  </cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"><instance_attributes id="y"><nvpair id="y1" name="site" value="a"/>
  </instance_attributes></node><node id="2" uname="n2"/></nodes>
</configuration><status>
  <node_state id="1" uname="n1"><transient_attributes id="1"><instance_attributes id="z">
    <nvpair id="z1" name="master-db" value="100"/></instance_attributes></transient_attributes></node_state>
  <node_state id="2" uname="n2"><transient_attributes id="2"><instance_attributes id="w">
    <nvpair id="w1" name="master-db" value="5"/></instance_attributes></transient_attributes></node_state>
</status></cib>
"""


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setenv("OCF_RESOURCE_INSTANCE", "db")
    monkeypatch.delenv("NINEFOLD_NODE", raising=False)
    with open_door(tmp_path) as opened:
        opened.node.xml = XML
        yield opened


def run(door: Door, line: str) -> int:
    return main(line.split(), Client(str(door.path)))


def asked(door: Door) -> dict[str, Any]:
    return door.node.asked[-1][1]


@pytest.mark.parametrize(
    ("line", "attribute"),
    [
        ("crm_attribute -p -v 10", ("master-db", "10", "n1")),
        ("crm_attribute --promotion -v -INFINITY", ("master-db", "-INFINITY", "n1")),
        ("crm_attribute --promotion=pg -D", ("master-pg", None, "n1")),
        ("crm_master -l reboot -v 7", ("master-db", "7", "n1")),
        ("crm_master -N n2 -l reboot -D", ("master-db", None, "n2")),
        ("crm_attribute -N n2 -l reboot --name g-last -v 3", ("g-last", "3", "n2")),
        ("crm_attribute -t status -n pingd -v 1", ("pingd", "1", "n1")),
        ("attrd_updater -n pingd -U 100 -d 5", ("pingd", "100", "n1")),
        ("attrd_updater -S status -n machines -v 4", ("machines", "4", "n1")),
        ("attrd_updater -D -S state -n machines", ("machines", None, "n1")),
    ],
)
def test_attribute_that_lasts_until_the_node_leaves(
    door: Door, line: str, attribute: tuple[str, str | None, str]
) -> None:
    assert run(door, line) == 0

    request = asked(door)
    assert request["type"] == "attribute"
    assert (request["name"], request.get("value"), request["node"]) == attribute


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        ("crm_attribute -N n2 -n site -v b", "SetNodeAttribute", "b"),
        ("crm_attribute -l forever -N n2 -n site -D", "SetNodeAttribute", None),
        (
            "crm_attribute --type crm_config --name REPL -s mysql_replication -v x",
            "SetProperty",
            "x",
        ),
    ],
)
def test_attribute_that_lasts_is_a_change_of_the_configuration(
    door: Door, line: str, kind: str, value: str | None
) -> None:
    assert run(door, line) == 0

    assert (asked(door)["change"]["type"], asked(door)["change"].get("value")) == (kind, value)


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("crm_master -G", "scope=status  name=master-db value=100\n"),
        ("crm_master -G -q", "100\n"),
        ("crm_attribute -p -N n2 --quiet", "5\n"),
        ("crm_attribute -N n1 -n site -l forever --query -q", "a\n"),
        ("crm_attribute -n REPL -G -q", "f|7\n"),
        ("crm_attribute -n none -l reboot -G -q -d 3", "3\n"),
        ("attrd_updater -Q -n master-db", 'name="master-db" host="n1" value="100"\n'),
        ("attrd_updater -Q -n master-db -N n2", 'name="master-db" host="n2" value="5"\n'),
        ("crm_node -n", "n1\n"),
        ("crm_node -p", "n1 n2 \n"),
        ("crm_node -l", "1 n1 member\n2 n2 member\n"),
        ("crm_node -q", "1\n"),
        ("crm_node -i", "1\n"),
        ("crm_node -N 2", "n2\n"),
    ],
)
def test_what_agents_ask_is_answered_in_their_form(
    door: Door, capsys: pytest.CaptureFixture[str], line: str, printed: str
) -> None:
    assert run(door, line) == 0

    assert capsys.readouterr().out == printed


def test_all_nodes_that_have_it_are_told(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(door, "attrd_updater -Q -A -n master-db") == 0

    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("crm_attribute -n none -l reboot -G", 105),
        ("attrd_updater -Q -n none", 105),
        ("crm_node -N 9", 105),
        ("crm_attribute -G", 64),
        ("crm_attribute -n x -z -v 1", 64),
        ("crm_attribute -n x -t tickets -v 1", 64),
        ("crm_node", 64),
        ("crm_verify -L", 64),
    ],
)
def test_what_cannot_be_done_ends_as_agents_know_it(
    door: Door, capsys: pytest.CaptureFixture[str], line: str, code: int
) -> None:
    assert run(door, line) == code

    assert capsys.readouterr().err.startswith(line.split(maxsplit=1)[0])


def test_no_node_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crm_node", "-q"], Client(str(tmp_path / "none"))) == 102

    assert "No node is running here" in capsys.readouterr().err


def test_agents_find_these_commands_before_all_others() -> None:
    places = host_places(socket="/run/x.sock", node="n7")

    env = environment(Call(AgentName("ocf", "heartbeat", "pgsql"), "db", "start", 0, 1), places)

    assert env["PATH"].startswith(env["HA_SBIN_DIR"] + ":/usr/local/sbin")
    assert (env["NINEFOLD_SOCKET"], env["NINEFOLD_NODE"]) == ("/run/x.sock", "n7")
