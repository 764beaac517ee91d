from __future__ import annotations

import msgspec
import pytest

from ninefold.cib.apply import Refused, apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    ClearMoves,
    ForgetHistory,
    ForgetOperation,
    MoveResource,
    NodeFenced,
    Operation,
    RecordOperation,
    ReplaceConfiguration,
    ReplaceHistory,
    SetMetaAttribute,
    SetNodeAttribute,
    SetNodeState,
    SetProperty,
    SetTransientAttribute,
    Version,
)

CAUSE = Cause("alice", "test", 1_523_255_321, 1)

CONFIGURATION = """<configuration>
  <crm_config/>
  <nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>
  <resources>
    <clone id="c"><primitive id="q" class="ocf" provider="pacemaker" type="Dummy"/></clone>
    <group id="g">
      <primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><operations/></primitive>
    </group>
  </resources>
  <constraints/>
</configuration>"""

START = Operation(
    resource="p",
    agent_class="ocf",
    provider="heartbeat",
    agent_type="Dummy",
    task="start",
    interval_ms=0,
    call_id=5,
    rc=0,
    expected_rc=0,
    op_status=0,
    transition="4:0f0e",
    action_id=7,
    last_run=100,
    last_rc_change=100,
    exec_ms=12,
    queue_ms=1,
    op_digest="d1",
)
STOP = msgspec.structs.replace(START, task="stop", call_id=9)
MONITOR = msgspec.structs.replace(START, task="monitor", interval_ms=10_000, call_id=6)
FAILED_MONITOR = msgspec.structs.replace(MONITOR, call_id=7, rc=7, last_rc_change=130)


def after(cib: Cib, *changes: Change) -> Cib:
    for change in changes:
        result = apply(cib, change, CAUSE)
        assert isinstance(result, Cib), result
        cib = result
    return cib


def start() -> Cib:
    return after(Cib.empty(), ReplaceConfiguration(CONFIGURATION))


def refusal(cib: Cib, change: Change) -> list[str]:
    result = apply(cib, change, CAUSE)
    assert isinstance(result, Refused)
    assert all(finding.sentence and finding.remedy for finding in result.findings)
    return [finding.code for finding in result.findings]


def entries(cib: Cib, node: int = 1) -> list[str]:
    state = cib.node_state_element(node)
    assert state is not None
    return [op.get("id", "") for op in state.iter("lrm_rsc_op")]


def constraints(cib: Cib) -> list[tuple[str | None, ...]]:
    found = cib.configuration.iterfind("constraints/rsc_location")
    names = ("id", "rsc", "node", "score")
    return [tuple(element.get(name) for name in names) for element in found]


def test_a_configuration_change_bumps_the_epoch_and_says_who_and_when() -> None:
    before = after(start(), SetNodeState(1, "a", crmd="online"))
    assert before.version == Version(0, 1, 1)

    cib = after(before, SetProperty("x", "1"))

    assert cib.version == Version(0, 2, 0)
    assert cib.attributes["cib-last-written"] == "Mon Apr  9 06:28:41 2018"
    assert cib.attributes["update-user"] == "alice"
    assert cib.attributes["update-origin"] == "a"


def test_a_status_change_bumps_num_updates_and_shares_all_other_parts() -> None:
    before = after(start(), SetNodeState(1, "a", in_ccm=True), SetNodeState(2, "b", in_ccm=True))

    cib = after(before, SetNodeState(2, "b", in_ccm=False))

    assert cib.version == Version(0, 1, 3)
    assert cib.configuration_part is before.configuration_part
    assert cib.status_parts[0] is before.status_parts[0]
    assert cib.attributes["update-user"] == before.attributes["update-user"]


EFFECTLESS: list[tuple[tuple[Change, ...], Change]] = [
    ((SetProperty("x", "1"),), SetProperty("x", "1")),
    ((), SetProperty("x", None)),
    ((), SetNodeAttribute("a", "standby", None)),
    ((), SetMetaAttribute("p", "target-role", None)),
    ((), ClearMoves("p")),
    ((MoveResource("p", node="a"),), MoveResource("p", node="a")),
    ((), AddNodes(((1, "a"), (2, "b")))),
    ((), ReplaceConfiguration(CONFIGURATION)),
    ((SetNodeState(1, "a", join="member"),), SetNodeState(1, "a", join="member")),
    ((RecordOperation(1, START),), RecordOperation(1, START)),
    ((RecordOperation(1, START),), ForgetOperation(1, "p", "monitor", 10_000)),
    ((), ForgetHistory()),
    ((ReplaceHistory(1, "a", (START,)),), ReplaceHistory(1, "a", (START,))),
    ((NodeFenced(1, "a", "x", 1),), NodeFenced(1, "a", "y", 2)),
    ((SetTransientAttribute(1, "x", "1"),), SetTransientAttribute(1, "x", "1")),
]


@pytest.mark.parametrize(("first", "change"), EFFECTLESS)
def test_a_change_without_effect_returns_the_same_object(
    first: tuple[Change, ...], change: Change
) -> None:
    before = after(start(), *first)

    assert apply(before, change, CAUSE) is before


@pytest.mark.parametrize("change", [ClearMoves("mistyped"), ForgetHistory("mistyped")])
def test_what_is_asked_about_no_resource_is_refused(change: Change) -> None:
    assert refusal(start(), change) == ["unknown-resource"]


def test_what_a_removed_resource_left_can_still_be_forgotten() -> None:
    ran = msgspec.structs.replace(START, resource="gone")
    moved = after(start(), MoveResource("p", node="a"), RecordOperation(1, ran))
    text = moved.to_xml().replace(b'rsc="p"', b'rsc="gone"').replace(b"prefer-p", b"prefer-gone")
    cib, _ = Cib.parse(text)
    assert cib is not None
    assert len(constraints(cib)) == 1

    assert entries(after(cib, ForgetHistory("gone"))) == []
    assert constraints(after(cib, ClearMoves("gone"))) == []


def test_a_property_is_set_changed_and_removed() -> None:
    cib = after(start(), SetProperty("stonith-enabled", "false"))
    pair = cib.configuration.find("crm_config/cluster_property_set/nvpair")

    assert pair is not None
    assert pair.get("id") == "cib-bootstrap-options-stonith-enabled"
    assert after(cib, SetProperty("stonith-enabled", "true")).property("stonith-enabled") == "true"
    assert after(cib, SetProperty("stonith-enabled", None)).property("stonith-enabled") == ""


def test_a_node_attribute_stands_where_crm_attribute_puts_it() -> None:
    cib = after(start(), SetNodeAttribute("b", "standby", "on"))

    pair = cib.configuration.find("nodes/node[@id='2']/instance_attributes[@id='nodes-2']/nvpair")
    assert pair is not None
    assert dict(pair.items()) == {"id": "nodes-2-standby", "name": "standby", "value": "on"}


@pytest.mark.parametrize("resource", ["p", "g", "c", "q"])
def test_a_meta_attribute_goes_before_members_and_operations(resource: str) -> None:
    cib = after(start(), SetMetaAttribute(resource, "target-role", "Stopped"))

    element = cib.resource(resource)
    assert element is not None
    assert element[0].get("id") == f"{resource}-meta_attributes"
    assert element[0][0].get("id") == f"{resource}-meta_attributes-target-role"


def test_a_pair_is_not_set_inside_a_set_that_has_a_rule() -> None:
    ruled = """<meta_attributes id="p-meta_attributes"><rule id="r" score="1">
      <expression id="e" attribute="x" operation="defined"/></rule>
      <nvpair id="n" name="target-role" value="Started"/></meta_attributes><operations/>"""
    text = CONFIGURATION.replace("<operations/>", ruled)
    before = after(Cib.empty(), ReplaceConfiguration(text))

    cib = after(before, SetMetaAttribute("p", "target-role", "Stopped"))

    element = cib.primitive("p")
    assert element is not None
    sets = [(s.get("id"), s.xpath("string(nvpair/@value)")) for s in list(element)[:2]]
    assert sets == [("p-meta_attributes", "Started"), ("p-meta_attributes-1", "Stopped")]


def test_a_move_prefers_a_ban_forbids_and_clear_removes_both() -> None:
    cib = after(start(), MoveResource("g", node="a"), MoveResource("g", ban="b"))

    assert constraints(cib) == [
        ("cli-prefer-g", "g", "a", "INFINITY"),
        ("cli-ban-g-on-b", "g", "b", "-INFINITY"),
    ]
    assert constraints(after(cib, ClearMoves("g"))) == []
    assert constraints(after(cib, ClearMoves("p"))) == constraints(cib)


def test_a_second_move_replaces_the_first_and_lifts_a_ban_in_its_way() -> None:
    cib = after(start(), MoveResource("g", ban="b"), MoveResource("g", node="a"))

    assert constraints(after(cib, MoveResource("g", node="b"))) == [
        ("cli-prefer-g", "g", "b", "INFINITY")
    ]
    assert constraints(after(cib, MoveResource("g", ban="a"))) == [
        ("cli-ban-g-on-b", "g", "b", "-INFINITY"),
        ("cli-ban-g-on-a", "g", "a", "-INFINITY"),
    ]


def test_new_nodes_are_added_and_known_ones_take_id_and_name_of_corosync_conf() -> None:
    cib = after(start(), AddNodes(((1, "other"), (3, "c"), (7, "b"))))

    assert cib.node_names() == {1: "other", 7: "b", 3: "c"}


def test_nodes_that_have_changed_their_numbers_keep_what_is_said_of_them_by_name() -> None:
    # corosync.conf numbers the same two nodes the other way round.
    cib = after(start(), SetNodeAttribute("a", "standby", "on"), AddNodes(((1, "b"),)))

    assert cib.node_names() == {2: "a", 1: "b"}
    element = cib.configuration.find("nodes/node[@uname='a']")
    assert element is not None
    assert element.find("instance_attributes/nvpair") is not None


REFUSED: list[tuple[Change, list[str]]] = [
    (SetNodeAttribute("z", "x", "1"), ["unknown-node"]),
    (SetMetaAttribute("z", "x", "1"), ["unknown-resource"]),
    (MoveResource("z", node="a"), ["unknown-resource"]),
    (MoveResource("p", node="z"), ["unknown-node"]),
    (MoveResource("p"), ["move-nowhere"]),
    (MoveResource("p", node="a", ban="a"), ["move-contradiction"]),
    (RecordOperation(9, START), ["unknown-node"]),
    (SetTransientAttribute(9, "x", "1"), ["unknown-node"]),
    (SetProperty("x", "\x00"), ["bad-value"]),
    (SetProperty("x" * 70_000, "\ud800"), ["bad-value", "bad-value"]),
    (SetNodeState(-1, "a", shutdown=-1), ["bad-value", "bad-value"]),
    (ReplaceHistory(1, "a", (msgspec.structs.replace(START, interval_ms=-1),)), ["bad-value"]),
    (ReplaceConfiguration("<cib"), ["cib-syntax"]),
    (ReplaceConfiguration("<x/>"), ["cib-root"]),
    (ReplaceConfiguration("<cib/>"), ["cib-shape"]),
    (ReplaceConfiguration("<cib epoch='x'><configuration/></cib>"), ["cib-version"]),
    (ReplaceConfiguration(CONFIGURATION, Version(0, 0, 9)), ["stale-base"]),
]


@pytest.mark.parametrize(("change", "codes"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_done_is_refused_with_findings(change: Change, codes: list[str]) -> None:
    assert refusal(start(), change) == codes


def test_a_stale_base_names_the_current_version_and_who_made_it() -> None:
    result = apply(start(), ReplaceConfiguration(CONFIGURATION, Version(0, 0, 0)), CAUSE)

    assert isinstance(result, Refused)
    assert "0.1.0 is current: changed by alice on a" in result.findings[0].sentence


def test_status_updates_do_not_make_an_operators_base_stale() -> None:
    base = start().version
    cib = after(start(), SetNodeState(1, "a", in_ccm=True))

    changed = after(cib, ReplaceConfiguration(CONFIGURATION.replace('"q"', '"r"'), base))

    assert changed.version == Version(0, 2, 0)
    assert changed.status_parts == cib.status_parts


def test_a_replacement_grows_past_both_versions_and_keeps_the_status() -> None:
    cib = after(start(), SetNodeState(1, "a", in_ccm=True))
    text = (
        f'<cib admin_epoch="2" epoch="40">{CONFIGURATION.replace("heartbeat", "x")}<status/></cib>'
    )

    changed = after(cib, ReplaceConfiguration(text))

    assert changed.version == Version(2, 41, 0)
    assert changed.node_state(1) is not None


def test_a_bad_replacement_is_refused_with_all_findings_at_once() -> None:
    text = CONFIGURATION.replace(' provider="heartbeat"', "").replace('id="q"', 'id="p"')

    assert sorted(refusal(start(), ReplaceConfiguration(text))) == [
        "duplicate-id",
        "missing-provider",
    ]


def test_versions_at_their_end_are_refused_and_do_not_overflow() -> None:
    end = 2**31 - 2
    text = f'<cib epoch="{end}" num_updates="{end}">{CONFIGURATION}</cib>'
    cib, _ = Cib.parse(text)
    assert cib is not None

    assert refusal(cib, SetProperty("x", "1")) == ["epoch-exhausted"]
    assert refusal(cib, SetNodeState(1, "a", crmd="online")) == ["num-updates-exhausted"]


def test_an_operation_is_written_as_pacemaker_writes_it() -> None:
    cib = after(start(), RecordOperation(1, START))

    state = cib.node_state_element(1)
    assert state is not None
    op = state.find("lrm[@id='1']/lrm_resources/lrm_resource[@id='p'][@class='ocf']/lrm_rsc_op")
    assert op is not None
    assert dict(op.items()) == {
        "id": "p_last_0",
        "operation_key": "p_start_0",
        "operation": "start",
        "transition-key": "7:4:0:0f0e",
        "transition-magic": "0:0;7:4:0:0f0e",
        "exit-reason": "",
        "on_node": "a",
        "call-id": "5",
        "rc-code": "0",
        "op-status": "0",
        "interval": "0",
        "last-rc-change": "100",
        "exec-time": "12",
        "queue-time": "1",
        "op-digest": "d1",
    }
    assert cib.operations(1) == (START,)


def test_the_last_operation_replaces_the_one_before_and_recurring_ones_have_their_own() -> None:
    probe = msgspec.structs.replace(MONITOR, interval_ms=0, call_id=2, rc=7, expected_rc=7)
    cib = after(start(), *(RecordOperation(1, op) for op in (probe, START, MONITOR)))

    assert entries(cib) == ["p_last_0", "p_monitor_10000"]
    assert cib.operations(1) == (START, MONITOR)


@pytest.mark.parametrize(("rc", "failed"), [(0, False), (7, False), (8, False), (1, True)])
def test_a_probe_that_finds_a_resource_running_has_not_failed(rc: int, failed: bool) -> None:
    probe = msgspec.structs.replace(MONITOR, interval_ms=0, call_id=2, rc=rc, expected_rc=7)

    cib = after(start(), RecordOperation(1, probe))

    assert [f.operation.rc for f in cib.failures()] == ([rc] if failed else [])


def test_an_older_result_does_not_replace_a_newer_one() -> None:
    cib = after(start(), RecordOperation(1, START), RecordOperation(1, STOP))

    assert after(cib, RecordOperation(1, START)) is cib


def test_stopping_ends_recurring_operations_and_keeps_the_last_failure() -> None:
    cib = after(start(), *(RecordOperation(1, op) for op in (START, MONITOR, FAILED_MONITOR, STOP)))

    assert entries(cib) == ["p_last_0", "p_last_failure_0"]
    assert cib.operations(1)[0].task == "stop"


def test_a_pending_stop_keeps_the_monitor_until_it_is_done() -> None:
    pending = msgspec.structs.replace(STOP, call_id=-1, rc=193, op_status=-1)
    cib = after(start(), *(RecordOperation(1, op) for op in (START, MONITOR, pending)))

    assert entries(cib) == ["p_last_0", "p_monitor_10000"]
    assert entries(after(cib, RecordOperation(1, STOP))) == ["p_last_0"]


def test_a_failed_monitor_leaves_the_good_one_and_a_last_failure() -> None:
    cib = after(start(), *(RecordOperation(1, op) for op in (START, MONITOR, FAILED_MONITOR)))

    assert entries(cib) == ["p_last_0", "p_monitor_10000", "p_last_failure_0"]
    assert [f.operation for f in cib.failures()] == [
        msgspec.structs.replace(FAILED_MONITOR, last_run=130)
    ]


def test_a_monitor_that_failed_at_its_first_run_does_not_stay_pending() -> None:
    pending = msgspec.structs.replace(MONITOR, call_id=-1, rc=193, op_status=-1)
    cib = after(start(), *(RecordOperation(1, op) for op in (START, pending, FAILED_MONITOR)))

    assert entries(cib) == ["p_last_0", "p_last_failure_0"]


def test_a_failed_start_is_both_the_last_operation_and_the_last_failure() -> None:
    failed = msgspec.structs.replace(START, rc=1)

    assert entries(after(start(), RecordOperation(1, failed))) == ["p_last_failure_0", "p_last_0"]


def test_migrations_keep_entries_of_their_own() -> None:
    away = msgspec.structs.replace(START, task="migrate_to", call_id=8)

    cib = after(start(), *(RecordOperation(1, op) for op in (START, away, STOP)))

    assert entries(cib) == ["p_last_0", "p_migrate_to_0"]


def test_failures_count_up_by_one_and_fatal_ones_to_infinity() -> None:
    later = msgspec.structs.replace(FAILED_MONITOR, call_id=8, last_run=150)
    once = after(start(), RecordOperation(1, FAILED_MONITOR, counts=True))
    twice = after(once, RecordOperation(1, later, counts=True))
    fatal = after(twice, RecordOperation(1, later, counts=True, fatal=True))

    counts = [
        [(f.count, f.last_failure) for f in cib.fail_counts()] for cib in (once, twice, fatal)
    ]
    assert counts == [[(1, 130)], [(2, 150)], [(1_000_000, 150)]]
    state = fatal.node_state(1)
    assert state is not None
    assert state.attributes["fail-count-p#monitor_10000"] == "INFINITY"
    assert after(fatal, RecordOperation(1, later, counts=True)).fail_counts()[0].count == 1_000_000


def test_a_success_and_an_uncounted_failure_count_nothing() -> None:
    cib = after(start(), RecordOperation(1, START, counts=True), RecordOperation(1, FAILED_MONITOR))

    assert cib.fail_counts() == ()


def test_a_cancelled_monitor_is_forgotten() -> None:
    cib = after(start(), RecordOperation(1, START), RecordOperation(1, MONITOR))

    assert entries(after(cib, ForgetOperation(1, "p", "monitor", 10_000))) == ["p_last_0"]


def failed_everywhere() -> Cib:
    q = msgspec.structs.replace(FAILED_MONITOR, resource="q:0")
    changes = [RecordOperation(n, op, counts=True) for n in (1, 2) for op in (FAILED_MONITOR, q)]
    return after(start(), *changes, SetTransientAttribute(1, "pingd", "100"))


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (ForgetHistory(), []),
        (ForgetHistory("p"), [(1, "q:0"), (2, "q:0")]),
        (ForgetHistory("g"), [(1, "q:0"), (2, "q:0")]),
        (ForgetHistory("c"), [(1, "p"), (2, "p")]),
        (ForgetHistory(node=2), [(1, "p"), (1, "q:0")]),
        (ForgetHistory("p", 1), [(1, "q:0"), (2, "p"), (2, "q:0")]),
    ],
)
def test_cleanup_removes_history_and_fail_counts_of_what_was_named(
    change: ForgetHistory, left: list[tuple[int, str]]
) -> None:
    cib = after(failed_everywhere(), change)

    assert [(c.node, c.resource) for c in cib.fail_counts()] == left
    assert [(f.node, f.operation.resource) for f in cib.failures()] == left
    state = cib.node_state(1)
    assert state is not None
    assert state.attributes["pingd"] == "100"


def test_cleanup_is_one_new_version_however_many_nodes() -> None:
    before = failed_everywhere()

    assert after(before, ForgetHistory()).version.num_updates == before.version.num_updates + 1


def test_a_node_that_joins_again_replaces_its_history() -> None:
    cib = after(failed_everywhere(), ReplaceHistory(1, "a", (START, MONITOR)))

    assert cib.operations(1) == (START, MONITOR)
    assert [c.node for c in cib.fail_counts()] == [1, 1, 2, 2]
    fresh = after(cib, ReplaceHistory(1, "a", (), fresh=True))
    assert fresh.operations(1) == ()
    assert [c.node for c in fresh.fail_counts()] == [2, 2]


def test_a_fenced_node_keeps_nothing_and_is_expected_down() -> None:
    cib = after(failed_everywhere(), NodeFenced(1, "a", "b", 5))

    state = cib.node_state(1)
    assert state is not None
    assert (state.in_ccm, state.crmd, state.join, state.expected) == (
        False,
        "offline",
        "down",
        "down",
    )
    assert state.attributes == {}
    assert cib.operations(1) == ()


def test_shutdown_is_a_transient_attribute_and_zero_withdraws_it() -> None:
    cib = after(start(), SetNodeState(1, "a", shutdown=77))

    asked, withdrawn = cib.node_state(1), after(cib, SetNodeState(1, "a", shutdown=0)).node_state(1)
    assert asked is not None
    assert withdrawn is not None
    assert asked.attributes == {"shutdown": "77"}
    assert withdrawn.attributes == {}


def test_names_that_make_one_id_get_two() -> None:
    cib = after(start(), SetTransientAttribute(1, "a#b", "1"), SetTransientAttribute(1, "a b", "2"))

    state = cib.node_state_element(1)
    assert state is not None
    assert [p.get("id") for p in state.iter("nvpair")] == ["status-1-a.b", "status-1-a.b-1"]
