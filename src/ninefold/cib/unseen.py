"""What may run on a node though no operation says so, until somebody has looked.

A daemon that was started anew knows nothing of what an earlier one had started. What is configured is
probed; until then its history is empty but for the mark `unseen`, so that nothing takes it for stopped or
running. What has no definition is never probed: it counts as running, and is stopped. Otherwise what an
operator removes between the daemon's return and the probe would run for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib import edit
from ninefold.cib.model import Operation
from ninefold.cib.operations import (
    found_running,
    operation_ended,
    operation_from_xml,
    operation_pending,
    operation_to_xml,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxml.etree import _Element as Element

HISTORIES: Final = "lrm/lrm_resources/lrm_resource"

# On an `lrm_resource`: the daemon there was started anew, and nobody has looked since.
_MARK: Final = "unseen"


def kept(
    state: Element, told: list[str], defined: Callable[[str], bool], *, fresh: bool
) -> list[Element]:
    """Return the histories that outlast a node's own account, in which it `told` of the others."""
    found = []
    for resource in state.iterfind(HISTORIES):
        name = resource.get("id", "")
        if name in told:
            continue
        if defined(name):
            if is_marked(resource) or (fresh and may_run(resource) is not None):
                _mark(resource)
                found.append(resource)
        elif (last := may_run(resource)) is not None:
            # No result comes of what an earlier daemon had begun.
            _keep_only(resource, found_running(last), state.get("uname", ""))
            found.append(resource)
    return found


def looked_at(resource: Element) -> None:
    """Remove the mark: there is a result."""
    if resource.get(_MARK):
        del resource.attrib[_MARK]


def settle_undefined(state: Element, defined: Callable[[str], bool]) -> bool:
    """Take for running what has lost its definition before it was looked at."""
    found = [entry for entry in marked(state) if not defined(entry.get("id", ""))]
    for resource in found:
        looked_at(resource)
        _keep_only(resource, _running(resource), state.get("uname", ""))
    return bool(found)


def marked(state: Element) -> list[Element]:
    """Return the histories of what nobody has looked at."""
    return [resource for resource in state.iterfind(HISTORIES) if is_marked(resource)]


def is_marked(resource: Element) -> bool:
    """Has nobody looked at it yet?"""
    return bool(resource.get(_MARK))


def _mark(resource: Element) -> None:
    for entry in list(resource):
        edit.remove(entry)
    resource.set(_MARK, "true")


def _running(resource: Element) -> Operation:
    last = may_run(resource)
    if last is not None:
        return found_running(last)
    name = resource.get("id", "")
    agent = (resource.get("class", ""), resource.get("provider", ""), resource.get("type", ""))
    return Operation(name, *agent, "monitor", 0, 0, 0, 0, 0, "", 0, 0, 0)


def settle(resource: Element, node_name: str) -> bool:
    """Let a probe have found running what may run. What is under way stays, if its result can come."""
    last = may_run(resource)
    assert last is not None
    return not operation_pending(last) and _keep_only(resource, found_running(last), node_name)


def _keep_only(resource: Element, operation: Operation, node_name: str) -> bool:
    entry = operation_to_xml(operation, f"{operation.resource}_last_0", node_name)
    if [known.items() for known in resource] == [entry.items()]:
        return False
    for known in list(resource):
        edit.remove(known)
    resource.append(entry)
    return True


def may_run(resource: Element) -> Operation | None:
    """Return the last operation of a resource that may be running, by its history on a node."""
    name = resource.get("id", "")
    entries = [
        edit.find_by(resource, "lrm_rsc_op", "id", f"{name}_{task}_0")
        for task in ("last", "migrate_from")
    ]
    told = [operation_from_xml(entry) for entry in entries if entry is not None]
    known = [operation for operation in told if operation is not None]
    last = max(known, key=lambda op: (operation_pending(op), op.call_id), default=None)
    if last is None or last.agent_class == "stonith" or operation_ended(last):
        return None
    # A connection to a remote node is the daemon's own: it does not outlive it.
    connection = (last.provider, last.agent_type) == ("pacemaker", "remote")
    return None if connection else last
