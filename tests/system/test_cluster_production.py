"""A cluster as it runs in production: default timers, and the distribution's agents."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import start
from ninefold.lab.plan import Settings
from tests.system.stories import DAEMON, Cluster, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.root]

AGENTS = Path("/usr/lib/ocf/resource.d/heartbeat")

NGINX = """\
pid /run/nginx-ha.pid;
error_log /var/log/nginx-ha.log;
worker_processes 1;
events {}
http {
    access_log off;
    server { listen 80; location / { return 200 "$hostname\\n"; } }
}
"""

GROUP = """\
<group id="dist">
  <primitive id="address" class="ocf" provider="heartbeat" type="IPaddr2">
    <instance_attributes id="address-params">
      <nvpair id="address-ip" name="ip" value="10.77.0.100"/>
      <nvpair id="address-netmask" name="cidr_netmask" value="24"/>
      <nvpair id="address-nic" name="nic" value="eth0"/>
    </instance_attributes>
    <operations><op id="address-monitor" name="monitor" interval="2s" timeout="20s"/></operations>
  </primitive>
  <primitive id="nginx" class="ocf" provider="heartbeat" type="nginx">
    <instance_attributes id="nginx-params">
      <nvpair id="nginx-configfile" name="configfile" value="/etc/nginx-ha.conf"/>
    </instance_attributes>
    <operations><op id="nginx-monitor" name="monitor" interval="2s" timeout="20s"/></operations>
  </primitive>
</group>
"""


@pytest.fixture(scope="module")
def production() -> Iterator[Cluster]:
    if reason := start.permitted():
        pytest.skip(reason)
    with Cluster(Settings(nodes=3, name=f"t{os.getpid()}-prod")) as cluster:
        cluster.settle()
        yield cluster


def test_a_daemon_paused_for_five_and_a_half_seconds_is_not_fenced(production: Cluster) -> None:
    production.rest()
    node = production.active()

    with production.story() as story:
        assert production.lab.freeze(node, DAEMON) >= 1
        time.sleep(5.5)
        production.lab.thaw(node, DAEMON)
        production.settle()

    # 1.5 times the token of 3.65 s: nobody was fenced, and nothing moved.
    assert not story.power()
    story.assert_undisturbed(node)


def test_the_distributions_agents_move_when_their_node_crashes(production: Cluster) -> None:
    for file in (AGENTS / "IPaddr2", AGENTS / "nginx", Path("/usr/sbin/nginx")):
        if not file.exists():
            pytest.skip(f"{file} is not there: resource-agents or nginx is not installed")
    production.rest()
    for name in production.others():
        production.lab.run(name, "sh", "-c", "cat >/etc/nginx-ha.conf", stdin=NGINX)
    xml = production.stage.client("node1").cib()["xml"]
    before, _, rest = xml.partition("<group ")
    after = rest.partition("</group>")[2]
    done = production.ninefold("node1", "cib", "replace", "-", stdin=before + GROUP + after)
    assert done.returncode == 0, done.stderr
    production.until(lambda s: s["settled"] and {"address", "nginx"} <= running(s))
    victim = production.active("nginx")
    assert production.signs("http") == production.signs("vip") == [victim]

    with production.story() as story:
        crashed_s = production.lab.crash(victim).asked_s
        wait_for(
            "another node answers",
            lambda: any(story.answered(node, crashed_s) for node in production.others(victim)),
        )
        production.settle()

    assert not production.settle()["failures"]
    assert story.fenced() == [victim]
    story.assert_fenced_first(victim)
    story.assert_never_twice()


def running(status: dict[str, list[dict[str, str]]]) -> set[str]:
    """Return the resources that run."""
    return {entry["id"] for entry in status["resources"] if entry["nodes"]}
