"""The network begins to carry less while real daemons run over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.cib.model import SetProperty
from tests.system.stories import wait_for

if TYPE_CHECKING:
    from tests.system.stories import Cluster

pytestmark = pytest.mark.system

ETHERNET, NARROW = 1500, 1000


def set_mtu(cluster: Cluster, node: str, mtu: int) -> None:
    """What a host's cables take in: larger packets to it get lost, and nobody is told."""
    script = f"for d in $(ls /sys/class/net); do [ $d = lo ] || ip link set $d mtu {mtu}; done"
    assert cluster.lab.run(node, "sh", "-c", script).returncode == 0


def mtus(cluster: Cluster, node: str, peer: str) -> list[int]:
    """What a node has found out about its links to another."""
    told = cluster.stage.client(node).statistics()
    number = next(number for number, name in told["names"].items() if name == peer)
    return [link["mtu"] for link in told["ring"]["peers"][number]["links"].values()]


def test_the_ring_sends_smaller_packets_to_a_host_whose_network_carries_less(
    cluster: Cluster,
) -> None:
    server = cluster.active()
    narrow, sender = cluster.others(server)
    before = cluster.settle()["ring"]

    with cluster.story() as story:
        set_mtu(cluster, narrow, NARROW)
        try:
            cluster.change(sender, SetProperty("padding", "x" * 20_000))
            wait_for(
                "the path is known to be narrow",
                # A cable takes in what a tag of a VLAN would add.
                lambda: mtus(cluster, sender, narrow)[0] <= NARROW + 4,
            )
            cluster.change(sender, SetProperty("padding", "y" * 20_000))
            cluster.until(
                lambda s: s["settled"] and "yyyy" in cluster.stage.client(narrow).cib()["xml"]
            )
            shown = cluster.ninefold(sender, "ring", "status")
        finally:
            set_mtu(cluster, narrow, ETHERNET)
        cluster.change(sender, SetProperty("padding", None))
        after = cluster.settle()["ring"]

    assert after == before
    assert "MTU" in shown.stdout
    assert not story.power()
    story.assert_undisturbed(server)
