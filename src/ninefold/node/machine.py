"""The node: what arrives at one machine and goes on to the next.

    packets, timers -> totem -> quorum -> controller -> agents, disk, door

Totem and quorum are this program's own or Corosync's: the node is handed a `Backend` and cannot tell.
Every effect of one machine that is an event of another is delivered before anything later, so the
order in which totem delivers is the order in which the controller sees.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import msgspec

from ninefold.config.reload import both
from ninefold.controller import events as control
from ninefold.controller.conductor import Controller
from ninefold.controller.requests import Refusal, encode
from ninefold.core.findings import Severity
from ninefold.corosync import events as corosync
from ninefold.node import events as ev
from ninefold.node.parcels import Parcels, cut
from ninefold.node.reload import Answered, Promises, ReadFile, Reloads, Say, Take, Told
from ninefold.node.reload_messages import MARK, decode_standing, encode_standing
from ninefold.quorum import events as quorum
from ninefold.totem import events as totem

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.cib.model import Stamp
    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.node.backend import Backend
    from ninefold.node.events import Effect, Event
    from ninefold.node.reload import ReloadEffect

GROUP: Final = "ninefold"
QUORUM_GROUP: Final = "votequorum"

# One process a node: the daemon itself.
PID: Final = 1

_NODES: Final = msgspec.msgpack.Encoder()
_LEFT: Final = msgspec.msgpack.Decoder(list[int])

# Sees what the controller is told before it is told, and what it tells the group: for a simulator's
# checkers, nothing else.
Watch: TypeAlias = "Callable[[control.Event | control.Multicast], None]"


class Node:
    """One cluster node, told the time and what happened, answering with what to do."""

    def __init__(
        self,
        config: ClusterConfig,
        *,
        backend: Backend,
        rng: random.Random,
        stamp: Stamp,
        cib: Cib,
        watch: Watch | None = None,
        started: Sequence[Call] = (),
    ) -> None:
        """`started` is how an earlier daemon on this host has started what may still run."""
        self.config = config
        self._watch = watch
        self.stack = backend.messaging
        self.quorum = backend.voting
        self._report = backend.report
        names = {entry.nodeid: entry.name for entry in config.nodes}
        self.controller = Controller(
            config.local,
            names,
            votes=config.node(config.local).quorum_votes,
            stamp=stamp,
            cib=cib,
            rng=rng,
            started=started,
        )
        self.reloads = Reloads(config)
        # What is handed in at the barrier has changed since: the ring must form anew.
        self._outdated = False
        self._active = self.stack.ring
        # Of the last ring that has synchronised.
        self._members: tuple[NodeId, ...] = ()
        self._parcels = Parcels()
        self._left_cleanly: list[NodeId] = []
        self._pending: deque[totem.Effect | corosync.Request] = deque()
        self._now: Instant = 0
        # Asked for after its own steps only: most packets never reach the controller.
        self._controller_deadline = self.controller.deadline
        # Wake me no later than this. Nothing changes it between two steps.
        self.deadline: Instant = self._earliest()

    def _earliest(self) -> Instant:
        return min(
            self.stack.deadline,
            self.quorum.deadline,
            self._controller_deadline,
            self.reloads.deadline,
        )

    def step(self, now: Instant, event: Event) -> list[Effect]:
        """Take one event at `now`; return effects in the order in which they must be done."""
        self._now = now
        out: list[Effect] = []
        # The commonest come first: a match asks from top to bottom.
        match event:
            case totem.PacketReceived():
                self._totem(event)
            case control.Woke():
                self._wake(out)
            case totem.RingIdSaved() | totem.ProbeAnswered() | totem.KeyEvent():
                self._totem(event)
            case totem.Started():
                self._totem(totem.Joined(GROUP, PID))
                self._totem(totem.Joined(QUORUM_GROUP, PID))
                self._totem(event)
            case (
                corosync.Connected()
                | corosync.ClusterLost()
                | corosync.GroupConfigured()
                | corosync.GroupMessage()
                | corosync.TotemConfigured()
                | corosync.VotesSeen()
                | corosync.LinksSeen()
            ):
                self._pending.extend(self._report(now, event))
            case ev.ReloadAsked(request, user):
                self._reload(self.reloads.asked(now, request, user), out)
            case ev.FileRead(round_, config, findings, file):
                verdict = self.quorum.verdict
                said = self.reloads.read(round_, config, findings, file=file, verdict=verdict)
                self._reload(said, out)
            case _:
                self._control(event, out)
        self._drain(out)
        if self._outdated and self._active == self.stack.ring:
            self._pending.extend(self.stack.reform(now, "the configuration has changed"))
            self._drain(out)
        self.deadline = self._earliest()
        return out

    def _wake(self, out: list[Effect]) -> None:
        if self.stack.deadline <= self._now:
            self._totem(totem.Woke())
            self._drain(out)
        if self.quorum.deadline <= self._now:
            self._quorum(quorum.Woke(), out)
            self._drain(out)
        if self.reloads.deadline <= self._now:
            self._reload(self.reloads.woken(self._now), out)
            self._drain(out)
        if self._controller_deadline <= self._now:
            self._control(control.Woke(), out)

    def _totem(self, event: totem.Event) -> None:
        self._pending.extend(self.stack.step(self._now, event))

    def _drain(self, out: list[Effect]) -> None:
        while self._pending:
            self._from_totem(self._pending.popleft(), out)

    def _from_totem(self, effect: totem.Effect | corosync.Request, out: list[Effect]) -> None:
        match effect:
            case totem.SendPacket() | totem.SaveRingSeq() | totem.SaveKeys() | totem.ProbeKernel():
                out.append(effect)
            case corosync.Connect() | corosync.Multicast() | corosync.Disconnect():
                out.append(effect)
            case totem.Delivered(group, sender, payload):
                self._delivered(group, sender.node, payload, out)
            case totem.RingChanged():
                self._ring_changed(effect, out)
            case totem.Activated():
                self._activated(effect, out)
            case totem.LinkChanged(peer, link, up):
                self._control(control.LinkReported(peer, link, up), out)
                name = self._name(peer)
                word = "up" if up else "down"
                fields = {"peer": name, "link": str(link)}
                out.append(
                    control.Happened(f"link-{word}", f"link {link} to {name} is {word}", fields)
                )
            case totem.Noted(what, text, nodes):
                if what == "leave":
                    # One that was not with us was not counted with either.
                    self._left_cleanly += [node for node in nodes if node in self._members]
                fields = {"nodes": ",".join(self._name(node) for node in nodes)} if nodes else {}
                out.append(control.Happened(what, text, fields))
            case totem.GroupChanged():
                pass
            case _:
                assert_never(effect)

    def _name(self, node: NodeId) -> str:
        return next((e.name for e in self.config.nodes if e.nodeid == node), str(node))

    def _delivered(self, group: str, sender: NodeId, payload: bytes, out: list[Effect]) -> None:
        if group == QUORUM_GROUP and payload.startswith(MARK):
            self._reload(self.reloads.delivered(sender, payload), out)
        elif group == QUORUM_GROUP:
            self._quorum(quorum.InfoReceived(sender, payload), out)
        elif group == GROUP:
            whole = self._parcels.add(sender, payload)
            if whole is not None:
                self._control(control.MessageDelivered(sender, whole), out)

    def _ring_changed(self, change: totem.RingChanged, out: list[Effect]) -> None:
        if change.kind is totem.ConfigurationKind.TRANSITIONAL:
            self._quorum(quorum.RingLost(), out)
            self.reloads.ring_lost()
            self._control(control.Unsettled(change.members), out)
            return
        self._parcels.clear()
        self._outdated = False
        annexes = {
            "quorum": self.quorum.info(),
            "controller": self.controller.annex(),
            "reload": encode_standing(self.reloads.standing),
            "left": _NODES.encode(sorted(set(self._left_cleanly))),
        }
        self._totem(totem.Synchronize(change.ring, annexes))

    def _activated(self, active: totem.Activated, out: list[Effect]) -> None:
        infos = {node: annexes.get("quorum", b"") for node, annexes in active.annexes.items()}
        # A goodbye may have been heard by some only, and all must judge by the same.
        gone = {
            node for found in active.annexes.values() for node in _nodes(found.get("left", b""))
        }
        left = tuple(sorted(gone - set(active.members)))
        self._left_cleanly = []
        event = quorum.Synced(active.ring, active.members, infos, left)
        verdict: quorum.Verdict | None = None
        for effect in self.quorum.step(self._now, event):
            match effect:
                case quorum.Verdict():
                    verdict = effect
                case quorum.SendInfo(data):
                    self._totem(totem.Submitted(QUORUM_GROUP, PID, data))
                case quorum.SaveExpected():
                    out.append(effect)
                case quorum.Refused():
                    raise AssertionError(effect.reason)
                case _:
                    assert_never(effect)
        assert verdict is not None, "quorum gives a verdict at every synchronisation"
        annexes = {node: found.get("controller", b"") for node, found in active.annexes.items()}
        self._control(control.Configured(active.ring, active.members, annexes, verdict), out)
        self._active, self._members = active.ring, active.members
        standings = {
            node: decode_standing(found.get("reload", b""))
            for node, found in active.annexes.items()
        }
        learnt = self.reloads.activated(
            active.ring, active.members, standings, quorate=verdict.quorate
        )
        self._reload(learnt, out)

    def _reload(self, effects: list[ReloadEffect], out: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case ReadFile():
                    out.append(effect)
                case Say(data):
                    self._totem(totem.Submitted(QUORUM_GROUP, PID, data))
                case Promises(configs):
                    self._quorum(quorum.Promised(configs), out)
                    heard = self.config
                    for config in configs:
                        heard = both(heard, config)
                    self._pending.extend(self.stack.reconfigure(self._now, heard))
                case Take(config):
                    self._take(config, out)
                case Answered():
                    out.append(_answer(effect))
                case Told(text, what):
                    out.append(control.Happened(what, text))
                case _:
                    assert_never(effect)

    def _take(self, config: ClusterConfig, out: list[Effect]) -> None:
        """Go by another configuration; votes and nodes count on a ring that is formed with them."""
        old, self.config = self.config, config
        out.append(ev.Reconfigured(config))
        self._pending.extend(self.stack.reconfigure(self._now, config))
        self._quorum(quorum.Reloaded(config), out)
        names = {entry.nodeid: entry.name for entry in config.nodes}
        self.controller.situation.relist(names, config.node(config.local).quorum_votes)
        self._outdated |= (old.nodes, old.quorum) != (config.nodes, config.quorum)

    def _quorum(self, event: quorum.Event, out: list[Effect]) -> None:
        for effect in self.quorum.step(self._now, event):
            match effect:
                case quorum.Verdict():
                    self._control(control.QuorumChanged(effect), out)
                case quorum.SendInfo(data):
                    self._totem(totem.Submitted(QUORUM_GROUP, PID, data))
                case quorum.SaveExpected():
                    out.append(effect)
                case quorum.Refused(reason):
                    out.append(control.Happened("refused", reason))
                case _:
                    assert_never(effect)

    def _control(self, event: control.Event, out: list[Effect]) -> None:
        if self._watch is not None:
            self._watch(event)
        for effect in self.controller.step(self._now, event):
            match effect:
                case control.Multicast(payload):
                    if self._watch is not None:
                        self._watch(effect)
                    for piece in cut(payload):
                        self._totem(totem.Submitted(GROUP, PID, piece))
                case control.LeaveRing():
                    self._totem(totem.Leaving())
                    self._drain_goodbye(out)
                case _:
                    out.append(effect)
        self._controller_deadline = self.controller.deadline

    def _drain_goodbye(self, out: list[Effect]) -> None:
        # The packets of the farewell must leave before the performer hears that we have halted.
        while self._pending:
            effect = self._pending.popleft()
            if isinstance(effect, totem.SendPacket | corosync.Multicast | corosync.Disconnect):
                out.append(effect)


def _nodes(data: bytes) -> list[NodeId]:
    """Return the nodes in an annex; one that cannot be read names none."""
    try:
        return _LEFT.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return []


def _answer(effect: Answered) -> control.Answer:
    """Return a reload's end as the door tells it."""
    if effect.problems:
        # What would have changed beside it is no news while nothing does.
        found = [str(one) for one in effect.findings if one.severity is not Severity.INFO]
        refusal = Refusal("reload-refused", (*found, *effect.problems))
        return control.Answer(effect.request, ok=False, body=encode(refusal))
    body = {"file": effect.file, "findings": effect.findings}
    return control.Answer(effect.request, ok=True, body=msgspec.json.encode(body))
