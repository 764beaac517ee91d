"""Operators' requests: what each does, and what it is answered.

A change is answered when a majority of the members has it on disk; a status when the engine has
looked at the present document. Who asked is recorded with every change.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from ninefold.cib.carried import brought_in
from ninefold.cib.document import parse_xml
from ninefold.cib.model import ReplaceConfiguration, SetNodeState, SetTransientAttribute
from ninefold.controller import requests as rq
from ninefold.controller.events import (
    Answer,
    Decide,
    Effect,
    Halted,
    Happened,
    LeaveRing,
    Requested,
)
from ninefold.controller.messages import FenceReport
from ninefold.controller.replica import refuse
from ninefold.controller.status import report
from ninefold.fencing.topology import read_fencing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.controller.direction import Direction
    from ninefold.controller.replica import Replica
    from ninefold.controller.situation import Situation
    from ninefold.core.ids import NodeId
    from ninefold.scheduler.model import Transition


# What a name may be made of, so that it stands in XML and in an agent's shell without harm.
_ATTRIBUTE: Final = re.compile(r"[A-Za-z0-9_#][A-Za-z0-9_.:#%@+-]{0,254}")

# The cluster's own: these have their commands, which also check what they do.
_OWN: Final = ("terminate", "shutdown")


class Accepted(msgspec.Struct, frozen=True):
    """The request is on its way; `text` says what will happen."""

    text: str


class CibText(msgspec.Struct, frozen=True):
    """The document as XML."""

    version: str
    xml: str


class Door:
    """Answers what comes in."""

    def __init__(
        self,
        situation: Situation,
        replica: Replica,
        direction: Direction,
        *,
        busy: Callable[[], bool],
        tell: Callable[[FenceReport], Effect],
    ) -> None:
        """`busy` says whether anything runs, or may run, here; `tell` spreads a report of fencing."""
        self._busy = busy
        self._tell = tell
        self._situation = situation
        self._replica = replica
        self._direction = direction
        self._asking: list[int] = []

    def on_request(self, event: Requested) -> list[Effect]:
        """Take a request."""
        try:
            request = rq.decode(event.body)
        except rq.MalformedRequest as error:
            return [refuse(event.request, "malformed", f"The request cannot be read: {error}.")]
        match request:
            case rq.ShowStatus():
                return self._status(event.request)
            case rq.ShowCib():
                cib = self._direction.context()
                body = rq.encode(CibText(str(cib.version), cib.to_xml().decode()))
                return [Answer(event.request, ok=True, body=body)]
            case rq.ChangeCib(change, why):
                text = why or type(change).__name__
                cause = self._situation.cause(event.user, text)
                if not self._situation.members:
                    return [refuse(event.request, "no-ring", "The ring has not formed yet.")]
                if isinstance(change, ReplaceConfiguration) and (half := self._half(change)):
                    return [refuse(event.request, "not-carried-out", *half)]
                return self._replica.propose(change, cause, event.request)
            case rq.FenceNode(node, why):
                return self._fence(event, node, why)
            case rq.DeclareDead(node, confirmed):
                return self._declare_dead(event, node, confirmed=confirmed)
            case rq.SetAttribute():
                return self._set_attribute(event, request)
            case rq.StopNode():
                body = rq.encode(Accepted("resources move away, then this node leaves"))
                answer = Answer(event.request, ok=True, body=body)
                return [answer, *self.stop(f"{event.user} asked to stop this node")]
            case _:
                assert_never(request)

    def _half(self, change: ReplaceConfiguration) -> list[str]:
        """Say what a new configuration would bring in that could only be carried out by half."""
        root, _ = parse_xml(change.xml)
        if root is None:
            return []  # the replica says what is wrong with it
        new = root if root.tag == "configuration" else root.find("configuration")
        if new is None:
            return []
        found = brought_in(new, self._replica.working.configuration)
        return [f"{one.sentence} {one.remedy}" for one in found]

    def _status(self, request: int) -> list[Effect]:
        self._asking.append(request)
        if len(self._asking) > 1:
            return []
        cib = self._direction.context()
        return [Decide(cib.version, cib, self._situation.wall, 0)]

    def on_decided(self, transition: Transition) -> list[Effect]:
        """Answer those who asked for the status."""
        if not self._asking:
            return []
        direction = self._direction
        work = direction.work if self._situation.am_dc else None
        status = report(self._situation, self._replica, transition, idle=direction.idle, work=work)
        body = rq.encode(status)
        answers: list[Effect] = [Answer(request, ok=True, body=body) for request in self._asking]
        self._asking = []
        return answers

    def _node_id(self, name: str) -> NodeId | None:
        names = {**self._situation.expected_nodes, **self._replica.working.node_names()}
        return next((node for node, known in sorted(names.items()) if known == name), None)

    def _fence(self, event: Requested, name: str, why: str) -> list[Effect]:
        node = self._node_id(name)
        if node is None:
            return [self._unknown(event.request, name)]
        if not self._situation.quorate:
            text = "This partition has no quorum, so it may not fence."
            return [refuse(event.request, "no-quorum", text)]
        state = self._replica.working.node_state(node)
        gone = state is not None and state.expected == "down" and not state.in_ccm
        if gone and node not in self._situation.members:
            text = f"{name} has left cleanly or was fenced already: nothing would be done to it."
            return [refuse(event.request, "down-already", text)]
        fencing = read_fencing(self._replica.working.configuration)
        if not fencing.enabled:
            text = "Fencing is switched off: 'ninefold cib property stonith-enabled true' first."
            return [refuse(event.request, "fencing-disabled", text)]
        if not fencing.levels(name):
            text = f"No fence device covers {name}, so it cannot be fenced. Name it in a device's pcmk_host_list."
            return [refuse(event.request, "no-fence-device", text)]
        cause = self._situation.cause(event.user, why or f"fence {name}")
        return self._replica.propose(
            SetTransientAttribute(node, "terminate", "true"), cause, event.request
        )

    def _set_attribute(self, event: Requested, request: rq.SetAttribute) -> list[Effect]:
        situation = self._situation
        node = self._node_id(request.node) if request.node else situation.me
        if node is None:
            return [self._unknown(event.request, request.node)]
        if not situation.members:
            return [refuse(event.request, "no-ring", "The ring has not formed yet.")]
        if not _ATTRIBUTE.fullmatch(request.name) or request.name in _OWN:
            text = f"{request.name!r} is no name for an attribute that may be set."
            return [refuse(event.request, "bad-name", text)]
        value = "removed" if request.value is None else request.value
        cause = situation.cause(event.user, request.why or f"{request.name}: {value}")
        change = SetTransientAttribute(node, request.name, request.value)
        return self._replica.propose(change, cause, event.request)

    def _declare_dead(self, event: Requested, name: str, *, confirmed: bool) -> list[Effect]:
        situation = self._situation
        node = self._node_id(name)
        if node is None:
            return [self._unknown(event.request, name)]
        if node in situation.members:
            text = f"{name} is a member of this partition: it is alive. Fence or stop it instead."
            return [refuse(event.request, "alive", text)]
        if not situation.quorate:
            text = "This partition has no quorum: the other side may be running everything."
            return [refuse(event.request, "no-quorum", text)]
        if not self._replica.settled:
            text = f"The ring is forming anew; {name} may be about to join. Try again in a moment."
            return [refuse(event.request, "forming", text)]
        if not confirmed:
            text = (
                f"Nothing checks this word. If {name} still runs anything, its data will be damaged. "
                f"Make sure that it is powered off, then confirm."
            )
            return [refuse(event.request, "unconfirmed", text)]
        reason = f"declared dead by {event.user}"
        by = f"the word of {event.user}"
        since = situation.ring.seq
        word = FenceReport(
            node, name, ok=True, by=by, reason=reason, since=since, at=situation.wall
        )
        body = rq.encode(Accepted(f"{name} counts as powered off, unless it joins first"))
        return [
            Happened("declared-dead", f"{name} was {reason}", {"node": name, "who": event.user}),
            self._tell(word),
            Answer(event.request, ok=True, body=body),
        ]

    def _unknown(self, request: int, name: str) -> Answer:
        names = {**self._situation.expected_nodes, **self._replica.working.node_names()}
        known = ", ".join(names[node] for node in sorted(names))
        return refuse(request, "unknown-node", f"There is no node {name}; there are {known}.")

    # Leaving.

    def stop(self, why: str) -> list[Effect]:
        """Ask the cluster to let this node go."""
        situation = self._situation
        if situation.stopping:
            return []
        situation.stopping = True
        happened = Happened("stopping", why)
        if not situation.members:
            return [happened, *self.leave()]
        return [happened, *self.ask_to_stop()]

    def ask_to_stop(self) -> list[Effect]:
        """Ask in the present ring; a request made in an earlier one may be gone with it."""
        situation = self._situation
        if not situation.stopping or situation.leaving:
            return []
        if not situation.formed and not situation.quorate and not self._busy():
            # Nobody decides, so nobody would answer, and nothing was started. It goes without a
            # goodbye: what an earlier daemon had started may run here, and nobody has looked.
            return self.leave()
        change = SetNodeState(situation.me, situation.name, shutdown=situation.wall)
        cause = situation.cause("cluster", f"{situation.name} wants to stop")
        return self._replica.propose(change, cause)

    def say_goodbye(self) -> list[Effect]:
        """Nothing runs here any more: tell everybody, and leave when that has come back."""
        situation = self._situation
        # The request has been carried out: left standing it would say of an absent node that it is
        # leaving, and a cluster that starts without it would not fence it.
        change = SetNodeState(
            situation.me,
            situation.name,
            in_ccm=False,
            crmd="offline",
            join="down",
            expected="down",
            shutdown=0,
        )
        cause = situation.cause("cluster", f"{situation.name} leaves")
        return self._replica.propose(change, cause)

    def leave(self) -> list[Effect]:
        """Leave the ring."""
        if self._situation.leaving:
            return []
        self._situation.leaving = True
        return [LeaveRing(), Halted()]
