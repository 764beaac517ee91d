"""A thousand components with 30 % shared, and trees of 200 events, stay small enough to be exact."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.design import estate, naive_s, plant
from ninefold.design.bdd import Bdd, TooLarge
from ninefold.design.formula import And, Or, Threshold, Var
from ninefold.design.tree import Tree


# A report takes some 50 microseconds per node of the diagram, on one core: these are seconds at most.
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thousand_components_need_a_small_diagram_in_whatever_order_they_are_written(
    seed: int,
) -> None:
    model = estate(1000, 0.3, seed)
    tree = Tree(model, {})

    bdd = Bdd(tree.service(model.services["s"]), len(tree.events))

    assert len(tree.events) > 950
    assert bdd.size < 40_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tree_of_a_plant_is_exact_from_either_end(seed: int) -> None:
    model = plant(200, seed)
    tree = Tree(model, {})
    bdd = Bdd(tree.service(model.services["s"]), len(tree.events))
    q = np.array([event.q for event in tree.events])

    # P = q_e (P given e) + (1 - q_e) (P given not e), for every event: what the two sweeps give must agree.
    down, slopes = float(bdd.probability(q)), bdd.birnbaum(q)

    ends = np.repeat(q[:, np.newaxis], len(q), axis=1)
    np.fill_diagonal(ends, 0.0)
    assert bdd.probability(ends) == pytest.approx(down - q * slopes, rel=1e-9, abs=1e-15)
    assert bdd.size < 100_000


def test_small_estate_agrees_with_all_its_states() -> None:
    model = estate(12, 0.3, 4)
    tree = Tree(model, {})
    formula = tree.service(model.services["s"])
    q = np.array([event.q for event in tree.events])

    expected, _ = naive_s(model)

    assert float(Bdd(formula, len(q)).probability(q)) == pytest.approx(expected, rel=1e-12)


def test_tree_without_a_small_diagram_is_given_up_with_a_remedy() -> None:
    # Pairs of anything with anything: no order has few of them half known anywhere.
    rng = random.Random(1)
    pairs = [And(Var(rng.randrange(400)), Var(rng.randrange(400))) for _ in range(900)]

    with pytest.raises(TooLarge, match="describe blocks"):
        Bdd(Or(*pairs), 400)


def test_large_votes_cost_no_memory() -> None:
    votes = (10**9, 10**9, 10**9 - 1)

    down = Threshold(2 * 10**9, tuple(map(Var, range(3))), votes)

    assert float(Bdd(down, 3).probability(np.array([0.1, 0.2, 0.3]))) == pytest.approx(0.02)
