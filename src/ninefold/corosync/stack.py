"""The whole back end as one machine, with the surface of `totem.stack.Stack`.

    Corosync's group -> views (agreement) -> frames (stable) -> process groups and the barrier (totem.groups)

What CPG calls a configuration change becomes a transitional one here at once; the regular one follows
when its number is agreed and durable. `README.md` has the states in sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from ninefold.core.ids import NodeId, RingId
from ninefold.core.instants import NEVER, Instant, Millis
from ninefold.corosync import events as co
from ninefold.corosync import messages as msg
from ninefold.corosync.agreement import Agreement, View
from ninefold.corosync.outlook import Outlook
from ninefold.corosync.reconnect import Reconnect
from ninefold.corosync.signs import PATIENCE_MIN_MS, Signs
from ninefold.corosync.stable import Stable
from ninefold.corosync.states import Effect, Event, ViewState
from ninefold.totem import events as totem
from ninefold.totem.groups import Groups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.config.model import ClusterConfig

# Packer's limit; each is one message of CPG.
FRAME_BYTES: Final = 65_000
# A proposal may be lost with its sender's view only; it is told again this often all the same.
PROPOSE_AGAIN_MS: Final[Millis] = 1_000


class CorosyncStack:
    """Membership and total order for one node, by the Corosync of its host."""

    def __init__(self, config: ClusterConfig, *, ring_seq: int, boot: bytes) -> None:
        self._me: NodeId = config.local
        self.outlook = Outlook()
        self.statistics = totem.Statistics()
        self.state = ViewState.STOPPED
        self.ring = RingId(0, 0)
        self.members: tuple[NodeId, ...] = ()
        self._boot = boot
        self._groups = Groups(config.local, frame_bytes=FRAME_BYTES, statistics=self.statistics)
        self._agreement = Agreement(co.Process(config.local, 0), boot, ring_seq)
        # The view whose frames count: installed, or agreed and on its way to the disk.
        self._next: Stable | None = None
        # The view that broke up, and those of it that have come along until now.
        self._last: Stable | None = None
        self._movers: tuple[co.Process, ...] = ()
        self._settled = False
        self._goodbyes: list[co.Process] = []
        self._signs = Signs(config.totem)
        self._again_at: Instant = NEVER
        self._overdue_at: Instant = NEVER
        self._reconnect = Reconnect()
        self._began_at: Instant = 0
        self._save_again_at: Instant = NEVER
        self._saved = ring_seq
        self._lives = 0

    # What the layers above may look at.

    @property
    def backlog(self) -> int:
        """Bytes of group messages that wait to be sent."""
        return self._groups.queued_bytes

    @property
    def congested(self) -> bool:
        """Whether those above should submit nothing more for now."""
        return self._groups.congested

    def links_up(self) -> dict[NodeId, dict[int, bool]]:
        """Return the state of each link to each peer."""
        return self.outlook.links_up()

    def reform(self, _now: Instant, _what: object) -> list[Effect]:
        """Do nothing: the ring is Corosync's, and so are its reloads."""
        return []

    reconfigure = reform

    @property
    def deadline(self) -> Instant:
        """Wake me no later than this."""
        fresh = self.outlook.stale_at if self._waits_for_votes else NEVER
        waits = (self._signs.due_at, self._again_at, self._overdue_at, self._reconnect.at, fresh)
        return min(*waits, self._save_again_at, self._groups.deadline)

    def step(self, now: Instant, event: Event) -> list[Effect]:
        """Take one event at `now`; return effects in the order of their durability."""
        out: list[Effect] = []
        if self.state is ViewState.STOPPED and not isinstance(event, totem.Started):
            if isinstance(event, totem.Joined):
                out += self._groups.join(event.group, event.pid)
            return out
        self._dispatch(now, event, out)
        self._flow(now, out)
        self.check_invariants()
        return out

    def check_invariants(self) -> None:
        """Assert what must hold between any two steps."""
        assert self._next is None or self._next is not self._last
        if self.state is ViewState.INSTALLED:
            assert self._next is not None
            assert self._saved >= self.ring.seq
            assert self._me in self.members
        if self.state is ViewState.ALONE:
            assert not self.outlook.present

    def _dispatch(self, now: Instant, event: Event, out: list[Effect]) -> None:
        match event:
            case totem.Started():
                self.state = ViewState.JOINING
                out.append(co.Connect())
            case totem.RingIdSaved(seq):
                self._on_saved(now, seq, out)
            case totem.Woke():
                self._on_woke(now, out)
            case totem.Joined(group, pid):
                out += self._groups.join(group, pid)
            case totem.Left(group, pid):
                out += self._groups.leave(group, pid)
            case totem.Submitted(group, pid, payload):
                out += self._groups.submit(group, pid, payload)
            case totem.Synchronize(ring, annexes):
                self._groups.synchronize(ring, annexes)
            case totem.Leaving():
                self._leave(out)
            case totem.PacketReceived() | totem.ProbeAnswered() | totem.KeyEvent():
                raise AssertionError(event)
            case _:
                self._on_report(now, event, out)

    def _on_report(self, now: Instant, report: co.Report, out: list[Effect]) -> None:
        match report:
            case co.Connected(me):
                self._on_connected(now, me, out)
            case co.ClusterLost(reason):
                self._on_lost(now, reason, out)
            case co.GroupConfigured():
                self._on_group(now, report, out)
            case co.GroupMessage(sender, data):
                self._on_message(now, sender, data, out)
            case co.TotemConfigured(ring):
                self.outlook.on_ring(ring, now)
                self._agreement.floor = ring.seq
                self._install(now, out)
            case co.VotesSeen():
                self.outlook.on_votes(report, now)
                self._install(now, out)
            case co.LinksSeen(links):
                changed = self.outlook.on_links(links)
                out += (totem.LinkChanged(peer, link, up) for peer, link, up in changed)
            case _:
                assert_never(report)

    # Corosync comes and goes.

    def _on_connected(self, now: Instant, me: co.Process, out: list[Effect]) -> None:
        if me.node != self._me:
            text = (
                f"Corosync runs as node {me.node}, corosync.conf makes this host node {self._me}: "
                f"restart Corosync with the file that is there."
            )
            out.append(totem.Noted("wrong-node", text))
            self._drop_out(now, "", out)
            return
        number = self._agreement.number
        self._lives += 1
        self._agreement = Agreement(me, msg.boot_of(self._boot, self._lives), number)
        self._overdue_at = now + PATIENCE_MIN_MS
        self._began_at = now
        self.state = ViewState.JOINING

    def _on_lost(self, now: Instant, reason: str, out: list[Effect]) -> None:
        if self.state is not ViewState.ALONE:
            out.append(totem.Noted("corosync-lost", reason))
        self._go_alone(now, out)

    def _drop_out(self, now: Instant, why: str, out: list[Effect]) -> None:
        """Leave the group by our own decision, and come back as somebody new."""
        if why:
            out.append(totem.Noted("corosync-lost", why))
        out.append(co.Disconnect())
        self._go_alone(now, out)

    def _go_alone(self, now: Instant, out: list[Effect]) -> None:
        """Without the group there is no quorum, whatever else is on its way: say so at once."""
        already = self.state is ViewState.ALONE
        self.outlook.forget()
        self._reconnect.later(now)
        self._agreement.restart()
        self._signs.end()
        self._again_at = self._overdue_at = NEVER
        self._goodbyes = []
        if already:
            return
        self.state = ViewState.ALONE
        me = self._agreement.me
        lost = self._break_up(now, (me,), out)
        for frame in lost:
            self._hand_up([(me, frame)], out)
        self._agreement.number = max(self._agreement.number + 1, self._agreement.floor)
        out.append(totem.SaveRingSeq(self._agreement.number))
        self._save_again_at = now + PROPOSE_AGAIN_MS

    # The group.

    def _on_group(self, now: Instant, change: co.GroupConfigured, out: list[Effect]) -> None:
        me = self._agreement.me
        if self.state in (ViewState.STOPPED, ViewState.ALONE) or me not in change.members:
            return
        others = [p for p in change.members if p.node == self._me and p != me]
        if self.state is ViewState.JOINING and others:
            text = f"Another ninefoldd of this host is in the group already, pid {others[0].pid}."
            self._drop_out(now, f"{text} It must end first.", out)
            return
        gone = tuple(process for process, _ in (*change.left, *change.joined))
        self._note_departures(change, out)
        self._agreement.on_group(change.members, gone)
        came = tuple(process for process in self._movers if process not in gone)
        self._begin(now, came, out)

    def _note_departures(self, change: co.GroupConfigured, out: list[Effect]) -> None:
        for process, reason in change.left:
            if process in self._goodbyes:
                self._goodbyes.remove(process)
                out.append(totem.Noted("leave", "A node leaves.", (process.node,)))
                continue
            ended = reason in (co.Reason.PROCDOWN, co.Reason.LEAVE)
            text = "Its ninefoldd has ended." if ended else "Corosync has lost the node."
            out.append(totem.Noted("peer-dead", text, (process.node,)))

    def _begin(self, now: Instant, came: tuple[co.Process, ...], out: list[Effect]) -> None:
        """Break the view up, and propose the next one."""
        self._break_up(now, tuple(p for p in came if p in self._agreement.candidates), out)
        self.state = ViewState.AGREEING
        self.statistics.memberships += 1
        self._signs.end()
        self._overdue_at = now + PATIENCE_MIN_MS
        self._began_at = now
        self._propose(now, out)
        if self._agreement.doubled:
            text = "Two ninefoldd of one node are in the group: no view until one of them ends."
            out.append(totem.Noted("second-daemon", text, self._agreement.doubled))

    def _propose(self, now: Instant, out: list[Effect]) -> None:
        out.append(co.Multicast(msg.encode(self._agreement.proposal())))
        self._again_at = now + PROPOSE_AGAIN_MS

    def _break_up(
        self, now: Instant, came: tuple[co.Process, ...], out: list[Effect]
    ) -> list[bytes]:
        """Enter the transitional configuration; return frames of ours that may not come back."""
        self._movers = came
        if self._next is not None and not self._settled:
            self._next = None  # agreed, and never installed: nothing of it was handed up
        if self._next is not None:
            self._last, self._next = self._next, None
        self._settled = False
        nodes = tuple(sorted({self._me, *(process.node for process in came)}))
        left = tuple(node for node in self.members if node not in nodes)
        kind = totem.ConfigurationKind.TRANSITIONAL
        change = totem.RingChanged(kind, self.ring, nodes, (), left)
        self._groups.on_ring_changed(now, change)
        out.append(change)
        if self._last is None:
            return []
        self._hand_up(self._last.give_up(), out)
        return self._last.lost() if self.state is ViewState.ALONE else []

    # Messages.

    def _on_message(self, now: Instant, sender: co.Process, data: bytes, out: list[Effect]) -> None:
        if self.state in (ViewState.STOPPED, ViewState.ALONE, ViewState.JOINING):
            return
        self._signs.hear(now, sender, self._agreement.me)
        try:
            message = msg.decode(data)
        except msg.MalformedMessage:
            self._drop("malformed-message")
            return
        match message:
            case msg.Frame(view, frame):
                self._on_frame(sender, view, frame, out)
            case msg.Receipt(view, count):
                stable = self._next
                if stable is not None and view == msg.key(stable.view) and sender in stable.members:
                    self._hand_up(stable.on_receipt(sender, count), out)
            case msg.Proposal():
                self._on_proposal(now, sender, message, out)
            case msg.Expulsion():
                self._on_expulsion(now, sender, message, out)
            case msg.Goodbye():
                self._goodbyes.append(sender)
            case _:
                assert_never(message)

    def _on_frame(
        self, sender: co.Process, view: tuple[int, int], frame: bytes, out: list[Effect]
    ) -> None:
        stable, last = self._next, self._last
        if stable is not None and view == msg.key(stable.view) and sender in stable.members:
            stable.receive(sender, frame)
        elif last is not None and view == msg.key(last.view) and sender in self._movers:
            # It was under way when the view broke up. All who move together see it here, before
            # their sender's proposal.
            if sender == self._agreement.me:
                last.returned()
            self._hand_up([(sender, frame)], out)
        else:
            self._drop("frame-of-another-view")

    def _on_proposal(
        self, now: Instant, sender: co.Process, proposal: msg.Proposal, out: list[Effect]
    ) -> None:
        agreement = self._agreement
        me = agreement.me
        if sender == me and proposal.boot != agreement.boot:
            text = f"Another process is known to Corosync as pid {me.pid} of this node."
            self._drop_out(now, f"{text} Let the containers share their pids, or use one.", out)
            return
        if me in proposal.excluded and sender in agreement.candidates:
            self._drop_out(now, "The others have gone on without this node.", out)
            return
        more = agreement.excludes_more(sender, proposal)
        if more:
            agreement.exclude(more)
            self._begin(now, self._movers, out)
        elif agreement.outrun(sender, proposal):
            agreement.restart()
            self._begin(now, self._movers, out)
        view = agreement.on_proposal(sender, proposal)
        if view is not None:
            self._agreed(now, view, out)

    def _on_expulsion(
        self, now: Instant, sender: co.Process, demand: msg.Expulsion, out: list[Effect]
    ) -> None:
        if not self._agreement.on_expulsion(sender, demand):
            return
        if demand.process == self._agreement.me:
            self._drop_out(now, "This node was silent for too long: the others go on.", out)
            return
        text = "Its ninefoldd does not answer: the others go on without it."
        out.append(totem.Noted("peer-paused", text, (demand.process.node,)))
        self._agreement.exclude((demand.process,))
        self._begin(now, tuple(p for p in self._movers if p != demand.process), out)

    # A view is agreed, saved, installed.

    def _agreed(self, now: Instant, view: View, out: list[Effect]) -> None:
        self.state = ViewState.SAVING
        self._again_at = NEVER
        self._next = Stable(view.ring, view.processes, self._agreement.me)
        self._settled = False
        self.outlook.expect(now)
        out.append(totem.SaveRingSeq(view.ring.seq))
        self._save_again_at = now + PROPOSE_AGAIN_MS

    def _on_saved(self, now: Instant, seq: int, out: list[Effect]) -> None:
        self._saved = max(seq, self._saved)
        if seq >= self._agreement.number:
            self._save_again_at = NEVER
        if self.state is ViewState.ALONE and seq == self._agreement.number:
            self._regular(now, RingId(seq, self._me), (self._me,), out)
        self._install(now, out)

    @property
    def _waits_for_votes(self) -> bool:
        saved = self._saved >= self._agreement.number
        return self.state is ViewState.SAVING and saved and not self.outlook.fresh

    def _install(self, now: Instant, out: list[Effect]) -> None:
        """Install the agreed view when its number is durable and the votes are those of its ring."""
        view = self._agreement.agreed
        if self.state is not ViewState.SAVING or view is None or self._saved < view.ring.seq:
            return
        if not self.outlook.fresh and now < self.outlook.stale_at:
            return
        self.state = ViewState.INSTALLED
        self._settled = True
        self._movers = view.processes
        self._signs.begin(view.processes, now)
        self._overdue_at = NEVER
        self._reconnect.succeeded()
        self.outlook.present = True
        self._regular(now, view.ring, view.nodes, out)

    def _regular(
        self, now: Instant, ring: RingId, nodes: tuple[NodeId, ...], out: list[Effect]
    ) -> None:
        joined = tuple(node for node in nodes if node not in self.members)
        left = tuple(node for node in self.members if node not in nodes)
        kind = totem.ConfigurationKind.REGULAR
        self.ring, self.members = ring, nodes
        self._last = None
        change = totem.RingChanged(kind, ring, nodes, joined, left)
        self._groups.on_ring_changed(now, change)
        out.append(change)

    # Time.

    def _on_woke(self, now: Instant, out: list[Effect]) -> None:
        if self._reconnect.due(now):
            out.append(co.Connect())
        if now >= self._again_at:
            self._propose(now, out)
        if now >= self._save_again_at:
            # The disk refused, or is slow: a number that is saved twice does no harm.
            self._save_again_at = now + PROPOSE_AGAIN_MS
            out.append(totem.SaveRingSeq(self._agreement.number))
        if now >= self._signs.due_at:
            self._on_beat(now, out)
        if now >= self._overdue_at:
            self._on_overdue(now, out)
        missing = self._groups.overdue(now)
        if self.state is ViewState.INSTALLED and self._signs.flows(now, self._agreement.me):
            self._expel((p for p in self._movers if p.node in missing), out)
        self._install(now, out)

    def _on_beat(self, now: Instant, out: list[Effect]) -> None:
        """Give a sign of life, and look for those who give none."""
        me = self._agreement.me
        self._signs.on_beat(now)
        if self._signs.mute(now, me):
            text = "The Corosync of this host does not answer: none of our messages comes back."
            self._drop_out(now, text, out)
            return
        if self._next is not None:
            self._tell_receipt(out, beat=True)
        self._expel(self._signs.silent(now, self._agreement.candidates, me), out)

    def _on_overdue(self, now: Instant, out: list[Effect]) -> None:
        """The group has not agreed in time: go on without those that do not take part."""
        self._overdue_at = now + PATIENCE_MIN_MS
        missing = self._agreement.missing
        if self.state is ViewState.AGREEING and self._agreement.doubled:
            missing = self._agreement.surplus(self._movers)
        mute = self.state is ViewState.JOINING or self._agreement.me in missing
        if mute and now - self._began_at < self._signs.own_patience:
            return  # Corosync may be forming a ring
        if mute:
            self._drop_out(now, "The Corosync of this host does not carry our messages.", out)
        elif self.state is ViewState.AGREEING:
            self._expel(missing, out)

    def _expel(self, processes: Iterable[co.Process], out: list[Effect]) -> None:
        out += (co.Multicast(msg.encode(self._agreement.expulsion(p))) for p in processes)

    # Frames.

    def _flow(self, now: Instant, out: list[Effect]) -> None:
        """Send what may be sent, and acknowledge what came."""
        if self.state is ViewState.ALONE and self.ring.seq == self._agreement.number:
            while (frame := self._groups.take()) is not None:
                self._hand_up([(self._agreement.me, frame)], out)
        stable = self._next
        if self.state is not ViewState.INSTALLED or stable is None:
            return
        while stable.room and (frame := self._groups.take()) is not None:
            stable.sent(frame)
            self.statistics.messages_sent += 1
            out.append(co.Multicast(msg.encode(msg.Frame(msg.key(stable.view), frame))))
        self._tell_receipt(out)

    def _tell_receipt(self, out: list[Effect], *, beat: bool = False) -> None:
        assert self._next is not None
        count = self._next.due_receipt(beat=beat)
        if count is not None:
            receipt = msg.Receipt(msg.key(self._next.view), count)
            out.append(co.Multicast(msg.encode(receipt)))

    def _hand_up(self, frames: Iterable[tuple[co.Process, bytes]], out: list[Effect]) -> None:
        for sender, frame in frames:
            self.statistics.messages_delivered += 1
            out += self._groups.on_frame(sender.node, frame)
        # The keys are Corosync's.
        self._groups.news.clear()

    def _leave(self, out: list[Effect]) -> None:
        if self.state not in (ViewState.ALONE, ViewState.JOINING):
            out.append(co.Multicast(msg.encode(msg.Goodbye())))
        out.append(co.Disconnect())
        self.state = ViewState.STOPPED
        self._signs.end()
        self._reconnect.rest()
        self._again_at = self._overdue_at = self._save_again_at = NEVER

    def _drop(self, reason: str) -> None:
        dropped = self.statistics.dropped
        dropped[reason] = dropped.get(reason, 0) + 1
