"""Settings of every scope and histories of every kind, to be put into a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.random_cib import NODES, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.random_cib import Draft, Primitive

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


SETTINGS: Final[dict[str, Callable[[Draft], None]]] = {"histories": histories}
