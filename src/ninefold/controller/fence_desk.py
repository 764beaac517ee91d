"""This node's fencing operations: orders in, agents run, reports out.

Safety: a report says `ok` only if the fencing machine does, which needs a device's own success for
that very target. The report travels in total order; `apply` marks the node as silent on every
member at the same point, and only then does the engine let anything it ran start elsewhere.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from ninefold.cib.failcounts import UNFENCED, UNFENCED_WITH, UNFENCED_WITH_OPENLY
from ninefold.cib.model import NodeFenced, SetTransientAttribute
from ninefold.controller.events import Effect, Happened, Multicast, RunAgent
from ninefold.controller.messages import FenceOrder, FenceReport, encode
from ninefold.controller.situation import FenceFailure
from ninefold.fencing.devices import Covers
from ninefold.fencing.events import (
    AgentEnded,
    Cancel,
    Fence,
    FenceDone,
    Prepare,
    RunFenceAgent,
    Woke,
)
from ninefold.fencing.events import Effect as FencerEffect
from ninefold.fencing.machine import Fencer
from ninefold.fencing.topology import read_fencing

if TYPE_CHECKING:
    import random

    from lxml.etree import _Element as Element

    from ninefold.agents.model import Outcome
    from ninefold.controller.replica import Replica
    from ninefold.controller.situation import Situation
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant, Millis
    from ninefold.fencing.devices import Device
    from ninefold.fencing.topology import Fencing, Levels

# A failed fencing is tried again after 2, 4, 8 ... at most 60 s: a device that reboots needs time,
# and an operator who mends it should not wait much longer than they look at the screen.
RETRY_MIN_MS: Millis = 2_000
RETRY_MAX_MS: Millis = 60_000

# Tokens of fence agents are told from those of resource agents by this offset.
TOKEN_BASE = 1_000_000_000


class Standing(Enum):
    """What a report of a fencing amounts to."""

    DONE = "the node counts as silent from here on, or as let in"
    FAILED = "it did not succeed; it is tried again"
    VOID = "it says nothing about the node as it is now"
    UNHEARD = "this member is between two documents; the report will be told again"


class FenceDesk:
    """Carries out fence orders for this node and keeps the books for all."""

    def __init__(self, situation: Situation, replica: Replica, rng: random.Random) -> None:
        self._situation = situation
        self._replica = replica
        self._fencer = Fencer(rng)
        self._orders: dict[int, FenceOrder] = {}
        self._order_id = 0
        # Reports of this node that have not been applied yet: told again in the next ring.
        self._untold: dict[NodeId, FenceReport] = {}
        self._prepared: tuple[Device, ...] = ()
        self._read: Element | None = None

    @property
    def deadline(self) -> Instant:
        """When the fencing machine wants to be woken."""
        return self._fencer.deadline

    def owns(self, token: int) -> bool:
        """Does that token belong to a fence agent?"""
        return token >= TOKEN_BASE

    def on_order(self, order: FenceOrder) -> list[Effect]:
        """Begin to silence a node, unless that is under way already for the same ring.

        An order of an older ring may be about an earlier life of the node: its outcome would not
        count, so it is given up for the new one.
        """
        effects: list[Effect] = []
        if not self._may_fence(order.target):
            return [self._refused(order)]
        for number, known in list(self._orders.items()):
            if (known.target, known.lets_in) != (order.target, order.lets_in):
                continue
            if known.ring == order.ring:
                return effects
            effects += self._cancel(number)
        self._order_id += 1
        self._orders[self._order_id] = order
        fencing = read_fencing(self._replica.working.configuration)
        event = Fence(
            self._order_id,
            order.name,
            order.action,
            levels_for(fencing, order),
            delay_ms=order.delay_ms,
            timeout_ms=fencing.timeout_ms,
        )
        return effects + self._perform(self._fencer.step(self._situation.now, event))

    def on_configured(self) -> list[Effect]:
        """Give up every order whose target is a member now: it is not to be silenced any more."""
        effects: list[Effect] = []
        for number in self._without_quorum():
            effects += self._cancel(number)
        for number, order in list(self._orders.items()):
            if order.target in self._situation.members:
                effects += self._cancel(number)
        for target in list(self._untold):
            if target in self._situation.members:
                del self._untold[target]
        return effects

    def on_quorum(self) -> list[Effect]:
        """Without quorum, give up every order about a node that is elsewhere: it may be in the quorate part.

        A call that is under way goes on; but no delay, no second try and no next level follows. It is said: a
        verdict is this node's, and the DC may have quorum and wait for an answer.
        """
        effects: list[Effect] = []
        for number in self._without_quorum():
            order = self._orders[number]
            effects += [*self._cancel(number), self._refused(order)]
        return effects

    def _without_quorum(self) -> list[int]:
        return [number for number, one in self._orders.items() if not self._may_fence(one.target)]

    def _may_fence(self, target: NodeId) -> bool:
        situation = self._situation
        policy = self._replica.working.property("no-quorum-policy", "stop")
        return situation.quorate or policy == "ignore" or target in situation.members

    def _cancel(self, number: int) -> list[Effect]:
        # The machine also does what is due for other orders; that must not be lost with this one.
        del self._orders[number]
        return self._perform(self._fencer.step(self._situation.now, Cancel(number)))

    def tell(self, report: FenceReport) -> Effect:
        """Tell everybody a report, again in each new ring until it has been heard."""
        self._untold[report.target] = report
        return Multicast(encode(report))

    def again(self) -> list[Effect]:
        """Tell what could not be heard while the ring was forming anew."""
        return [Multicast(encode(report)) for _, report in sorted(self._untold.items())]

    def prepare(self) -> list[Effect]:
        """Learn what the devices can do, whenever the configuration is another, before any hurry."""
        configuration = self._replica.working.configuration
        if configuration is self._read:
            return []
        self._read = configuration
        devices = read_fencing(configuration).devices
        if devices == self._prepared:
            return []
        self._prepared = devices
        return self._perform(self._fencer.step(self._situation.now, Prepare(devices)))

    def on_finished(self, token: int, outcome: Outcome) -> list[Effect]:
        """Take a fence agent's outcome."""
        event = AgentEnded(token - TOKEN_BASE, outcome)
        return self._perform(self._fencer.step(self._situation.now, event))

    def wake(self, now: Instant) -> list[Effect]:
        """Let the machine see the clock."""
        if self._fencer.deadline > now:
            return []
        return self._perform(self._fencer.step(now, Woke()))

    def _perform(self, effects: list[FencerEffect]) -> list[Effect]:
        result: list[Effect] = []
        for effect in effects:
            match effect:
                case RunFenceAgent(token, call):
                    result.append(RunAgent(TOKEN_BASE + token, call))
                case FenceDone():
                    result.append(self._report(effect))
        return result

    def _report(self, done: FenceDone) -> Effect:
        order = self._orders.pop(done.order_id)
        by = done.device or self._situation.name
        return self._answer(order, ok=done.ok, by=by, reason=done.reason)

    def _refused(self, order: FenceOrder) -> Effect:
        name = self._situation.name
        return self._answer(order, ok=False, by=name, reason=f"{name} has no quorum")

    def _answer(self, order: FenceOrder, *, ok: bool, by: str, reason: str) -> Effect:
        report = FenceReport(
            order.target,
            order.name,
            ok,
            by,
            reason,
            order.ring.seq,
            self._situation.wall,
            order.transition,
            order.action_id,
            order.action,
            order.devices,
            order.openly,
        )
        return self.tell(report)

    def on_report(self, sender: NodeId, report: FenceReport) -> tuple[Standing, list[Effect]]:
        """Take a report on every member; what it amounts to is the same on all of them."""
        if not self._replica.settled:
            return Standing.UNHEARD, []
        situation = self._situation
        if sender == situation.me and self._untold.get(report.target) == report:
            del self._untold[report.target]
        fields = {"node": report.name, "by": report.by, "reason": report.reason}
        if self._is_void(report):
            text = f"{report.name} has been a member since that fencing was ordered: it is void"
            return Standing.VOID, [Happened("fence-report-void", text, fields)]
        if not report.ok:
            return Standing.FAILED, [self._failed(sender, report, fields)]
        situation.failures(lets_in=report.lets_in).pop(report.name, None)
        if report.lets_in:
            return Standing.DONE, self._let_in(report, fields)
        change = NodeFenced(report.target, report.name, report.by, report.at)
        cause = msgspec.structs.replace(
            situation.cause("cluster", f"{report.name} was fenced by {report.by}"),
            at=report.at,
            node=situation.dc,
        )
        changed, effects = self._replica.amend(change, cause)
        if changed:
            text = f"{report.name} was fenced by {report.by}"
            effects.append(Happened("fenced", text, fields))
        return Standing.DONE, effects

    def _let_in(self, report: FenceReport, fields: dict[str, str]) -> list[Effect]:
        """Note that a member was unfenced: what it runs runs on."""
        situation = self._situation
        cause = msgspec.structs.replace(
            situation.cause("cluster", f"{report.name} was unfenced"),
            at=report.at,
            node=situation.dc,
        )
        effects: list[Effect] = []
        noted = {
            UNFENCED: str(report.at),
            UNFENCED_WITH: report.devices,
            UNFENCED_WITH_OPENLY: report.openly,
        }
        for name, value in noted.items():
            change = SetTransientAttribute(report.target, name, value)
            effects += self._replica.amend(change, cause)[1]
        return [*effects, Happened("unfenced", f"{report.name} was unfenced", fields)]

    def _is_void(self, report: FenceReport) -> bool:
        """Is the report about an earlier life of the node than the one that must be silenced?

        Theorem. If a report is applied, its order was given in a ring of the node's present or last
        life as a member, or after it: so a device's success is about the processes that could be
        running something. A person's word is never about a member.
        """
        if report.target in self._situation.members and not report.transition:
            return True
        state = self._replica.working.node_state(report.target)
        return state is not None and state.joined_in > report.since

    def _failed(self, sender: NodeId, report: FenceReport, fields: dict[str, str]) -> Happened:
        situation = self._situation
        by = situation.expected_nodes.get(sender, str(sender))
        failures = situation.failures(lets_in=report.lets_in)
        known = failures.get(report.name)
        attempts = 1 if known is None else known.attempts + 1
        pause = min(RETRY_MAX_MS, RETRY_MIN_MS << min(attempts - 1, 10))
        retry_at = situation.now + pause
        failures[report.name] = FenceFailure(attempts, report.reason, retry_at, by)
        what = "unfencing" if report.lets_in else "fencing"
        text = (
            f"{what} of {report.name} failed ({report.reason}); tried again in {pause // 1000} s. "
        )
        if report.lets_in:
            text += "What requires it does not start there."
        else:
            text += (
                f"Nothing it ran starts elsewhere. If it is certainly powered off: "
                f"ninefold node declare-dead {report.name}"
            )
        return Happened("fence-failed", text, fields | {"attempts": str(attempts)})


def levels_for(fencing: Fencing, order: FenceOrder) -> Levels:
    """Return the levels of devices for an order; a node lets itself in by those that ask for it, all."""
    if not order.lets_in:
        return fencing.levels(order.name)
    names = [entry.partition(":")[0] for entry in order.devices.split(",")]
    devices = [device for name in names if (device := fencing.device(name)) is not None]
    level = tuple(one for one in devices if one.covers(order.name) is not Covers.NO)
    return (level,) if level else ()
