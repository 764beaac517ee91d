"""What the policy engine does about the situations of a small, ordinary cluster.

Three nodes, a fence device, a group of an address and a web server, monitors every second,
stickiness 100. Each test changes one thing and states what shall follow.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from lxml import etree

from ninefold.scheduler import (
    observe,
    observe_and_schedule,
    operation_digest,
    schedule_document,
)
from tests.transition_order import all_before

if TYPE_CHECKING:
    from ninefold.scheduler.model import Action, Placement, Transition

NOW = 1_800_000_000
NODES = ("n1", "n2", "n3")
AGENTS = {"vip": ("ocf", "ninefold", "vip"), "web": ("ocf", "ninefold", "web")}
FENCE = ("stonith", "", "fence_lab")
NO_PARAMETERS = operation_digest({})


def op(
    resource: str,
    task: str,
    rc: int = 0,
    *,
    call: int = 1,
    interval: int = 0,
    expected: int = 0,
    status: int = 0,
    at: int = NOW - 100,
    digest: str = NO_PARAMETERS,
) -> str:
    if interval:
        digest = operation_digest({}, interval_ms=interval, timeout_ms=20_000)
    return (
        f'<lrm_rsc_op id="{resource}_{task}_{interval}_{call}" operation="{task}"'
        f' interval="{interval}" call-id="{call}" rc-code="{rc}" op-status="{status}"'
        f' transition-key="1:1:{expected}:x" last-rc-change="{at}" op-digest="{digest}"/>'
    )


def running(resource: str, *extra: str) -> str:
    ops = [
        op(resource, "monitor", 7, call=1, expected=7),
        op(resource, "start", call=2),
        op(resource, "monitor", call=3, interval=1000),
        *extra,
    ]
    return history(resource, *ops)


def probed(resource: str) -> str:
    return history(resource, op(resource, "monitor", 7, expected=7))


def history(resource: str, *ops: str) -> str:
    agent = AGENTS.get(resource, FENCE)
    provider = f' provider="{agent[1]}"' if agent[1] else ""
    return (
        f'<lrm_resource id="{resource}" class="{agent[0]}"{provider} type="{agent[2]}">'
        f"{''.join(ops)}</lrm_resource>"
    )


def state(
    name: str,
    *histories: str,
    member: bool = True,
    crmd: str = "online",
    join: str = "member",
    expected: str = "member",
    attributes: dict[str, str] | None = None,
) -> str:
    pairs = "".join(
        f'<nvpair id="t-{name}-{key}" name="{key}" value="{value}"/>'
        for key, value in (attributes or {}).items()
    )
    number = name[1:]
    return (
        f'<node_state id="{number}" uname="{name}" in_ccm="{str(member).lower()}" crmd="{crmd}"'
        f' join="{join}" expected="{expected}">'
        f'<transient_attributes id="{number}"><instance_attributes id="status-{number}">{pairs}'
        f'</instance_attributes></transient_attributes><lrm id="{number}"><lrm_resources>'
        f"{''.join(histories)}</lrm_resources></lrm></node_state>"
    )


def primitive(name: str, meta: dict[str, str] | None = None, on_fail: str = "") -> str:
    agent = AGENTS.get(name, FENCE)
    provider = f' provider="{agent[1]}"' if agent[1] else ""
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key}" value="{value}"/>'
        for key, value in (meta or {}).items()
    )
    policy = f' on-fail="{on_fail}"' if on_fail else ""
    return (
        f'<primitive id="{name}" class="{agent[0]}"{provider} type="{agent[2]}">'
        f'<meta_attributes id="{name}-meta">{pairs}</meta_attributes><operations>'
        f'<op id="{name}-m" name="monitor" interval="1s"{policy}/></operations></primitive>'
    )


GROUP = f'<group id="g">{primitive("vip")}{primitive("web")}</group>'
FENCER = primitive("fencer")


def cib(
    states: list[str],
    resources: str = FENCER + GROUP,
    *,
    properties: dict[str, str] | None = None,
    constraints: str = "",
    quorate: bool = True,
    standby: str = "",
) -> etree._Element:
    pairs = "".join(
        f'<nvpair id="p-{key}" name="{key}" value="{value}"/>'
        for key, value in (properties or {}).items()
    )
    nodes = "".join(
        f'<node id="{name[1:]}" uname="{name}"><instance_attributes id="a-{name}"><nvpair'
        f' id="s-{name}" name="standby" value="{"on" if name == standby else "off"}"/>'
        "</instance_attributes></node>"
        for name in NODES
    )
    return etree.fromstring(
        f'<cib have-quorum="{int(quorate)}" dc-uuid="1"><configuration><crm_config>'
        f'<cluster_property_set id="cib-bootstrap-options">{pairs}</cluster_property_set>'
        f"</crm_config><nodes>{nodes}</nodes><resources>{resources}</resources>"
        f"<constraints>{constraints}</constraints>"
        '<rsc_defaults><meta_attributes id="d"><nvpair id="d-s" name="resource-stickiness"'
        ' value="100"/></meta_attributes></rsc_defaults></configuration>'
        f"<status>{''.join(states)}</status></cib>"
    )


def all_probed(*but: str) -> list[str]:
    return [probed(name) for name in ("fencer", "vip", "web") if name not in but]


def usual(**changes: str) -> list[str]:
    """fencer on n1, the group on n2; `changes` replaces the state of a node."""
    states = {
        "n1": state("n1", running("fencer"), *all_probed("fencer")),
        "n2": state("n2", probed("fencer"), running("vip"), running("web")),
        "n3": state("n3", *all_probed()),
    }
    return list((states | changes).values())


def keys(transition: Transition) -> list[str]:
    return sorted(f"{a.key} {a.node}".strip() for a in transition.actions)


def action(transition: Transition, key: str, node: str = "") -> Action:
    found = [a for a in transition.actions if a.key == key and node in {"", a.node}]
    assert len(found) == 1, (key, node, keys(transition))
    return found[0]


def absent(transition: Transition, key: str) -> bool:
    return all(a.key != key for a in transition.actions)


def waits_for(transition: Transition, later: Action, earlier: Action) -> bool:
    return earlier in all_before(transition, later)


def placement(transition: Transition, resource: str) -> Placement:
    return next(p for p in transition.placements if p.resource == resource)


def codes(what: Action | Placement) -> list[str]:
    return [reason.code for reason in what.reasons]


def test_a_settled_cluster_needs_nothing() -> None:
    transition = schedule_document(cib(usual()), NOW)

    assert keys(transition) == []
    assert placement(transition, "vip").next_node == "n2"
    assert placement(transition, "vip").blocked == ""


def test_first_start_probes_every_node_before_anything_starts() -> None:
    transition = schedule_document(cib([state(name) for name in NODES]), NOW)

    probes = [a for a in transition.actions if a.key == "vip_monitor_0"]
    start = action(transition, "vip_start_0")
    assert sorted(p.node for p in probes) == ["n1", "n2", "n3"]
    assert all(p.expected_rc == 7 for p in probes)
    assert all(waits_for(transition, start, p) for p in probes)
    web = action(transition, "web_start_0")
    assert web.node == start.node
    assert waits_for(transition, web, start)
    assert waits_for(transition, action(transition, "web_monitor_1000"), web)


def test_a_lost_node_is_fenced_before_its_group_starts_elsewhere() -> None:
    lost = state(
        "n2", probed("fencer"), running("vip"), running("web"), member=False, crmd="offline"
    )

    transition = schedule_document(cib(usual(n2=lost)), NOW)

    fencing = action(transition, "stonith-n2-reboot")
    start = action(transition, "vip_start_0")
    assert "node-lost" in codes(fencing)
    assert start.node in {"n1", "n3"}
    assert fencing.id in start.inputs
    assert "n2" in placement(transition, "vip").blocked
    assert action(transition, "vip_stop_0").kind.name == "PSEUDO"


def test_without_quorum_a_lost_node_blocks_its_group() -> None:
    lost = state("n2", probed("fencer"), running("vip"), running("web"), member=False)
    document = cib(usual(n2=lost), quorate=False, properties={"no-quorum-policy": "freeze"})

    transition = schedule_document(document, NOW)

    assert absent(transition, "stonith-n2-reboot")
    assert absent(transition, "vip_start_0")
    assert "cannot be fenced" in placement(transition, "vip").blocked


def test_a_fence_device_started_elsewhere_is_left_alone_while_its_old_node_is_unclean() -> None:
    lost = state("n1", running("fencer"), member=False, crmd="offline", join="down")
    others = [state("n2", running("fencer")), state("n3", probed("fencer"))]

    transition = schedule_document(cib([lost, *others], FENCER), NOW)

    # The stop where it was is what the fencing of that node will have done.
    assert [a.key for a in transition.actions if a.resource and a.node != "n1"] == []


def test_without_any_fence_device_nothing_is_touched() -> None:
    transition = schedule_document(cib([state(name) for name in NODES], GROUP), NOW)

    assert absent(transition, "vip_start_0")
    assert placement(transition, "vip").blocked


def test_fencing_disabled_needs_no_device_and_recovers_without_it() -> None:
    lost = state("n2", running("vip"), running("web"), member=False, crmd="offline")
    document = cib(usual(n2=lost), GROUP, properties={"stonith-enabled": "false"})

    transition = schedule_document(document, NOW)

    assert action(transition, "vip_start_0").node in {"n1", "n3"}


def test_standby_moves_the_group_in_order() -> None:
    transition = schedule_document(cib(usual(), standby="n2"), NOW)

    stops = [action(transition, f"{name}_stop_0") for name in ("web", "vip")]
    starts = [action(transition, f"{name}_start_0") for name in ("vip", "web")]
    chain = [*stops, *starts]
    for earlier, later in pairwise(chain):
        assert waits_for(transition, later, earlier)
    assert "node-standby" in codes(starts[0])


def test_a_failed_monitor_restarts_in_place() -> None:
    failed = running("web", op("web", "monitor", 7, call=4, interval=1000, at=NOW - 5))
    counts = {"fail-count-web#monitor_1000": "1", "last-failure-web#monitor_1000": str(NOW - 5)}
    n2 = state("n2", probed("fencer"), running("vip"), failed, attributes=counts)

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    stop, start = action(transition, "web_stop_0"), action(transition, "web_start_0")
    assert (stop.node, start.node) == ("n2", "n2")
    assert stop.id in start.inputs
    assert "failed" in codes(stop)
    assert absent(transition, "vip_stop_0")


def test_the_migration_threshold_moves_the_whole_group() -> None:
    failed = running("web", op("web", "monitor", 7, call=4, interval=1000, at=NOW - 5))
    counts = {"fail-count-web#monitor_1000": "3", "last-failure-web#monitor_1000": str(NOW - 5)}
    n2 = state("n2", probed("fencer"), running("vip"), failed, attributes=counts)
    limited = primitive("web", {"migration-threshold": "3"})
    resources = f'{FENCER}<group id="g">{primitive("vip")}{limited}</group>'

    transition = schedule_document(cib(usual(n2=n2), resources), NOW)

    assert action(transition, "vip_start_0").node != "n2"
    assert "migration-threshold" in codes(placement(transition, "web"))


def test_an_expiring_failure_asks_to_be_looked_at_again() -> None:
    counts = {"fail-count-web#monitor_1000": "1", "last-failure-web#monitor_1000": str(NOW - 5)}
    n2 = state("n2", probed("fencer"), running("vip"), running("web"), attributes=counts)
    expiring = primitive("web", {"failure-timeout": "60s", "migration-threshold": "1"})
    resources = f'{FENCER}<group id="g">{primitive("vip")}{expiring}</group>'

    before = schedule_document(cib(usual(n2=n2), resources), NOW)
    after = schedule_document(cib(usual(n2=n2), resources), NOW + 61)

    assert NOW < before.recheck_at <= NOW + 60
    assert action(before, "vip_stop_0").node == "n2"
    assert absent(after, "vip_stop_0")


def test_a_failed_stop_fences_the_node() -> None:
    failed = running("web", op("web", "stop", 1, call=5))
    n2 = state("n2", probed("fencer"), running("vip"), failed)

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    fencing = action(transition, "stonith-n2-reboot")
    start = action(transition, "web_start_0")
    assert start.node != "n2"
    assert waits_for(transition, start, fencing)


def test_a_failed_stop_without_fencing_blocks() -> None:
    failed = running("web", op("web", "stop", 1, call=5))
    n2 = state("n2", running("vip"), failed)
    document = cib(usual(n2=n2), GROUP, properties={"stonith-enabled": "false"})

    transition = schedule_document(document, NOW)

    assert absent(transition, "web_start_0")
    assert absent(transition, "web_stop_0")
    assert placement(transition, "web").blocked


def test_a_member_is_not_stopped_under_one_that_could_not_be_stopped() -> None:
    failed = running("web", op("web", "stop", 1, call=5))
    n2 = state("n2", running("vip"), failed)
    document = cib(usual(n2=n2), GROUP, properties={"stonith-enabled": "false"}, standby="n2")

    transition = schedule_document(document, NOW)

    assert absent(transition, "vip_stop_0")
    assert absent(transition, "vip_start_0")


def test_a_failed_start_goes_elsewhere() -> None:
    failed = history(
        "vip", op("vip", "monitor", 7, expected=7), op("vip", "start", 1, call=2, at=NOW - 5)
    )
    counts = {"fail-count-vip#start_0": "INFINITY", "last-failure-vip#start_0": str(NOW - 5)}
    n2 = state("n2", probed("fencer"), failed, probed("web"), attributes=counts)

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    assert action(transition, "vip_stop_0").node == "n2"
    assert action(transition, "vip_start_0").node in {"n1", "n3"}


def test_maintenance_mode_touches_nothing() -> None:
    failed = running("web", op("web", "monitor", 7, call=4, interval=1000))
    n2 = state("n2", probed("fencer"), running("vip"), failed)
    document = cib(usual(n2=n2), properties={"maintenance-mode": "true"})

    transition = schedule_document(document, NOW)

    assert [a for a in transition.actions if a.task in {"start", "stop"}] == []


def test_target_role_stopped_stops() -> None:
    stopped = (
        f'<group id="g">{primitive("vip")}{primitive("web", {"target-role": "Stopped"})}</group>'
    )

    transition = schedule_document(cib(usual(), FENCER + stopped), NOW)

    assert "target-role" in codes(action(transition, "web_stop_0"))
    assert absent(transition, "vip_stop_0")


def test_resources_that_exclude_each_other_part() -> None:
    apart = '<rsc_colocation id="apart" rsc="web" with-rsc="vip" score="-INFINITY"/>'
    document = cib(
        [state(n) for n in NODES],
        FENCER + primitive("vip") + primitive("web"),
        constraints=apart,
    )

    transition = schedule_document(document, NOW)

    assert action(transition, "vip_start_0").node != action(transition, "web_start_0").node


def test_a_mandatory_order_restarts_what_comes_after() -> None:
    order = '<rsc_order id="o" first="vip" then="web"/>'
    failed = running("vip", op("vip", "monitor", 7, call=4, interval=1000))
    n2 = state("n2", probed("fencer"), failed, running("web"))
    document = cib(usual(n2=n2), FENCER + primitive("vip") + primitive("web"), constraints=order)

    transition = schedule_document(document, NOW)

    chain = ["web_stop_0", "vip_stop_0", "vip_start_0", "web_start_0"]
    for earlier, later in pairwise(chain):
        assert waits_for(transition, action(transition, later), action(transition, earlier))


def test_losing_quorum_stops_everything() -> None:
    transition = schedule_document(cib(usual(), quorate=False), NOW)

    assert action(transition, "vip_stop_0").node == "n2"
    assert action(transition, "web_stop_0").node == "n2"
    assert absent(transition, "vip_start_0")
    assert "no-quorum" in codes(action(transition, "vip_stop_0")) + codes(
        placement(transition, "vip")
    )


def test_freeze_keeps_what_runs_when_quorum_is_lost() -> None:
    document = cib(usual(), quorate=False, properties={"no-quorum-policy": "freeze"})

    assert keys(schedule_document(document, NOW)) == []


def test_a_leaving_node_stops_before_it_goes() -> None:
    leaving = state(
        "n2", probed("fencer"), running("vip"), running("web"), attributes={"shutdown": str(NOW)}
    )

    transition = schedule_document(cib(usual(n2=leaving)), NOW)

    down = action(transition, "do_shutdown-n2")
    assert waits_for(transition, down, action(transition, "vip_stop_0"))
    assert action(transition, "vip_start_0").node != "n2"
    assert absent(transition, "stonith-n2-reboot")


def test_a_rejoined_node_is_probed_and_nothing_moves() -> None:
    transition = schedule_document(cib(usual(n3=state("n3"))), NOW)

    assert keys(transition) == ["fencer_monitor_0 n3", "vip_monitor_0 n3", "web_monitor_0 n3"]


def test_an_unmanaged_resource_stays_when_its_node_goes_to_standby() -> None:
    left_alone = primitive("vip", {"is-managed": "false"})

    transition = schedule_document(cib(usual(), FENCER + left_alone, standby="n2"), NOW)

    assert absent(transition, "vip_stop_0")
    assert absent(transition, "vip_start_0")


def test_a_start_under_way_is_waited_for_and_not_repeated_elsewhere() -> None:
    pending = history(
        "vip",
        op("vip", "monitor", 7, expected=7),
        op("vip", "start", -1, call=-1, status=-1),
    )
    n2 = state("n2", probed("fencer"), pending, probed("web"))

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    start = action(transition, "vip_start_0")
    assert start.node == "n2"
    assert absent(transition, "vip_stop_0")
    assert waits_for(transition, action(transition, "web_start_0"), start)


def test_a_pending_start_on_a_lost_node_counts_as_running_there() -> None:
    pending = history("vip", op("vip", "start", -1, call=-1, status=-1))
    lost = state("n2", probed("fencer"), pending, member=False, crmd="offline")

    transition = schedule_document(cib(usual(n2=lost)), NOW)

    start = action(transition, "vip_start_0")
    assert start.node != "n2"
    assert action(transition, "stonith-n2-reboot").id in start.inputs


def test_a_removed_monitor_is_cancelled() -> None:
    odd = running("vip", op("vip", "monitor", call=4, interval=5000))
    n2 = state("n2", probed("fencer"), odd, running("web"))

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    assert keys(transition) == ["vip_monitor_5000 n2"]
    assert action(transition, "vip_monitor_5000").task == "cancel"


def test_changed_parameters_restart_the_resource() -> None:
    ops = (op("vip", "start", call=2, digest=operation_digest({"ip": "1"})),)
    n2 = state("n2", probed("fencer"), history("vip", *ops), running("web"))

    transition = schedule_document(cib(usual(n2=n2)), NOW)

    assert action(transition, "vip_stop_0").id in action(transition, "vip_start_0").inputs
    assert not absent(transition, "web_stop_0")


def test_a_resource_that_is_no_longer_configured_is_stopped_and_forgotten() -> None:
    transition = schedule_document(cib(usual(), FENCER + primitive("vip")), NOW)

    stop = action(transition, "web_stop_0", "n2")
    assert "removed" in codes(stop)
    assert waits_for(transition, action(transition, "web_delete_0", "n2"), stop)


def test_a_location_preference_beats_a_smaller_stickiness() -> None:
    prefer = '<rsc_location id="prefer" rsc="g" node="n3" score="500"/>'

    transition = schedule_document(cib(usual(), constraints=prefer), NOW)

    assert action(transition, "vip_start_0").node == "n3"
    assert "location" in codes(placement(transition, "vip"))
    assert placement(transition, "vip").scores["n3"] == 500


def test_a_clone_runs_one_instance_on_every_node() -> None:
    clone = f'<clone id="c">{primitive("web")}</clone>'
    states = [
        state("n1", running("fencer"), *all_probed("fencer")),
        state("n2", probed("fencer"), probed("vip"), running("web")),
        state("n3", *all_probed()),
    ]

    transition = schedule_document(cib(states, FENCER + clone), NOW)

    starts = [a for a in transition.actions if a.task == "start" and a.resource == "web"]
    assert sorted(a.node for a in starts) == ["n1", "n3"]
    assert absent(transition, "web_stop_0")
    running_point = action(transition, "c_running_0")
    assert all(waits_for(transition, running_point, a) for a in starts)


def test_the_document_is_not_changed_and_the_answer_is_the_same_twice() -> None:
    document = cib(usual(), standby="n2")
    before = etree.tostring(document)

    first, second = schedule_document(document, NOW), schedule_document(document, NOW)

    assert first == second
    assert etree.tostring(document) == before


def test_a_node_that_was_never_seen_is_fenced_at_startup() -> None:
    transition = schedule_document(cib([state("n1"), state("n2")]), NOW)

    fencing = action(transition, "stonith-n3-reboot")
    assert fencing.id in action(transition, "vip_start_0").inputs


def test_what_is_seen_is_what_is_decided_about() -> None:
    # One reading serves both; nothing is decided by looking alone.
    document = cib(usual(n2=state("n2", member=False, crmd="offline")))

    there, decision = observe_and_schedule(document, NOW)

    assert there == observe(document, NOW)
    assert decision == schedule_document(document, NOW)
    assert there.actions == ()
    assert [one.resource for one in there.placements] == ["fencer", "vip", "web"]
    assert [(one.nodes, one.role) for one in there.placements] == [
        (one.nodes, one.role) for one in decision.placements
    ]
