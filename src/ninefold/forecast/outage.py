"""How long things would take at most, and what would be down meanwhile.

Every action is given its whole timeout, and begins when all that it waits for has ended. So the
times are bounds, not predictions, and count from the moment when the cluster has noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.core.instants import Millis
from ninefold.forecast.execute import Step
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element as Element

    from ninefold.forecast.execute import Story
    from ninefold.scheduler.model import Placement, Transition


class Timed(msgspec.Struct, frozen=True):
    """A step with the bounds of its beginning and its end."""

    begin_ms: Millis
    end_ms: Millis
    step: Step


class Outage(msgspec.Struct, frozen=True):
    """A service that is down; `until_ms` is `None` if it does not come back by itself."""

    service: str
    since_ms: Millis
    until_ms: Millis | None

    @property
    def length_ms(self) -> Millis | None:
        """How long at most; `None` for ever."""
        return None if self.until_ms is None else self.until_ms - self.since_ms


class Service(msgspec.Struct, frozen=True):
    """A top-level resource with its primitives; of `several` instances one is enough."""

    name: str
    leaves: tuple[str, ...]
    several: bool
    promoted: bool = False


def timeline(story: Story) -> list[Timed]:
    """Return every step of every transition, with its bounds; transitions follow each other."""
    timed: list[Timed] = []
    offset = 0
    for one in story.rounds:
        ends: dict[int, Millis] = {}
        for step in one.execution.steps:
            action = step.action
            begin = max((ends[earlier] for earlier in action.inputs if earlier in ends), default=0)
            takes = 0 if action.kind is ActionKind.PSEUDO else action.timeout_ms
            ends[action.id] = begin + takes
            timed.append(Timed(offset + begin, offset + begin + takes, step))
        # Recurring monitors begin then and never end; nothing waits for them.
        offset += max(
            (ends[s.action.id] for s in one.execution.steps if not s.action.interval_ms), default=0
        )
    return timed


def services(root: Element, transition: Transition) -> list[Service]:
    """Return what clients want: the top-level resources that run now, without fence devices."""
    found = []
    for element in root.iterfind("configuration/resources/*"):
        name = element.get("id", "")
        if element.get("class") == "stonith" or element.tag == "template":
            continue
        inner = [str(one.get("id")) for one in element.iter("primitive")]
        leaves = [p for p in transition.placements if _in(p.resource, name, inner, element.tag)]
        several = element.tag in {"clone", "master", "bundle"}
        running = [leaf for leaf in leaves if leaf.nodes]
        if running and (several or len(running) == len(leaves)):
            promoted = any(leaf.role == "promoted" for leaf in running)
            names = tuple(leaf.resource for leaf in running)
            found.append(Service(name, names, several, promoted))
    return found


def _in(leaf: str, name: str, inner: list[str], tag: object) -> bool:
    return leaf.partition(":")[0] in inner or (tag == "bundle" and leaf.startswith(f"{name}-"))


def is_up(service: Service, root: Element, transition: Transition) -> bool:
    """Tell whether a service that ran before runs as `transition` finds it."""
    element = next(
        (e for e in root.iterfind("configuration/resources/*") if e.get("id") == service.name), None
    )
    if element is None:
        return False
    inner = [str(one.get("id")) for one in element.iter("primitive")]
    silent = {view.name for view in transition.nodes if view.unclean or not view.online}
    leaves = [p for p in transition.placements if _in(p.resource, service.name, inner, element.tag)]
    running = [p for p in leaves if any(node not in silent for node in p.nodes)]
    if service.promoted and not any(p.role == "promoted" for p in running):
        return False
    return bool(running) if service.several else len(running) == len(leaves) > 0


def outages(
    before: Sequence[Service],
    placements: Sequence[Placement],
    story: Story,
    hit: Sequence[tuple[str, str]],
    lost: Sequence[str],
) -> list[Outage]:
    """Return what is down meanwhile.

    `placements` are those before, `hit` the resources that failed and where, `lost` the nodes; what ran
    there is down from the beginning. What moves is down from its stop on, unless it moves alive.
    """
    timed = timeline(story)
    where = {placement.resource: placement for placement in placements}
    found = []
    for service in before:
        # Of what is promoted clients want just that; an instance that only runs is none of theirs.
        leaves = [
            leaf
            for leaf in service.leaves
            if not service.promoted or where[leaf].role == "promoted"
        ]
        spans = [_span(where[leaf], timed, hit, lost) for leaf in leaves]
        down = [span for span in spans if span is not None]
        if not down or (service.several and len(down) < len(spans)):
            continue
        ends = [span[1] for span in down if span[1] is not None]
        if service.promoted:
            since = max(span[0] for span in down)
            until = _promoted_again(service, timed, since)
        elif service.several:
            since, until = max(span[0] for span in down), min(ends, default=None)
        else:
            since = min(span[0] for span in down)
            until = max(ends, default=None) if len(ends) == len(down) else None
        if until is None or until > since:
            found.append(Outage(service.name, since, until))
    return found


def _promoted_again(service: Service, timed: Sequence[Timed], since: Millis) -> Millis | None:
    """Return when an instance, all members of it, is promoted after `since`; nothing if none is."""
    members = {leaf.partition(":")[0] for leaf in service.leaves}
    ends: dict[str, dict[str, Millis]] = {}
    for one in timed:
        action = one.step.action
        member, _, number = action.key.removesuffix("_promote_0").partition(":")
        done = action.task == "promote" and one.step.rc is None and one.end_ms > since
        if done and action.kind is ActionKind.RESOURCE and member in members:
            ends.setdefault(number, {})[member] = one.end_ms
    return min(
        (max(one.values()) for one in ends.values() if len(one) == len(members)), default=None
    )


def _span(
    placement: Placement,
    timed: Sequence[Timed],
    hit: Sequence[tuple[str, str]],
    lost: Sequence[str],
) -> tuple[Millis, Millis | None] | None:
    """Return from when till when one primitive is down; nothing if it stays up."""
    since: Millis | None = None
    until: Millis | None = None
    # Where it is leaving alive, and where it has left: what is stopped there is not it any more.
    leaves = left = ""
    plain = placement.resource.partition(":")[0]
    failed = [(name, node) for name in (placement.resource, plain) for node in placement.nodes]
    if any(node in lost for node in placement.nodes) or {*failed} & {*hit}:
        since = 0
    for one in timed:
        action = one.step.action
        key = action.key.removesuffix(f"_{action.task}_{action.interval_ms}")
        if key != placement.resource or one.step.rc is not None:
            continue
        if action.task == "migrate_to":
            leaves = action.node
        elif action.task in {"start", "promote", "migrate_from"}:
            until = one.end_ms
            if action.task != "promote":
                left = leaves if action.task == "migrate_from" else ""
        elif action.task in {"stop", "demote"} and action.kind is ActionKind.RESOURCE:
            if action.node == left:
                continue
            since = one.begin_ms if since is None else since
            until = None
    return None if since is None else (since, until)
