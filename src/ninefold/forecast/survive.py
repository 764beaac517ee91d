"""Which services survive which faults: the policy engine asked about each, until it is at rest.

A fault is applied, the engine decides, its decision is carried out, and so on. What ran before and
does not run at the end did not survive; the chain of events says why.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations, groupby
from typing import TYPE_CHECKING

import msgspec

from ninefold.core.instants import Millis
from ninefold.forecast import outage
from ninefold.forecast.execute import settle
from ninefold.forecast.faults import Fault, all_faults, broken
from ninefold.forecast.parts import splittable
from ninefold.forecast.together import CoupledError, Whole
from ninefold.scheduler import schedule_document
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds
    from ninefold.forecast.execute import Step, Story
    from ninefold.forecast.faults import Broken, Voters
    from ninefold.forecast.together import Path
    from ninefold.scheduler.model import Transition


class Loss(msgspec.Struct, frozen=True):
    """A service that does not come back, and what stands in its way."""

    service: str
    why: str


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of a cluster after some faults.

    `outages` are bounds by the timeouts, from the moment the faults are noticed; `chain` tells the
    events in their order; `settled` is false if something is left that cannot be done.
    """

    faults: tuple[Fault, ...]
    lost: tuple[Loss, ...]
    outages: tuple[outage.Outage, ...]
    longest_ms: Millis
    chain: tuple[str, ...]
    settled: bool


def at_rest(root: Element, now: WallSeconds) -> Element:
    """Return the document of the cluster after it has done what it would do anyway."""
    return settle(root, now).document


def every(root: Element, now: WallSeconds, *, double: bool) -> list[tuple[Fault, ...]]:
    """Return all single faults, and all pairs of them."""
    single = all_faults(root, schedule_document(root, now).placements)
    pairs = [pair for pair in combinations(single, 2) if double]
    return [*((fault,) for fault in single), *pairs]


def judge(
    root: Element, faults: Sequence[Fault], now: WallSeconds, voters: Voters | None = None
) -> Outcome:
    """Say what becomes of a cluster at rest after `faults`; see `broken` for `voters`."""
    first = schedule_document(root, now)
    after = broken(root, faults, now, voters)
    story = settle(after.document, now, after.failing, unfenceable=after.unfenceable, go_on=True)
    return _outcome(faults, root, first, after, story)


def _outcome(
    faults: Sequence[Fault], root: Element, first: Transition, after: Broken, story: Story
) -> Outcome:
    before = outage.services(root, first)
    lost = [
        Loss(service.name, _why(service, story.final))
        for service in before
        if not outage.is_up(service, story.document, story.final)
    ]
    gone = {loss.service for loss in lost}
    hit = [(fault.name, fault.node) for fault in faults if fault.kind == "resource"]
    nodes = [fault.name for fault in faults if fault.kind == "node"]
    downs = [
        msgspec.structs.replace(one, until_ms=None) if one.service in gone else one
        for one in outage.outages(before, first.placements, story, hit, nodes)
    ]
    named = {one.service for one in downs}
    downs += [outage.Outage(one.service, 0, None) for one in lost if one.service not in named]
    longest = max((timed.end_ms for timed in outage.timeline(story)
                   if not timed.step.action.interval_ms), default=0)  # fmt: skip
    chain = tuple(_chain(faults, story, after.unfenceable))
    return Outcome(tuple(faults), tuple(lost), tuple(downs), longest, chain, story.settled)


class Survey:
    """All single and double faults of a cluster at rest, judged in parts where it has parts.

    `judge` is what it answers as, and what it asks where a fault of one resource reaches others by
    another way than constraints.
    """

    def __init__(self, root: Element, now: WallSeconds, voters: Voters | None = None) -> None:
        self._root = root
        self._now = now
        self._voters = voters
        first = schedule_document(root, now)
        self.services = [one.name for one in outage.services(root, first)]
        self.faults = all_faults(root, first.placements)
        self._alone: dict[Fault, frozenset[str]] = {}
        self._whole: Whole | None = None
        with suppress(CoupledError):
            self._whole = Whole(root, now, voters) if splittable(root) else None

    @property
    def in_parts(self) -> bool:
        """Whether most faults can be judged in parts."""
        return self._whole is not None

    def single(self, fault: Fault) -> Outcome:
        """Say what becomes of the cluster after one fault."""
        outcome = self._judged((fault,))
        self.remember(outcome)
        return outcome

    def remember(self, outcome: Outcome) -> None:
        """Take note of what a single fault alone takes down."""
        self._alone[outcome.faults[0]] = frozenset(loss.service for loss in outcome.lost)

    def pair(self, one: Fault, other: Fault) -> Outcome | None:
        """Say what two faults take down that neither does alone; `None` if that is nothing."""
        faults = (one, other)
        alone = self._alone[one] | self._alone[other]
        if {one.kind, other.kind} == {"device"}:
            # Nobody needs to be silenced.
            return None
        path = None
        if "resource" in {one.kind, other.kind}:
            path = self._path(faults)
            if path is not None and not path.lost - alone:
                return None
        outcome = self._judged(faults, path)
        kept = tuple(loss for loss in outcome.lost if loss.service not in alone)
        return msgspec.structs.replace(outcome, lost=kept) if kept else None

    def _path(self, faults: tuple[Fault, ...]) -> Path | None:
        if self._whole is not None:
            with suppress(CoupledError):
                return self._whole.path(faults)
        return None

    def _judged(self, faults: tuple[Fault, ...], path: Path | None = None) -> Outcome:
        """Tell the story of the one part that is concerned, or else of the whole."""
        if path is None and {fault.kind for fault in faults} == {"resource"}:
            path = self._path(faults)
        if self._whole is None or path is None or len({n for s in path.states for n in s}) != 1:
            return judge(self._root, faults, self._now, self._voters)
        document, first, after, story = self._whole.story(path, faults)
        return _outcome(faults, document, first, after, story)


def minimal(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Leave out of each double fault what one of the two alone would have lost."""
    alone: dict[Fault, set[str]] = {}
    found = []
    for one in outcomes:
        names = {loss.service for loss in one.lost}
        if len(one.faults) == 1:
            alone[one.faults[0]] = names
        else:
            for fault in one.faults:
                names -= alone.get(fault, set())
        kept = tuple(loss for loss in one.lost if loss.service in names)
        found.append(msgspec.structs.replace(one, lost=kept))
    return found


def _why(service: outage.Service, final: Transition) -> str:
    if not any(view.online and not view.unclean for view in final.nodes):
        return "No node is left."
    for placement in final.placements:
        if placement.resource.partition(":")[0] not in [
            leaf.partition(":")[0] for leaf in service.leaves
        ]:
            continue
        if placement.blocked:
            return placement.blocked
        if placement.reasons and not placement.nodes:
            return placement.reasons[-1].sentence
    if not final.quorate:
        return "The partition does not have quorum."
    unclean = [view.name for view in final.nodes if view.unclean]
    if unclean:
        return f"{', '.join(unclean)} cannot be fenced, and may still run it."
    return "No node is left that may run it."


def _chain(faults: Sequence[Fault], story: Story, unfenceable: Sequence[str]) -> list[str]:
    told = [f"{fault}." for fault in faults]
    steps = [step for one in story.rounds for step in one.execution.steps if _is_told(step)]
    for (phrase, node), together in groupby(steps, key=lambda step: (_phrase(step), _node(step))):
        names = list(dict.fromkeys(step.action.resource or node for step in together))
        told.append(phrase.format(names=", ".join(names), node=node))
    told += [
        f"{action.node} is to be fenced, and no device can."
        for action in story.final.actions
        if action.kind is ActionKind.FENCING and action.node in unfenceable
    ]
    if not story.final.quorate:
        told.append("There is no quorum.")
    return told


def _is_told(step: Step) -> bool:
    silent = {"monitor", "notify", "cancel", "clear_failcount"}
    return step.action.kind is not ActionKind.PSEUDO and (
        step.action.task not in silent or step.rc is not None
    )


def _node(step: Step) -> str:
    return step.action.node


def _phrase(step: Step) -> str:
    """Return the sentence about a step, or several of its kind on one node, in a row."""
    if step.action.kind is ActionKind.FENCING:
        return "{node} is fenced."
    if step.rc is not None:
        return f"{step.action.task} of {{names}} on {{node}} fails ({step.rc})."
    return f"{step.action.task} of {{names}} on {{node}}."
