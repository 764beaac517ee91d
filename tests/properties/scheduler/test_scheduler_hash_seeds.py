"""The same decision whatever Python's hash seed is: graphs and scores, to the last byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[3]

# Decides about some clusters of clones and groups and prints a digest of everything decided.
PROGRAM = """
import hashlib, random
from lxml import etree
from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml
from tests.forecast_world import NODES, NOW, cluster
from tests.properties.controller.test_clone_life import Shape, text
chance, said = random.Random(7), hashlib.sha256()
for _ in range(40):
    shape = Shape(
        promotable=chance.random() < 0.5, unique=chance.random() < 0.5, notify=True, group=True,
        order=chance.choice(["", "start"]), colocated=chance.random() < 0.5,
    )
    inner = etree.fromstring(text(shape))
    resources = b"".join(etree.tostring(one) for one in inner.iterfind("*/resources/clone"))
    app = '<primitive id="app" class="ocf" provider="sim" type="service"/>'
    constraints = b"".join(etree.tostring(one) for one in inner.iterfind("*/constraints/*"))
    running = {"app": chance.choice(NODES)}
    root = cluster(resources.decode() + app, constraints.decode(), running)
    transition = schedule_document(root, NOW)
    said.update(repr(transition).encode())
    said.update(graph_xml(transition, {name: name[1:] for name in NODES}).encode())
print(said.hexdigest())
"""


def test_hash_seed_changes_nothing() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=TOP,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(TOP)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4711")
    ]

    assert told[0] == told[1]
    assert len(told[0]) == 65
