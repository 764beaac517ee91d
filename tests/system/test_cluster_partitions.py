"""Cut cables, in a real cluster: who goes on, who stops, and that never two serve."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import start
from ninefold.lab.model import FenceDevice, Power
from ninefold.lab.plan import Settings
from tests.system.stories import Cluster, cib, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def two_nodes_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if reason := start.permitted():
        pytest.skip(reason)
    file = tmp_path_factory.mktemp("two") / "cib.xml"
    file.write_text(cib(("node1", "node2")))
    settings = Settings(
        nodes=2, name=f"t{os.getpid()}-two", cib=str(file), token_ms=1000, token_coefficient_ms=0
    )
    with Cluster(settings) as made:
        yield made


@pytest.fixture
def two_nodes(two_nodes_made: Cluster) -> Cluster:
    two_nodes_made.rest()
    return two_nodes_made


def test_an_isolated_node_stops_is_fenced_and_only_then_replaced(cluster: Cluster) -> None:
    node = cluster.active()
    # Fencing takes so long that the node's own stop, for want of quorum, can be seen.
    cluster.lab.fence_device(FenceDevice(delay_ms=5000))

    with cluster.story() as story:
        cluster.lab.cut([node])
        cut_s = time.monotonic()
        status = cluster.until(lambda s: not s["quorum"]["quorate"], node)
        wait_for("the isolated node has stopped its service", lambda: not cluster.signs("http"), 10)
        stopped_s = time.monotonic()
        wait_for(
            "another node answers",
            lambda: any(story.answered(other, cut_s) for other in cluster.others(node)),
        )
        cluster.lab.heal()
        cluster.settle()

    assert status["node"] == node
    assert "2 are needed" in status["quorum"]["reason"]
    (event,) = story.power()
    assert event.target == node
    assert stopped_s < event.done_s
    story.assert_fenced_first(node)
    story.assert_never_twice()


def test_one_cut_link_of_two_changes_nothing(cluster: Cluster) -> None:
    before = cluster.settle()
    node = cluster.active()
    # The client is on the first network, so it is the second that may be cut without its noticing.

    with cluster.story() as story:
        cluster.lab.cut([node], link=1)
        peers = cluster.others(node)
        status = cluster.until(
            lambda s: all(s["links"].get(peer, {}).get("1") is False for peer in peers), node
        )
        # Three token timeouts: whoever wanted to act upon it has had the time.
        time.sleep(3)
        status = cluster.settle()

    assert status["ring"] == before["ring"]
    assert all(n["state"] == "online" for n in status["nodes"])
    assert not story.seen("membership")
    assert not story.power()
    story.assert_undisturbed(node)


def test_two_nodes_whose_links_are_all_cut_leave_one_survivor(two_nodes: Cluster) -> None:
    with two_nodes.story() as story:
        two_nodes.lab.cut(["node1"], to=["node2"])
        wait_for("one of the two is fenced", story.fenced)
        victim = story.fenced()[0]
        (survivor,) = two_nodes.others(victim)
        fenced_s = story.power()[0].done_s
        wait_for("the survivor answers", lambda: story.answered(survivor, fenced_s))
        two_nodes.until(
            lambda s: all(r["nodes"] == [survivor] for r in s["resources"]) and s["settled"],
            survivor,
        )
        # The other one boots behind the same cut: it has to wait for its peer, whatever it thinks.
        alone = two_nodes.until(lambda s: s["quorum"]["expected"] == 2, victim)

    # Exactly one was fenced, and exactly one serves.
    assert story.fenced() == [victim]
    assert not alone["quorum"]["quorate"]
    assert two_nodes.signs("http") == two_nodes.signs("vip") == [survivor]
    story.assert_fenced_first(victim)
    story.assert_never_twice()


def test_the_active_one_of_two_nodes_crashes(two_nodes: Cluster) -> None:
    victim = two_nodes.active()
    (survivor,) = two_nodes.others(victim)

    with two_nodes.story() as story:
        crashed_s = two_nodes.lab.crash(victim).asked_s
        wait_for("the survivor answers", lambda: story.answered(survivor, crashed_s))
        two_nodes.lab.wait_power(victim, Power.ON)
        two_nodes.settle()

    assert story.fenced() == [victim]
    story.assert_fenced_first(victim)
    story.assert_never_twice()
