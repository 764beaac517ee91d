"""What a service's result says about planned work, single points of failure, layers and missions."""

from __future__ import annotations

from math import exp

import pytest

from ninefold.design.analysis import analyse
from ninefold.design.failover import predict
from ninefold.design.groups import inputs
from ninefold.design.library import LAYERS
from ninefold.design.load import load_text
from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.spof import by_layer

GROUPS = """\
parts:
  a: {kind: node, rate: 1 /y, mttr: 4 h}
  b: {kind: node, rate: 1 /y, mttr: 4 h}
  c: {kind: node, rate: 1 /y, mttr: 4 h}
  d: {kind: node, rate: 1 /y, mttr: 4 h}
groups:
  one: {nodes: [a, b], two-node: yes, fencing-enabled: no, failover: {time: 1 min},
        maintenance: {every: 30.4375 d, takes: 1 h}}
  two: {nodes: [c, d], two-node: yes, failover: {time: 1 min, manual: 2 h},
        maintenance: {every: 30.4375 d, takes: 1 h}}
services:
  on-one: {needs: one}
  on-two: {needs: two}
  on-either: {needs: {any: [one, two]}}
"""


def test_planned_work_counts_where_nothing_else_serves_meanwhile() -> None:
    model, findings = load_text(GROUPS)
    assert model is not None, findings

    planned = {s.service: s.planned_minutes_per_year for s in analyse(model, samples=0).services}

    # Twelve times a year one move of a minute.
    assert planned["on-one"] == pytest.approx(12, rel=1e-3)
    assert planned["on-either"] == 0


def test_group_without_any_fence_device_waits_for_a_person_after_each_loss() -> None:
    model, findings = load_text(GROUPS)
    assert model is not None, findings

    one, two = analyse(model, samples=0).groups

    assert (one.coverage, two.coverage) == (1, 0)
    assert two.failovers_per_year == 0
    # One loss of the active node a year, and two hours until the person comes.
    assert two.minutes_uncovered == pytest.approx(120, rel=0.01)


def test_mission_counts_waiting_for_a_person_as_an_interruption() -> None:
    model, findings = load_text(GROUPS)
    assert model is not None, findings

    report = analyse(model, samples=0)

    for service, group in zip(report.services, report.groups, strict=False):
        assert service.reliability == pytest.approx(exp(-1), rel=0.02)
        assert group.reliability == pytest.approx(service.reliability, rel=0.01)


def test_unequal_votes_ask_for_as_many_nodes_as_the_poorest_need() -> None:
    text = """\
parts: {a: {kind: node}, b: {kind: node}, c: {kind: node}}
groups: {g: {nodes: [a, b, c], votes: {a: 3}, quorum: 3}}
services: {s: {needs: g}}
"""
    model, findings = load_text(text)
    assert model is not None, findings

    found = inputs(model, model.groups["g"], predict(model.groups["g"]))

    # b and c together have two votes: without a, three nodes would not do, so all are needed.
    assert found.needed == 3


def test_single_points_are_told_by_layer_with_what_stands_on_them_and_what_a_second_saves() -> None:
    text = """\
parts:
  feed: {kind: power-feed, rate: 1 /y, mttr: 4 h}
  bond: {kind: bond, maintenance: {every: 30 d, takes: 1 h}}
  server: {kind: node, rate: 1 /y, mttr: 4 h, needs: [feed, bond]}
services: {s: {needs: server}}
"""
    model, findings = load_text(text)
    assert model is not None, findings

    result = analyse(model, samples=0).services[0]

    found = {spof.part: spof for spof in result.spofs}
    # A bond that never breaks is planned work, and no point of failure.
    assert set(found) == {"feed", "server"}
    assert result.planned_minutes_per_year == pytest.approx(MINUTES_PER_YEAR / 24 / 30)
    assert "On it stands server." in found["feed"].mitigation
    # A second feed carries on at once; a second server takes a minute to take over, once a year.
    feed, server = found["feed"], found["server"]
    assert feed.minutes_per_year == pytest.approx(server.minutes_per_year)
    assert feed.saved_minutes_per_year - server.saved_minutes_per_year == pytest.approx(1, rel=0.01)
    layers = dict(by_layer(result.spofs))
    assert tuple(layers) == LAYERS
    assert [spof.part for spof in layers["power"]] == ["feed"]
    assert layers["storage"] == ()
