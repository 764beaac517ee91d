"""Which of several sets of pairs wins: the highest score, and among equals the last.

All but the sets of an operation itself were compared with `crm_simulate` 2.1.5: there it lets the
lowest score and the first of equals win, against what it does everywhere else and documents.
"""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.rules import Scope, merged_nvpairs
from tests.forecast_world import NOW, cluster


def sets(tag: str, name: str, *values: str, scores: tuple[str, ...] = ()) -> str:
    """Return one set for each value, with its score if it is given one."""
    text = ""
    for number, value in enumerate(values):
        score = f'score="{scores[number]}"' if scores else ""
        pair = f'<nvpair id="{name}-{number}-v" name="{name}" value="{value}"/>'
        text += f'<{tag} id="{name}-{number}" {score}>{pair}</{tag}>'
    return text


@pytest.mark.parametrize(
    ("scores", "winner"),
    [((), "c"), (("5", "5", "5"), "c"), (("1", "5", "5"), "c"), (("5", "5", "1"), "b"),
     (("INFINITY", "5", "1"), "a"), (("-1", "", "-2"), "b")],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["meta_attributes", "instance_attributes", "utilization"])
def test_highest_score_wins_and_the_last_of_equals(
    tag: str, scores: tuple[str, ...], winner: str
) -> None:
    parent = etree.fromstring(f"<x>{sets(tag, 'p', 'a', 'b', 'c', scores=scores)}</x>")

    assert merged_nvpairs(parent, tag, Scope(now=NOW)) == {"p": winner}


def test_properties_of_the_clusters_own_set_come_first_whatever_the_score() -> None:
    own = sets("cluster_property_set", "p", "a", "b", scores=("9", "1")).replace(
        'id="p-1"', 'id="own"'
    )
    parent = etree.fromstring(f"<x>{own}</x>")

    assert merged_nvpairs(parent, "cluster_property_set", Scope(now=NOW), "own") == {"p": "b"}


@pytest.mark.parametrize("wanted", ["Started", "Stopped"])
@pytest.mark.parametrize("where", ["primitive", "group", "template", "rsc_defaults"])
def test_last_of_equal_sets_decides_wherever_they_stand(where: str, wanted: str) -> None:
    other = {"Started": "Stopped", "Stopped": "Started"}[wanted]
    held = sets("meta_attributes", "target-role", other, wanted)
    agent = 'class="ocf" provider="heartbeat" type="Dummy"'
    resources = {
        "primitive": f'<primitive id="db" {agent}>{held}</primitive>',
        "group": f'<group id="g">{held}<primitive id="db" {agent}/></group>',
        "template": f'<template id="t" {agent}>{held}</template><primitive id="db" template="t"/>',
        "rsc_defaults": f'<primitive id="db" {agent}/>',
    }
    root = cluster(resources[where])
    if where == "rsc_defaults":
        configuration = root.find("configuration")
        assert configuration is not None
        configuration.append(etree.fromstring(f"<rsc_defaults>{held}</rsc_defaults>"))

    placement = next(p for p in schedule_document(root, NOW).placements if p.resource == "db")

    assert (placement.next_node != "") is (wanted == "Started")
