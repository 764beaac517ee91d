"""More of what can be put into a draft: features that few clusters have, and states that few get into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.random_cib import NODES, NOW, Primitive, Top, nvpairs, operation, ran, tell
from tests.random_cib_features import FEATURES
from tests.random_cib_remote import REMOTE
from tests.random_cib_settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.random_cib import Draft


def unique(draft: Draft) -> None:
    """A clone whose instances differ, several of them on one node."""
    meta = {"globally-unique": "true"} | draft.some(
        clone_max=(0.7, ("1", "2", "3", "4")),
        clone_node_max=(0.6, ("1", "2", "3")),
        interleave=(0.3, ("true",)),
        ordered=(0.2, ("true",)),
        notify=(0.2, ("true",)),
        resource_stickiness=(0.2, ("0", "10")),
    )
    agent = "Stateful" if draft.maybe(0.3) else "Dummy"
    if agent == "Stateful":
        meta |= {"promotable": "true"} | draft.some(promoted_max=(0.4, ("1", "2")))
    top = Top("u", [Primitive("u1", agent=agent)], clone=True, meta=meta)
    draft.tops["u"] = top
    for number in range(int(meta.get("clone-max", "3"))):
        one = Primitive(f"u1:{number}", agent=agent)
        where = draft.pick(*NODES, "")
        for node in NODES:
            tell(one, node, active=node == where)
        if where and agent == "Stateful":
            if draft.maybe(0.5):
                draft.transient[where][f"master-{one.name}"] = draft.pick("5", "10", "-1")
            if draft.maybe(0.3):
                tell(one, where, active=True, role="Promoted")
        top.instances.append(one)


def promotable_groups(draft: Draft) -> None:
    """A clone of a group whose members have two roles."""
    members = [Primitive(f"pg{number}", agent="Stateful") for number in (1, 2)]
    meta = {"promotable": "true"} | draft.some(
        interleave=(0.4, ("true",)), notify=(0.3, ("true",)), clone_max=(0.3, ("1", "2")),
        promoted_max=(0.3, ("1", "2")), target_role=(0.1, ("Stopped", "Unpromoted")),
    )  # fmt: skip
    draft.add(Top("pg", members, group="pgg", clone=True, meta=meta))
    running = [node for node in NODES if all(ran(one, node) for one in members)]
    for node in running:
        for one in members:
            if draft.maybe(0.6):
                draft.transient[node][f"master-{one.name}"] = draft.pick("5", "10", "-1")
    if running and draft.maybe(0.6):
        node = draft.pick(*running)
        tell(members[0], node, active=True, role="Promoted")
        if draft.maybe(0.8):
            tell(members[1], node, active=True, role="Promoted")


def orphans(draft: Draft) -> None:
    """What runs, or ran, and is configured no longer, or otherwise: resources, operations, instances."""
    draft.options |= draft.some(
        stop_orphan_resources=(0.4, ("true", "false")), stop_orphan_actions=(0.4, ("true", "false"))
    )
    for name in ("gone", "lost"):
        one = Primitive(name)
        for node in NODES:
            if draft.maybe(0.6):
                tell(one, node, active=draft.maybe(0.4))
                if ran(one, node) and draft.maybe(0.3):
                    rc = draft.chance.choice([0, 0, 1, 7])
                    one.history[node].append(
                        operation(one, "monitor", interval_ms=10_000, rc=rc, call=2, age_s=90)
                    )
                    if rc and draft.maybe(0.7):
                        draft.transient[node][f"fail-count-{name}#monitor_10000"] = "1"
        draft.past.append(one)
    for one in list(draft.primitives()):
        for node in NODES:
            if ran(one, node) and draft.maybe(0.25):
                interval = draft.chance.choice([10_000, 15_000])
                one.history[node].append(operation(one, "monitor", interval_ms=interval, call=2))
            if draft.maybe(0.03) and one.history.get(node):
                one.history[node] = [operation(one, "stop", call=3)]
        if draft.maybe(0.08):
            # The history is of another agent.
            one.agent = "Stateful" if one.agent == "Dummy" else "Dummy"
            draft.past.append(Primitive(one.name, agent=one.agent, history=one.history))
            one.history = {}
            one.agent = "Stateful" if one.agent == "Dummy" else "Dummy"


def digests(draft: Draft) -> None:
    """Parameters that have changed, with agents that can reload them, or cannot."""
    for one in draft.primitives():
        if draft.maybe(0.5):
            one.operations = {
                f"{one.name}-mon": {"name": "monitor", "interval": "10s", "timeout": "20s"},
                f"{one.name}-start": {"name": "start", "interval": "0s", "timeout": "20s"},
            }
        for node in NODES:
            if not ran(one, node):
                continue
            if draft.maybe(0.4):
                one.history[node].append(operation(one, "monitor", interval_ms=10_000, call=2))
            for entry in one.history[node]:
                kind = draft.pick("same", "same", "other", "none", "reload", "restart")
                if kind == "other":
                    entry["op-digest"] = "0" * 32
                elif kind == "none":
                    del entry["op-digest"]
                elif kind in {"reload", "restart"}:
                    entry["op-digest"] = "0" * 32
                    entry["op-force-restart"] = " level "
                    # Of no parameters, and of others.
                    digest = "f2317cad3d54cec5d7d7aa7d0bf35cf8" if kind == "reload" else "1" * 32
                    entry["op-restart-digest"] = digest
        if draft.maybe(0.1):
            one.parameters["depth"] = "3"


def fencing(draft: Draft) -> None:
    """Devices with a past, nodes of all kinds of standing, and what is said of fencing."""
    device = draft.devices[0]
    match draft.pick("one", "one", "one", "none", "two", "failed", "stopped", "unfencing"):
        case "none":
            draft.devices.clear()
        case "two":
            more = Primitive("fence2", agent="fence_y", standard="stonith")
            where = draft.pick(*NODES, "")
            for node in NODES:
                tell(more, node, active=node == where)
            draft.devices.append(more)
        case "failed":
            device.history["n3"] = [operation(device, "start", rc=1)]
            draft.transient["n3"]["fail-count-fence#start_0"] = "INFINITY"
        case "stopped":
            device.meta["target-role"] = "Stopped"
        case "unfencing":
            device.meta["provides"] = "unfencing"
        case _:
            pass
    for node in NODES[:2]:
        if draft.maybe(0.5):
            draft.standing[node] = draft.pick(
                "lost", "left", "joining", "unseen", "refused", "no controller", "alone", "pending",
                "coming", "back without controller", "not expected",
            )  # fmt: skip
        elif draft.maybe(0.2):
            draft.transient[node]["terminate"] = draft.pick("true", "1", "false")
    for top in draft.tops.values():
        for one in top.members:
            one.meta |= draft.some(
                requires=(0.3, ("nothing", "quorum", "fencing", "unfencing")), priority=(0.3, ("1", "5"))
            )  # fmt: skip
    draft.options |= draft.some(
        stonith_action=(0.4, ("off", "reboot")), startup_fencing=(0.3, ("true", "false")),
        stonith_enabled=(0.1, ("false",)), concurrent_fencing=(0.5, ("true", "false")),
        priority_fencing_delay=(0.4, ("15s",)), have_watchdog=(0.2, ("true",)),
        stonith_watchdog_timeout=(0.2, ("10s", "0")), stonith_timeout=(0.2, ("90s",)),
        no_quorum_policy=(0.3, ("stop", "ignore", "freeze", "demote", "suicide")),
    )  # fmt: skip
    draft.quorum = draft.maybe(0.85)


def quorum(draft: Draft) -> None:
    """No quorum, under every policy."""
    draft.quorum = draft.maybe(0.1)
    policy = draft.pick("stop", "ignore", "freeze", "demote", "suicide", "")
    draft.options |= {"no-quorum-policy": policy} if policy else {}
    draft.options |= draft.some(
        stonith_enabled=(0.3, ("false",)), startup_fencing=(0.1, ("false",))
    )
    if draft.maybe(0.5):
        node = draft.pick("n1", "n2")
        draft.standing[node] = draft.pick("lost", "left", "joining")
    for one in draft.primitives():
        one.meta |= draft.some(requires=(0.2, ("nothing", "quorum", "fencing")))
        if draft.maybe(0.1):
            node = draft.pick(*NODES)
            one.history[node] = [operation(one, "start", rc=1, age_s=90)]
            draft.transient[node][f"fail-count-{one.name}#start_0"] = "INFINITY"


def asymmetric(draft: Draft) -> None:
    """Nothing may be anywhere unless it is said so."""
    draft.options["symmetric-cluster"] = "false"
    for number, name in enumerate([*draft.tops, *(one.name for one in draft.devices)]):
        for node in NODES:
            if draft.maybe(0.55):
                score = draft.pick("0", "10", "100", "INFINITY", "-INFINITY")
                draft.constraints.append(
                    f'<rsc_location id="as{number}{node}" rsc="{name}" node="{node}" score="{score}"/>'
                )
    if draft.maybe(0.4):
        draft.defaults.append(
            '<rsc_defaults><meta_attributes id="rda"><nvpair id="rda-s" name="resource-stickiness"'
            f' value="{draft.pick("1", "50", "INFINITY")}"/></meta_attributes></rsc_defaults>'
        )


def locks(draft: Draft) -> None:
    """Resources that wait for their node to come back from a shutdown."""
    draft.options["shutdown-lock"] = "true"
    draft.options |= draft.some(shutdown_lock_limit=(0.4, ("5min", "1h")))
    for node in NODES[:2]:
        match draft.pick("down", "down", "leaving", "up", "lost"):
            case "down":
                draft.standing[node] = "down"
            case "leaving":
                draft.transient[node]["shutdown"] = str(NOW - 20)
            case "lost":
                draft.standing[node] = "lost"
            case _:
                pass
    for one in draft.primitives():
        for node in NODES:
            if one.history.get(node) and draft.maybe(0.4):
                one.locked[node] = str(NOW - draft.chance.choice([60, 1000]))
                if draft.standing[node] == "down":
                    one.history[node] = [operation(one, "stop", call=3)]


def kinds(draft: Draft) -> None:
    """Other agents, and operations of every sort."""
    for one in draft.primitives():
        if one.agent == "Dummy" and draft.maybe(0.3) and ":" not in one.name:
            one.standard, one.agent = draft.pick("systemd", "lsb", "service"), "thing"
        chosen = {}
        for name, words in (
            ("slow", {"name": "monitor", "interval": "30s", "timeout": "20s"}),
            ("stopped", {"name": "monitor", "interval": "11s", "timeout": "20s", "role": "Stopped"}),
            ("started", {"name": "monitor", "interval": "12s", "timeout": "20s", "role": "Started"}),
            ("off", {"name": "monitor", "interval": "13s", "timeout": "20s", "enabled": "false"}),
            ("twice", {"name": "monitor", "interval": "30s", "timeout": "25s"}),
            ("unpromoted", {"name": "monitor", "interval": "14s", "timeout": "20s", "role": "Unpromoted"}),
            ("start", {"name": "start", "interval": "0s", "timeout": "50s"}),
            ("probe", {"name": "monitor", "interval": "0s", "timeout": "45s"}),
            ("origin", {
                "name": "monitor", "interval": "1h", "timeout": "20s",
                "interval-origin": "2027-01-01 00:00:00Z",
            }),
            ("later", {"name": "monitor", "interval": "40s", "timeout": "20s", "start-delay": "5s"}),
        ):  # fmt: skip
            if draft.maybe(0.25):
                chosen[f"{one.name}-{name}"] = words
        one.operations |= chosen
        for node in NODES:
            if draft.maybe(0.3):
                interval = draft.chance.choice([30_000, 11_000, 12_000, 13_000, 14_000])
                rc = 0 if ran(one, node) else 7
                if one.history.get(node):
                    one.history[node].append(
                        operation(one, "monitor", interval_ms=interval, rc=rc, expected=rc, call=2)
                    )
    if draft.maybe(0.3):
        draft.defaults.append(
            '<op_defaults><meta_attributes id="od"><nvpair id="od-x" '
            + draft.pick(
                'name="timeout" value="33s"', 'name="on-fail" value="block"', 'name="on-fail" value="stop"',
                'name="record-pending" value="false"', 'name="enabled" value="false"',
            )
            + "/></meta_attributes></op_defaults>"
        )  # fmt: skip
    draft.options |= draft.some(
        start_failure_is_fatal=(0.3, ("false",)), enable_startup_probes=(0.2, ("false",)),
        maintenance_mode=(0.05, ("true",)),
    )  # fmt: skip


def doubled(draft: Draft) -> None:
    """Members of anything that are active on more nodes than they should be."""
    for top in draft.tops.values():
        value = draft.pick("stop_start", "stop_only", "block", "stop_unexpected", "", "")
        if value and top.clone:
            top.meta["multiple-active"] = value
        elif value and top.group:
            top.group_meta["multiple-active"] = value
        elif value:
            top.members[0].meta["multiple-active"] = value
        if not draft.maybe(0.5):
            continue
        for one in top.instances or top.members:
            if draft.maybe(0.7):
                for node in draft.chance.sample(NODES, draft.chance.randint(2, 3)):
                    tell(one, node, active=True)
    for one in draft.primitives():
        one.meta |= draft.some(is_managed=(0.05, ("false",)))


def insiders(draft: Draft) -> None:
    """Wishes that name members of groups, and settings of members alone."""
    groups = [top for top in draft.tops.values() if top.group and not top.clone]
    if not groups:
        members = [Primitive(f"h{number}") for number in range(1, 4)]
        draft.add(Top("h", members, group="h"))
        groups = [draft.tops["h"]]
    for number in range(draft.chance.randint(1, 3)):
        group = draft.chance.choice(groups)
        one = draft.chance.choice(group.members)
        other = draft.pick(*[name for name in draft.tops if name != group.name])
        score = draft.pick("INFINITY", "-INFINITY", "10", "-10")
        draft.constraints.append(
            draft.pick(
                f'<rsc_location id="in{number}" rsc="{one.name}" node="{draft.pick(*NODES)}" score="{score}"/>',
                f'<rsc_colocation id="in{number}" rsc="{one.name}" with-rsc="{other}" score="{score}"/>',
                f'<rsc_colocation id="in{number}" rsc="{other}" with-rsc="{one.name}" score="{score}"/>',
                f'<rsc_order id="in{number}" first="{one.name}" then="{other}"/>',
                f'<rsc_order id="in{number}" first="{other}" then="{one.name}"/>',
            )
        )
        one.meta |= draft.some(
            target_role=(0.2, ("Stopped", "Started")), critical=(0.2, ("false",)),
            is_managed=(0.15, ("false",)), maintenance=(0.1, ("true",)), allow_migrate=(0.1, ("true",)),
            resource_stickiness=(0.1, ("5",)), migration_threshold=(0.1, ("1",)),
        )  # fmt: skip
    for group in groups:
        group.group_meta |= draft.some(
            ordered=(0.1, ("false",)), collocated=(0.1, ("false",)), target_role=(0.1, ("Stopped",)),
            is_managed=(0.1, ("false", "true")), resource_stickiness=(0.2, ("1", "10")),
        )  # fmt: skip


def templates(draft: Draft) -> None:
    """Templates, tags, and sets of pairs that are told once."""
    made = draft.some(
        priority=(0.4, ("2", "7")), target_role=(0.2, ("Stopped", "Started")),
        resource_stickiness=(0.4, ("3", "INFINITY")), is_managed=(0.2, ("false",)),
    )  # fmt: skip
    meta = nvpairs("temp", "meta_attributes", made)
    parameters = nvpairs("temp", "instance_attributes", draft.some(size=(0.4, ("9",))))
    monitor = (
        '<operations><op id="temp-m" name="monitor" interval="10s" timeout="20s"/></operations>'
    )
    draft.others.append(
        f'<template id="temp" class="ocf" provider="heartbeat" type="Dummy">{meta}{parameters}{monitor}</template>'
    )
    named = []
    for one in draft.primitives():
        if one.agent == "Dummy" and one.standard == "ocf" and draft.maybe(0.4):
            one.template = "temp"
            named.append(one.name)
        elif made and one.name != "vm" and draft.maybe(0.3):
            # Later versions copy such sets before they look; then connections to guests have them too.
            one.extra.append('<meta_attributes id-ref="temp-meta_attributes"/>')
    members = draft.chance.sample(sorted(draft.tops), 2)
    refs = "".join(f'<obj_ref id="{name}"/>' for name in members)
    draft.tags.append(f'<tag id="both">{refs}</tag>')
    score = draft.pick("INFINITY", "-INFINITY", "10", "-10")
    other = draft.pick(*[name for name in draft.tops if name not in members])
    # Who is with whom is not to go round.
    company = draft.pick(f'rsc="{other}" with-rsc="both"', f'rsc="both" with-rsc="{other}"')
    draft.constraints += draft.chance.sample(
        [
            f'<rsc_location id="tg1" rsc="both" node="{draft.pick(*NODES)}" score="{score}"/>',
            f'<rsc_order id="tg2" first="both" then="{other}"/>',
            f'<rsc_colocation id="tg3" {company} score="{score}"/>',
        ],
        2,
    )
    if len(named) > 1 and draft.maybe(0.5):
        draft.constraints.append(
            f'<rsc_location id="tg5" rsc="temp" node="{draft.pick(*NODES)}" score="{score}"/>'
        )


RARER: Final[dict[str, Callable[[Draft], None]]] = {
    "unique": unique,
    "promotable-groups": promotable_groups,
    "orphans": orphans,
    "digests": digests,
    "fencing": fencing,
    "quorum": quorum,
    "asymmetric": asymmetric,
    "locks": locks,
    "kinds": kinds,
    "doubled": doubled,
    "insiders": insiders,
    "templates": templates,
}

# What makes resources comes first, what speaks of them after it.
_MAKERS: Final = ("groups", "clones", "promotable", "unique", "promotable-groups", *REMOTE)
_ALL: Final = FEATURES | RARER | SETTINGS | REMOTE
EVERY: Final = {name: _ALL[name] for name in (*_MAKERS, *_ALL)}
