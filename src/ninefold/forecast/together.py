"""What becomes of a whole cluster after faults, found part by part.

Every part of the document (`parts`) decides and acts for itself; in each round all of them do. What
they share is told to them: how many resources the others have on each node whenever one of their own
is assigned (`ninefold.scheduler.crowd`), and that nodes are lost. A part that has been in the same
state before, with counts that led to the same choices, is not asked again. So a pair of faults in two
parts costs no decision at all once each part has been through its own fault, and the answer is still
that of the whole document.

Counts reach backwards and forwards among parts, in the order in which resources have their turn. So a
round is repeated until no part decides otherwise: the decisions of the first turns are final after the
first repetition, those of the next after the second, and so on; there is one end, that of the whole.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import msgspec
from lxml import etree

from ninefold.forecast import outage
from ninefold.forecast.execute import (
    ROUNDS_MAX,
    Round,
    Story,
    carry_out,
    execute,
    idle,
    is_work,
)
from ninefold.forecast.faults import Broken, Fault, broken, unfenceable
from ninefold.forecast.parts import Part, split
from ninefold.scheduler import Crowd, Tie, schedule_document
from ninefold.scheduler.model import Action, ActionKind, NodeView, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxml.etree import _Element as Element

    from ninefold.core.instants import WallSeconds
    from ninefold.forecast.faults import Voters
    from ninefold.forecast.opspec import OpSpec

    Others = Callable[[str], dict[str, int]]

# The fence devices, and what belongs to nobody: in every part.
_BASE: Final = 0


class CoupledError(Exception):
    """Here the parts do not decide for themselves; the whole has to be asked."""


class Leaf(msgspec.Struct, frozen=True, eq=False):
    """A decision of one part, with all that others or a later round want to know of it.

    `ties` are the choices that led to it, and `ties_itself` tells whether any of them is about more
    than the fence devices that every part has; `gains` are what each turn added to a node. `lost` are
    the services that are down as it was taken. `nodes` and `fenced` every part has to find alike.
    """

    ties: tuple[Tie, ...]
    ties_itself: bool
    gains: tuple[tuple[str, str, int], ...]
    actions: tuple[Action, ...]
    nodes: tuple[NodeView, ...]
    fenced: tuple[str, ...]
    idle: bool
    lost: frozenset[str]


class State:
    """A part as its document is at one time, packed, with the decisions taken in it so far."""

    def __init__(self, part: Part, packed: bytes) -> None:
        self.part = part
        self.packed = packed
        self.leaves: list[Leaf] = []
        self.later: dict[tuple[int, tuple[OpSpec, ...], tuple[str, ...]], tuple[State, bool]] = {}

    @property
    def document(self) -> Element:
        """The document, made anew."""
        return etree.fromstring(zlib.decompress(self.packed))


class Moment:
    """All parts in one round; `counts` has what each turn finds on the nodes, by its position."""

    def __init__(
        self,
        states: dict[int, State],
        leaves: dict[int, Leaf],
        positions: dict[str, int],
        working: frozenset[int] = frozenset(),
    ) -> None:
        self.states = states
        self.leaves = leaves
        self.working = working
        self.restless = frozenset(number for number, leaf in leaves.items() if not leaf.idle)
        self.sensitive = tuple(number for number, leaf in leaves.items() if leaf.ties)
        self.sensitive_itself = tuple(n for n, leaf in leaves.items() if leaf.ties_itself)
        self._positions = positions
        self._foreign: dict[tuple[int, int], dict[str, int]] = {}
        gains = [gain for leaf in leaves.values() for gain in leaf.gains]
        last = len(positions) + 1
        self._counts: list[dict[str, int]] = [{} for _ in range(last + 2)]
        for turn, node, gain in gains:
            at = positions.get(turn, last - 1)
            self._counts[at][node] = self._counts[at].get(node, 0) + gain
        sums: dict[str, int] = {}
        for at in range(last + 1):
            here = self._counts[at]
            self._counts[at] = dict(sums)
            for node, gain in here.items():
                sums[node] = sums.get(node, 0) + gain

    def foreign(self, number: int, at: int) -> dict[str, int]:
        """Return what the parts besides `number` and the fence devices have before the turn `at`."""
        found = self._foreign.get((number, at))
        if found is None:
            found = dict(self._counts[at])
            for own in dict.fromkeys((_BASE, number)):
                for turn, node, gain in self.leaves[own].gains:
                    if self._positions.get(turn, len(self._positions)) < at:
                        found[node] = found.get(node, 0) - gain
            self._foreign[number, at] = found
        return found


class Path(msgspec.Struct, frozen=True, eq=False):
    """What came of faults, round by round: the parts that went their own way, and how they were told.

    `bases` are the moments that the other parts were in; `working` who did anything in each round.
    """

    states: list[dict[int, State]]
    leaves: list[dict[int, Leaf]]
    others: list[dict[int, Others]]
    working: list[frozenset[int]]
    final: Moment
    settled: bool

    @property
    def lost(self) -> frozenset[str]:
        """The services that are down in the end."""
        own = self.leaves[-1]
        found = [leaf.lost for leaf in own.values()]
        found += [leaf.lost for number, leaf in self.final.leaves.items() if number not in own]
        return frozenset().union(*found)


class Whole:
    """A cluster at rest in parts; asked about faults, it answers as `settle` on the whole would."""

    def __init__(self, root: Element, now: WallSeconds, voters: Voters | None) -> None:
        self._now = now
        self._voters = voters
        self._parts = split(root)
        alone = Crowd(lambda _: {})
        schedule_document(root, now, crowd=alone)
        known = {name for part in self._parts for name in part.tops}
        self._positions = {
            name: at for at, name in enumerate(turn for turn in alone.turns if turn in known)
        }
        self._owner = {
            element.get("id", ""): part.number
            for part in self._parts
            for top in part.document.iterfind("configuration/resources/*")
            if top.get("id") in part.tops
            for element in top.iter("primitive")
        }
        self._states: dict[tuple[int, bytes], State] = {}
        self._starts: dict[tuple[int, tuple[Fault, ...]], tuple[State, tuple[OpSpec, ...]]] = {}
        self._paths: dict[tuple[Fault, ...], list[Moment]] = {}
        self._unfenceable: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._services: dict[int, list[outage.Service]] = {}
        self._rest = self._at_rest()

    def path(self, faults: Sequence[Fault]) -> Path:
        """Follow the cluster from these faults to its rest; raises `CoupledError`."""
        shared = tuple(fault for fault in faults if fault.kind != "resource")
        single = [fault for fault in faults if fault.kind == "resource"]
        lost = any(fault.kind == "node" for fault in shared)
        bases = self._trajectory(shared) if lost else [self._rest]
        if any(fault.name not in self._owner for fault in single):
            raise CoupledError
        active = {self._owner[fault.name] for fault in single}
        if _BASE in active:
            # Every part has it, and sees it fail.
            active = {part.number for part in self._parts}
        states, failing = self._begin(sorted(active), shared, single)
        return self._follow(states, failing, self._cannot(shared), bases)

    def story(
        self, path: Path, faults: Sequence[Fault]
    ) -> tuple[Element, Transition, Broken, Story]:
        """Tell what happens in the only part that faults reach, as `settle` tells it of a whole.

        Returns its document before, its first decision, its document after the faults, and the story.
        """
        (number,) = {number for states in path.states for number in states}
        part = self._parts[number]
        first = self._ask(part.document, self._others(number, self._rest, {}))
        after = broken(part.document, faults, self._now, self._voters)
        document, rounds = after.document, []
        for others in path.others[:-1]:
            transition = self._ask(document, others[number])
            execution = execute(document, transition, self._now, after.failing,
                                after.unfenceable, go_on=True)  # fmt: skip
            rounds.append(Round(transition, execution))
            document = execution.document
        final = self._ask(document, path.others[-1][number])
        return part.document, first, after, Story(tuple(rounds), final, document, idle(final))

    def _ask(self, document: Element, others: Others) -> Transition:
        return schedule_document(document, self._now, crowd=Crowd(others))

    def _at_rest(self) -> Moment:
        states = {part.number: self._state(part, part.document) for part in self._parts}
        blank = Leaf((), False, (), (), (), (), idle=True, lost=frozenset())
        nothing = Moment(states, dict.fromkeys(states, blank), self._positions)
        leaves, told = self._decide(dict(states), nothing)
        for number, state in states.items():
            first = self._ask(self._parts[number].document, told[number])
            own = self._parts[number].tops
            found = outage.services(self._parts[number].document, first)
            self._services[number] = [one for one in found if one.name in own]
            state.leaves.clear()
        leaves, _ = self._decide(dict(states), nothing)
        self._agree(leaves, nothing)
        if not all(leaf.idle for leaf in leaves.values()):
            raise CoupledError
        return Moment(states, leaves, self._positions)

    def _trajectory(self, shared: tuple[Fault, ...]) -> list[Moment]:
        """Return the moments that all parts go through after faults that concern all of them."""
        if shared not in self._paths:
            numbers = [part.number for part in self._parts]
            states, failing = self._begin(numbers, shared, ())
            path = self._follow(states, failing, self._cannot(shared), [self._rest], whole=True)
            if len(path.leaves) > ROUNDS_MAX:
                raise CoupledError
            self._paths[shared] = [
                Moment(states, leaves, self._positions, working)
                for states, leaves, working in zip(
                    path.states, path.leaves, path.working, strict=True
                )
            ]
        return self._paths[shared]

    def _cannot(self, shared: tuple[Fault, ...]) -> tuple[str, ...]:
        dead = tuple(fault.name for fault in shared if fault.kind == "device")
        if dead not in self._unfenceable:
            self._unfenceable[dead] = tuple(unfenceable(self._parts[_BASE].document, dead))
        return self._unfenceable[dead]

    def _begin(
        self, numbers: Sequence[int], shared: Sequence[Fault], single: Sequence[Fault]
    ) -> tuple[dict[int, State], dict[int, tuple[OpSpec, ...]]]:
        states, failing = {}, {}
        for number in numbers:
            nodes = [fault for fault in shared if fault.kind == "node"]
            own = [fault for fault in single if self._owner[fault.name] in {_BASE, number}]
            key = (number, (*nodes, *own))
            if key not in self._starts:
                part = self._parts[number]
                after = broken(part.document, key[1], self._now, self._voters)
                self._starts[key] = self._state(part, after.document), after.failing
            states[number], failing[number] = self._starts[key]
        return states, failing

    def _follow(
        self,
        states: dict[int, State],
        failing: dict[int, tuple[OpSpec, ...]],
        cannot: tuple[str, ...],
        bases: list[Moment],
        *,
        whole: bool = False,
    ) -> Path:
        """Go on from `states` until nothing is left to do; the others are as in `bases` meanwhile."""
        path = Path([], [], [], [], bases[-1], settled=False)
        stuck = False
        while True:
            at = len(path.leaves)
            base = bases[min(at, len(bases) - 1)]
            leaves, told = self._decide(states, base)
            self._agree(leaves, base)
            settled = all(leaf.idle for leaf in leaves.values()) and base.restless <= leaves.keys()
            path.states.append(dict(states))
            path.leaves.append(leaves)
            path.others.append(told)
            if settled or stuck or at == ROUNDS_MAX:
                path.working.append(frozenset())
                return msgspec.structs.replace(path, final=base, settled=settled)
            working = set()
            following = bases[min(at + 1, len(bases) - 1)]
            for number in list(states):
                own = failing.get(number, ())
                states[number], works = self._later(states[number], leaves[number], own, cannot)
                if works:
                    working.add(number)
                if not whole and not own and states[number] is following.states[number]:
                    del states[number]
            path.working.append(frozenset(working))
            stuck = not working and base.working <= leaves.keys()

    def _decide(
        self, states: dict[int, State], base: Moment
    ) -> tuple[dict[int, Leaf], dict[int, Others]]:
        """Return what each of `states` decides; those whose choices this changes are added."""
        leaves = {number: base.leaves[number] for number in states}
        told: dict[int, Others] = {}
        for _ in range(len(self._positions) + 3):
            changed = False
            for number in sorted(states):
                told[number] = self._others(number, base, leaves)
                leaf = self._leaf(states[number], told[number])
                if leaf is not leaves[number]:
                    leaves[number] = leaf
                    changed = True
            same = leaves.get(_BASE, base.leaves[_BASE]) is base.leaves[_BASE]
            for number in base.sensitive_itself if same else base.sensitive:
                if number in states:
                    continue
                others = self._others(number, base, leaves)
                if not _fits(base.leaves[number], others):
                    states[number], leaves[number] = base.states[number], base.leaves[number]
                    changed = True
            if not changed:
                return leaves, told
        raise CoupledError

    def _others(self, number: int, base: Moment, leaves: dict[int, Leaf]) -> Others:
        """Return how many resources the other parts have on each node before a turn."""
        changes = []
        seen: dict[str, dict[str, int]] = {}
        last = len(self._positions)
        for other, leaf in leaves.items():
            if other not in {_BASE, number} and leaf.gains != base.leaves[other].gains:
                changes += [(self._positions.get(t, last), n, gain) for t, n, gain in leaf.gains]
                changes += [(self._positions.get(turn, last), node, -gain)
                            for turn, node, gain in base.leaves[other].gains]  # fmt: skip

        def counts(turn: str) -> dict[str, int]:
            found = seen.get(turn)
            if found is None:
                at = self._positions.get(turn, last) if turn else last + 1
                found = base.foreign(number, at)
                if changes:
                    found = dict(found)
                    for when, node, gain in changes:
                        if when < at:
                            found[node] = found.get(node, 0) + gain
                seen[turn] = found
            return found

        return counts

    def _leaf(self, state: State, others: Others) -> Leaf:
        for leaf in state.leaves:
            if _fits(leaf, others):
                return leaf
        document, crowd = state.document, Crowd(others)
        found = schedule_document(document, self._now, crowd=crowd)
        places = [self._positions[turn] for turn in crowd.turns if turn in self._positions]
        if places != sorted(places):
            raise CoupledError
        fenced = [f"{action.key} {action.node}" for action in found.actions
                  if action.kind is ActionKind.FENCING]  # fmt: skip
        services = self._services.get(state.part.number, [])
        leaf = Leaf(
            ties=tuple(crowd.ties),
            ties_itself=any(self._is_own(state.part, tie.turn) for tie in crowd.ties),
            gains=tuple(gain for gain in crowd.gains if self._is_own(state.part, gain[0])),
            actions=found.actions,
            nodes=found.nodes,
            fenced=tuple(sorted(fenced)),
            idle=idle(found),
            lost=frozenset(s.name for s in services if not outage.is_up(s, document, found)),
        )
        state.leaves.append(leaf)
        return leaf

    def _is_own(self, part: Part, turn: str) -> bool:
        return turn in part.tops or (part.number == _BASE and turn not in self._positions)

    def _later(
        self, state: State, leaf: Leaf, failing: tuple[OpSpec, ...], cannot: tuple[str, ...]
    ) -> tuple[State, bool]:
        """Return the state after a decision has been carried out, and whether anything was done."""
        key = (state.leaves.index(leaf), failing, cannot if leaf.fenced else ())
        if key not in state.later:
            root = state.document
            decided = Transition(leaf.actions, (), leaf.nodes, quorate=True)
            done = carry_out(root, decided, self._now, failing, cannot, go_on=True)
            state.later[key] = self._state(state.part, root), is_work(done)
        return state.later[key]

    def _agree(self, leaves: dict[int, Leaf], base: Moment) -> None:
        """See that a part does to the nodes what all of them do; raises `CoupledError`."""
        common = leaves.get(_BASE, base.leaves[_BASE])
        for leaf in leaves.values():
            if leaf.nodes != common.nodes or leaf.fenced != common.fenced:
                raise CoupledError

    def _state(self, part: Part, document: Element) -> State:
        packed = zlib.compress(etree.tostring(document), 1)
        return self._states.setdefault((part.number, packed), State(part, packed))


def _fits(leaf: Leaf, others: Others) -> bool:
    """Tell whether these counts lead to the same choices."""
    for tie in leaf.ties:
        counts = others(tie.turn)
        fewest, best = None, ""
        for node, own in zip(tie.nodes, tie.own, strict=True):
            count = own + counts.get(node, 0)
            if fewest is None or count < fewest:
                fewest, best = count, node
        if best != tie.chosen:
            return False
    return True
