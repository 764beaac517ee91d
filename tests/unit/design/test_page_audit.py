"""An audit as a page: single points of failure, findings, doubts and facts, all escaped."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree, html

from ninefold.design.audit.facts import Audit, HostFacts, Listener
from ninefold.design.page import audit_page
from tests.page_world import DB1, HOSTILE, NOON, hostile, shop_audit


def parsed(page: str) -> Any:
    return html.document_fromstring(page)


def text_of(page: str, section: str) -> str:
    (found,) = parsed(page).xpath(f"//section[@id='{section}']")
    return re.sub(r"\s+", " ", found.text_content())


def test_what_was_found_stands_where_it_belongs() -> None:
    page = audit_page(shop_audit())

    assert "bond0" in text_of(page, "spofs")
    assert "Mend it." in text_of(page, "spofs")
    assert "md0" not in text_of(page, "spofs")
    assert text_of(page, "findings").index("✗ error") < text_of(page, "findings").index("note")
    assert "feeds" in text_of(page, "questions")
    assert "feeds" not in text_of(page, "findings")
    assert "permission denied" in text_of(page, "unread")


def test_every_fact_of_a_host_is_shown() -> None:
    told = text_of(audit_page(shop_audit()), "host-1")

    for fact in (
        "Seen at 2025-11-14 12:00 UTC as root",
        "Acme R1",
        "none: bare metal",
        "✗ lost",
        "softdog",
        "✗ no carrier",
        "10,000 Mbit/s",
        "802.3ad",
        "up: eth1",
        "192.0.2.1",
        "192.0.2.53",
        "✓ synchronised",
        "1,024 GiB",
        "1 of 2",
        "clean, degraded",
        "mpatha",
        "vg0",
        "UpToDate",
        "nfs4, network",
        "nginx.service",
        "443",
        "2.1.5",
        "✗ not read",
        "1.04 d",
        "still up",
        "killed process mysqld",
    ):
        assert fact in told, fact


def test_figures_count_single_points_mistakes_doubts_and_what_was_not_read() -> None:
    figures = parsed(audit_page(shop_audit())).xpath("//header//dd/text()")

    assert figures == ["1", "1", "0", "1", "1"]


def test_an_audit_of_nothing_is_a_page_too() -> None:
    page = audit_page(Audit((), ()))

    assert "No host was looked at" in page
    assert "None was found" in page


def test_a_host_of_which_nothing_was_read_says_so() -> None:
    page = audit_page(Audit((HostFacts("bare", NOON, as_root=False),), ()))

    assert "without root's rights" in text_of(page, "host-1")
    assert "Nothing was read." in text_of(page, "host-1")


def test_long_lists_are_cut_and_say_so() -> None:
    many = HostFacts(
        "web", NOON, as_root=True, listeners=tuple(Listener("tcp", "::", p) for p in range(1, 300))
    )

    told = text_of(audit_page(Audit((many,), ())), "host-1")

    assert "the first 60 of 299" in told


def test_every_text_of_an_audit_is_escaped_and_nothing_is_loaded() -> None:
    page = audit_page(hostile(shop_audit()))

    tree = parsed(page)
    assert not tree.xpath("//script | //img | //@src | //@*[starts-with(name(), 'on')]")
    assert "db1" + HOSTILE in tree.xpath("//h1")[0].text
    assert "://" not in page
    etree.fromstring(page[page.index("<body>") : page.index("</html>")])


def test_several_hosts_are_told_apart() -> None:
    other = HostFacts("db2", NOON + 3600, as_root=True)

    page = audit_page(Audit((DB1, other), shop_audit().judgements))

    assert "on db1" in text_of(page, "spofs")
    assert "Host db2" in text_of(page, "host-2")
    assert "Seen between 2025-11-14 12:00 UTC and 2025-11-14 13:00 UTC" in page
