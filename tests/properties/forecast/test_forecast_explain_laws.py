"""The sums of an explanation hold: for random clusters, and for all recorded states."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from lxml import etree

from ninefold.forecast.explain import parts_of
from ninefold.scheduler import schedule_document
from ninefold.scheduler.scores import INFINITY, add
from tests.forecast_world import NOW
from tests.properties.forecast.test_forecast_laws import clusters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.forecast.explain import Part

CORPUS = (
    Path(os.environ.get("NINEFOLD_CORPUS", Path(__file__).parents[4] / "shared" / "corpus"))
    / "scheduler"
)


def sums(root: etree._Element) -> Iterator[tuple[int, tuple[Part, ...], bool]]:
    """Yield the score used, the parts, and whether the node was chosen."""
    transition = schedule_document(root, NOW)
    for placement in transition.placements:
        for node in (view.name for view in transition.nodes):
            given_parts = [one for one in placement.contributions if one.node == node]
            used = given_parts[-1].total if given_parts else placement.scores.get(node, -INFINITY)
            parts = parts_of(root, transition, placement, node)
            yield used, parts, node == placement.next_node


def check(used: int, parts: tuple[Part, ...]) -> None:
    total = 0
    for part in parts:
        expected = add(total, part.score)
        assert part.code == "rest" or expected == part.total
        total = part.total
    assert total == used
    if any(part.score <= -INFINITY for part in parts) and not any(
        part.code == "rest" for part in parts
    ):
        assert used <= -INFINITY


@settings(max_examples=200, deadline=None)
@given(clusters())
def test_parts_add_up_to_the_score_used_and_all_are_known(root: etree._Element) -> None:
    for used, parts, _ in sums(root):
        check(used, parts)
        assert [part for part in parts if part.code == "rest"] == []
        assert all(part.sentence for part in parts)


@settings(max_examples=100, deadline=None)
@given(clusters())
def test_chosen_node_has_no_negative_sum(root: etree._Element) -> None:
    transition = schedule_document(root, NOW)
    managed = {
        p.resource for p in transition.placements if "unmanaged" not in [r.code for r in p.reasons]
    }
    for placement in transition.placements:
        if placement.next_node and placement.resource in managed:
            parts = parts_of(root, transition, placement, placement.next_node)
            assert not parts or parts[-1].total >= 0


@pytest.mark.skipif(
    not (CORPUS / "manifest.json").exists(), reason="the recorded states are elsewhere"
)
def test_parts_add_up_in_all_recorded_states() -> None:
    explained = rest = 0
    for case in json.loads((CORPUS / "manifest.json").read_text()):
        root = etree.parse(CORPUS / "xml" / f"{case['name']}.xml").getroot()
        for used, parts, _ in sums(root):
            check(used, parts)
            assert all(part.sentence for part in parts)
            explained += 1
            rest += any(part.code == "rest" for part in parts)

    # Every node in the eyes of every resource, of all recorded states: 24,854 when this was written.
    assert explained > 20_000
    assert rest == 0
