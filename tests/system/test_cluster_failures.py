"""Nodes, processes and agents that fail in a real cluster, judged by what the kernel shows."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.model import MoveResource
from tests.system.stories import THING, wait_for

if TYPE_CHECKING:
    from tests.system.stories import Cluster, Status

pytestmark = pytest.mark.system


def on_one(status: Status, resource: str) -> str:
    """Return the node of a resource that runs in good order, or an empty word."""
    for entry in status["resources"]:
        if entry["id"] == resource and len(entry["nodes"]) == 1 and not entry["blocked"]:
            return str(entry["nodes"][0])
    return ""


def test_the_active_node_crashes_and_the_service_is_back_elsewhere(cluster: Cluster) -> None:
    victim = cluster.active()

    with cluster.story() as story:
        crashed_s = cluster.lab.crash(victim).asked_s
        wait_for(
            "another node answers",
            lambda: any(story.answered(node, crashed_s) for node in cluster.others(victim)),
        )
        cluster.settle()

    # Fenced before anything started elsewhere, once; never two; it came back and took nothing.
    story.assert_fenced_first(victim)
    story.assert_never_twice()
    assert story.fenced() == [victim]
    assert story.hosts()[0] == victim
    assert len(story.hosts()) == 2


def test_the_dc_crashes_while_another_node_serves(cluster: Cluster) -> None:
    status = cluster.settle()
    if status["dc"] == cluster.active():
        cluster.lab.crash(status["dc"])
        # Until its token is lost the others' status is of a time when it was there.
        cluster.until(lambda s: s["dc"] != status["dc"], cluster.others(status["dc"])[0])
        status = cluster.settle()
    victim, server = status["dc"], cluster.active()
    assert victim != server

    with cluster.story() as story:
        cluster.lab.crash(victim)
        wait_for("the DC is fenced", lambda: story.fenced() == [victim])
        status = cluster.settle()

    # Another node conducts, and the client has noticed nothing.
    assert status["dc"] not in ("", victim)
    story.assert_never_twice()
    story.assert_undisturbed(server)


def test_a_killed_web_server_is_found_by_its_monitor_and_started_in_place(cluster: Cluster) -> None:
    server = cluster.active()
    pidfile = next((cluster.root(server) / "run/ninefold").glob("web-*.pid"))

    with cluster.story() as story:
        cluster.lab.run(server, "kill", "-9", pidfile.read_text().strip())
        status = cluster.until(lambda s: bool(s["fail_counts"]) and s["settled"])
        cluster.settle()

    # The same node serves again, the failure is on record, nobody was fenced.
    assert status["fail_counts"] == {"http": {server: 1}}
    assert [f["operation"] for f in status["failures"]] == ["http_monitor_1000"]
    assert story.hosts() == [server]
    assert story.gap_s() < 5
    assert not story.power()


def test_an_agent_that_hangs_is_killed_and_its_resource_recovered(cluster: Cluster) -> None:
    node = cluster.active(THING)

    with cluster.story() as story:
        fault = cluster.fault(node, "hang-monitor")
        status = cluster.until(lambda s: bool(s["failures"]))
        fault.unlink()
        cluster.settle()

    # The monitor's timeout of 1 s ended it, with all that it had started; nobody was fenced.
    assert (status["failures"][0]["resource"], status["failures"][0]["node"]) == (THING, node)
    assert "1" in status["failures"][0]["reason"]
    wait_for("no agent is left", lambda: "sleep 3600" not in cluster.commands(node), 5)
    assert cluster.signs(THING) == [node]
    assert story.seen("stopped", resource=THING)
    assert not story.power()


def test_a_start_that_fails_on_one_node_is_made_on_another(cluster: Cluster) -> None:
    node = cluster.active(THING)
    bad, good = cluster.others(node)

    with cluster.story() as story:
        cluster.fault(bad, "fail-start", "5")
        cluster.change(node, MoveResource(THING, node=bad))
        status = cluster.until(lambda s: s["settled"] and bool(s["failures"]))
        status = cluster.until(lambda s: on_one(s, THING) != "" and s["settled"])

    assert on_one(status, THING) in (node, good)
    assert cluster.signs(THING) == [on_one(status, THING)]
    assert [(f["node"], f["rc"]) for f in status["failures"]] == [(bad, 5)]
    assert "told to fail" in status["failures"][0]["reason"]
    story.assert_never_twice()
    assert not story.power()


def test_a_node_where_a_stop_fails_is_fenced_before_the_resource_starts_elsewhere(
    cluster: Cluster,
) -> None:
    node = cluster.active(THING)
    target = cluster.others(node)[0]

    with cluster.story() as story:
        cluster.fault(node, "fail-stop")
        cluster.change(target, MoveResource(THING, node=target))
        wait_for("the node is fenced", lambda: story.fenced() == [node])
        cluster.until(lambda s: on_one(s, THING) == target and s["settled"])

    story.assert_fenced_first(node)
    story.assert_never_twice()
    assert cluster.signs(THING) == [target]
    assert story.fenced() == [node]


def test_a_daemon_that_is_killed_gets_its_node_fenced_before_takeover(cluster: Cluster) -> None:
    node = cluster.active()

    with cluster.story() as story:
        os.kill(cluster.daemon(node), signal.SIGKILL)
        killed_s = story.began_s
        wait_for(
            "another node answers",
            lambda: any(story.answered(other, killed_s) for other in cluster.others(node)),
        )
        cluster.settle()

    # Its resources went on without it until the power was cut: that is what fencing is for.
    story.assert_fenced_first(node)
    story.assert_never_twice()
    (event,) = story.power()
    assert max(last for _, last in story.ran("http", node)) > event.asked_s - 1


def test_a_dc_that_dies_in_the_middle_of_a_transition_leaves_no_half_work(
    cluster: Cluster,
) -> None:
    status = cluster.settle()
    node, conductor = cluster.active(THING), status["dc"]
    target = next(name for name in cluster.others(conductor) if name != node)

    with cluster.story() as story:
        cluster.fault(target, "slow-start", "2")
        cluster.change(target, MoveResource(THING, node=target))
        cluster.until(lambda s: f"start {THING} on {target}" in s["pending"], target)
        cluster.lab.crash(conductor)
        wait_for("the DC is fenced", lambda: conductor in story.fenced())
        status = cluster.until(lambda s: s["settled"] and on_one(s, THING) == target, target)

    # The start that was under way was waited for, and not made twice.
    story.assert_never_twice()
    assert story.fenced() == [conductor]
    assert len(story.seen("started", resource=THING)) == 1
    assert cluster.signs(THING) == [target]
