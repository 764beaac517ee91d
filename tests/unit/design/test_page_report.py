"""The report as a page: it says what the report says, escapes all of it, and loads nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from lxml import etree, html

from ninefold.design.analysis import analyse
from ninefold.design.load import load_text
from ninefold.design.page import report_page, words
from ninefold.design.page.infrastructure import SHEET_PX
from tests.page_world import HOSTILE, hostile, hostile_model, shop_model, shop_report


@pytest.fixture(scope="module")
def page() -> str:
    return report_page(shop_report(), shop_model())


def parsed(page: str) -> Any:
    return html.document_fromstring(page)


def text_of(page: str, section: str) -> str:
    (found,) = parsed(page).xpath(f"//section[@id='{section}']")
    return re.sub(r"\s+", " ", found.text_content())


def test_page_has_every_section_of_a_full_report(page: str) -> None:
    names = parsed(page).xpath("//main/section/@id")

    assert names == [
        "services",
        "infrastructure",
        "spofs",
        "pairs",
        "importance",
        "uncertainty",
        "groups",
        "failover",
        "quorum",
        "capacity",
        "fencing",
        "timing",
        "policy",
        "checklist",
        "inputs",
    ]


def test_each_service_is_told_with_nines_minutes_band_and_objective(page: str) -> None:
    told = text_of(page, "services")

    for service in shop_report().services:
        assert words.availability(service.availability) in told
        assert words.nines(service.availability) in told
        assert f"{words.minutes(service.minutes_per_year)} a year" in told
        assert service.band is not None
        for edge in (service.band.p5, service.band.p50, service.band.p95):
            assert words.minutes(edge) in told
    assert "objective of 98 %" in told
    assert "Downtime comes from: Feed A" in told


def test_each_single_point_of_failure_has_its_cost_its_mitigation_and_what_that_saves(
    page: str,
) -> None:
    rows = parsed(page).xpath("//section[@id='spofs']//tbody/tr[not(@class)]")

    told = [" ".join(row.text_content().split()) for row in rows]

    expected = {s.part: s for service in shop_report().services for s in service.spofs}
    assert len(rows) == len(expected) > 3
    for spof in expected.values():
        assert any(
            spof.mitigation in row
            and words.minutes(spof.minutes_per_year) in row
            and words.minutes(spof.saved_minutes_per_year) in row
            for row in told
        ), spof


def test_single_points_of_failure_stand_layer_by_layer(page: str) -> None:
    heads = parsed(page).xpath("//section[@id='spofs']//tr[@class='group']/th")

    layers = [head.text.strip() for head in heads]

    assert layers == ["Site", "Power", "Network", "Storage", "Application"]


def test_single_points_of_failure_are_marked_in_the_diagram(page: str) -> None:
    tree = parsed(page)
    wide, narrow = tree.xpath("//section[@id='infrastructure']//svg[@role='img']")

    for picture in (wide, narrow):
        marked = picture.xpath(".//g[rect[contains(@class, 'box-spof')]]")
        titles = {" ".join(group.xpath("./text[@class='name']/text()")) for group in marked}
        assert {"Feed A", "Hall A", "Core switch", "PostgreSQL"} <= titles
        assert len(marked) == 7
        assert all("SPOF" in group.xpath("./text/text()") for group in marked)


def test_what_is_uncertain_dominates_or_is_a_default_is_told(page: str) -> None:
    assert "34 of 43 inputs are defaults" in text_of(page, "inputs")
    assert "maker's data sheet" in text_of(page, "inputs")
    assert "feed-a" in text_of(page, "uncertainty")
    assert "waiting for a person" in text_of(page, "groups")


def test_quorum_capacity_fencing_timing_and_policy_show_their_rows(page: str) -> None:
    report = shop_report()

    assert text_of(page, "quorum").count("may act") == 4
    assert text_of(page, "quorum").count("must stop") == 3
    short = [row for row in report.capacity if not row.suffices]
    assert 0 < len(short) < len(report.capacity)
    assert text_of(page, "capacity").count("✗ too little") == len(short)
    for row in report.fencing:
        assert row.sentence in text_of(page, "fencing")
    assert text_of(page, "timing").count("? unknown") == len(report.timing)
    for result in report.policy:
        assert words.availability(result.low) in text_of(page, "policy")


def test_checklist_has_every_item_by_area(page: str) -> None:
    told = text_of(page, "checklist")

    for item in shop_report().checklist:
        assert f"{item.number}. {item.text}" in told
        assert item.area in told


def test_same_report_gives_the_same_page_under_another_hash_seed(page: str) -> None:
    program = (
        "import sys; from tests.page_world import *; from ninefold.design.page import report_page;"
        "sys.stdout.write(report_page(shop_report(), shop_model()))"
    )

    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout == page


def test_every_text_is_escaped() -> None:
    spoilt = report_page(hostile(shop_report()), hostile_model())
    titled = report_page(shop_report(), hostile_model())

    for page in (spoilt, titled):
        tree = parsed(page)
        assert not tree.xpath("//script | //img | //@*[starts-with(name(), 'on')]")
        # One style element, one title: none was closed by a text that pretends to close it.
        assert [len(tree.xpath(f"//head/{name}")) for name in ("style", "title")] == [1, 1]
        assert HOSTILE.split("<")[-1] in tree.text_content()
        assert "{{ 7*7 }}" in page
    assert parsed(spoilt).xpath("//h1")[0].text == "Web shop" + HOSTILE


def test_page_loads_nothing_from_anywhere(page: str) -> None:
    tree = parsed(page)

    assert "://" not in page
    assert not tree.xpath("//script | //img | //iframe | //object | //@src")
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    for target in tree.xpath("//@href"):
        assert target.startswith("#") or target == "data:,"


def test_page_is_well_formed_and_its_names_are_unique(page: str) -> None:
    """Every element is closed: as XML the body parses once HTML's void elements are closed."""
    body = page[page.index("<body>") : page.index("</html>")]
    etree.fromstring(body)
    tree = parsed(page)

    names = tree.xpath("//@id")
    assert len(names) == len(set(names))
    referred = {name.removeprefix("#") for name in tree.xpath("//@href") if name.startswith("#")}
    referred |= set(re.findall(r"url\(#([\w.-]+)\)", page))
    assert referred <= set(names)


def test_page_can_be_heard_and_not_only_seen(page: str) -> None:
    """Headings go down one level at a time; drawings are told in words; columns and rows have heads."""
    tree = parsed(page)

    levels = [int(element.tag[1]) for element in tree.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert tree.get("lang") == "en"
    for drawing in tree.xpath("//svg[not(@aria-hidden='true')]"):
        assert drawing.get("role") == "img"
        assert len(drawing.get("aria-label", "")) > 20
    for table in tree.iter("table"):
        assert table.findtext("caption")
        assert all(head.get("scope") for head in table.iter("th"))


def test_what_is_not_there_is_left_out_and_said() -> None:
    model, _ = load_text("parts: {a: {mtbf: 1 y, mttr: 1 h}}\nservices: {web: {needs: [a]}}")
    assert model is not None
    report = analyse(model, samples=0)

    page = report_page(report, model)

    names = parsed(page).xpath("//main/section/@id")
    assert "groups" not in names
    assert "policy" not in names
    assert "the simulation was not asked for" in text_of(page, "notes")
    assert "No objective is stated" in text_of(page, "services")


def test_an_empty_report_is_a_page_too() -> None:
    model = shop_model()
    empty = msgspec.structs.replace(
        analyse(model, samples=0), services=(), groups=(), predictions=(), checklist=(), inputs=()
    )

    page = report_page(empty, model)

    assert "no single failure takes a service down" in page


def test_a_large_infrastructure_is_drawn_with_its_alike_parts_as_one() -> None:
    nodes = "".join(f"  n{k}: {{kind: node, needs: [{{any: [sw-1, sw-2]}}]}}\n" for k in range(60))
    needs = ", ".join(f"n{k}" for k in range(60))
    model, _ = load_text(
        "parts:\n  sw-1: {kind: switch}\n  sw-2: {kind: switch}\n  lb: {kind: load-balancer}\n"
        + nodes
        + f"services: {{web: {{needs: [lb, {{any: [{needs}]}}]}}}}"
    )
    assert model is not None

    page = report_page(analyse(model, samples=0), model)

    told = text_of(page, "infrastructure")
    assert f"60 {words.TIMES} node" in told
    assert f"2 {words.TIMES} switch" in told
    assert "SPOF" in told


def test_a_tall_diagram_is_cut_for_paper_between_boxes_and_loses_nothing(page: str) -> None:
    tree = parsed(page)
    whole = tree.get_element_by_id("infrastructure-drawing").getparent()
    width, height = (float(whole.get(side)) for side in ("width", "height"))
    boxes = [
        (float(box.get("y")), float(box.get("y")) + float(box.get("height")))
        for box in whole.xpath(".//*[local-name()='rect'][starts-with(@class, 'box ')]")
    ]

    uses = tree.xpath("//*[@href='#infrastructure-drawing'][local-name()='use']")
    views = [[float(n) for n in use.getparent().get("viewbox").split()] for use in uses]

    assert len(views) > 1
    assert all((x, w) == (0, width) for x, _, w, _ in views)
    assert all(h <= SHEET_PX for *_, h in views)
    ends = [top + h for _, top, _, h in views]
    assert [0, *ends] == pytest.approx([*(top for _, top, _, _ in views), height])
    assert boxes
    assert not any(low < end < high for end in ends for low, high in boxes)


def test_kinds_that_need_each_other_in_a_circle_are_drawn_all_the_same() -> None:
    """Of three kinds each needs the next somewhere; no single part needs itself."""
    kinds = ("node", "vm", "hypervisor")
    parts = "".join(
        f"  {kind}{n}: {{kind: {kind}{f', needs: [{kinds[(k + 1) % 3]}{n + 20}]' if n < 20 else ''}}}\n"
        for k, kind in enumerate(kinds)
        for n in range(40)
    )
    needs = ", ".join(f"{{any: [{kind}0, {kind}1]}}" for kind in kinds)
    model, findings = load_text(f"parts:\n{parts}services: {{web: {{needs: [{needs}]}}}}")
    assert model is not None, findings

    page = report_page(analyse(model, samples=0), model)

    told = text_of(page, "infrastructure")
    assert all(f"40 {words.TIMES} {kind}" in told for kind in kinds)
