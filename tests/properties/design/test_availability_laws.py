"""The diagrams, the cut sets and the fault trees of whole models, against enumeration of all states."""

from __future__ import annotations

from itertools import combinations, product
from math import inf, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.design.availability import analyse_service
from ninefold.design.bdd import Bdd
from ninefold.design.cutsets import minimal_cut_sets, order_one_and_two
from ninefold.design.event_order import depth_first, event_order
from ninefold.design.formula import And, Formula, Not, Or, Threshold, Var, holds
from ninefold.design.model import (
    MINUTES_PER_YEAR,
    AllOf,
    AtLeast,
    CommonCause,
    Estimate,
    Group,
    Infrastructure,
    Need,
    Part,
    Service,
    Use,
)
from ninefold.design.tree import Tree

EVENTS = 6
SHARES = st.lists(st.floats(0.001, 0.999), min_size=EVENTS, max_size=EVENTS)


def gates(below: st.SearchStrategy[Formula], *, coherent: bool) -> st.SearchStrategy[Formula]:
    several = st.lists(below, min_size=1, max_size=4)
    found: list[st.SearchStrategy[Formula]] = [
        several.map(lambda of: And(*of)),
        several.map(lambda of: Or(*of)),
        several.flatmap(
            lambda of: st.tuples(
                st.integers(0, 2 * len(of) + 1),
                st.lists(st.integers(0, 3), min_size=len(of), max_size=len(of)),
            ).map(lambda drawn: Threshold(drawn[0], tuple(of), tuple(drawn[1])))
        ),
    ]
    if not coherent:
        found.append(below.map(Not))
    return st.one_of(found)


VARIABLES: st.SearchStrategy[Formula] = st.integers(0, EVENTS - 1).map(Var)
COHERENT = st.recursive(VARIABLES, lambda below: gates(below, coherent=True), max_leaves=12)
ANY = st.recursive(VARIABLES, lambda below: gates(below, coherent=False), max_leaves=12)


def enumerated(formula: Formula, q: list[float]) -> float:
    total = 0.0
    for states in product((False, True), repeat=len(q)):
        if holds(formula, {n for n, state in enumerate(states) if state}):
            total += prod(q[n] if state else 1 - q[n] for n, state in enumerate(states))
    return total


def sets_of(formula: Formula) -> list[frozenset[int]]:
    """All minimal cut sets by trying every set, the smaller first."""
    found: list[frozenset[int]] = []
    for size in range(EVENTS + 1):
        for chosen in combinations(range(EVENTS), size):
            one = frozenset(chosen)
            if not any(smaller <= one for smaller in found) and holds(formula, set(one)):
                found.append(one)
    return found


@given(ANY, SHARES)
def test_probability_is_that_of_all_states(formula: Formula, q: list[float]) -> None:
    found = Bdd(formula, EVENTS).probability(np.array(q))

    assert float(found) == pytest.approx(enumerated(formula, q), abs=1e-12)


@given(ANY, SHARES)
def test_birnbaum_is_the_difference_that_an_event_makes(formula: Formula, q: list[float]) -> None:
    slopes = Bdd(formula, EVENTS).birnbaum(np.array(q))

    for event in range(EVENTS):
        with_it, without = ([*q[:event], value, *q[event + 1 :]] for value in (1.0, 0.0))
        expected = enumerated(formula, with_it) - enumerated(formula, without)
        assert slopes[event] == pytest.approx(expected, abs=1e-12)


@given(COHERENT)
def test_cut_sets_are_the_smallest_that_suffice(formula: Formula) -> None:
    bdd = Bdd(formula, EVENTS)

    expected = sets_of(formula)
    assert sorted(minimal_cut_sets(bdd), key=lambda c: (len(c), sorted(c))) == sorted(
        expected, key=lambda c: (len(c), sorted(c))
    )
    alone, pairs = order_one_and_two(bdd)
    assert alone == sorted(min(c) for c in expected if len(c) == 1)
    assert pairs == sorted((min(c), max(c)) for c in expected if len(c) == 2)


@given(ANY)
def test_the_order_has_every_event_once(formula: Formula) -> None:
    assert sorted(event_order(formula)) == sorted(depth_first(formula))


@given(ANY, st.lists(SHARES, min_size=1, max_size=3))
def test_many_draws_at_once_are_each_draw_alone(formula: Formula, draws: list[list[float]]) -> None:
    bdd = Bdd(formula, EVENTS)

    together = bdd.probability(np.array(draws).T)

    alone = [float(bdd.probability(np.array(q))) for q in draws]
    assert together.tolist() == pytest.approx(alone, abs=1e-15)


# Whole models.


@st.composite
def models(draw: st.DrawFn) -> Infrastructure:
    """Draw up to six parts that need what was drawn before them, a group of some, and common causes."""
    parts: dict[str, Part] = {}
    count = draw(st.integers(2, 6))
    for number in range(count):
        earlier = tuple(parts)
        needs = draw(st.none() | needs_of(earlier)) if earlier else None
        inside = tuple(draw(st.sets(st.sampled_from(earlier), max_size=1))) if earlier else ()
        share = Estimate(draw(st.floats(0.01, 0.5))) if draw(st.integers(0, 4)) else None
        name = f"p{number}"
        parts[name] = Part(
            name,
            "component",
            "other",
            unavailability=share,
            needs=needs or AllOf(),
            inside=inside,
        )
    names = tuple(parts)
    nodes = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True)))
    group = draw(group_of(nodes, tuple(n for n in names if n not in nodes)))
    causes = []
    for number in range(draw(st.integers(0, 1)) if len(names) > 1 else 0):
        of = draw(st.lists(st.sampled_from(names), min_size=2, max_size=3, unique=True))
        causes.append(
            CommonCause(f"cause{number}", tuple(of), Estimate(draw(st.floats(0.01, 0.5))))
        )
    service = Service("s", draw(needs_of((*names, group.name))))
    return Infrastructure("m", parts, {group.name: group}, {"s": service}, tuple(causes))


def needs_of(names: tuple[str, ...]) -> st.SearchStrategy[Need]:
    uses: st.SearchStrategy[Need] = st.sampled_from(names).map(Use)
    return st.recursive(
        uses,
        lambda below: st.lists(below, min_size=1, max_size=3).flatmap(
            lambda of: st.one_of(
                st.just(AllOf(tuple(of))),
                st.integers(1, len(of)).map(lambda k: AtLeast(k, tuple(of))),
            )
        ),
        max_leaves=4,
    )


@st.composite
def group_of(draw: st.DrawFn, nodes: tuple[str, ...], others: tuple[str, ...]) -> Group:
    votes = {name: draw(st.integers(1, 2)) for name in nodes}
    witness = draw(st.sampled_from(("", *others)))
    total = sum(votes.values()) + (1 if witness else 0)
    return Group(
        "g",
        nodes,
        needed=draw(st.integers(1, len(nodes))),
        votes=votes,
        quorum=draw(st.sampled_from((0, total // 2 + 1))),
        two_node=len(nodes) == 2 and draw(st.booleans()),
        witness=witness,
        needs=draw(st.just(AllOf()) | needs_of(others)) if others else AllOf(),
    )


class State:
    """One state of everything that can break by itself: who is up then, in so many words."""

    def __init__(self, model: Infrastructure, broken: set[str]) -> None:
        self.model = model
        self.broken = broken

    def up(self, name: str) -> bool:
        if name in self.model.groups:
            return self.group_up(self.model.groups[name])
        part = self.model.parts[name]
        struck = any(c.name in self.broken and name in c.of for c in self.model.common_causes)
        own = part.unavailability is not None and (name in self.broken or struck)
        return not own and all(self.up(h) for h in part.inside) and self.met(part.needs)

    def group_up(self, group: Group) -> bool:
        up = [name for name in group.nodes if self.up(name)]
        votes = sum(group.votes[name] for name in up)
        if group.witness and self.up(group.witness):
            votes += 1
        enough = group.two_node or votes >= group.quorum
        return len(up) >= group.needed and enough and self.met(group.needs)

    def met(self, need: Need) -> bool:
        if isinstance(need, Use):
            return self.up(need.name)
        least = need.k if isinstance(need, AtLeast) else len(need.of)
        return sum(self.met(one) for one in need.of) >= least


def chances(model: Infrastructure) -> dict[str, float]:
    """The chance of each independent failure: parts by themselves, and common causes."""
    found = {}
    shares = {n: p.unavailability.value for n, p in model.parts.items() if p.unavailability}
    for name, share in shares.items():
        taken = sum(c.beta.value for c in model.common_causes if name in c.of)
        found[name] = share * (1 - taken)
    for cause in model.common_causes:
        members = [shares[name] for name in cause.of if name in shares]
        if members:
            found[cause.name] = cause.beta.value * sum(members) / len(members)
    return found


def share_down(model: Infrastructure, fixed: dict[str, float]) -> float:
    total = 0.0
    q = {**chances(model), **fixed}
    for states in product((False, True), repeat=len(q)):
        broken = {name for name, state in zip(q, states, strict=True) if state}
        chance = prod(q[name] if name in broken else 1 - q[name] for name in q)
        if chance and not State(model, broken).met(model.services["s"].needs):
            total += chance
    return total


@given(models())
@settings(max_examples=150)
def test_a_whole_model_is_down_as_often_as_its_states_say(model: Infrastructure) -> None:
    found = analyse_service(model, model.services["s"], {}, samples=0)

    assert found.minutes_per_year / MINUTES_PER_YEAR == pytest.approx(
        share_down(model, {}), abs=1e-12
    )


@given(models())
@settings(max_examples=60)
def test_weights_are_what_their_names_say(model: Infrastructure) -> None:
    found = analyse_service(model, model.services["s"], {}, samples=0)

    down = share_down(model, {})
    for weight in found.weights:
        with_it, without = (share_down(model, {weight.event: x}) for x in (1.0, 0.0))
        assert weight.birnbaum == pytest.approx(with_it - without, abs=1e-12)
        assert weight.fussell_vesely * down == pytest.approx(down - without, abs=1e-12)
        assert weight.raw * down == pytest.approx(with_it, abs=1e-12) or not down
        if weight.rrw != inf and down:
            assert weight.rrw * without == pytest.approx(down, rel=1e-6)
        elif down:
            assert without == pytest.approx(0, abs=1e-12)


@given(models())
@settings(max_examples=60)
def test_single_points_of_failure_are_those_whose_loss_alone_suffices(
    model: Infrastructure,
) -> None:
    found = analyse_service(model, model.services["s"], {}, samples=0)

    names = chances(model)
    expected = {n for n in names if not State(model, {n}).met(model.services["s"].needs)}
    assert {spof.part for spof in found.spofs} == expected
    together = {
        frozenset(pair)
        for pair in combinations(names, 2)
        if not expected & {*pair} and not State(model, {*pair}).met(model.services["s"].needs)
    }
    assert {frozenset(pair.events) for pair in found.pairs} == together
    tree = Tree(model, {})
    tree.service(model.services["s"])
    assert {event.name for event in tree.events} >= expected
