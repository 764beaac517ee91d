"""The cluster as one member sees it: what `ninefold status` shows.

Built from the document, the present configuration and the engine's latest answer; it decides
nothing and guesses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ninefold.controller.replica import Replica
    from ninefold.controller.situation import Situation
    from ninefold.scheduler.model import NodeView, Placement, Transition


class NodeStatus(msgspec.Struct, frozen=True):
    """A node: `state` is one word, `detail` a sentence where there is something to say."""

    id: int
    name: str
    state: str
    member: bool
    dc: bool
    standby: bool = False
    maintenance: bool = False
    unclean: bool = False
    detail: str = ""


class ResourceStatus(msgspec.Struct, frozen=True):
    """A primitive: where it runs, where it shall run, and why it is not there yet.

    `alive` says that it would be moved without a stop.
    """

    id: str
    agent: str
    group: str
    role: str
    nodes: tuple[str, ...]
    next_role: str
    next_node: str
    blocked: str
    scores: dict[str, int]
    reasons: tuple[str, ...]
    alive: bool = False


class FailureStatus(msgspec.Struct, frozen=True):
    """A failed operation that nobody has cleaned up."""

    resource: str
    node: str
    operation: str
    rc: int
    reason: str
    at: int


class FenceStatus(msgspec.Struct, frozen=True):
    """A node that must be silenced, or could not be; `by` is the node that tried it last."""

    node: str
    state: str
    attempts: int
    reason: str
    by: str = ""


class WorkStatus(msgspec.Struct, frozen=True):
    """What the DC is at: the transition under way, and the one that news put an end to, if any.

    While something of an abandoned transition is still under way, only fencing may be decided.
    """

    transition: str = ""
    abandoned: str = ""
    why: str = ""


class QuorumStatus(msgspec.Struct, frozen=True):
    """Quorum's verdict, with its arithmetic where it is known."""

    quorate: bool
    votes: int = 0
    expected: int = 0
    threshold: int = 0
    reason: str = ""


class Status(msgspec.Struct, frozen=True):
    """Everything at once. `settled` says that nothing is decided, ordered or under way.

    A node that is in no ring yet, or whose partition still waits for members' histories or for
    absent nodes, is never settled: what it shows is the last that its disk knew. Only the DC has `work`.
    Nor is it settled if it is not `decided`: the policy engine failed, and of resources nothing is shown.
    """

    node: str
    cluster: str
    ring: str
    cib: str
    dc: str
    settled: bool
    formed: bool
    quorum: QuorumStatus
    nodes: tuple[NodeStatus, ...]
    resources: tuple[ResourceStatus, ...]
    failures: tuple[FailureStatus, ...]
    fail_counts: dict[str, dict[str, int]]
    fencing: tuple[FenceStatus, ...]
    pending: tuple[str, ...]
    warnings: tuple[str, ...]
    store: str = ""
    links: dict[str, dict[str, bool]] = {}
    work: WorkStatus | None = None
    decided: bool = True


def report(
    situation: Situation,
    replica: Replica,
    transition: Transition,
    *,
    idle: bool,
    work: WorkStatus | None = None,
) -> Status:
    """Return the status at this moment, with the engine's answer for the present document."""
    cib = replica.working
    names = cib.node_names() or situation.expected_nodes
    return Status(
        node=situation.name,
        cluster=cib.property("cluster-name"),
        ring=str(situation.ring),
        cib=str(cib.version),
        dc=names.get(situation.dc, ""),
        settled=idle
        and _assembled(situation, replica)
        and transition.decided
        and not transition.actions,
        formed=situation.formed,
        quorum=_quorum(situation),
        nodes=_nodes(situation, names, transition),
        resources=_resources(replica, transition),
        failures=tuple(
            FailureStatus(
                f.operation.resource,
                f.name,
                f.operation.key,
                f.operation.rc,
                f.operation.exit_reason,
                f.operation.last_rc_change,
            )
            for f in cib.failures()
        ),
        fail_counts=_fail_counts(replica, names),
        fencing=_fencing(situation, transition),
        pending=tuple(
            f"{operation.task} {operation.resource} on {names.get(node, str(node))}"
            for node in situation.members
            for operation in cib.operations(node)
            if operation.op_status == -1
        ),
        warnings=transition.warnings,
        store=replica.disks.trouble,
        links={
            names.get(peer, str(peer)): {str(link): up for link, up in sorted(links.items())}
            for peer, links in sorted(situation.links.items())
        },
        work=work,
        decided=transition.decided,
    )


def _assembled(situation: Situation, replica: Replica) -> bool:
    """Is the document that of a ring in which everybody has told what runs there?"""
    if not situation.members or not replica.settled or not situation.everybody_joined:
        return False
    # Without quorum nobody forms a cluster: there is nothing to wait for.
    return situation.formed or not situation.quorate


def _quorum(situation: Situation) -> QuorumStatus:
    verdict = situation.verdict
    if verdict is None:
        return QuorumStatus(quorate=False, reason="the ring has not formed yet")
    return QuorumStatus(
        verdict.quorate, verdict.votes, verdict.expected, verdict.threshold, verdict.reason
    )


def _nodes(
    situation: Situation, names: dict[int, str], transition: Transition
) -> tuple[NodeStatus, ...]:
    views = {view.name: view for view in transition.nodes}
    rows = []
    for node, name in sorted({**situation.expected_nodes, **names}.items()):
        view = views.get(name)
        member = node in situation.members
        rows.append(
            NodeStatus(
                node,
                name,
                _state(view, member=member),
                member,
                node == situation.dc,
                standby=view is not None and view.standby,
                maintenance=view is not None and view.maintenance,
                unclean=view is not None and view.unclean,
                detail="" if view is None else view.reason,
            )
        )
    return tuple(rows)


def _state(view: NodeView | None, *, member: bool) -> str:
    if view is None:
        return "online" if member else "offline"
    if view.unclean:
        return "unclean"
    if not view.online:
        return "offline"
    for word in ("pending", "shutdown", "standby", "maintenance"):
        if getattr(view, word):
            return word
    return "online"


def _resources(replica: Replica, transition: Transition) -> tuple[ResourceStatus, ...]:
    return tuple(_resource(replica, placement) for placement in transition.placements)


def _resource(replica: Replica, placement: Placement) -> ResourceStatus:
    element = replica.working.primitive(placement.resource)
    if element is None:
        element = replica.working.primitive(placement.resource.partition(":")[0])
    agent, group = "", ""
    if element is not None:
        parts = (element.get("class"), element.get("provider"), element.get("type"))
        agent = ":".join(str(part) for part in parts if part)
        parent = element.getparent()
        if parent is not None and parent.tag in ("group", "clone", "master"):
            group = str(parent.get("id", ""))
    return ResourceStatus(
        placement.resource,
        agent,
        group,
        placement.role.capitalize(),
        placement.nodes,
        placement.next_role.capitalize(),
        placement.next_node,
        placement.blocked,
        placement.scores,
        tuple(reason.sentence for reason in placement.reasons),
        placement.migratable,
    )


def _fail_counts(replica: Replica, names: dict[int, str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for entry in replica.working.fail_counts():
        node = names.get(entry.node, str(entry.node))
        by_node = counts.setdefault(entry.resource, {})
        by_node[node] = min(1_000_000, by_node.get(node, 0) + entry.count)
    return counts


def _fencing(situation: Situation, transition: Transition) -> tuple[FenceStatus, ...]:
    rows = {
        view.name: FenceStatus(view.name, "pending", 0, view.reason)
        for view in transition.nodes
        if view.unclean
    }
    for name, failure in situation.fence_failures.items():
        if name not in rows:
            continue  # it need not be silenced any more: a cleanup, or it came back
        rows[name] = FenceStatus(name, "failed", failure.attempts, failure.reason, failure.by)
    return tuple(rows[name] for name in sorted(rows))
