"""Why an action of a resource is needed, said where it was created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.scheduler import reasons
from ninefold.scheduler.model import Reason
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace

# Reasons of a placement that are also reasons to stop.
_RESTARTS: Final = frozenset(
    {"failed", "changed", "agent-changed", "multiply-active", "stop-failed"}
)
_EXPLAINED: Final = frozenset({"start", "stop", "promote", "demote"})


def explain_actions(work: Workspace, resource: Resource, current: Node | None) -> None:
    """Give the required actions of `resource` the reasons that made them so."""
    for action in resource.actions:
        if not action.optional and action.task in _EXPLAINED:
            for reason in _why(work, resource, action, current):
                if reason not in action.reasons:
                    action.reasons.append(reason)


def _why(work: Workspace, resource: Resource, action: Action, current: Node | None) -> list[Reason]:
    target = resource.assigned
    found = []
    if resource.role > Role.STOPPED:
        found = [r for r in resource.placement_reasons if r.code in _RESTARTS]
    if current is not None and target is not None and current is not target:
        found.append(reasons.moved(resource, current, target))
    elif target is None and resource.next_role is Role.STOPPED:
        found.extend(_why_stopped(work, resource))
    elif current is None and action.task == "start":
        found.append(Reason("wanted", f"{resource.id} is wanted started."))
    elif action.task in {"promote", "demote"}:
        sentence = f"{resource.id} shall be {resource.next_role.name.lower()}."
        found.append(Reason("role", sentence))
    return found


def _why_stopped(work: Workspace, resource: Resource) -> list[Reason]:
    if work.options.stop_all or resource.target_role is Role.STOPPED:
        return [reasons.target_stopped(resource)]
    if resource.removed:
        return [reasons.removed(resource)]
    if not work.quorate and work.options.no_quorum_policy not in {"ignore", "freeze"}:
        return [reasons.no_quorum()]
    return [reasons.no_node(resource)]
