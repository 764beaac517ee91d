"""Why: the codes and sentences that the evaluation leaves behind where it decides.

Nothing here decides; each function words one decision that was just taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.model import Reason
from ninefold.scheduler.scores import INFINITY, render

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action, Colocation, Location, Node, Resource


# What the field says where a definition is another than the one that was started with.
DEFINITION: Final = "resource definition change"

# Points of a transition that others wait for, in an operator's words.
_POINTS: Final = {
    "running": "start",
    "stopped": "stop",
    "promoted": "promotion",
    "promote": "promotion",
    "demoted": "demotion",
    "demote": "demotion",
}
_WAIT: Final = re.compile(r"it waits for the (?P<task>\S+) of (?P<owner>.+?)(: |$)")


def in_turn(why: str) -> str:
    """Word why an action cannot run; of those that wait for each other in turn the first and the last."""
    waits = list(_WAIT.finditer(why))
    if not waits:
        return why
    end = why[waits[-1].end() :].strip(": ")
    steps = [_point(found["task"], found["owner"]) for found in waits]
    told = f"it waits for {steps[0]}"
    if len(steps) == 2:
        told += f", which waits for {steps[1]}"
    elif len(steps) > 2:
        told += f", which waits for {len(steps) - 2} more in turn and in the end for {steps[-1]}"
    return f"{told}: {end}" if end else told


def _point(task: str, owner: str) -> str:
    if task.startswith("clone-one-or-more"):
        name = owner.removeprefix("clone-one-or-more:")
        return f"enough of what {name} asks for"
    if task.startswith("one-or-more"):
        return "one of the others of its set"
    return f"the {_POINTS.get(task, task)} of {owner}"


def due(relation: str, because: Action, action: Action) -> str:
    """Word in the field's way that an action is what it is for the sake of another resource's."""
    if because.resource is action.resource:
        return ""
    owner = "" if because.resource is None else f"{because.resource.id} "
    return f"{relation} {owner}{because.task}"


def removed(resource: Resource) -> Reason:
    """It runs or ran, but is no longer configured."""
    return Reason("removed", f"{resource.id} is no longer configured.")


def stop_failed(resource: Resource, node: Node) -> Reason:
    """Nothing may follow a failed stop but fencing."""
    return Reason("stop-failed", f"Stopping {resource.id} on {node.name} failed.")


def failed_stop_policy(resource: Resource, task: str) -> Reason:
    """on-fail=stop."""
    return Reason("failed-stay-stopped", f"{resource.id} stays stopped since its {task} failed.")


def hard_error(resource: Resource, node: Node, task: str, rc: int) -> Reason:
    """The agent said that trying again there is useless."""
    sentence = f"{resource.id} cannot run on {node.name}: its {task} returned {rc} there."
    return Reason("hard-error", sentence)


def blocked(resource: Resource, node: Node, why: str) -> Reason:
    """on-fail=block."""
    return Reason("blocked", f"{resource.id} is left alone on {node.name}: {why}.")


def failed(resource: Resource, node: Node, why: str) -> Reason:
    """It has to be recovered."""
    return Reason("failed", f"{resource.id} has failed: {why or f'on {node.name}'}.")


def unmanaged(resource: Resource) -> Reason:
    """The cluster keeps its hands off."""
    return Reason("unmanaged", f"{resource.id} is unmanaged and stays as it is.")


def multiply_active(resource: Resource) -> Reason:
    """It runs more than once."""
    names = ", ".join(node.name for node in resource.active)
    return Reason("multiply-active", f"{resource.id} is active on {names}.")


def threshold(resource: Resource, node: Node, count: int) -> Reason:
    """It failed too often on a node."""
    if count >= INFINITY:
        sentence = (
            f"{resource.id} failed to start or stop on {node.name}, which is final"
            " (start-failure-is-fatal)."
        )
        return Reason("migration-threshold", sentence)
    often = "once" if count == 1 else f"{render(count)} times"
    sentence = (
        f"{resource.id} failed {often} on {node.name},"
        f" its migration-threshold is {render(resource.migration_threshold)}."
    )
    return Reason("migration-threshold", sentence)


def stickiness(resource: Resource, node: Node) -> Reason:
    """It prefers to stay."""
    sentence = f"{resource.id} prefers to stay on {node.name} ({render(resource.stickiness)})."
    return Reason("stickiness", sentence)


def location(constraint: Location, node: str, score: int) -> Reason:
    """A location constraint has a say."""
    return Reason("location", f"Constraint {constraint.id} scores {node} {render(score)}.")


def colocation(constraint: Colocation, node: str) -> Reason:
    """It is placed relative to another resource."""
    together = "with" if constraint.score > 0 else "away from"
    sentence = (
        f"Constraint {constraint.id} ({render(constraint.score)}) places it {together}"
        f" {constraint.primary.id} on {node}."
    )
    return Reason("colocation", sentence)


def target_stopped(resource: Resource) -> Reason:
    """target-role=Stopped, or stop-all-resources."""
    return Reason("target-role", f"{resource.id} is wanted stopped.")


def no_node(resource: Resource) -> Reason:
    """Nowhere to go."""
    return Reason("no-node", f"No node is available for {resource.id}.")


def node_lost(node: Node) -> Reason:
    """Why a node is silenced."""
    return Reason("node-lost", f"{node.name} must be fenced: {node.reason}.")


def no_quorum() -> Reason:
    """Why something may not start, or must stop."""
    return Reason("no-quorum", "The partition does not have quorum.")


def moved(resource: Resource, origin: Node, target: Node) -> Reason:
    """A better place, or the old one is gone."""
    if origin.standby:
        return Reason("node-standby", f"{origin.name} is in standby.")
    if origin.shutdown:
        return Reason("node-shutdown", f"{origin.name} is shutting down.")
    if origin.unclean or not origin.online:
        return Reason("node-lost", f"{origin.name} is lost.")
    sentence = f"{resource.id} moves from {origin.name} to {target.name}, which scores higher."
    return Reason("moved-for-score", sentence)


def because_of(action: Action) -> Reason:
    """An ordering made it necessary."""
    where = f" on {action.node.name}" if action.node is not None else ""
    owner = action.resource.id if action.resource is not None else action.key
    return Reason("required", f"{action.task} of {owner}{where} requires it.")


def failures_forgotten(resource: Resource, node: Node, why: str) -> Reason:
    """A fail count that no longer counts."""
    return Reason("expired", f"Failures of {resource.id} on {node.name} are forgotten: {why}.")


def history_forgotten(resource: Resource) -> Reason:
    """What was recorded is of no use any more."""
    return Reason("removed", f"The history of {resource.id} is no longer needed.")


def cancelled(resource: Resource, task: str, interval_ms: int, why: str) -> Reason:
    """Why something is no longer repeated."""
    return Reason("cancelled", f"{task} of {resource.id} every {interval_ms} ms ends: {why}.")


def masked(resource: Resource, node: Node, rc: int) -> Reason:
    """A probe that could not be carried out."""
    sentence = f"{resource.id} cannot run on {node.name}: its probe returned {rc} there."
    return Reason("hard-error", sentence)


def changed(resource: Resource) -> Reason:
    """The configuration is another than the one it was started with."""
    return Reason("changed", f"The parameters of {resource.id} have changed.")


def agent_changed(resource: Resource) -> Reason:
    """It is something else now."""
    return Reason("agent-changed", f"{resource.id} has a different agent now.")


def ticket_lost(ticket: str, policy: str) -> Reason:
    """The right to run it is elsewhere."""
    return Reason("ticket", f"Ticket {ticket} is not granted here (loss-policy {policy}).")


def locked(resource: Resource, node: Node) -> Reason:
    """It waits for its node to come back."""
    sentence = f"{resource.id} is kept for {node.name}, which was shut down cleanly."
    return Reason("shutdown-lock", sentence)


def instance_limit(resource: Resource) -> Reason:
    """There are enough instances already."""
    return Reason("instance-limit", f"{resource.id} is more than clone-max allows.")
