"""How fast a design is analysed on one core: `python -m benchmarks.design`.

Every model is drawn from a seed. A naive twin that walks all states can only be run on the smallest; for
the others the table says by how much their states exceed what it walks in the measured time.
"""

from __future__ import annotations

import math
import random
import time
from itertools import product
from typing import NamedTuple

import numpy as np

from ninefold.design.availability import analyse_service
from ninefold.design.bdd import Bdd
from ninefold.design.cutsets import order_one_and_two
from ninefold.design.formula import holds
from ninefold.design.model import (
    HOURS_PER_YEAR,
    AllOf,
    AtLeast,
    Estimate,
    Infrastructure,
    Need,
    Part,
    Service,
    Use,
)
from ninefold.design.tree import Tree

SAMPLES = 1000
NEIGHBOURHOOD = 4


class Row(NamedTuple):
    """One model: its size, how long each question takes, and the diagram's size."""

    name: str
    events: int
    nodes: int
    diagram_s: float
    all_s: float
    naive: str


def part(rng: random.Random, name: str, needs: tuple[Need, ...] = ()) -> Part:
    """Return a part that fails 0.02 to 2 times a year and is repaired in 1 to 24 h."""
    return Part(
        name,
        "component",
        "other",
        failures=Estimate(rng.uniform(0.02, 2) / HOURS_PER_YEAR, 3.0),
        repair=Estimate(rng.uniform(1, 24), 2.0),
        needs=AllOf(needs),
    )


def estate(components: int, shared: float, seed: int) -> Infrastructure:
    """Return redundant blocks (pairs, and two of three) whose members stand on shared neighbours.

    `shared` of the components (feeds, switches, hypervisors) are each needed by several blocks near
    them, as in rows of racks; the blocks are shuffled, so the file's order helps nobody.
    """
    rng = random.Random(seed)
    commons = [f"common{n}" for n in range(int(components * shared))]
    parts = {name: part(rng, name) for name in commons}
    blocks: list[Need] = []
    left = components - len(commons)
    placed = 0
    while placed < left:
        size = min(rng.choice((2, 2, 3)), left - placed)
        members = []
        for _ in range(size):
            near = placed / left * len(commons)
            needs = tuple(
                Use(commons[int(near + rng.uniform(-NEIGHBOURHOOD, NEIGHBOURHOOD)) % len(commons)])
                for _ in range(rng.choice((0, 1, 1, 2)))
            )
            name = f"part{placed}"
            parts[name] = part(rng, name, needs)
            members.append(Use(name))
            placed += 1
        blocks.append(AtLeast(max(1, size - 1), tuple(members)))
    rng.shuffle(blocks)
    return Infrastructure("estate", parts, services={"s": Service("s", AllOf(tuple(blocks)))})


def plant(gates: int, seed: int) -> Infrastructure:
    """Return a fault tree like those of plants: gates of 2-4 parts, some used in several places."""
    rng = random.Random(seed)
    parts = {f"basic{n}": part(rng, f"basic{n}") for n in range(gates)}
    open_names = list(parts)
    number = 0
    while len(open_names) > 1:
        inputs = [open_names.pop(0) for _ in range(min(len(open_names), rng.choice((2, 3, 4))))]
        if rng.random() < 0.3:
            inputs.append(f"basic{rng.randrange(gates)}")
        uses = tuple(map(Use, dict.fromkeys(inputs)))
        need = AllOf(uses) if rng.random() < 0.5 else AtLeast(max(1, len(uses) - 1), uses)
        name = f"gate{number}"
        parts[name] = Part(name, "bond", "other", needs=need)
        open_names.append(name)
        number += 1
    return Infrastructure("plant", parts, services={"s": Service("s", Use(open_names[0]))})


def naive_s(model: Infrastructure) -> tuple[float, float]:
    """Return the share of time down by walking all states, and how long that took."""
    tree = Tree(model, {})
    formula = tree.service(model.services["s"])
    q = [event.q for event in tree.events]
    begun = time.perf_counter()
    total = 0.0
    for states in product((False, True), repeat=len(q)):
        if holds(formula, {n for n, state in enumerate(states) if state}):
            total += math.prod(q[n] if state else 1 - q[n] for n, state in enumerate(states))
    return total, time.perf_counter() - begun


def measured(name: str, model: Infrastructure) -> Row:
    """Analyse a model twice: the diagram with its questions alone, and all that a report wants."""
    begun = time.perf_counter()
    tree = Tree(model, {})
    bdd = Bdd(tree.service(model.services["s"]), len(tree.events))
    q = np.array([event.q for event in tree.events])
    down = float(bdd.probability(q))
    order_one_and_two(bdd)
    diagram_s = time.perf_counter() - begun
    begun = time.perf_counter()
    result = analyse_service(model, model.services["s"], {}, samples=SAMPLES)
    all_s = time.perf_counter() - begun
    assert math.isclose(1 - result.availability, down, rel_tol=1e-9, abs_tol=1e-15)
    if len(q) <= 16:
        expected, took_s = naive_s(model)
        assert math.isclose(expected, down, rel_tol=1e-9), (expected, down)
        naive = f"{took_s:.2f} s, {took_s / diagram_s:,.0f} times as long"
    else:
        naive = f"2^{len(q)} states"
    return Row(name, len(q), bdd.size, diagram_s, all_s, naive)


def main() -> None:
    """Print the table."""
    print(f"{'model':34} {'events':>6} {'nodes':>8} {'diagram s':>9} {'all s':>6}  all states")
    rows = [measured("16 components, 30 % shared", estate(16, 0.3, 1))]
    rows += [measured(f"plant of 200 events, seed {s}", plant(200, s)) for s in (1, 2, 3)]
    rows += [
        measured(f"{size:,} components, 30 % shared, {s}", estate(size, 0.3, s))
        for size in (200, 1000)
        for s in (1, 2, 3)
    ]
    for row in rows:
        print(
            f"{row.name:34} {row.events:6} {row.nodes:8,} {row.diagram_s:9.2f} {row.all_s:6.2f}  "
            f"{row.naive}"
        )


if __name__ == "__main__":
    main()
