"""Deliberate faults in the machines, each of which the simulator must find.

A fault that the checkers cannot see is a rule that nobody watches. Each mutant names what it breaks and
in how many seeds, from 0 on, it is found at the latest, or in which scenario, or by the ring's own storms
(`tests/properties/totem/test_totem_evs.py`); `make mutants` prints in which seed it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import OpStatus, Rc
from ninefold.controller import conductor, direction, joining, replica
from ninefold.controller.decision import decide
from ninefold.controller.disks import Disks
from ninefold.controller.door import Door
from ninefold.controller.executor import Executor
from ninefold.controller.fence_desk import FenceDesk
from ninefold.controller.replica import Phase, Replica
from ninefold.node import events as ev
from ninefold.quorum import threshold
from ninefold.scheduler.model import Action, ActionKind
from ninefold.sim.checkers import Violation
from ninefold.sim.effects import Effects
from ninefold.sim.faults import make_plan
from ninefold.sim.scenario import ScenarioError, play
from ninefold.sim.shrink import finding
from ninefold.totem.crypto import GcmKey
from ninefold.totem.epochs import Epochs
from ninefold.totem.gather import Gather
from ninefold.totem.groups import Groups
from ninefold.totem.operational import Operational
from ninefold.totem.recovery import Recovery
from ninefold.totem.ring_core import Core
from ninefold.totem.rotation import Rotation
from ninefold.totem.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from ninefold.agents.model import Call, Outcome
    from ninefold.cib.document import Cib
    from ninefold.cib.model import Change, Stamp
    from ninefold.controller.events import Effect
    from ninefold.controller.messages import Annex, FenceReport, Order, Perform, Propose
    from ninefold.core.ids import NodeId, RingId
    from ninefold.core.instants import Instant
    from ninefold.fencing.events import FenceDone
    from ninefold.scheduler.model import Transition
    from ninefold.sim.host import Host
    from ninefold.sim.world import World
    from ninefold.totem.events import RingChanged
    from ninefold.totem.messages import Mcast, Token
    from ninefold.totem.ring_core import Configuration

SCENARIOS = Path(__file__).parents[1] / "scenarios"


@dataclass(frozen=True)
class Mutant:
    """A deliberate fault: `breaks` puts it in place and returns what prepares each world, if anything."""

    name: str
    what: str
    seeds: int
    breaks: Callable[[pytest.MonkeyPatch], Callable[[World], None] | None]


@dataclass(frozen=True)
class Told:
    """A deliberate fault, the scenario of `tests/scenarios` in which it shows, and what is said then."""

    name: str
    what: str
    breaks: Callable[[pytest.MonkeyPatch], None]
    shown: tuple[str, str]


def said_by(told: Told, patch: pytest.MonkeyPatch) -> str:
    """Return what stops the scenario when the fault is in place; empty if nothing does."""
    told.breaks(patch)
    scenario, _ = told.shown
    text = (SCENARIOS / f"{scenario}.scenario").read_text()
    try:
        play(text)
    except (ScenarioError, Violation) as error:
        return str(error)
    return ""


def found_in(mutant: Mutant, patch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Return the first seed in which the checkers object to a mutant, and what they say; -1 if none."""
    prepare = mutant.breaks(patch)
    for seed in range(mutant.seeds):
        said = finding(make_plan(seed), prepare)
        if said:
            return seed, said
    return -1, ""


# Fencing and decisions.


def without_inputs_from(cib: Cib, now: int, kinds: tuple[ActionKind, ...], task: str) -> Transition:
    """Decide as ever, but let nothing wait for actions of these kinds, or of this task."""
    transition = decide(cib, now)
    ignored = {a.id for a in transition.actions if a.kind in kinds or a.task == task}

    def hasty(action: Action) -> Action:
        inputs = tuple(number for number in action.inputs if number not in ignored)
        return msgspec.structs.replace(action, inputs=inputs)

    actions = tuple(hasty(action) for action in transition.actions)
    return msgspec.structs.replace(transition, actions=actions)


def without_waiting_for_fencing(cib: Cib, now: int) -> Transition:
    """Decide as ever, but let nothing wait for a fencing."""
    return without_inputs_from(cib, now, (ActionKind.FENCING,), "")


def _hasty_after_fencing(_: pytest.MonkeyPatch) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.effects.decide = without_waiting_for_fencing

    return prepare


def _hasty_after_stops(_: pytest.MonkeyPatch) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.effects.decide = lambda cib, now: without_inputs_from(cib, now, (), "stop")

    return prepare


def _hasty_after_starts(_: pytest.MonkeyPatch) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.effects.decide = lambda cib, now: without_inputs_from(cib, now, (), "start")

    return prepare


def _no_probes(_: pytest.MonkeyPatch) -> Callable[[World], None]:
    def decide(cib: Cib, now: int) -> Transition:
        transition = without_inputs_from(cib, now, (), "monitor")
        actions = tuple(a for a in transition.actions if a.task != "monitor" or a.interval_ms)
        return msgspec.structs.replace(transition, actions=actions)

    def prepare(world: World) -> None:
        world.effects.decide = decide

    return prepare


def _lost_is_gone(patch: pytest.MonkeyPatch) -> None:
    right = joining.membership_changes

    def changes(cib: Cib, annexes: Mapping[NodeId, Annex], ring: RingId) -> list[Change]:
        return [
            msgspec.structs.replace(change, expected="down") if change.in_ccm is False else change  # type: ignore[union-attr]
            for change in right(cib, annexes, ring)
        ]

    patch.setattr(conductor, "membership_changes", changes)


def _absent_are_forgiven(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conductor, "absent_at_formation", lambda *_: [])


def _failed_fencing_counts(patch: pytest.MonkeyPatch) -> None:
    right = FenceDesk._report

    def report(self: FenceDesk, done: FenceDone) -> Effect:
        return right(self, msgspec.structs.replace(done, ok=True))

    patch.setattr(FenceDesk, "_report", report)


def _old_fencing_counts(patch: pytest.MonkeyPatch) -> None:
    def is_void(_: FenceDesk, report: FenceReport) -> bool:
        return not report.name

    patch.setattr(FenceDesk, "_is_void", is_void)


def _fences_somebody_else(patch: pytest.MonkeyPatch) -> None:
    right = Effects._switch

    def switch(self: Effects, host: Host, token: int, call: Call) -> None:
        names = sorted(other.name for other in self.world.hosts.values())
        plug = names[(names.index(call.parameters["plug"]) + 1) % len(names)]
        other = msgspec.structs.replace(call, parameters={**call.parameters, "plug": plug})
        right(self, host, token, other)

    patch.setattr(Effects, "_switch", switch)


# Quorum and the conductor.


def _quorum_off_by_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(threshold, "majority", lambda expected: max(1, expected // 2))


def _starts_without_quorum(patch: pytest.MonkeyPatch) -> Callable[[World], None]:
    # The last line of defence is gone, and so is the policy: whatever is asked for is launched.
    right = Executor.perform

    def perform(self: Executor, now: int, order: Order, **known: int) -> list[Effect]:
        return right(self, now, order, quorate=True, wall=known["wall"])

    patch.setattr(Executor, "perform", perform)

    def prepare(world: World) -> None:
        def decide(cib: Cib, now: int) -> Transition:
            return without_waiting_for_fencing(cib.evolved({"have-quorum": "1"}), now)

        world.effects.decide = decide

    return prepare


def _newest_conducts(patch: pytest.MonkeyPatch) -> None:
    def conductor_of(annexes: Mapping[NodeId, Annex]) -> NodeId:
        # Not the one who has been there longest, but the one who came last.
        return max(annexes, key=lambda node: (annexes[node].senior, node))

    patch.setattr(conductor, "conductor", conductor_of)


def _orders_survive_their_ring(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Executor, "on_unsettled", lambda _: None)
    right = conductor.Controller._on_perform

    def on_perform(self: conductor.Controller, message: Perform) -> list[Effect]:
        ring = self.situation.ring
        return right(self, msgspec.structs.replace(message, ring=ring))

    patch.setattr(conductor.Controller, "_on_perform", on_perform)


def _under_way_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(direction.Direction, "_under_way", lambda _: False)


def _failed_stop_counts_as_stopped(patch: pytest.MonkeyPatch) -> None:
    right = Executor.on_finished

    def on_finished(
        self: Executor, now: Instant, token: int, outcome: Outcome, **known: int
    ) -> tuple[list[Effect], list[Change]]:
        if self._running[token].order.task == "stop":
            outcome = msgspec.structs.replace(outcome, rc=Rc.OK, status=OpStatus.DONE)
        return right(
            self, now, token, outcome, wall=known["wall"], start_fatal=bool(known["start_fatal"])
        )

    patch.setattr(Executor, "on_finished", on_finished)


def _leaves_with_resources(patch: pytest.MonkeyPatch) -> None:
    right = Door.ask_to_stop

    def ask_to_stop(self: Door) -> list[Effect]:
        return self.say_goodbye() if self._situation.stopping else right(self)

    patch.setattr(Door, "ask_to_stop", ask_to_stop)


# The document and the disks.


def _acknowledged_before_saved(patch: pytest.MonkeyPatch) -> None:
    # Whoever vouches before its disk has it is as one whose disk says so too early.
    right = Effects.save_cib

    def save_cib(self: Effects, host: Host, effect: ev.SaveCib) -> None:
        self.world.later(host, 0, ev.CibSaved(effect.stamp))
        right(self, host, effect)

    patch.setattr(Effects, "save_cib", save_cib)


def _too_few_disks(patch: pytest.MonkeyPatch) -> None:
    right = Disks.on_ring

    def on_ring(self: Disks, votes: Mapping[NodeId, int], *, threshold: int, expected: int) -> None:
        right(self, votes, threshold=threshold, expected=expected)
        self._needed = 1

    patch.setattr(Disks, "on_ring", on_ring)


def _refused_save_is_ignored(patch: pytest.MonkeyPatch) -> None:
    def on_store_failed(self: Replica, stamp: Stamp, _: str, __: Instant) -> list[Effect]:
        return self.on_stored(stamp)

    patch.setattr(Replica, "on_store_failed", on_store_failed)


def _wrong_document_wins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replica, "newest", lambda annexes, _: max(annexes))


def _minority_decides(patch: pytest.MonkeyPatch) -> None:
    right = Replica.on_propose

    def on_propose(self: Replica, *known: object) -> tuple[bool, list[Effect]]:
        was, self.quorate = self.quorate, True
        try:
            return right(self, *known)  # type: ignore[arg-type]
        finally:
            self.quorate = was

    patch.setattr(Replica, "on_propose", on_propose)


def _leftovers_count(patch: pytest.MonkeyPatch) -> None:
    right = Replica.counts

    def counts(self: Replica, message: Propose) -> bool:
        left = self.phase is Phase.UNSETTLED and self.quorate and message.ring == self.ring
        return left or right(self, message)

    patch.setattr(Replica, "counts", counts)


def _ring_number_is_not_flushed(patch: pytest.MonkeyPatch) -> None:
    def save(self: Effects, host: Host, seq: int) -> None:
        self.world.later(host, 0, ev.RingIdSaved(seq))

    patch.setattr(Effects, "_save_ring_seq", save)


# Totem.


def _out_of_order(patch: pytest.MonkeyPatch) -> None:
    def deliver(self: Core, conf: Configuration) -> None:
        # As they come, gaps or not.
        for seq in sorted(conf.window._frames):
            if seq > conf.delivered:
                conf.delivered = seq
                self.emit(conf.window._frames[seq])

    patch.setattr(Core, "deliver", deliver)


def _retransmits_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def resend(
        _: Operational, __: Configuration, token: Token, ___: int
    ) -> tuple[tuple[int, ...], int]:
        return token.rtr, 0

    patch.setattr(Operational, "_resend", resend)


def _frames_count_twice(patch: pytest.MonkeyPatch) -> None:
    right = Window.insert

    def insert(self: Window, frame: Mcast) -> bool:
        known = frame.seq <= self.aru and frame.seq > self.released
        new = right(self, frame)
        if known:
            self.aru = frame.seq
        return new

    patch.setattr(Window, "insert", insert)
    right_deliver = Core.deliver

    def deliver(self: Core, conf: Configuration) -> None:
        conf.delivered = min(conf.delivered, conf.window.aru)
        conf.delivered = max(conf.delivered - 1, conf.window.released)
        right_deliver(self, conf)

    patch.setattr(Core, "deliver", deliver)


def _freed_too_early(patch: pytest.MonkeyPatch) -> None:
    def lower(self: Operational, conf: Configuration, token: Token) -> Token:
        # Whoever holds the token says that all have what it has.
        return msgspec.structs.replace(token, aru=conf.window.aru, aru_addr=self._core.me)

    patch.setattr(Operational, "_lower_aru", lower)


def _nothing_is_recovered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Recovery, "_to_send", lambda *_: [])


def _past_gaps_of_anybody(patch: pytest.MonkeyPatch) -> None:
    def past_gaps(self: Recovery, old: Configuration) -> None:
        for seq in range(old.delivered + 1, old.window.high + 1):
            frame = old.window.get(seq)
            if frame is not None and frame.node == self._core.me:
                self._core.emit(frame)
        old.delivered = old.window.high

    patch.setattr(Recovery, "_deliver_past_gaps", past_gaps)


def _barrier_opens_early(patch: pytest.MonkeyPatch) -> None:
    right = Groups.on_ring_changed

    def on_ring_changed(self: Groups, now: Instant, change: RingChanged) -> None:
        right(self, now, change)
        self._packer.blocked = False

    patch.setattr(Groups, "on_ring_changed", on_ring_changed)


def _packets_are_believed(patch: pytest.MonkeyPatch) -> None:
    def seal(_: GcmKey, __: int, ___: int, ____: bytes, body: bytes) -> bytes:
        return body + bytes(16)

    def open_(_: GcmKey, __: int, ___: int, ____: bytes, sealed: bytes) -> bytes | None:
        return sealed[:-16]

    patch.setattr(GcmKey, "seal", seal)
    patch.setattr(GcmKey, "open", open_)


def _old_boots_are_believed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epochs, "is_proven", lambda self, _: self.proven is not None)


def _rings_do_not_merge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gather, "on_foreign", lambda *_: None)
    patch.setattr(Operational, "on_merge_timer", lambda _: None)


def _new_key_is_used_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rotation, "_nobody_is_missed", lambda _: True)


MUTANTS = (
    Mutant("fence-wait-skipped", "nothing waits for a fencing", 10, _hasty_after_fencing),
    Mutant("stop-wait-skipped", "nothing waits for a stop", 10, _hasty_after_stops),
    Mutant("start-wait-skipped", "a group's members start at once", 10, _hasty_after_starts),
    Mutant("no-probes", "nobody looks what runs on a node that joins", 20, _no_probes),
    Mutant("failed-fencing-counts", "a device's failure counts", 60, _failed_fencing_counts),
    Mutant("wrong-plug", "the next node is fenced instead", 20, _fences_somebody_else),
    Mutant("quorum-off-by-one", "half of the votes are enough", 10, _quorum_off_by_one),
    Mutant("start-without-quorum", "orders need no quorum", 10, _starts_without_quorum),
    Mutant("wrong-conductor", "the newest member conducts", 40, _newest_conducts),
    Mutant("under-way-ignored", "what is under way is ignored", 20, _under_way_is_ignored),
    Mutant("fsync-forgotten", "a save counts before it is saved", 10, _acknowledged_before_saved),
    Mutant("too-few-disks", "one disk is enough for a promise", 10, _too_few_disks),
    Mutant("minority-decides", "changes are committed without quorum", 10, _minority_decides),
    Mutant("wrong-document", "not the newest document wins", 70, _wrong_document_wins),
    Mutant("ring-number-lost", "a ring's number is not saved", 20, _ring_number_is_not_flushed),
    Mutant("out-of-order", "frames are delivered as they come", 10, _out_of_order),
    Mutant("retransmits-ignored", "nobody sends lost frames again", 10, _retransmits_are_ignored),
    Mutant("delivered-twice", "a frame may be delivered again", 10, _frames_count_twice),
    Mutant("freed-too-early", "frames are freed before all have them", 10, _freed_too_early),
    Mutant("no-recovery", "old frames are not exchanged", 10, _nothing_is_recovered),
    Mutant("no-authentication", "packets are believed unproven", 10, _packets_are_believed),
    Mutant("old-boots-believed", "an earlier boot is believed", 10, _old_boots_are_believed),
    Mutant(
        "failed-stop-counts", "a failed stop counts as done", 60, _failed_stop_counts_as_stopped
    ),
    Mutant("refused-save-counts", "a disk's refusal is ignored", 100, _refused_save_is_ignored),
    Mutant("key-used-early", "a key is used before all have it", 70, _new_key_is_used_early),
    Mutant("no-merge", "rings that meet do not merge", 40, _rings_do_not_merge),
)

# Of these the coincidence is too rare for a few seeds: a scenario that makes it finds them, with these words.
IN_SCENARIOS = (
    Told(
        "lost-node-is-clean",
        "a lost member counts as down",
        _lost_is_gone,
        ("wait-for-all", "expect fenced node3: fenced so far: nobody"),
    ),
    Told(
        "no-startup-fencing",
        "who is absent is forgotten",
        _absent_are_forgiven,
        ("whole-cluster-restarted-with-one-node-missing", "fenced so far: nobody"),
    ),
    Told(
        "leaves-too-early",
        "goodbye before all has stopped",
        _leaves_with_resources,
        ("leaves-once-all-has-stopped", "db runs on ['node3']"),
    ),
    Told(
        "leftovers-count",
        "what lies behind a gap counts",
        _leftovers_count,
        ("change-behind-a-gap", "hold different documents under"),
    ),
    Told(
        "past-gaps",
        "behind a gap each delivers its own",
        _past_gaps_of_anybody,
        ("change-behind-a-gap", "went together from ring"),
    ),
    Told(
        "old-fencing-counts",
        "an earlier life's fencing counts",
        _old_fencing_counts,
        ("fencing-told-after-the-node-is-back", "db runs on ['node2']"),
    ),
    Told(
        "old-orders",
        "orders outlive their ring",
        _orders_survive_their_ring,
        ("promotion-ordered-in-an-earlier-ring", "node2 stops db while it is promoted"),
    ),
)

# In whole clusters these show too seldom: the laws of virtual synchrony find them, in so many storms.
IN_STORMS = (Mutant("barrier-open", "messages pass the barrier", 1, _barrier_opens_early),)
