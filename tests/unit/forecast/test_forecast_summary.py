"""The words and the layout of the field's tools: scripts read them, so they are compared as they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.forecast import summary
from ninefold.scheduler import observe, observe_and_schedule, schedule_document
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from lxml import etree

DUMMY = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy">{}</primitive>'
GROUP = f'<group id="g">{DUMMY.format("ip", "")}{DUMMY.format("web", "")}</group>'


def meta(name: str, value: str) -> str:
    pair = f'<nvpair id="{name}-1" name="{name}" value="{value}"/>'
    return f'<meta_attributes id="{name}-m">{pair}</meta_attributes>'


def decided(root: etree._Element) -> list[str]:
    return summary.decision_lines(schedule_document(root, NOW))


def seen(root: etree._Element) -> list[str]:
    lines = summary.state_lines(observe(root, NOW))
    return lines[lines.index("  * Full List of Resources:") + 1 :]


def test_rows_have_room_for_two_more_than_the_longest_name_and_say_why() -> None:
    stopped = DUMMY.format("database", meta("target-role", "Stopped"))
    order = '<rsc_order id="o" first="database" then="web"/>'
    root = cluster(stopped + DUMMY.format("web", ""), order, {"database": "n1", "web": "n2"})

    assert decided(root) == [
        "  * Stop       database     (    n1 )  due to node availability",
        "  * Stop       web          (    n2 )  due to required database start",
    ]


def test_what_follows_a_changed_definition_is_restarted_because_of_that() -> None:
    root = cluster(GROUP, running={"ip": "n1", "web": "n1"})
    changed = root.find(".//primitive[@id='ip']")
    assert changed is not None
    changed.append(changed.makeelement("instance_attributes", id="x"))
    changed[-1].append(changed.makeelement("nvpair", id="y", name="colour", value="red"))

    assert decided(root) == [
        "  * Restart    ip      (    n1 )  due to resource definition change",
        "  * Restart    web     (    n1 )  due to required ip start",
    ]


def test_without_quorum_what_would_be_started_is_shown_as_blocked() -> None:
    root = cluster()
    root.set("have-quorum", "0")

    assert decided(root)[-1] == "  * Start      db      (    n1 )  due to no quorum (blocked)"


def test_nodes_that_cannot_be_reached_are_fenced_for_a_reason_in_quotes() -> None:
    root = cluster(running={"db": "n1"})
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == "n1")
    state.set("in_ccm", "false")
    state.set("crmd", "offline")

    assert decided(root)[0] == "  * Fence (reboot) n1 'peer is no longer part of the cluster'"


def test_instances_with_nothing_to_say_share_a_line_and_others_have_their_own() -> None:
    clone = f'<clone id="c">{DUMMY.format("web", "")}</clone>'
    root = cluster(clone, running={"web": "n1"})

    assert seen(root) == [
        "    * fence\t(stonith:fence_x):\t Started n3",
        "    * Clone Set: c [web]:",
        "      * Started: [ n1 ]",
        "      * Stopped: [ n2 n3 ]",
    ]

    child = root.find(".//primitive[@id='web']")
    assert child is not None
    child.append(child.makeelement("meta_attributes", id="u"))
    child[-1].append(child.makeelement("nvpair", id="v", name="is-managed", value="false"))

    assert seen(root)[1:3] == [
        "    * Clone Set: c [web]:",
        "      * web\t(ocf:heartbeat:Dummy):\t Started n1 (unmanaged)",
    ]


def test_what_is_not_let_run_is_counted_before_the_state_and_maintenance_is_said() -> None:
    stopped = DUMMY.format("db", meta("target-role", "Stopped"))
    option = '<nvpair id="o" name="maintenance-mode" value="true"/>'

    there, _ = observe_and_schedule(cluster(stopped, options=option), NOW)
    lines = summary.before_lines(there)

    assert lines[1].strip() == "*** Resource management is DISABLED ***"
    counted = "1 of 2 resource instances DISABLED and 0 BLOCKED from further action due to failure"
    assert lines[4:7] == [counted, "", "Current cluster status:"]
    assert "    * db\t(ocf:heartbeat:Dummy):\t Stopped (disabled, maintenance)" in lines


def test_time_that_is_not_the_present_is_told_where_the_field_tells_it() -> None:
    root = cluster()
    root.set("execution-date", "1503335574")

    recorded = summary.clock(root, None)
    told = summary.text(["Current cluster status:"], [], ["  * step"], [], recorded)

    assert recorded == ["Using the original execution date of: 2017-08-21 17:12:54Z"]
    assert summary.clock(root, "2005-020") == ["Setting effective cluster time: 2005-020"]
    assert told.startswith(f"{recorded[0]}\nCurrent cluster status:\n")
    assert f"  * step\n{recorded[0]}\n\nRevised Cluster Status:" in told
