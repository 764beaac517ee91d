"""A promotable clone of the distribution's own agent: it rates itself, and one takes over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.model import ReplaceConfiguration
from tests.system.stories import wait_for

if TYPE_CHECKING:
    from tests.system.stories import Cluster

pytestmark = pytest.mark.system

STATEFUL = Path("/usr/lib/ocf/resource.d/pacemaker/Stateful")

CLONE = (
    '<clone id="dbs"><meta_attributes id="dbs-meta">'
    '<nvpair id="dbs-promotable" name="promotable" value="true"/>'
    '<nvpair id="dbs-notify" name="notify" value="true"/></meta_attributes>'
    '<primitive id="db" class="ocf" provider="pacemaker" type="Stateful">'
    '<instance_attributes id="db-params">'
    '<nvpair id="db-state" name="state" value="/run/ninefold/db.state"/></instance_attributes>'
    '<operations><op id="db-p" name="monitor" interval="1s" role="Promoted"/>'
    '<op id="db-u" name="monitor" interval="2s" role="Unpromoted"/></operations></primitive></clone>'
)


def promoted(cluster: Cluster) -> list[str]:
    """Return the hosts whose agent has written that it is promoted."""
    names = [host.name for host in cluster.lab.status().hosts if host.init_pid]
    files = {name: cluster.root(name) / "run/ninefold/db.state" for name in names}
    return [
        name
        for name, file in files.items()
        if file.exists() and "Promoted" in file.read_text().split()
    ]


def test_another_is_promoted_after_the_promoted_node_was_fenced(cluster: Cluster) -> None:
    if not STATEFUL.exists():
        pytest.skip("Pacemaker's own agents are not installed")
    before = cluster.stage.client("node1").cib()["xml"]
    cluster.change(
        "node1", ReplaceConfiguration(before.replace("</resources>", CLONE + "</resources>"))
    )
    try:
        first = wait_for("one is promoted", lambda: promoted(cluster))
        with cluster.story() as story:
            cluster.lab.crash(first[0])
            second = wait_for("another is promoted", lambda: promoted(cluster))
            cluster.until(lambda status: status["settled"], second[0])

        assert len(first) == 1
        assert len(second) == 1
        assert first != second
        assert story.fenced() == first
        assert promoted(cluster) == second
    finally:
        node = cluster.others(*first)[0]
        cluster.change(node, ReplaceConfiguration(before))
        cluster.settle()
