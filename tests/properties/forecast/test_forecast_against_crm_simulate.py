"""The same decisions as Debian's crm_simulate (2.1), on random clusters, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml
from tests.forecast_world import NODES, NOW
from tests.properties.forecast.test_forecast_laws import clusters

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("crm_simulate") is None, reason="Pacemaker's crm_simulate is not installed"
)


def decided(graph: etree._Element) -> list[tuple[str, str]]:
    """Return what is done to resources and nodes, by key and node; points in between do not count."""
    actions = [*graph.iterfind("synapse/action_set/rsc_op")]
    actions += graph.iterfind("synapse/action_set/crm_event")
    return sorted((a.get("operation_key", ""), a.get("on_node", "")) for a in actions)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(root=clusters())
def test_same_actions_on_the_same_nodes(tmp_path: Path, root: etree._Element) -> None:
    root.set("validate-with", "pacemaker-3.0")
    root.set("crm_feature_set", "3.16.1")
    file, graph = tmp_path / "cib.xml", tmp_path / "graph.xml"
    file.write_bytes(etree.tostring(root))
    command = ["crm_simulate", "-x", str(file), "-R", "-G", str(graph), "-t", str(NOW)]
    subprocess.run(command, check=True, capture_output=True)

    ours = etree.fromstring(
        graph_xml(schedule_document(root, NOW), {name: name[1:] for name in NODES})
    )

    assert decided(ours) == decided(etree.parse(graph).getroot())
