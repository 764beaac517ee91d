"""What the nodes did with each resource: from recorded operations to roles and failures.

Section 6 of the specification. Operations are replayed in the order in which the node ran them;
the last word about each resource on each node is kept, and failures leave a policy behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.failcounts import effective, recorded
from ninefold.scheduler.history_outcome import (
    STATUS_NOT_INSTALLED,
    Outcome,
    judge,
    policy_of,
)
from ninefold.scheduler.nodes import fence
from ninefold.scheduler.resources import register
from ninefold.scheduler.scores import INFINITY, add
from ninefold.scheduler.words import Role, integer, milliseconds
from ninefold.scheduler.workspace import OnFail, Resource, Variant

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Node, Workspace

_TASKS: Final = frozenset(
    {"monitor", "asyncmon", "start", "stop", "promote", "demote", "migrate_to", "migrate_from"}
)
# Policies that a later success does not undo.
_LASTING: Final = frozenset({OnFail.STOP, OnFail.BAN, OnFail.STANDBY, OnFail.FENCE})
PENDING: Final = -1


@dataclass(slots=True, eq=False)
class Entry:
    """One `<lrm_rsc_op>` as read."""

    element: Element
    task: str
    interval_ms: int
    call_id: int
    rc: int
    status: int
    expected_rc: int
    transition: int
    last_rc_change: int

    @property
    def probe(self) -> bool:
        """Whether it asked what is there, once."""
        return self.task == "monitor" and self.interval_ms == 0


@dataclass(slots=True, eq=False)
class Recorded:
    """The history of one resource on one node, sorted."""

    resource: Resource
    node: Node
    element: Element
    entries: list[Entry]


@dataclass(slots=True, eq=False)
class Story:
    """What is being concluded from one history."""

    record: Recorded
    role: Role = Role.UNKNOWN
    policy: OnFail = OnFail.IGNORE
    last_failure: tuple[str, int] = ("", -1)
    failed_reason: str = ""
    known: bool = False
    notes: list[str] = field(default_factory=list)


def read_entry(element: Element) -> Entry | None:
    """Read one operation; `None` if it lacks what an operation must have."""
    task = element.get("operation") or ""
    key = (element.get("transition-key") or "").split(":")
    expected = integer(key[2], -1) if len(key) > 2 else -1
    return Entry(
        element=element,
        task=task,
        interval_ms=integer(element.get("interval"), milliseconds(element.get("interval"))),
        call_id=integer(element.get("call-id"), 0),
        rc=integer(element.get("rc-code"), -1),
        status=integer(element.get("op-status"), PENDING - 1),
        expected_rc=expected,
        transition=integer(key[1], -1) if len(key) > 1 else -1,
        last_rc_change=integer(element.get("last-rc-change"), 0),
    )


def unpack_history(work: Workspace) -> list[Recorded]:
    """Replay every history; return them for those who look at the operations again."""
    status = work.root.find("status")
    records: list[Recorded] = []
    for state in [] if status is None else status.iterchildren("node_state"):
        node = work.node(state.get("uname") or state.get("id") or "") or work.node(
            state.get("id") or ""
        )
        if node is None or not (node.online or work.options.fencing_enabled):
            continue
        for element in state.iterfind("lrm/lrm_resources/lrm_resource"):
            record = _read_history(work, node, element)
            if record is not None:
                records.append(record)
                _replay(work, record)
    return records


def _read_history(work: Workspace, node: Node, element: Element) -> Recorded | None:
    identity = element.get("id") or ""
    entries = [e for e in map(read_entry, element.iterchildren("lrm_rsc_op")) if e is not None]
    if not entries:
        return None
    resource = work.by_id.get(identity) or work.by_id.get(identity.partition(":")[0])
    if resource is None:
        resource = _removed(work, identity, element)
    if resource.variant is not Variant.PRIMITIVE:
        return None
    newest = max((e.call_id for e in entries), default=0)
    entries.sort(key=lambda e: e.call_id if e.call_id >= 0 else newest + 1 + max(e.transition, 0))
    return Recorded(resource, node, element, entries)


def _removed(work: Workspace, identity: str, element: Element) -> Resource:
    resource = Resource(identity, Variant.PRIMITIVE, element, removed=True)
    resource.agent_class = element.get("class") or ""
    resource.provider = element.get("provider") or ""
    resource.agent_type = element.get("type") or ""
    resource.fence_device = resource.agent_class == "stonith"
    resource.requires = "nothing"
    resource.managed = work.options.stop_removed_resources and not work.options.maintenance_mode
    register(work, resource)
    if work.options.stop_removed_resources:
        for node in work.nodes:
            resource.scores[node.name] = -INFINITY
    resource.placement_reasons.append(reasons.removed(resource))
    work.resources.append(resource)
    return resource


def _replay(work: Workspace, record: Recorded) -> None:
    resource, node = record.resource, record.node
    story = Story(record)
    for entry in record.entries:
        _replay_one(work, story, entry)
    if story.role is Role.UNKNOWN and not story.known and story.policy is OnFail.IGNORE:
        return
    if story.known and node.name not in resource.known_on:
        resource.known_on.append(node.name)
    active = story.role > Role.STOPPED
    if active and not node.online and resource.is_managed and not node.unclean:
        fence(node, f"{resource.id} is thought to be active there")
    if not node.unclean:
        _apply_policy(story)
    if active:
        _add_running(work, resource, node)
    resource.role = max(resource.role, story.role)


def _replay_one(work: Workspace, story: Story, entry: Entry) -> None:
    if entry.task not in _TASKS or entry.status < PENDING or entry.status == 1:
        return
    record = story.record
    if entry.status != PENDING and _expired(work, story, entry):
        return
    verdict = judge(record.resource, entry)
    story.known = story.known or (entry.status != PENDING)
    match verdict.outcome:
        case Outcome.PENDING:
            story.known = story.known or not entry.probe
            _on_pending(story, entry)
        case Outcome.DONE:
            _on_done(work, story, entry, verdict.role)
            if verdict.ban:
                _ban(work, story, entry, everywhere=False)
        case Outcome.FAILED | Outcome.HARD | Outcome.FATAL:
            _on_failure(work, story, entry, verdict.outcome, verdict.role)


def _expired(work: Workspace, story: Story, entry: Entry) -> bool:
    """Whether this is a failure whose time has passed; also schedules forgetting it."""
    record = story.record
    resource, node = record.resource, record.node
    if resource.failure_timeout <= 0 or entry.last_rc_change <= 0:
        return False
    outcome = judge(resource, entry).outcome
    if outcome not in {Outcome.FAILED, Outcome.HARD, Outcome.FATAL}:
        return False
    if entry.rc == 5:
        return False
    ends = entry.last_rc_change + resource.failure_timeout
    if ends > work.now:
        work.recheck(ends)
        return False
    if recorded(resource, node) > 0:
        if effective(work, resource, node) > 0:
            return False
        if node.name not in resource.clear_on:
            resource.clear_on.append(node.name)
    return not (entry.probe and entry.rc in {0, 7, 8})


def _on_pending(story: Story, entry: Entry) -> None:
    resource = story.record.resource
    match entry.task:
        case "start":
            resource.start_pending = True
            story.role = max(story.role, Role.STARTED)
        case "promote":
            story.role = Role.PROMOTED
        case "migrate_to" if story.record.node.unclean:
            story.role = max(story.role, Role.STARTED)
        case _:
            pass
    resource.pending_task = "probe" if entry.probe else entry.task


def _on_done(work: Workspace, story: Story, entry: Entry, role: Role) -> None:
    resource = story.record.resource
    clears = entry.task in {"start", "stop", "promote", "migrate_from"} or (
        entry.rc == 7 or (entry.task, entry.interval_ms) == story.last_failure
    )
    if entry.task == "start":
        resource.start_pending = False
    if entry.task in {"start", "migrate_from"}:
        role = Role.STARTED
    elif entry.task == "stop":
        role = Role.STOPPED
    elif entry.task == "promote":
        role = Role.PROMOTED
    elif entry.task == "demote":
        role = Role.UNPROMOTED
    elif entry.task == "migrate_to":
        role = _after_migrate_to(work, story, entry)
    elif role is Role.UNKNOWN:
        role = max(story.role, Role.STARTED)
    story.role = role
    if clears and story.policy not in _LASTING:
        story.policy = OnFail.IGNORE
        story.failed_reason = ""


def _after_migrate_to(work: Workspace, story: Story, entry: Entry) -> Role:
    """After a successful migrate_to the target has it, unless its own history says otherwise."""
    target = work.node(entry.element.get("migrate_target") or "")
    if target is not None and target.online:
        return Role.STOPPED
    return story.role


def _on_failure(work: Workspace, story: Story, entry: Entry, outcome: Outcome, role: Role) -> None:
    resource, node = story.record.resource, story.record.node
    policy = policy_of(work, resource, entry.task, entry.interval_ms)
    if policy is OnFail.IGNORE and entry.status == STATUS_NOT_INSTALLED:
        # The agent itself is gone from there: nothing could be told about it any more.
        policy = OnFail.RESTART
    if policy is OnFail.IGNORE:
        resource.ignore_failure = True
        _on_done(work, story, entry, Role.UNKNOWN)
        return
    story.last_failure = (entry.task, entry.interval_ms)
    if outcome is Outcome.FATAL:
        _ban(work, story, entry, everywhere=True)
    elif outcome is Outcome.HARD:
        _ban(work, story, entry, everywhere=False)
    if entry.task == "stop":
        resource.scores[node.name] = -INFINITY
        resource.placement_reasons.append(reasons.stop_failed(resource, node))
    if policy is OnFail.STOP:
        for name in list(resource.scores):
            resource.scores[name] = -INFINITY
        resource.placement_reasons.append(reasons.failed_stop_policy(resource, entry.task))
    if policy.value > story.policy.value:
        story.policy = policy
    story.failed_reason = f"its {entry.task} failed with exit code {entry.rc} on {node.name}"
    if entry.task == "promote":
        story.role = Role.PROMOTED
    elif entry.task == "demote":
        story.role = Role.STOPPED if entry.rc == 7 else Role.UNPROMOTED
    elif role is not Role.UNKNOWN and not (entry.task == "monitor" and role is Role.STOPPED):
        story.role = role
    else:
        story.role = max(story.role, Role.STARTED)


def _ban(work: Workspace, story: Story, entry: Entry, *, everywhere: bool) -> None:
    resource, node = story.record.resource, story.record.node
    names = [n.name for n in work.nodes] if everywhere else [node.name]
    for name in names:
        resource.scores[name] = -INFINITY
    resource.placement_reasons.append(reasons.hard_error(resource, node, entry.task, entry.rc))


def _apply_policy(story: Story) -> None:
    resource, node = story.record.resource, story.record.node
    reason = story.failed_reason
    match story.policy:
        case OnFail.FENCE if resource.managed:
            resource.failed = True
            resource.stop_if_failed = True
            fence(node, f"{resource.id} failed there")
        case OnFail.STANDBY:
            node.standby = True
            _mark_failed(resource, story.role, node, reason)
        case OnFail.BLOCK:
            resource.blocked = True
            resource.managed = False
            resource.placement_reasons.append(reasons.blocked(resource, node, reason))
        case OnFail.BAN:
            resource.scores[node.name] = -INFINITY
        case OnFail.STOP:
            resource.next_role = Role.STOPPED
            _mark_failed(resource, story.role, node, reason)
        case OnFail.RESTART | OnFail.DEMOTE:
            _mark_failed(resource, story.role, node, reason)
        case _:
            pass


def _mark_failed(resource: Resource, role: Role, node: Node, reason: str) -> None:
    if role > Role.STOPPED:
        resource.failed = True
        resource.stop_if_failed = True
        resource.placement_reasons.append(reasons.failed(resource, node, reason))


def _add_running(work: Workspace, resource: Resource, node: Node) -> None:
    if node in resource.active:
        return
    resource.active.append(node)
    node.running.append(resource)
    parent = resource.parent
    while parent is not None:
        if node not in parent.active:
            parent.active.append(node)
        parent = parent.parent
    if node.maintenance:
        resource.managed = False
        resource.maintenance = True
    if not resource.managed:
        resource.scores[node.name] = add(resource.scores.get(node.name, 0), INFINITY)
        resource.placement_reasons.append(reasons.unmanaged(resource))
    elif len(resource.active) > 1:
        resource.placement_reasons.append(reasons.multiply_active(resource))
        if resource.multiple_active == "stop_only":
            for other in work.nodes:
                resource.scores[other.name] = -INFINITY
        elif resource.multiple_active == "block":
            resource.blocked = True
            resource.managed = False
