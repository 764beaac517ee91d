"""The fencer, situation by situation."""

from __future__ import annotations

import random

from ninefold.agents.model import OpStatus, Outcome
from ninefold.core.instants import NEVER
from ninefold.fencing.capabilities import Capabilities
from ninefold.fencing.devices import Device, HostCheck
from ninefold.fencing.events import (
    AgentEnded,
    Cancel,
    Effect,
    Fence,
    FenceDone,
    Prepare,
    RunFenceAgent,
    Woke,
)
from ninefold.fencing.machine import LOST_ANSWER_MS, RETRY_PAUSE_MS, Fencer

FULL = Capabilities("plug", ("off", "on", "reboot", "status", "list"))
OK = Outcome(0, OpStatus.DONE)
PLUG_OFF = Outcome(2, OpStatus.DONE)
FAILED = Outcome(1, OpStatus.DONE, "connection refused")
METADATA = (
    '<resource-agent name="fence_x"><parameters><parameter name="port"/></parameters><actions>'
    '<action name="on"/><action name="off"/><action name="status"/></actions></resource-agent>'
)


def fencer() -> Fencer:
    return Fencer(random.Random(0), {"fence_x": FULL})


def device(name: str = "d", **more: object) -> Device:
    return Device(name, "fence_x", host_map={"n1": "p1", "n2": "p2"}, **more)  # type: ignore[arg-type]


def called(effects: list[Effect]) -> list[str]:
    """Render effects: `device action plug`, or the verdict."""
    lines = []
    for effect in effects:
        match effect:
            case RunFenceAgent(_, call):
                plug = call.parameters.get("plug", call.parameters.get("port", ""))
                lines.append(f"{call.resource} {call.action} {plug}".rstrip())
            case FenceDone():
                lines.append(
                    f"{effect.target} {'ok' if effect.ok else 'failed'} {effect.device}".rstrip()
                )
    return lines


def test_reboot_by_a_device_that_can_is_one_call() -> None:
    machine = fencer()

    assert called(machine.step(0, Fence(1, "n1", "reboot", ((device(),),)))) == ["d reboot p1"]
    assert called(machine.step(50, AgentEnded(1, OK))) == ["n1 ok d"]
    assert machine.idle


def test_two_supplies_are_both_off_before_any_is_on_and_the_answer_comes_between() -> None:
    machine = fencer()
    level = (device("a"), device("b"))

    assert called(machine.step(0, Fence(1, "n1", "reboot", (level,)))) == ["a off p1"]
    assert called(machine.step(1, AgentEnded(1, OK))) == ["b off p1"]
    assert called(machine.step(2, AgentEnded(2, OK))) == ["n1 ok a,b", "a on p1"]
    assert called(machine.step(3, AgentEnded(3, FAILED))) == []  # tried again after a pause
    assert called(machine.step(3 + RETRY_PAUSE_MS, Woke())) == ["a on p1"]
    assert called(machine.step(600, AgentEnded(4, FAILED))) == ["b on p1"]
    assert called(machine.step(601, AgentEnded(5, OK))) == []
    assert machine.idle


def test_device_without_reboot_is_switched_off_and_on() -> None:
    machine = Fencer(random.Random(0), {"fence_x": Capabilities("port", ("off", "on"))})

    assert called(machine.step(0, Fence(1, "n1", "reboot", ((device(),),)))) == ["d off p1"]
    assert called(machine.step(1, AgentEnded(1, OK))) == ["n1 ok d", "d on p1"]


def test_failed_level_gives_way_to_the_next_after_its_tries() -> None:
    machine = fencer()
    levels = ((device("ipmi"),), (device("pdu"),))

    machine.step(0, Fence(1, "n1", "off", levels))
    assert called(machine.step(10, AgentEnded(1, FAILED))) == []
    assert machine.deadline == 10 + RETRY_PAUSE_MS
    assert called(machine.step(510, Woke())) == ["ipmi off p1"]
    assert called(machine.step(520, AgentEnded(2, FAILED))) == ["pdu off p1"]
    assert called(machine.step(530, AgentEnded(3, OK))) == ["n1 ok pdu"]


def test_when_every_level_failed_the_reason_names_each() -> None:
    machine = fencer()
    once = {"off": 1}
    levels = ((device("ipmi", tries=once),), (device("pdu", tries=once),))

    machine.step(0, Fence(1, "n1", "off", levels))
    machine.step(1, AgentEnded(1, FAILED))
    effects = machine.step(2, AgentEnded(2, Outcome(1, OpStatus.TIMEOUT, "did not end")))

    assert effects == [
        FenceDone(1, "n1", False, "ipmi off: connection refused; pdu off: did not end", "")
    ]


def test_half_of_a_level_proves_nothing() -> None:
    machine = fencer()
    level = (device("a"), device("b", tries={"off": 1}))

    machine.step(0, Fence(1, "n1", "off", (level,)))
    machine.step(1, AgentEnded(1, OK))
    assert called(machine.step(2, AgentEnded(2, FAILED))) == ["n1 failed"]


def test_plug_still_on_after_off_is_no_success() -> None:
    machine = fencer()
    careful = device(verify=True, tries={"off": 1, "status": 1})

    machine.step(0, Fence(1, "n1", "off", ((careful,),)))
    assert called(machine.step(1, AgentEnded(1, OK))) == ["d status p1"]
    assert called(machine.step(2, AgentEnded(2, OK))) == ["n1 failed"]


def test_verified_off_is_a_success() -> None:
    machine = fencer()

    machine.step(0, Fence(1, "n1", "off", ((device(verify=True),),)))
    machine.step(1, AgentEnded(1, OK))
    assert called(machine.step(2, AgentEnded(2, PLUG_OFF))) == ["n1 ok d"]


def test_delay_is_waited_before_the_first_shot() -> None:
    machine = fencer()

    effects = machine.step(0, Fence(1, "n1", "off", ((device(delay_base_ms=700),),), delay_ms=300))
    assert not effects
    assert machine.deadline == 300
    assert not machine.step(300, Woke())
    assert machine.deadline == 1000
    assert called(machine.step(1000, Woke())) == ["d off p1"]


def test_delay_that_is_as_long_as_the_timeout_leaves_the_device_its_time() -> None:
    machine = fencer()
    slow = device(delay_base_ms=60_000)

    order = Fence(1, "n1", "off", ((slow,),), delay_ms=60_000, timeout_ms=60_000)
    assert not machine.step(0, order)
    assert not machine.step(60_000, Woke())
    (effect,) = machine.step(120_000, Woke())

    assert isinstance(effect, RunFenceAgent)
    assert effect.call.timeout_ms == 60_000


def test_retries_stop_when_the_devices_time_is_up() -> None:
    machine = fencer()
    slow = device(timeouts_ms={"off": 2000}, tries={"off": 9})

    machine.step(0, Fence(1, "n1", "off", ((slow,),)))
    assert not machine.step(1000, AgentEnded(1, FAILED))
    effects = machine.step(1500, Woke())
    assert isinstance(effects[0], RunFenceAgent)
    assert effects[0].call.timeout_ms == 500  # only what is left
    assert called(machine.step(1900, AgentEnded(2, FAILED))) == ["n1 failed"]


def test_late_wake_up_after_the_devices_time_fails_cleanly() -> None:
    machine = fencer()

    machine.step(0, Fence(1, "n1", "off", ((device(timeouts_ms={"off": 2000}),),)))
    machine.step(1000, AgentEnded(1, FAILED))
    assert called(machine.step(99_000, Woke())) == ["n1 failed"]


def test_orders_timeout_ends_it_and_a_late_success_counts_for_nothing() -> None:
    machine = fencer()

    machine.step(0, Fence(1, "n1", "off", ((device(),),), timeout_ms=5000))
    assert called(machine.step(5000, Woke())) == ["n1 failed"]
    assert not machine.step(5001, AgentEnded(1, OK))
    assert machine.idle


def test_lost_answer_is_a_failure_in_the_end() -> None:
    machine = fencer()

    machine.step(0, Fence(1, "n1", "off", ((device(timeouts_ms={"off": 1000}),),)))
    assert machine.deadline == 1000 + LOST_ANSWER_MS
    assert called(machine.step(machine.deadline, Woke())) == ["n1 failed"]


def test_second_order_for_a_target_waits_and_power_does_not_come_back_before_it() -> None:
    machine = fencer()
    level = (device("a"), device("b"))

    machine.step(0, Fence(1, "n1", "reboot", (level,)))
    machine.step(1, AgentEnded(1, OK))
    assert not machine.step(2, Fence(2, "n1", "off", ((device("a"),),)))
    assert called(machine.step(3, AgentEnded(2, OK))) == ["n1 ok a,b", "a off p1"]
    assert called(machine.step(4, AgentEnded(3, OK))) == ["n1 ok a"]


def test_waiting_order_begins_when_the_one_before_it_runs_out_of_time() -> None:
    machine = fencer()
    shared, other = device("a", timeouts_ms={"off": 700}), device("b")

    machine.step(0, Fence(1, "n1", "off", ((shared,),)))
    machine.step(1, AgentEnded(1, FAILED))
    machine.step(2, Fence(2, "n2", "off", ((shared,),)))
    machine.step(3, Fence(3, "n1", "off", ((other,),)))
    machine.step(1 + RETRY_PAUSE_MS, Woke())  # the device is busy with the other target

    assert called(machine.step(800, AgentEnded(2, OK))) == ["n2 ok a", "n1 failed", "b off p1"]
    assert called(machine.step(801, AgentEnded(3, OK))) == ["n1 ok b"]


def test_device_shared_by_two_targets_is_called_for_one_at_a_time() -> None:
    machine = fencer()

    assert called(machine.step(0, Fence(1, "n1", "off", ((device(),),)))) == ["d off p1"]
    assert not machine.step(0, Fence(2, "n2", "off", ((device(),),)))
    assert called(machine.step(1, AgentEnded(1, OK))) == ["n1 ok d", "d off p2"]


def test_same_order_twice_is_one() -> None:
    machine = fencer()
    order = Fence(1, "n1", "off", ((device(),),))

    machine.step(0, order)
    assert not machine.step(1, order)


def test_no_device_is_a_failure_at_once() -> None:
    assert called(fencer().step(0, Fence(1, "n1", "off", ()))) == ["n1 failed"]


def test_device_is_asked_whether_it_knows_the_target() -> None:
    machine = fencer()
    asked = Device("d", "fence_x", host_check=HostCheck.DYNAMIC_LIST)

    assert called(machine.step(0, Fence(1, "n1", "off", ((asked,),)))) == ["d list n1"]
    listed = Outcome(0, OpStatus.DONE, output="n2,\nn1,\n")
    assert called(machine.step(1, AgentEnded(1, listed))) == ["d off n1"]


def test_device_that_does_not_list_the_target_is_not_fired() -> None:
    machine = fencer()
    asked = Device("d", "fence_x", host_check=HostCheck.DYNAMIC_LIST)

    machine.step(0, Fence(1, "n1", "off", ((asked,),)))
    effects = machine.step(1, AgentEnded(1, Outcome(0, OpStatus.DONE, output="n11,\n")))
    assert effects == [FenceDone(1, "n1", False, "d list: it does not list the target", "")]


def test_unknown_agent_is_first_asked_what_it_can_do() -> None:
    machine = Fencer(random.Random(0))

    assert called(machine.step(0, Fence(1, "n1", "reboot", ((device(),),)))) == ["d metadata"]
    told = Outcome(0, OpStatus.DONE, output=METADATA)
    assert called(machine.step(1, AgentEnded(1, told))) == ["d off p1"]


def test_agent_that_will_not_say_what_it_can_do_is_tried_all_the_same() -> None:
    machine = Fencer(random.Random(0))

    machine.step(0, Fence(1, "n1", "reboot", ((device(),),)))
    assert called(machine.step(1, AgentEnded(1, FAILED))) == ["d reboot p1"]


def test_prepared_agent_is_not_asked_again() -> None:
    machine = Fencer(random.Random(0))

    assert called(machine.step(0, Prepare((device(), device("e"))))) == ["d metadata"]
    machine.step(1, AgentEnded(1, Outcome(0, OpStatus.DONE, output=METADATA)))
    assert machine.deadline == NEVER
    assert called(machine.step(2, Fence(1, "n1", "off", ((device(),),)))) == ["d off p1"]


def test_after_a_cancel_the_target_waits_for_the_call_that_still_runs() -> None:
    machine = fencer()

    machine.step(0, Fence(1, "n1", "on", ((device("a"),),)))
    machine.step(1, Cancel(1))
    assert not machine.step(2, Fence(2, "n1", "off", ((device("b"),),)))
    assert called(machine.step(3, AgentEnded(1, OK))) == ["b off p1"]


def test_device_speaks_its_own_word_for_an_action() -> None:
    machine = fencer()
    own = device(actions={"reboot": "cycle"})

    assert called(machine.step(0, Fence(1, "n1", "reboot", ((own,),)))) == ["d cycle p1"]
