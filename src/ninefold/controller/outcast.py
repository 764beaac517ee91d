"""What a node does that counts as fenced, and hears of it.

A device that cuts a node off from its storage, or from a network, leaves it alive; so does one that says it
did what it did not. The others start elsewhere what ran here. So the node leaves at once and, for itself
alone, stops all that it started; what it cannot stop it ends with its host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.cib.model import RecordOperation
from ninefold.cib.operations import operation_ended
from ninefold.controller.events import Effect, Halted, Happened, LeaveRing, SelfFence
from ninefold.controller.fence_desk import Standing
from ninefold.controller.messages import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.cib.model import Change
    from ninefold.controller.executor import Executor
    from ninefold.controller.messages import FenceReport
    from ninefold.controller.replica import Replica
    from ninefold.controller.situation import Situation


class Outcast:
    """A node's end in the cluster's belief. `by` says who fenced it; empty is the rule."""

    def __init__(self, situation: Situation, replica: Replica, executor: Executor) -> None:
        self.by = ""
        self._situation = situation
        self._replica = replica
        self._executor = executor

    def on_report(self, report: FenceReport, standing: Standing) -> list[Effect]:
        """Take a report that counts; if it is about this node, begin to leave."""
        situation = self._situation
        mine = report.target == situation.me and not report.lets_in
        if not mine or standing is not Standing.DONE or self.by:
            return []
        self.by = report.by
        text = f"this node was fenced by {self.by}, and lives: it leaves, and stops what it runs"
        effects: list[Effect] = [Happened("fenced-alive", text, {"by": self.by})]
        cib = self._replica.working
        if cib.property("fencing-reaction", cib.property("fence-reaction", "stop")) == "panic":
            effects.append(SelfFence(f"{situation.name} was fenced by {self.by}, and lives"))
        # From here on it speaks for itself alone: it conducts nothing, and takes no orders.
        situation.leaving, situation.members, situation.verdict = True, (), None
        return [*effects, LeaveRing(), *self._stop_all()]

    def _stop_all(self) -> list[Effect]:
        situation, executor = self._situation, self._executor
        executor.drop_all()
        effects: list[Effect] = []
        for name in executor.not_known_to_be_stopped():
            started = executor.started(name)
            if started is None:
                effects.append(self._end(name))
                continue
            call = msgspec.structs.replace(started, action="stop", interval_ms=0)
            order = Order(situation.me, "", -1, "stop", name, 0, call)
            effects += executor.perform(
                situation.now, order, quorate=situation.quorate, wall=situation.wall
            )
        return effects

    def on_results(self, changes: Sequence[Change]) -> list[Effect]:
        """Look at what this node did: nobody else wants to know."""
        done = [change.operation for change in changes if isinstance(change, RecordOperation)]
        return [
            self._end(operation.resource)
            for operation in done
            if operation.task == "stop" and not operation_ended(operation)
        ]

    def end(self) -> list[Effect]:
        """Go, when nothing is under way any more."""
        if not self._executor.idle:
            return []
        return [Halted(f"fenced by {self.by}, which left this host alive")]

    def _end(self, resource: str) -> Effect:
        name = self._situation.name
        return SelfFence(f"{name} counts as fenced, and cannot stop {resource}")
