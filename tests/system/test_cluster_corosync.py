"""The same work on real Corosync: every host runs one, and ninefoldd on top of it."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.model import SetProperty
from ninefold.lab.plan import Settings
from tests.system.stories import THING, Cluster, cib, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.root]

NAMES = ("node1", "node2", "node3")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("Corosync takes no other user's clients than root's")
    if shutil.which("corosync", path="/usr/sbin") is None:
        pytest.skip("the package corosync is not installed")
    file = tmp_path_factory.mktemp("corosync") / "cib.xml"
    file.write_text(cib(NAMES))
    settings = Settings(
        nodes=3,
        name=f"t{os.getpid()}-coro",
        cib=str(file),
        token_ms=1000,
        token_coefficient_ms=0,
        cluster="corosync",
    )
    with Cluster(settings) as cluster:
        yield cluster


@pytest.fixture
def coro(three: Cluster) -> Cluster:
    three.rest()
    return three


def corosync_pid(cluster: Cluster, node: str) -> str:
    return cluster.lab.run(node, "pidof", "corosync").stdout.strip()


def test_the_active_node_crashes_and_the_service_is_back_elsewhere(coro: Cluster) -> None:
    victim = coro.active()

    with coro.story() as story:
        crashed_s = coro.lab.crash(victim).asked_s
        others = coro.others(victim)
        wait_for("another answers", lambda: any(story.answered(n, crashed_s) for n in others))
        coro.settle()

    story.assert_fenced_first(victim)
    story.assert_never_twice()
    assert story.fenced() == [victim]


def test_corosync_of_the_active_node_dies_and_its_services_stop_and_move(coro: Cluster) -> None:
    victim = coro.active()

    with coro.story() as story:
        coro.lab.run(victim, "kill", "-9", corosync_pid(coro, victim))
        wait_for("it has said so", lambda: story.seen("corosync-lost"))
        wait_for("it is fenced", lambda: story.fenced() == [victim])
        coro.settle()

    # It knew at once that it may not go on, and did not wait for a token.
    lost = [seen for seen in story.seen("quorum-lost") if seen.node == victim]
    assert lost
    assert lost[0].at_s - story.began_s < 1
    story.assert_never_twice()


def test_a_daemon_that_stands_still_under_a_living_corosync_is_fenced(coro: Cluster) -> None:
    victim = coro.active()

    with coro.story() as story:
        os.kill(coro.daemon(victim), signal.SIGSTOP)
        wait_for("it is fenced", lambda: story.fenced() == [victim])
        silent_s = story.power()[0].done_s
        # By whom is open: the host may have booted again before the report of its fencing is told, which
        # waits for Corosync's next ring, and then it is as good as any other.
        wait_for("one serves", lambda: any(story.answered(n, silent_s) for n in story.hosts()))
        coro.settle()

    story.assert_fenced_first(victim)
    story.assert_never_twice()


def test_a_short_pause_of_a_daemon_is_waited_for(coro: Cluster) -> None:
    server = coro.active()

    with coro.story() as story:
        os.kill(coro.daemon(server), signal.SIGSTOP)
        # 1.5 of the 2.2 s that it may be silent.
        with pytest.raises(AssertionError):
            wait_for("nothing happens", lambda: story.seen("membership"), limit_s=1.5)
        os.kill(coro.daemon(server), signal.SIGCONT)
        coro.settle()

    assert story.fenced() == []
    story.assert_undisturbed(server)


def test_a_killed_daemon_is_noticed_without_any_timeout(coro: Cluster) -> None:
    victim = coro.active()

    with coro.story() as story:
        os.kill(coro.daemon(victim), signal.SIGKILL)
        wait_for("it is fenced", lambda: story.fenced() == [victim])
        coro.settle()

    assert story.power()[0].asked_s - story.began_s < 1
    story.assert_fenced_first(victim)
    story.assert_never_twice()


def test_a_minority_stops_and_the_majority_fences_first(coro: Cluster) -> None:
    victim = coro.active()

    with coro.story() as story:
        coro.lab.cut([victim])
        wait_for("it is fenced", lambda: story.fenced() == [victim])
        coro.lab.heal()
        coro.settle()

    story.assert_fenced_first(victim)
    story.assert_never_twice()


def test_a_clean_stop_moves_the_service_and_fences_nobody(coro: Cluster) -> None:
    leaver = coro.active()

    with coro.story() as story:
        coro.stop_daemon(leaver)
        wait_for("another serves", lambda: any(story.answered(n) for n in coro.others(leaver)))

    assert story.fenced() == []
    story.assert_never_twice()


def test_all_daemons_restart_under_one_corosync_and_keep_what_was_acknowledged(
    coro: Cluster,
) -> None:
    coro.change("node1", SetProperty("batch-limit", "17"))
    rings = {node: corosync_pid(coro, node) for node in NAMES}

    coro.stop_daemon(*NAMES)
    for node in NAMES:
        coro.start_daemon(node)
    coro.settle()

    assert {node: corosync_pid(coro, node) for node in NAMES} == rings
    for node in NAMES:
        assert 'name="batch-limit" value="17"' in coro.stage.client(node).cib()["xml"]


def test_corosync_is_not_shut_down_under_a_running_node(coro: Cluster) -> None:
    done = coro.lab.run("node2", "corosync-cfgtool", "-H")

    # The tool ends with 0 all the same.
    assert "Could not shutdown" in done.stderr
    assert corosync_pid(coro, "node2")
    assert coro.settle()["settled"]


def test_links_are_seen_as_corosync_sees_them(coro: Cluster) -> None:
    node = coro.active(THING)
    other = coro.others(node)[0]

    with coro.story() as story:
        coro.lab.cut([other], link=1)
        wait_for("the link is down", lambda: story.seen("link-down", link="1", peer=other))
        coro.lab.heal()
        wait_for("the link is up", lambda: story.seen("link-up", link="1", peer=other))

    assert story.fenced() == []
