"""`corosync.conf` changes under real daemons: on all hosts at one moment, or on none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.stories import Cluster

pytestmark = pytest.mark.system


@pytest.fixture
def conf(cluster: Cluster) -> Iterator[str]:
    """The file as it was; it is put back, and taken, afterwards."""
    cluster.settle()
    text = (cluster.root(cluster.others()[0]) / "etc/corosync/corosync.conf").read_text()
    yield text
    write(cluster, numbered(text, 9), *cluster.others())
    assert cluster.ninefold(cluster.others()[0], "config", "reload").returncode == 0


def write(cluster: Cluster, text: str, *nodes: str) -> None:
    for node in nodes:
        (cluster.root(node) / "etc/corosync/corosync.conf").write_text(text)


def numbered(text: str, version: int) -> str:
    """The file with a number that is higher than its own, which is that of the last test."""
    found = re.search(r"config_version: (\d+)", text)
    if found is None:
        return text.replace("version: 2\n", f"version: 2\n    config_version: {version}\n", 1)
    return text.replace(found[0], f"config_version: {int(found[1]) + version}")


def statistics(cluster: Cluster, node: str) -> dict[str, Any]:
    return cluster.stage.client(node).statistics()


def test_votes_links_and_timers_change_on_all_hosts_and_the_service_does_not_notice(
    cluster: Cluster, conf: str
) -> None:
    nodes, server = cluster.others(), cluster.active()
    fewer_links = re.sub(r" *ring1_addr:.*\n", "", conf)
    changed = numbered(fewer_links, 7).replace("nodeid: 1\n", "nodeid: 1\n quorum_votes: 2\n")
    assert "token: 1000\n" in changed
    changed = changed.replace("token: 1000\n", "token: 1500\n")
    write(cluster, changed, *nodes)

    with cluster.story() as story:
        taken = cluster.ninefold(nodes[1], "config", "reload")
        cluster.settle()
        told = [statistics(cluster, node) for node in nodes]

    assert taken.returncode == 0, taken.stderr
    assert "taken by all members" in taken.stdout
    assert {one["quorum"]["votes"] for one in told} == {4}
    assert {one["ring"]["token_ms"] for one in told} == {1500}
    links = [set(peer["links"]) for one in told for peer in one["ring"]["peers"].values()]
    assert links == [{"0"}] * 6
    assert not story.power()
    story.assert_undisturbed(server)


def test_one_host_with_another_file_keeps_all_as_they_are(cluster: Cluster, conf: str) -> None:
    nodes = cluster.others()
    before = [statistics(cluster, node)["quorum"]["expected"] for node in nodes]
    changed = numbered(conf, 8).replace("nodeid: 1\n", "nodeid: 1\n quorum_votes: 2\n")
    write(cluster, changed, *nodes[:2])
    write(cluster, "totem {\n", nodes[2])

    refused = cluster.ninefold(nodes[0], "config", "reload")

    assert refused.returncode == 1
    assert f"error: {nodes[2]}: " in refused.stderr
    assert "Nothing was changed, on any node." in refused.stderr
    assert [statistics(cluster, node)["quorum"]["expected"] for node in nodes] == before
