"""What the document knows about a resource beyond its scores: what is under way, limits, what does not count now.

Each function here looks at one circumstance and yields what is to be said of it, with the command that
would change it. None of them decides anything: what they say is read from the document or from the
transition that was decided.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ninefold.cib import views
from ninefold.fencing.topology import read_fencing
from ninefold.forecast.causes import EDIT, FALSE, TRUE, Cause, edit, obstacles, plain
from ninefold.forecast.grounds import node_attributes
from ninefold.scheduler.rules import Scope, holds
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds
    from ninefold.scheduler.model import Placement, Transition

# How the engine says that a step waits for a place, of which more is said than that.
PLACELESS: Final = ("it has no node", "no node is available")


# What an operation may take if nothing is said.
TIMEOUT_MS: Final = 20_000


def of_resource(
    root: Element, now: WallSeconds, transition: Transition, placement: Placement
) -> Iterator[Cause]:
    """Yield everything there is to say, what hinders most first."""
    family = ancestry(root, placement.resource)
    yield from _in_flight(root, now, placement)
    yield from _unfenceable(root, transition, placement)
    yield from _unmanaged(root, placement, family)
    if not family and placement.nodes:
        yield from _left_running(root)
    yield from _forgotten(transition, placement)
    yield from _not_now(root, now, transition, family)
    yield from _instances(transition, placement, family)
    yield from _promotion(root, transition, placement, family)
    yield from _nowhere(root, transition, placement)


def ancestry(root: Element, resource: str) -> list[Element]:
    """Return the resource's element and those that it is in, from the inside out."""
    tree = root.find("configuration")
    element = None if tree is None else views.resource(tree, plain(resource))
    found = []
    while element is not None and element.tag != "resources":
        found.append(element)
        element = element.getparent()
    return found


def meta(element: Element, *names: str) -> str:
    """Return a meta attribute by any of its names; "" if it is not set."""
    for pair in element.iterfind("meta_attributes/nvpair"):
        if pair.get("name") in names:
            return pair.get("value", "")
    return ""


def _in_flight(root: Element, now: WallSeconds, placement: Placement) -> Iterator[Cause]:
    """Say which of its operations have been ordered and have no result yet."""
    for state, op in under_way(root, placement):
        limit = _limit(root, plain(placement.resource), op.get("operation", ""))
        sentence = f"{_under_way(state, op, now)}, at most {limit}."
        yield Cause("in-flight", sentence, "ninefold events --follow")


def under_way(root: Element, placement: Placement) -> Iterator[tuple[Element, Element]]:
    """Yield each operation of it that has no result yet, after the state of its node."""
    wanted = (placement.resource, plain(placement.resource))
    for state in root.iterfind("status/node_state"):
        for found in state.iterfind("lrm/lrm_resources/lrm_resource"):
            if found.get("id") not in wanted:
                continue
            for op in found.iterfind("lrm_rsc_op[@op-status='-1']"):
                if op.get("interval", "0") == "0":
                    yield state, op


def _limit(root: Element, resource: str, task: str) -> str:
    """Return how long an operation may take, as it is written down."""
    own = f"configuration/resources//primitive[@id='{resource}']"
    templates = [one.get("template", "") for one in root.iterfind(own)]
    places = [own, *(f"configuration/resources/template[@id='{name}']" for name in templates)]
    for place in places:
        for op in root.iterfind(f"{place}/operations/op[@name='{task}']"):
            if milliseconds(op.get("interval", "0")):
                continue
            given = op.get("timeout") or meta(op, "timeout")
            if given:
                return _span(given)
    defaults = root.find("configuration/op_defaults")
    return _span("" if defaults is None else meta(defaults, "timeout"))


def _span(text: str) -> str:
    return f"{milliseconds(text, TIMEOUT_MS) / 1000:g} s"


def _under_way(state: Element, op: Element, now: WallSeconds) -> str:
    task = "probe" if op.get("operation") == "monitor" else op.get("operation", "operation")
    began = op.get("last-rc-change") or op.get("last-run") or ""
    since = ""
    if began.isdecimal() and 0 < int(began) <= now:
        clock = datetime.fromtimestamp(int(began), tz=UTC).strftime("%H:%M:%S UTC")
        since = f", for {now - int(began)} s (since {clock})"
    return f"Its {task} on {state.get('uname')} is under way{since}"


def _unfenceable(root: Element, transition: Transition, placement: Placement) -> Iterator[Cause]:
    """Say which lost node it waits for that no device can silence, and what the devices cover."""
    fencing = read_fencing(root)
    for view in transition.nodes:
        if not view.unclean or view.name not in placement.nodes or fencing.levels(view.name):
            continue
        covered = "; ".join(
            f"{device.id} covers {', '.join(device.host_list or device.host_map) or 'nothing'}"
            for device in fencing.devices
        )
        sentence = f"No fence device can silence {view.name} ({covered or 'there is none'})."
        command = (
            f"ninefold node declare-dead {view.name}, if it is off for certain; "
            + EDIT.format(what=f"pcmk_host_list of a device for {view.name}")
        )
        yield Cause("unfenceable", sentence, command)


def _unmanaged(root: Element, placement: Placement, family: list[Element]) -> Iterator[Cause]:
    """Say which setting takes it out of the cluster's hands; of nodes and cluster others tell."""
    if not any(reason.code == "unmanaged" for reason in placement.reasons):
        return
    defaults = root.findall("configuration/rsc_defaults")
    for element in [*family, *defaults]:
        whose = element.get("id") or "all resources (rsc_defaults)"
        for name, word in (("is-managed", FALSE), ("maintenance", TRUE)):
            value = meta(element, name)
            if value.lower() in word:
                sentence = f"{name}={value} of {whose}: the cluster leaves it as it is."
                yield Cause("unmanaged", sentence, edit(f"{name} of {whose}"))


def _left_running(root: Element) -> Iterator[Cause]:
    tree = root.find("configuration")
    if tree is None:
        return
    for name in ("stop-orphan-resources", "stop-removed-resources"):
        if views.cluster_property(tree, name, "true").lower() in FALSE:
            sentence = f"{name}=false: what is no longer configured is left running."
            yield Cause("removed", sentence, f"ninefold cib property {name} true")


def _forgotten(transition: Transition, placement: Placement) -> Iterator[Cause]:
    """Say which failures no longer count."""
    for action in transition.actions:
        if action.task == "clear_failcount" and action.resource in (
            placement.resource, plain(placement.resource),
        ):  # fmt: skip
            for reason in action.reasons:
                command = edit(f"failure-timeout of {plain(placement.resource)}")
                yield Cause(reason.code, reason.sentence, command)


def _not_now(
    root: Element, now: WallSeconds, transition: Transition, family: list[Element]
) -> Iterator[Cause]:
    """Say which of its location constraints have a rule that holds on no node at this time."""
    names = [element.get("id", "") for element in family]
    for element in root.iterfind("configuration/constraints/rsc_location"):
        rule = element.find("rule")
        if element.get("rsc") not in names or rule is None:
            continue
        scopes = [
            Scope(
                now=now, attributes={"#uname": view.name, **dict(node_attributes(root, view.name))}
            )
            for view in transition.nodes
        ]
        if any(holds(one, scope) for one in element.iterfind("rule") for scope in scopes):
            continue
        name = element.get("id", "")
        dated = next(element.iter("date_expression"), None)
        what = "at this time" if dated is not None else "on any node"
        sentence = (
            f"Constraint {name} does not count: its rule does not hold {what}{_dates(dated)}."
        )
        left = name.startswith(("cli-ban-", "cli-prefer-"))
        command = f"ninefold resource clear {names[-1]}" if left else edit(name)
        yield Cause("rule-not-in-effect", sentence, command)


def _dates(dated: Element | None) -> str:
    if dated is None:
        return ""
    words = [f"{key} {dated.get(key)}" for key in ("start", "end") if dated.get(key)]
    return f" ({', '.join(words)})" if words else ""


def _clone(family: list[Element]) -> Element | None:
    return next((one for one in family if one.tag in {"clone", "master"}), None)


def _instances(
    transition: Transition, placement: Placement, family: list[Element]
) -> Iterator[Cause]:
    """Say how many instances there are, if that is fewer than the nodes that could have one."""
    clone = _clone(family)
    limit = "" if clone is None else meta(clone, "clone-max")
    usable = [view.name for view in transition.nodes if view.online and not view.standby]
    if clone is None or not limit.isdecimal() or int(limit) >= len(usable):
        return
    name = clone.get("id", "")
    held = [
        one.next_node
        for one in transition.placements
        if plain(one.resource) == plain(placement.resource) and one.next_node
    ]
    sentence = (
        f"{name} has {limit} instances in all (clone-max), on {', '.join(held) or 'no node'}."
    )
    yield Cause("clone-max", sentence, edit(f"clone-max of {name}"))


def _promotion(
    root: Element, transition: Transition, placement: Placement, family: list[Element]
) -> Iterator[Cause]:
    """Say why an instance of a promotable clone is not to be promoted."""
    clone = _clone(family)
    if clone is None or placement.next_role != "unpromoted":
        return
    if clone.tag != "master" and meta(clone, "promotable").lower() not in TRUE:
        return
    peers = [p for p in transition.placements if plain(p.resource) == plain(placement.resource)]
    promoted = [one for one in peers if one.next_role == "promoted"]
    limit = meta(clone, "promoted-max", "master-max") or "1"
    node, name = placement.next_node, clone.get("id", "")
    own = f"master-{plain(placement.resource)}"
    score = dict(node_attributes(root, node)).get(own, "")
    if promoted and limit.isdecimal() and len(promoted) >= int(limit):
        where = ", ".join(one.next_node for one in promoted)
        sentence = f"{name} promotes {limit} at once (promoted-max), and {where} comes first."
        yield Cause("promoted-max", sentence, edit(f"promoted-max of {name}"))
    elif not score or views.score(score) < 0:
        told = f"has the promotion score {score}" if score else "has no promotion score"
        sentence = (
            f"It {told} on {node}: its agent has not called it fit to be promoted ({own}), and no constraint"
            " of role Promoted does."
        )
        yield Cause("promotion-score", sentence, EDIT.format(
            what=f"the constraints: a rsc_location of {name} with role=Promoted and a score"))  # fmt: skip


def _nowhere(root: Element, transition: Transition, placement: Placement) -> Iterator[Cause]:
    """Say in one sentence that no node may have it, if nobody wants it stopped."""
    blocked = placement.blocked and not placeless(placement)
    if placement.next_node or blocked or not transition.nodes:
        return
    told = {one.code for one in placement.reasons} | {one.code for one in placement.contributions}
    if told & {"target-role", "removed"}:
        return
    refusing = [
        view.name
        for view in transition.nodes
        if obstacles(root, transition, view.name)
        or placement.scores.get(view.name, -INFINITY) <= -INFINITY
        or any(p.node == view.name and p.total < 0 for p in placement.contributions)
    ]
    if len(refusing) == len(transition.nodes):
        yield Cause("no-node", "No node may have it; what speaks against each stands below.", "")


def placeless(placement: Placement) -> bool:
    """Is the lack of a node all that blocks it?"""
    told = placement.blocked.removesuffix(".")
    return told.startswith("Its ") and told.endswith(tuple(f"run: {word}" for word in PLACELESS))


def ordered_by(root: Element, one: str, other: str) -> str:
    """Name the ordering constraint between two resources, in brackets; "" if there is none."""
    if not one or not other:
        return ""
    here = [element.get("id") for element in ancestry(root, one)]
    there = [element.get("id") for element in ancestry(root, other)]
    for element in root.iterfind("configuration/constraints/rsc_order"):
        ends = (element.get("first"), element.get("then"))
        if None in ends or not (
            (ends[0] in here and ends[1] in there) or (ends[0] in there and ends[1] in here)
        ):
            continue
        kind = element.get("kind", "Mandatory")
        meaning = {
            "optional": ", optional: only if both are to happen",
            "serialize": ", serialize: not at the same time",
        }.get(kind.lower(), "")
        return f" ({element.get('id')}{meaning})"
    return ""
