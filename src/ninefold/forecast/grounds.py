"""Where a part of a score came from, in a sentence: constraints, health, and whom it goes with.

The engine notes the constraint or the resource behind each part. What an operator asks next is why
that one has the effect: where the other resource goes, and what keeps it from here. So a refusal that
was handed on is followed to where it began, through the same evaluation's notes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ninefold.cib import views
from ninefold.forecast import causes, remedies
from ninefold.forecast.causes import Cause, edit, movable, plain, text
from ninefold.scheduler.rules import instant
from ninefold.scheduler.scores import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Contribution, Placement, Transition

# A refusal is followed through so many resources; longer chains are cut, and `explain` goes on from there.
CHAIN_MAX: Final = 4

HEALTH: Final = "health of "

# What the members of a set are to each other.
OTHERS: Final = "others of its set"


def contribution(
    root: Element, transition: Transition, placement: Placement, one: Contribution
) -> Cause:
    """Return where a part of a score came from."""
    if one.code in {"location", "colocation", "dependent"}:
        return _of_constraint(root, transition, placement, one)
    cause = causes.origin(root, placement.resource, one.code, one.origin, one.score)
    if one.code == "unmanaged":
        return Cause(one.code, cause.sentence, remedies.managed(root, transition, placement))
    return cause


def _of_constraint(
    root: Element, transition: Transition, placement: Placement, one: Contribution
) -> Cause:
    """Return what is to be said of a part that a constraint, a group or health gave."""
    if one.origin.startswith(HEALTH):
        return _health(root, one)
    element = constraint(root, one.origin)
    if one.origin.startswith(("cli-ban-", "cli-prefer-")) or (
        element is not None and element.get("id", "").startswith(("cli-ban-", "cli-prefer-"))
    ):
        return _left_behind(root, placement, one, element)
    if one.code == "location":
        return _location(one, element)
    if element is None:
        return _sibling(root, transition, placement, one)
    return _colocation(root, transition, one, element)


def constraint(root: Element, origin: str) -> Element | None:
    """Return the constraint that an origin means: by its id, or by that of a rule in it."""
    for element in root.iterfind("configuration/constraints//*"):
        if element.get("id") != origin:
            continue
        found = element
        while found.tag == "rule" and (parent := found.getparent()) is not None:
            found = parent
        return found
    return None


def _health(root: Element, one: Contribution) -> Cause:
    node = one.origin.removeprefix(HEALTH)
    colours = [
        f"{name} is {value}"
        for name, value in node_attributes(root, node)
        if name.startswith("#health")
    ]
    told = " and ".join(colours) or "node-health-base counts"
    tree = root.find("configuration")
    strategy = "" if tree is None else views.cluster_property(tree, "node-health-strategy", "none")
    sentence = f"Health of {node}: {told} (node-health-strategy={strategy})."
    command = "mend what it reports; ninefold cib property node-health-strategy none ignores it"
    return Cause("health", sentence, command)


def node_attributes(root: Element, node: str) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a node, permanent and transient."""
    for path in ("configuration/nodes/node", "status/node_state"):
        for element in root.iterfind(path):
            if element.get("uname", "").lower() == node.lower():
                for pair in element.iterfind(".//instance_attributes/nvpair"):
                    yield pair.get("name", ""), pair.get("value", "")


def _left_behind(
    root: Element, placement: Placement, one: Contribution, element: Element | None
) -> Cause:
    name = one.origin if element is None else element.get("id", one.origin)
    kept = "keeps it away" if one.score < 0 else "wants it there"
    until = ("" if element is None else _until(element)) or " until it is cleared"
    by = "a ban or a move away" if name.startswith("cli-ban-") else "a move"
    command = f"ninefold resource clear {movable(root, placement.resource)}"
    return Cause(one.code, f"{name}, left by {by}, {kept}{until}.", command)


def _until(element: Element) -> str:
    """Say when a constraint ends by itself, as the date in its rule says."""
    for date in element.iter("date_expression"):
        ends = instant(date.get("end"))
        if ends is not None:
            return f" until {_clock(ends)}"
    return ""


def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _location(one: Contribution, element: Element | None) -> Cause:
    score = text(one.score)
    if element is None:
        return Cause(one.code, f"Constraint {one.origin} scores it {score}.", edit(one.origin))
    name = element.get("id", one.origin)
    ruled = ", by a rule that holds now" if element.find("rule") is not None else ""
    if ruled and name != one.origin:
        ruled = f", by its rule {one.origin} that holds now"
    return Cause(
        one.code, f"Constraint {name} scores it {score}{ruled}{_until(element)}.", edit(name)
    )


def _sibling(
    root: Element, transition: Transition, placement: Placement, one: Contribution
) -> Cause:
    """Tell of a member of the same group: the one before decides, the one after has a wish."""
    tree = root.find("configuration")
    mine, other = plain(placement.resource), plain(one.origin)
    element = None if tree is None else views.resource(tree, mine)
    group = None if element is None else element.getparent()
    if group is None or group.tag != "group":
        sentence = f"It runs where the rest of its bundle runs ({one.origin})."
        return Cause(one.code, sentence, f"ninefold explain {movable(root, one.origin)}")
    members = [member.get("id", "") for member in group.iterfind("primitive")]
    if other not in members:
        sentence = f"It runs where the rest of its group runs ({one.origin})."
        return Cause(one.code, sentence, f"ninefold explain {other}")
    name, command = group.get("id", ""), f"ninefold explain {other}"
    if members.index(other) < members.index(mine):
        why = elsewhere(root, transition, one.origin, one.node) if one.score < 0 else ""
        return Cause(one.code, f"It follows {other} in group {name}{why}.", command)
    if one.score <= -INFINITY:
        why = refusal(root, transition, one.origin, one.node)
        return Cause(one.code, f"{other} follows it in group {name}, and may not be there{why}.",
                     command)  # fmt: skip
    if one.score < 0:
        return Cause(
            one.code, f"{other} follows it in group {name}, and is better elsewhere.", command
        )
    return Cause(one.code, f"{other} follows it in group {name}, and prefers it there.", command)


def _colocation(
    root: Element, transition: Transition, one: Contribution, element: Element
) -> Cause:
    name = element.get("id", one.origin)
    strength = _strength(element)
    primary = element.get("with-rsc", "")
    if one.code != "colocation":
        dependent = element.get("rsc", "") or "Another of its set"
        why = refusal(root, transition, dependent, one.node) if one.score <= -INFINITY else ""
        told = f", and may not be there{why}" if why else ", has a say"
        return Cause(one.code, f"{dependent}, placed with it by {name} ({strength}){told}.",
                     edit(name))  # fmt: skip
    if not primary:
        how = "away from" if strength.startswith("-") else "with"
        sentence = f"Constraint {name} ({strength}) places it {how} {OTHERS}."
        return Cause(one.code, sentence, edit(name))
    role = element.get("with-rsc-role", "").lower()
    whom = f"{primary} ({role})" if role and role != "started" else primary
    if strength.startswith("-"):
        sentence = (
            f"Constraint {name} ({strength}) keeps it away from {whom}, which is to be there."
        )
        return Cause(one.code, sentence, edit(name))
    why = elsewhere(root, transition, primary, one.node) if one.score < 0 else ""
    return Cause(
        one.code, f"Constraint {name} ({strength}) places it with {whom}{why}.", edit(name)
    )


def _strength(element: Element) -> str:
    """Return the score of a colocation as it is written: a set has its own, or that of what it is in."""
    outer = element.getparent() if element.tag == "resource_set" else None
    inherited = None if outer is None else outer.get("score")
    return text(views.score(element.get("score") or inherited or "INFINITY", INFINITY))


def _placements(root: Element, transition: Transition, name: str) -> list[Placement]:
    """Return the placements of a resource of any kind."""
    exact = [one for one in transition.placements if one.resource == name]
    if exact:
        return exact
    tree = root.find("configuration")
    element = None if tree is None else views.resource(tree, name)
    ids = [] if element is None else [one.get("id", "") for one in element.iter("primitive")]
    return [one for one in transition.placements if plain(one.resource) in ids]


def elsewhere(root: Element, transition: Transition, name: str, node: str) -> str:
    """Say, after a comma, where `name` is to be if not on `node`, and what keeps it from there."""
    found = _placements(root, transition, name)
    where = list(dict.fromkeys(one.next_node for one in found if one.next_node))
    if node in where:
        return ""
    told = f", which is to be on {' and '.join(where)}" if where else ", which is to run nowhere"
    return told + refusal(root, transition, name, node)


def refusal(
    root: Element, transition: Transition, name: str, node: str, depth: int = CHAIN_MAX
) -> str:
    """Say, after a colon, what forbids `node` to `name`; "" if nothing does."""
    for view in causes.obstacles(root, transition, node):
        return f": {view.sentence.rstrip('.')}"
    for placement in _placements(root, transition, name):
        for one in placement.contributions:
            if one.node != node or one.total > -INFINITY:
                continue
            return _link(root, transition, placement, one, depth)
    return ""


def _link(
    root: Element, transition: Transition, placement: Placement, one: Contribution, depth: int
) -> str:
    """Word one link of the chain; the last one in full."""
    further = constraint(root, one.origin) if one.code in {"colocation", "dependent"} else None
    name = plain(placement.resource)
    if one.code == "target-role":
        return f": {name} is wanted stopped"
    if one.code not in {"colocation", "dependent"}:
        cause = contribution(root, transition, placement, one)
        return f": {name}: {cause.sentence.rstrip('.')}"
    if further is None:
        other, how = plain(one.origin), f"{name} runs where {plain(one.origin)} runs"
    elif one.code == "dependent":
        other = further.get("rsc", "")
        how = f"{further.get('id')} holds {name} with {other or OTHERS}"
    elif _strength(further).startswith("-"):
        return f": {further.get('id')} keeps {name} away from {further.get('with-rsc', OTHERS)}"
    else:
        other = further.get("with-rsc", "")
        how = f"{further.get('id')} places {name} with {other or OTHERS}"
    if depth <= 1 or not other:
        return f": {how}"
    return f": {how}{refusal(root, transition, other, node=one.node, depth=depth - 1)}"
