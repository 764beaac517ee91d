"""Bands against closed forms, tornado bars against a new analysis of the model with that one input moved."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from ninefold.design.analysis import analyse
from ninefold.design.load import load_text
from ninefold.design.model import MINUTES_PER_YEAR, Estimate, Infrastructure, Part, Service, Use
from ninefold.design.tree import Tree
from ninefold.design.uncertainty import Shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.design.results import Bar, ServiceResult

PAIR = """\
name: pair
crews: {us: 1}
parts:
  feed: {kind: power-feed, rate: 0.5 /y, mttr: 2 h, spread: 3}
  a: {kind: node, rate: 2 /y, mttr: 8 h, spread: 2, needs: feed}
  b: {kind: node, rate: 1 /y, mttr: 8 h, needs: feed}
  san: {kind: array, availability: 99.9 %..99.99 %}
  bmc: {kind: fence-device, rate: 0 /y, mttr: 1 h}
groups:
  pair:
    nodes: [a, b]
    two-node: yes
    crew: us
    fencing: [{device: bmc, targets: [a, b], success: 80 %..99 %}]
    failover: {time: 20 s..2 min, manual: 1 h..6 h, detection: 90 %..99 %}
services:
  web: {needs: [pair, san]}
common-causes:
  image: {of: [a, b], beta: 2 %..10 %}
"""


def one(failures: Estimate, repair: Estimate) -> ServiceResult:
    part = Part("a", "component", "other", failures=failures, repair=repair)
    model = Infrastructure("m", {"a": part}, services={"s": Service("s", Use("a"))})
    return analyse(model, samples=20_000, seed=7).services[0]


def test_band_of_one_part_is_the_lognormal_of_rate_and_repair() -> None:
    # The product of two lognormals is one: its error factor is exp(sqrt(ln 3 ^2 + ln 2 ^2)).
    found = one(Estimate(1e-4, 3.0), Estimate(2.0, 2.0))

    spread = exp(sqrt(log(3) ** 2 + log(2) ** 2))
    assert found.band is not None
    for percentile, product in (
        (found.band.p5, 2e-4 / spread),
        (found.band.p50, 2e-4),
        (found.band.p95, 2e-4 * spread),
    ):
        assert percentile == pytest.approx(product / (1 + product) * MINUTES_PER_YEAR, rel=0.05)


def test_band_without_spread_is_a_point_and_the_same_seed_the_same_band() -> None:
    certain = one(Estimate(1e-4), Estimate(2.0))
    first, again = (one(Estimate(1e-4, 3.0), Estimate(2.0, 2.0)) for _ in range(2))

    assert certain.band is not None
    assert certain.band.p5 == certain.band.p95 == pytest.approx(certain.minutes_per_year)
    assert certain.tornado == ()
    assert first.band == again.band


def test_range_of_availability_is_a_range_of_the_rest() -> None:
    model, findings = load_text(PAIR)

    assert model is not None, findings
    down = model.parts["san"].unavailability
    assert down is not None
    assert down.value == pytest.approx(sqrt(1e-3 * 1e-4))
    assert down.error_factor == pytest.approx(sqrt(10))


def test_shares_without_a_change_are_those_of_the_tree() -> None:
    model, findings = load_text(PAIR)
    assert model is not None, findings
    tree = Tree(model, {})
    tree.service(model.services["web"])

    shares = Shares({event.name: event for event in tree.events}, {}, 1)

    for event in tree.events:
        assert shares.of(event).item() == pytest.approx(event.q, rel=1e-12)


def moved(model: Infrastructure, bar: Bar, up: float) -> Infrastructure:
    """Return the model with the bar's input at its 95th (`up` 1) or 5th (-1) percentile."""

    def at(estimate: Estimate) -> Estimate:
        value = estimate.value * estimate.error_factor**up
        return msgspec.structs.replace(estimate, value=value)

    def share(estimate: Estimate) -> Estimate:
        return msgspec.structs.replace(estimate, value=min(1.0, at(estimate).value))

    replace = msgspec.structs.replace
    group = model.groups["pair"]
    plan = group.failover
    assert plan.time is not None
    part = model.parts.get(bar.event)
    if part is not None:
        fields: dict[str, tuple[str, Callable[[Estimate], Estimate]]] = {
            "failure rate": ("failures", at),
            "repair time": ("repair", at),
            "share of time": ("unavailability", share),
        }
        name, how = fields[bar.quantity]
        changed = replace(part, **{name: how(getattr(part, name))})
        return replace(model, parts={**model.parts, bar.event: changed})
    if bar.event == "image":
        (cause,) = model.common_causes
        return replace(model, common_causes=(replace(cause, beta=share(cause.beta)),))
    changes = {
        "failover time": replace(plan, time=at(plan.time)),
        "until a person helps": replace(plan, manual=at(plan.manual)),
        "losses noticed": replace(plan, detection=share(plan.detection)),
    }
    if bar.quantity in changes:
        return replace(model, groups={"pair": replace(group, failover=changes[bar.quantity])})
    assert bar.quantity == "fencing succeeds"
    (path,) = group.fencing
    path = replace(path, success=share(path.success))
    return replace(model, groups={"pair": replace(group, fencing=(path,))})


def test_tornado_ends_are_those_of_a_new_analysis() -> None:
    model, findings = load_text(PAIR)
    assert model is not None, findings

    found = analyse(model, samples=0).services[0]

    assert {bar.quantity for bar in found.tornado} >= {
        "failure rate",
        "share of time",
        "share of failures in common",
        "failover time",
        "until a person helps",
        "losses noticed",
        "fencing succeeds",
    }
    for bar in found.tornado:
        low, high = (
            analyse(moved(model, bar, up), samples=0).services[0].minutes_per_year
            for up in (-1.0, 1.0)
        )
        # A group's waiting follows its inputs to first order: half a percent of what moves.
        tolerance = 0.005 * abs(high - low) + 1e-6 * found.minutes_per_year
        assert bar.low_minutes_per_year == pytest.approx(low, abs=tolerance), bar
        assert bar.high_minutes_per_year == pytest.approx(high, abs=tolerance), bar


def test_rate_of_a_node_moves_its_common_cause_and_its_failovers_too() -> None:
    model, findings = load_text(PAIR)
    assert model is not None, findings
    result = analyse(model, samples=0).services[0]

    (bar,) = (b for b in result.tornado if (b.event, b.quantity) == ("a", "failure rate"))

    # Its own event matters only together with the other node's: far less than what is shared.
    (own,) = (w for w in result.weights if w.event == "a")
    alone = own.birnbaum * own.unavailability * (2 - 0.5) * MINUTES_PER_YEAR
    assert bar.high_minutes_per_year - bar.low_minutes_per_year > 3 * alone


def test_layers_say_what_would_go_if_nothing_of_them_failed() -> None:
    model, findings = load_text(PAIR)
    assert model is not None, findings

    layers = {x.layer: x.minutes_per_year for x in analyse(model, samples=0).services[0].layers}

    assert set(layers) == {"power", "compute", "storage", "cluster"}
    san = model.parts["san"].unavailability
    assert san is not None
    assert layers["storage"] == pytest.approx(san.value * MINUTES_PER_YEAR, rel=1e-3)
    assert np.all(np.array(list(layers.values())) > 0)
