"""Fencing coverage and shared fate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.design.fence_check import fence_rows
from ninefold.design.model import AtLeast, Estimate, FencePath, Group, Infrastructure, Part, Use

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.design.results import FenceRow


def path(device: str, *targets: str, level: int = 1, success: float = 0.99) -> FencePath:
    return FencePath(device, targets, level=level, success=Estimate(success))


def rows(group: Group, *parts: Part) -> dict[str, FenceRow]:
    model = Infrastructure("m", {part.name: part for part in parts}, {group.name: group})
    return {row.node: row for row in fence_rows(model, group)}


N1 = Part("n1", "node", "compute", needs=Use("feed-a"))
N2 = Part("n2", "node", "compute", needs=Use("feed-b"))
FEEDS = (Part("feed-a", "power-feed", "power"), Part("feed-b", "power-feed", "power"))


def test_two_levels_cover_what_one_misses() -> None:
    group = Group(
        "g",
        ("n1", "n2"),
        fencing=(path("ipmi", "n1"), path("pdu", "n1", "n2", level=2, success=0.95)),
    )
    parts = (
        N1,
        N2,
        *FEEDS,
        Part("ipmi", "fence-device", "power"),
        Part("pdu", "fence-device", "power"),
    )

    found = rows(group, *parts)

    assert found["n1"].coverage == pytest.approx(1 - 0.01 * 0.05)
    assert found["n2"].coverage == pytest.approx(0.95)
    assert "One path only (pdu)" in found["n2"].sentence


def test_both_outlets_of_one_level_must_work() -> None:
    group = Group(
        "g",
        ("n1", "n2"),
        fencing=(path("pdu-a", "n1", success=0.9), path("pdu-b", "n1", success=0.8)),
    )

    assert rows(group, N1, N2, *FEEDS)["n1"].coverage == pytest.approx(0.72)


def test_a_device_fed_by_its_target_s_feed_shares_its_fate() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("ipmi", "n1"),))
    device = Part("ipmi", "fence-device", "power", needs=Use("feed-a"))

    row = rows(group, N1, N2, *FEEDS, device)["n1"]

    assert row.shared == ("feed-a",)
    assert "feed-a alone takes down n1 and every device" in row.sentence


def test_a_second_feed_keeps_the_device_alive() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("ipmi", "n1"),))
    both = AtLeast(1, (Use("feed-a"), Use("feed-b")))
    row = rows(group, N1, N2, *FEEDS, Part("ipmi", "fence-device", "power", needs=both))["n1"]

    assert row.shared == ("feed-a",)
    assert "still stands" in row.sentence
    assert "every device" not in row.sentence


def test_a_bmc_inside_its_target_hangs_on_it() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("bmc", "n1"),))
    row = rows(group, N1, N2, *FEEDS, Part("bmc", "fence-device", "power", inside=("n1",)))["n1"]

    assert row.shared[0] == "n1"
    assert "hangs on n1 itself" in row.sentence


def test_what_takes_the_whole_group_is_no_shared_fate() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("ipmi", "n1"),))
    site = Part("site", "site", "site")
    parts = [Part(n, "node", "compute", inside=("site",)) for n in ("n1", "n2")]

    row = rows(group, site, *parts, Part("ipmi", "fence-device", "power", inside=("site",)))["n1"]

    assert row.shared == ()


def test_a_hypervisor_under_device_and_target_is_found() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("virsh", "n1", "n2"),))
    parts = (
        Part("h1", "hypervisor", "compute"),
        Part("n1", "node", "compute", inside=("h1",)),
        N2, *FEEDS,
        Part("virsh", "fence-device", "power", needs=Use("h1")),
    )  # fmt: skip

    assert "h1 alone" in rows(group, *parts)["n1"].sentence


def test_disabled_fencing_covers_nothing() -> None:
    group = Group("g", ("n1", "n2"), fencing=(path("ipmi", "n1", "n2"),), fencing_enabled=False)

    row = rows(group, N1, N2, *FEEDS)["n1"]

    assert row.coverage == 0
    assert row.sentence.startswith("Fencing is disabled")


def test_a_node_without_a_device_is_told() -> None:
    assert "No device can silence it" in rows(Group("g", ("n1",)), N1, *FEEDS)["n1"].sentence


@pytest.mark.parametrize("banned", [True, False])
def test_a_device_that_may_run_on_its_target_is_told(tmp_path: Path, banned: bool) -> None:
    ban = '<rsc_location id="l" rsc="ipmi" node="n1" score="-INFINITY"/>' if banned else ""
    cib = tmp_path / "cib.xml"
    cib.write_text(f"""<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes/>
      <resources><primitive id="ipmi" class="stonith" type="fence_ipmilan"/></resources>
      <constraints>{ban}</constraints></configuration><status/></cib>""")
    group = Group("g", ("n1", "n2"), fencing=(path("ipmi", "n1"),), cib=str(cib))

    row = rows(group, N1, N2, *FEEDS, Part("ipmi", "fence-device", "power"))["n1"]

    assert ("its own target" in row.sentence) is not banned
