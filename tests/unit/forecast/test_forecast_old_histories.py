"""Histories as nodes wrote them long ago: carried out, they come to rest as today's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.forecast.execute import execute, settle
from ninefold.scheduler import schedule_document
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from lxml import etree


def old_style(root: etree._Element) -> etree._Element:
    """Give the history of `db` ids without `_last_`, and another digest than today's."""
    for entry in root.iter("lrm_rsc_op"):
        if (entry.get("id") or "").startswith("db"):
            entry.set("id", f"db_{entry.get('operation')}_0")
            entry.set("op-digest", "33ee01f06f3006e21272d2594c0265ef")
    return root


def test_an_entry_under_an_old_id_gives_way_to_what_is_done_now() -> None:
    root = old_style(cluster(running={"db": "n1"}))

    done = execute(root, schedule_document(root, NOW), NOW)

    assert [s.action.task for s in done.steps if s.action.resource == "db"] == [
        "stop", "start", "monitor",
    ]  # fmt: skip
    assert settle(done.document, NOW).rounds == ()


def test_a_reload_is_kept_as_what_gave_the_resource_its_parameters() -> None:
    resources = (
        '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy"><instance_attributes id="i">'
        '<nvpair id="i1" name="p" value="2"/></instance_attributes></primitive>'
    )
    root = cluster(resources, running={"db": "n1"})
    entry = next(one for one in root.iter("lrm_rsc_op") if one.get("id") == "db_last_0" and (
        one.get("operation") == "start"))  # fmt: skip
    entry.set("op-digest", "33ee01f06f3006e21272d2594c0265ef")
    # What must not change without a restart has not: a digest of no parameters.
    entry.set("op-force-restart", " state ")
    entry.set("op-restart-digest", "f2317cad3d54cec5d7d7aa7d0bf35cf8")

    done = execute(root, schedule_document(root, NOW), NOW)

    assert [s.action.task for s in done.steps if s.action.resource == "db"] == ["reload-agent"]
    assert settle(done.document, NOW).rounds == ()
