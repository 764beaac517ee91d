"""The graph as the field's tools write it: what scripts read besides actions and their order."""

from __future__ import annotations

from lxml import etree

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import graph_xml
from ninefold.scheduler.scores import parse
from tests.forecast_world import NODES, NOW, cluster

DUMMY = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
CLONE = '<clone id="k">{}{}</clone>'
NOTIFY = '<meta_attributes id="k-m"><nvpair id="k-n" name="notify" value="true"/></meta_attributes>'


def option(name: str, value: str) -> str:
    return f'<nvpair id="o-{name}" name="{name}" value="{value}"/>'


def graph(root: etree._Element) -> etree._Element:
    return etree.fromstring(graph_xml(schedule_document(root, NOW), {n: n[1:] for n in NODES}))


def action(root: etree._Element, key: str) -> etree._Element:
    """Return what is to be done under `key`, the engine's own if there are two."""
    names = ("operation_key", "internal_operation_key")
    found = graph(root).iterfind("synapse/action_set/*")
    return next(a for a in found if key in {a.get(name) for name in names})


def said(root: etree._Element, key: str, name: str) -> str | None:
    body = action(root, key).find("attributes")
    assert body is not None
    return body.get(name)


def lose(root: etree._Element, node: str) -> None:
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == node)
    state.set("in_ccm", "false")
    state.set("crmd", "offline")


def test_header_says_what_the_options_say_as_they_were_written() -> None:
    options = option("cluster-delay", "180s") + option("stonith-timeout", "2min")
    root = cluster(options=options + option("start-failure-is-fatal", "false"))

    found = graph(root).attrib

    assert found["cluster-delay"] == "180s"
    assert found["fencing-timeout"] == "2min"
    assert (found["failed-stop-offset"], found["failed-start-offset"]) == ("INFINITY", "1")
    assert found["batch-limit"] == "0"


def test_who_is_fenced_or_leaves_is_down_and_nobody_waits_for_one_that_leaves() -> None:
    root = cluster(running={"db": "n1"})
    lose(root, "n1")
    state = next(s for s in root.iterfind("status/node_state") if s.get("uname") == "n2")
    state.append(
        etree.fromstring(
            '<transient_attributes id="2"><instance_attributes id="i">'
            f'<nvpair id="s" name="shutdown" value="{NOW - 5}"/></instance_attributes>'
            "</transient_attributes>"
        )
    )

    for key, number in (("stonith-n1-reboot", "1"), ("do_shutdown-n2", "2")):
        assert [n.get("id") for n in action(root, key).iterfind("downed/node")] == [number]
    assert said(root, "do_shutdown-n2", "CRM_meta_op_no_wait") == "true"


def test_instance_has_a_long_name_and_the_points_of_its_clone_know_the_clone() -> None:
    root = cluster(CLONE.format("", DUMMY.format("k1")))

    primitive = action(root, "k1:0_start_0").find("primitive")

    assert primitive is not None
    assert (primitive.get("id"), primitive.get("long-id")) == ("k1", "k1:0")
    assert said(root, "k_running_0", "CRM_meta_clone_max") == "3"
    assert said(root, "k_running_0", "CRM_meta_clone") is None


def test_notices_name_all_nodes_also_those_that_are_lost() -> None:
    root = cluster(CLONE.format(NOTIFY, DUMMY.format("k1")), running={"k1": "n1"})
    lose(root, "n3")

    names = said(root, "k1:0_pre_notify_start_0", "CRM_meta_notify_all_uname")

    assert names == "n1 n2 n3"
    assert said(root, "k1:0_pre_notify_start_0", "CRM_meta_notify_available_uname") == "n1 n2 n3"


def test_both_halves_of_a_migration_may_be_configured_as_one() -> None:
    movable = (
        '<primitive id="vm" class="ocf" provider="heartbeat" type="Dummy">'
        '<meta_attributes id="m"><nvpair id="m1" name="allow-migrate" value="true"/></meta_attributes>'
        '<operations><op id="o" name="migrate" interval="0" timeout="120s"/></operations></primitive>'
    )
    location = '<rsc_location id="l" rsc="vm" node="n2" score="INFINITY"/>'
    root = cluster(movable, location, {"vm": "n1"})

    for half in ("migrate_to", "migrate_from"):
        assert said(root, f"vm_{half}_0", "CRM_meta_timeout") == "120000"


def test_last_of_equally_good_sets_wins_and_a_better_one_wins_over_it() -> None:
    # As crm_simulate has it: what is said last overrides, unless something else has a higher score.
    def sets(*scores: str) -> str:
        return "".join(
            f'<meta_attributes id="d{place}" score="{score}">'
            f'<nvpair id="d{place}-t" name="timeout" value="{place + 1}s"/></meta_attributes>'
            for place, score in enumerate(scores)
        )

    for scores, expected in ((("0", "0"), "2000"), (("5", "0"), "1000"), (("0", "5", "5"), "3000")):
        root = cluster()
        configuration = root.find("configuration")
        assert configuration is not None
        configuration.append(etree.fromstring(f"<op_defaults>{sets(*scores)}</op_defaults>"))

        assert said(root, "db_start_0", "CRM_meta_timeout") == expected


def test_score_with_a_fraction_counts_without_it() -> None:
    assert [parse(text, 9) for text in ("3.0", "-2.7", "+1.", "3x", "1_0", ".5")] == [
        3,
        -2,
        1,
        9,
        9,
        9,
    ]


def test_what_leaves_alive_is_noted_as_under_way_whatever_the_defaults_say() -> None:
    movable = DUMMY.format("vm").replace(
        "/>",
        '><meta_attributes id="m"><nvpair id="m1" name="allow-migrate" value="true"/>'
        "</meta_attributes></primitive>",
    )
    root = cluster(
        movable, '<rsc_location id="l" rsc="vm" node="n2" score="INFINITY"/>', {"vm": "n1"}
    )
    configuration = root.find("configuration")
    assert configuration is not None
    configuration.append(
        etree.fromstring(
            '<op_defaults><meta_attributes id="d">'
            '<nvpair id="d1" name="record-pending" value="false"/></meta_attributes></op_defaults>'
        )
    )

    assert said(root, "vm_migrate_to_0", "CRM_meta_record_pending") == "true"
    assert said(root, "vm_migrate_from_0", "CRM_meta_record_pending") == "false"


def test_probe_waits_as_long_as_its_own_monitor_is_said_to_and_no_longer_by_the_defaults() -> None:
    for own, expected in (("", "7000"), (' timeout="9s"', "9000")):
        monitored = DUMMY.format("db").replace(
            "/>",
            f'><operations><op id="o" name="monitor" interval="10s"{own}/></operations></primitive>',
        )
        root = cluster(monitored)
        for history in root.findall(".//lrm_resource[@id='db']"):
            history.getparent().remove(history)  # type: ignore[union-attr]
        configuration = root.find("configuration")
        assert configuration is not None
        rules = (("", "7s"), (' interval="10s"', "8s"))
        configuration.append(
            etree.fromstring(
                "<op_defaults>"
                + "".join(
                    f'<meta_attributes id="d{said}"><rule id="r{said}">'
                    f'<op_expression id="e{said}" name="monitor"{which}/></rule>'
                    f'<nvpair id="n{said}" name="timeout" value="{said}"/></meta_attributes>'
                    for which, said in rules
                )
                + "</op_defaults>"
            )
        )

        assert said(root, "db_monitor_0", "CRM_meta_timeout") == expected


def test_actions_of_a_clone_are_listed_before_its_own_and_the_newest_first() -> None:
    root = cluster(CLONE.format("", DUMMY.format("k1")))

    keys = [a.get("operation_key") for a in graph(root).iterfind("synapse/action_set/*")]
    numbers = [s.get("id") for s in graph(root).iterfind("synapse")]

    assert keys[:3] == ["k1_start_0", "k1:1_start_0", "k1:2_start_0"]
    assert keys[3:] == ["k_running_0", "k_start_0"]
    assert numbers == ["0", "1", "2", "3", "4"]


def test_what_a_date_decides_is_looked_at_again_when_the_date_turns() -> None:
    # What holds from a time on, until a time or at certain hours; the one that turns first counts.
    def turns(operation: str, inner: str = "") -> int:
        rule = f'<rule id="r" score="INFINITY"><date_expression id="e" operation="{operation}"'
        location = f'<rsc_location id="l" rsc="db">{rule} {inner}</rule></rsc_location>'
        return schedule_document(cluster(constraints=location), NOW).recheck_at

    day = NOW - NOW % 86_400
    start, end = "2027-01-15T09:00:00", "2027-01-15T10:00:00"
    nine = 1_800_003_600

    assert turns("gt", f'start="{start}"/>') == nine + 1
    assert turns("lt", f'end="{start}"/>') == nine
    assert turns("in_range", f'start="{start}" end="{end}"/>') == nine
    assert turns("in_range", f'end="{end}"/>') == nine + 3601
    assert turns("lt", 'end="2020-01-01"/>') == 0
    assert turns("date_spec", '><date_spec id="s" weekdays="6"/></date_expression>') == day + 86_400
    assert turns("date_spec", '><date_spec id="s" hours="9-16"/></date_expression>') == nine
