"""Recorded cluster states: how many of them get the decision that was recorded for them.

Equality is judged by the corpus's own comparer: the same set of actions, and the same order among
them. The floors say what is reached today; they are raised as features are added, never lowered.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml, score_lines
from ninefold.scheduler.rules import instant

if TYPE_CHECKING:
    from types import ModuleType

BESIDE = Path(__file__).parents[3] / "shared" / "corpus"
CORPUS = Path(os.environ.get("NINEFOLD_CORPUS", BESIDE)) / "scheduler"

# Any present or future time serves where a case names none (measured by its collectors).
SOME_NOW = 1_782_900_000

# Cases that reach each level today, of the 522 recorded here.
ACTIONS_FLOOR = 522
ORDER_FLOOR = 522
# Of those, the graphs that agree in every word that carries meaning (parameters, meta attributes, header).
SEMANTIC_FLOOR = 522
# And those that are the same text, numbers and all, but for `crm_feature_set` and `batch-limit`.
TEXT_FLOOR = 514
SCORES_FLOOR = 522
# And those whose lines of scores are the same, each as often.
SCORE_LINES_FLOOR = 521

pytestmark = pytest.mark.skipif(
    not (CORPUS / "manifest.json").exists(), reason="the recorded decisions are not here"
)


def load_comparer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scheduler_compare", CORPUS / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def now_of(case: dict[str, Any], root: etree._Element) -> int:
    arguments = case["args"]
    if "-t" in arguments:
        moment = instant(arguments[arguments.index("-t") + 1])
        assert moment is not None
        return moment
    return int(root.get("execution-date") or SOME_NOW)


def test_recorded_decisions_are_reached_and_no_state_breaks_the_engine() -> None:
    comparer = load_comparer()
    cases = json.loads((CORPUS / "manifest.json").read_text())
    reached = {"actions": 0, "order": 0, "semantic": 0, "text": 0, "scores": 0, "lines": 0}

    for case in cases:
        name = case["name"]
        root = etree.parse(CORPUS / "xml" / f"{name}.xml").getroot()
        before = etree.tostring(root)
        transition = schedule_document(root, now_of(case, root))
        assert etree.tostring(root) == before, name
        ids = {
            node.get("uname") or "": node.get("id") or ""
            for node in root.iterfind("configuration/nodes/node")
        }
        recorded = (CORPUS / "exp" / f"{name}.exp").read_text()
        graph = comparer.compare_graph(recorded, graph_xml(transition, ids))
        wanted = (CORPUS / "scores" / f"{name}.scores").read_text()
        lines = score_lines(transition)
        scores = comparer.compare_scores(wanted, "\n".join(lines))
        reached["lines"] += lines == [line for line in wanted.splitlines() if line]
        reached["actions"] += graph["keys"]
        reached["order"] += graph["order"]
        reached["semantic"] += graph["semantic"]
        reached["text"] += graph["exact"]
        reached["scores"] += scores["set"]

    assert len(cases) == 522
    assert reached["actions"] >= ACTIONS_FLOOR, reached
    assert reached["order"] >= ORDER_FLOOR, reached
    assert reached["semantic"] >= SEMANTIC_FLOOR, reached
    assert reached["text"] >= TEXT_FLOOR, reached
    assert reached["scores"] >= SCORES_FLOOR, reached
    assert reached["lines"] >= SCORE_LINES_FLOOR, reached
