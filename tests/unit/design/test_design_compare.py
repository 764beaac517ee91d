"""What a design gains over another, what it costs, and which is best, on numbers one can check by eye."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.design.compare import Comparison, Incomparable, compare
from ninefold.design.model import Infrastructure, Part, Service, Use
from ninefold.design.results import Report, ServiceResult, Spof


def design(
    name: str,
    minutes: float,
    cost: float = 0.0,
    *spofs: str,
    currency: str = "",
    slo: float | None = None,
    service: str = "web",
    downtime_cost: float | None = None,
) -> tuple[Infrastructure, Report]:
    share = 1 - minutes / 525_960
    result = ServiceResult(
        service=service,
        availability=share,
        minutes_per_year=minutes,
        planned_minutes_per_year=0.0,
        slo=slo,
        meets_slo=None if slo is None else share >= slo,
        reliability=0.5,
        mission_h=8766.0,
        band=None,
        spofs=tuple(Spof(service, s, "node", "compute", 1.0, 1.0, "Add one.") for s in spofs),
        pairs=(),
        weights=(),
        tornado=(),
        cost_per_year=downtime_cost,
    )
    model = Infrastructure(
        name,
        {"a": Part("a", "node", "compute", cost=cost)},
        services={service: Service(service, Use("a"))},
        currency=currency,
        file=f"{name}.yaml",
    )
    return model, Report(name, "", f"{name}.yaml", (result,))


def said(found: Comparison) -> str:
    return " ".join(found.verdict)


def test_gains_are_counted_against_the_first() -> None:
    found = compare(
        [
            design("now", 500, 1000, "a", "b", downtime_cost=900),
            design("better", 100, 3000, "b", "c", downtime_cost=100),
        ]
    )

    first, second = found.options
    assert (first.saved_minutes_per_year, first.minutes_per_cost) == (0, None)
    assert second.saved_minutes_per_year == 400
    assert second.extra_cost == 2000
    assert second.minutes_per_cost == 0.2
    assert second.payback_years == 2.5
    assert second.spofs_gone == ("a",)
    assert second.spofs_new == ("c",)


def test_the_best_may_differ_from_what_is_most_for_the_money() -> None:
    found = compare(
        [
            design("now", 500, 1000, currency="EUR"),
            design("modest", 300, 1100),
            design("grand", 10, 9000),
        ]
    )

    assert "Shortest downtime: grand" in said(found)
    assert "modest saves 2,000 minutes" in said(found)
    assert found.currency == "EUR"


def test_design_that_costs_more_for_less_is_beaten() -> None:
    found = compare([design("now", 500, 1000), design("worse", 600, 2000)])

    assert [option.beaten_by for option in found.options] == ["", "now"]
    assert "worse is beaten by now" in said(found)
    assert "Most for the money" not in said(found)


def test_equal_designs_do_not_beat_each_other() -> None:
    found = compare([design("one", 500, 1000), design("other", 500, 1000)])

    assert {option.beaten_by for option in found.options} == {""}


def test_cheapest_that_keeps_the_objective() -> None:
    slo = 0.9995
    found = compare(
        [
            design("now", 500, 1, slo=slo),
            design("enough", 200, 5, slo=slo),
            design("more", 100, 9, slo=slo),
        ]
    )

    assert "Cheapest that keeps every objective: enough." in said(found)
    none = compare([design("a", 900, 1, slo=slo), design("b", 800, 2, slo=slo)])
    assert "None keeps every objective." in said(none)


def test_without_costs_no_price_is_made_up() -> None:
    found = compare([design("now", 500), design("better", 100)])

    assert found.options[1].cost is None
    assert found.options[1].minutes_per_cost is None
    assert any("No part has a cost" in note for note in found.notes)


def test_two_currencies_are_not_added_up() -> None:
    found = compare([design("a", 500, 10, currency="EUR"), design("b", 100, 20, currency="CHF")])

    assert found.options[1].extra_cost is None
    assert any("EUR and CHF" in note for note in found.notes)


def test_designs_of_one_name_are_told_by_their_files() -> None:
    first, second = design("shop", 500), design("shop", 100)
    second = msgspec.structs.replace(second[0], file="other.yaml"), second[1]

    found = compare([first, second])

    assert [option.name for option in found.options] == ["shop.yaml", "other.yaml"]


def test_designs_without_a_common_service_are_refused() -> None:
    with pytest.raises(Incomparable, match="same name"):
        compare([design("a", 1), design("b", 1, service="mail")])
