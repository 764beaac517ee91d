"""Why a resource is where it is, why not elsewhere, what it waits for, what would move it.

Everything comes from the evaluation that decided: the parts of a score are the engine's own, in
its own order, and they add up to the score it used (`sums`). What would move it is tried on a copy.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib import configuration as configuring
from ninefold.cib import views
from ninefold.cib.model import MoveResource
from ninefold.forecast import causes, circumstances, grounds, remedies
from ninefold.forecast.causes import Cause
from ninefold.forecast.sums import Part, Promotion, parts_of, promotion_of, score_of
from ninefold.scheduler import schedule_document
from ninefold.scheduler.model import ActionKind
from ninefold.scheduler.scores import INFINITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds
    from ninefold.scheduler.model import Action, Placement, Transition

# Each node that is tried costs one evaluation; people compare a handful.
TRIED_MAX: Final = 8

# What is said of a resource while an operation of it is under way.
_BEING: Final = {"start": "started", "stop": "stopped", "promote": "promoted", "demote": "demoted"}

# Reasons that are told with the scores of the nodes.
_IN_PARTS: Final = ("location", "colocation", "stickiness")

# Reasons that are told better by the document, if it says them at all.
_ONCE: Final = ("no-node", "no-quorum", "unmanaged")


class Place(msgspec.Struct, frozen=True):
    """A node in the eyes of a resource: its score with the parts, and what forbids it whatever the score."""

    node: str
    score: int
    chosen: bool
    parts: tuple[Part, ...]
    obstacles: tuple[Cause, ...]


class Trial(msgspec.Struct, frozen=True):
    """What `ninefold resource move RESOURCE NODE` would do: would it go there, and who else would move."""

    node: str
    command: str
    goes: bool
    also: tuple[str, ...]


class Explanation(msgspec.Struct, frozen=True):
    """Everything there is to say of one primitive or instance."""

    resource: str
    role: str
    nodes: tuple[str, ...]
    next_role: str
    next_node: str
    verdict: str
    reasons: tuple[Cause, ...]
    places: tuple[Place, ...]
    waits: tuple[str, ...]
    promotion: Promotion | None
    trials: tuple[Trial, ...]


def explain(
    root: Element,
    now: WallSeconds,
    name: str,
    nodes: Sequence[str] = (),
    *,
    trials: bool = True,
    live: bool = False,
) -> tuple[Explanation, ...]:
    """Explain `name`, and each instance or member if it is more than one; nothing if it is unknown.

    `nodes` limits the places that are told of; `live` explains what the running cluster decides, which
    leaves some alone.
    """
    transition = schedule_document(root, now, live=live)
    return tuple(
        _explained(root, now, transition, one, nodes, trials=trials)
        for one in meant(root, transition, name)
    )


def meant(root: Element, transition: Transition, name: str) -> list[Placement]:
    """Return the placements that a name means: a primitive, an instance, a group, a clone, a bundle."""
    exact = [one for one in transition.placements if one.resource == name]
    if exact:
        return exact
    element = views.resource(root.find("configuration"), name)  # type: ignore[arg-type]
    ids = [] if element is None else [one.get("id", "") for one in element.iter("primitive")]
    found = [one for one in transition.placements if one.resource.partition(":")[0] in ids]
    if element is not None and element.tag == "bundle":
        found += [p for p in transition.placements if p.resource.startswith(f"{name}-")]
    return found


def _explained(
    root: Element,
    now: WallSeconds,
    transition: Transition,
    placement: Placement,
    nodes: Sequence[str],
    *,
    trials: bool,
) -> Explanation:
    wanted = [node.lower() for node in nodes]
    names = [view.name for view in transition.nodes]
    shown = [name for name in names if not wanted or name.lower() in wanted]
    places = tuple(_place(root, transition, placement, name) for name in shown)
    tried: tuple[Trial, ...] = ()
    if trials and causes.moves_alone(root, placement.resource):
        elsewhere = [name for name in shown if name != placement.next_node][:TRIED_MAX]
        tried = tuple(_trial(root, now, transition, placement, one) for one in elsewhere)
    return Explanation(
        placement.resource,
        placement.role,
        placement.nodes,
        placement.next_role,
        placement.next_node,
        verdict(root, transition, placement),
        _reasons(root, now, transition, placement),
        places,
        tuple(_waits(root, transition, placement)),
        promotion_of(root, transition, placement),
        tried,
    )


def verdict(root: Element, transition: Transition, placement: Placement) -> str:
    """Say in a sentence or two where it is, where it shall be, and what decided between the nodes."""
    name, here, there = placement.resource, " and ".join(placement.nodes), placement.next_node
    role = placement.next_role
    being = _being(root, placement)
    now = f"is {being or placement.role} on {here}" if here else "is stopped"
    if not there or role == "stopped":
        return f"{name} {now}, and shall be stopped." if here else f"{name} {now}, and stays so."
    # A probe elsewhere changes nothing about it here.
    own = (one for one in transition.actions if _owner(one) == name)
    tasks = {one.task for one in own if one.task in causes.TASKS}
    if placement.blocked and "start" not in tasks:
        if "stop" in tasks:
            return f"{name} {now}, and shall be stopped: {_lower(placement.blocked)}"
        if here and not tasks:
            return f"{name} {now}, and stays so: {_lower(placement.blocked)}"
        if not here:
            wish = f"shall be {role} on {there}, but cannot be yet"
            return f"{name} {now}, and {wish}: {_lower(placement.blocked)}"
    if placement.nodes == (there,) and {"stop", "start"} <= tasks:
        return f"{name} {now}, and shall be restarted there.{_margin(root, transition, placement)}"
    stays = placement.nodes == (there,) and role == placement.role
    place = "stays there" if stays else f"shall be {role} on {there}"
    return f"{name} {now}, and {place}.{_margin(root, transition, placement)}"


def _being(root: Element, placement: Placement) -> str:
    """Say what is being done to it on the one node where it counts as running."""
    for state, op in circumstances.under_way(root, placement):
        word = _BEING.get(op.get("operation", ""), "")
        if word and placement.nodes == (state.get("uname"),):
            return f"being {word}"
    return ""


def _margin(root: Element, transition: Transition, placement: Placement) -> str:
    usable = {
        view.name for view in transition.nodes if not causes.obstacles(root, transition, view.name)
    }
    scores = {
        name: score_of(placement, name)
        for name in placement.scores
        if name in usable and name != placement.next_node
    }
    best = max(scores, key=lambda one: scores[one], default=None)
    if best is None or scores[best] < 0:
        leader = _leader(root, placement, [*usable])
        return f" It goes where {leader} goes." if leader else " No other node may have it."
    mine, theirs = score_of(placement, placement.next_node), scores[best]
    if mine > theirs:
        return (
            f" It scores {causes.text(mine)} there, {causes.text(theirs)} on {best}, the next best."
        )
    tie = "it is there already" if placement.next_node in placement.nodes else (
        "of equal nodes the one with fewest resources is taken, then the first by name"
    )  # fmt: skip
    return f" {best} scores {causes.text(theirs)} too; {tie}."


def _lower(sentence: str) -> str:
    """Return a sentence as the end of another."""
    keep = sentence.split(" ", maxsplit=1)[0] not in {"It", "Its", "Fencing", "The"}
    return sentence if keep else sentence[0].lower() + sentence[1:]


def _leader(root: Element, placement: Placement, usable: Sequence[str]) -> str:
    """Return the one resource that keeps it from every other usable node, if there is one; else ""."""
    refused = {
        one.node: one.origin if one.code == "colocation" else ""
        for one in placement.contributions
        if one.total <= -INFINITY and one.node in usable and one.node != placement.next_node
    }
    leaders = dict.fromkeys(refused.values())
    if len(leaders) != 1:
        return ""
    origin = next(iter(leaders))
    element = grounds.constraint(root, origin)
    if element is None:
        return causes.plain(origin)
    return "" if element.get("score", "").startswith("-") else element.get("with-rsc", "")


def _place(root: Element, transition: Transition, placement: Placement, node: str) -> Place:
    return Place(
        node,
        score_of(placement, node),
        chosen=node == placement.next_node,
        parts=parts_of(root, transition, placement, node),
        obstacles=tuple(causes.obstacles(root, transition, node)),
    )


def _reasons(
    root: Element, now: WallSeconds, transition: Transition, placement: Placement
) -> tuple[Cause, ...]:
    """Return what the engine noted about it, and the state of the cluster that concerns it."""
    found = list(causes.of_cluster(root, transition))
    if placement.blocked and not circumstances.placeless(placement):
        command = remedies.of_block(root, transition, placement)
        found.append(Cause("blocked", placement.blocked, command))
    found += circumstances.of_resource(root, now, transition, placement)
    noted = list(placement.reasons)
    for action in transition.actions:
        if action.task in causes.TASKS and _owner(action) == placement.resource:
            noted += action.reasons
    for reason in noted:
        told = [one.code for one in found]
        if reason.code in _IN_PARTS or (reason.code in _ONCE and reason.code in told):
            continue
        command = remedies.of_reason(root, transition, placement, reason)
        cause = Cause(reason.code, reason.sentence, command)
        if cause not in found:
            found.append(cause)
    return tuple(found)


def _owner(action: Action) -> str:
    return action.key.removesuffix(f"_{action.task}_{action.interval_ms}")


def _waits(root: Element, transition: Transition, placement: Placement) -> list[str]:
    """Say for each of its steps which steps of others come right before, pseudo ones left out."""
    by_id = {action.id: action for action in transition.actions}
    sentences = []
    for action in transition.actions:
        if action.task not in causes.TASKS or _owner(action) != placement.resource:
            continue
        if action.kind is ActionKind.PSEUDO:
            continue
        earlier = [
            _step(by_id[one]) + circumstances.ordered_by(root, by_id[one].resource, action.resource)
            for one in _before(by_id, action)
        ]
        start = f"Its {action.task} on {action.node}"
        told = f" waits for the {', the '.join(earlier)}" if earlier else " waits for nothing"
        sentences.append(f"{start}{told} (at most {action.timeout_ms / 1000:g} s itself).")
    return sentences


def _before(by_id: dict[int, Action], action: Action) -> list[int]:
    found: list[int] = []
    seen: dict[int, bool] = {}
    todo = list(action.inputs)
    while todo:
        one = todo.pop(0)
        if one in seen or one not in by_id:
            continue
        seen[one] = True
        if by_id[one].kind is ActionKind.PSEUDO:
            todo += by_id[one].inputs
        else:
            found.append(one)
    return sorted(found)


def _step(action: Action) -> str:
    if action.kind is ActionKind.FENCING:
        word = "unfencing" if action.meta.get("stonith_action") == "on" else "fencing"
        return f"{word} of {action.node}"
    what = "probe" if action.task == "monitor" and not action.interval_ms else action.task
    return f"{what} of {_owner(action)} on {action.node}" if action.node else f"{what}"


def _trial(
    root: Element, now: WallSeconds, transition: Transition, placement: Placement, node: str
) -> Trial:
    """Try a move on a copy of the document, and look who would be elsewhere."""
    name = causes.movable(root, placement.resource)
    changed = copy.deepcopy(root)
    tree = changed.find("configuration")
    command = f"ninefold resource move {name} {node}"
    if tree is None or configuring.move_resource(tree, MoveResource(name, node=node)) is not None:
        return Trial(node, command, goes=False, also=())
    places = {one.resource: one.next_node for one in transition.placements}
    after = {one.resource: one.next_node for one in schedule_document(changed, now).placements}
    also = tuple(
        f"{one} {'stops' if not where else f'goes to {where}'}"
        for one, where in after.items()
        if one != placement.resource and one in places and places[one] != where
    )
    return Trial(node, command, after.get(placement.resource) == node, also)
