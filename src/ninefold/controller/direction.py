"""The DC's part: decide when something is new, order what a decision calls for, see it done.

Level, not edge. What is under way is read from the document (pending operations) and from the ring
(orders sent but not yet delivered), so a DC that takes over in the middle sees the same as the one
that is gone. News abandons the present transition; nothing is resumed.

Safety: an order is void outside the ring it was given in, so a DC that was cut off cannot start
anything on the other side; and while anything is still under way, a new decision may only fence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import AgentName, Call, OpStatus
from ninefold.cib.model import (
    Change,
    ForgetHistory,
    ForgetOperation,
    Operation,
    RecordOperation,
    SetTransientAttribute,
)
from ninefold.cib.operations import operation_failed
from ninefold.controller.carrier import Carrier, lets_in_by
from ninefold.controller.entries import pending_operation
from ninefold.controller.events import Decide, Effect, Happened, Multicast
from ninefold.controller.executor import LAST_FAILURE
from ninefold.controller.fence_desk import Standing
from ninefold.controller.messages import FenceOrder, FenceReport, Order, Perform, encode
from ninefold.controller.status import WorkStatus
from ninefold.core.instants import NEVER, Instant
from ninefold.scheduler.digests import operation_digest
from ninefold.scheduler.model import Action, ActionKind, Transition

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.controller.replica import Replica
    from ninefold.controller.situation import Situation
    from ninefold.core.ids import NodeId

# So many transitions in a row without any news from outside mean that the engine and the world do
# not agree about something. Then the DC waits for news instead of turning in circles.
STREAK_MAX = 32

# What makes something run where it did not: not without quorum.
NEEDS_QUORUM = ("start", "promote", "migrate_to", "migrate_from")


class Direction:
    """What the DC does. On every other member it is idle."""

    def __init__(self, situation: Situation, replica: Replica) -> None:
        self._situation = situation
        self._replica = replica
        self.carrier: Carrier | None = None
        # The transition that was abandoned, until the next decision that is not put off.
        self._abandoned = WorkStatus()
        self._orders: dict[int, Order] = {}
        self._undelivered: list[tuple[NodeId, int]] = []
        # Whom somebody is fencing: name, and whether that is to let it in.
        self._fencing: list[tuple[str, bool]] = []
        # The number of the decision that is awaited, 0 for none.
        self._deciding = 0
        self._decisions = 0
        self._news = "start"
        self._postponed = False
        self._number = 0
        self._streak = 0
        self._recheck_at: Instant = NEVER

    @property
    def deadline(self) -> Instant:
        """When a result is overdue, a failed fencing is tried again, or a decision may change."""
        if not self._situation.am_dc:
            return NEVER
        situation = self._situation
        failed = [*situation.fence_failures.values(), *situation.unfence_failures.values()]
        retries = [failure.retry_at for failure in failed]
        overdue = NEVER if self.carrier is None else self.carrier.deadline
        return min([self._recheck_at, overdue, *retries])

    @property
    def idle(self) -> bool:
        """Is nothing decided, ordered or under way here? Only the DC ever is at work."""
        if not self._situation.am_dc:
            return True
        if self.carrier is not None or self._postponed:
            return False
        return self._deciding == 0 and not self._news

    @property
    def work(self) -> WorkStatus:
        """What is under way, and what was given up."""
        name = "" if self.carrier is None else self.carrier.name
        return msgspec.structs.replace(self._abandoned, transition=name)

    def reset(self) -> None:
        """Begin anew in a new ring: every order of the old one is void."""
        self.news("a new ring")
        self._orders = {}
        self._undelivered = []
        self._fencing = []
        self._deciding = 0
        self._postponed = False

    def news(self, why: str) -> None:
        """Note that the world is no longer what the present transition was decided for."""
        self._news = why
        self._streak = 0
        if self.carrier is not None:
            self._abandoned = WorkStatus(abandoned=self.carrier.name, why=why)
        self.carrier = None

    def on_quorum(self) -> None:
        """Take another verdict: who was fencing may have given it up."""
        self._fencing = []
        self.news("quorum changed")

    def wake(self, now: Instant) -> list[Change]:
        """Look at the clock; return what must be recorded for results that never came."""
        situation = self._situation
        if now >= self._recheck_at:
            self._recheck_at = NEVER
            self.news("a time limit passed")
        for failures in (situation.fence_failures, situation.unfence_failures):
            for name, failure in list(failures.items()):
                if failure.retry_at <= now:
                    failures[name] = msgspec.structs.replace(failure, retry_at=NEVER)
                    self.news(f"fencing of {name} is tried again")
        if self.carrier is None:
            return []
        lost = [self._orders[a.id] for a in self.carrier.expired(now) if a.id in self._orders]
        if lost:
            self.news("a result is overdue")
        return [
            RecordOperation(order.node, overdue(order, situation.wall), counts=True)
            for order in lost
            if order.resource
        ]

    # What was delivered.

    def on_delivered_order(self, order: Order) -> None:
        """See an own order come through the ring: from here on the document shows it."""
        key = (order.node, order.action_id)
        if key in self._undelivered:
            self._undelivered.remove(key)

    def on_result(self, operation: Operation) -> None:
        """Take a finished operation: the present transition's own, or news."""
        carrier = self.carrier
        if operation.op_status == OpStatus.PENDING:
            return
        expected = not operation_failed(operation) or is_probe(operation)
        if carrier is None or carrier.name != operation.transition:
            self.news(f"{operation.key} answered {operation.rc}")
            return
        surprising = is_probe(operation) and operation.rc != operation.expected_rc
        awaited = carrier.confirm(operation.action_id, ok=expected)
        if not awaited or not expected or surprising:
            self.news(f"{operation.key} answered {operation.rc}")

    def on_forgotten(self, change: ForgetOperation) -> None:
        """Take the end of a recurring operation."""
        self._confirm_cluster("cancel", change.node, change.resource)

    def on_node_down(self, node: NodeId) -> None:
        """Take a member's goodbye."""
        self._confirm_cluster("do_shutdown", node, "")

    def _confirm_cluster(self, task: str, node: NodeId, resource: str) -> None:
        carrier = self.carrier
        if carrier is None:
            self.news(f"{task} on {node}")
            return
        for action in carrier.issued:
            order = self._orders.get(action.id)
            if order is None or order.task != task or order.node != node:
                continue
            if order.resource == resource:
                carrier.confirm(action.id, ok=True)
                return
        self.news(f"{task} on {node}")

    def on_fenced(self, report: FenceReport, standing: Standing) -> None:
        """Take what a report of a fencing amounts to."""
        if standing is Standing.UNHEARD:
            return
        name, lets_in = report.name, report.lets_in
        self._fencing = [known for known in self._fencing if known != (name, lets_in)]
        if standing is Standing.VOID:
            self.news(f"an old fencing of {name} ended")
            return
        done, carrier = standing is Standing.DONE, self.carrier
        awaited = carrier is not None and carrier.confirm_fencing(name, lets_in=lets_in, ok=done)
        if done and not awaited:
            self.news(f"{name} was unfenced" if lets_in else f"{name} was fenced")

    def on_decided(self, number: int, transition: Transition) -> list[Effect]:
        """Take the engine's answer; begin to carry it out if nothing has changed meanwhile."""
        if number == 0 or self._deciding != number:
            return []
        self._deciding = 0
        if self._news or not self._may_direct():
            return []
        self._set_recheck(transition)
        if not transition.decided:
            return []
        for view in transition.nodes:
            if not view.unclean:
                # Nobody wants it silenced any more: a failed attempt is no news.
                self._situation.fence_failures.pop(view.name, None)
        let_in = [a.node for a in transition.actions if lets_in_by(a)]
        for name in [name for name in self._situation.unfence_failures if name not in let_in]:
            del self._situation.unfence_failures[name]
        if self._under_way():
            self._postponed = True
            fencing = [
                a for a in transition.actions if a.kind is ActionKind.FENCING and not a.inputs
            ]
            transition = msgspec.structs.replace(transition, actions=tuple(fencing))
        else:
            self._abandoned = WorkStatus()
        if not transition.actions:
            return []
        self._streak += 1
        if self._streak > STREAK_MAX:
            text = f"{STREAK_MAX} transitions in a row led nowhere; waiting for news"
            return [Happened("not-converging", text)]
        self._number += 1
        ring = self._situation.ring
        self._orders = {}
        name = f"{self._number}:{self._situation.me}-{ring.seq}"
        self.carrier = Carrier(name, transition)
        count = sum(1 for action in transition.actions if action.kind is not ActionKind.PSEUDO)
        fields = {"transition": self.carrier.name, "actions": str(count)}
        return [Happened("transition", f"{count} actions to carry out", fields)]

    def _set_recheck(self, transition: Transition) -> None:
        situation = self._situation
        self._recheck_at = NEVER
        if transition.recheck_at:
            self._recheck_at = situation.now + max(1, transition.recheck_at - situation.wall) * 1000

    def _may_direct(self) -> bool:
        situation = self._situation
        return (
            situation.am_dc
            and self._replica.settled
            and situation.formed
            and situation.everybody_joined
        )

    def _under_way(self) -> bool:
        """Is an operation pending on a member, or an order still in the ring?"""
        if self._undelivered:
            return True
        working = self._replica.working
        return any(
            operation.op_status == OpStatus.PENDING
            for node in self._situation.members
            for operation in working.operations(node)
        )

    # Doing.

    def drive(self, now: Instant) -> tuple[list[Effect], list[Change]]:
        """Do what can be done now; return effects and changes to propose."""
        if not self._may_direct():
            return [], []
        effects: list[Effect] = []
        changes: list[Change] = []
        if self.carrier is not None:
            for action in self.carrier.next(now):
                more, proposals = self._issue(self.carrier, action)
                effects += more
                changes += proposals
            if self.carrier.complete:
                self._finish(self.carrier)
        if self.carrier is None and self._postponed and not self._under_way():
            self._postponed = False
            self._news = self._news or "what was under way has ended"
        if self.carrier is None and self._news and self._deciding == 0:
            effects += self._decide()
        return effects, changes

    def _finish(self, carrier: Carrier) -> None:
        self.carrier = None
        # Look once more from what is now: the answer must be empty. If nothing could be done, the
        # answer would be the same, so only news may ask again.
        if carrier.achieved:
            self._news = f"transition {carrier.name} ended"

    def _decide(self) -> list[Effect]:
        situation = self._situation
        cib = self.context()
        self._news = ""
        self._decisions += 1
        self._deciding = self._decisions
        return [Decide(cib.version, cib, situation.wall, self._decisions)]

    def context(self) -> Cib:
        """Return the working document as the engine shall see it."""
        situation = self._situation
        return self._replica.working.with_context(
            have_quorum=situation.quorate, dc_uuid=str(situation.dc)
        )

    def _issue(self, carrier: Carrier, action: Action) -> tuple[list[Effect], list[Change]]:
        situation = self._situation
        if action.kind is ActionKind.FENCING:
            return self._issue_fencing(carrier, action), []
        ids = {name: node for node, name in self._replica.working.node_names().items()}
        node = ids.get(action.node, 0)
        if not node:
            # 0 stands for every node.
            carrier.confirm(action.id, ok=False)
            return [], []
        if action.task == "delete":
            carrier.confirm(action.id, ok=True)
            return [], [ForgetHistory(action.resource, node)]
        if action.task == "clear_failcount":
            carrier.confirm(action.id, ok=True)
            return [], clear_failcount(self._replica.working, node, action.resource)
        if node not in situation.members:
            carrier.confirm(action.id, ok=False)
            return [], []
        # With these policies the engine itself decides what may start without quorum.
        policy = self._replica.working.property("no-quorum-policy", "stop")
        needs_quorum = action.task in NEEDS_QUORUM and policy not in ("ignore", "freeze")
        order = order_of(action, node, carrier.name, needs_quorum=needs_quorum)
        self._orders[action.id] = order
        self._undelivered.append((node, action.id))
        return [Multicast(encode(Perform(situation.ring, order, situation.wall)))], []

    def _issue_fencing(self, carrier: Carrier, action: Action) -> list[Effect]:
        situation = self._situation
        lets_in = lets_in_by(action)
        failure = situation.failures(lets_in=lets_in).get(action.node)
        if failure is not None and failure.retry_at != NEVER:
            carrier.confirm(action.id, ok=False)
            return []
        if (action.node, lets_in) in self._fencing:
            return []
        ids = {name: node for node, name in self._replica.working.node_names().items()}
        target = ids.get(action.node, 0)
        kind = action.meta.get("stonith_action", "reboot")
        others = [n for n in situation.members if n != situation.me]
        candidates = [n for n in (situation.me, *others) if (n == target) is lets_in]
        if not candidates:
            carrier.confirm(action.id, ok=False)
            return []
        attempt = 0 if failure is None else failure.attempts
        node = candidates[attempt % len(candidates)]
        self._fencing.append((action.node, lets_in))
        order = FenceOrder(
            situation.ring,
            node,
            target,
            action.node,
            kind,
            carrier.name,
            action.id,
            action.meta.get("digests_all", ""),
            int(action.meta.get("priority_fencing_delay", "0")) * 1000,
            action.meta.get("digests_secure", ""),
        )
        why = "; ".join(reason.sentence for reason in action.reasons) or "the policy engine asks"
        fields = {"node": action.node, "action": kind}
        text = f"fencing {action.node} ({kind}): {why}"
        return [Happened("fencing", text, fields), Multicast(encode(order))]


def is_probe(operation: Operation) -> bool:
    """Is this a one-time monitor, whose every answer is information and none a failure?"""
    return operation.task == "monitor" and operation.interval_ms == 0


def order_of(action: Action, node: NodeId, transition: str, *, needs_quorum: bool) -> Order:
    """Return the order that carries out a resource action or a cluster action on `node`."""
    agent = AgentName(action.agent_class, action.provider, action.agent_type)
    task = "monitor" if action.task == "cancel" else action.task
    if action.task == "cancel":
        task = action.meta.get("operation", task)
    call = Call(
        agent,
        action.resource,
        task,
        action.interval_ms,
        action.timeout_ms,
        action.parameters,
        action.meta,
    )
    return Order(
        node,
        transition,
        action.id,
        action.task,
        action.resource,
        action.expected_rc,
        call,
        digest=operation_digest(
            action.parameters, interval_ms=action.interval_ms, timeout_ms=action.timeout_ms
        ),
        start_delay_ms=action.start_delay_ms,
        needs_quorum=needs_quorum,
    )


def overdue(order: Order, wall: int) -> Operation:
    """Return the entry of an operation whose result never came."""
    return msgspec.structs.replace(
        pending_operation(order, wall),
        call_id=0,
        rc=1,
        op_status=int(OpStatus.TIMEOUT),
        exit_reason="no result came from the node in time",
    )


def clear_failcount(cib: Cib, node: NodeId, resource: str) -> list[Change]:
    """Return the changes that forget a resource's failures on a node, and the last of them.

    Left there, an entry whose definition has changed since would be cleared again and again.
    """
    state = cib.node_state(node)
    if state is None:
        return []
    prefixes = (f"fail-count-{resource}#", f"last-failure-{resource}#")
    counts: list[Change] = [
        SetTransientAttribute(node, name, None)
        for name in sorted(state.attributes)
        if name.startswith(prefixes)
    ]
    return [*counts, ForgetOperation(node, resource, LAST_FAILURE, 0)]
