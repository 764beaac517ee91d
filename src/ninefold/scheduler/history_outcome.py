"""What one recorded operation says: still going on, done as expected, or failed, and how badly.

The remapping of exit codes is a table of its own (section 6, "Remapping of rc/status").
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import OnFail

if TYPE_CHECKING:
    from ninefold.scheduler.history import Entry
    from ninefold.scheduler.workspace import Resource, Workspace

OK: Final = 0
INVALID: Final = 2
UNIMPLEMENTED: Final = 3
PERMISSION: Final = 4
NOT_INSTALLED: Final = 5
NOT_CONFIGURED: Final = 6
NOT_RUNNING: Final = 7
RUNNING_PROMOTED: Final = 8
FAILED_PROMOTED: Final = 9
# Exit codes that mean "as 0" and "as 8", but with a warning from the agent.
_DEGRADED: Final = {190: OK, 191: RUNNING_PROMOTED}

STATUS_PENDING: Final = -1
STATUS_DONE: Final = 0
STATUS_NOT_SUPPORTED: Final = 3
STATUS_ERROR: Final = 4
STATUS_HARD: Final = 5
STATUS_FATAL: Final = 6
STATUS_NOT_INSTALLED: Final = 7


class Outcome(Enum):
    """How an operation ended, as far as the policy is concerned."""

    PENDING = "still going on"
    DONE = "ended as expected, or told something new without being a failure"
    FAILED = "failed; may be tried again on the same node"
    HARD = "failed in a way that will repeat on this node"
    FATAL = "failed in a way that will repeat on every node"


class Verdict(msgspec.Struct, frozen=True):
    """An outcome; `role` is what the exit code itself says (unknown: nothing), `ban` this node."""

    outcome: Outcome
    role: Role = Role.UNKNOWN
    ban: bool = False


def judge(resource: Resource, entry: Entry) -> Verdict:
    """Say what `entry` means for `resource`."""
    if entry.status == STATUS_PENDING:
        return Verdict(Outcome.PENDING)
    rc = _DEGRADED.get(entry.rc, entry.rc)
    if entry.probe and (rc in {NOT_INSTALLED, INVALID} or entry.status == STATUS_NOT_INSTALLED):
        return Verdict(Outcome.DONE, Role.STOPPED, ban=True)
    if entry.status == STATUS_HARD:
        return Verdict(Outcome.HARD)
    if entry.status == STATUS_FATAL:
        return Verdict(Outcome.FATAL)
    if entry.status == STATUS_NOT_INSTALLED:
        return Verdict(Outcome.HARD)
    if entry.status not in {STATUS_DONE, STATUS_ERROR}:
        return Verdict(Outcome.FAILED)
    return _by_exit_code(resource, entry, rc)


def _by_exit_code(resource: Resource, entry: Entry, rc: int) -> Verdict:
    expected = rc == entry.expected_rc
    match rc:
        case 0:
            found = entry.probe and entry.expected_rc == NOT_RUNNING
            return Verdict(Outcome.DONE if expected or found else Outcome.FAILED)
        case 7:
            fine = entry.probe or expected or not resource.managed
            return Verdict(Outcome.DONE if fine else Outcome.FAILED, Role.STOPPED)
        case 8:
            fine = entry.probe or expected
            return Verdict(Outcome.DONE if fine else Outcome.FAILED, Role.PROMOTED)
        case 9:
            return Verdict(Outcome.FAILED, Role.PROMOTED)
        case 6:
            return Verdict(Outcome.FATAL)
        case 3:
            return Verdict(Outcome.FAILED if entry.interval_ms else Outcome.HARD)
        case 2 | 4 | 5:
            return Verdict(Outcome.HARD)
        case _:
            return Verdict(Outcome.DONE if expected else Outcome.FAILED)


_POLICIES: Final = {
    "ignore": OnFail.IGNORE,
    "nothing": OnFail.IGNORE,
    "demote": OnFail.DEMOTE,
    "restart": OnFail.RESTART,
    "ban": OnFail.BAN,
    "block": OnFail.BLOCK,
    "stop": OnFail.STOP,
    "standby": OnFail.STANDBY,
    "fence": OnFail.FENCE,
}


def policy_of(work: Workspace, resource: Resource, task: str, interval_ms: int) -> OnFail:
    """Return what the configuration wants done about a failed operation."""
    configured = ""
    for op in resource.operations:
        if op.name == task and op.interval_ms == interval_ms:
            configured = op.on_fail
            break
    policy = _POLICIES.get(configured)
    fencing = work.options.fencing_enabled
    if policy is OnFail.FENCE and not fencing:
        policy = OnFail.STOP
    if task == "stop":
        if policy in {OnFail.BLOCK, OnFail.IGNORE, OnFail.STANDBY}:
            return policy
        return OnFail.FENCE if fencing else OnFail.BLOCK
    return OnFail.RESTART if policy is None else policy
