"""One node's fencer: carries out orders to silence other nodes, with real devices' answers.

Safety. For an order to switch T off or reboot it, `FenceDone(ok=True)` is only emitted while
handling the outcome that completes this: for *every* device D of *one* level of the order, a call
of D's agent made for this order, with the plug that D's configuration gives T, for `off` (or
`reboot`, if D is alone and advertises it) ended by itself with exit code 0, and, where D is to be
verified, a later `status` ended with "off"; and no `on` was called for T in between. Nothing else
proves silence: no timeout, no lost answer, no device of another level.

The order of operations that keeps it: a level's steps run one after the other, all offs before any
on; a level that failed is left for good, and what its devices did counts for nothing; orders for
one target run one after the other, the next only when no call of an earlier one is left; a device is
called once at a time, so no answer can be mistaken for another's. The answer is given as soon as the last device has reported, before power comes back,
for a takeover waits for silence only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc, Standard
from ninefold.core.instants import NEVER, Instant, Millis
from ninefold.fencing.capabilities import UNKNOWN, Capabilities, call_parameters, capabilities
from ninefold.fencing.events import (
    AgentEnded,
    Cancel,
    Effect,
    Event,
    Fence,
    FenceDone,
    Prepare,
    RunFenceAgent,
    Woke,
)
from ninefold.fencing.parameters import FENCING_META
from ninefold.fencing.plan import (
    Step,
    Task,
    steps,
    succeeded,
    why_failed,
    worth_another_try,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from ninefold.fencing.devices import Device

# Between two tries with a device. Most refuse because another session is open; APC's switches need
# some hundred milliseconds to notice that it closed.
RETRY_PAUSE_MS: Final[Millis] = 500
# An agent is killed at its timeout by whoever runs it, within some seconds; an answer later than
# this will never come.
LOST_ANSWER_MS: Final[Millis] = 10_000
# Metadata is printed by the agent itself, no device is involved: Debian's take 0.05 to 0.4 s.
METADATA_TIMEOUT_MS: Final[Millis] = 10_000
# Orders in hand. A cluster has at most some dozens of nodes, each with one order at a time.
ORDERS_MAX: Final = 256
# Stands for the order of a call that is about an agent only.
_NO_ORDER: Final = -1


class Running(msgspec.Struct):
    """A call whose answer is awaited until `lost_at`.

    A question about the agent itself has neither order (-1) nor device nor target.
    """

    order: int
    agent: str
    device: str = ""
    target: str = ""
    lost_at: Instant = NEVER


class Operation(msgspec.Struct):
    """One order in hand.

    `level` is the level being tried; `steps` its steps, `None` until its agents' capabilities are
    known; `step` the next or running one. `action_until` bounds all tries of a step.
    """

    order: Fence
    ends_at: Instant
    level: int = 0
    steps: tuple[Step, ...] | None = None
    step: int = 0
    tried: int = 0
    not_before: Instant = 0
    action_until: Instant = NEVER
    token: int = 0
    reported: bool = False
    delayed: bool = False
    failures: tuple[str, ...] = ()


class Fencer:
    """Runs fencing orders on one node. See the module's safety property."""

    def __init__(self, rng: random.Random, known: Mapping[str, Capabilities] | None = None) -> None:
        """`known` are capabilities by the agent's type, as far as known already."""
        self._rng = rng
        self._able: dict[str, Capabilities] = dict(known or {})
        self._waiting: list[Fence] = []
        self._operations: dict[int, Operation] = {}
        self._running: dict[int, Running] = {}
        self._next_token = 1

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this; `NEVER` if nothing is awaited."""
        times = [running.lost_at for running in self._running.values()]
        for operation in self._operations.values():
            times.append(operation.ends_at)
            if not operation.token:
                times.append(operation.not_before or NEVER)
        return min(times, default=NEVER)

    @property
    def idle(self) -> bool:
        """Nothing is in hand and no answer is awaited."""
        return not (self._waiting or self._operations or self._running)

    def step(self, now: Instant, event: Event) -> list[Effect]:
        """Take one event at `now`."""
        effects: list[Effect] = []
        match event:
            case Fence():
                self._on_fence(event, effects)
            case Prepare(devices):
                for device in devices:
                    self._learn(now, device, effects)
            case AgentEnded(token, outcome):
                self._on_agent_ended(now, token, outcome, effects)
            case Cancel(order_id):
                self._waiting = [order for order in self._waiting if order.order_id != order_id]
                self._forget(order_id)
            case Woke():
                pass
            case _:
                assert_never(event)
        self._on_time(now, effects)
        self._advance(now, effects)
        self.check_invariants()
        return effects

    def _on_fence(self, order: Fence, effects: list[Effect]) -> None:
        assert order.action in {"off", "on", "reboot"}
        assert all(order.levels)
        held = [*self._waiting, *(operation.order for operation in self._operations.values())]
        if any(order.order_id == other.order_id for other in held):
            return
        if len(held) >= ORDERS_MAX:
            effects.append(_failed(order, f"{ORDERS_MAX} orders are in hand already"))
        elif not order.levels:
            effects.append(_failed(order, "no fence device covers it"))
        else:
            self._waiting.append(order)

    def _on_agent_ended(
        self, now: Instant, token: int, outcome: Outcome, effects: list[Effect]
    ) -> None:
        running = self._running.pop(token, None)
        if running is None:  # the answer had been given up
            return
        if not running.device:
            text = outcome.output if outcome.rc == Rc.OK else ""
            self._able[running.agent] = capabilities(text, running.agent) if text else UNKNOWN
            return
        operation = self._operations.get(running.order)
        if operation is None or operation.token != token:
            return
        operation.token = 0
        if self._current(operation).task in {Task.SILENCE, Task.UNFENCE, Task.VERIFY}:
            assert not operation.reported
        self._judge(now, operation, outcome, effects)

    def _judge(
        self, now: Instant, operation: Operation, outcome: Outcome, effects: list[Effect]
    ) -> None:
        """Go on after a step's answer: to the next step, another try, or the next level."""
        step = self._current(operation)
        if succeeded(step, operation.order.target, outcome):
            self._next_step(operation, effects)
            return
        again_at = now + RETRY_PAUSE_MS
        more = operation.tried < step.device.tries_of(step.action)
        if more and again_at < operation.action_until and worth_another_try(step, outcome):
            operation.not_before = again_at
        else:
            self._give_up(operation, why_failed(step, outcome), effects)

    def _give_up(self, operation: Operation, why: str, effects: list[Effect]) -> None:
        """A step has failed for good."""
        if self._current(operation).task is Task.ON:
            self._next_step(operation, effects)
        else:
            operation.failures = (*operation.failures, why)
            self._next_level(operation, effects)

    def _next_step(self, operation: Operation, effects: list[Effect]) -> None:
        assert operation.steps is not None
        operation.step += 1
        operation.tried = 0
        operation.not_before = 0
        operation.action_until = NEVER
        operation.delayed = False
        rest = operation.steps[operation.step :]
        if not operation.reported and all(step.task is Task.ON for step in rest):
            operation.reported = True
            level = operation.order.levels[operation.level]
            names = ",".join(device.id for device in level)
            order = operation.order
            effects.append(FenceDone(order.order_id, order.target, True, "", names))
        if not rest or (operation.reported and self._is_awaited(operation.order.target)):
            self._forget(operation.order.order_id)

    def _next_level(self, operation: Operation, effects: list[Effect]) -> None:
        assert not operation.reported
        operation.level += 1
        operation.steps = None
        operation.step = operation.tried = 0
        operation.not_before = 0
        operation.action_until = NEVER
        operation.delayed = False
        if operation.level == len(operation.order.levels):
            self._fail(operation, "; ".join(operation.failures), effects)

    def _on_time(self, now: Instant, effects: list[Effect]) -> None:
        """Give up what has taken too long: lost answers, then whole orders."""
        for token, running in list(self._running.items()):
            if now >= running.lost_at:
                lost = Outcome(Rc.ERROR, OpStatus.TIMEOUT, "the agent's answer was lost")
                self._on_agent_ended(now, token, lost, effects)
        for operation in list(self._operations.values()):
            if now >= operation.ends_at:
                if operation.reported:
                    self._forget(operation.order.order_id)
                    continue
                waited = f"not done within {operation.order.timeout_ms} ms"
                self._fail(operation, "; ".join([*operation.failures, waited]), effects)

    def _advance(self, now: Instant, effects: list[Effect]) -> None:
        """Begin what may begin, in the order in which it was asked for."""
        more = True
        while more:
            self._begin_waiting(now)
            held = list(self._operations.values())
            for operation in held:
                self._go_on(now, operation, effects)
            # An order that has just been given up leaves its target to the next one, which nothing
            # else would wake.
            more = len(self._operations) < len(held)

    def _go_on(self, now: Instant, operation: Operation, effects: list[Effect]) -> None:
        while self._is_due(now, operation):
            operation.not_before = 0
            if operation.steps is None and not self._plan(now, operation, effects):
                break
            if not self._call(now, operation, effects):
                break

    def _is_due(self, now: Instant, operation: Operation) -> bool:
        held = operation.order.order_id in self._operations
        return held and not operation.token and now >= operation.not_before

    def _begin_waiting(self, now: Instant) -> None:
        """Take up each order whose target nothing else is done to any more."""
        for operation in list(self._operations.values()):
            idle = operation.reported and not operation.token
            if idle and self._is_awaited(operation.order.target):
                self._forget(operation.order.order_id)
        for order in list(self._waiting):
            busy = [held.order.target for held in self._operations.values()]
            busy += [running.target for running in self._running.values()]
            if order.target in busy:
                continue
            self._waiting.remove(order)
            for device in (device for level in order.levels for device in level):
                if self._able.get(device.agent) is UNKNOWN:  # it may have been installed since
                    del self._able[device.agent]
            ends_at = now + order.delay_ms + order.timeout_ms if order.timeout_ms else NEVER
            not_before = now + order.delay_ms if order.delay_ms else 0
            self._operations[order.order_id] = Operation(order, ends_at, not_before=not_before)

    def _plan(self, now: Instant, operation: Operation, effects: list[Effect]) -> bool:
        """Make the level's steps; false while an agent has yet to say what it can do."""
        level = operation.order.levels[operation.level]
        unknown = [device for device in level if device.agent not in self._able]
        for device in unknown:
            self._learn(now, device, effects)
        if unknown:
            return False
        operation.steps = steps(level, operation.order.action, self._able)
        return True

    def _learn(self, now: Instant, device: Device, effects: list[Effect]) -> None:
        asked = [running.agent for running in self._running.values() if not running.device]
        if device.agent in self._able or device.agent in asked:
            return
        agent = AgentName(Standard.STONITH.value, "", device.agent)
        call = Call(agent, device.id, "metadata", 0, METADATA_TIMEOUT_MS)
        self._start(now, Running(_NO_ORDER, device.agent), call, effects)

    def _call(self, now: Instant, operation: Operation, effects: list[Effect]) -> bool:
        """Call the agent of the current step; false if something must be waited for first."""
        step = self._current(operation)
        device, target = step.device, operation.order.target
        if step.task is Task.SILENCE and not operation.delayed:
            operation.delayed = True
            delay_ms = device.delay_ms(target, self._rng)
            if delay_ms:
                # Waiting on purpose takes nothing from the time that the device has.
                operation.ends_at = min(operation.ends_at + delay_ms, NEVER)
                operation.not_before = now + delay_ms
                return False
        if any(running.device == device.id for running in self._running.values()):
            return False
        if operation.action_until == NEVER:
            operation.action_until = now + device.timeout_ms(step.action)
        left_ms = min(operation.action_until, operation.ends_at) - now
        if left_ms <= 0:
            why = f"{device.id} {step.action}: no time was left for another try"
            self._give_up(operation, why, effects)
            return True
        operation.tried += 1
        call = Call(
            agent=AgentName(Standard.STONITH.value, "", device.agent),
            resource=device.id,
            action=device.word(step.action),
            interval_ms=0,
            timeout_ms=left_ms,
            parameters=call_parameters(device, target, self._able[device.agent]),
            meta={FENCING_META: target},
        )
        running = Running(operation.order.order_id, device.agent, device.id, target)
        operation.token = self._start(now, running, call, effects)
        return True

    def _start(self, now: Instant, running: Running, call: Call, effects: list[Effect]) -> int:
        token = self._next_token
        self._next_token += 1
        running.lost_at = now + call.timeout_ms + LOST_ANSWER_MS
        self._running[token] = running
        effects.append(RunFenceAgent(token, call))
        return token

    def _fail(self, operation: Operation, reason: str, effects: list[Effect]) -> None:
        assert not operation.reported
        effects.append(_failed(operation.order, reason))
        self._forget(operation.order.order_id)

    def _forget(self, order_id: int) -> None:
        """Drop an order. A call that still runs keeps its device busy until it has ended."""
        self._operations.pop(order_id, None)

    def _current(self, operation: Operation) -> Step:
        assert operation.steps is not None
        return operation.steps[operation.step]

    def _is_awaited(self, target: str) -> bool:
        """Tell whether another order for the target waits; then power must not come back now."""
        return any(order.target == target for order in self._waiting)

    def check_invariants(self) -> None:
        """Assert what must hold between steps."""
        targets = [operation.order.target for operation in self._operations.values()]
        assert len(targets) == len(dict.fromkeys(targets)), "two orders for one target at once"
        devices = [running.device for running in self._running.values() if running.device]
        assert len(devices) == len(dict.fromkeys(devices)), "a device is called twice at once"
        for order_id, operation in self._operations.items():
            assert order_id == operation.order.order_id
            if operation.token:
                assert self._running[operation.token].order == order_id
            if operation.steps is not None:
                assert operation.step < len(operation.steps)


def _failed(order: Fence, reason: str) -> FenceDone:
    return FenceDone(order.order_id, order.target, False, reason, "")
