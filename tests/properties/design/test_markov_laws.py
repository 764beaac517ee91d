"""Chains against slow obvious twins: a plain linear solve, small steps of time, and a walk by chance."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.design.groups import Inputs, rates
from ninefold.design.markov import Chain, NotAChain

Rates = dict[tuple[object, object], float]


@st.composite
def chains(draw: st.DrawFn) -> Rates:
    """Draw a chain in which every state leads to every other: a ring, and some short cuts."""
    size = draw(st.integers(2, 6))
    rate = st.floats(1e-3, 10)
    found: Rates = {(n, (n + 1) % size): draw(rate) for n in range(size)}
    for source in range(size):
        for target in range(size):
            if source != target and draw(st.booleans()):
                found[source, target] = draw(rate)
    return found


def generator(given_rates: Rates) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    size = len({state for pair in given_rates for state in pair})
    matrix = np.zeros((size, size))
    for (source, target), rate in given_rates.items():
        assert isinstance(source, int)
        assert isinstance(target, int)
        matrix[source, target] += rate
        matrix[source, source] -= rate
    return matrix


@given(chains())
def test_steady_shares_balance(given_rates: Rates) -> None:
    matrix = generator(given_rates)

    found = Chain(given_rates).steady()

    shares = np.array([found[n] for n in range(len(matrix))])
    solved = np.linalg.lstsq(
        np.vstack([matrix.T, np.ones(len(matrix))]),
        np.array([0.0] * len(matrix) + [1.0]),
        rcond=None,
    )[0]
    assert shares == pytest.approx(solved, abs=1e-9)


@given(chains(), st.floats(0, 3))
@settings(max_examples=40)
def test_chances_after_a_while_are_those_of_many_small_steps(
    given_rates: Rates, hours: float
) -> None:
    matrix = generator(given_rates)
    # Uniformised: a step keeps a state or leaves it; 2^14 of them, by squaring.
    step = np.eye(len(matrix)) + matrix * (hours / 2**14)
    by_steps = np.linalg.matrix_power(step, 2**14)[0]

    found = Chain(given_rates).after(hours, 0)

    assert [found[n] for n in range(len(matrix))] == pytest.approx(by_steps.tolist(), abs=0.03)
    assert sum(found.values()) == pytest.approx(1)


@given(chains())
def test_mean_time_is_that_of_the_linear_equations(given_rates: Rates) -> None:
    matrix = generator(given_rates)
    goal = len(matrix) - 1
    times = np.linalg.solve(-matrix[:goal, :goal], np.ones(goal))

    found = Chain(given_rates).mean_time_to({goal}, 0)

    assert found == pytest.approx(times[0], rel=1e-6)


@given(chains(), st.floats(0.01, 5))
@settings(max_examples=40)
def test_what_was_once_reached_stays_reached(given_rates: Rates, hours: float) -> None:
    chain = Chain(given_rates)
    goal = len(chain.states) - 1

    chances = [chain.reached(hours * n, {goal}, 0) for n in range(4)]

    assert chances[0] == 0
    assert all(later >= sooner - 1e-12 for sooner, later in pairwise(chances))
    assert chain.reached(hours, {goal}, 0) >= chain.after(hours, 0)[goal] - 1e-9


def test_walk_by_chance_spends_its_time_as_the_shares_say() -> None:
    given_rates: Rates = {(0, 1): 1.0, (1, 0): 4.0, (1, 2): 1.0, (2, 0): 2.0}
    rng = random.Random(1)
    state, spent = 0, [0.0, 0.0, 0.0]
    for _ in range(150_000):
        ways = [(target, rate) for (source, target), rate in given_rates.items() if source == state]
        total = sum(rate for _, rate in ways)
        spent[state] += rng.expovariate(total)
        (chosen,) = rng.choices([target for target, _ in ways], [rate for _, rate in ways])
        assert isinstance(chosen, int)
        state = chosen

    found = Chain(given_rates).steady()

    for number, hours in enumerate(spent):
        assert hours / sum(spent) == pytest.approx(found[number], rel=0.05)


def test_rare_failure_keeps_its_digits() -> None:
    # Five of five must fail, each a millionth of its time: plain subtraction would leave noise.
    given_rates: Rates = {}
    for n in range(5):
        given_rates[n, n + 1] = (5 - n) * 1e-6
        given_rates[n + 1, n] = n + 1.0
    found = Chain(given_rates)

    q = 1e-6 / (1 + 1e-6)
    assert found.steady()[5] == pytest.approx(q**5, rel=1e-9)
    # Mean time to the first loss of all: the cycle's up time, 1 / (5 repairs an hour x q^5), to first order.
    assert found.mean_time_to({5}, 0) == pytest.approx(1 / (5 * q**5), rel=1e-4)


@pytest.mark.parametrize(
    "wrong", [{(0, 1): -1.0}, {(0, 0): 1.0}, {(0, 1): float("inf")}, {(0, 1): float("nan")}]
)
def test_what_is_no_chain_is_refused(wrong: Rates) -> None:
    with pytest.raises(NotAChain):
        Chain(wrong)


def test_question_without_an_answer_is_refused() -> None:
    trap = Chain({(0, 1): 1.0, (1, 0): 1.0, (0, 2): 1.0})

    with pytest.raises(NotAChain):
        trap.steady()
    with pytest.raises(NotAChain):
        trap.mean_time_to({1}, 0)


GROUPS = st.builds(
    lambda n, needed, serving, *rest: Inputs(n, min(n, needed), min(n, needed, serving), *rest),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 5),
    st.floats(1e-5, 1e-2),
    st.floats(0.5, 50),
    st.integers(1, 5),
    st.floats(0, 1),
    st.floats(1e-3, 1),
    st.floats(0.1, 10),
)


@given(GROUPS)
def test_every_group_is_a_chain_that_can_be_asked(values: Inputs) -> None:
    chain = Chain(rates(values))

    shares = chain.steady()

    assert sum(shares.values()) == pytest.approx(1)
    assert all(share > 0 for share in shares.values())


@given(GROUPS)
def test_better_coverage_never_harms_and_a_longer_wait_never_helps(values: Inputs) -> None:
    def down(one: Inputs) -> float:
        shares = Chain(rates(one)).steady()
        return sum(
            share
            for state, share in shares.items()
            if isinstance(state, tuple) and state[1] != "served"
        )

    quick = values._replace(failover_h=min(values.failover_h, values.manual_h))
    sure = quick._replace(coverage=1.0)
    slow = quick._replace(manual_h=quick.manual_h * 2)

    assert down(sure) <= down(quick) * (1 + 1e-9)
    assert down(slow) >= down(quick) * (1 - 1e-9)
