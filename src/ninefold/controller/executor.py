"""What this node does with resources: one operation at a time for each, recurring ones by the clock.

The executor never decides: it carries out orders and reports. Its history is the truth about this
node, whatever any document says; at each new ring the node tells it anew.

Rule: a start or promote is launched only while the partition is quorate; an order that waits in a
queue when the configuration breaks up is void, because the DC that gave it may be gone.

What was started is stopped, and looked for, as it was started: by that agent, with those parameters. An
operator may have changed either meanwhile; the new ones would stop something that does not run, and leave
an old address, or file system, behind. A daemon that begins anew is told how everything was started.

A resource leaves alive only when the node it goes to has said that it knows (`expect`, `release`).
Otherwise that node, cut off in the middle of it with others, would vouch for not running it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import Call, OpStatus, Outcome, Rc
from ninefold.cib.configuration import belongs
from ninefold.cib.migrations import remembered
from ninefold.cib.model import Change, ForgetOperation, Operation, RecordOperation
from ninefold.cib.operations import found_running, operation_ended
from ninefold.controller.entries import (
    as_started,
    finished_operation,
    operation_of,
    pending_operation,
    running_operation,
)
from ninefold.controller.events import Effect, Happened, RunAgent
from ninefold.controller.messages import Order
from ninefold.core.instants import NEVER, Instant, WallSeconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxml.etree import _Element as Element

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId

# At most this many agents at once on a node: a small host with hundreds of monitors must not fork
# them all in one moment. Pacemaker's default is twice the cores.
AGENTS_MAX = 8

# What is begun by these changes what the resource is: whoever watched the old state must not go on.
CHANGES_STATE = ("start", "stop", "promote", "demote", "migrate_to", "migrate_from")

# These make it run here, as it is described in the order.
BEGINS = ("start", "migrate_from")

# The entry of a resource's last failure, as if it were a task.
LAST_FAILURE = "last_failure"

MIGRATIONS = ("migrate_to", "migrate_from")

# These give it other parameters while it runs.
RELOADS = ("reload", "reload-agent")

# What is told of what succeeded.
WORDS = {
    "start": "started",
    "stop": "stopped",
    "promote": "promoted",
    "demote": "demoted",
    "migrate_from": "migrated",
    "reload-agent": "reloaded",
}

RecurringKey = tuple[str, str, int]


class Job(msgspec.Struct):
    """An order in a queue or under way. `repeat` marks the later runs of a recurring operation.

    `as_started` is the call of a probe for what was started with another definition than today's.
    `stale` is what was to recur from here on when everything known of its resource was forgotten.
    """

    order: Order
    repeat: bool
    call_id: int
    not_before: Instant = 0
    started_wall: WallSeconds = 0
    as_started: Call | None = None
    stale: bool = False


class Recurring(msgspec.Struct):
    """A recurring operation: when it is due next and what it said last."""

    order: Order
    due: Instant
    rc: int | None = None
    status: OpStatus = OpStatus.DONE


class Executor:
    """One node's operations on resources."""

    def __init__(self, me: NodeId, name: str, started: Sequence[Call] = ()) -> None:
        """`started` is how an earlier daemon has started what may still run."""
        self.me = me
        self.name = name
        self._call_id = 0
        self._token = 0
        self._queues: dict[str, list[Job]] = {}
        self._running: dict[int, Job] = {}
        self._recurring: dict[RecurringKey, Recurring] = {}
        self._history: dict[tuple[str, str], Operation] = {}
        self._took_back = False
        # Of each resource the start that holds until a stop has succeeded.
        self._started = {call.resource: call for call in started}
        # What may run though no history tells of it, until somebody has looked at it.
        self._unseen = {call.resource: running_operation(call) for call in started}
        # With which definitions that was last compared.
        self._compared: Element | None = None
        # Kept apart: other nodes' histories refer to these, so nothing later stands in their place.
        self._migrations: dict[tuple[str, str], Operation] = {}
        # What may arrive alive, until something is known about it here.
        self._arriving: dict[str, None] = {}

    @property
    def deadline(self) -> Instant:
        """When the next recurring operation or delayed start is due."""
        busy = {job.order.resource for job in self._running.values()}
        # A recurring operation waits behind whatever is queued for its resource.
        free = [key for key in self._recurring if key[0] not in busy and key[0] not in self._queues]
        due = [self._recurring[key].due for key in free]
        due += [
            queue[0].not_before for resource, queue in self._queues.items() if resource not in busy
        ]
        if len(self._running) >= AGENTS_MAX:
            return NEVER
        return min(due, default=NEVER)

    @property
    def idle(self) -> bool:
        """Is nothing under way and nothing queued?"""
        return not self._running and not self._queues

    def active_resources(self) -> list[str]:
        """Return the resources that may be running here, by this node's own history."""
        known = {resource for resource, _ in (*self._history, *self._migrations)}
        names = sorted(known | self._arriving.keys())
        return [name for name in names if self._may_be_active(name)]

    def not_known_to_be_stopped(self) -> list[str]:
        """Return those, and what an earlier daemon has started and nobody has looked at yet."""
        return sorted({*self.active_resources(), *self._unseen})

    def _may_be_active(self, resource: str) -> bool:
        if resource in self._arriving or self._is_running(resource):
            return True
        last = self._history.get((resource, "last"))
        arrival = self._migrations.get((resource, "migrate_from"))
        if arrival is not None and (last is None or last.call_id < arrival.call_id):
            return True
        if last is None or last.agent_class == "stonith":
            return False
        return not operation_ended(last)

    def history(self) -> tuple[Operation, ...]:
        """Return everything this node knows of itself, with what is under way as pending."""
        done = [*self._history.values(), *self._migrations.values()]
        under_way = [
            pending_operation(job.order, job.started_wall)
            for job in self._running.values()
            if not job.repeat
        ]
        return tuple(sorted(done, key=lambda op: op.call_id)) + tuple(under_way)

    # Orders.

    def perform(
        self, now: Instant, order: Order, *, quorate: bool, wall: WallSeconds
    ) -> list[Effect]:
        """Queue an order and launch what can be launched; a departure once it is released."""
        self._call_id += 1
        not_before = NEVER if order.departure_to else now + order.start_delay_ms
        job = Job(order, repeat=False, call_id=self._call_id, not_before=not_before)
        # A departure that nobody has released is given up when something else is wanted.
        queue = [one for one in self._queues.get(order.resource, []) if one.not_before != NEVER]
        self._queues[order.resource] = [*queue, job]
        return self.launch(now, quorate=quorate, wall=wall)

    def expect(self, order: Order, wall: WallSeconds) -> None:
        """What an order sends here is about to arrive: what was known of it here is no longer so."""
        self.forget((order.resource,), for_good=True)
        self._arriving[order.resource] = None
        found = operation_of(
            order, call_id=self._call_id, rc=Rc.OK, status=OpStatus.DONE, wall=wall
        )
        self._unseen[order.resource] = msgspec.structs.replace(
            found, task="monitor", migrate_source="", migrate_target=""
        )

    def release(self, now: Instant, transition: str, action_id: int) -> None:
        """Let a departure begin: the node it goes to knows of it."""
        for queue in self._queues.values():
            for job in queue:
                order = job.order
                if (order.transition, order.action_id) == (transition, action_id):
                    job.not_before = now + order.start_delay_ms

    def keep_migrations(self, cib: Cib) -> None:
        """Forget the migrations that the document has let go of (`cib.migrations`)."""
        for resource, task in list(self._migrations):
            if not remembered(cib.node_state_element(self.me), resource, task):
                del self._migrations[(resource, task)]

    def drop_all(self) -> None:
        """Take up nothing that is not under way."""
        self._queues = {}
        self._recurring = {}

    def started(self, resource: str) -> Call | None:
        """Return the call with which a resource was started here, if that is known."""
        return self._started.get(resource)

    def cancel(self, order: Order) -> Change:
        """End a recurring operation; its entry goes from the document."""
        call = order.call
        key = (order.resource, call.action, call.interval_ms)
        self._recurring.pop(key, None)
        self._history.pop((order.resource, f"{call.action}_{call.interval_ms}"), None)
        return ForgetOperation(self.me, order.resource, call.action, call.interval_ms)

    def forget(
        self,
        resources: tuple[str, ...] | None,
        *,
        for_good: bool = False,
        but_what_works: bool = False,
    ) -> None:
        """Drop what is known of these resources (all if `None`): they will be probed again.

        What has no definition is not probed. So what runs is remembered for `orphans`, unless it is to
        be forgotten `for_good`; `but_what_works` spares what has not failed, since somebody is about to stop it.
        """
        self._compared = None
        for name in list(self._unseen):
            named = resources is None or belongs(name, resources)
            if for_good and named and not but_what_works:
                del self._unseen[name]
        known = dict.fromkeys(name for name, _ in (*self._history, *self._migrations))
        dropped = [name for name in known if resources is None or belongs(name, resources)]
        for name in dropped:
            arrival = self._migrations.get((name, "migrate_from"))
            last = self._history.get((name, "last"), arrival)
            if last is None or not self._may_be_active(name):
                continue
            works = last.op_status == OpStatus.DONE and last.rc in (Rc.OK, Rc.RUNNING_PROMOTED)
            if not for_good or (but_what_works and works):
                self._unseen[name] = found_running(last)
        for kept in (self._history, self._migrations):
            for key in [key for key in kept if key[0] in dropped]:
                del kept[key]
        for recurring in list(self._recurring):
            if resources is None or belongs(recurring[0], resources):
                del self._recurring[recurring]
        waiting = [job for queue in self._queues.values() for job in queue]
        for job in (*self._running.values(), *waiting):
            if resources is None or belongs(job.order.resource, resources):
                job.stale = job.stale or job.order.call.interval_ms > 0

    def orphans(self, cib: Cib) -> tuple[Operation, ...]:
        """Return what may run here, is told of nowhere, and has lost its definition before it was probed.

        It is known again from here on; nobody would look for it otherwise, and it would run for ever.
        """
        if not self._unseen or cib.configuration is self._compared:
            return ()
        self._compared = cib.configuration
        told = [operation.resource for operation in cib.operations(self.me)]
        lost = [name for name in self._unseen if not (name in told or cib.defines(name))]
        found = [self._unseen.pop(name) for name in lost]
        for operation in found:
            self._history[(operation.resource, "last")] = operation
        return tuple(found)

    def forget_failure(self, resource: str) -> None:
        """The last failure of a resource here is past."""
        self._history.pop((resource, "failure"), None)

    def on_unsettled(self) -> None:
        """Drop every order that was not launched yet; what recurs is this node's own business."""
        own = {name: [job for job in queue if job.repeat] for name, queue in self._queues.items()}
        self._queues = {name: queue for name, queue in own.items() if queue}

    def took_back(self) -> bool:
        """Were orders dropped since the last call? Then the document shows them as pending."""
        took, self._took_back = self._took_back, False
        return took

    def _drop_recurring(self, resource: str) -> None:
        for key in [k for k in self._recurring if k[0] == resource]:
            del self._recurring[key]
            self._history.pop((resource, f"{key[1]}_{key[2]}"), None)

    def launch(self, now: Instant, *, quorate: bool, wall: WallSeconds) -> list[Effect]:
        """Launch everything that is due and may run now."""
        self._queue_due(now)
        effects: list[Effect] = []
        for resource in list(self._queues):
            if len(self._running) >= AGENTS_MAX:
                break
            if any(job.order.resource == resource for job in self._running.values()):
                continue
            effects += self._launch_next(now, resource, quorate=quorate, wall=wall)
        return effects

    def _launch_next(
        self, now: Instant, resource: str, *, quorate: bool, wall: WallSeconds
    ) -> list[Effect]:
        queue = self._queues[resource]
        while queue and queue[0].order.needs_quorum and not quorate:
            queue.pop(0)
            self._took_back = True
        if not queue:
            del self._queues[resource]
            return []
        if queue[0].not_before > now:
            return []
        job = queue.pop(0)
        if not queue:
            del self._queues[resource]
        if job.order.task in CHANGES_STATE:
            self._drop_recurring(resource)
        self._token += 1
        job.started_wall = wall
        self._running[self._token] = job
        return [RunAgent(self._token, self._call(job))]

    def _call(self, job: Job) -> Call:
        """Return what to run; a job that looks for what was started otherwise is told so."""
        order = job.order
        if order.task in BEGINS:
            self._started[order.resource] = order.call
        started = self._started.get(order.resource)
        probe = order.task == "monitor" and not order.call.interval_ms
        if started is None or not (order.task == "stop" or probe):
            return order.call
        call = msgspec.structs.replace(
            order.call, agent=started.agent, parameters=started.parameters
        )
        if probe and call != order.call:
            job.as_started = call
        return call

    def _look_again(self, job: Job) -> None:
        """What was started otherwise is gone: look for what is configured now."""
        self._started.pop(job.order.resource, None)
        job.as_started = None
        self._queues.setdefault(job.order.resource, []).insert(0, job)

    def _queue_due(self, now: Instant) -> None:
        for key, recurring in self._recurring.items():
            waiting = self._queues.get(key[0], [])
            if recurring.due <= now and not waiting and not self._is_running(key[0]):
                job = Job(recurring.order, repeat=True, call_id=0, not_before=now)
                self._queues.setdefault(key[0], []).append(job)
                recurring.due = NEVER

    def _is_running(self, resource: str) -> bool:
        return any(job.order.resource == resource for job in self._running.values())

    # Results.

    def owns(self, token: int) -> bool:
        """Did this executor launch the call with that token?"""
        return token in self._running

    def on_finished(
        self, now: Instant, token: int, outcome: Outcome, *, wall: WallSeconds, start_fatal: bool
    ) -> tuple[list[Effect], list[Change]]:
        """Take an outcome; return what to log and what to propose."""
        job = self._running.pop(token)
        if job.stale and not job.repeat:
            # It would be all that is known of the resource, and says less than the probe that is to come: of
            # what failed not whether it was promoted.
            return [], [self.cancel(job.order)]
        if job.as_started is not None:
            if (outcome.status, outcome.rc) == (OpStatus.DONE, Rc.NOT_RUNNING):
                self._look_again(job)
                return [], []
            job.order = as_started(job.order, job.as_started)
        order = job.order
        key = (order.resource, order.task, order.call.interval_ms)
        failed = outcome.status is not OpStatus.DONE or outcome.rc != order.expected_rc
        if order.task == "stop" and not failed:
            self._started.pop(order.resource, None)
        if order.task in RELOADS and not failed:
            self._started[order.resource] = order.call
        if order.call.interval_ms > 0:
            if job.repeat and key not in self._recurring:
                return [], []  # it was cancelled while it ran
            known = self._recurring.get(key)
            same = known is not None and (known.rc, known.status) == (outcome.rc, outcome.status)
            due = now + order.call.interval_ms
            self._recurring[key] = Recurring(order, due, outcome.rc, outcome.status)
            if job.repeat and same:
                return [], []
        if job.repeat:
            self._call_id += 1
            job.call_id = self._call_id
        operation = finished_operation(
            order, outcome, call_id=job.call_id, began=job.started_wall, wall=wall
        )
        if order.task == "notify":
            # It was told something. That is nothing that it does, and a deaf one has not failed.
            report = self._report(order, outcome, failed=failed, probe=True)
            return [report], [RecordOperation(self.me, operation)]
        self._remember(operation, failed=failed)
        self._arriving.pop(order.resource, None)
        probe = order.task == "monitor" and order.call.interval_ms == 0
        fatal = failed and (order.task == "stop" or (order.task == "start" and start_fatal))
        counts = failed and not probe and order.call.agent.standard != ""
        change = RecordOperation(self.me, operation, counts=counts, fatal=fatal)
        return [self._report(order, outcome, failed=failed, probe=probe)], [change]

    def _remember(self, operation: Operation, *, failed: bool) -> None:
        resource = operation.resource
        if operation.task in MIGRATIONS:
            self._migrations[(resource, operation.task)] = operation
            return
        slot = f"{operation.task}_{operation.interval_ms}" if operation.interval_ms else "last"
        self._history[(resource, slot)] = operation
        self._unseen.pop(resource, None)
        if failed:
            self._history[(resource, "failure")] = operation

    def _report(self, order: Order, outcome: Outcome, *, failed: bool, probe: bool) -> Happened:
        fields = {
            "resource": order.resource,
            "class": order.call.agent.standard,
            "node": self.name,
            "task": order.task,
            "rc": str(outcome.rc),
            "ms": str(outcome.exec_ms),
        }
        if probe or (not failed and order.task not in WORDS):
            found = f"{order.task} of {order.resource} on {self.name} answered {outcome.rc}"
            return Happened("operation", found, fields)
        if not failed:
            what = WORDS[order.task]
            text = f"{order.resource} {what} on {self.name}"
            if order.task == "migrate_from":
                source = order.call.meta.get("migrate_source", "")
                text = f"{order.resource} moved alive from {source} to {self.name}"
            return Happened(what, text, fields)
        cause = outcome.reason or f"exit code {outcome.rc}"
        text = f"{order.task} of {order.resource} on {self.name} failed: {cause}"
        return Happened("failed", text, fields)
