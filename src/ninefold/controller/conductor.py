"""One node's conductor: every event that concerns the cluster's work passes through here.

The controller dispatches; its parts do the work: `Replica` holds the document, `Executor` runs this
node's operations, `FenceDesk` silences others, `Direction` decides while this node is the DC,
`Door` answers operators. After each event it looks at the whole situation and does what can be done
now, whatever the event was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from ninefold.cib.configuration import family
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    ForgetHistory,
    ForgetOperation,
    RecordOperation,
    ReplaceHistory,
    SetNodeState,
    Stamp,
)
from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from ninefold.controller.direction import Direction
from ninefold.controller.door import Door
from ninefold.controller.entries import pending_operation
from ninefold.controller.executor import Executor
from ninefold.controller.fence_desk import FenceDesk
from ninefold.controller.joining import (
    JOIN_PATIENCE_MS,
    absent_at_formation,
    conductor,
    dc_deadtime,
    membership_changes,
    read_annex,
)
from ninefold.controller.leftovers import left_alone
from ninefold.controller.outcast import Outcast
from ninefold.controller.outlived import ended_lives, own_life
from ninefold.controller.replica import Replica, UnreadableDocument
from ninefold.controller.situation import Situation
from ninefold.core.instants import NEVER, Instant

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId, RingId
    from ninefold.quorum.events import Verdict


class Controller:
    """The cluster's work, as one member does it."""

    def __init__(
        self,
        me: NodeId,
        nodes: dict[NodeId, str],
        *,
        votes: int = 1,
        stamp: Stamp,
        cib: Cib,
        rng: random.Random,
        started: Sequence[Call] = (),
    ) -> None:
        """`started` is how an earlier daemon on this host has started what may still run."""
        self.situation = Situation(me, nodes[me], dict(sorted(nodes.items())), votes)
        self.replica = Replica(me, stamp, cib)
        self.executor = Executor(me, nodes[me], started)
        self.desk = FenceDesk(self.situation, self.replica, rng)
        self.outcast = Outcast(self.situation, self.replica, self.executor)
        self.direction = Direction(self.situation, self.replica)
        self.door = Door(
            self.situation, self.replica, self.direction, busy=self._busy, tell=self.desk.tell
        )
        self.malformed = 0
        # The ring in which this DC has said that decisions begin, lest it say so at every event.
        self._forming: RingId | None = None

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""
        situation = self.situation
        waits = [
            self.executor.deadline,
            self.desk.deadline,
            self.direction.deadline,
            self.replica.disks.deadline,
        ]
        # A wait that is over is no reason to be woken: what follows from it is already on its way.
        if situation.am_dc and not situation.formed and situation.formed_by > situation.now:
            waits.append(situation.formed_by)
        if situation.am_dc and not situation.everybody_joined:
            waits.append(situation.join_by)
        return min(waits)

    def annex(self) -> bytes:
        """Return what this controller hands in at the barrier."""
        situation = self.situation
        return msg.encode(
            msg.Annex(
                situation.name,
                self.replica.stamp,
                self.replica.authority.digest(),
                situation.since,
                situation.senior,
                situation.formed,
                situation.fresh,
                situation.wall,
                situation.votes,
                own_life(self.replica.authority, situation.me),
                ended_lives(self.replica.authority),
            )
        )

    def step(self, now: Instant, event: ev.Event) -> list[ev.Effect]:
        """Take one event; then do whatever can be done now."""
        self.situation.now = now
        effects = self._dispatch(event)
        effects += self._do_what_can_be_done()
        self.replica.check_invariants()
        return effects

    def _dispatch(self, event: ev.Event) -> list[ev.Effect]:
        situation = self.situation
        match event:
            case ev.MessageDelivered(sender, payload):
                return self._on_message(sender, payload)
            case ev.AgentFinished():
                return self._on_agent(event)
            case ev.CibSaved(stamp):
                return self.replica.on_stored(stamp)
            case ev.CibNotSaved(stamp, reason):
                return self.replica.on_store_failed(stamp, reason, situation.now)
            case ev.Decided(_, transition, number):
                return [
                    *self.direction.on_decided(number, transition),
                    *self.door.on_decided(transition),
                ]
            case ev.Configured():
                return self._on_configured(event)
            case ev.Unsettled():
                self.replica.on_unsettled()
                self.executor.on_unsettled()
                return []
            case ev.QuorumChanged(verdict):
                return self._on_quorum(verdict)
            case ev.LinkReported(peer, link, up):
                situation.links.setdefault(peer, {})[link] = up
                return []
            case ev.Requested():
                return self.door.on_request(event)
            case ev.Stop():
                return self.door.stop("the daemon was asked to stop")
            case ev.ClockRead(wall):
                situation.wall_offset = wall - situation.now // 1000
                return []
            case ev.Woke():
                return self._wake()
            case _:
                assert_never(event)

    # The ring.

    def _on_configured(self, event: ev.Configured) -> list[ev.Effect]:
        situation = self.situation
        was, situation.members = situation.members, event.members
        had_quorum = situation.quorate
        situation.annexes = {
            node: read_annex(node, event.annexes.get(node)) for node in event.members
        }
        situation.ring = event.ring
        situation.verdict = event.verdict
        situation.joined = []
        situation.join_by = situation.now + JOIN_PATIENCE_MS
        situation.dc = conductor(situation.annexes)
        if situation.since == 0:
            situation.since = event.ring.seq
        for node in event.members:
            situation.forget_failures(situation.annexes[node].name)
        self.direction.reset()
        effects: list[ev.Effect] = [self._told(was)]
        if situation.quorate != had_quorum:
            effects += [quorum_told(event.verdict), *self._self_fence()]
        effects += self.desk.on_configured()
        effects += self.replica.on_configured(event.ring, situation.annexes, event.verdict)
        if self.replica.settled:
            effects += self._begin()
        return effects

    def _told(self, was: tuple[NodeId, ...]) -> ev.Happened:
        situation = self.situation
        names = situation.expected_nodes
        present = [names.get(node, str(node)) for node in situation.members]
        lost = [names.get(node, str(node)) for node in was if node not in situation.members]
        standing = "quorate" if situation.quorate else "without quorum"
        text = f"members: {', '.join(present)} ({standing})"
        if lost:
            text += f"; gone: {', '.join(lost)}"
        fields = {
            "members": ",".join(present),
            "gone": ",".join(lost),
            "quorate": str(situation.quorate).lower(),
            "ring": str(situation.ring),
            "dc": names.get(situation.dc, str(situation.dc)),
        }
        return ev.Happened("membership", text, fields)

    def _begin(self) -> list[ev.Effect]:
        """Everybody has the document: note who is here, and tell this node's history."""
        situation = self.situation
        annexes = situation.annexes
        changes: list[Change] = []
        if situation.quorate:
            changes.append(AddNodes(tuple((node, annexes[node].name) for node in sorted(annexes))))
        changes += membership_changes(self.replica.working, annexes, situation.ring)
        cause = Cause("cluster", f"ring {situation.ring}", annexes[situation.dc].wall, situation.dc)
        effects = self.replica.begin(changes, cause)
        if not situation.quorate:
            situation.senior = 0
        elif situation.senior == 0:
            situation.senior = situation.ring.seq
        situation.formed = any(annex.formed for annex in annexes.values())
        effects += self._tell_history("joined")
        effects += self.door.ask_to_stop()
        effects += self.desk.again()
        missing = tuple((n, m) for n, m in situation.expected_nodes.items() if n not in annexes)
        unknown = [n for n, _ in missing if n not in self.replica.working.node_names()]
        if situation.quorate and situation.am_dc and unknown and not situation.was_formed:
            effects += self._propose(AddNodes(missing), "nodelist of corosync.conf")
        return effects

    def _on_quorum(self, verdict: Verdict) -> list[ev.Effect]:
        situation = self.situation
        was, situation.verdict = situation.quorate, verdict
        quorate = verdict.quorate
        if was == quorate:
            return []
        self.direction.on_quorum()
        situation.senior = (situation.senior or situation.ring.seq) if quorate else 0
        followed = [*self.replica.on_quorum(quorate=quorate), *self.desk.on_quorum()]
        return [quorum_told(verdict), *self._self_fence(), *followed]

    def _self_fence(self) -> list[ev.Effect]:
        """Reset this host if it has lost quorum, runs something, and the policy says so."""
        policy = self.replica.working.property("no-quorum-policy", "stop")
        if self.situation.quorate or policy not in ("suicide", "fence") or not self._busy():
            return []
        return [ev.SelfFence(f"quorum is lost, and no-quorum-policy is {policy}")]

    def _propose(self, change: Change, why: str) -> list[ev.Effect]:
        return self.replica.propose(change, self.situation.cause("cluster", why))

    # Messages.

    def _on_message(self, sender: NodeId, payload: bytes) -> list[ev.Effect]:
        try:
            message = msg.decode(payload)
        except msg.MalformedMessage as error:
            self.malformed += 1
            text = f"a message of node {sender} could not be read: {error}"
            return [ev.Happened("malformed", text, {"sender": str(sender)})]
        match message:
            case msg.Propose():
                return self._on_propose(sender, message)
            case msg.Document():
                return self._on_document(message)
            case msg.Saved():
                return self.replica.on_saved(sender, message)
            case msg.Perform():
                return self._on_perform(message)
            case msg.Expecting(ring, transition, action_id):
                if ring == self.situation.ring and self.replica.settled:
                    self.executor.release(self.situation.now, transition, action_id)
                return []
            case msg.FenceOrder():
                valid = message.ring == self.situation.ring and self.replica.settled
                if not valid or message.node != self.situation.me:
                    return []
                return self.desk.on_order(message)
            case msg.FenceReport():
                standing, effects = self.desk.on_report(sender, message)
                self.direction.on_fenced(message, standing)
                return effects + self.outcast.on_report(message, standing)
            case msg.Formed():
                return self._on_formed(sender, message)
            case _:
                assert_never(message)

    def _on_document(self, message: msg.Document) -> list[ev.Effect]:
        try:
            awaited = self.replica.on_document(message)
        except UnreadableDocument as error:
            reason = f"the cluster's document cannot be read by this version: {error}"
            return [ev.Happened("unreadable", reason), ev.LeaveRing(), ev.Halted(reason)]
        return self._begin() if awaited else []

    def _on_propose(self, sender: NodeId, message: msg.Propose) -> list[ev.Effect]:
        if not self.replica.counts(message):
            return []
        change = message.change
        cleans = isinstance(change, ForgetHistory) and change.node in (0, self.situation.me)
        untold = cleans and self.replica.tells_history()
        changed, effects = self.replica.on_propose(sender, message, self.situation.now)
        if isinstance(change, ForgetHistory) and cleans and (changed or untold):
            effects += self._forget(change, untold=untold)
        match change:
            case RecordOperation(_, operation):
                self.direction.on_result(operation)
            case ReplaceHistory(node):
                return effects + self._on_history(node, change, message.cause)
            case ForgetOperation(node, resource, task="last_failure"):
                if node == self.situation.me:
                    self.executor.forget_failure(resource)
            case ForgetOperation():
                self.direction.on_forgotten(change)
            case ForgetHistory() if changed or message.cause.who != "cluster":
                self.direction.news("history was cleaned up")
            case ForgetHistory():
                pass  # the DC asked for what was so already: that must not lead to asking again
            case SetNodeState(node, _, expected="down"):
                self.direction.on_node_down(node)
                if node == self.situation.me and sender == node:
                    effects += self.door.leave()
            case _:
                if changed:
                    self.direction.news(message.cause.why or "the document changed")
                    effects += self._tell_change(message)
        return effects

    def _forget(self, change: ForgetHistory, *, untold: bool) -> list[ev.Effect]:
        """Clean up here too; what this node has begun to tell of itself must not bring it back."""
        working = self.replica.working
        named = family(working.configuration, change.resource)
        gone = bool(change.resource) and not working.defines(change.resource)
        spare, what = not left_alone(working, self.situation.me), named if change.resource else None
        self.executor.forget(what, for_good=gone, but_what_works=spare)
        return self._tell_history("cleaned up") if untold else []

    def _tell_history(self, why: str) -> list[ev.Effect]:
        situation = self.situation
        operations = self.executor.history()
        history = ReplaceHistory(situation.me, situation.name, operations, fresh=situation.fresh)
        return self._propose(history, why)

    def _tell_change(self, message: msg.Propose) -> list[ev.Effect]:
        cause = message.cause
        if cause.who == "cluster":
            return []
        fields = {"who": cause.who, "why": cause.why, "version": str(self.replica.working.version)}
        return [ev.Happened("changed", f"{cause.who}: {cause.why}", fields)]

    def _on_history(self, node: NodeId, change: ReplaceHistory, cause: Cause) -> list[ev.Effect]:
        situation = self.situation
        if node not in situation.members or not self.replica.settled:
            return []
        state = SetNodeState(node, change.name, join="member")
        _, effects = self.replica.amend(state, cause)
        if node == situation.me and situation.quorate:
            # Only now does the cluster's document know that this is a new beginning. Told to a
            # partition without quorum it would be forgotten: an old request to shut down would last.
            situation.fresh = False
        if node not in situation.joined:
            situation.joined.append(node)
        self.direction.news(f"{change.name} joined")
        return effects

    def _on_perform(self, message: msg.Perform) -> list[ev.Effect]:
        situation = self.situation
        order = message.order
        if message.ring != situation.ring or not self.replica.settled:
            return []
        effects: list[ev.Effect] = []
        if order.task not in ("cancel", "do_shutdown"):
            cause = Cause("cluster", f"{order.task} {order.resource}", message.at, situation.dc)
            pending = pending_operation(order, message.at)
            _, effects = self.replica.amend(RecordOperation(order.node, pending), cause)
        self.direction.on_delivered_order(order)
        if order.departure_to == situation.name:
            self.executor.expect(order, message.at)
            word = msg.Expecting(message.ring, order.transition, order.action_id)
            effects.append(ev.Multicast(msg.encode(word)))
        if order.node != situation.me:
            return effects
        if order.task == "do_shutdown":
            return effects + self.door.say_goodbye()
        if order.task == "cancel":
            return effects + self._propose(self.executor.cancel(order), "cancelled")
        return effects + self.executor.perform(
            situation.now, order, quorate=situation.quorate, wall=situation.wall
        )

    def _on_formed(self, sender: NodeId, message: msg.Formed) -> list[ev.Effect]:
        situation = self.situation
        if situation.formed or not self.replica.settled:
            return []
        if not self._may_form():
            # It was sent while there was quorum: the wait is not over for those who are here now.
            self._forming = None
            return []
        situation.formed = True
        effects: list[ev.Effect] = []
        cause = Cause("cluster", "did not appear at the start", message.at, sender)
        for change in absent_at_formation(self.replica.working, situation.annexes, situation.ring):
            effects += self.replica.amend(change, cause)[1]
        self.direction.news("the cluster has formed")
        return effects

    # Agents and the clock.

    def _on_agent(self, event: ev.AgentFinished) -> list[ev.Effect]:
        if self.desk.owns(event.token):
            return self.desk.on_finished(event.token, event.outcome)
        if not self.executor.owns(event.token):
            return []
        situation = self.situation
        fatal = self.replica.working.property("start-failure-is-fatal", "true").lower()
        effects, changes = self.executor.on_finished(
            situation.now,
            event.token,
            event.outcome,
            wall=situation.wall,
            start_fatal=fatal not in ("false", "no", "off", "n", "0"),
        )
        if self.outcast.by:
            return effects + self.outcast.on_results(changes)
        for change in changes:
            effects += self._propose(change, "result")
        return effects

    def _wake(self) -> list[ev.Effect]:
        now = self.situation.now
        effects = self.desk.wake(now)
        effects += self.replica.wake(now, self.situation.cause("cluster", "saved again"))
        for change in self.direction.wake(now):
            effects += self._propose(change, "overdue")
        return effects

    def _do_what_can_be_done(self) -> list[ev.Effect]:
        situation = self.situation
        effects = self.executor.launch(
            situation.now, quorate=situation.quorate, wall=situation.wall
        )
        if self.outcast.by:
            return effects + self.outcast.end()
        if self.executor.took_back():
            history = ReplaceHistory(situation.me, situation.name, self.executor.history())
            effects += self._propose(history, "orders were dropped without quorum")
        effects += self._form()
        if self.replica.settled:
            effects += self.desk.prepare()
            for operation in self.executor.orphans(self.replica.working):
                effects += self._propose(RecordOperation(situation.me, operation), "still runs")
            if situation.me in situation.joined:
                self.executor.keep_migrations(self.replica.working)
        more, changes = self.direction.drive(situation.now)
        effects += more
        for change in changes:
            effects += self._propose(change, "decided")
        return effects

    def _may_form(self) -> bool:
        """Only a partition that may act decides for the first time, or counts its wait for others."""
        policy = self.replica.working.property("no-quorum-policy", "stop")
        return self.situation.quorate or policy == "ignore"

    def _busy(self) -> bool:
        return bool(self.executor.active_resources()) or not self.executor.idle

    def _form(self) -> list[ev.Effect]:
        situation = self.situation
        if situation.formed or not self.replica.settled:
            return []
        if not self._may_form():
            situation.formed_by = NEVER
            return []
        if situation.formed_by == NEVER:
            situation.formed_by = situation.now + dc_deadtime(self.replica.working)
        if not situation.am_dc or not situation.everybody_joined:
            return []
        present = set(situation.members)
        if not present.issuperset(situation.expected_nodes) and situation.now < situation.formed_by:
            return []
        if self._forming == situation.ring:
            return []
        self._forming = situation.ring
        return [ev.Multicast(msg.encode(msg.Formed(situation.wall)))]


def quorum_told(verdict: Verdict) -> ev.Happened:
    """Return what an operator reads when quorum comes or goes."""
    what = "quorum-gained" if verdict.quorate else "quorum-lost"
    votes = {"votes": str(verdict.votes), "threshold": str(verdict.threshold)}
    return ev.Happened(what, verdict.reason, votes)
