"""What an adversary found by telling stories of whole clusters, with the checkers watching.

Each story ended badly before it was mended: unsafe, or with somebody who waits for ever.
"""

from __future__ import annotations

import pytest

from ninefold.cib.document import Cib
from ninefold.cib.model import SetProperty
from ninefold.controller import requests as rq
from ninefold.lab import defaults
from ninefold.sim.world import World

PREFER_NODE3 = (
    "<constraints/>",
    '<constraints><rsc_location id="l" rsc="web" node="node3" score="INFINITY"/></constraints>',
)
CHANGE = rq.encode(rq.ChangeCib(SetProperty("stonith-timeout", "77s")))


def world(
    nodes: int, seed: int = 1, *, change: tuple[str, str] = ("", ""), token_ms: int = 0
) -> World:
    """Return the lab's cluster, switched off; `change` is made in its document's text."""
    hosts = defaults.hosts(nodes)
    conf = defaults.corosync_conf(hosts)
    if token_ms:
        conf = defaults.corosync_conf(hosts, token_ms=token_ms, token_coefficient_ms=0)
    text = defaults.cib([host[0] for host in hosts])
    assert change[0] in text
    cib, findings = Cib.parse(text.replace(*change) if change[0] else text)
    assert cib is not None, findings
    return World(seed, conf, cib)


def running(nodes: int, seed: int = 1, *, change: tuple[str, str] = ("", "")) -> World:
    """Return a cluster that runs everything."""
    cluster = world(nodes, seed, change=change)
    for node in cluster.hosts:
        cluster.power_on(node)
    cluster.advance(30_000)
    assert cluster.where("http")
    return cluster


def timeout_of(cluster: World) -> list[str]:
    return [
        host.node.controller.replica.authority.property("stonith-timeout", "")
        for host in cluster.hosts.values()
        if host.node is not None
    ]


def test_slow_device_reports_about_a_node_that_has_come_back_and_is_lost_again() -> None:
    # The device cuts node3's power at half its time and answers when node3 runs things again.
    cluster = world(3, 4, change=PREFER_NODE3, token_ms=500)
    for node in cluster.hosts:
        cluster.power_on(node)
    cluster.advance(30_000)
    cluster.fence_device = "slow"
    before = len(cluster.trace)
    cluster.power_off(3)
    cluster.advance_until(lambda: any(x.what == "fencing" for x in cluster.trace[before:]), 9_000)
    assert cluster.advance_until(lambda: cluster.where("http") == ["node3"], 13_400, 20)
    assert cluster.hosts[3].alive

    cluster.pause(3)
    cluster.advance(6_000)

    assert not any(line.what == "fenced" for line in cluster.trace[before:])
    assert cluster.where("http") == ["node3"]


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_change_that_a_member_took_alone_is_not_acknowledged_when_it_is_back(seed: int) -> None:
    # Node 1 hears only itself, is stopped for long, and comes back to a cluster that went on.
    cluster = running(3, seed)
    for other in (2, 3):
        cluster.cut(1, other)
    number = cluster.ask(1, "root", CHANGE)
    cluster.advance(60)
    cluster.fence_device = "fails"
    cluster.pause(1)
    cluster.advance(9_000)
    cluster.heal()
    cluster.resume(1)
    cluster.advance(6_000)

    assert not cluster.answers[number].ok or timeout_of(cluster) == ["77s"] * 3


def test_disks_of_two_in_five_do_not_make_a_change_last() -> None:
    # Three of five are present; the third's disk is full. Then the two are lost for good.
    cluster = world(5, 2)
    for node in (1, 2, 3):
        cluster.power_on(node)
    cluster.hold_off += [4, 5]
    cluster.advance(60_000)
    cluster.hosts[3].disk.condition = "full"
    number = cluster.ask(1, "root", CHANGE)
    cluster.advance(2_000)
    acknowledged = number in cluster.answers and cluster.answers[number].ok
    for node in (1, 2, 3):
        cluster.power_off(node)
    cluster.hosts[3].disk.condition = "works"
    cluster.hold_off += [1, 2]
    for node in (3, 4, 5):
        cluster.power_on(node)
    cluster.advance(30_000)

    assert timeout_of(cluster) == ["60s"] * 3
    assert not acknowledged


def test_two_nodes_that_went_apart_and_come_together_hold_the_same_document() -> None:
    # Neither could fence the other. Their stamps are equal when they meet, their documents are not.
    cluster = running(2)
    cluster.fence_device = "fails"
    cluster.partition([[1], [2]])
    one, two = (host.node.controller.replica for host in cluster.hosts.values() if host.node)

    def differ() -> bool:
        apart = one.members == (1,) and two.members == (2,)
        return apart and one.stamp == two.stamp and one.authority.digest() != two.authority.digest()

    cluster.advance_until(differ, 15_000, 1)
    cluster.heal()
    cluster.advance(6_000)

    assert one.members == two.members == (1, 2)
    assert one.authority.digest() == two.authority.digest()


def test_machines_that_boot_one_after_the_other_after_a_power_cut_are_not_fenced() -> None:
    # The wait for absent nodes begins when there is somebody who could decide.
    cluster = running(3)
    for node in cluster.hosts:
        cluster.power_off(node)
    cluster.advance(5_000)
    cluster.power_on(1)
    cluster.advance(25_000)
    cluster.power_on(2)
    cluster.advance(1_500)
    cluster.power_on(3)
    cluster.advance(60_000)

    assert cluster.fences == []
    assert cluster.where("http")


@pytest.mark.parametrize("lonely_ms", [0, 25_000])
def test_node_that_stays_away_at_a_cold_start_is_fenced_however_the_others_came(
    lonely_ms: int,
) -> None:
    cluster = running(3)
    for node in (3, 2, 1):
        cluster.stop(node)
        cluster.advance(15_000)
        cluster.power_off(node)
    before = len(cluster.fences)
    cluster.hold_off.append(3)
    cluster.power_on(1)
    cluster.advance(lonely_ms)
    cluster.power_on(2)
    cluster.advance(60_000)

    # It may have been started alone since, and run anything.
    assert [name for _, _, name in cluster.fences[before:]] == ["node3"]
    assert cluster.where("http")


def test_node_that_is_asked_to_stop_before_anybody_decides_leaves() -> None:
    cluster = world(3)
    cluster.power_on(1)
    cluster.advance(5_000)
    cluster.stop(1)
    cluster.advance(3_000)

    assert not cluster.hosts[1].alive


def policy(name: str) -> tuple[str, str]:
    return ('name="no-quorum-policy" value="stop"', f'name="no-quorum-policy" value="{name}"')


@pytest.mark.parametrize("name", ["ignore", "freeze"])
def test_without_quorum_these_policies_recover_what_died_in_its_place(name: str) -> None:
    cluster = running(3, change=policy(name))
    at = cluster.where("http")
    for node, host in cluster.hosts.items():
        if host.name not in at:
            cluster.hold_off.append(node)
            cluster.power_off(node)
    cluster.advance(15_000)

    cluster.kill("http")
    cluster.advance(20_000)

    assert cluster.where("http") == at


def test_without_quorum_the_policy_suicide_resets_a_host_that_runs_something() -> None:
    cluster = running(3, change=policy("suicide"))
    (at,) = cluster.where("http")

    cluster.isolate(cluster.host(at).id)

    assert cluster.advance_until(lambda: not cluster.host(at).powered, 10_000)
    assert any(line.who == at and "resets itself" in line.text for line in cluster.trace)


def test_disks_that_are_freed_save_what_they_had_refused() -> None:
    cluster = running(3)
    for node in (2, 3):
        cluster.hosts[node].disk.condition = "full"
    number = cluster.ask(1, "root", CHANGE)
    cluster.advance(3_000)
    assert number not in cluster.answers
    for node in (2, 3):
        cluster.hosts[node].disk.condition = "works"
    cluster.advance(5_000)

    assert cluster.answers[number].ok


@pytest.mark.parametrize("who", ["web", "idle"])
def test_node_that_stops_before_the_cluster_forms_is_not_taken_for_silent(who: str) -> None:
    # All daemons died while everything runs on. Two are back and wait for the third; nobody has
    # looked yet what runs where, so nobody may say that nothing does.
    cluster = running(3)
    (at,) = cluster.where("http")
    web = cluster.host(at).id
    idle = next(node for node in cluster.hosts if node != web)
    stops, other = (web, idle) if who == "web" else (idle, web)
    third = next(node for node in cluster.hosts if node not in (web, idle))
    for node in cluster.hosts:
        cluster.kill_daemon(node)
    cluster.start_daemon(stops)
    cluster.start_daemon(other)
    cluster.advance(3_000)

    cluster.stop(stops)
    cluster.advance(2_000)
    cluster.start_daemon(third)
    cluster.advance(60_000)

    assert not cluster.hosts[stops].alive
    assert len(cluster.where("http")) == 1
    assert cluster.fences == []


@pytest.mark.parametrize("after_ms", [0, 60, 100, 120, 140, 150, 160, 200])
def test_node_that_is_back_and_asked_to_stop_at_once_is_not_taken_for_silent(
    after_ms: int,
) -> None:
    # Its daemon was killed; the new one has not looked yet at what runs.
    cluster = running(3)
    (at,) = cluster.where("http")
    web = cluster.host(at).id
    cluster.kill_daemon(web)
    cluster.start_daemon(web)
    cluster.advance(after_ms)

    cluster.stop(web)
    cluster.advance(60_000)

    # It has stopped everything before it left, or was fenced; the checkers watch.
    assert len(cluster.where("http")) == 1
    assert cluster.where("http") != [at]
