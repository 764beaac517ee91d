"""Which nodes there are, and how each of them stands: section 6 of the specification.

A node that was a member and no longer is may still be running what it ran. With fencing enabled it
is unclean until it has been fenced, and nothing here ever calls it clean for another reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.rules import Scope, merged_nvpairs
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import Role, boolean, integer
from ninefold.scheduler.workspace import Action, Node

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Resource, Workspace


def unpack_nodes(work: Workspace) -> None:
    """Read `<nodes>`; with startup fencing everything is unclean until its state is seen."""
    nodes = work.root.find("configuration/nodes")
    if nodes is None:
        return
    startup = work.options.fencing_enabled and work.options.startup_fencing
    scope = Scope(now=work.now, turns=work.turns)
    for element in nodes.iterchildren("node"):
        name, node_id = element.get("uname"), element.get("id")
        if not name or not node_id:
            continue
        remote = element.get("type") == "remote"
        node = Node(id=node_id, name=name, remote=remote, score=parse(element.get("score")))
        node.attributes.update(merged_nvpairs(element, "instance_attributes", scope))
        for key, value in merged_nvpairs(element, "utilization", scope).items():
            node.utilization[key] = integer(value, 0)
        if not remote:
            node.unclean = startup
            node.reason = "it has not been seen by the cluster" if startup else ""
        _builtin_attributes(work, node)
        _apply_attributes(node)
        work.add_node(node)


def create_remote(work: Workspace, name: str) -> Node:
    """Return the node behind a remote connection, creating it if it is not configured."""
    node = work.node(name)
    if node is None:
        node = Node(id=name, name=name, remote=True)
        _builtin_attributes(work, node)
        work.add_node(node)
    node.remote = True
    node.attributes["#kind"] = "remote"
    work.has_remote_nodes = True
    return node


def connect(work: Workspace, connection: Resource) -> None:
    """Tie a connection to the node that it reaches."""
    node = work.node(connection.id)
    if node is None:
        return
    node.remote = True
    node.connection = connection
    if connection.launcher is None:
        if work.options.fencing_enabled and work.options.startup_fencing and node.unseen:
            node.unclean = True
            node.reason = "it has not been seen by the cluster"
    else:
        node.attributes["#kind"] = "container"


def _builtin_attributes(work: Workspace, node: Node) -> None:
    node.attributes["#uname"] = node.name
    node.attributes["#id"] = node.id
    node.attributes["#kind"] = "remote" if node.remote else "cluster"
    node.dc = node.id == work.root.get("dc-uuid")
    node.attributes["#is_dc"] = "true" if node.dc else "false"
    cluster_name = work.options.raw.get("cluster-name")
    if cluster_name:
        node.attributes["#cluster-name"] = cluster_name
    site = node.attributes.get("site-name") or cluster_name
    if site:
        node.attributes["#site-name"] = site


def _apply_attributes(node: Node) -> None:
    node.standby = boolean(node.attributes.get("standby"), default=False)
    node.maintenance = boolean(node.attributes.get("maintenance"), default=False)


def state_node(work: Workspace, state: Element) -> Node | None:
    """Return the node that a `<node_state>` is about."""
    by_id = work.node_ids.get(state.get("id") or "")
    if by_id is not None:
        return by_id
    return work.node(state.get("uname") or "")


def unpack_states(work: Workspace) -> None:
    """Read every `<node_state>`, then what the loss of quorum means for the members themselves."""
    status = work.root.find("status")
    states = [] if status is None else list(status.iterchildren("node_state"))
    for state in states:
        node = state_node(work, state)
        if node is None:
            continue
        if node.remote:
            node.remote_was_fenced = integer(state.get("node_fenced"), 0) > 0
        else:
            _unpack_state(work, node, state)
    for node in work.nodes:
        if node.remote:
            continue
        if node.online and work.options.no_quorum_policy == "fence" and not work.quorate:
            fence(work, node, "cluster does not have quorum")
        if not node.online or node.shutdown:
            node.score = -INFINITY


def _unpack_state(work: Workspace, node: Node, state: Element) -> None:
    _transient(work, node, state)
    node.unclean = False
    node.reason = ""
    node.unseen = False
    asked = (state.get("shutdown"), node.attributes.get("shutdown"))
    node.shutdown = any(one not in {None, "", "0"} for one in asked)
    node.expected_up = state.get("expected") == "member"
    if work.options.fencing_enabled:
        _with_fencing(work, node, state)
    else:
        _without_fencing(work, node, state)


def _transient(work: Workspace, node: Node, state: Element) -> None:
    transient = state.find("transient_attributes")
    if transient is not None:
        scope = Scope(now=work.now, turns=work.turns)
        node.attributes.update(merged_nvpairs(transient, "instance_attributes", scope))
        for name, value in merged_nvpairs(transient, "utilization", scope).items():
            node.utilization[name] = integer(value, 0)
    _apply_attributes(node)


def _since(text: str | None) -> bool:
    """Membership is a boolean, or the time since which it has been true."""
    if text is None:
        return False
    number = integer(text, -1)
    return number > 1 if number not in {-1, 0, 1} else boolean(text, default=False)


def _process_online(state: Element) -> bool:
    text = state.get("crmd")
    return text == "online" or integer(text, 0) > 0


def _without_fencing(work: Workspace, node: Node, state: Element) -> None:
    member, process = _since(state.get("in_ccm")), _process_online(state)
    if member and process:
        node.online = state.get("join") == "member"
    elif node.expected_up and member:
        fence(work, node, "its controller died")


def _with_fencing(work: Workspace, node: Node, state: Element) -> None:
    join = state.get("join") or "down"
    expected = state.get("expected") or "down"
    seen_membership = state.get("in_ccm") is not None
    member, process = _since(state.get("in_ccm")), _process_online(state)
    node.online = member
    if node.shutdown:
        node.online = process
    elif not seen_membership:
        fence(work, node, "peer has not been seen by the cluster")
    elif join == "nack":
        fence(work, node, "peer failed Pacemaker membership criteria")
    elif _terminate(node) and (member or process or join != "down"):
        fence(work, node, "termination was requested")
    elif expected == "down":
        _not_expected(work, node, state, present=member or process)
    elif not member:
        fence(work, node, "peer is no longer part of the cluster")
    elif not process:
        fence(work, node, "peer process is no longer available")
    elif join in {"pending", "down"}:
        node.pending = True
        node.standby = True
    elif join != "member":
        fence(work, node, "peer was in an unknown state")


def _terminate(node: Node) -> bool:
    """Has somebody asked for the node's fencing?

    A request is no proof that it was carried out: one for a node that is gone already leaves the
    other rules to say whether it must be silenced.
    """
    value = node.attributes.get("terminate")
    return boolean(value, default=False) or bool(integer(value, 0))


def _not_expected(work: Workspace, node: Node, state: Element, *, present: bool) -> None:
    member, process = _since(state.get("in_ccm")), _process_online(state)
    limit = work.options.node_pending_timeout
    joined_at = integer(state.get("in_ccm"), 0)
    if limit and member and not process and joined_at > 1:
        if work.now >= joined_at + limit:
            fence(work, node, "peer pending timed out on joining the process group")
            return
        work.recheck(joined_at + limit)
    if present:
        # It is coming up: known to be there, not yet able to take orders.
        node.pending = True
        node.standby = True


def remote_standing(node: Node) -> None:
    """Conclude from its connection (and what that runs in) whether a remote node is there."""
    connection = node.connection
    if connection is None:
        node.online = False
        return
    launcher = connection.launcher
    host = launcher.active[0] if launcher is not None and len(launcher.active) == 1 else None
    if connection.role is Role.STARTED:
        node.online = True
        if connection.next_role is Role.STOPPED:
            node.shutdown = True
    if launcher is not None and launcher.failed:
        node.online = False
        node.remote_reset = True
    elif connection.failed:
        node.online = False
    elif connection.role <= Role.STOPPED or (
        launcher is not None and launcher.role <= Role.STOPPED
    ):
        node.online = False
        node.remote_reset = False
    elif host is not None and not host.online and host.unclean:
        node.online = False
        node.remote_reset = True


def remote_attributes(work: Workspace, node: Node, state: Element) -> None:
    """Read what the status says about a remote node whose connection is known."""
    node.remote_maintenance = boolean(state.get("node_in_maintenance"), default=False)
    if not node.remote_reset:
        node.unclean = False
        node.unseen = False
    _transient(work, node, state)
    requested = node.attributes.get("shutdown")
    if requested not in {None, "", "0"}:
        node.shutdown = True
    if node.connection is not None and not node.connection.is_managed:
        node.maintenance = True
    if not boolean(node.attributes.get("resource-discovery-enabled"), default=True):
        node.probes_allowed = False


def fence(work: Workspace, node: Node, reason: str) -> None:
    """Decide that `node` must be silenced; the first reason is kept.

    What lives inside a resource is silenced by recovering that resource.
    """
    if node.guest:
        connection = node.connection
        assert connection is not None
        launcher = connection.launcher
        assert launcher is not None
        if not launcher.failed and launcher.is_managed:
            node.remote_reset = True
            launcher.failed = True
            launcher.stop_if_failed = True
        return
    if node.remote and node.connection is not None and not node.connection.is_managed:
        return
    if not node.unclean or not node.reason:
        node.reason = reason
    # What a remote node itself has recorded does not make up for what its connection says.
    node.remote_reset = node.remote_reset or node.remote
    node.unclean = True
    action = fencing_action(work, node)
    action.due = action.due or reason


def fencing_action(work: Workspace, node: Node) -> Action:
    """Return the fencing of `node`, which stands ready as soon as somebody asks for it."""
    task = work.options.fencing_action
    key = f"stonith-{node.name}-{task}"
    action = work.singletons.get(key)
    if action is None:
        action = Action(len(work.actions) + 1, "stonith", key, None, node, kind="fencing")
        action.meta = {"stonith_action": task, "on_node": node.name, "on_node_uuid": node.id}
        work.singletons[key] = action
        work.actions.append(action)
    return action
