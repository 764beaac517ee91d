"""The same actions as Debian's crm_simulate (2.1) for random clones, where it is installed.

Colocations of more than one step and promotions are left out: 2.1 weighs them differently.
"""

from __future__ import annotations

import shutil
import subprocess
from random import Random
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml
from tests.forecast_world import NODES, NOW, cluster

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("crm_simulate") is None, reason="Pacemaker's crm_simulate is not installed"
)

PRIMITIVE = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
# First before then, so that no two constraints contradict each other.
ORDERED = ("a", "k", "g", "q")


def clone(chance: Random, name: str, inner: str) -> str:
    meta = {
        "interleave": chance.choice(["true", "false"]),
        "ordered": chance.choice(["true", "false", "false"]),
        "notify": chance.choice(["true", "false"]),
        "clone-max": str(chance.randint(1, 3)),
    }
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>' for key, value in meta.items()
    )
    attributes = f'<meta_attributes id="{name}-meta">{pairs}</meta_attributes>'
    return f'<clone id="{name}">{attributes}{inner}</clone>'


def order(chance: Random, number: int) -> str:
    first, then = sorted(chance.sample(range(len(ORDERED)), 2))
    kind = chance.choice(["Mandatory", "Mandatory", "Optional", "Serialize"])
    if chance.random() < 0.3:
        sets = "".join(
            f'<resource_set id="s{number}{place}" require-all="{chance.choice(["true", "false"])}">'
            f'<resource_ref id="{ORDERED[place]}"/></resource_set>'
            for place in (first, then)
        )
        return f'<rsc_order id="o{number}" kind="{kind}">{sets}</rsc_order>'
    return (
        f'<rsc_order id="o{number}" first="{ORDERED[first]}" then="{ORDERED[then]}" kind="{kind}"/>'
    )


def made(chance: Random) -> etree._Element:
    members = "".join(PRIMITIVE.format(name) for name in ("m1", "m2"))
    inner = "".join(PRIMITIVE.format(name) for name in ("q1", "q2"))
    resources = (
        PRIMITIVE.format("a")
        + clone(chance, "k", PRIMITIVE.format("k1"))
        + f'<group id="g">{members}</group>'
        + clone(chance, "q", f'<group id="qg">{inner}</group>')
    )
    constraints = "".join(order(chance, number) for number in range(chance.randint(0, 3)))
    names = ("a", "k1", "m1", "m2", "q1", "q2")
    running = {name: chance.choice([*NODES, ""]) for name in names}
    running |= {"m2": running["m1"], "q2": running["q1"]}
    root = cluster(resources, constraints, {k: v for k, v in running.items() if v})
    root.set("validate-with", "pacemaker-3.0")
    root.set("crm_feature_set", "3.16.1")
    return root


def decided(graph: etree._Element) -> list[tuple[str, str]]:
    """Return all actions by key and node, points in between included."""
    actions = graph.iterfind("synapse/action_set/*")
    return sorted((a.get("operation_key", ""), a.get("on_node", "")) for a in actions)


@pytest.mark.parametrize("seed", range(30))
def test_clones_and_what_is_ordered_around_them(tmp_path: Path, seed: int) -> None:
    root = made(Random(seed))
    file, graph = tmp_path / "cib.xml", tmp_path / "graph.xml"
    file.write_bytes(etree.tostring(root))
    command = ["crm_simulate", "-x", str(file), "-R", "-G", str(graph), "-t", str(NOW)]
    subprocess.run(command, check=True, capture_output=True)

    ids = {name: name[1:] for name in NODES}
    ours = etree.fromstring(graph_xml(schedule_document(root, NOW), ids))

    assert decided(ours) == decided(etree.parse(graph).getroot())
