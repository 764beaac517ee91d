"""The same as Debian's crm_simulate (2.1) for random remote nodes, guests and bundles, where it is installed.

Not only the actions are compared, but also each order between two of them. What 2.1 does in another
way than later versions is left out of the documents (see `tests/connections_world.py`). Where the
field's transition waits for itself, ours does not, and says so: such documents are passed over.
`make connections` tries a thousand seeds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml
from tests.connections_world import NODES, NOW, made

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("crm_simulate") is None, reason="Pacemaker's crm_simulate is not installed"
)

SEEDS = int(os.environ.get("CONNECTIONS_SEEDS", "60"))


def actions(graph: etree._Element) -> dict[str, str]:
    """Return all actions by id, each as its key and node."""
    found = graph.iterfind("synapse/action_set/*")
    return {a.get("id", ""): f"{a.get('operation_key')}@{a.get('on_node') or ''}" for a in found}


def waits(graph: etree._Element) -> set[tuple[str, str]]:
    """Return every pair of actions of which the second waits for the first."""
    names = actions(graph)
    return {
        (names[first.get("id", "")], names[then.get("id", "")])
        for synapse in graph.iterfind("synapse")
        for then in synapse.iterfind("action_set/*")
        for first in synapse.iterfind("inputs/trigger/*")
        if first.get("id", "") in names
    }


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_reached_through_connections(tmp_path: Path, seed: int) -> None:
    root = made(Random(seed))
    file, graph = tmp_path / "cib.xml", tmp_path / "graph.xml"
    file.write_bytes(etree.tostring(root))
    command = ["crm_simulate", "-x", str(file), "-R", "-G", str(graph)]
    subprocess.run(command, check=True, capture_output=True)

    decision = schedule_document(root, NOW)
    if any("a cycle" in warning for warning in decision.warnings):
        return
    ours = etree.fromstring(graph_xml(decision, {name: name[1:] for name in NODES}))

    theirs = etree.parse(graph).getroot()
    assert sorted(actions(ours).values()) == sorted(actions(theirs).values())
    assert waits(ours) == waits(theirs)
