"""Laws of the design's checks, each against a slow obvious twin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.design.capacity import Item, place
from ninefold.design.event_log import Outage, merged, observe, seconds, without
from ninefold.design.fence_check import coverage
from ninefold.design.model import Estimate, FencePath, Group, Infrastructure, Part
from ninefold.design.quorum_table import quorum_table
from ninefold.design.timing import (
    CODES,
    Rule,
    _holds,
    _solve,
    _value,
    not_applicable,
    rules,
    timing_rows,
)
from ninefold.design.timing_facts import FACTS, Quantity, Situation

NODES = st.integers(1, 5)
START = datetime(2026, 1, 1, tzinfo=UTC)


def model_of(group: Group, *parts: Part) -> Infrastructure:
    nodes = {name: Part(name, "node", "compute") for name in group.nodes}
    more = {part.name: part for part in parts}
    return Infrastructure("m", {**nodes, **more}, {group.name: group})


@st.composite
def groups(draw: st.DrawFn) -> Group:
    count = draw(NODES)
    names = tuple(f"n{number}" for number in range(1, count + 1))
    votes = {name: draw(st.integers(0, 3)) for name in names}
    votes[names[0]] = max(1, votes[names[0]])
    witness = draw(st.sampled_from(["", "w"]))
    weight = draw(st.integers(1, 3))
    total = sum(votes.values()) + (weight if witness else 0)
    two_node = count == 2 and not witness and draw(st.booleans())
    if two_node:
        votes = dict.fromkeys(names, 1)
    quorum = draw(st.sampled_from([0, total // 2 + 1, draw(st.integers(1, total))]))
    return Group(
        "g",
        names,
        votes=votes,
        quorum=quorum,
        two_node=two_node,
        witness=witness,
        witness_votes=weight,
        fencing_enabled=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None)
@given(groups())
def test_the_table_agrees_with_counting_votes_and_says_when_two_may_act(group: Group) -> None:
    table = quorum_table(model_of(group, Part("w", "witness", "site")), group)

    votes = {**{n: group.votes[n] for n in group.nodes}, "w": group.witness_votes}
    total = table.expected
    asked = 1 if group.two_node else group.quorum
    for row in table.rows:
        assert row.votes == sum(votes[member] for member in row.members)
        assert row.quorate is (row.votes >= asked), row
    voters = len(group.nodes) + bool(group.witness)
    assert len(table.rows) == 2**voters - 1 - bool(group.witness)
    acting = [set(row.members) for row in table.rows if row.quorate]
    both = any(not one & other for one, other in combinations(acting, 2))
    assert both is any(note.startswith("Two disjoint partitions can") for note in table.notes)
    if asked and 2 * asked > total:
        assert not both


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=3),
)
def test_a_placement_is_found_exactly_when_some_assignment_fits(
    items: list[tuple[int, int]], room: list[tuple[int, int]]
) -> None:
    wanted = [Item(f"i{k}", {"cpu": c, "memory": m}) for k, (c, m) in enumerate(items)]
    free = {f"n{k}": {"cpu": float(c), "memory": float(m)} for k, (c, m) in enumerate(room)}

    placed = place(wanted, free)

    def fits(nodes: tuple[int, ...]) -> bool:
        return all(
            sum(items[i][r] for i, node in enumerate(nodes) if node == k) <= room[k][r]
            for k in range(len(room))
            for r in (0, 1)
        )

    possible = any(fits(nodes) for nodes in product(range(len(room)), repeat=len(items)))
    assert placed.proved
    assert placed.found is possible
    if placed.found:
        assert fits(tuple(int(placed.nodes[item.name][1:]) for item in wanted))


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=3), max_size=3))
def test_coverage_is_the_chance_that_some_level_succeeds_whole(levels: list[list[float]]) -> None:
    paths = [
        [FencePath("d", ("n",), success=Estimate(share)) for share in level] for level in levels
    ]

    flat = [share for level in levels for share in level]
    chance = 0.0
    for outcome in product((True, False), repeat=len(flat)):
        weight = 1.0
        for works, share in zip(outcome, flat, strict=True):
            weight *= share if works else 1 - share
        rest = iter(outcome)
        # `all` must not stop early: each level takes its own outcomes.
        taken = [all([next(rest) for _ in level]) for level in levels]  # noqa: C419
        chance += weight if any(taken) else 0
    assert abs(coverage(paths) - chance) < 1e-9


LENGTHS = st.none() | st.integers(0, 2_000_000).map(float)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    names = [*FACTS, "stop", "a pcmk_reboot_timeout"]
    now = Situation(
        group="g",
        nodes=draw(st.integers(1, 9)),
        values={n: Quantity(draw(LENGTHS), "drawn") for n in names if draw(st.booleans())},
        bonds={n: Quantity(draw(LENGTHS), n) for n in ("b1", "b2") if draw(st.booleans())},
        lacp={n: Quantity(draw(LENGTHS), n) for n in ("b1",) if draw(st.booleans())},
    )
    if draw(st.booleans()):
        now.measured["a"] = (Quantity(draw(LENGTHS), "drill"), "a pcmk_reboot_timeout")
    for flag in ("disk_sbd", "diskless_sbd", "watchdog_automatic", "qdevice", "multipath"):
        setattr(now, flag, draw(st.booleans()))
    for flag in ("virtual", "cloud", "has_cib"):
        setattr(now, flag, draw(st.booleans()))
    now.one_shared_device = draw(st.sampled_from([None, True, False]))
    return now


@settings(max_examples=300, deadline=None)
@given(situations())
def test_what_is_proposed_makes_every_rule_hold_that_can_be_judged(now: Situation) -> None:
    chain = rules(now)

    solved = _solve(now, chain)

    for rule in chain:
        left, right = _value(now, rule.left, solved), _value(now, rule.right, solved)
        if not rule.change or right is None:
            continue
        assert left is not None
        assert _holds(rule, left, right), rule
    assert {rule.code for rule in chain} <= set(CODES)


@settings(max_examples=300, deadline=None)
@given(situations())
def test_no_proposal_is_more_than_a_rule_asks_for(now: Situation) -> None:
    chain = rules(now)
    solved = _solve(now, chain)

    # A second less, and some rule that asks for this quantity fails (they are rounded up to seconds).
    for name, value in solved.items():
        asking = [rule for rule in chain if rule.change == name and not rule.lower]
        if not asking or value is None:
            continue
        less = {**solved, name: value - 1000}
        assert any(_fails(now, rule, less) for rule in asking), name


def _fails(now: Situation, rule: Rule, changed: dict[str, float | None]) -> bool:
    left, right = _value(now, rule.left, changed), _value(now, rule.right, changed)
    return left is not None and right is not None and not _holds(rule, left, right)


@settings(max_examples=50, deadline=None)
@given(groups(), st.dictionaries(st.sampled_from(sorted(FACTS)), st.text(max_size=8), max_size=6))
def test_every_rule_has_a_row_or_a_reason_whatever_the_facts_say(
    group: Group, facts: dict[str, str]
) -> None:
    model = model_of(group, Part("w", "witness", "site"))
    model.parts["n1"] = Part("n1", "node", "compute", facts=facts)

    rows = timing_rows(model, group)

    told = {row.rule.partition(":")[0] for row in rows}
    assert told | set(not_applicable(model, group)) == set(CODES)
    assert not told & set(not_applicable(model, group))
    for row in rows:
        assert row.holds is True or row.proposal
        known = row.left_ms is not None and row.right_ms is not None
        assert known is (row.holds is not None) or row.rule.startswith("cloud-concurrent")


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.booleans()), max_size=8)


@given(SPANS)
def test_outages_add_up_minute_by_minute(drawn: list[tuple[int, int, bool]]) -> None:
    outages = [
        Outage(START + timedelta(minutes=at), START + timedelta(minutes=at + takes), "s", planned)
        for at, takes, planned in drawn
    ]
    window = (START + timedelta(minutes=5), START + timedelta(minutes=50))

    seen = observe(outages, "s", window)

    planned = {m for at, takes, yes in drawn if yes for m in range(at, at + takes)}
    down = {m for at, takes, yes in drawn if not yes for m in range(at, at + takes)} - planned
    inside = set(range(5, 50))
    assert seen.unplanned_s == 60 * len(down & inside)
    assert seen.planned_s == 60 * len(planned & inside)
    promised = 45 - len(planned & inside)
    if promised:
        assert seen.availability == 1 - seen.unplanned_s / (60 * promised)


@given(SPANS, SPANS)
def test_merging_loses_no_time_and_cutting_leaves_the_rest(
    one: list[tuple[int, int, bool]], other: list[tuple[int, int, bool]]
) -> None:
    def spans(drawn: list[tuple[int, int, bool]]) -> list[tuple[datetime, datetime]]:
        return merged(
            (START + timedelta(minutes=at), START + timedelta(minutes=at + takes))
            for at, takes, _ in drawn
        )

    a, b = spans(one), spans(other)
    left = without(a, b)

    assert all(x[1] < y[0] for x, y in pairwise(a))
    assert seconds(left) + seconds(b) == seconds(merged([*a, *b]))
