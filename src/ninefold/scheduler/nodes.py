"""Which nodes there are, and how each of them stands: section 6 of the specification.

A node that was a member and no longer is may still be running what it ran. With fencing enabled it
is unclean until it has been fenced, and nothing here ever calls it clean for another reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.rules import Scope, merged_nvpairs
from ninefold.scheduler.scores import INFINITY, parse
from ninefold.scheduler.words import boolean, integer
from ninefold.scheduler.workspace import Node

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.workspace import Workspace

_CHUNKS: Final = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key: digits by value, the rest without case (node2 before node10)."""
    parts = _CHUNKS.split(name.lower())
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p)


def unpack_nodes(work: Workspace) -> None:
    """Read `<nodes>`; with startup fencing everything is unclean until its state is seen."""
    nodes = work.root.find("configuration/nodes")
    if nodes is None:
        return
    startup = work.options.fencing_enabled and work.options.startup_fencing
    scope = Scope(now=work.now)
    for element in nodes.iterchildren("node"):
        name, node_id = element.get("uname"), element.get("id")
        if not name or not node_id:
            continue
        kind = element.get("type") or "member"
        if kind == "remote":
            work.warn(f"Remote node {name} is left alone: remote nodes are not supported yet.")
            continue
        node = Node(id=node_id, name=name, kind=kind, score=parse(element.get("score")))
        node.attributes.update(merged_nvpairs(element, "instance_attributes", scope))
        node.unclean = startup
        node.reason = "it has not been seen by the cluster" if startup else ""
        _apply_attributes(work, node)
        work.nodes.append(node)
    work.nodes.sort(key=lambda node: natural(node.name))


def _apply_attributes(work: Workspace, node: Node) -> None:
    node.attributes["#uname"] = node.name
    node.attributes["#id"] = node.id
    node.attributes["#kind"] = "cluster"
    node.dc = node.id == work.root.get("dc-uuid")
    node.attributes["#is_dc"] = "true" if node.dc else "false"
    cluster_name = work.options.raw.get("cluster-name")
    if cluster_name:
        node.attributes["#cluster-name"] = cluster_name
    site = node.attributes.get("site-name") or cluster_name
    if site:
        node.attributes["#site-name"] = site
    node.standby = node.standby or boolean(node.attributes.get("standby"), default=False)
    node.maintenance = work.options.maintenance_mode or boolean(
        node.attributes.get("maintenance"), default=False
    )


def unpack_states(work: Workspace) -> None:
    """Read every `<node_state>`, then what the loss of quorum means for the members themselves."""
    status = work.root.find("status")
    states = [] if status is None else list(status.iterchildren("node_state"))
    for state in states:
        node = work.node(state.get("uname") or state.get("id") or "") or work.node(
            state.get("id") or ""
        )
        if node is None:
            if boolean(state.get("remote_node"), default=False):
                continue
            work.warn(f"Node {state.get('uname') or state.get('id')} is not configured.")
            continue
        _unpack_state(work, node, state)
    for node in work.nodes:
        if not node.online or node.shutdown:
            node.score = -INFINITY
        elif work.options.no_quorum_policy == "fence" and not work.quorate:
            fence(node, "the cluster does not have quorum")


def _unpack_state(work: Workspace, node: Node, state: Element) -> None:
    scope = Scope(now=work.now)
    transient = state.find("transient_attributes")
    if transient is not None:
        node.attributes.update(merged_nvpairs(transient, "instance_attributes", scope))
    _apply_attributes(work, node)
    node.unclean = False
    node.reason = ""
    node.seen = True
    requested = state.get("shutdown") or node.attributes.get("shutdown")
    node.shutdown = requested is not None and requested not in {"", "0"}
    node.expected_up = state.get("expected") == "member"
    if work.options.fencing_enabled:
        _with_fencing(work, node, state)
    else:
        _without_fencing(node, state)


def _since(text: str | None) -> bool:
    """Membership is a boolean, or the time since which it has been true."""
    if text is None:
        return False
    number = integer(text, -1)
    return number > 1 if number not in {-1, 0, 1} else boolean(text, default=False)


def _process_online(state: Element) -> bool:
    text = state.get("crmd")
    return text == "online" or integer(text, 0) > 0


def _without_fencing(node: Node, state: Element) -> None:
    member, process = _since(state.get("in_ccm")), _process_online(state)
    if member and process:
        node.online = state.get("join") == "member"
    elif node.expected_up and member:
        fence(node, "cluster does not have quorum over a dead process")
        node.reason = "its controller died"


def _with_fencing(work: Workspace, node: Node, state: Element) -> None:
    join = state.get("join") or "down"
    expected = state.get("expected") or "down"
    seen_membership = state.get("in_ccm") is not None
    member, process = _since(state.get("in_ccm")), _process_online(state)
    node.online = member
    if node.shutdown:
        node.online = process
    elif not seen_membership:
        fence(node, "peer has not been seen by the cluster")
    elif join == "nack":
        fence(node, "peer failed Pacemaker membership criteria")
    elif _terminate(node) and (member or process or join != "down"):
        fence(node, "termination was requested")
    elif expected == "down":
        _not_expected(work, node, state, present=member or process)
    elif not member:
        fence(node, "peer is no longer part of the cluster")
    elif not process:
        fence(node, "peer process is no longer available")
    elif join in {"pending", "down"}:
        node.pending = True
        node.standby = True
    elif join != "member":
        fence(node, "peer was in an unknown state")


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
            fence(node, "peer pending timed out on joining the process group")
            return
        work.recheck(joined_at + limit)
    if present:
        # It is coming up: known to be there, not yet able to take orders.
        node.pending = True
        node.standby = True


def fence(node: Node, reason: str) -> None:
    """Decide that `node` must be silenced; the first reason is kept."""
    if not node.unclean or not node.reason:
        node.reason = reason
    node.unclean = True
