"""What `simulate` and `explain` say of a running cluster is what it then does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ninefold.scheduler.scores import add

if TYPE_CHECKING:
    from tests.system.stories import Cluster

pytestmark = pytest.mark.system


def told(cluster: Cluster, node: str, *words: str) -> dict[str, Any]:
    """Return what a command says, as data."""
    done = cluster.ninefold(node, *words, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def place(answer: dict[str, Any], resource: str) -> str:
    """Return where a simulation leaves a resource."""
    found = [p for p in answer["after"]["placements"] if p["resource"] == resource]
    return str(found[0]["next_node"])


def test_nothing_is_announced_for_a_cluster_at_rest_and_every_sum_holds(cluster: Cluster) -> None:
    node = cluster.active()
    asked = cluster.others(node)[0]

    still = told(cluster, asked, "simulate")
    answers = told(cluster, asked, "explain", "web")["explanations"]

    assert still["decision"]["actions"] == []
    assert still["settled"]
    assert [answer["next_node"] for answer in answers] == [node, node]
    for answer in answers:
        for seen in answer["places"]:
            total = 0
            for part in seen["parts"]:
                total = add(total, part["score"])
            assert total == seen["score"]


def test_a_crash_ends_where_it_was_said_to_end(cluster: Cluster) -> None:
    victim = cluster.active()
    asked = cluster.others(victim)[0]
    forecast = told(cluster, asked, "simulate", "--node-fail", victim, "--settle")
    what_if = told(cluster, asked, "simulate", "--what-if", f"node {victim} down")

    with cluster.story() as story:
        cluster.lab.crash(victim)
        cluster.until(lambda s: s["settled"] and cluster.signs("http") != [], asked)
        cluster.settle()

    assert cluster.active() == place(forecast, "http")
    assert what_if["lost"] == []
    assert f"start of vip, http on {cluster.active()}." in what_if["chain"]
    assert f"{victim} is fenced." in what_if["chain"]
    # A bound, in which the real one keeps well.
    (outage,) = [one for one in what_if["outages"] if one["service"] == "web"]
    assert 1000 * story.gap_s() < outage["until_ms"] - outage["since_ms"]
    story.assert_never_twice()


def test_the_command_that_explain_tried_on_a_copy_does_the_same_on_the_cluster(
    cluster: Cluster,
) -> None:
    node = cluster.active()
    target = cluster.others(node)[0]
    (answer, *_) = told(cluster, node, "explain", "web", "--on", target)["explanations"]
    (trial,) = answer["trials"]

    with cluster.story() as story:
        moved = cluster.ninefold(node, *trial["command"].split()[1:], "--wait", "20")
        left = told(cluster, target, "explain", "web", "--on", target)["explanations"][0]
        cluster.ninefold(node, "resource", "clear", "web", "--wait", "20")

    assert trial["goes"]
    assert moved.returncode == 0, moved.stderr
    assert cluster.active() == target
    (kept,) = [part for part in left["places"][0]["parts"] if "left by a move" in part["sentence"]]
    assert kept["command"] == "ninefold resource clear web"
    story.assert_never_twice()
