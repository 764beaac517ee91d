"""The document as this member holds it: what the cluster agreed on, and what only this side knows.

*Authority* is the document of the quorate partition, with its stamp; only it goes to disk and only
it is offered to others. *Working* is what decisions are made from: the same object while this
partition is quorate; otherwise a copy that takes status alone and is forgotten at the next merge.

Theorem. An operator's change that was acknowledged is in the authority of every later quorate
partition. Before it was acknowledged it was on the disks of a set D of members under the stamp of a
quorate ring R, and no partition without a member of D can have quorum (`disks`). A later quorate
partition Q takes the document with the greatest stamp of its members, at least that of its member
of D. A greater stamp is either of R with a higher version, hence applied after the change in R's one
order, or of a later quorate ring, which began from a document chosen the same way. Exempt is
two_node, whose halves both have quorum: fencing decides which of them goes on, and the other's
document is the loser's whatever its stamp (`outlived`).

Lemma. One stamp names one document. Under R's number stands what was delivered in R, and what members
deliver there are beginnings of one order. What is delivered after R broke up is not: it comes from
behind gaps, and one who did not come along may hold, under the same version, what was in the gap. So
it counts nowhere, and its sender proposes it again. Nothing acknowledged is lost by that: those who
come along have delivered in R all that any of them has.

Order that keeps it: apply, save, tell (`Saved`), acknowledge.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from ninefold.cib.apply import Refused, apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    ClearMoves,
    MoveResource,
    RecordOperation,
    ReplaceConfiguration,
    ReplaceHistory,
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
    Stamp,
    Version,
)
from ninefold.controller import requests
from ninefold.controller.disks import Disks
from ninefold.controller.events import Answer, Effect, Happened, Multicast, SaveCib
from ninefold.controller.messages import Annex, Document, Propose, Saved, encode
from ninefold.controller.outlived import both_may_act, standing
from ninefold.core.ids import RingId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.quorum.events import Verdict

CONFIGURATION_CHANGES = (
    AddNodes,
    ClearMoves,
    MoveResource,
    ReplaceConfiguration,
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
)

# Proposals of this node that were not yet delivered: beyond it an operator's request is refused
# rather than queued without end. What the node itself has to tell is bounded by what it runs.
OUTSTANDING_MAX = 4096

UNCERTAIN = (
    "Not enough members had the change on disk before the ring changed or the time ran out: it may "
    "or may not last. Look at the configuration, then try again."
)


class UnreadableDocument(Exception):
    """The cluster's document cannot be read by this version of the program."""


class Phase(Enum):
    """Where this member stands with the document."""

    UNSETTLED = "the configuration broke up: what is still delivered has no place in its order"
    SYNCING = "a new ring, whose document is on its way"
    SETTLED = "the same document as every other member"


class Outstanding(msgspec.Struct):
    """A proposal of this node that has not been applied yet; `request` waits for its answer."""

    change: Change
    cause: Cause
    request: int | None


class Replica:
    """One member's copy of the document. `working` is what to decide from."""

    def __init__(self, me: NodeId, stamp: Stamp, cib: Cib) -> None:
        self.me = me
        self.stamp = stamp
        self.authority = cib
        self.working = cib
        self.phase = Phase.UNSETTLED
        self.quorate = False
        self.ring = RingId(0, 0)
        self.members: tuple[NodeId, ...] = ()
        self.disks = Disks()
        self._outstanding: dict[int, Outstanding] = {}
        self._serial = 0

    @property
    def settled(self) -> bool:
        """Do all members hold the same document now?"""
        return self.phase is Phase.SETTLED

    def counts(self, message: Propose) -> bool:
        """Does a proposal that is delivered now take effect, on all members alike?

        What does not is proposed again by its sender in the next ring. So one that still waited to be
        sent when the ring changed comes twice; the first must not count, lest the second undo what
        came in between.
        """
        return self.settled and message.ring == self.ring

    def check_invariants(self) -> None:
        """Assert what must hold between two steps."""
        assert self.stamp.version == self.authority.version
        if self.settled and self.quorate:
            assert self.working is self.authority

    # Own proposals.

    def propose(self, change: Change, cause: Cause, request: int | None = None) -> list[Effect]:
        """Send a change to all members; it takes effect when it is delivered."""
        if request is not None and len(self._outstanding) >= OUTSTANDING_MAX:
            problem = "Too many changes are waiting for the ring. Try again when it has formed."
            return [refuse(request, "busy", problem)]
        self._serial += 1
        self._outstanding[self._serial] = Outstanding(change, cause, request)
        if not self.settled:
            return []  # `begin` sends it, in its turn
        return [self._proposal(self._serial)]

    def _repropose(self) -> list[Effect]:
        return [self._proposal(serial) for serial in sorted(self._outstanding)]

    def _proposal(self, serial: int) -> Multicast:
        entry = self._outstanding[serial]
        vouch = entry.request is not None
        return Multicast(encode(Propose(self.ring, serial, entry.change, entry.cause, vouch)))

    # In the order of life: broken up, configured, document, proposals, saved.

    def on_unsettled(self) -> None:
        """Enter the transitional configuration."""
        self.phase = Phase.UNSETTLED

    def on_configured(
        self, ring: RingId, annexes: Mapping[NodeId, Annex], verdict: Verdict
    ) -> list[Effect]:
        """Enter a new ring; send the document if it is this member's to send."""
        self.ring = ring
        self.members = tuple(sorted(annexes))
        self.quorate = verdict.quorate
        votes = {node: annexes[node].votes for node in self.members}
        self.disks.on_ring(votes, threshold=verdict.threshold, expected=verdict.expected)
        source = newest(annexes, verdict)
        best = annexes[source]
        effects = self._told_lost(best)
        if all(same_document(annexes[node], best) for node in self.members):
            self.phase = Phase.SETTLED
            self.working = self.authority
            return effects
        self.phase = Phase.SYNCING
        if source != self.me:
            return effects
        return [*effects, Multicast(encode(Document(ring, self.stamp, self.authority.to_xml())))]

    def _told_lost(self, best: Annex) -> list[Effect]:
        """Refuse what waits if the ring goes on with a document that may not hold it."""
        if best.stamp == self.stamp and best.digest == self.authority.digest():
            return []
        return [refuse(r, "not-acknowledged", UNCERTAIN) for r in self.disks.give_up(best.stamp)]

    def on_document(self, message: Document) -> bool:
        """Adopt the document of the ring; answer whether it was the one awaited.

        Raises `UnreadableDocument`: this member cannot go on with the others.
        """
        if self.phase is not Phase.SYNCING or message.ring != self.ring:
            return False
        if message.stamp != self.stamp or message.xml != self.authority.to_xml():
            cib, findings = Cib.parse(message.xml)
            if cib is None:
                raise UnreadableDocument("; ".join(str(finding) for finding in findings))
            self.authority = cib
            self.stamp = message.stamp
        self.working = self.authority
        self.phase = Phase.SETTLED
        return True

    def begin(self, changes: Sequence[Change], cause: Cause) -> list[Effect]:
        """Apply what every member applies by itself at the start of a ring, then go on.

        A quorate ring puts its number on the document, which makes it the cluster's. What still
        waits for its acknowledgement now rests on that document, and on new words about it: an
        older stamp on some disk proves nothing about a partition that this ring has outlived.
        """
        assert self.settled
        for change in changes:
            outcome = apply(self.working, change, cause)
            if isinstance(outcome, Cib):
                self.working = outcome
        if not self.quorate:
            return self._give_up() + self._repropose()
        self.authority = self.working
        self.stamp = Stamp(self.ring.seq, self.authority.version)
        self.disks.rest_on(self.stamp)
        return [SaveCib(self.stamp, self.authority, cause), *self._repropose()]

    def tells_history(self) -> bool:
        """Is this member's account of itself still on its way?"""
        waiting = self._outstanding.values()
        return any(isinstance(entry.change, ReplaceHistory) for entry in waiting)

    def on_propose(
        self, sender: NodeId, message: Propose, now: Instant
    ) -> tuple[bool, list[Effect]]:
        """Apply a proposal that counts, in its turn; answer whether the working document changed."""
        assert self.counts(message)
        entry = self._outstanding.pop(message.serial, None) if sender == self.me else None
        request = None if entry is None else entry.request
        if not self.quorate and isinstance(message.change, CONFIGURATION_CHANGES):
            refusal = "This partition has no quorum, so it must not change the configuration."
            return False, [] if request is None else [refuse(request, "no-quorum", refusal)]
        if already_recorded(self.working, message.change):
            return False, []
        outcome = apply(self.working, message.change, message.cause)
        if isinstance(outcome, Refused):
            problems = [str(finding) for finding in outcome.findings]
            return False, [] if request is None else [refuse(request, "refused", *problems)]
        changed = outcome is not self.working
        self.working = outcome
        if not self.quorate:
            return changed, [] if request is None else [acknowledge(request, outcome.version)]
        effects = self._commit(outcome, message.cause) if changed else []
        if request is not None:
            self.disks.wait(request, self.stamp, now)
        if message.vouch:
            self.disks.vouch(self.stamp)
            effects += self._word()
        return changed, effects

    def amend(self, change: Change, cause: Cause) -> tuple[bool, list[Effect]]:
        """Apply what every member derives from the same message at the same point."""
        if not self.settled:
            return False, []
        outcome = apply(self.working, change, cause)
        if isinstance(outcome, Refused) or outcome is self.working:
            return False, []
        self.working = outcome
        if not self.quorate:
            return True, []
        return True, self._commit(outcome, cause)

    def _commit(self, cib: Cib, cause: Cause) -> list[Effect]:
        self.authority = cib
        self.stamp = Stamp(self.stamp.quorate_ring, cib.version)
        return [SaveCib(self.stamp, cib, cause)]

    # Disks.

    def on_stored(self, stamp: Stamp) -> list[Effect]:
        """Our disk has it. Tell the others if somebody may be waiting for that."""
        self.disks.on_stored(stamp)
        return self._word()

    def _word(self) -> list[Effect]:
        stamp = self.disks.word()
        return [] if stamp is None else [Multicast(encode(Saved(stamp)))]

    def on_store_failed(self, stamp: Stamp, reason: str, now: Instant) -> list[Effect]:
        """Our disk refused: say so, and vouch for nothing until a later save succeeds."""
        known = self.disks.trouble
        self.disks.on_refused(reason, now)
        if known == reason:
            return []
        text = f"cannot save version {stamp.version} of the CIB: {reason}"
        return [Happened("store-failed", text, {"reason": reason})]

    def on_saved(self, sender: NodeId, message: Saved) -> list[Effect]:
        """Count a member's disk; acknowledge what enough of them hold."""
        done = self.disks.on_saved(sender, message.stamp)
        return [acknowledge(entry.request, entry.stamp.version) for entry in done]

    def wake(self, now: Instant, cause: Cause) -> list[Effect]:
        """Look at the clock: try the disk again, and answer those who have waited too long."""
        late = self.disks.overdue(now)
        effects: list[Effect] = [refuse(r, "not-acknowledged", UNCERTAIN) for r in late]
        if self.disks.retry(now) and self.quorate and self.stamp.quorate_ring:
            effects.append(SaveCib(self.stamp, self.authority, cause))
        return effects

    def on_quorum(self, *, quorate: bool) -> list[Effect]:
        """Follow quorum's verdict inside one configuration."""
        if quorate == self.quorate:
            return []
        self.quorate = quorate
        if not quorate:
            return self._give_up()
        if not self.settled:
            return []
        self.authority = self.working
        self.stamp = Stamp(self.ring.seq, self.authority.version)
        self.disks.rest_on(self.stamp)
        cause = Cause("cluster", "quorum regained", 0, self.me)
        return [SaveCib(self.stamp, self.authority, cause)]

    def _give_up(self) -> list[Effect]:
        return [refuse(request, "not-acknowledged", UNCERTAIN) for request in self.disks.give_up()]


def newest(annexes: Mapping[NodeId, Annex], verdict: Verdict) -> NodeId:
    """Return the member whose document wins: greatest stamp, then lowest id; of two_node, see `outlived`."""
    members = standing(annexes) if both_may_act(verdict) else list(annexes)
    return min(members, key=lambda node: (_descending(annexes[node].stamp), node))


def _descending(stamp: Stamp) -> tuple[int, int, int, int]:
    v = stamp.version
    return (-stamp.quorate_ring, -v.admin_epoch, -v.epoch, -v.num_updates)


def same_document(one: Annex, other: Annex) -> bool:
    """Do two members hold the same bytes under the same stamp?"""
    return one.stamp == other.stamp and one.digest == other.digest


def already_recorded(cib: Cib, change: Change) -> bool:
    """Was this very result recorded before? A proposal that was sent again must not count twice."""
    if not isinstance(change, RecordOperation) or not change.counts:
        return False
    return any(
        known.call_id == change.operation.call_id
        and known.key == change.operation.key
        and known.rc == change.operation.rc
        and known.op_status == change.operation.op_status
        for known in cib.operations(change.node)
    )


def refuse(request: int, code: str, *problems: str) -> Answer:
    """Return the answer to a request that was not carried out."""
    return Answer(request, ok=False, body=requests.encode(requests.Refusal(code, problems)))


class Done(msgspec.Struct, frozen=True):
    """A change that a majority of the members has on disk (all of it, for status: in memory)."""

    version: Version


def acknowledge(request: int, version: Version) -> Answer:
    """Return the answer to a change that will last."""
    return Answer(request, ok=True, body=requests.encode(Done(version)))
