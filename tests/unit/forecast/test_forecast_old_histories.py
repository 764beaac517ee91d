"""Histories as nodes wrote them long ago: carried out, they come to rest as today's do."""

from __future__ import annotations

from copy import deepcopy
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


def test_an_old_probe_of_another_instance_does_not_restart_the_one_that_runs() -> None:
    clone = (
        '<clone id="c"><primitive id="k" class="ocf" provider="heartbeat" type="Dummy"/></clone>'
    )
    root = cluster(clone, running={"k": "n1"})
    history = root.find(".//node_state[@uname='n1']//lrm_resource[@id='k']")
    assert history is not None
    history.set("id", "k:1")
    lrm = history.getparent()
    assert lrm is not None
    # Before that one was started here, another was asked for, with parameters that are not today's.
    old = deepcopy(history)
    old.set("id", "k:0")
    fields = {"operation": "monitor", "rc-code": "7", "transition-key": "1:1:7:x"}
    fields |= {"id": "k-0_monitor_0", "op-digest": "33ee01f06f3006e21272d2594c0265ef"}
    for name, value in fields.items():
        old[0].set(name, value)
    lrm.insert(0, old)

    tasks = [action.task for action in schedule_document(root, NOW).actions if action.node == "n1"]

    assert "stop" not in tasks
