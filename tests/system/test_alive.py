"""The distribution's own dummy moves alive, and takes changed parameters over, under real daemons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.agents.model import AgentName, Call
from ninefold.agents.ocf import environment
from ninefold.cib.model import ReplaceConfiguration, SetProperty
from ninefold.host.agents import host_places
from tests.system.stories import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.stories import Cluster

pytestmark = pytest.mark.system

DUMMY = Path("/usr/lib/ocf/resource.d/pacemaker/Dummy")

VM = (
    '<primitive id="vm" class="ocf" provider="pacemaker" type="Dummy"><instance_attributes id="vm-params">'
    '<nvpair id="vm-state" name="state" value="/run/ninefold/vm.state"/>'
    '<nvpair id="vm-env" name="envfile" value="/run/ninefold/vm.env"/>'
    '<nvpair id="vm-fake" name="fake" value="one"/></instance_attributes><meta_attributes id="vm-meta">'
    '<nvpair id="vm-alive" name="allow-migrate" value="true"/></meta_attributes><operations>'
    '<op id="vm-m" name="monitor" interval="1s" timeout="10s"/></operations></primitive>'
)


@pytest.fixture
def alive(cluster: Cluster) -> Iterator[Cluster]:
    """The three nodes with `vm` among their resources."""
    if not DUMMY.exists():
        pytest.skip("Pacemaker's own agents are not installed")
    before = cluster.stage.client("node1").cib()["xml"]
    cluster.change(
        "node1", ReplaceConfiguration(before.replace("</resources>", VM + "</resources>"))
    )
    try:
        cluster.settle()
        yield cluster
    finally:
        cluster.change("node1", ReplaceConfiguration(before))
        cluster.settle()


def has_state(cluster: Cluster, name: str = "vm.state") -> list[str]:
    """Return the hosts on which the agent's state file is."""
    names = [host.name for host in cluster.lab.status().hosts if host.init_pid]
    return [node for node in names if (cluster.root(node) / "run/ninefold" / name).exists()]


def asked(cluster: Cluster, node: str) -> list[str]:
    """Return what the agent was asked for on a host, but for monitors and its description."""
    text = (cluster.root(node) / "run/ninefold/vm.env").read_text()
    found = re.findall("^OCF_RESKEY_CRM_meta_name=(.*)$", text, re.MULTILINE)
    return [action for action in found if action not in ("monitor", "meta-data")]


def test_it_leaves_and_arrives_and_nobody_starts_it(alive: Cluster) -> None:
    first = wait_for("it runs", lambda: has_state(alive))[0]
    other = alive.others(first)[0]

    with alive.story() as story:
        moved = alive.ninefold(first, "resource", "move", "vm", other, "--wait", "30")

    assert moved.returncode == 0, moved.stderr
    assert "vm moves alive if nothing hinders it" in moved.stdout
    assert has_state(alive) == [other]
    assert asked(alive, first)[-2:] == ["migrate_to", "stop"]
    assert asked(alive, other) == ["migrate_from"]
    assert story.fenced() == []
    assert alive.ninefold(first, "resource", "clear", "vm").returncode == 0


def test_a_changed_parameter_is_reloaded_and_a_fixed_one_restarts(alive: Cluster) -> None:
    node = wait_for("it runs", lambda: has_state(alive))[0]
    xml = alive.stage.client(node).cib()["xml"]
    assert 'op-restart-digest="' in xml

    alive.change(node, ReplaceConfiguration(xml.replace('value="one"', 'value="two"')))
    wait_for("it is reloaded", lambda: "reload-agent" in asked(alive, node))
    alive.settle()
    assert asked(alive, node)[-2:] == ["start", "reload-agent"]

    xml = alive.stage.client(node).cib()["xml"]
    alive.change(node, ReplaceConfiguration(xml.replace("vm.state", "vm.other")))
    wait_for("it is restarted", lambda: has_state(alive, "vm.other"))
    alive.settle()
    assert has_state(alive) == []
    assert asked(alive, node)[-2:] == ["stop", "start"]


def test_a_daemon_restarted_meanwhile_stops_it_as_it_was_started(alive: Cluster) -> None:
    node = wait_for("it runs", lambda: has_state(alive))[0]
    other = alive.others(node)[0]
    alive.change(other, SetProperty("maintenance-mode", "true"))
    xml = alive.stage.client(other).cib()["xml"]
    alive.change(other, ReplaceConfiguration(xml.replace("vm.state", "vm.other")))

    alive.stop_daemon(node)
    alive.start_daemon(node)
    alive.until(lambda status: all(n["member"] for n in status["nodes"]), other)
    assert has_state(alive) == [node]
    alive.change(other, SetProperty("maintenance-mode", None))

    wait_for("it is restarted", lambda: has_state(alive, "vm.other"))
    alive.settle()
    assert has_state(alive) == []
    assert has_state(alive, "vm.other") == [node]


def test_the_fields_agents_find_members_in_what_they_ask_for(alive: Cluster) -> None:
    # As Galera and Redis ask, by the functions of resource-agents.
    functions = Path("/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs")
    if not functions.exists():
        pytest.skip("resource-agents are not installed")
    node = wait_for("it runs", lambda: has_state(alive))[0]
    places = environment(
        Call(AgentName("ocf", "pacemaker", "Dummy"), "vm", "monitor", 0, 20_000), host_places()
    )
    names = ("HA_SBIN_DIR", "NINEFOLD_PYTHON", "OCF_ROOT")
    exports = "; ".join(f"export {name}={places[name]}" for name in names)

    said = alive.lab.run(
        node, "bash", "-c", f"{exports}; SHELL=bash; . {functions}; crm_mon_no_validation -1X"
    )

    assert said.returncode == 0, said.stderr
    assert len(re.findall('<node name="node[123]" .* online="true"', said.stdout)) == 3
    assert re.search(
        'resource.*id="vm".*active="true".*orphaned="false".*failed="false"', said.stdout
    )
