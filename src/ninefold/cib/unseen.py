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
from ninefold.cib.operations import operation_to_xml

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
            if resource.get(_MARK) or (fresh and _may_run(resource)):
                _mark(resource)
                found.append(resource)
        elif _may_run(resource):
            _settle(resource)
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
        _settle(resource)
        if edit.find_by(resource, "lrm_rsc_op", "id", f"{resource.get('id', '')}_last_0") is None:
            resource.insert(0, _running(resource, state.get("uname", "")))
    return bool(found)


def marked(state: Element) -> list[Element]:
    """Return the histories of what nobody has looked at."""
    return [resource for resource in state.iterfind(HISTORIES) if resource.get(_MARK)]


def _mark(resource: Element) -> None:
    for entry in list(resource):
        edit.remove(entry)
    resource.set(_MARK, "true")


def _running(resource: Element, node_name: str) -> Element:
    name = resource.get("id", "")
    agent = (resource.get("class", ""), resource.get("provider", ""), resource.get("type", ""))
    probe = Operation(name, *agent, "monitor", 0, 0, 0, 0, 0, "", 0, 0, 0)
    return operation_to_xml(probe, f"{name}_last_0", node_name)


def _settle(resource: Element) -> None:
    """Let nothing be pending: no result comes of what an earlier daemon had begun. It may run."""
    for entry in resource.findall("lrm_rsc_op"):
        if entry.get("op-status") != "-1":
            continue
        if entry.get("id", "").endswith("_last_0"):
            key = f"{resource.get('id', '')}_monitor_0"
            magic = f"0:0;{entry.get('transition-key', '')}"
            found = {"operation": "monitor", "operation_key": key, "transition-magic": magic}
            edit.set_attributes(entry, found | {"rc-code": "0", "op-status": "0"})
        else:
            edit.remove(entry)


def _may_run(resource: Element) -> bool:
    """Say whether a resource may be running, by its history on a node."""
    if resource.get("class") == "stonith":
        return False
    name = resource.get("id", "")
    last = edit.find_by(resource, "lrm_rsc_op", "id", f"{name}_last_0")
    if last is None:
        # It came alive, and nothing was done about it since.
        return edit.find_by(resource, "lrm_rsc_op", "id", f"{name}_migrate_from_0") is not None
    ended = {"stop": "0", "monitor": "7"}.get(last.get("operation", ""))
    return last.get("rc-code") != ended or last.get("op-status", "0") != "0"
