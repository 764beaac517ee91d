"""The chain of starts that a takeover waits for."""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.design.start_chain import longest_chain


def chain(
    resources: str, constraints: str = "", weights: dict[str, float] | None = None
) -> list[str]:
    text = f"<configuration><resources>{resources}</resources><constraints>{constraints}</constraints></configuration>"
    found = longest_chain(
        etree.fromstring(text), lambda one: (weights or {}).get(str(one.get("id")), 1.0)
    )
    return [str(one.get("id")) for one in found]


def primitives(*names: str, kind: str = "ocf") -> str:
    return "".join(f'<primitive id="{name}" class="{kind}"/>' for name in names)


def test_members_of_a_group_start_one_after_the_other() -> None:
    assert chain(f'<group id="g">{primitives("fs", "db", "ip")}</group>{primitives("web")}') == [
        "fs",
        "db",
        "ip",
    ]


def test_what_nothing_joins_starts_at_once_and_the_slowest_counts() -> None:
    assert chain(primitives("a", "b", "c"), weights={"b": 9.0}) == ["b"]


def test_fence_devices_are_not_waited_for() -> None:
    assert chain(primitives("bmc", kind="stonith")) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ('<rsc_order id="o" first="fs" then="db"/>', ["fs", "db"]),
        ('<rsc_order id="o" first="db" then="fs" kind="Optional"/>', ["db", "fs"]),
        ('<rsc_order id="o" first="fs" first-action="promote" then="db" then-action="start"/>', ["fs", "db"]),
        # What says nothing of an order of starts adds nothing.
        ('<rsc_order id="o" first="fs" then="db" kind="Serialize"/>', ["fs"]),
        ('<rsc_order id="o" first="fs" first-action="stop" then="db"/>', ["fs"]),
        ('<rsc_order id="o" first="fs" then="nobody"/>', ["fs"]),
    ],
)  # fmt: skip
def test_an_order_of_starts_makes_a_chain(order: str, expected: list[str]) -> None:
    assert chain(primitives("fs", "db"), order) == expected


def test_groups_and_sets_are_joined_end_to_beginning() -> None:
    resources = f'<group id="g">{primitives("fs", "db")}</group>{primitives("a", "b", "c")}'
    sets = (
        '<rsc_order id="o"><resource_set id="s1" sequential="false"><resource_ref id="a"/><resource_ref id="b"/>'
        '</resource_set><resource_set id="s2"><resource_ref id="g"/><resource_ref id="c"/></resource_set></rsc_order>'
    )

    assert chain(resources, sets, {"b": 2.0}) == ["b", "fs", "db", "c"]


def test_a_circle_of_orders_leaves_the_groups() -> None:
    resources = f'<group id="g">{primitives("fs", "db")}</group>{primitives("a")}'
    circle = '<rsc_order id="1" first="a" then="g"/><rsc_order id="2" first="g" then="a"/>'

    assert chain(resources, circle) == ["fs", "db"]
