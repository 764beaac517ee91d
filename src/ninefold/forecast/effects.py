"""What an action changes in the document once it is done, or has failed.

The entries are those that a running cluster writes (`ninefold.cib.status`), so that the document
after a simulated transition is read by the policy engine as one after a real transition would be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from ninefold.cib import edit, failcounts, status, views
from ninefold.cib.failcounts import UNFENCED, UNFENCED_WITH, UNFENCED_WITH_OPENLY
from ninefold.cib.model import Cause, NodeFenced, Operation, RecordOperation, SetNodeState
from ninefold.cib.operations import recorded
from ninefold.scheduler.digests import operation_digest
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds
    from ninefold.scheduler.model import Action

_MIGRATIONS: Final = ("migrate_to", "migrate_from")
_ONCE: Final = ("start", "stop", "promote", "demote", "monitor")
_FORGETTING: Final = ("cancel", "delete", "lrm_delete")
_FALSE: Final = ("false", "no", "off", "n", "0")

# A node remembers an operation of every resource; a search of that runs in C.
_HISTORIES: Final = etree.XPath(".//lrm_resource[@id = $name]")
_NAMES: Final = etree.XPath("status//lrm_resource/@id", smart_strings=False)
_CALLS: Final = etree.XPath(".//lrm_rsc_op/@call-id", smart_strings=False)

# What the writing functions of `cib.status` want beside the tree; the tree alone decides.
_NOBODY: Final = 0


def node_state(root: Element, name: str) -> Element:
    """Return the state of the node called `name`, made if there is none."""
    section = edit.child(root, "status")
    for state in section.iterchildren("node_state"):
        if state.get("uname", "").lower() == name.lower():
            return state
    nodes = root.iterfind("configuration/nodes/node")
    known = {node.get("uname", "").lower(): node.get("id", "") for node in nodes}
    own = known.get(name.lower(), name)
    found = edit.find_by(section, "node_state", "id", own)
    if found is None:
        found = etree.SubElement(section, "node_state", id=own)
        if name.lower() not in known:
            found.set("remote_node", "true")
    found.set("uname", name)
    return found


class Calls:
    """The last call id of each node, so that its whole history is not read for every operation.

    What is recorded has the greatest id from then on; what is forgotten may have had it.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, state: Element) -> int:
        """Return `next_call(state)`, which is going to be recorded."""
        name = state.get("uname", "")
        self._last[name] = self._last[name] + 1 if name in self._last else next_call(state)
        return self._last[name]

    def forget(self) -> None:
        """Read anew: something was taken out of a history."""
        self._last.clear()


def complete(root: Element, action: Action, now: WallSeconds, calls: Calls) -> None:
    """Write into `root` that `action` ended as it should."""
    if action.kind is not ActionKind.RESOURCE or action.task in _FORGETTING:
        calls.forget()
    match action.kind:
        case ActionKind.RESOURCE:
            _resource_done(root, action, now, calls)
        case ActionKind.FENCING:
            _fenced(root, action, now)
        case ActionKind.CLUSTER:
            _cluster_done(root, action)
        case ActionKind.PSEUDO if action.task == "stonith" and action.node:
            # The machine that a guest lives in was stopped or fenced, and the guest with it.
            silence(node_state(root, action.node), action.node, now)
        case ActionKind.PSEUDO:
            pass


def fail(root: Element, action: Action, rc: int, now: WallSeconds, calls: Calls) -> None:
    """Write into `root` that a resource action ended with `rc`, and count the failure."""
    state = node_state(root, action.node)
    record(root, state, operation_of(state, action, rc, now, calls.next(state)), now)


def record(root: Element, state: Element, operation: Operation, now: WallSeconds) -> None:
    """Write an operation into a history as a node does; a failure that is no probe's counts."""
    _drop_pending(state, operation)
    failed = operation.rc != operation.expected_rc
    probe = operation.task == "monitor" and not operation.interval_ms
    configuration = root.find("configuration")
    word = ""
    if configuration is not None:
        word = views.cluster_property(configuration, "start-failure-is-fatal", "true")
    fatal = operation.task == "stop" or (operation.task == "start" and word.lower() not in _FALSE)
    change = RecordOperation(
        _NOBODY, operation, counts=failed and not probe, fatal=failed and fatal
    )
    status.record_operation(state, change, Cause("", "", now, _NOBODY))
    if not failed:
        _drop_superseded(state, operation)


def _drop_pending(state: Element, operation: Operation) -> None:
    """What has ended is no longer under way, under whatever id its beginning was noted."""
    for resource in _histories(state, operation.resource):
        for entry in [one for one in resource if one.get("op-status") == "-1"]:
            resource.remove(entry)


def _drop_superseded(state: Element, operation: Operation) -> None:
    """Let go of what old nodes wrote under other ids: today's keep one last operation."""
    name = operation.resource
    kept = (f"{name}_last_0", f"{name}_last_failure_0", operation.key)
    for resource in _histories(state, name):
        for entry in list(resource):
            interval = entry.get("interval", "0")
            once = interval == "0" and entry.get("operation") in _ONCE
            again = (entry.get("operation"), interval) == (
                operation.task, str(operation.interval_ms),
            )  # fmt: skip
            if entry.get("id") in kept or not (once if not operation.interval_ms else again):
                continue
            if entry.get("rc-code") == _expected(entry):
                resource.remove(entry)


def _expected(entry: Element) -> str:
    """Return the code that an entry was to have: the third part of its transition key."""
    parts = (entry.get("transition-key") or "").split(":")
    return parts[2] if len(parts) > 2 else "0"


def operation_of(
    state: Element, action: Action, rc: int, now: WallSeconds, call_id: int
) -> Operation:
    """Return the entry for a resource action that ended with `rc`."""
    done = Operation(
        resource=_kept_as(state, action),
        agent_class=action.agent_class,
        provider=action.provider,
        agent_type=action.agent_type,
        task=action.task,
        interval_ms=action.interval_ms,
        call_id=call_id,
        rc=rc,
        expected_rc=action.expected_rc,
        op_status=0,
        transition="1",
        action_id=action.id,
        last_run=now,
        last_rc_change=now,
        op_digest=operation_digest(
            action.parameters, interval_ms=action.interval_ms, timeout_ms=action.timeout_ms
        ),
    )
    return recorded(done)


def history_name(action: Action) -> str:
    """Return the name under which the node keeps what this action does."""
    suffix = f"_{action.task}_{action.interval_ms}"
    if action.history_key.endswith(suffix):
        return action.history_key.removesuffix(suffix)
    return action.resource


def recorded_names(root: Element) -> frozenset[str]:
    """Return the names of everything that any node remembers."""
    found: list[str] = _NAMES(root)  # type: ignore[assignment]
    return frozenset(found)


def known_as(action: Action, recorded: frozenset[str]) -> str:
    """Return what the cluster calls the resource of an action, by the names that are `recorded`.

    A cluster whose nodes know instances by their numbers goes on with that; so does one that has not met
    any of them yet.
    """
    key = action.history_key or action.key
    plain = key.startswith(f"{action.resource}_") or action.resource in recorded
    return action.resource if plain or not action.instance else action.instance


def _kept_as(state: Element, action: Action) -> str:
    """Return the name in this node's history; old ones number instances that newer ones do not."""
    name = history_name(action)
    exact = action.key.removesuffix(f"_{action.task}_{action.interval_ms}")
    if exact == name or not _histories(state, exact):
        return name
    return name if _histories(state, name) else exact


def _histories(state: Element, name: str) -> list[Element]:
    """Return the histories on this node that are kept under `name`."""
    found: list[Element] = _HISTORIES(state, name=name)  # type: ignore[assignment]
    return found


def next_call(state: Element) -> int:
    """Return a call id greater than any in the history of this node."""
    calls: list[str] = _CALLS(state)  # type: ignore[assignment]
    return 1 + max((int(call) for call in calls if call.isascii() and call.isdigit()), default=0)


def silence(state: Element, name: str, now: WallSeconds) -> None:
    """Write that a node was fenced: nothing of what it ran runs on."""
    status.node_fenced(state, NodeFenced(_NOBODY, name, "simulation", now))


def _resource_done(root: Element, action: Action, now: WallSeconds, calls: Calls) -> None:
    state = node_state(root, action.node)
    match action.task:
        case "notify":
            pass
        case "cancel":
            _forget_entry(state, action)
        case "delete" | "lrm_delete":
            _forget_resource(state, _kept_as(state, action))
        case _:
            expected = action.expected_rc
            operation = operation_of(state, action, expected, now, calls.next(state))
            record(root, state, operation, now)
            if action.task in _MIGRATIONS:
                _note_ends(state, operation, action)


def _fenced(root: Element, action: Action, now: WallSeconds) -> None:
    state = node_state(root, action.node)
    order = action.meta.get("stonith_action") or action.meta.get("fencing_action", "")
    if order == "on":
        failcounts.set_attribute(state, UNFENCED, str(now))
        failcounts.set_attribute(state, UNFENCED_WITH, action.meta.get("digests_all", ""))
        openly = action.meta.get("digests_secure", "")
        failcounts.set_attribute(state, UNFENCED_WITH_OPENLY, openly)
        return
    silence(state, action.node, now)


def _cluster_done(root: Element, action: Action) -> None:
    state = node_state(root, action.node)
    match action.task:
        case "do_shutdown":
            gone = SetNodeState(
                _NOBODY, action.node, in_ccm=False, crmd="offline", join="down", expected="down"
            )
            status.set_node_state(state, gone)
            failcounts.forget_attributes(state)
        case "clear_failcount":
            failcounts.forget_failures(state, (action.resource,))
            entry = f"{action.resource}_last_failure_0"
            for found in [op for op in state.iter("lrm_rsc_op") if op.get("id") == entry]:
                edit.remove(found)
        case "delete" | "lrm_delete":
            _forget_resource(state, _kept_as(state, action))
        case _:
            pass


def _forget_entry(state: Element, action: Action) -> None:
    task = action.meta.get("operation", "monitor")
    key = f"{_kept_as(state, action)}_{task}_{action.interval_ms}"
    for found in [op for op in state.iter("lrm_rsc_op") if op.get("id") == key]:
        edit.remove(found)


def _forget_resource(state: Element, name: str) -> None:
    for found in _histories(state, name):
        edit.remove(found)


def _note_ends(state: Element, operation: Operation, action: Action) -> None:
    for entry in state.iter("lrm_rsc_op"):
        if entry.get("id") == operation.key:
            for end in ("migrate_source", "migrate_target"):
                if end in action.meta:
                    entry.set(end, action.meta[end])
