"""Settings of every scope and histories of every kind, to be put into a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.random_cib import NODES, NOW, operation, ran

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.random_cib import Draft, Primitive, Top

# Codes of agents, and those with which Pacemaker says that an agent is degraded.
_CODES: Final = (1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 190, 191, 0)
# Timed out, unsupported, failed, failed for good here, and everywhere, not installed, and so on.
_STATUSES: Final = (2, 2, 3, 4, 4, 5, 6, 7, 8, 9)


def histories(draft: Draft) -> None:
    """Operations with every code and status, in every order, and failures that were kept."""
    for one in draft.primitives():
        one.meta |= draft.some(
            failure_timeout=(0.15, ("100s", "1h")), migration_threshold=(0.15, ("1", "2"))
        )
        if draft.maybe(0.4):
            on_fail = draft.some(
                on_fail=(0.6, ("ignore", "block", "stop", "restart", "standby", "fence"))
            )
            words = {"interval": "10s", "timeout": "20s"} | on_fail
            one.operations = {f"{one.name}-mon": {"name": "monitor"} | words}
        for node in NODES:
            if draft.maybe(0.3):
                one.history[node] = _told(draft, one, node)


def _told(draft: Draft, one: Primitive, node: str) -> list[dict[str, str]]:
    """Return a last operation, and perhaps a monitor and a failure before or after it."""
    tasks = ["start", "start", "stop", "probe"]
    if one.agent == "Stateful":
        tasks += ["promote", "demote", "promote"]
    call = draft.chance.randint(2, 5)
    told = [_entry(draft, one, draft.pick(*tasks), call)]
    if draft.maybe(0.4):
        told.append(_entry(draft, one, "monitor", call + draft.chance.choice([-1, 1])))
    if told[-1]["id"] != f"{one.name}_last_failure_0" and draft.maybe(0.4):
        task = draft.pick(*tasks, "monitor")
        failed = _entry(draft, one, task, call + draft.chance.choice([-1, 0, 1]), failed=True)
        told.append(failed | {"id": f"{one.name}_last_failure_0"})
        if draft.maybe(0.7):
            kind = failed["operation"] + "_" + failed["interval"]
            draft.transient[node][f"fail-count-{one.name}#{kind}"] = draft.pick("1", "INFINITY")
            draft.transient[node][f"last-failure-{one.name}#{kind}"] = failed["last-rc-change"]
    draft.chance.shuffle(told)
    return told


def _entry(
    draft: Draft, one: Primitive, task: str, call: int, *, failed: bool = False
) -> dict[str, str]:
    interval_ms = 10_000 if task == "monitor" else 0
    expected = 7 if task == "probe" else 0
    if task == "monitor" and one.agent == "Stateful" and draft.maybe(0.4):
        expected = 8
    rc, status = expected, 0
    if failed or draft.maybe(0.35):
        rc = draft.chance.choice(_CODES)
        if rc != expected and draft.maybe(0.3):
            status = draft.chance.choice(_STATUSES)
    elif draft.maybe(0.1):
        rc, status, call = 193, -1, -1
    return operation(
        one,
        "monitor" if task == "probe" else task,
        interval_ms=interval_ms,
        rc=rc,
        expected=expected,
        status=status,
        call=call,
        age_s=draft.chance.choice([30, 200, 5000]) + 7 * (6 - call),
    )


def defaults(draft: Draft) -> None:
    """Defaults of resources and operations, in sets of which some hold for some kinds only."""
    _in_sets(draft, "rsc_defaults", "rdx", _RESOURCE_DEFAULTS)
    _in_sets(draft, "op_defaults", "odx", _OPERATION_DEFAULTS)
    for one in draft.primitives():
        one.meta |= draft.some(
            is_managed=(0.1, ("true", "#default")), resource_stickiness=(0.1, ("#default", "0")),
            migration_threshold=(0.1, ("0", "INFINITY")), target_role=(0.1, ("Started", "#default")),
        )  # fmt: skip
        if not one.operations and draft.maybe(0.4):
            interval = draft.pick("10s", "10s", "20s")
            words = {"name": "monitor", "interval": interval}
            one.operations[f"{one.name}-d"] = words | draft.some(timeout=(0.5, ("20s", "30s")))
        for node in NODES:
            if ran(one, node) and len(one.history[node]) == 1 and draft.maybe(0.3):
                rc = draft.chance.choice([0, 0, 1])
                told = operation(one, "monitor", interval_ms=10_000, rc=rc, call=2, age_s=200)
                one.history[node].append(told)
                if rc:
                    draft.transient[node][f"fail-count-{one.name}#monitor_10000"] = "1"


_RESOURCE_DEFAULTS: Final = (
    ("resource-stickiness", ("1", "40", "INFINITY")),
    ("migration-threshold", ("1", "2")),
    ("failure-timeout", ("100s", "1h")),
    ("is-managed", ("false", "true")),
    ("target-role", ("Stopped", "Started")),
    ("multiple-active", ("block", "stop_only")),
    ("priority", ("4",)),
    ("requires", ("quorum", "nothing")),
    ("allow-migrate", ("true",)),
    ("maintenance", ("true", "false")),
    ("critical", ("false",)),
)
_OPERATION_DEFAULTS: Final = (
    ("timeout", ("33s", "20s")),
    ("on-fail", ("block", "stop", "ignore", "fence", "standby")),
    ("record-pending", ("false",)),
    ("interval", ("10s",)),
)


def _in_sets(
    draft: Draft, element: str, owner: str, choice: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    if any(f"<{element}>" in told for told in draft.defaults):
        return
    sets = []
    for number in range(draft.chance.randint(1, 3)):
        own = f"{owner}{number}"
        pairs = "".join(
            f'<nvpair id="{own}-{name}" name="{name}" value="{draft.pick(*values)}"/>'
            for name, values in draft.chance.sample(choice, draft.chance.randint(1, 2))
        )
        rule = _kind_rule(draft, own, operations=element == "op_defaults")
        sets.append(
            f'<meta_attributes id="{own}" score="{number + 1}">{rule}{pairs}</meta_attributes>'
        )
    draft.defaults.append(f"<{element}>{''.join(sets)}</{element}>")


def _kind_rule(draft: Draft, owner: str, *, operations: bool) -> str:
    """Return a rule about kinds of resources or operations, or none."""
    head = f'<rule id="{owner}-r" score="INFINITY" boolean-op="{draft.pick("and", "or")}">'
    conditions = [
        f'<rsc_expression id="{owner}-x" class="ocf" type="{draft.pick("Dummy", "Stateful")}"/>',
        f'<rsc_expression id="{owner}-y" provider="{draft.pick("heartbeat", "pacemaker")}"/>',
        f'<rsc_expression id="{owner}-z" class="stonith"/>',
    ]
    if operations:
        conditions += [
            f'<op_expression id="{owner}-o" name="monitor" interval="{draft.pick("10s", "0")}"/>',
            f'<op_expression id="{owner}-p" name="{draft.pick("monitor", "start", "stop")}"/>',
        ]
    chosen = draft.chance.sample(conditions, draft.chance.randint(0, 2))
    return f"{head}{''.join(chosen)}</rule>" if chosen else ""


def _metas(top: Top) -> list[dict[str, str]]:
    """Return the meta attributes of every member, and of what is around them."""
    around = [top.meta] if top.clone else []
    around += [top.group_meta] if top.group else []
    return [*(one.meta for one in top.members), *around]


def roles(draft: Draft) -> None:
    """Wanted roles, and who is left alone, at every scope; or all is to stop."""
    for top in draft.tops.values():
        for meta in _metas(top):
            told = draft.some(
                target_role=(0.25, ("Started", "Stopped", "Unpromoted", "Promoted", "Slave", "Master")),
                is_managed=(0.15, ("false", "true")), maintenance=(0.08, ("true", "false")),
            )  # fmt: skip
            meta.update(told)
    draft.options |= draft.some(
        stop_all_resources=(0.2, ("true",)), maintenance_mode=(0.1, ("true", "false")),
        enable_startup_probes=(0.15, ("false",)), stop_orphan_resources=(0.1, ("false",)),
    )  # fmt: skip
    for node in NODES:
        draft.attributes[node] |= draft.some(
            standby=(0.1, ("on", "off")), maintenance=(0.1, ("true", "false"))
        )
        draft.transient[node] |= draft.some(standby=(0.1, ("on", "off")))


def counts(draft: Draft) -> None:
    """Counted failures of all kinds, and what is thought of them, at every scope."""
    draft.options |= draft.some(start_failure_is_fatal=(0.5, ("false", "true")))
    for top in draft.tops.values():
        for meta in _metas(top):
            told = draft.some(
                migration_threshold=(0.4, ("1", "2", "3", "INFINITY", "0")),
                failure_timeout=(0.25, ("100s", "10min", "1h", "0")),
            )
            meta.update(told)
        for one in top.members:
            for node in NODES:
                if draft.maybe(0.35):
                    _counted(draft, one, node, numbered=top.clone)


def _counted(draft: Draft, one: Primitive, node: str, *, numbered: bool) -> None:
    """Count failures of one or two kinds, some of which the history tells as well."""
    for kind in draft.chance.sample(["start_0", "stop_0", "monitor_10000", "promote_0"], 2):
        name = f"{one.name}:0" if numbered and draft.maybe(0.3) else one.name
        age_s = draft.chance.choice([-50, 30, 200, 700, 5000])
        count = draft.pick("1", "2", "3", "INFINITY", "0")
        draft.transient[node][f"fail-count-{name}#{kind}"] = count
        if draft.maybe(0.8):
            draft.transient[node][f"last-failure-{name}#{kind}"] = str(NOW - age_s)
        task, interval = kind.split("_")
        if task == "monitor" and ran(one, node) and draft.maybe(0.5):
            told = operation(
                one, task, interval_ms=int(interval), rc=1, call=2, age_s=max(age_s, 1)
            )
            one.history[node].append(told)


SETTINGS: Final[dict[str, Callable[[Draft], None]]] = {
    "histories": histories,
    "defaults": defaults,
    "roles": roles,
    "counts": counts,
}
