"""What does not come to run is not watched."""

from __future__ import annotations

from ninefold.scheduler import schedule_document
from tests.forecast_world import NOW, cluster


def watched(name: str) -> str:
    return (
        f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy"><operations>'
        f'<op id="{name}-mon" name="monitor" interval="10s"/></operations></primitive>'
    )


def clone(name: str, role: str = "Started") -> str:
    return (
        f'<clone id="{name}-clone"><meta_attributes id="{name}-meta">'
        f'<nvpair id="{name}-role" name="target-role" value="{role}"/></meta_attributes>'
        f'<group id="{name}">{watched(name + "1")}{watched(name + "2")}</group></clone>'
    )


def test_instances_behind_a_clone_that_is_off_are_neither_started_nor_watched() -> None:
    # The second waits for the first, and so on; with a monitor on what is stopped each of them would be
    # stopped again and again.
    orders = "".join(
        f'<rsc_order id="{one}-{other}" first="{one}-clone" then="{other}-clone"/>'
        for one, other in (("a", "b"), ("b", "c"), ("c", "d"))
    )
    root = cluster(clone("a", "Stopped") + clone("b") + clone("c") + clone("d"), orders)

    transition = schedule_document(root, NOW)

    done = [(a.task, a.resource) for a in transition.actions if a.task in ("start", "monitor")]
    assert [entry for entry in done if entry[1] != "fence"] == []
