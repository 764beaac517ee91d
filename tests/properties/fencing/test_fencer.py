"""The fencer's safety, for every topology, every answer of every device, and every interruption.

The twin is a dumb reading of the trace: what was called with which plug, and how it ended.
"""

from __future__ import annotations

import random
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.agents.model import OpStatus, Outcome
from ninefold.core.instants import NEVER
from ninefold.fencing.capabilities import Capabilities
from ninefold.fencing.devices import Device, HostCheck
from ninefold.fencing.events import (
    AgentEnded,
    Cancel,
    Effect,
    Event,
    Fence,
    FenceDone,
    RunFenceAgent,
    Woke,
)
from ninefold.fencing.machine import Fencer

ALL = ("off", "on", "reboot", "status", "list", "metadata")
AGENTS = {
    "fence_full": Capabilities("plug", ALL),
    "fence_old": Capabilities("port", ("off", "on", "status", "list")),
    "fence_auto": Capabilities("plug", ALL, on_automatic=True),
}
NODES = ("n1", "n2", "n3")
OK = Outcome(0, OpStatus.DONE)
OFF = Outcome(2, OpStatus.DONE)
FAILED = Outcome(1, OpStatus.DONE, "no answer")
TIMED_OUT = Outcome(1, OpStatus.TIMEOUT)
# A device's lie in the exit code of a call that did not end by itself must not count either.
KILLED_BUT_ZERO = Outcome(0, OpStatus.TIMEOUT)
LISTED = Outcome(0, OpStatus.DONE, output="p1,n1\np2,n2\np3,n3\n")
ANSWERS = (OK, OFF, FAILED, TIMED_OUT, KILLED_BUT_ZERO, LISTED)


class World:
    """Steps a fencer and keeps the trace: calls, answers, verdicts."""

    def __init__(self, seed: int = 0) -> None:
        self.fencer = Fencer(random.Random(seed), AGENTS)
        self.now = 0
        self.calls: dict[int, tuple[int, RunFenceAgent]] = {}
        self.answers: list[tuple[int, RunFenceAgent, Outcome]] = []
        self.started: list[tuple[int, RunFenceAgent]] = []
        self.done: list[FenceDone] = []
        self.orders: dict[int, tuple[int, Fence]] = {}
        self.clock = 0  # orders everything, where `now` may stand still

    def step(self, event: Event) -> list[Effect]:
        self.clock += 1
        if isinstance(event, Fence):
            self.orders.setdefault(event.order_id, (self.clock, event))
        if isinstance(event, AgentEnded) and event.token in self.calls:
            _, run = self.calls.pop(event.token)
            self.answers.append((self.clock, run, event.outcome))
        effects = self.fencer.step(self.now, event)
        for effect in effects:
            self.clock += 1
            match effect:
                case RunFenceAgent(token):
                    self.calls[token] = (self.clock, effect)
                    self.started.append((self.clock, effect))
                case FenceDone():
                    self.done.append(effect)
                    if effect.ok:
                        self.check_proof(effect)
        return effects

    def check_proof(self, done: FenceDone) -> None:
        """Every device of one level of the order told of success, and no `on` came between."""
        begun, order = self.orders[done.order_id]
        assert order.target == done.target
        assert any(self.level_told(level, order, begun) for level in order.levels), done

    def level_told(self, level: tuple[Device, ...], order: Fence, begun: int) -> bool:
        told = [self.told_at(device, order, begun, alone=len(level) == 1) for device in level]
        if not all(told):
            return False
        if order.action == "on":
            return True
        ons = [
            at
            for at, run in self.started
            if run.call.action == "on"
            and run.call.parameters["nodename"] == order.target
            and at > min(told)
        ]
        return not ons

    def told_at(self, device: Device, order: Fence, begun: int, *, alone: bool) -> int:
        """When the device's good answer came (0: never)."""
        wanted = {"on"} if order.action == "on" else {"off"}
        if order.action == "reboot" and alone and "reboot" in AGENTS[device.agent].actions:
            wanted = {"reboot"}
        started = {run.token: at for at, run in self.started}
        for at, run, outcome in self.answers:
            call = run.call
            if (
                call.resource == device.id
                and call.action in wanted
                and call.parameters["nodename"] == order.target
                and started[run.token] > begun
                and outcome.status is OpStatus.DONE
                and outcome.rc == 0
            ):
                return at
        return 0


def check_plugs(world: World) -> None:
    """A device is only ever told of the plug that its own map gives the target."""
    devices = {
        device.id: device
        for _, order in world.orders.values()
        for level in order.levels
        for device in level
    }
    for _, run in world.started:
        device = devices[run.call.resource]
        target = run.call.parameters["nodename"]
        name = AGENTS[device.agent].plug
        assert run.call.parameters[name] == device.host_map[target], run
        assert any(order.target == target for _, order in world.orders.values())


@st.composite
def device_sets(draw: st.DrawFn) -> list[Device]:
    devices = []
    for number in range(draw(st.integers(1, 4))):
        check = draw(st.sampled_from([HostCheck.AUTO, HostCheck.DYNAMIC_LIST, HostCheck.STATUS]))
        devices.append(
            Device(
                id=f"d{number}",
                agent=draw(st.sampled_from(sorted(AGENTS))),
                host_map={node: f"p{node[1:]}" for node in NODES},
                host_check=check,
                delay_base_ms=draw(st.sampled_from([0, 0, 1000])),
                delay_max_ms=draw(st.sampled_from([0, 0, 3000])),
                verify=draw(st.booleans()),
                tries=draw(st.sampled_from([{}, {"off": 1}, {"off": 3, "reboot": 3}])),
                timeouts_ms=draw(st.sampled_from([{}, {"off": 700}])),
            )
        )
    return devices


@st.composite
def orders(draw: st.DrawFn, devices: list[Device], number: int) -> Fence:
    level = st.lists(st.sampled_from(devices), min_size=1, max_size=3, unique_by=lambda d: d.id)
    levels = draw(st.lists(level, min_size=1, max_size=3))
    return Fence(
        order_id=number,
        target=draw(st.sampled_from(NODES)),
        action=draw(st.sampled_from(["off", "reboot", "reboot", "on"])),
        levels=tuple(tuple(level) for level in levels),
        delay_ms=draw(st.sampled_from([0, 0, 500])),
        timeout_ms=draw(st.sampled_from([0, 0, 2000, 100_000])),
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_success_is_only_said_with_proof_and_every_order_is_answered_once(
    data: st.DataObject,
) -> None:
    # Orders, cancellations, answers of any kind in any order, stray answers and waiting, mixed.
    world = World(data.draw(st.integers(0, 99)))
    devices = data.draw(device_sets())
    cancelled: list[int] = []
    number = 0
    for _ in range(data.draw(st.integers(1, 40))):
        choice = data.draw(
            st.sampled_from(["fence", "answer", "answer", "wake", "cancel", "stray"])
        )
        world.now += data.draw(st.sampled_from([0, 1, 400, 5000]))
        if choice == "fence":
            number += 1
            world.step(data.draw(orders(devices, number)))
        elif choice == "answer" and world.calls:
            token = data.draw(st.sampled_from(sorted(world.calls)))
            world.step(AgentEnded(token, data.draw(st.sampled_from(ANSWERS))))
        elif choice == "cancel" and number:
            cancelled.append(data.draw(st.integers(1, number)))
            world.step(Cancel(cancelled[-1]))
        elif choice == "stray":
            world.step(AgentEnded(data.draw(st.integers(0, 200)), OK))
        else:
            world.now = max(world.now, min(world.fencer.deadline, world.now + 20_000))
            world.step(Woke())
    settle(world)

    check_plugs(world)
    answered = [done.order_id for done in world.done]
    assert len(answered) == len(set(answered))
    assert set(range(1, number + 1)) - set(answered) <= set(cancelled)


def settle(world: World) -> None:
    """Answer nothing more: lost answers and deadlines alone must bring everything to an end."""
    for _ in range(2000):
        if world.fencer.idle:
            return
        assert world.fencer.deadline < NEVER
        world.now = max(world.now + 1, world.fencer.deadline)
        world.step(Woke())
    raise AssertionError("the fencer never comes to rest")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_deadline_that_passed_is_never_left_standing(data: st.DataObject) -> None:
    # Otherwise the performer would wake it for ever and do nothing else.
    world = World()
    devices = data.draw(device_sets())
    for number in (1, 2):
        world.step(data.draw(orders(devices, number)))
    for _ in range(30):
        answering = data.draw(st.booleans())
        if world.calls and answering:
            token = data.draw(st.sampled_from(sorted(world.calls)))
            world.step(AgentEnded(token, data.draw(st.sampled_from(ANSWERS))))
        elif world.fencer.deadline < NEVER:
            world.now = max(world.now, world.fencer.deadline)
            world.step(Woke())
        assert world.fencer.deadline > world.now


def test_two_supplies_every_pattern_of_answers() -> None:
    # One level, two devices, reboot: done exactly if some try of off succeeded on both.
    for tries in product([OK, FAILED, TIMED_OUT], repeat=4):
        world = World()
        both = tuple(Device(f"psu{n}", "fence_full", host_map={"n1": f"p{n}"}) for n in (1, 2))
        world.step(Fence(1, "n1", "reboot", (both,)))
        script = list(tries)
        while not world.done:
            if world.calls:
                token = next(iter(world.calls))
                world.step(AgentEnded(token, script.pop(0) if script else FAILED))
            else:
                world.now = world.fencer.deadline
                world.step(Woke())

        first = OK in tries[:2]
        rest = tries[tries.index(OK) + 1 :] if first else ()
        second = OK in rest[:2]
        assert world.done[0].ok == (first and second), tries


def test_a_cancelled_order_never_speaks_from_whatever_point_it_was_cancelled() -> None:
    for steps_before in range(12):
        world = World()
        devices = tuple(
            Device(f"d{n}", "fence_old", host_map={"n1": "p1"}, verify=True) for n in (1, 2)
        )
        world.step(Fence(1, "n1", "reboot", (devices,)))
        for _ in range(steps_before):
            if world.calls:
                token, (_, run) = next(iter(world.calls.items()))
                world.step(AgentEnded(token, OFF if run.call.action == "status" else OK))
        said = list(world.done)
        world.step(Cancel(1))
        for token in list(world.calls):
            world.step(AgentEnded(token, OK))

        assert world.done == said
        assert world.fencer.idle


def test_same_seed_same_trace() -> None:
    def trace() -> list[RunFenceAgent]:
        world = World(7)
        device = Device("d", "fence_full", host_map={"n1": "p1"}, delay_max_ms=9000)
        world.step(Fence(1, "n1", "off", ((device,),)))
        settle(world)
        return [run for _, run in world.started]

    assert trace() == trace()
