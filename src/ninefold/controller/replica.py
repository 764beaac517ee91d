"""The document as this member holds it: what the cluster agreed on, and what only this side knows.

*Authority* is the document of the quorate partition, with its stamp; only it goes to disk and only
it is offered to others. *Working* is what decisions are made from: the same object while this
partition is quorate; otherwise a copy that takes status alone and is forgotten at the next merge.

Theorem. An operator's change that was acknowledged is in the authority of every later quorate
partition. It was on the disks of a majority M of the members of a quorate ring R, under a stamp
(R, v). A later quorate partition Q shares a member with M, and takes the document with the greatest
stamp of its members. A greater stamp is either of R with a higher version, hence applied after
the change in R's one order, or of a later quorate ring, which began from a document chosen the same
way. What is delivered after a configuration broke up counts for the authority only if those who
moved on together have a majority by themselves; a minority's later messages cannot outrank R.

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
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
    Stamp,
    Version,
)
from ninefold.controller import requests
from ninefold.controller.events import Answer, Effect, Happened, Multicast, SaveCib
from ninefold.controller.messages import Annex, Document, Propose, Saved, encode
from ninefold.core.ids import RingId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.core.ids import NodeId

CONFIGURATION_CHANGES = (
    AddNodes,
    ClearMoves,
    MoveResource,
    ReplaceConfiguration,
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
)

# Proposals of this node that were not yet delivered. Operators and 64 resources' results fit many
# times; beyond it a request is refused rather than queued without end.
OUTSTANDING_MAX = 4096


class Phase(Enum):
    """Where this member stands with the document."""

    UNSETTLED = "the configuration broke up: deliveries belong to the transitional one"
    SYNCING = "a new ring, whose document is on its way"
    SETTLED = "the same document as every other member"


class Outstanding(msgspec.Struct):
    """A proposal of this node that has not been applied yet; `request` waits for its answer."""

    change: Change
    cause: Cause
    request: int | None


class Waiting(msgspec.Struct, frozen=True):
    """An applied change whose acknowledgement waits for a majority of disks."""

    request: int
    stamp: Stamp


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
        self._majority = False
        self._outstanding: dict[int, Outstanding] = {}
        self._serial = 0
        self._waiting: list[Waiting] = []
        # What each member said it has on disk, and what this member has and owes a word about.
        self._saved: dict[NodeId, Stamp] = {}
        self._stored = Stamp()
        self._vouch_for: Stamp | None = None
        # The store refused: this member's disk may not be counted until it saves again.
        self.store_trouble = ""

    @property
    def settled(self) -> bool:
        """Do all members hold the same document now?"""
        return self.phase is Phase.SETTLED

    def check_invariants(self) -> None:
        """Assert what must hold between two steps."""
        assert self.stamp.version == self.authority.version
        if self.settled and self.quorate:
            assert self.working is self.authority
        assert len(self._outstanding) <= OUTSTANDING_MAX

    # Own proposals.

    def propose(self, change: Change, cause: Cause, request: int | None = None) -> list[Effect]:
        """Send a change to all members; it takes effect when it is delivered."""
        if len(self._outstanding) >= OUTSTANDING_MAX:
            problem = "Too many changes are waiting for the ring. Try again when it has formed."
            return [] if request is None else [refuse(request, "busy", problem)]
        self._serial += 1
        self._outstanding[self._serial] = Outstanding(change, cause, request)
        return [Multicast(encode(Propose(self._serial, change, cause, request is not None)))]

    def _repropose(self) -> list[Effect]:
        return [
            Multicast(encode(Propose(serial, entry.change, entry.cause, entry.request is not None)))
            for serial, entry in sorted(self._outstanding.items())
        ]

    # In the order of life: broken up, configured, document, proposals, saved.

    def on_unsettled(self, *, majority: bool) -> None:
        """Enter the transitional configuration."""
        self._majority = majority and self.quorate and self.phase is Phase.SETTLED
        self.phase = Phase.UNSETTLED

    def on_configured(
        self, ring: RingId, annexes: Mapping[NodeId, Annex], *, quorate: bool
    ) -> list[Effect]:
        """Enter a new ring; send the document if it is this member's to send."""
        self.ring = ring
        self.members = tuple(sorted(annexes))
        self.quorate = quorate
        source = newest(annexes)
        best = annexes[source]
        differing = [n for n in self.members if not same_document(annexes[n], best)]
        if not differing:
            self.phase = Phase.SETTLED
            self.working = self.authority
            return []
        self.phase = Phase.SYNCING
        if source != self.me:
            return []
        return [Multicast(encode(Document(ring, self.stamp, self.authority.to_xml())))]

    def on_document(self, message: Document) -> bool:
        """Adopt the document of the ring; answer whether it was the one awaited."""
        if self.phase is not Phase.SYNCING or message.ring != self.ring:
            return False
        if message.stamp != self.stamp:
            cib, findings = Cib.parse(message.xml)
            assert cib is not None, f"a member sent a document that does not parse: {findings}"
            self.authority = cib
            self.stamp = message.stamp
        self.working = self.authority
        self.phase = Phase.SETTLED
        return True

    def begin(self, changes: Sequence[Change], cause: Cause) -> list[Effect]:
        """Apply what every member applies by itself at the start of a ring, then go on.

        A quorate ring puts its number on the document, which makes it the cluster's.
        """
        assert self.settled
        for change in changes:
            outcome = apply(self.working, change, cause)
            if isinstance(outcome, Cib):
                self.working = outcome
        if not self.quorate:
            return self._give_up("no-quorum") + self._repropose()
        self.authority = self.working
        self.stamp = Stamp(self.ring.seq, self.authority.version)
        self._saved = {}
        self._vouch_for = self.stamp
        return [SaveCib(self.stamp, self.authority, cause), *self._repropose()]

    def on_propose(self, sender: NodeId, message: Propose) -> tuple[bool, list[Effect]]:
        """Apply a proposal in its turn; answer whether the working document changed."""
        if self.phase is Phase.SYNCING:
            # Nobody proposes before the document is there; what arrives is of no ring.
            return False, []
        if self.phase is Phase.UNSETTLED and not self._majority:
            # Its sender proposes again in the next ring. This side must not apply it alone.
            return False, []
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
            self._waiting.append(Waiting(request, self.stamp))
        if message.vouch:
            self._vouch_for = self.stamp
            effects += self._vouch()
        return changed, effects

    def amend(self, change: Change, cause: Cause) -> tuple[bool, list[Effect]]:
        """Apply what every member derives from the same message at the same point."""
        if self.phase is Phase.SYNCING or (self.phase is Phase.UNSETTLED and not self._majority):
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

    def on_stored(self, stamp: Stamp) -> list[Effect]:
        """Our disk has it. Tell the others if somebody may be waiting for that."""
        self.store_trouble = ""
        self._stored = max(self._stored, stamp)
        return self._vouch()

    def _vouch(self) -> list[Effect]:
        if self._vouch_for is None or self._stored < self._vouch_for:
            return []
        self._vouch_for = None
        return [Multicast(encode(Saved(self._stored)))]

    def on_store_failed(self, stamp: Stamp, reason: str) -> list[Effect]:
        """Our disk refused: say so, and vouch for nothing until a later save succeeds."""
        self.store_trouble = reason
        text = f"cannot save version {stamp.version} of the CIB: {reason}"
        return [Happened("store-failed", text, {"reason": reason})]

    def on_saved(self, sender: NodeId, message: Saved) -> list[Effect]:
        """Count a member's disk; acknowledge what has a majority."""
        self._saved[sender] = max(message.stamp, self._saved.get(sender, Stamp()))
        effects: list[Effect] = []
        still: list[Waiting] = []
        for entry in self._waiting:
            disks = [n for n in self.members if self._saved.get(n, Stamp()) >= entry.stamp]
            if 2 * len(disks) > len(self.members):
                effects.append(acknowledge(entry.request, entry.stamp.version))
            else:
                still.append(entry)
        self._waiting = still
        return effects

    def on_quorum(self, *, quorate: bool) -> list[Effect]:
        """Follow quorum's verdict inside one configuration."""
        if quorate == self.quorate:
            return []
        self.quorate = quorate
        if not quorate:
            return self._give_up("no-quorum")
        if not self.settled:
            return []
        self.authority = self.working
        self.stamp = Stamp(self.ring.seq, self.authority.version)
        cause = Cause("cluster", "quorum regained", 0, self.me)
        return [SaveCib(self.stamp, self.authority, cause)]

    def _give_up(self, code: str) -> list[Effect]:
        text = "Quorum was lost before a majority had the change on disk: it may or may not last."
        effects: list[Effect] = [refuse(entry.request, code, text) for entry in self._waiting]
        self._waiting = []
        return effects


def newest(annexes: Mapping[NodeId, Annex]) -> NodeId:
    """Return the member whose document wins: greatest stamp, then lowest id."""
    return min(annexes, key=lambda node: (_descending(annexes[node].stamp), node))


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
