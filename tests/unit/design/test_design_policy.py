"""A life under the real scheduler agrees with the formulas where these apply, and shows what they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.cib.document import Cib
from ninefold.design.model import (
    HOURS_PER_YEAR,
    MINUTES_PER_YEAR,
    AllOf,
    AtLeast,
    CommonCause,
    Estimate,
    Failover,
    Group,
    Infrastructure,
    Part,
    Service,
    Use,
)
from ninefold.design.policy import NoLife, Pace, simulate
from ninefold.design.policy_cluster import Policy, Standing, synthesised

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.design.results import PolicyResult

QUICK = Pace(0, 0, 0, 0, 1.0, 1.0)


def part(name: str, per_year: float = 1.0, repair_h: float = 40.0, kind: str = "node") -> Part:
    rate = Estimate(per_year / HOURS_PER_YEAR)
    return Part(name, kind, "compute", failures=rate, repair=Estimate(repair_h))


def cluster(*names: str, group: Group, parts: tuple[Part, ...] = ()) -> Infrastructure:
    return Infrastructure(
        "life",
        {p.name: p for p in (*map(part, names), *parts)},
        {group.name: group},
        {"web": Service("web", Use(group.name))},
    )


def pair(manual_h: float = 1.0) -> Infrastructure:
    failover = Failover(manual=Estimate(manual_h))
    return cluster(
        "a", "b", group=Group("pair", ("a", "b"), two_node=True, quorum=1, failover=failover)
    )


def assert_within(result: PolicyResult, minutes: float) -> None:
    """The formula's figure lies in the life's own confidence interval, twice as wide (99.99 %)."""
    low, high = ((1 - share) * MINUTES_PER_YEAR for share in (result.high, result.low))
    width = high - low
    assert low - width / 2 <= minutes <= high + width / 2, (low, minutes, high)


def share_down(per_year: float = 1.0, repair_h: float = 40.0) -> float:
    rate = per_year / HOURS_PER_YEAR
    return rate * repair_h / (1 + rate * repair_h)


def test_one_part_is_down_as_often_as_its_rates_say() -> None:
    model = Infrastructure("one", {"a": part("a")}, services={"s": Service("s", Use("a"))})

    (result,) = simulate(model, {}, years=2000)

    assert_within(result, share_down() * MINUTES_PER_YEAR)
    assert result.failovers_per_year == result.fencings_per_year == 0


def test_two_of_three_parts_and_a_rack_that_holds_two_agree_with_arithmetic() -> None:
    rack = part("rack", 0.5, 20, "rack")
    held = [
        Part(
            n, "disk", "storage", failures=part(n).failures, repair=part(n).repair, inside=("rack",)
        )
        for n in "ab"
    ]
    parts = {p.name: p for p in (rack, *held, part("c"))}
    need = AtLeast(2, (Use("a"), Use("b"), Use("c")))
    model = Infrastructure("disks", parts, services={"s": Service("s", need)})

    (result,) = simulate(model, {}, years=3000)

    q, r = share_down(), share_down(0.5, 20)
    two_of_three = 3 * q**2 * (1 - q) + q**3
    assert_within(result, (r + (1 - r) * two_of_three) * MINUTES_PER_YEAR)


def test_common_cause_strikes_both_at_once() -> None:
    model = Infrastructure(
        "pair",
        {n: part(n) for n in "ab"},
        services={"s": Service("s", AtLeast(1, (Use("a"), Use("b"))))},
        common_causes=(CommonCause("image", ("a", "b"), Estimate(0.1)),),
    )

    (result,) = simulate(model, {}, years=3000)

    # Both are repaired independently, so a common strike lasts until the first is back: half as long.
    alone, common = share_down(0.9), 0.1 / HOURS_PER_YEAR * 20
    assert_within(result, (alone**2 + common) * MINUTES_PER_YEAR)


@pytest.mark.parametrize("detect_s", [10, 600])
def test_failover_of_a_pair_costs_its_time_once_a_failure_of_the_active_node(
    detect_s: float,
) -> None:
    pace = Pace(detect_s, 5, 10, 5, 1.0, 1.0)

    (result,) = simulate(pair(), {"pair": pace}, years=2000)

    both = share_down() ** 2
    failing_over = (detect_s + 5 + 10) / 3600 / HOURS_PER_YEAR
    assert_within(result, (both + failing_over) * MINUTES_PER_YEAR)
    assert result.fencings_per_year == pytest.approx(2, rel=0.1)
    assert result.failovers_per_year == pytest.approx(1, rel=0.1)


def test_fencing_that_fails_waits_for_a_person_and_nothing_starts_meanwhile() -> None:
    pace = Pace(0, 0, 0, 0, 0.5, 1.0)

    (result,) = simulate(pair(manual_h=2.0), {"pair": pace}, years=2000)

    # Half the failures of the active node wait for the person or the node's return, if that is first.
    wait_h = 1 / (1 / 2.0 + 1 / 40.0)
    expected = share_down() ** 2 + 0.5 * wait_h / HOURS_PER_YEAR
    assert_within(result, expected * MINUTES_PER_YEAR)


def test_three_nodes_without_quorum_do_not_serve() -> None:
    model = cluster("a", "b", "c", group=Group("trio", ("a", "b", "c"), quorum=2))

    (result,) = simulate(model, {"trio": QUICK}, years=2000)

    q = share_down()
    assert_within(result, (3 * q**2 * (1 - q) + q**3) * MINUTES_PER_YEAR)


def test_a_witness_that_is_up_lends_its_vote() -> None:
    group = Group("pair", ("a", "b"), quorum=2, witness="w", witness_votes=1)
    model = cluster("a", "b", group=group, parts=(part("w", kind="witness"),))

    (result,) = simulate(model, {"pair": QUICK}, years=2000)

    q = share_down()
    assert_within(result, (3 * q**2 * (1 - q) + q**3) * MINUTES_PER_YEAR)


def test_a_group_whose_storage_is_down_does_not_serve() -> None:
    group = Group("pair", ("a", "b"), two_node=True, quorum=1, needs=Use("san"))
    model = cluster("a", "b", group=group, parts=(part("san", 2, 10, "array"),))

    (result,) = simulate(model, {"pair": QUICK}, years=2000)

    san, both = share_down(2, 10), share_down() ** 2
    assert_within(result, (san + (1 - san) * both) * MINUTES_PER_YEAR)


def test_the_policy_of_the_cib_is_what_is_played(tmp_path: Path) -> None:
    # A ban that somebody forgot: the service never moves, and no formula would know.
    text = synthesised("pair", ("web",), ("a", "b")).to_xml().decode()
    ban = '<rsc_location id="cli-ban-web-on-b" rsc="web" node="b" score="-INFINITY"/>'
    banned = text.replace("<constraints/>", f"<constraints>{ban}</constraints>")
    assert ban in banned
    path = tmp_path / "cib.xml"
    path.write_text(banned)
    group = Group("pair", ("a", "b"), two_node=True, quorum=1, cib=str(path))

    (result,) = simulate(cluster("a", "b", group=group), {"pair": QUICK}, years=1000)

    assert_within(result, share_down() * MINUTES_PER_YEAR)
    assert result.failovers_per_year == 0


def test_a_cib_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cib.xml"
    path.write_text("<cib")
    group = Group("pair", ("a", "b"), cib=str(path))

    with pytest.raises(NoLife, match=r"cib\.xml"):
        simulate(cluster("a", "b", group=group), {"pair": QUICK}, years=1)


def test_the_same_seed_gives_the_same_life_and_another_one_another() -> None:
    pace = {"pair": Pace(10, 5, 10, 5, 0.9, 0.9)}

    first, again, other = (simulate(pair(), pace, years=100, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_service_may_need_another_service_and_two_groups() -> None:
    groups = {
        name: Group(name, nodes, two_node=True, quorum=1)
        for name, nodes in (("front", ("a", "b")), ("back", ("c", "d")))
    }
    services = {
        "db": Service("db", Use("back")),
        "shop": Service("shop", AllOf((Use("front"), Use("db")))),
    }
    model = Infrastructure("shop", {n: part(n) for n in "abcd"}, groups, services)

    results = {r.service: r for r in simulate(model, dict.fromkeys(groups, QUICK), years=2000)}

    both = share_down() ** 2
    assert_within(results["db"], both * MINUTES_PER_YEAR)
    assert_within(results["shop"], (2 * both - both**2) * MINUTES_PER_YEAR)


def test_decisions_are_remembered_by_what_is_believed() -> None:
    cib = synthesised("pair", ("web",), ("a", "b"))
    policy = Policy(cib, ("a", "b"))
    believed = {"a": Standing.MEMBER, "b": Standing.LOST}
    history = {"a": {"web": "stopped"}, "b": {"web": "running"}}

    first = policy.decide(believed, history, quorate=True)
    again = policy.decide(
        dict(believed), {"b": {"web": "running"}, "a": {"web": "stopped"}}, quorate=True
    )

    assert first is again
    assert policy.decisions == 1
    assert {a.task for a in first.actions if a.node == "b"} >= {"stonith"}
    assert isinstance(cib, Cib)


def test_whoever_waits_is_told_how_much_of_the_life_is_over() -> None:
    told: list[float] = []

    simulate(pair(), {"pair": QUICK}, years=400, lived=told.append)

    assert told == sorted(told)
    assert len(told) > 10
    assert 0 < told[0] < told[-1] < 1
