"""What the nodes did with each resource: from recorded operations to roles and failures.

Section 6 of the specification. Operations are replayed in the order in which the node ran them;
the last word about each resource on each node is kept, and failures leave a policy behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.scheduler import instances, migration_history, reasons, scoring
from ninefold.scheduler.actions import act, can_fence, stop
from ninefold.scheduler.entries import Entry, active_span, changes_state_after, in_order
from ninefold.scheduler.expiry import expiry_of
from ninefold.scheduler.history_outcome import (
    STATUS_MAX,
    STATUS_PENDING,
    Outcome,
    judge,
    plain_rc,
    policy_of,
)
from ninefold.scheduler.nodes import remote_attributes, remote_standing, state_node
from ninefold.scheduler.policies import apply_policy, found_stopped
from ninefold.scheduler.record import Record, field
from ninefold.scheduler.words import Role
from ninefold.scheduler.workspace import OnFail

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Node, Resource, Workspace

    # The state of a node, and the histories in there: name, element, what it says.
    _Told: TypeAlias = tuple[Element, list[tuple[str, Element, list[Entry]]]]

_TASKS: Final = frozenset(
    {"monitor", "asyncmon", "start", "stop", "promote", "demote", "migrate_to", "migrate_from"}
)
# Policies that a later success does not undo.
_LASTING: Final = frozenset({OnFail.STOP, OnFail.BAN, OnFail.STANDBY, OnFail.FENCE})


class Recorded(Record):
    """The history of one resource on one node, sorted."""

    resource: Resource
    node: Node
    element: Element
    entries: list[Entry]


class Histories(Record):
    """All histories: by node and recorded name, and in the order in which they were replayed."""

    known: dict[str, dict[str, list[Entry]]] = field(default_factory=dict)
    replayed: list[Recorded] = field(default_factory=list)

    def on(self, node: str, name: str) -> list[Entry]:
        """Return what `node` recorded under `name`."""
        return self.known.get(node.lower(), {}).get(name, [])


class Story(Record):
    """What is being concluded from one history."""

    record: Recorded
    histories: Histories
    policy: OnFail = OnFail.IGNORE
    last_failure: tuple[str, int] = ("", -1)
    failed_reason: str = ""


def unpack_history(work: Workspace) -> Histories:
    """Replay every history, remote nodes after what they are reached through."""
    status = work.root.find("status")
    states = [] if status is None else list(status.iterchildren("node_state"))
    histories = Histories()
    known: list[_Told] = []
    for state in states:
        node = state_node(work, state)
        # Whom a removed connection reaches is known only when its own history has been read.
        name = state.get("uname", "") if node is None else node.name
        on_node = histories.known.setdefault(name.lower(), {})
        told: list[tuple[str, Element, list[Entry]]] = []
        for element in state.iterfind("lrm/lrm_resources/lrm_resource"):
            name = element.get("id", "")
            entries = in_order(element.iterchildren("lrm_rsc_op"))
            told.append((name, element, entries))
            # Written twice, each part is judged by itself.
            earlier = on_node.get(name)
            on_node[name] = entries if earlier is None else [*earlier, *entries]
        known.append((state, told))
    while _pass(work, histories, known, everything=False):
        pass
    _pass(work, histories, known, everything=work.options.fencing_enabled)
    for container in work.must_stop:
        if container.active:
            stop(work, container, container.active[0], optional=False)
    for node in work.nodes:
        if not node.remote:
            continue
        if node.shutdown and node.connection is not None:
            node.connection.next_role = Role.STOPPED
        if not node.unpacked:
            remote_standing(node)
    return histories


def _pass(
    work: Workspace,
    histories: Histories,
    known: list[_Told],
    *,
    everything: bool,
) -> bool:
    """Replay what can be replayed now; answer whether anything was."""
    progress = False
    for state, told in known:
        node = state_node(work, state)
        if node is None or node.unpacked or not (everything or _ready(work, node)):
            continue
        if node.remote:
            remote_standing(node)
            remote_attributes(work, node, state)
        _replay_node(work, histories, node, told)
        node.unpacked = True
        progress = True
    return progress


def _ready(work: Workspace, node: Node) -> bool:
    connection = node.connection
    if node.guest:
        assert connection is not None
        launcher = connection.launcher
        assert launcher is not None
        return connection.role is Role.STARTED and launcher.role is Role.STARTED
    if node.remote:
        if connection is None:
            return False
        return work.options.shutdown_lock or connection.role is Role.STARTED
    return work.options.fencing_enabled or work.options.shutdown_lock or node.online


def _replay_node(
    work: Workspace, histories: Histories, node: Node, told: list[tuple[str, Element, list[Entry]]]
) -> None:
    for name, element, entries in told:
        if not entries and element.get("shutdown-lock") is None:
            continue
        resource = instances.find(work, node, name)
        if resource is None:
            if not entries:
                continue
            resource = instances.removed(work, element)
        record = Recorded(resource, node, element, entries)
        histories.replayed.append(record)
        instances.note_lock(work, record.resource, node, element)
        _replay(work, histories, record)
    instances.tie_removed_to_containers(work, [element for _, element, _ in told])


def _replay(work: Workspace, histories: Histories, record: Recorded) -> None:
    resource = record.resource
    saved, resource.role = resource.role, Role.UNKNOWN
    if _never_here(record):
        # Most of what a large cluster remembers: the short way to what the long one would say.
        resource.role, resource.next_role = Role.STOPPED, Role.UNKNOWN
        if resource.remote_connection:
            # What failed on another node may still say something of the node that it reaches.
            apply_policy(work, resource, record.node, OnFail.IGNORE, "")
        else:
            found_stopped(resource, record.node)
    else:
        story = Story(record, histories)
        for entry in record.entries:
            _replay_one(work, story, entry)
        _note_recurring(work, record)
        apply_policy(work, resource, record.node, story.policy, story.failed_reason)
    _lower_to_target(resource)
    resource.role = max(resource.role, saved)


def _never_here(record: Recorded) -> bool:
    """Whether there was one probe, which found nothing, and nothing about it can expire."""
    if len(record.entries) != 1 or not record.entries[0].found_nothing:
        return False
    return not (record.resource.failure_timeout or record.entries[0].id.endswith("_last_failure_0"))


def _lower_to_target(resource: Resource) -> None:
    target = resource.target_role
    lower = target < resource.next_role or resource.next_role is Role.UNKNOWN
    if target is not Role.UNKNOWN and lower:
        resource.next_role = target


def _note_recurring(work: Workspace, record: Recorded) -> None:
    """Remember what is being repeated there as optional actions."""
    if not record.node.online:
        return
    start, end = active_span(record.entries)
    for number, entry in enumerate(record.entries):
        if (start < end and number <= end) or number < start:
            continue
        if entry.interval_ms > 0 and entry.status != STATUS_PENDING:
            act(
                work, record.resource, entry.task, record.node,
                optional=True, interval_ms=entry.interval_ms,
            )  # fmt: skip


def _replay_one(work: Workspace, story: Story, entry: Entry) -> None:
    valid = entry.task in _TASKS and STATUS_PENDING <= entry.status <= STATUS_MAX
    if not valid or entry.status == 1:
        return
    resource, node = story.record.resource, story.record.node
    expired = entry.status != STATUS_PENDING and expiry_of(
        work, resource, node, entry, story.record.entries
    )
    if expired and plain_rc(entry) != entry.expected_rc:
        if entry.interval_ms == 0:
            return
        if node.online and not node.unclean:
            # Repeat it afresh: the same result would not be reported again.
            entry.reschedule = True
            return
    verdict = judge(resource, entry, expired=expired)
    match verdict.outcome:
        case Outcome.PENDING:
            _on_pending(work, story, entry)
        case Outcome.DONE:
            if verdict.not_running:
                # Whatever was to be done about an earlier failure, there is nothing left to do it to.
                story.policy, resource.next_role = OnFail.IGNORE, Role.UNKNOWN
            _on_done(work, story, entry, verdict.role, not_running=verdict.not_running)
            if verdict.masked:
                target = resource if resource.unique else resource.top
                scoring.ban(target, node, "hard-error", resource.id)
                resource.placement_reasons.append(reasons.masked(resource, node, entry.rc))
                resource.absent[node.name] = entry.rc
        case Outcome.FAILED | Outcome.HARD | Outcome.FATAL | Outcome.MISSING:
            _on_trouble(work, story, entry, verdict.outcome, verdict.role)


def set_active(resource: Resource) -> None:
    """Note that it runs, in the least role that says so."""
    resource.role = Role.UNPROMOTED if resource.top.promotable else Role.STARTED


def _on_pending(work: Workspace, story: Story, entry: Entry) -> None:
    resource, node = story.record.resource, story.record.node
    leftover = entry.task == "monitor" and changes_state_after(
        story.record.entries, entry, same_node=True
    )
    if leftover:
        # It was cut short by what came after it, and nobody recorded its end.
        return
    if entry.task == "start":
        resource.start_pending = True
        set_active(resource)
    elif entry.task == "promote":
        resource.role = Role.PROMOTED
    elif entry.task == "migrate_to" and node.unclean:
        target = work.node(entry.element.get("migrate_target") or "")
        if target is not None:
            stop(work, resource, target, optional=False)
    if not resource.pending_task and not entry.probe:
        resource.pending_task = entry.task
        resource.pending_node = node


def _on_done(
    work: Workspace, story: Story, entry: Entry, role: Role, *, not_running: bool = False
) -> None:
    resource = story.record.resource
    clears = not_running
    if not_running or role is Role.STOPPED:
        resource.role = Role.STOPPED
    elif entry.task == "monitor":
        clears = (entry.task, entry.interval_ms) == story.last_failure
        if role is Role.PROMOTED:
            resource.role = Role.PROMOTED
        elif resource.role < Role.STARTED:
            set_active(resource)
    elif entry.task in {"start", "migrate_from"}:
        resource.role, clears = Role.STARTED, True
        resource.start_pending = resource.start_pending and entry.task != "start"
    elif entry.task == "stop":
        resource.role, clears = Role.STOPPED, True
    elif entry.task == "promote":
        resource.role, clears = Role.PROMOTED, True
    elif entry.task == "demote":
        clears = story.policy is OnFail.DEMOTE
        resource.role = Role.UNPROMOTED
    elif entry.task == "migrate_to":
        migration_history.succeeded(work, story, entry)
    if clears:
        _forget_failure(story)


def _forget_failure(story: Story) -> None:
    resource = story.record.resource
    if story.policy in _LASTING:
        return
    if story.policy is OnFail.RESET_REMOTE and resource.reconnect_ms:
        return
    story.policy = OnFail.IGNORE
    story.failed_reason = ""
    resource.next_role = Role.UNKNOWN


def _on_trouble(work: Workspace, story: Story, entry: Entry, outcome: Outcome, role: Role) -> None:
    resource = story.record.resource
    node = story.record.node
    policy = policy_of(work, resource, entry.task, entry.interval_ms)
    if role is Role.PROMOTED:
        resource.role = Role.PROMOTED
    unfenceable_stop = outcome is Outcome.HARD and entry.task == "stop" and entry.rc in {2, 3, 4, 5}
    if unfenceable_stop and not can_fence(work, node):
        resource.managed = False
        resource.blocked = True
    if outcome is Outcome.MISSING:
        if policy is OnFail.IGNORE:
            # The agent itself is gone from there: nothing could be told about it any more.
            story.policy = OnFail.BAN
        scoring.ban(_judged(resource), node, "hard-error", resource.id)
        _on_failure(work, story, entry, policy)
        return
    container_stop = policy is OnFail.RESTART_CONTAINER and entry.task == "stop"
    if policy is OnFail.IGNORE or container_stop:
        resource.ignore_failure = True
        gone = entry.expected_rc == 7
        _on_done(work, story, entry, Role.STOPPED if gone else Role.UNKNOWN, not_running=gone)
        if container_stop and story.policy.value <= OnFail.RESTART.value:
            story.policy = policy
        return
    _on_failure(work, story, entry, policy)
    if outcome is Outcome.HARD:
        _hard(story, entry, [node])
    elif outcome is Outcome.FATAL:
        _hard(story, entry, work.nodes)


def _judged(resource: Resource) -> Resource:
    """Return what is banned for the failure of an instance: all of an anonymous clone."""
    return resource if resource.unique else resource.top


def _hard(story: Story, entry: Entry, nodes: list[Node]) -> None:
    resource = story.record.resource
    for node in nodes:
        scoring.ban(_judged(resource), node, "hard-error", resource.id)
    reason = reasons.hard_error(resource, story.record.node, entry.task, entry.rc)
    resource.placement_reasons.append(reason)


def _on_failure(work: Workspace, story: Story, entry: Entry, policy: OnFail) -> None:
    resource, node = story.record.resource, story.record.node
    story.last_failure = (entry.task, entry.interval_ms)
    if policy.value > story.policy.value:
        story.policy = policy
    story.failed_reason = f"its {entry.task} failed with exit code {entry.rc} on {node.name}"
    match entry.task:
        case "stop":
            scoring.ban(resource, node, "stop-failed", resource.id)
            resource.placement_reasons.append(reasons.stop_failed(resource, node))
        case "migrate_to":
            migration_history.migrate_to_failed(work, story, entry)
        case "migrate_from":
            migration_history.migrate_from_failed(work, story, entry)
        case "promote":
            resource.role = Role.PROMOTED
        case "demote":
            if policy is OnFail.BLOCK:
                resource.role, resource.next_role = Role.PROMOTED, Role.STOPPED
            else:
                resource.role = Role.STOPPED if entry.rc == 7 else Role.UNPROMOTED
        case _:
            pass
    if entry.probe and entry.rc == 5:
        resource.role = Role.STOPPED
    elif resource.role < Role.STARTED:
        set_active(resource)
    _role_after(work, story, entry, policy)


def _role_after(work: Workspace, story: Story, entry: Entry, policy: OnFail) -> None:
    resource = story.record.resource
    after = Role.STARTED
    if policy is OnFail.STOP or (policy is OnFail.RESET_REMOTE and resource.reconnect_ms):
        after = Role.STOPPED
    elif entry.task == "promote":
        after = Role.UNPROMOTED
    if after is not Role.STARTED and resource.next_role < after:
        resource.next_role = after
    if after is Role.STOPPED:
        scoring.ban_everywhere(work, resource, "failed-stay-stopped", resource.id)
        resource.placement_reasons.append(reasons.failed_stop_policy(resource, entry.task))
