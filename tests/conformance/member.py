"""One member of a conformance test: a back end, what it was told, and its part in the barrier.

It answers every regular configuration with an annex, as a node does, and writes down what the layers above
would see. The same machine runs in virtual time and, by `driver`, on the lab's hosts.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from ninefold.corosync import events as co
from ninefold.quorum import events as quorum
from ninefold.totem import events as totem

if TYPE_CHECKING:
    from ninefold.core.ids import RingId
    from ninefold.core.instants import Instant
    from ninefold.node.backend import Backend

GROUP = "conformance"
VOTES = "votes"
PID = 7


class Seen(msgspec.Struct, frozen=True):
    """What a member was told. `ring` is the one it was in or entered; `what` names the kind.

    got: `who` sent `text`, which is short, or the size and digest of what is not. transitional, regular,
    active: `nodes` are its members. joined, left: `who` for the reason `text`. quorum: `text`.
    """

    what: str
    ring: tuple[int, int]
    who: int = 0
    text: str = ""
    nodes: tuple[int, ...] = ()


def shown(payload: bytes) -> str:
    """Return a payload as the log shows it."""
    if len(payload) <= 40:
        return payload.decode()
    return f"{len(payload)}:{hashlib.sha256(payload).hexdigest()[:16]}"


class Member:
    """A machine around a back end: its requests go out, everything else is written down."""

    def __init__(self, me: int, backend: Backend) -> None:
        self.me = me
        self.backend = backend
        self.log: list[Seen] = []
        self._ring = (0, 0)
        self._pending: deque[totem.Effect | co.Request] = deque()

    @property
    def deadline(self) -> Instant:
        return min(self.backend.messaging.deadline, self.backend.voting.deadline)

    def step(self, now: Instant, event: totem.Event | co.Report) -> list[totem.Effect | co.Request]:
        out: list[totem.Effect | co.Request] = []
        if isinstance(event, totem.Started):
            self._put(now, totem.Joined(GROUP, PID))
            self._put(now, totem.Joined(VOTES, PID))
        if isinstance(event, totem.Woke) and self.backend.voting.deadline <= now:
            self._voted(now, quorum.Woke())
        if isinstance(event, co.Report):
            self._pending.extend(self.backend.report(now, event))
        else:
            self._put(now, event)
        while self._pending:
            self._take(now, self._pending.popleft(), out)
        return out

    def _put(self, now: Instant, event: totem.Event) -> None:
        self._pending.extend(self.backend.messaging.step(now, event))

    def _take(
        self, now: Instant, effect: totem.Effect | co.Request, out: list[totem.Effect | co.Request]
    ) -> None:
        match effect:
            case totem.RingChanged(kind, ring, members):
                if kind is totem.ConfigurationKind.TRANSITIONAL:
                    self._note("transitional", nodes=members)
                    self._voted(now, quorum.RingLost())
                    return
                self._ring = (ring.seq, ring.representative)
                self._note("regular", nodes=members)
                annexes = {"who": str(self.me).encode(), "quorum": self.backend.voting.info()}
                self._put(now, totem.Synchronize(ring, annexes))
            case totem.Activated(ring, members, _, _, annexes):
                who = ",".join(annexes[node]["who"].decode() for node in sorted(annexes))
                self._note("active", text=who, nodes=members)
                self._activated(now, ring, members, annexes)
            case totem.Delivered(group, sender, payload):
                if group == VOTES:
                    self._voted(now, quorum.InfoReceived(sender.node, payload))
                else:
                    self._note("got", who=sender.node, text=shown(payload))
            case totem.GroupChanged(group, _, joined, left):
                if group == GROUP:
                    for member, reason in joined:
                        self._note("joined", who=member.node, text=reason.name)
                    for member, reason in left:
                        self._note("left", who=member.node, text=reason.name)
            case totem.LinkChanged() | totem.Noted():
                pass
            case _:
                out.append(effect)

    def _activated(
        self,
        now: Instant,
        ring: RingId,
        members: tuple[int, ...],
        annexes: dict[int, dict[str, bytes]],
    ) -> None:
        infos = {node: annex["quorum"] for node, annex in annexes.items()}
        self._voted(now, quorum.Synced(ring, members, infos))

    def _voted(self, now: Instant, event: quorum.Event) -> None:
        for effect in self.backend.voting.step(now, event):
            match effect:
                case quorum.Verdict():
                    self._note("quorum", text="yes" if effect.quorate else "no")
                case quorum.SendInfo(data):
                    self._put(now, totem.Submitted(VOTES, PID, data))
                case quorum.SaveExpected():
                    pass
                case quorum.Refused():
                    raise AssertionError(effect)

    def _note(
        self, what: str, *, who: int = 0, text: str = "", nodes: tuple[int, ...] = ()
    ) -> None:
        self.log.append(Seen(what, self._ring, who, text, nodes))
