"""A state and a transition in the words and the layout of Pacemaker's tools, line by line.

What it says comes from the engine's own answer; only names, agents and the nesting of resources
are read from the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib.edit import find_by
from ninefold.forecast.events import agent_of
from ninefold.forecast.resources import Leaf, indented, resource_lines
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lxml.etree import _Element as Element

    from ninefold.forecast.execute import Step
    from ninefold.scheduler.model import Action, NodeView, Placement, Transition

_MOVES: Final = ("start", "stop", "promote", "demote", "migrate_to", "migrate_from", "reload")


def state_lines(root: Element, transition: Transition) -> list[str]:
    """Return the nodes and the resources as `transition` found them."""
    return [
        *indented(["Node List:", *indented(_node_lines(root, transition))]),
        "",
        *indented(["Full List of Resources:", *indented(resource_lines(root, transition))]),
    ]


def decision_lines(transition: Transition) -> list[str]:
    """Return what the transition does to nodes and resources, and why."""
    # Of two actions with one key and task the later one counts.
    keyed = {
        (action.key, action.task): action for action in transition.actions if action.task in _MOVES
    }
    rows = [row for placement in transition.placements for row in _row(keyed, placement)]
    width = max((len(row[1]) for row in rows), default=0)
    span = max((len(row[2]) for row in rows), default=0)
    return indented(
        [
            *_cluster_lines(transition),
            *(
                f"{verb:<8}   {name:<{width}}   ( {what:>{span}} ){why}"
                for verb, name, what, why in rows
            ),
        ]
    )


def step_lines(steps: Iterable[Step]) -> list[str]:
    """Return the actions that were carried out, in their order."""
    return indented(_step(step) for step in steps)


def _node_lines(root: Element, transition: Transition) -> list[str]:
    single: list[str] = []
    listed: dict[str, list[str]] = {}
    busy = {node for placement in transition.placements for node in placement.nodes}
    for node in transition.nodes:
        kind = _kind(root, node.name)
        word = _standing(node, busy=node.name in busy)
        if word in {"Online", "OFFLINE"}:
            listed.setdefault(f"{kind}{word}", []).append(node.name)
        elif not (kind == "Guest" and not node.online):
            single.append(f"{kind}Node {node.name}: {word}".replace("Node Node", "Node"))
    order = (
        "Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline",
    )  # fmt: skip
    return single + [f"{word}: [ {' '.join(listed[word])} ]" for word in order if word in listed]


def _kind(root: Element, name: str) -> str:
    """Return "" for a member of the cluster, else Remote or Guest."""
    for element in root.iterfind("configuration/resources//primitive"):
        if element.get("id") == name and agent_of(root, element)[1:] == ("pacemaker", "remote"):
            return "Remote"
    for node in root.iterfind("configuration/nodes/node"):
        if node.get("uname") == name and node.get("type") != "remote":
            return ""
    section = root.find("status")
    state = None if section is None else find_by(section, "node_state", "uname", name)
    return "" if state is not None and state.get("remote_node") is None else "Guest"


def _standing(node: NodeView, *, busy: bool) -> str:
    """Return Online or OFFLINE if nothing more is to be said of it."""
    if node.unclean:
        return f"UNCLEAN ({'online' if node.online else 'offline'})"
    if node.pending:
        return "pending"
    if node.standby:
        active = " (with active resources)" if busy else ""
        return f"standby{active}" if node.online else "OFFLINE"
    if node.maintenance:
        return "maintenance" if node.online else "OFFLINE"
    return "Online" if node.online else "OFFLINE"


def _cluster_lines(transition: Transition) -> Iterator[str]:
    for action in transition.actions:
        if action.kind is ActionKind.FENCING:
            why = f" '{action.reasons[0].sentence}'" if action.reasons else ""
            yield f"Fence ({_fencing(action)}) {action.node}{why}"
        elif action.task == "do_shutdown":
            yield f"Shutdown {action.node}"


def _fencing(action: Action) -> str:
    return action.meta.get("stonith_action") or action.meta.get("fencing_action", "reboot")


def _row(
    keyed: Mapping[tuple[str, str], Action], placement: Placement
) -> Iterator[tuple[str, str, str, str]]:
    """Yield verb, resource, places and reason for a resource with which something happens."""
    leaf = Leaf(placement)
    actions = {
        task: keyed[key]
        for task in _MOVES
        if (key := (f"{placement.resource}_{task}_0", task)) in keyed
    }
    blocked = not actions and placement.blocked and placement.next_node not in placement.nodes
    if not actions and not (blocked and placement.next_node):
        return
    verb, places = _verb(placement, actions, failed=leaf.failed)
    found = [
        reason for task in _MOVES if task in actions for reason in actions[task].reasons
    ] or list(placement.reasons)
    why = f"  due to {found[0].sentence.rstrip('.')}" if found and verb != "Start" else ""
    hindered = placement.blocked.removeprefix("Its start cannot run: ").rstrip(".")
    if verb == "Stop" and placement.next_node and hindered:
        why = f"  due to {hindered}"
    elif blocked:
        why = f"  due to {hindered} (blocked)"
    yield verb, placement.resource, places, why


def _verb(placement: Placement, tasks: dict[str, Action], *, failed: bool) -> tuple[str, str]:
    here = placement.nodes[0] if placement.nodes else ""
    there = placement.next_node
    was, will = placement.role.capitalize(), placement.next_role.capitalize()
    promoted = "Promoted" in {was, will}
    stay = f"{was} {here}" if promoted else here
    if "migrate_to" in tasks:
        return "Migrate", f"{here} -> {there}"
    if not here:
        return ("Promote", f"Stopped -> {will} {there}") if will == "Promoted" else ("Start", there)
    if not there or will == "Stopped" or ("stop" in tasks and "start" not in tasks):
        return "Stop", stay
    if here != there:
        return "Move", f"{stay} -> {will} {there}" if promoted else f"{here} -> {there}"
    if "stop" in tasks or "start" in tasks:
        return "Recover" if failed else "Restart", stay
    if "reload" in tasks:
        return "Reload", stay
    if was != will:
        return "Promote" if will == "Promoted" else "Demote", f"{was} -> {will} {here}"
    return "Re-promote", stay


def _step(step: Step) -> str:
    action = step.action
    end = "" if step.rc is None else f" (failed: {step.rc})"
    where = f" on {action.node}" if action.node else ""
    match action.kind:
        case ActionKind.RESOURCE:
            task = f"{action.task}={action.interval_ms}" if action.interval_ms else action.task
            return f"Resource action: {action.resource:<15} {task}{where}{end}"
        case ActionKind.PSEUDO:
            return f"Pseudo action:   {action.key}{where if action.task == 'stonith' else ''}"
        case ActionKind.FENCING:
            return f"Fencing {action.node} ({_fencing(action)}){end}"
        case ActionKind.CLUSTER:
            about = f" for {action.resource}" if action.resource else ""
            return f"Cluster action:  {action.task}{about}{where}"


def text(
    before: Sequence[str], decision: Sequence[str], steps: Sequence[str], after: Sequence[str]
) -> str:
    """Put the four parts together."""
    parts = (
        ("Current cluster status:", before),
        ("Transition Summary:", decision),
        ("Executing Cluster Transition:", steps),
        ("Revised Cluster Status:", after),
    )
    return "\n\n".join("\n".join([title, *lines]) for title, lines in parts) + "\n"
