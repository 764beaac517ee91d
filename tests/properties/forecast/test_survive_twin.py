"""`Survey`, which judges part by part, says exactly what judging every pair on the whole says."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.forecast.faults import Voters
from ninefold.forecast.survive import Survey, at_rest, judge, minimal
from tests.forecast_world import NODES, NOW, cluster

if TYPE_CHECKING:
    import random

PAIRS = 8
PLAIN = ("a", "b", "c", "d", "e")
CONSTRAINTS = (
    '<rsc_order id="o1" first="a" then="b"/>',
    '<rsc_order id="o2" first="k" then="c"/>',
    '<rsc_order id="o3" first="g" then="d" kind="Optional"/>',
    '<rsc_colocation id="c1" rsc="b" with-rsc="a" score="INFINITY"/>',
    '<rsc_colocation id="c2" rsc="g" with-rsc="e" score="-INFINITY"/>',
    '<rsc_colocation id="c3" rsc="d" with-rsc="c" score="-50"/>',
    '<rsc_colocation id="c4" rsc="c" with-rsc="k" score="INFINITY"/>',
    '<rsc_colocation id="c5" rsc="e" with-rsc="fence" score="-INFINITY"/>',
    '<rsc_location id="l1" rsc="a" node="n2" score="100"/>',
    '<rsc_location id="l2" rsc="g" node="n1" score="-INFINITY"/>',
    '<rsc_location id="l3" rsc="e" node="n3" score="-INFINITY"/>',
    '<rsc_location id="l4" rsc="t" node="n3" score="50"/>',
    '<rsc_location id="l5" rsc-pattern="^[ab]$" node="n1" score="-20"/>',
    '<rsc_ticket id="t1" rsc="d" ticket="site" loss-policy="stop"/>',
)
ON_FAIL = ("restart", "restart", "restart", "fence", "standby", "stop", "block", "ignore")


def pair(name: str, value: str, where: str) -> str:
    return f'<nvpair id="{where}-{name}" name="{name}" value="{value}"/>'


def meta(where: str, **values: str) -> str:
    pairs = "".join(
        pair(name.replace("_", "-"), value, where) for name, value in values.items() if value
    )
    return f'<meta_attributes id="{where}-meta">{pairs}</meta_attributes>'


@st.composite
def primitives(draw: st.DrawFn, name: str) -> str:
    values = {
        "resource_stickiness": draw(
            st.sampled_from(["", "", "1", "1", "100", "100", "100", "-10"])
        ),
        "migration_threshold": draw(st.sampled_from(["", "", "1", "3"])),
        "priority": draw(st.sampled_from(["", "", "5"])),
    }
    on_fail = draw(st.sampled_from(ON_FAIL))
    return (
        f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
        f'{meta(name, **values)}<operations><op id="{name}-m" name="monitor" interval="10s"'
        f' on-fail="{on_fail}"/></operations></primitive>'
    )


@st.composite
def clusters(draw: st.DrawFn) -> etree._Element:
    """Three nodes; primitives, a group, perhaps a clone, in the order that is drawn."""
    things = [draw(primitives(name)) for name in PLAIN]
    things.append(f'<group id="g">{draw(primitives("x"))}{draw(primitives("y"))}</group>')
    if draw(st.booleans()):
        most = draw(st.sampled_from(["", "", "2", "1"]))
        inner = draw(primitives("i"))
        kind = draw(st.sampled_from(["", "true"]))
        things.append(f'<clone id="k">{meta("k", clone_max=most, interleave=kind)}{inner}</clone>')
    order = draw(st.permutations(things))
    chosen = draw(st.lists(st.sampled_from(CONSTRAINTS), unique=True, max_size=5))
    options = "".join(
        pair(name, value, "option")
        for name, value in {
            "no-quorum-policy": draw(st.sampled_from(["stop", "freeze", "ignore", "demote"])),
            "start-failure-is-fatal": draw(st.sampled_from(["true", "true", "false"])),
            "placement-strategy": draw(st.sampled_from(["default"] * 5 + ["balanced"])),
            "stonith-enabled": draw(st.sampled_from(["true", "true", "true", "false"])),
        }.items()
    )
    names = ("a", "b", "c", "d", "e", "x", "y")
    running = {name: place for name in names if (place := draw(st.sampled_from([*NODES, ""])))}
    root = cluster("".join(order), "".join(chosen), running, options)
    tags = root.find("configuration")
    assert tags is not None
    tags.append(
        etree.fromstring('<tags><tag id="t"><obj_ref id="b"/><obj_ref id="x"/></tag></tags>')
    )
    return root


# Without shrinking: it would take minutes.
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    clusters(),
    st.sampled_from([None, Voters({"n1": 2, "n2": 1, "n3": 1}, 4)]),
    st.randoms(use_true_random=False),
)
def test_survey_in_parts_agrees_with_judging_pairs_on_the_whole(
    root: etree._Element, voters: Voters | None, rng: random.Random
) -> None:
    """Pairs are many and the whole is slow: some of each cluster's are asked for."""
    rested = at_rest(root, NOW)
    survey = Survey(rested, NOW, voters)
    pairs = list(combinations(survey.faults, 2))

    single = [survey.single(fault) for fault in survey.faults]
    for one, other in rng.sample(pairs, min(len(pairs), PAIRS)):
        found = survey.pair(one, other)

        wanted = judge(rested, (one, other), NOW, voters)
        alone = [outcome for outcome in single if outcome.faults[0] in (one, other)]
        (kept,) = [both for both in minimal([*alone, wanted]) if len(both.faults) == 2]
        assert (found == kept) if kept.lost else found is None
    for outcome in rng.sample(single, min(len(single), PAIRS)):
        assert outcome == judge(rested, outcome.faults, NOW, voters)
