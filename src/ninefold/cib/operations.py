"""The form of one `lrm_rsc_op`: an `Operation` written as XML, and read back.

Which entries a history keeps is decided in `status`; here is only their form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree

from ninefold.cib.model import Operation

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

NO_UUID: Final = "00000000-0000-0000-0000-000000000000"

# More than any time in milliseconds needs, and still an int64.
_DIGITS_MAX: Final = 15

_PENDING: Final = -1
_DONE: Final = 0
_CANCELLED: Final = 1
_NOT_INSTALLED: Final = 7

# What a probe (a monitor without interval) may find: running, stopped, running as promoted.
_FOUND: Final = (0, 7, 8)
_PROMOTED: Final = 8

# What a probe says of what could not run if it were there (arguments, installation), or is stopped.
_COULD_NOT_RUN: Final = (2, 5)
_NOT_THERE: Final = (*_COULD_NOT_RUN, 7)

# The exit code of a failure that says nothing more.
_ERROR: Final = 1


def recorded(operation: Operation) -> Operation:
    """Return a finished operation as it is kept.

    A reload gave the resource its parameters as a start does; one that failed says only how it is, as a
    monitor does. A probe that cannot run shows that nothing is there, but a reload that refuses its new
    parameters does not: what it was to change runs on with the old ones, and has to be stopped.
    """
    if operation.task not in ("reload", "reload-agent"):
        return operation
    if (operation.rc, operation.op_status) == (operation.expected_rc, _DONE):
        return msgspec.structs.replace(operation, task="start")
    refused = operation.rc in _COULD_NOT_RUN or operation.op_status == _NOT_INSTALLED
    said = {"rc": _ERROR, "op_status": _DONE} if refused else {}
    return msgspec.structs.replace(operation, task="monitor", **said)


def operation_failed(operation: Operation) -> bool:
    """Tell whether a finished operation did not end as it was asked to.

    Who does not listen to a notification has not failed at what it is there for.
    """
    if operation.op_status in (_PENDING, _CANCELLED) or operation.task == "notify":
        return False
    return operation.op_status != _DONE or operation.rc != operation.expected_rc


def probe_found(operation: Operation) -> bool:
    """Tell whether a probe found out what it was to find out, expected or not: that is no failure."""
    probe = operation.task == "monitor" and not operation.interval_ms
    return probe and operation.op_status == _DONE and operation.rc in _FOUND


def operation_ended(operation: Operation) -> bool:
    """Tell whether the resource does not run after this operation, by its own word."""
    if operation.task == "stop":
        return (operation.rc, operation.op_status) == (0, _DONE)
    probe = operation.task == "monitor" and not operation.interval_ms
    return probe and operation.rc in _NOT_THERE


def found_running(operation: Operation) -> Operation:
    """Return the last word on something that may run as that of a probe: it runs, promoted if it may be.

    Its number is the least, so that what a daemon does that begins to count anew is believed.
    """
    demoted = operation.task == "demote" and (operation.rc, operation.op_status) == (0, _DONE)
    promoted = operation.rc == _PROMOTED or (
        operation.task in ("promote", "demote") and not demoted
    )
    rc = _PROMOTED if promoted else 0
    return msgspec.structs.replace(
        operation,
        task="monitor",
        interval_ms=0,
        call_id=0,
        rc=rc,
        expected_rc=rc,
        op_status=_DONE,
        exit_reason="",
        migrate_source="",
        migrate_target="",
    )


def operation_pending(operation: Operation) -> bool:
    """Tell whether an operation has begun and not ended."""
    return operation.op_status == _PENDING


def transition_key(operation: Operation) -> str:
    """Return `ACTION:TRANSITION:TARGETRC:UUID`; `operation.transition` is `NUMBER:UUID`."""
    number, colon, uuid = operation.transition.partition(":")
    if not re.fullmatch("[0-9]{1,15}", number):
        number, uuid = "0", operation.transition
    elif not colon:
        uuid = NO_UUID
    return f"{operation.action_id}:{number}:{operation.expected_rc}:{uuid}"


def operation_to_xml(operation: Operation, entry_id: str, node_name: str) -> Element:
    """Write an `lrm_rsc_op` with Pacemaker's attributes, in Pacemaker's order."""
    key = transition_key(operation)
    attributes = {
        "id": entry_id,
        "operation_key": operation.key,
        "operation": operation.task,
        "transition-key": key,
        "transition-magic": f"{operation.op_status}:{operation.rc};{key}",
        "exit-reason": operation.exit_reason,
        "on_node": node_name,
        "call-id": str(operation.call_id),
        "rc-code": str(operation.rc),
        "op-status": str(operation.op_status),
        "interval": str(operation.interval_ms),
        "last-rc-change": str(operation.last_rc_change),
        "exec-time": str(operation.exec_ms),
        "queue-time": str(operation.queue_ms),
        "op-digest": operation.op_digest,
        **_digests(operation),
        "migrate_source": operation.migrate_source,
        "migrate_target": operation.migrate_target,
    }
    element = etree.Element("lrm_rsc_op")
    for name, value in attributes.items():
        if value or name == "exit-reason":
            element.set(name, value)
    return element


def _digests(operation: Operation) -> dict[str, str]:
    """Return the digests of parts; names are set apart by blanks, with one at either end."""
    found = {}
    if operation.restart_digest:
        # Without names, every parameter would count: a blank says that none does.
        found["op-force-restart"] = operation.force_restart or " "
        found["op-restart-digest"] = operation.restart_digest
    if operation.secure_digest:
        found["op-secure-params"] = operation.secure_params
        found["op-secure-digest"] = operation.secure_digest
    return found


def operation_from_xml(element: Element) -> Operation | None:
    """Read an `lrm_rsc_op`; `None` if it is none, or one no scheduler could use."""
    resource = element.getparent()
    if element.tag != "lrm_rsc_op" or resource is None:
        return None
    numbers = {name: _number(element, name) for name in ("call-id", "rc-code", "op-status")}
    task = element.get("operation", "")
    key = re.fullmatch(r"([0-9]+):([0-9]+):([0-9]+):(.*)", element.get("transition-key", ""))
    if not task or None in numbers.values():
        return None
    changed = _number(element, "last-rc-change") or 0
    return Operation(
        resource=resource.get("id", ""),
        agent_class=resource.get("class", ""),
        provider=resource.get("provider", ""),
        agent_type=resource.get("type", ""),
        task=task,
        interval_ms=_number(element, "interval") or 0,
        call_id=numbers["call-id"] or 0,
        rc=numbers["rc-code"] or 0,
        expected_rc=int(key[3][:9]) if key else 0,
        op_status=numbers["op-status"] or 0,
        transition=f"{key[2]}:{key[4]}" if key else "",
        action_id=int(key[1][:15]) if key else 0,
        last_run=_number(element, "last-run") or changed,
        last_rc_change=changed,
        exec_ms=_number(element, "exec-time") or 0,
        queue_ms=_number(element, "queue-time") or 0,
        op_digest=element.get("op-digest", ""),
        exit_reason=element.get("exit-reason", ""),
        migrate_source=element.get("migrate_source", ""),
        migrate_target=element.get("migrate_target", ""),
        force_restart=element.get("op-force-restart", ""),
        restart_digest=element.get("op-restart-digest", ""),
        secure_params=element.get("op-secure-params", ""),
        secure_digest=element.get("op-secure-digest", ""),
    )


def _number(element: Element, name: str) -> int | None:
    # Not a regular expression: this runs seven times for each entry of every history.
    text = element.get(name, "")
    digits = text.removeprefix("-")
    good = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX
    return int(text) if good else None
