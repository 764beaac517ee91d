"""What happens inside of guests, bundles and remote nodes, and who waits for whom there.

Each expectation here was compared with what `crm_simulate` 2.1.5 makes of the same document, but
for roles of bundles placed by each other, which it did not know yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from ninefold.scheduler import operation_digest, schedule_document
from tests.transition_order import awaited

if TYPE_CHECKING:
    from ninefold.scheduler.model import Transition

NOW = 1_800_000_000
NODES = ("n1", "n2", "n3")
TYPES = {"docker": ("heartbeat", "docker"), "remote": ("pacemaker", "remote")}
DUMMY = ("pacemaker", "Dummy")


def op(
    resource: str,
    task: str,
    rc: int = 0,
    *,
    call: int = 1,
    interval: int = 0,
    expected: int | None = None,
    more: str = f'last-rc-change="{NOW - 100}"',
) -> str:
    digest = operation_digest({}, interval_ms=interval, timeout_ms=20_000)
    target = rc if expected is None else expected
    return (
        f'<lrm_rsc_op id="{resource}_{task}_{interval}" operation="{task}" interval="{interval}"'
        f' call-id="{call}" rc-code="{rc}" op-status="0" transition-key="1:1:{target}:x"'
        f' {more} op-digest="{digest}"/>'
    )


def history(resource: str, *ops: str, kind: str = "") -> str:
    provider, agent = TYPES.get(kind, DUMMY)
    return (
        f'<lrm_resource id="{resource}" class="ocf" provider="{provider}" type="{agent}">'
        f"{''.join(ops)}</lrm_resource>"
    )


def runs(resource: str, kind: str = "") -> str:
    return history(resource, op(resource, "start"), kind=kind)


def absent(resource: str, kind: str = "") -> str:
    return history(resource, op(resource, "monitor", 7), kind=kind)


def state(name: str, *histories: str, remote: bool = False) -> str:
    kind = 'remote_node="true"' if remote else 'crmd="online" join="member" expected="member"'
    return (
        f'<node_state id="{name}" uname="{name}" in_ccm="true" {kind}><lrm id="{name}">'
        f"<lrm_resources>{''.join(histories)}</lrm_resources></lrm></node_state>"
    )


def primitive(name: str, kind: str = "", inside: str = "", **meta: str) -> str:
    provider, agent = TYPES.get(kind, DUMMY)
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key.replace("_", "-")}" value="{value}"/>'
        for key, value in meta.items()
    )
    return (
        f'<primitive id="{name}" class="ocf" provider="{provider}" type="{agent}">'
        f'<meta_attributes id="{name}-m">{pairs}</meta_attributes>{inside}</primitive>'
    )


def bundle(name: str, replicas: int = 1, *, engine: str = "", inside: str = "", **meta: str) -> str:
    pairs = "".join(
        f'<nvpair id="{name}-{key}" name="{key.replace("_", "-")}" value="{value}"/>'
        for key, value in meta.items()
    )
    content = inside or primitive(f"{name}-in")
    return (
        f'<bundle id="{name}"><meta_attributes id="{name}-m">{pairs}</meta_attributes>'
        f'<docker image="x" replicas="{replicas}" {engine}/><network control-port="3121"/>'
        f"{content}</bundle>"
    )


def knowing(told: str, **attributes: str) -> str:
    """Return the state `told` of a node with transient attributes; `_` stands for what is no letter."""
    pairs = "".join(
        f'<nvpair id="x-{key}" name="{key.replace("_", "-")}" value="{value}"/>'
        for key, value in attributes.items()
    )
    return told.replace(
        "<lrm ",
        '<transient_attributes id="x"><instance_attributes id="xa">'
        f"{pairs}</instance_attributes></transient_attributes><lrm ",
    )


def ban(resource: str, node: str) -> str:
    return (
        f'<rsc_location id="ban-{resource}-{node}" rsc="{resource}" node="{node}"'
        ' score="-INFINITY"/>'
    )


def decide(resources: str, constraints: str, *states: str) -> Transition:
    nodes = "".join(f'<node id="{name}" uname="{name}"/>' for name in NODES)
    document = (
        '<cib have-quorum="1" dc-uuid="n1" validate-with="pacemaker-3.7"><configuration>'
        f"<crm_config/><nodes>{nodes}</nodes><resources>"
        '<primitive id="fence" class="stonith" type="fence_x"/>'
        f"{resources}</resources><constraints>{constraints}</constraints></configuration>"
        f"<status>{''.join(states)}</status></cib>"
    )
    return schedule_document(etree.fromstring(document), NOW)


def waits(transition: Transition, key: str, node: str = "") -> set[str]:
    """Return `KEY@NODE` of everything that `key` waits for, directly or not."""
    return {f"{action.key}@{action.node}" for action in awaited(transition, key, node)}


def keys(transition: Transition) -> set[str]:
    return {f"{action.key}@{action.node}" for action in transition.actions}


def places(transition: Transition) -> dict[str, str]:
    return {one.resource: one.next_node for one in transition.placements}


GUEST = primitive("vm", remote_node="g")
VM_HERE = (runs("vm"), runs("g", "remote"))
VM_AWAY = (absent("vm"), absent("g", "remote"))


def test_what_cannot_be_asked_in_a_stopped_guest_waits_for_the_guests_own_probe() -> None:
    transition = decide(
        bundle("a", 2, engine='replicas-per-host="1"'), "", *(state(name) for name in NODES)
    )

    waiting = waits(transition, "a-clone_start_0")
    assert {f"a-docker-{number}_monitor_0@{name}" for number in (0, 1) for name in NODES} <= waiting
    assert waits(transition, "a_start_0") == set()


def test_replica_without_a_place_does_not_hold_up_the_others() -> None:
    states = [state(name) for name in NODES]
    together = '<rsc_colocation id="c" rsc="a" with-rsc="b" score="INFINITY"/>'
    transition = decide(bundle("a", 3) + bundle("b", 2), together, *states)

    waiting = waits(transition, "a-clone_start_0")
    assert not any(key.startswith("a-docker-2_monitor_0") for key in waiting)
    where = places(transition)
    assert {where["a-docker-0"], where["a-docker-1"]} == {where["b-docker-0"], where["b-docker-1"]}
    assert where["a-docker-2"] == ""


def test_second_guest_is_looked_for_before_the_first_is_left() -> None:
    known = [state("n1", *VM_HERE), state("n2", *VM_AWAY), state("n3")]
    guest = state("g", remote=True)
    transition = decide(primitive("vm", remote_node="g", target_role="Stopped"), "", *known, guest)

    assert "vm_monitor_0@n3" in waits(transition, "g_stop_0")


def test_unknown_resource_waits_until_a_guest_that_moves_has_stopped() -> None:
    states = [state("n1", *VM_HERE), state("n2", *VM_AWAY), state("n3", *VM_AWAY)]
    prefer = '<rsc_location id="l" rsc="p" node="g" score="100"/>'
    transition = decide(
        GUEST + primitive("p"), prefer + ban("vm", "n1"), *states, state("g", remote=True)
    )

    assert "p_monitor_0@g" not in keys(transition)
    assert "vm_stop_0@n1" in waits(transition, "p_start_0", "g")


def test_unknown_resource_waits_until_a_guest_that_was_lost_with_its_host_is_silent() -> None:
    lost = state("n1", *VM_HERE).replace('in_ccm="true"', 'in_ccm="false"')
    states = [lost, state("n2", *VM_AWAY, absent("p")), state("n3", *VM_AWAY, absent("p"))]
    transition = decide(GUEST + primitive("p"), "", *states, state("g", remote=True))

    assert "p_monitor_0@g" not in keys(transition)
    stop = next(a for a in transition.actions if a.key == "vm_stop_0")
    start = next(a for a in transition.actions if a.key == "p_start_0")
    assert stop.id in start.inputs


def test_constraint_cannot_hold_up_a_guest_for_what_is_inside_of_it() -> None:
    # The store inside is stopped by recovering the machine; it cannot be waited for before that.
    failed = op("vm", "monitor", 1, call=2, interval=10000, expected=0)
    here = [state("n1", history("vm", op("vm", "start"), failed), runs("g", "remote"))]
    known = [*here, *(state(name, *VM_AWAY, absent("store")) for name in ("n2", "n3"))]
    monitor = '<operations><op id="o" name="monitor" interval="10s"/></operations>'
    transition = decide(
        primitive("vm", inside=monitor, remote_node="g") + primitive("store"),
        '<rsc_order id="o1" first="vm" then="store"/>',
        *known,
        state("g", runs("store"), remote=True),
    )

    assert transition.warnings == ()
    assert "store_stop_0@g" not in waits(transition, "vm_stop_0")
    assert "stonith-g-reboot@g" in waits(transition, "store_stop_0")


def test_stop_behind_a_connection_comes_before_the_connection_moves_alive() -> None:
    here = [state("n1", runs("r", "remote"), absent("p"))]
    away = [state(name, absent("r", "remote"), absent("p")) for name in ("n2", "n3")]
    transition = decide(
        primitive("r", "remote") + primitive("p"),
        ban("r", "n1") + ban("p", "r"),
        *here,
        *away,
        state("r", runs("p"), remote=True),
    )

    assert "p_stop_0@r" in waits(transition, "r_migrate_to_0")


def test_bundle_is_looked_for_only_where_it_is_allowed_to_be_looked_for() -> None:
    only = (
        '<rsc_location id="l" rsc="a" resource-discovery="exclusive"><rule id="r" score="0">'
        '<expression id="e" attribute="#uname" operation="ne" value="n1"/></rule></rsc_location>'
    )
    transition = decide(bundle("a", 2), only, *(state(name) for name in NODES))

    probes = {key for key in keys(transition) if key.startswith("a-docker-")}
    assert "a-docker-0_monitor_0@n2" in probes
    assert not any(key.endswith("_monitor_0@n1") for key in probes)
    where = places(transition)
    assert {where["a-docker-0"], where["a-docker-1"]} == {"n2", "n3"}


def test_promoted_replica_follows_the_promoted_replica_of_another_bundle() -> None:
    states = [state(name) for name in NODES]
    rated = [
        one.replace(
            "<lrm ",
            f'<transient_attributes id="{name}"><instance_attributes id="i{name}">'
            f'<nvpair id="{name}-a" name="master-a-in" value="{a}"/>'
            f'<nvpair id="{name}-b" name="master-b-in" value="{b}"/>'
            "</instance_attributes></transient_attributes><lrm ",
        )
        for one, name, a, b in zip(states, NODES, (13, 11, 12), (5, 15, 10), strict=True)
    ]
    promoted = (
        '<rsc_colocation id="c" rsc="a" rsc-role="Promoted" with-rsc="b" with-rsc-role="Promoted"'
        ' score="INFINITY"/>'
    )
    stateful = 'promoted-max="1"'
    transition = decide(
        bundle("a", 3, engine=stateful, container_attribute_target="host")
        + bundle("b", 3, engine=stateful, container_attribute_target="host"),
        promoted,
        *rated,
    )

    roles = {one.resource: one.next_role for one in transition.placements}
    where = places(transition)
    ahead = next(number for number in range(3) if roles[f"b-in:{number}"] == "promoted")
    follower = next(number for number in range(3) if roles[f"a-in:{number}"] == "promoted")
    assert where[f"a-docker-{follower}"] == where[f"b-docker-{ahead}"] == "n2"


def test_remote_node_whose_connection_broke_is_fenced_whatever_it_has_told_itself() -> None:
    broke = op("r", "monitor", 1, call=2, interval=10_000, expected=0)
    transition = decide(
        primitive("r", "remote"),
        "",
        state("n1", history("r", op("r", "start"), broke, kind="remote")),
        *(state(name, absent("r", "remote")) for name in ("n2", "n3")),
        state("r", remote=True),
    )

    assert "stonith-r-reboot@r" in keys(transition)
    assert "stonith-r-reboot@r" in waits(transition, "r_start_0")


def test_start_that_was_expected_to_fail_has_failed_all_the_same() -> None:
    attempt = history("p", op("p", "start", 1))
    transition = decide(
        primitive("p"), "", state("n1", attempt), *(state(n, absent("p")) for n in ("n2", "n3"))
    )

    assert "p_stop_0@n1" in keys(transition)


def test_departure_that_failed_at_an_unknown_time_may_have_arrived() -> None:
    # The probe on n2 has a time and the migration has none, so neither is the newer one.
    ends = 'migrate_source="n1" migrate_target="n2"'
    left = op("p", "migrate_to", 1, call=2, expected=0, more=ends)
    transition = decide(
        primitive("p", allow_migrate="true"),
        "",
        state("n1", history("p", op("p", "start"), left)),
        *(state(name, absent("p")) for name in ("n2", "n3")),
    )

    assert {"p_stop_0@n1", "p_stop_0@n2"} <= keys(transition)


def test_node_behind_a_removed_connection_is_emptied_before_it_is_let_go() -> None:
    transition = decide(
        primitive("p"),
        "",
        state("r", runs("p"), remote=True),
        state("n1", runs("r", "remote"), absent("p")),
        *(state(name, absent("p")) for name in ("n2", "n3")),
    )

    assert "stonith-r-reboot@r" not in keys(transition)
    assert "p_stop_0@r" in waits(transition, "r_stop_0")
    assert "p_stop_0@r" in waits(transition, "p_start_0")


def test_host_that_its_container_leaves_says_nothing_about_promotion() -> None:
    inside = primitive("a-in")
    host = knowing(
        state("n1", runs("a-docker-0", "docker"), runs("a-0", "remote")), master_a_in="5"
    )
    others = (absent("a-docker-0", "docker"), absent("a-0", "remote"))
    transition = decide(
        bundle("a", 1, engine='promoted-max="1"', inside=inside, container_attribute_target="host"),
        ban("a", "n1") + ban("a", "n2") + ban("a", "n3"),
        host,
        *(state(name, *others) for name in ("n2", "n3")),
        state("a-0", runs("a-in"), remote=True),
    )

    assert [(one.resource, one.score) for one in transition.scores if one.kind == "promotion"] == [
        ("a-in:0", -1)
    ]


def test_promoted_replica_is_where_what_goes_with_it_wants_to_stay() -> None:
    stays = primitive("p", resource_stickiness="1000")
    beside = (
        '<rsc_colocation id="c" rsc="p" with-rsc="a" with-rsc-role="Promoted" score="INFINITY"/>'
    )
    known = [absent(f"a-docker-{number}", "docker") for number in (0, 1)]
    transition = decide(
        bundle("a", 2, engine='promoted-max="1"', container_attribute_target="host") + stays,
        beside + ban("a", "n3"),
        knowing(state("n1", *known, absent("p")), master_a_in="5"),
        knowing(state("n2", *known, runs("p")), master_a_in="5"),
        state("n3", *known, absent("p")),
    )

    where = places(transition)
    scores = {one.resource: one.score for one in transition.scores if one.kind == "promotion"}
    for number in (0, 1):
        wanted = 1005 if where[f"a-docker-{number}"] == "n2" else 5
        assert scores[f"a-in:{number}"] == wanted


def unfenced_with(user: str, *, region: str) -> Transition:
    """Decide for n1, let in by a device with a secret that the document does not tell."""
    recorded = operation_digest({"region": "here", "passwd": "right"})
    openly = operation_digest({"region": "here"})
    device = (
        '<primitive id="u" class="stonith" type="fence_u"><meta_attributes id="um">'
        '<nvpair id="up" name="provides" value="unfencing"/></meta_attributes>'
        '<instance_attributes id="ui"><nvpair id="u1" name="passwd" value="' + user + '"/>'
        f'<nvpair id="u2" name="region" value="{region}"/></instance_attributes></primitive>'
    )
    told = knowing(
        state("n1", runs("p")),
        unfenced="1",
        all=f"u:fence_u:{recorded},",
        secure=f"u:fence_u:{openly},",
    )
    for short, name in (
        ("unfenced", "#node-unfenced"),
        ("all", "#digests-all"),
        ("secure", "#digests-secure"),
    ):
        told = told.replace(f'name="{short}"', f'name="{name}"')
    return decide(device + primitive("p"), "", told, state("n2"), state("n3"))


def test_masked_secret_of_a_device_is_no_reason_to_let_a_node_in_anew() -> None:
    masked = unfenced_with("****", region="here")
    moved = unfenced_with("****", region="there")

    assert "stonith-n1-on@n1" not in keys(masked)
    assert "stonith-n1-on@n1" in keys(moved)


def test_bundle_that_only_loses_a_replica_does_not_begin_to_start() -> None:
    bans = ban("a", "n2") + ban("a", "n3")
    planned = decide(bundle("a", 2), ban("a", "n3"), *(state(name) for name in NODES))
    digests = {
        action.resource: operation_digest(action.parameters)
        for action in planned.actions
        if action.task == "start"
    }

    def known(name: str, kind: str, *, here: bool) -> str:
        told = runs(name, kind) if here else absent(name, kind)
        return told.replace(operation_digest({}), digests[name])

    states = [
        state(
            name,
            *(known(f"a-docker-{n}", "docker", here=own == n) for n in (0, 1)),
            *(known(f"a-{n}", "remote", here=own == n) for n in (0, 1)),
        )
        for name, own in (("n1", 0), ("n2", 1), ("n3", 2))
    ]
    transition = decide(
        bundle("a", 2), bans, *states, *(state(f"a-{n}", runs("a-in"), remote=True) for n in (0, 1))
    )

    there = keys(transition)
    assert {"a_stop_0@", "a_stopped_0@", "a-clone_start_0@", "a_running_0@"} <= there
    assert "a-docker-1_stop_0@n2" in there
    assert "a_start_0@" not in there


def test_connection_that_was_made_to_another_host_is_made_anew() -> None:
    planned = decide(bundle("a", 1), "", *(state(name) for name in NODES))
    started = {action.resource: action for action in planned.actions if action.task == "start"}
    container = operation_digest(started["a-docker-0"].parameters)
    connection = started["a-0"].parameters
    assert connection == {"addr": started["a-0"].node, "port": "3121"}

    def with_address(host: str) -> Transition:
        told = runs("a-docker-0", "docker").replace(operation_digest({}), container)
        digest = operation_digest(connection | {"addr": host})
        linked = runs("a-0", "remote").replace(operation_digest({}), digest)
        away = [state(n, absent("a-docker-0"), absent("a-0", "remote")) for n in ("n2", "n3")]
        here = state("n1", told, linked)
        return decide(bundle("a", 1), "", here, *away, state("a-0", runs("a-in"), remote=True))

    assert "a-0_stop_0@n1" not in keys(with_address("n1"))
    assert "a-0_stop_0@n1" in keys(with_address("n2"))


def test_what_moves_alive_between_remote_nodes_does_so_before_their_connections_move() -> None:
    transition = decide(
        primitive("r1", "remote")
        + primitive("r2", "remote")
        + primitive("p", allow_migrate="true"),
        "".join(ban("p", name) for name in (*NODES, "r1")) + ban("r1", "n1") + ban("r2", "n2"),
        state("n1", runs("r1", "remote"), absent("r2", "remote"), absent("p")),
        state("n2", absent("r1", "remote"), runs("r2", "remote"), absent("p")),
        state("n3", absent("r1", "remote"), absent("r2", "remote"), absent("p")),
        state("r1", runs("p"), remote=True),
        state("r2", absent("p"), remote=True),
    )

    assert "p_migrate_to_0@r1" in waits(transition, "r1_stop_0")
    assert "p_migrate_from_0@r2" in waits(transition, "r2_stop_0")
    assert waits(transition, "p_migrate_to_0") == set()


def test_guest_is_disconnected_after_what_moves_alive_out_of_it_has_stopped() -> None:
    transition = decide(
        primitive("vm", remote_node="g", target_role="Stopped")
        + primitive("r", "remote")
        + primitive("p", allow_migrate="true"),
        "".join(ban("p", name) for name in (*NODES, "g")),
        state("n1", *VM_HERE, absent("r", "remote"), absent("p")),
        state("n2", *VM_AWAY, runs("r", "remote"), absent("p")),
        state("n3", *VM_AWAY, absent("r", "remote"), absent("p")),
        state("g", runs("p"), remote=True),
        state("r", absent("p"), remote=True),
    )

    assert {"p_migrate_to_0@g", "p_stop_0@g"} <= waits(transition, "g_stop_0")


def test_failed_instances_of_an_ordered_clone_restart_in_turn_around_a_healthy_one() -> None:
    clone = (
        '<clone id="k"><meta_attributes id="km"><nvpair id="ko" name="ordered" value="true"/>'
        f"</meta_attributes>{primitive('c')}</clone>"
    )
    failed = op("c", "monitor", 1, call=2, interval=10_000, expected=0)
    broken = history("c", op("c", "start"), failed)
    transition = decide(clone, "", state("n1", broken), state("n2", runs("c")), state("n3", broken))

    assert "c:1_stop_0@n2" not in keys(transition)
    assert "c:0_start_0@n1" in waits(transition, "c:2_start_0")
    assert "c:2_stop_0@n3" in waits(transition, "c:0_stop_0")
