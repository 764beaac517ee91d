"""Recorded cluster states, carried out: each comes to rest, and looks as was recorded.

The floors say what is reached today; they are raised as the policy engine grows, never lowered.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ninefold.forecast import summary
from ninefold.forecast.execute import execute, settle
from ninefold.scheduler import observe, schedule_document
from ninefold.scheduler.rules import instant

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "scheduler"
SOME_NOW = 1_782_900_000

# Of the 522 cases: nothing left to do after at most 20 transitions; the state before and the state
# after one transition, as text (spaces do not count).
REST_FLOOR = 521
BEFORE_FLOOR = 370
AFTER_FLOOR = 366

pytestmark = pytest.mark.skipif(
    not (CORPUS / "manifest.json").exists(), reason="the recorded decisions are not here"
)


def squashed(lines: list[str]) -> list[str]:
    return [re.sub(r"\s+", "", line) for line in lines if line.strip()]


def recorded_parts(text: str) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {"": []}
    title = ""
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            title = line
        else:
            parts.setdefault(title, []).append(line)
    return {title: squashed(lines) for title, lines in parts.items()}


def now_of(case: dict[str, Any], root: etree._Element) -> int:
    arguments = case["args"]
    if "-t" in arguments:
        moment = instant(arguments[arguments.index("-t") + 1])
        assert moment is not None
        return moment
    return int(root.get("execution-date") or SOME_NOW)


def test_recorded_states_come_to_settle_and_look_as_recorded() -> None:
    cases = json.loads((CORPUS / "manifest.json").read_text())
    reached = {"rest": 0, "before": 0, "after": 0}

    for case in cases:
        name = case["name"]
        root = etree.parse(CORPUS / "xml" / f"{name}.xml").getroot()
        now = now_of(case, root)
        first = schedule_document(root, now)
        done = execute(root, first, now)
        parts = recorded_parts((CORPUS / "summary" / f"{name}.summary").read_text())
        seen = squashed(summary.state_lines(root, observe(root, now)))
        left = squashed(summary.state_lines(done.document, observe(done.document, now)))
        assert done.stuck == (), name
        reached["before"] += seen == parts.get("Current cluster status:")
        reached["after"] += left == parts.get("Revised Cluster Status:")
        reached["rest"] += settle(done.document, now).settled

    assert len(cases) == 522
    assert reached["rest"] >= REST_FLOOR, reached
    assert reached["before"] >= BEFORE_FLOOR, reached
    assert reached["after"] >= AFTER_FLOOR, reached
