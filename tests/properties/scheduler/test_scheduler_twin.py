"""A slow obvious twin: every placement of tiny clusters, judged by the rules as people say them.

Three resources and three nodes have 64 placements. The engine's must be one of those that keep every
rule, and none may be better in a way that the rules promise:

    whoever can run besides those that run does run;
    who has to do with nobody runs where it likes best, stickiness counted;
    two that must be together both run if there is a node for both.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.forecast.execute import settle
from ninefold.scheduler import schedule_document
from tests.forecast_world import NODES, NOW, cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCES = ("a", "b", "c")
INFINITY = 1_000_000

# Where each resource runs, "" for nowhere.
Placement: TypeAlias = dict[str, str]


class Rules(msgspec.Struct):
    """What an operator wants. `likes` are scores by (resource, node); `first` starts before `then`."""

    likes: dict[tuple[str, str], int]
    stickiness: int
    together: list[tuple[str, str]]
    apart: list[tuple[str, str]]
    orders: list[tuple[str, str]]
    down: list[str]
    running: dict[str, str]
    stopped: list[str]


def likes(rules: Rules, resource: str, node: str) -> int:
    """Return how much a resource likes a node, where it began counted."""
    stays = rules.stickiness if rules.running.get(resource) == node else 0
    liked = rules.likes.get((resource, node), 0)
    return liked if abs(liked) >= INFINITY else liked + stays


def keeps(rules: Rules, placement: Placement) -> bool:
    """Does a placement keep every rule?"""
    for resource, node in placement.items():
        if not node:
            continue
        # A mild dislike may be outweighed by what others like; where there are no others, it may not.
        least = 0 if alone(rules, resource) else 1 - INFINITY
        if node in rules.down or likes(rules, resource, node) < least or resource in rules.stopped:
            return False
    for dependent, primary in rules.together:
        if placement[dependent] and placement[dependent] != placement[primary]:
            return False
    for dependent, primary in rules.apart:
        if placement[dependent] and placement[dependent] == placement[primary]:
            return False
    return all(placement[first] or not placement[then] for first, then in rules.orders)


def placements() -> Iterator[Placement]:
    """Yield all of them."""
    for nodes in itertools.product(("", *NODES), repeat=len(RESOURCES)):
        yield dict(zip(RESOURCES, nodes, strict=True))


def alone(rules: Rules, resource: str) -> bool:
    """Does no other have a say in where a resource runs?"""
    return not any(resource in pair for pair in (*rules.together, *rules.apart))


@st.composite
def wanted(draw: st.DrawFn) -> Rules:
    """Draw the rules of a tiny cluster."""
    pairs = [(x, y) for x in RESOURCES for y in RESOURCES if x != y]
    forward = [(x, y) for x, y in pairs if x < y]
    score = st.sampled_from([0, 0, 0, 10, 20, 50, 100, -10, INFINITY, -INFINITY])
    together = draw(st.lists(st.sampled_from(forward), unique=True, max_size=1))
    apart = draw(st.lists(st.sampled_from(forward), unique=True, max_size=1))
    return Rules(
        likes={(r, n): draw(score) for r in RESOURCES for n in NODES},
        stickiness=draw(st.sampled_from([0, 15, 1000])),
        together=together,
        apart=[pair for pair in apart if pair not in together],
        orders=draw(st.lists(st.sampled_from(forward), unique=True, max_size=2)),
        down=draw(st.lists(st.sampled_from(NODES), unique=True, max_size=1)),
        running={r: n for r in RESOURCES if (n := draw(st.sampled_from(["", *NODES])))},
        stopped=draw(st.lists(st.sampled_from(RESOURCES), unique=True, max_size=1)),
    )


def document(rules: Rules) -> etree._Element:
    """Write the rules down."""
    lines = [
        f'<rsc_location id="l-{r}-{n}" rsc="{r}" node="{n}" score="{score}"/>'
        for (r, n), score in rules.likes.items()
        if score
    ]
    # The later of a pair depends on the earlier, as in `together`, or keeps away from it.
    for kind, found, score in (
        ("t", rules.together, INFINITY), ("x", rules.apart, -INFINITY),
    ):  # fmt: skip
        lines += [
            f'<rsc_colocation id="{kind}-{d}-{p}" rsc="{d}" with-rsc="{p}" score="{score}"/>'
            for d, p in found
        ]
    lines += [f'<rsc_order id="o-{f}-{t}" first="{f}" then="{t}"/>' for f, t in rules.orders]
    resources = ""
    for name in RESOURCES:
        role = (
            f'<meta_attributes id="{name}-m"><nvpair id="{name}-role" name="target-role"'
            ' value="Stopped"/></meta_attributes>'
        )
        resources += (
            f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
            f"{role if name in rules.stopped else ''}</primitive>"
        )
    root = cluster(resources, "".join(lines), rules.running | {"fence": NODES[0]})
    defaults = etree.fromstring(
        '<rsc_defaults><meta_attributes id="d"><nvpair id="s" name="resource-stickiness"'
        f' value="{rules.stickiness}"/></meta_attributes></rsc_defaults>'
    )
    root[0].append(defaults)
    for state in root.iter("node_state"):
        if state.get("uname") in rules.down:
            for name, value in (("in_ccm", "false"), ("crmd", "offline"), ("join", "down")):
                state.set(name, value)
    return root


@settings(max_examples=150, deadline=None)
@given(wanted())
def test_engine_agrees_with_all_placements_there_are(rules: Rules) -> None:
    story = settle(document(rules), NOW)
    assert story.settled

    final = schedule_document(story.document, NOW).placements
    chosen = {p.resource: p.nodes[0] if p.nodes else "" for p in final if p.resource in RESOURCES}
    kept = [placement for placement in placements() if keeps(rules, placement)]

    assert chosen in kept, (chosen, rules)
    for other in kept:
        more = [r for r in RESOURCES if other[r] != chosen[r]]
        if len(more) != 1 or chosen[more[0]] or likes(rules, more[0], other[more[0]]) < 0:
            continue
        # A place is kept for a primary that an order keeps from starting.
        kept_for = [primary for dependent, primary in rules.apart if dependent == more[0]]
        assert any(not chosen[primary] for primary in kept_for), f"{more[0]}: {other}, {chosen}"
    for resource in RESOURCES:
        if alone(rules, resource) and chosen[resource]:
            best = max(likes(rules, resource, n) for n in NODES if n not in rules.down)
            # What it was given when it was down counts no more once it runs elsewhere.
            assert likes(rules, resource, chosen[resource]) == best, (resource, chosen)
    for dependent, primary in rules.together:
        both = any(placement[dependent] and placement[primary] for placement in kept)
        only = not any(dependent in pair or primary in pair for pair in rules.apart + rules.orders)
        mild = [x for (r, _), x in rules.likes.items() if r in (dependent, primary) and x < 0]
        # What one of them dislikes a little the other may like well enough: then one stays down.
        if both and only and all(score <= -INFINITY for score in mild):
            assert chosen[dependent], (chosen, rules)
