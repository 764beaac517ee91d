"""What one recorded operation says: still going on, done as expected, or failed, and how badly.

The remapping of exit codes is a table of its own (section 6, "Remapping of rc/status").
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.scheduler.resources import defaults_of_unconfigured
from ninefold.scheduler.words import Role, milliseconds
from ninefold.scheduler.workspace import OnFail

if TYPE_CHECKING:
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.workspace import Operation, Resource, Workspace

OK: Final = 0
INVALID: Final = 2
NOT_INSTALLED: Final = 5
NOT_CONFIGURED: Final = 6
NOT_RUNNING: Final = 7
RUNNING_PROMOTED: Final = 8
FAILED_PROMOTED: Final = 9
# Exit codes that mean "as 0" and "as 8", but with a warning from the agent.
DEGRADED: Final = {190: OK, 191: RUNNING_PROMOTED}

STATUS_PENDING: Final = -1
STATUS_DONE: Final = 0
STATUS_NOT_SUPPORTED: Final = 3
STATUS_ERROR: Final = 4
STATUS_HARD: Final = 5
STATUS_FATAL: Final = 6
STATUS_NOT_INSTALLED: Final = 7
STATUS_NOT_CONNECTED: Final = 8
STATUS_MAX: Final = 11


class Outcome(Enum):
    """How an operation ended, as far as the policy is concerned."""

    PENDING = "still going on"
    DONE = "ended as expected, or told something new without being a failure"
    FAILED = "failed; may be tried again on the same node"
    HARD = "failed in a way that will repeat on this node"
    FATAL = "failed in a way that will repeat on every node"
    MISSING = "could not be carried out, because the agent is not there"


class Verdict(msgspec.Struct, frozen=True):
    """An outcome; `role` is what the exit code itself says (unknown: nothing).

    `masked`: a probe that could not be carried out, taken as "not running" with a ban of the node.
    `not_running`: what was recorded about failures before is past.
    """

    outcome: Outcome
    role: Role = Role.UNKNOWN
    masked: bool = False
    not_running: bool = False


def judge(resource: Resource, entry: Entry, *, expired: bool) -> Verdict:
    """Say what `entry` means for `resource`."""
    if entry.status == STATUS_PENDING:
        return Verdict(Outcome.PENDING)
    rc = plain_rc(entry)
    if masks(resource, entry):
        return Verdict(Outcome.DONE, Role.STOPPED, masked=True, not_running=True)
    final = {
        STATUS_HARD: Outcome.HARD,
        STATUS_FATAL: Outcome.FATAL,
        STATUS_NOT_INSTALLED: Outcome.MISSING,
    }
    if entry.status in final:
        return Verdict(final[entry.status])
    if entry.status not in {STATUS_DONE, STATUS_ERROR}:
        return Verdict(Outcome.FAILED)
    return _by_exit_code(resource, entry, rc, expired=expired)


def plain_rc(entry: Entry) -> int:
    """Return the exit code; of a monitor without the warning that goes with it, if there is one."""
    return DEGRADED.get(entry.rc, entry.rc) if entry.task == "monitor" else entry.rc


def masks(resource: Resource, entry: Entry) -> bool:
    """Whether it is a probe that tells, by failing, that nothing can be running there."""
    if not entry.probe or resource.outermost.replicas:
        return False
    return entry.rc in {NOT_INSTALLED, INVALID} or entry.status == STATUS_NOT_INSTALLED


def _by_exit_code(resource: Resource, entry: Entry, rc: int, *, expired: bool) -> Verdict:
    expected = rc == entry.expected_rc or (entry.expected_rc < 0 and rc == OK)
    done = Outcome.DONE if expected else Outcome.FAILED
    match rc:
        case 0:
            found = entry.probe and entry.expected_rc == NOT_RUNNING
            return Verdict(Outcome.DONE if found else done)
        case 7:
            if entry.probe or expected or not resource.is_managed:
                return Verdict(Outcome.DONE, Role.STOPPED, not_running=True)
            return Verdict(Outcome.FAILED)
        case 8 | 191:
            return Verdict(Outcome.DONE if entry.probe else done, Role.PROMOTED)
        case 9:
            return Verdict(Outcome.FAILED, Role.UNKNOWN if expired else Role.PROMOTED)
        case 6:
            return Verdict(done if expired else Outcome.FATAL)
        case 3 if entry.interval_ms:
            return Verdict(Outcome.FAILED)
        case 2 | 3 | 4 | 5:
            return Verdict(done if expired else Outcome.HARD)
        case _:
            # Even where it was expected: an agent that only says that something is wrong has failed.
            return Verdict(Outcome.FAILED)


_ONCE: Final = frozenset({"migrate_to", "migrate_from", "promote", "demote", "start", "stop"})
_POLICIES: Final = {
    "ignore": OnFail.IGNORE,
    "nothing": OnFail.IGNORE,
    "demote": OnFail.DEMOTE,
    "restart": OnFail.RESTART,
    "restart-container": OnFail.RESTART_CONTAINER,
    "ban": OnFail.BAN,
    "migrate": OnFail.BAN,
    "block": OnFail.BLOCK,
    "stop": OnFail.STOP,
    "standby": OnFail.STANDBY,
    "fence": OnFail.FENCE,
}


def policy_of(work: Workspace, resource: Resource, task: str, interval_ms: int) -> OnFail:
    """Return what the configuration wants done about a failed operation."""
    value = configured_policy(work, resource, task, interval_ms)
    policy = _POLICIES.get(value)
    fencing = work.options.fencing_enabled
    if policy is OnFail.FENCE and not fencing:
        policy = OnFail.STOP
    if policy is OnFail.RESTART_CONTAINER and resource.launcher is None:
        policy = None
    if policy is None and resource.launcher is not None:
        # The connection to a guest, too, is mended by beginning again with the guest.
        policy = OnFail.RESTART_CONTAINER
    probe = task == "monitor" and interval_ms == 0
    connected = resource.remote_connection and not probe and task != "start"
    if connected and (policy is None or not resource.is_managed):
        return OnFail.RESET_REMOTE if resource.is_managed else OnFail.STOP
    if policy is not None:
        return policy
    if task == "stop":
        return OnFail.FENCE if fencing else OnFail.BLOCK
    return OnFail.RESTART


def configured_policy(work: Workspace, resource: Resource, task: str, interval_ms: int) -> str:
    """Return the valid `on-fail` of an operation, "" if there is none."""
    op = operation_for(resource, task, interval_ms)
    value = op.on_fail if op is not None else _default_policy(work, resource, task, interval_ms)
    if task == "stop" and value in {"standby", "demote", "stop"}:
        return ""
    if task == "demote" and not value:
        value = _promoted_monitor_policy(resource)
    if value == "demote":
        promoted_monitor = (
            op is not None and task == "monitor" and interval_ms > 0 and op.role is Role.PROMOTED
        )
        if task != "promote" and not promoted_monitor:
            return ""
    return value


def _default_policy(work: Workspace, resource: Resource, task: str, interval_ms: int) -> str:
    defaults = defaults_of_unconfigured(work, resource, task, interval_ms)
    return defaults.get("on-fail", "").lower()


def _promoted_monitor_policy(resource: Resource) -> str:
    """A failed demote is treated as a failed monitor of the promoted role, if that says something."""
    for op in resource.operations:
        fits = op.name == "monitor" and op.enabled and op.interval_ms > 0
        if fits and op.role is Role.PROMOTED and op.on_fail and op.on_fail != "demote":
            return op.on_fail
    return ""


def operation_for(resource: Resource, task: str, interval_ms: int) -> Operation | None:
    """Return the `<op>` for a task, an enabled one if there is one; of a recurring one, exactly."""
    found = [op for op in resource.operations if op.name == task]
    if not found and task in {"migrate_to", "migrate_from"}:
        # Both halves of a migration may be configured as one.
        found = [op for op in resource.operations if op.name == "migrate"]
    same = [op for op in found if op.interval_ms == interval_ms]
    if not same and task in _ONCE:
        same = found
    return next((op for op in same if op.enabled), same[0] if same else None)


def timeout_ms(op: Operation | None, default_ms: int) -> int:
    """Return the timeout of an operation."""
    return milliseconds(None if op is None else op.meta.get("timeout"), default_ms)
