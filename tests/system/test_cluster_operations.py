"""What an operator does to a real cluster, and what a client sees of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ninefold.api.client import RefusedError
from ninefold.cib.model import SetProperty
from ninefold.controller.requests import DeclareDead
from ninefold.lab.model import FenceDevice, FenceMode, Power
from tests.system.stories import THING, wait_for

if TYPE_CHECKING:
    from tests.system.stories import Cluster, Status

pytestmark = pytest.mark.system


def states(status: Status) -> dict[str, str]:
    return {node["name"]: node["state"] for node in status["nodes"]}


def property_of(cluster: Cluster, node: str, name: str) -> str:
    """Return the value of a cluster property in a node's document."""
    _, found, rest = cluster.stage.client(node).cib()["xml"].partition(f'name="{name}" value="')
    return rest.partition('"')[0] if found else ""


def test_a_daemon_told_to_stop_hands_everything_over_and_is_not_fenced(cluster: Cluster) -> None:
    node = cluster.active()
    other = cluster.others(node)[0]

    with cluster.story() as story:
        cluster.stop_daemon(node)
        assert cluster.signs("http") != [node]
        status = cluster.until(lambda s: s["settled"] and len(cluster.signs("http")) == 1, other)
        assert cluster.signs("http") != [node]
        cluster.start_daemon(node)
        cluster.settle()

    assert states(status)[node] == "offline"
    assert not story.power()
    story.assert_never_twice()
    assert story.gap_s() < 3


def test_a_node_in_standby_serves_nothing_until_it_is_online_again(cluster: Cluster) -> None:
    node = cluster.active()

    with cluster.story() as story:
        assert cluster.ninefold(node, "node", "standby", node).returncode == 0
        status = cluster.until(
            lambda s: s["settled"] and all(node not in r["nodes"] for r in s["resources"])
        )
        assert states(status)[node] == "standby"
        assert node not in cluster.signs("http") + cluster.signs(THING)
        assert cluster.ninefold(node, "node", "online", node).returncode == 0
        cluster.until(lambda s: s["settled"] and states(s)[node] == "online")

    assert not story.power()
    story.assert_never_twice()
    assert story.gap_s() < 3


def test_a_moved_service_stays_until_the_move_is_cleared(cluster: Cluster) -> None:
    node = cluster.active()
    target = cluster.others(node)[0]

    with cluster.story() as story:
        moved = cluster.ninefold(target, "resource", "move", "web", target, "--wait", "20")
        assert cluster.active() == target
        assert "cli-prefer-web" in cluster.stage.client(node).cib()["xml"]
        cleared = cluster.ninefold(target, "resource", "clear", "web", "--wait", "20")
        assert cluster.active() == target

    assert (moved.returncode, cleared.returncode) == (0, 0), moved.stderr + cleared.stderr
    assert "cli-" not in cluster.stage.client(node).cib()["xml"]
    story.assert_never_twice()
    assert story.hosts() == [node, target]
    # 0.25 s is promised on an idle machine; this one runs other things too.
    assert story.gap_s() < 1.5


def test_an_acknowledged_change_survives_a_power_cut_of_every_node(cluster: Cluster) -> None:
    nodes = cluster.others()
    before = property_of(cluster, nodes[0], "power-cut") or "0"
    value = str(int(before) + 1)

    done = cluster.ninefold(nodes[1], "cib", "property", "power-cut", value)
    for node in nodes:
        cluster.lab.crash(node)
    for node in nodes:
        cluster.lab.power_on(node)
    cluster.settle()

    assert done.returncode == 0, done.stderr
    assert [property_of(cluster, node, "power-cut") for node in nodes] == [value] * 3


def test_a_cluster_that_starts_without_one_of_its_nodes_fences_it_and_serves(
    cluster: Cluster,
) -> None:
    nodes = cluster.others()
    absent = cluster.active()
    present = cluster.others(absent)
    cluster.change(absent, SetProperty("dc-deadtime", "2s"))
    cluster.stop_daemon(*nodes)
    assert not cluster.signs("http") + cluster.signs("vip") + cluster.signs(THING)
    for node in nodes:
        cluster.lab.crash(node)
    cluster.lab.hold(absent)

    began_s = cluster.lab.events()[-1].done_s
    for node in present:
        cluster.lab.power_on(node)
    cluster.until(lambda s: s["settled"] and all(r["nodes"] for r in s["resources"]), present[0])
    fencings = [e for e in cluster.lab.events() if e.asked_s >= began_s and e.by in present]

    # Nobody knows what the absent node did meanwhile, so it was fenced before anything started.
    assert [(e.target, e.ok) for e in fencings] == [(absent, True)]
    assert cluster.signs("http")[0] in present
    first_s = [
        first
        for node in present
        for service in ("http", "vip", THING)
        for first, _ in cluster.observer.periods.get((service, node), [])
        if first >= began_s
    ]
    assert first_s
    assert min(first_s) >= fencings[0].done_s


def test_nothing_starts_while_fencing_fails_until_the_operator_vouches(cluster: Cluster) -> None:
    victim = cluster.active()
    asked = cluster.others(victim)[0]
    cluster.lab.fence_device(FenceDevice(mode=FenceMode.FAIL))

    with cluster.story() as story:
        cluster.lab.crash(victim)
        status = cluster.until(
            lambda s: bool(s["fencing"]) and s["fencing"][0]["attempts"] > 1, asked
        )
        shown = cluster.ninefold(asked, "status").stdout
        assert not cluster.signs("http")
        refused = cluster.ninefold(asked, "node", "declare-dead", victim, stdin="yes\n")
        with pytest.raises(RefusedError, match="it is alive"):
            cluster.stage.client(asked).request(DeclareDead(asked, confirmed=True))
        with pytest.raises(RefusedError, match="powered off, then confirm"):
            cluster.stage.client(asked).request(DeclareDead(victim))
        assert not cluster.signs("http")
        vouched = cluster.ninefold(asked, "node", "declare-dead", victim, stdin=f"{victim}\n")
        wait_for("the service is back", lambda: story.answered(cluster.active(), story.began_s + 2))

    # The status says who must be silenced, why that failed and what can be done.
    assert (status["fencing"][0]["node"], status["fencing"][0]["state"]) == (victim, "failed")
    assert "the fence device does not respond" in status["fencing"][0]["reason"]
    assert f"ninefold node declare-dead {victim}" in shown
    assert refused.returncode == 1
    assert "Not confirmed" in refused.stderr
    assert "damaged" in refused.stdout
    assert vouched.returncode == 0, vouched.stderr
    assert story.fenced() == []
    assert story.seen("declared-dead", node=victim)[0].fields["who"] == "root"
    assert cluster.host(victim).power is Power.OFF
    story.assert_never_twice()


def test_a_node_whose_disk_is_full_goes_on_and_says_so(cluster: Cluster) -> None:
    node, *others = cluster.others()
    cluster.stop_daemon(node)
    mounted = cluster.lab.run(
        node, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/var/lib/ninefold"
    )
    assert mounted.returncode == 0, mounted.stderr
    cluster.start_daemon(node)
    cluster.settle()

    fill = "head -c 2m /dev/zero >/var/lib/ninefold/filler; df /var/lib/ninefold"
    full = cluster.lab.run(node, "sh", "-c", fill).stdout
    cluster.change(node, SetProperty("disk-full", "1"))
    cluster.change(others[0], SetProperty("disk-full", "2"))
    status = cluster.until(lambda s: s["store"] != "", node)
    shown = cluster.ninefold(node, "status").stdout
    cluster.lab.run(node, "rm", "/var/lib/ninefold/filler")
    cluster.change(node, SetProperty("disk-full", "3"))
    cluster.until(lambda s: s["store"] == "", node)

    # The others' disks acknowledged each; the node says what is wrong, lives, and recovers.
    assert "100%" in full
    assert "The store of this node refuses" in shown
    assert status["node"] == node
    assert property_of(cluster, node, "disk-full") == "3"
    # What was saved here ends with this disk; the next boot finds the old one and catches up.
    cluster.stop_daemon(node)


def test_keys_are_rotated_while_changes_go_on_and_nobody_notices(cluster: Cluster) -> None:
    nodes, server = cluster.others(), cluster.active()
    before = cluster.settle()["ring"]
    lost = {node: token_losses(cluster, node) for node in nodes}
    old = {key_file(cluster, node) for node in nodes}

    with cluster.story() as story, ThreadPoolExecutor(1) as thread:
        rotated = thread.submit(cluster.ninefold, nodes[0], "keys", "rotate")
        made = 0
        while not rotated.done() or made < 10:
            made += 1
            # Returns when a majority has it on disk; raises if it is not taken.
            cluster.change(nodes[made % 3], SetProperty(f"rotation-{made}", str(made)))
        after = cluster.settle()["ring"]

    assert rotated.result().returncode == 0, rotated.result().stderr
    new = {key_file(cluster, node) for node in nodes}
    assert len(old) == len(new) == 1
    assert old != new
    assert after == before
    assert {node: token_losses(cluster, node) for node in nodes} == lost
    for number in range(1, made + 1):
        name = f"rotation-{number}"
        assert {property_of(cluster, node, name) for node in nodes} == {str(number)}
    assert not story.power()
    story.assert_undisturbed(server)


def key_file(cluster: Cluster, node: str) -> bytes:
    """Return the key of a node, which must have no other beside it."""
    directory = cluster.root(node) / "etc/corosync"
    assert [path.name for path in directory.glob("authkey*")] == ["authkey"]
    return (directory / "authkey").read_bytes()


def token_losses(cluster: Cluster, node: str) -> int:
    return int(cluster.stage.client(node).statistics()["token_losses"])
