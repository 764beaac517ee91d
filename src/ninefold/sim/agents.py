"""Resources and fence devices as the virtual world has them: state, durations, scripted faults.

A resource is active on a host or not, whatever any document says; that is the ground truth the
checkers look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import OpStatus, Outcome, Rc

if TYPE_CHECKING:
    import random

    from ninefold.agents.model import Call
    from ninefold.core.instants import Millis

# How long agents take: a shell script that does little, on a machine that does little.
QUICK_MS = (5, 30)

# A slow agent takes this share of its timeout.
SLOW_PERCENT = 80

# A resource leaves alive from where it runs, and has arrived where it runs.
MIGRATIONS = ("migrate_to", "migrate_from")

# An exit code that means nothing, and more words than anybody wants to read (the runner cuts them).
WRONG_RC = 77
FLOOD = "x" * 200

FENCE_METADATA = """<?xml version="1.0"?>
<resource-agent name="fence_sim" shortdesc="The virtual power switch">
  <parameters>
    <parameter name="action"><content type="string" default="reboot"/></parameter>
    <parameter name="plug" required="1"><content type="string"/></parameter>
  </parameters>
  <actions>
    <action name="on" automatic="0"/><action name="off"/><action name="reboot"/>
    <action name="status"/><action name="list"/><action name="monitor"/><action name="metadata"/>
  </actions>
</resource-agent>
"""


class Fault(msgspec.Struct):
    """A scripted fault of one resource on one host: which action, and how it goes wrong.

    `how` is `fails` (exit code 1, nothing done), `half` (exit code 1, yet done), `hangs` (done, but
    the agent does not return before its timeout), `slow` (right, but takes most of its timeout),
    `wrong` (an exit code that no contract knows, nothing done), `flood` (fails, and says very much),
    `missing` (it is not installed there), `flaps` (fails every other time) or `lies` (claims success, nothing
    done). The action `*` is every one.
    """

    resource: str
    action: str
    how: str
    calls: int = 0


class Resources:
    """What runs on one host."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.active: dict[str, bool] = {}
        self.promoted: dict[str, bool] = {}
        self.faults: list[Fault] = []

    def is_active(self, resource: str) -> bool:
        """Does it run here?"""
        return self.active.get(resource, False)

    def is_promoted(self, resource: str) -> bool:
        """Is it promoted here?"""
        return self.promoted.get(resource, False)

    def end(self, resource: str) -> None:
        """Let its process be gone."""
        self.active[resource] = False
        self.promoted.pop(resource, None)

    def running(self) -> list[str]:
        """Return what runs here, sorted."""
        return sorted(name for name, active in self.active.items() if active)

    def begin(self, call: Call) -> tuple[Millis, Outcome]:
        """Return how long the call takes and what comes of it; `finish` makes it so."""
        duration = self._rng.randint(*QUICK_MS)
        self._count(call)
        fault = self._fault(call)
        if fault == "hangs":
            reason = f"killed after {call.timeout_ms} ms"
            return call.timeout_ms, Outcome(Rc.ERROR, OpStatus.TIMEOUT, reason)
        if fault == "wrong":
            return duration, Outcome(
                WRONG_RC, OpStatus.DONE, "exit code 77 is none of the contract"
            )
        if fault == "missing":
            return duration, Outcome(Rc.INSTALLED, OpStatus.DONE, "it is not installed here")
        if fault == "flood":
            return duration, Outcome(Rc.ERROR, OpStatus.DONE, FLOOD, output=FLOOD * 1000)
        if fault in ("fails", "half"):
            return duration, Outcome(Rc.ERROR, OpStatus.DONE, "the agent says so")
        if fault == "slow":
            duration = call.timeout_ms * SLOW_PERCENT // 100
        if call.action in MIGRATIONS and fault != "lies" and not self.is_active(call.resource):
            return duration, Outcome(Rc.ERROR, OpStatus.DONE, "it does not run here")
        if call.action == "monitor" and fault != "lies":
            rc = Rc.OK if self.is_active(call.resource) else Rc.NOT_RUNNING
            if self.is_promoted(call.resource):
                rc = Rc.RUNNING_PROMOTED
            return duration, Outcome(rc, OpStatus.DONE)
        return duration, Outcome(Rc.OK, OpStatus.DONE)

    def finish(self, call: Call, outcome: Outcome) -> None:
        """Let a call that ended take effect.

        The worst case of each: a start that hung has started it, a stop that hung has not stopped it.
        """
        fault = self._fault(call)
        good = outcome.status is OpStatus.DONE and outcome.rc == Rc.OK and fault != "lies"
        half = not good and fault in ("half", "hangs")
        if call.action == "start" and (good or half):
            self.active[call.resource] = True
        elif call.action == "stop" and good:
            self.end(call.resource)
        elif call.action == "promote" and (good or half) and self.is_active(call.resource):
            self.promoted[call.resource] = True
        elif call.action == "demote" and good:
            self.promoted.pop(call.resource, None)

    def departs(self, call: Call, outcome: Outcome) -> bool:
        """Whether a migrate_to that ended has sent what it names away, whatever it says of itself."""
        fault = self._fault(call)
        good = outcome.status is OpStatus.DONE and outcome.rc == Rc.OK and fault != "lies"
        done = good or fault in ("half", "hangs")
        return call.action == "migrate_to" and done and self.is_active(call.resource)

    def _count(self, call: Call) -> None:
        for fault in self.faults:
            fault.calls += _meets(fault, call)

    def _fault(self, call: Call) -> str:
        for fault in self.faults:
            if _meets(fault, call):
                if fault.how == "flaps":
                    return "fails" if fault.calls % 2 else ""
                return fault.how
        return ""


def _meets(fault: Fault, call: Call) -> bool:
    return fault.resource == call.resource and fault.action in (call.action, "*")
