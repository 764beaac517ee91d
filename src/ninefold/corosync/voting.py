"""May this view act? Corosync decides, and the members of the view agree on what it said.

Theorem: two views that are quorate at the same time share a node, as long as Corosync's quorate rings
do. A view is quorate only if Corosync calls the ring of each member quorate and either every node
of these rings is in the view, or the votes suffice without the nodes that are not in it: a daemon may be
missing where Corosync runs, and what it may still run must be fenced. Exempt is two_node, as everywhere.

Corosync tells each node by itself, some at other moments than others. So each member multicasts what it
was told, and all judge by what was delivered: at the same point of the order, with the same verdict.
Only the loss of Corosync, or of the place in the group, counts at once; such a node is alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant
from ninefold.quorum import events as quorum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.config.model import ClusterConfig
    from ninefold.corosync.outlook import Outlook

# 384 nodes and their votes.
REPORT_BYTES_MAX: Final = 16 * 1024
_NO_RING: Final = RingId(0, 0)
_DECIDED_ELSEWHERE: Final = (
    "Corosync counts the votes here: use corosync-quorumtool, or corosync-cmapctl for wait_for_all."
)


class Report(msgspec.Struct, frozen=True):
    """What one member was told by its Corosync. `view` is the one it was said in; none at a barrier."""

    view: RingId
    quorate: bool
    votes: tuple[tuple[NodeId, int], ...] = ()
    total: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    expected: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    threshold: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    provider: bool = True


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Report)


class Judgement(msgspec.Struct, frozen=True):
    """A verdict without its ring."""

    quorate: bool
    votes: int
    expected: int
    threshold: int
    reason: str


def judge(members: Sequence[NodeId], reports: Mapping[NodeId, Report]) -> Judgement:
    """Return what the reports of a view's members make of it; one that is missing makes it inquorate."""
    silent = [node for node in members if node not in reports]
    if silent or not members:
        return Judgement(
            quorate=False,
            votes=0,
            expected=0,
            threshold=0,
            reason=f"Nothing readable came from node {', '.join(map(str, silent))}.",
        )
    told = [reports[node] for node in members]
    votes = min(report.total - _outside(report, members) for report in told)
    expected = max(report.expected for report in told)
    threshold = max(report.threshold for report in told)
    whole = all(sorted(node for node, _ in r.votes) == list(members) for r in told)
    by_corosync = all(report.quorate for report in told)
    if not any(report.provider for report in told) and by_corosync:
        reason = "There is no quorum provider: every partition may act."
        return Judgement(True, len(members), expected, threshold, reason)
    counted = f"{votes} of {expected} votes are present; {threshold} are needed"
    if not by_corosync:
        reason, quorate = f"Corosync has no quorum: {counted}.", False
    elif votes >= threshold or whole:
        reason, quorate = f"{counted}, says Corosync.", True
    else:
        reason = f"{counted}, not counting nodes where Corosync runs without ninefoldd."
        quorate = False
    return Judgement(quorate, max(0, votes), expected, threshold, reason)


def _outside(report: Report, members: Sequence[NodeId]) -> int:
    return sum(votes for node, votes in report.votes if node not in members)


class CorosyncVoting:
    """One node's part in deciding whether its view may act; the surface of `quorum.machine.Quorum`."""

    def __init__(self, config: ClusterConfig, outlook: Outlook) -> None:
        self._me = config.local
        self._outlook = outlook
        self._ring = _NO_RING
        self._members: tuple[NodeId, ...] = ()
        self._reports: dict[NodeId, Report] = {}
        self._synced = False
        self._told: Report | None = None
        self._expired = False
        self._verdict = quorum.Verdict(_NO_RING, False, 0, 0, 0, "")
        self.bad_infos = 0

    @property
    def quorate(self) -> bool:
        """The last verdict."""
        return self._verdict.quorate

    @property
    def verdict(self) -> quorum.Verdict:
        """The last verdict in full."""
        return self._verdict

    @property
    def deadline(self) -> Instant:
        """At once if Corosync has said something new; else when its last word is too old."""
        if not self._synced:
            return NEVER
        if self._report() != self._told:
            return 0
        return NEVER if self._outlook.fresh or self._expired else self._outlook.stale_at

    def info(self) -> bytes:
        """Return this node's annex for the synchronisation barrier."""
        self._synced = False
        self._expired = not self._outlook.fresh
        self._told = self._report()
        return _ENCODER.encode(self._told)

    def step(self, now: Instant, event: quorum.Event) -> list[quorum.Effect]:
        """Take one event at `now`; return what is to be done, in order."""
        match event:
            case quorum.Synced():
                return self._on_synced(event)
            case quorum.InfoReceived(node, data):
                return self._on_info(node, data)
            case quorum.RingLost():
                return self._on_ring_lost()
            case quorum.Woke():
                return self._on_woke(now)
            case quorum.SetExpected() | quorum.CancelWaitForAll():
                return [quorum.Refused(_DECIDED_ELSEWHERE)]
            case quorum.Promised() | quorum.Reloaded():
                return []

    def _report(self) -> Report:
        """Return what there is to tell now; what was told stands while Corosync's ring is forming."""
        outlook = self._outlook
        if outlook.fresh:
            self._expired = False
        seen = outlook.votes
        if not outlook.present or seen is None or (self._expired and not outlook.fresh):
            return Report(self._ring if self._synced else _NO_RING, quorate=False)
        if not outlook.fresh and self._told is not None:
            return self._told
        return Report(
            self._ring if self._synced else _NO_RING,
            seen.quorate,
            seen.votes,
            seen.total,
            seen.expected,
            seen.threshold,
            seen.provider,
        )

    def _on_synced(self, event: quorum.Synced) -> list[quorum.Effect]:
        assert self._me in event.members
        self._ring, self._members, self._synced = event.ring, event.members, True
        self._reports = {}
        for node in event.members:
            report = self._read(event.infos.get(node, b""))
            if report is not None:
                self._reports[node] = report
        if self._told is not None:
            self._told = msgspec.structs.replace(self._told, view=self._ring)
        self._verdict = self._judged()
        return [self._verdict]

    def _on_info(self, node: NodeId, data: bytes) -> list[quorum.Effect]:
        report = self._read(data)
        if report is None or not self._synced or node not in self._members:
            return []
        if report.view != self._ring:
            return []
        self._reports[node] = report
        return self._judge_again()

    def _on_ring_lost(self) -> list[quorum.Effect]:
        self._synced = False
        if self._outlook.present or not self._verdict.quorate:
            return []
        reason = "Corosync is lost, or this node's place in its group: nothing may be decided here."
        self._verdict = msgspec.structs.replace(self._verdict, quorate=False, reason=reason)
        return [self._verdict]

    def _on_woke(self, now: Instant) -> list[quorum.Effect]:
        if not self._synced:
            return []
        if not self._outlook.fresh and now >= self._outlook.stale_at:
            self._expired = True
        report = self._report()
        if report == self._told:
            return []
        self._told = report
        return [quorum.SendInfo(_ENCODER.encode(report))]

    def _judge_again(self) -> list[quorum.Effect]:
        before, self._verdict = self._verdict, self._judged()
        return [self._verdict] if self._verdict != before else []

    def _judged(self) -> quorum.Verdict:
        found = judge(self._members, self._reports)
        return quorum.Verdict(
            self._ring, found.quorate, found.votes, found.expected, found.threshold, found.reason
        )

    def _read(self, data: bytes) -> Report | None:
        try:
            if len(data) <= REPORT_BYTES_MAX:
                return _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        self.bad_infos += 1
        return None
