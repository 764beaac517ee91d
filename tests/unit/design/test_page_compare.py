"""Designs side by side as a page."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from lxml import etree, html

from ninefold.design.page import compare_page, words
from tests.page_world import HOSTILE, hostile, shop_comparison


def parsed(page: str) -> Any:
    return html.document_fromstring(page)


def text_of(page: str, section: str) -> str:
    (found,) = parsed(page).xpath(f"//section[@id='{section}']")
    return re.sub(r"\s+", " ", found.text_content())


def test_every_design_is_told_with_downtime_cost_and_what_it_saves() -> None:
    comparison = shop_comparison()
    told = text_of(compare_page(comparison), "money")

    for option in comparison.options:
        assert option.name in told
        assert words.minutes(option.minutes_per_year) in told
        assert option.cost is not None
        assert f"{option.cost:,.0f} EUR" in told
    saved = comparison.options[1].saved_minutes_per_year
    assert saved > 10
    assert words.minutes(saved) in told


def test_verdict_comes_first_and_the_beaten_design_is_told_as_such() -> None:
    comparison = shop_comparison()
    told = text_of(compare_page(comparison), "designs")

    for sentence in comparison.verdict:
        assert sentence in told
    assert comparison.options[3].beaten_by
    assert f"Beaten by {comparison.options[3].beaten_by}" in told


def test_single_points_that_go_and_come_are_named() -> None:
    comparison = shop_comparison()
    told = text_of(compare_page(comparison), "spofs")

    assert "feed-a" in comparison.options[1].spofs_gone
    assert ", ".join(comparison.options[1].spofs_gone) in told


def test_designs_without_costs_are_compared_by_downtime_alone() -> None:
    options = tuple(
        msgspec.structs.replace(
            o, cost=None, extra_cost=None, minutes_per_cost=None, payback_years=None
        )
        for o in shop_comparison().options
    )

    page = compare_page(msgspec.structs.replace(shop_comparison(), options=options, currency=""))

    assert "Downtime and money" not in text_of(page, "money")
    assert "EUR" not in text_of(page, "money")
    assert "Downtime a year of each design" in text_of(page, "money")


def test_every_text_of_a_comparison_is_escaped_and_nothing_is_loaded() -> None:
    page = compare_page(hostile(shop_comparison()))

    tree = parsed(page)
    assert not tree.xpath("//script | //img | //@src | //@*[starts-with(name(), 'on')]")
    assert "As it is" + HOSTILE in [title.text for title in tree.xpath("//article/h3")]
    assert "://" not in page
    etree.fromstring(page[page.index("<body>") : page.index("</html>")])


def test_same_comparison_gives_the_same_page() -> None:
    assert compare_page(shop_comparison()) == compare_page(shop_comparison())
