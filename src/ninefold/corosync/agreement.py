"""Agree with the processes of the group on the next view: who is in it, and its number.

Theorem: the numbers of a member's views only grow, and two views of members that move together have
different numbers. For each member proposes more than it has ever agreed to, on disk or on the way
to it, the number is the greatest proposal, and it is on each member's disk before the view is installed.
All see the proposals in one order, so they see the agreement complete at the same message. If a disk
was lost, the others' proposals still exceed what they have seen, and Corosync's own ring number is
a floor.

A proposal counts for the candidates that it names. One that is left over from earlier candidates names
others, or precedes its sender's newer one in the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.core.ids import NodeId, RingId
from ninefold.corosync.events import Process
from ninefold.corosync.messages import Expulsion, Proposal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class View(msgspec.Struct, frozen=True):
    """A view that is agreed: its processes are sorted, one of each node."""

    ring: RingId
    processes: tuple[Process, ...]

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes of its processes, sorted."""
        return tuple(process.node for process in self.processes)


class Agreement:
    """One process's part in agreeing on views. `number` is the greatest it has agreed to."""

    def __init__(self, me: Process, boot: bytes, number: int) -> None:
        self.me = me
        self.boot = boot
        self.number = number
        self.floor = 0
        self.group: tuple[Process, ...] = ()
        self.excluded: tuple[Process, ...] = ()
        self.boots: dict[Process, bytes] = {}
        # The view that the present candidates have agreed on.
        self.agreed: View | None = None
        self._numbers: dict[Process, int] = {}

    @property
    def candidates(self) -> tuple[Process, ...]:
        """Those of the group that shall be in the next view, sorted."""
        return tuple(process for process in self.group if process not in self.excluded)

    @property
    def doubled(self) -> tuple[NodeId, ...]:
        """Nodes with two processes in the group: no view is agreed until one of them leaves."""
        nodes = [process.node for process in self.candidates]
        return tuple(sorted({node for node in nodes if nodes.count(node) > 1}))

    def surplus(self, kept_before: Sequence[Process]) -> tuple[Process, ...]:
        """Return the processes of doubled nodes but one each: the one of the last view, or the first."""
        surplus: list[Process] = []
        for node in self.doubled:
            found = [p for p in self.candidates if p.node == node]
            kept = next((p for p in found if p in kept_before), found[0])
            surplus += [p for p in found if p != kept]
        return tuple(surplus)

    @property
    def missing(self) -> tuple[Process, ...]:
        """Candidates that have not proposed yet."""
        return tuple(p for p in self.candidates if p not in self._numbers)

    def on_group(self, members: Iterable[Process], gone: Iterable[Process]) -> None:
        """Take a configuration change; `gone` were away since the last one, if only for a moment."""
        self.group = tuple(sorted(members))
        away = tuple(gone)
        self.excluded = tuple(p for p in self.excluded if p in self.group and p not in away)
        self.boots = {p: boot for p, boot in self.boots.items() if p in self.group}
        self.restart()

    def exclude(self, processes: Iterable[Process]) -> None:
        """Go on without these."""
        self.excluded = tuple(sorted({*self.excluded, *processes}))
        self.restart()

    def restart(self) -> None:
        """Begin anew: what was agreed or proposed for the view is void."""
        self.agreed = None
        self._numbers = {}

    def proposal(self) -> Proposal:
        """Return what this process offers now."""
        number = max(self.number + 1, self.floor)
        return Proposal(self.candidates, self.excluded, self.boot, number)

    def expulsion(self, process: Process) -> Expulsion:
        """Return the demand to go on without a process."""
        return Expulsion(self.candidates, self.number, process)

    def excludes_more(self, sender: Process, proposal: Proposal) -> tuple[Process, ...]:
        """Return processes that the sender has excluded and we have not: we missed their expulsion."""
        if sender not in self.candidates:
            return ()
        return tuple(
            p for p in proposal.excluded if p in self.group and p not in (*self.excluded, sender)
        )

    def outrun(self, sender: Process, proposal: Proposal) -> bool:
        """Has the sender begun anew after what we hold to be agreed?"""
        known = self.agreed is not None and sender in self.candidates
        return (
            known
            and proposal.candidates == self.candidates
            and self.agreed is not None
            and proposal.number > self.agreed.ring.seq
        )

    def on_proposal(self, sender: Process, proposal: Proposal) -> View | None:
        """Count a proposal; return the view if it is agreed by this one."""
        fits = sender in self.candidates and proposal.candidates == self.candidates
        if not fits or self.agreed is not None or self.doubled:
            return None
        self.boots[sender] = proposal.boot
        self._numbers.setdefault(sender, proposal.number)
        if self.missing:
            return None
        number = max(self._numbers.values())
        assert number > self.number
        self.number = number
        self.agreed = View(RingId(number, self.candidates[0].node), self.candidates)
        return self.agreed

    def on_expulsion(self, sender: Process, demand: Expulsion) -> bool:
        """Say whether the demand is valid here, as it then is for all who share the candidates."""
        return (
            sender in self.candidates
            and demand.process in self.candidates
            and demand.candidates == self.candidates
            and demand.number == self.number
        )
