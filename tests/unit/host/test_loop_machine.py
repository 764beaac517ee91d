"""The performer's loop around a small machine: order, re-entrance, deadlines, and death by bug."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ninefold.core.instants import NEVER
from ninefold.host import clock
from ninefold.host.loop import EXIT_BUG, WAKES_MAX, Bug, MachineLoop, tame_gc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ninefold.core.instants import Instant

WOKE = "woke"


class Echo:
    """Answers each event with two effects; `later` asks to be woken after 30 ms."""

    def __init__(self) -> None:
        self.deadline: Instant = NEVER
        self.woken_at: list[Instant] = []
        self.sulk = False

    def step(self, now: Instant, event: str) -> list[str]:
        if event == "bug":
            message = "one of ours"
            raise ValueError(message)
        if event == "later":
            self.deadline = now + 30
        if event == WOKE:
            assert now >= self.deadline
            self.woken_at.append(now)
            if not self.sulk:
                self.deadline = NEVER
        return [f"{event}.1", f"{event}.2"]


def run(
    act: Callable[[MachineLoop[str, str], Echo], None],
    *,
    seconds: float = 0,
    answer: dict[str, str] | None = None,
) -> tuple[list[str], list[Bug], Echo]:
    """Run a loop for a while; `answer` maps an effect to the event that performing it posts."""
    done: list[str] = []
    bugs: list[Bug] = []
    machine = Echo()

    async def main() -> None:
        def perform(effect: str) -> None:
            done.append(effect)
            if answer and effect in answer:
                loop.post(answer[effect])

        running = asyncio.get_running_loop()
        loop = MachineLoop(running, machine, perform, woke=WOKE, on_bug=bugs.append)
        act(loop, machine)
        await asyncio.sleep(seconds)
        loop.close()

    asyncio.run(main())
    return done, bugs, machine


def posting(*events: str) -> Callable[[MachineLoop[str, str], Echo], None]:
    def act(loop: MachineLoop[str, str], _machine: Echo) -> None:
        for event in events:
            loop.post(event)

    return act


def test_effects_are_performed_in_order_and_at_once() -> None:
    done, _, _ = run(posting("a", "b"))

    assert done == ["a.1", "a.2", "b.1", "b.2"]


def test_event_posted_by_an_effect_waits_for_the_effects_at_hand() -> None:
    done, _, _ = run(posting("a"), answer={"a.1": "b"})

    assert done == ["a.1", "a.2", "b.1", "b.2"]


def test_machine_is_woken_at_its_deadline_and_not_before() -> None:
    begun = clock.now()

    _, bugs, machine = run(posting("later"), seconds=0.15)

    assert bugs == []
    assert len(machine.woken_at) == 1
    assert 30 <= machine.woken_at[0] - begun < 140


def test_deadline_that_was_put_off_does_not_wake_early() -> None:
    def act(loop: MachineLoop[str, str], machine: Echo) -> None:
        loop.post("later")
        machine.deadline += 40
        loop.post("a")

    begun = clock.now()
    _, bugs, machine = run(act, seconds=0.2)

    assert bugs == []
    assert [at - begun >= 70 for at in machine.woken_at] == [True]


def test_deadline_that_was_brought_forward_wakes_earlier() -> None:
    def act(loop: MachineLoop[str, str], machine: Echo) -> None:
        machine.deadline = clock.now() + 10_000
        loop.post("a")
        loop.post("later")

    _, _, machine = run(act, seconds=0.15)

    assert len(machine.woken_at) == 1


def test_bug_ends_the_loop_and_tells_the_last_events() -> None:
    done, bugs, _ = run(posting("a", "bug", "b"))

    assert done == ["a.1", "a.2"]
    assert len(bugs) == 1
    assert "'a'" in str(bugs[0])
    assert "'bug'" in str(bugs[0])
    assert isinstance(bugs[0].__cause__, ValueError)


def test_machine_whose_deadline_never_leaves_the_past_is_a_bug() -> None:
    def act(loop: MachineLoop[str, str], machine: Echo) -> None:
        machine.sulk = True
        loop.post("later")

    _, bugs, machine = run(act, seconds=0.3)

    assert len(bugs) == 1
    assert len(machine.woken_at) <= WAKES_MAX + 1


def test_bug_in_a_real_process_ends_it_with_a_log_line() -> None:
    program = """
import asyncio
from ninefold.host.loop import MachineLoop
class Machine:
    deadline = 2**63 - 1
    def step(self, now, event):
        raise ValueError("one of ours")
async def main():
    MachineLoop(asyncio.get_running_loop(), Machine(), print, woke=None).post("event")
    print("still here")
asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == EXIT_BUG
    assert "still here" not in ended.stdout
    assert "one of ours" in ended.stderr
    assert "Machine failed" in ended.stderr


@pytest.fixture
def untamed() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("untamed")
def test_garbage_is_collected_only_while_nothing_happens() -> None:
    tame_gc()
    collected: list[bool] = []

    async def main() -> None:
        machine = Echo()
        loop = MachineLoop(asyncio.get_running_loop(), machine, lambda _: None, woke=WOKE)
        loop.post("a")
        collected.append(loop.collect_if_idle())
        await asyncio.sleep(0.05)
        collected.append(loop.collect_if_idle())
        machine.deadline = clock.now() + 5
        collected.append(loop.collect_if_idle())
        loop.close()

    asyncio.run(main())

    assert collected == [False, True, False]
    assert gc.get_freeze_count() > 0
