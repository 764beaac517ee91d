"""What has to be done with the devices of one level: a list of steps, and how each is judged.

Several devices of a level switch one node's several supplies: all off before any on, or the node
would never be without power. The same holds for a device that has no reboot of its own.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.agents.model import OpStatus, Outcome, Rc
from ninefold.fencing.capabilities import Capabilities, host_check, lists
from ninefold.fencing.devices import Device, HostCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Exit code of `status` for "the device answers, and the plug is off" (FenceAgentAPI).
PLUG_OFF: Final = 2


class Task(Enum):
    """What a step is for. Only SILENCE proves anything about the target."""

    LIST = "ask the device whether it knows the target"
    STATUS = "ask the device for the state of the target's plug"
    SILENCE = "off, or reboot: after its success the target no longer runs what it ran"
    VERIFY = "ask the device whether the plug is really off"
    ON = "power the target again, after it was silenced; its failure is nobody's danger"
    UNFENCE = "power the target because that was the order"


class Step(msgspec.Struct, frozen=True):
    """Call `device` for `action`."""

    device: Device
    task: Task
    action: str


def steps(
    level: tuple[Device, ...], action: str, able: Mapping[str, Capabilities]
) -> tuple[Step, ...]:
    """Return what `action` takes with the devices of `level`, in order.

    `able` has the capabilities of every agent of the level.
    """
    assert level
    assert action in {"off", "on", "reboot"}
    result = [step for device in level for step in _checks(device, able[device.agent])]
    if action == "on":
        return (*result, *(Step(device, Task.UNFENCE, "on") for device in level))
    if action == "reboot" and len(level) == 1 and able[level[0].agent].can("reboot"):
        return (*result, Step(level[0], Task.SILENCE, "reboot"))
    for device in level:
        result.append(Step(device, Task.SILENCE, "off"))
        if device.verify:
            result.append(Step(device, Task.VERIFY, "status"))
    if action == "reboot":
        result += [
            Step(device, Task.ON, "on")
            for device in level
            if able[device.agent].can("on") and not able[device.agent].on_automatic
        ]
    return tuple(result)


def _checks(device: Device, able: Capabilities) -> Iterator[Step]:
    """Ask the device first, where the configuration does not say whether it knows the target."""
    match host_check(device, able):
        case HostCheck.DYNAMIC_LIST:
            yield Step(device, Task.LIST, "list")
        case HostCheck.STATUS:
            yield Step(device, Task.STATUS, "status")
        case HostCheck.STATIC_LIST | HostCheck.NONE | HostCheck.AUTO:
            return


def succeeded(step: Step, target: str, outcome: Outcome) -> bool:
    """Judge a step: only what the device itself reported counts. A timeout is a failure."""
    if outcome.status is not OpStatus.DONE:
        return False
    match step.task:
        case Task.LIST:
            return outcome.rc == Rc.OK and lists(outcome.output, step.device.plug(target))
        case Task.STATUS:
            return outcome.rc in {Rc.OK, PLUG_OFF}
        case Task.VERIFY:
            return outcome.rc == PLUG_OFF
        case Task.SILENCE | Task.ON | Task.UNFENCE:
            return outcome.rc == Rc.OK


def worth_another_try(step: Step, outcome: Outcome) -> bool:
    """Tell whether the same call may answer differently: not if the answer was a plain no."""
    if outcome.status in {OpStatus.NOT_INSTALLED, OpStatus.ERROR_FATAL}:
        return False
    return not (step.task is Task.LIST and outcome.status is OpStatus.DONE and outcome.rc == Rc.OK)


def why_failed(step: Step, outcome: Outcome) -> str:
    """Return one sentence for people."""
    said = outcome.reason or f"exit code {outcome.rc}"
    match step.task:
        case Task.LIST if outcome.status is OpStatus.DONE and outcome.rc == Rc.OK:
            said = "it does not list the target"
        case Task.VERIFY if outcome.status is OpStatus.DONE and outcome.rc == Rc.OK:
            said = "it still reports the plug as on"
        case _:
            pass
    return f"{step.device.id} {step.action}: {said}"
