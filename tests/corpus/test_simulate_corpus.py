"""Recorded cluster states, carried out: each comes to rest, and looks as was recorded.

The floors say what is reached today; they are raised as the policy engine grows, never lowered.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ninefold.forecast import summary
from ninefold.forecast.execute import execute, settle
from ninefold.scheduler import observe, observe_and_schedule
from ninefold.scheduler.rules import instant

BESIDE = Path(__file__).parents[3] / "shared" / "corpus"
CORPUS = Path(os.environ.get("NINEFOLD_CORPUS", BESIDE)) / "scheduler"
SOME_NOW = 1_782_900_000

# Of the 522 cases: nothing left to do after at most 20 transitions; the state before, the decision with its
# reasons, what was carried out and the state after one transition, and the summary as a whole, to the byte.
REST_FLOOR = 522
FLOORS = {
    "Current cluster status:": 522,
    "Transition Summary:": 519,
    "Executing Cluster Transition:": 519,
    "Revised Cluster Status:": 499,
    "summary": 494,
}

pytestmark = pytest.mark.skipif(
    not (CORPUS / "manifest.json").exists(), reason="the recorded decisions are not here"
)


def parts(text: str) -> dict[str, list[str]]:
    """Return the lines under each title."""
    found: dict[str, list[str]] = {}
    title = "preface"
    for line in text.splitlines():
        if line in FLOORS:
            title = line
        elif line:
            found.setdefault(title, []).append(line)
    return found


def now_of(case: dict[str, Any], root: etree._Element) -> int:
    arguments = case["args"]
    if "-t" in arguments:
        moment = instant(arguments[arguments.index("-t") + 1])
        assert moment is not None
        return moment
    return int(root.get("execution-date") or SOME_NOW)


def test_recorded_states_come_to_settle_and_are_summed_up_as_recorded() -> None:
    cases = json.loads((CORPUS / "manifest.json").read_text())
    rest = 0
    reached = dict.fromkeys(FLOORS, 0)

    for case in cases:
        name, arguments = case["name"], case["args"]
        root = etree.parse(CORPUS / "xml" / f"{name}.xml").getroot()
        now = now_of(case, root)
        there, decision = observe_and_schedule(root, now)
        done = execute(root, decision, now)
        assert done.stuck == (), name
        rest += settle(done.document, now).settled
        given = arguments[arguments.index("-t") + 1] if "-t" in arguments else None
        printed = summary.text(
            summary.before_lines(there),
            summary.decision_lines(decision),
            summary.step_lines(done.steps),
            summary.state_lines(observe(done.document, now)),
            summary.clock(root, given),
        )
        recorded = (CORPUS / "summary" / f"{name}.summary").read_text()
        reached["summary"] += printed == recorded
        ours, theirs = parts(printed), parts(recorded)
        for title in FLOORS:
            if title != "summary":
                reached[title] += ours.get(title) == theirs.get(title)

    assert len(cases) == 522
    assert rest >= REST_FLOOR, rest
    assert all(reached[title] >= floor for title, floor in FLOORS.items()), reached
