"""The theorem of `controller.replica`, for all interleavings that Hypothesis finds.

Replicas on a ring that breaks up anywhere, disks that are written when they like, power cuts: a
change that was acknowledged is in the document of every later quorate ring, and one stamp names one
document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, SetNodeAttribute, Stamp
from ninefold.controller import messages as msg
from ninefold.controller.events import Answer, Effect, Multicast, SaveCib
from ninefold.controller.replica import Replica
from ninefold.core.ids import NodeId, RingId
from ninefold.quorum.events import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

CAUSE = Cause("alice", "because", 1_700_000_000, 1)
CIB, _ = Cib.parse(
    '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/>'
    '<nodes><node id="1" uname="node1"/></nodes><resources/><constraints/></configuration>'
    "<status/></cib>"
)

# Which frames of others reached those who go on together, by their place.
LUCK_BITS = 8
LUCK = st.integers(0, 2**LUCK_BITS - 1)


class Ring:
    """One configuration: who is in it, and what was sent in it, in order."""

    def __init__(self, ring: RingId, members: tuple[NodeId, ...]) -> None:
        self.id = ring
        self.members = members
        self.sent: list[tuple[NodeId, bytes]] = []


class Member:
    """One replica with its disk, and how far it has delivered."""

    def __init__(self, node: NodeId) -> None:
        assert CIB is not None
        self.node = node
        self.disk: tuple[Stamp, Cib] = (Stamp(0, CIB.version), CIB)
        self.boot()

    def boot(self) -> None:
        """Begin from the disk: everything else is gone."""
        self.replica = Replica(self.node, *self.disk)
        self.ring: Ring | None = None
        self.position = 0
        self.unsaved: list[SaveCib] = []

    def annex(self) -> msg.Annex:
        digest = self.replica.authority.digest()
        return msg.Annex(
            f"node{self.node}", self.replica.stamp, digest, 0, 0, True, False, 0, votes=1
        )


class Replicas(RuleBasedStateMachine):
    """A cluster of nothing but documents."""

    @initialize(count=st.sampled_from([3, 5]))
    def begin(self, count: int) -> None:
        self.members = {node: Member(node) for node in range(1, count + 1)}
        self.seq = 0
        self.requests: dict[int, str] = {}
        # What was acknowledged, and in which ring.
        self.kept: dict[str, int] = {}
        self.documents: dict[Stamp, str] = {}
        self.asked = 0
        self.form(list(self.members), 0)

    # What the ring does.

    def form(self, nodes: Iterable[NodeId], luck: int) -> None:
        """Let nodes move on together into a new ring, having delivered the same of their old ones."""
        self.seq += 4
        members = tuple(sorted(nodes))
        ring = Ring(RingId(self.seq, members[0]), members)
        coming = [self.members[node] for node in members]
        for old in {member.ring.id: member.ring for member in coming if member.ring}.values():
            self.leave_old_ring(old, [member for member in coming if member.ring is old], luck)
        annexes = {node: self.members[node].annex() for node in members}
        quorate = 2 * len(members) > len(self.members)
        threshold = len(self.members) // 2 + 1
        verdict = Verdict(ring.id, quorate, len(members), len(self.members), threshold, "")
        for node in members:
            self.members[node].ring = ring
            self.members[node].position = 0
        for member in (self.members[node] for node in members):
            self.perform(member, member.replica.on_configured(ring.id, annexes, verdict))
            if member.replica.settled:
                self.perform(member, member.replica.begin([], CAUSE))

    def leave_old_ring(self, old: Ring, together: list[Member], luck: int) -> None:
        """Deliver what those who go together hold: up to the first gap, and their own behind it.

        They hold what one of them has delivered or sent, and of the rest what the bits of `luck` say.
        """
        far = max(member.position for member in together)
        own = [member.node for member in together]
        held = [
            place < far or sender in own or bool(luck >> place % LUCK_BITS & 1)
            for place, (sender, _) in enumerate(old.sent)
        ]
        gap = held.index(False) if False in held else len(held)
        behind = [place for place in range(gap, len(held)) if old.sent[place][0] in own]
        for member in together:
            while member.position < gap:
                self.deliver_one(member)
            member.replica.on_unsettled()
            for member.position in behind:
                self.deliver_one(member)

    def deliver_one(self, member: Member) -> None:
        assert member.ring is not None
        sender, payload = member.ring.sent[member.position]
        member.position += 1
        match msg.decode(payload):
            case msg.Propose() as message:
                if member.replica.counts(message):
                    _, effects = member.replica.on_propose(sender, message, 0)
                    self.perform(member, effects)
            case msg.Document() as message:
                if member.replica.on_document(message):
                    self.perform(member, member.replica.begin([], CAUSE))
            case msg.Saved() as message:
                self.perform(member, member.replica.on_saved(sender, message))
            case other:
                raise AssertionError(other)

    def perform(self, member: Member, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Multicast(payload):
                    assert member.ring is not None
                    member.ring.sent.append((member.node, payload))
                case SaveCib(stamp, cib):
                    member.unsaved.append(effect)
                    known = self.documents.setdefault(stamp, cib.digest())
                    assert known == cib.digest(), f"two documents under {stamp}"
                case Answer(request, ok, _):
                    name = self.requests.pop(request)
                    if ok:
                        assert member.ring is not None
                        self.kept[name] = member.ring.id.seq
                case _:
                    pass

    # What may happen, in any order.

    @rule(data=st.data(), count=st.integers(1, 12))
    def deliver(self, data: st.DataObject, count: int) -> None:
        ready = [m for m in self.members.values() if m.ring and m.position < len(m.ring.sent)]
        if ready:
            member = data.draw(st.sampled_from(ready))
            for _ in range(count):
                if member.ring and member.position < len(member.ring.sent):
                    self.deliver_one(member)

    @rule(data=st.data())
    def save(self, data: st.DataObject) -> None:
        writing = [member for member in self.members.values() if member.unsaved]
        if writing:
            member = data.draw(st.sampled_from(writing))
            # One transaction may hold everything that has gathered.
            count = data.draw(st.integers(1, len(member.unsaved)))
            for _ in range(count):
                self.save_first(member)

    def save_first(self, member: Member) -> None:
        saved = member.unsaved.pop(0)
        member.disk = (saved.stamp, saved.cib)
        self.perform(member, member.replica.on_stored(saved.stamp))

    def ask(self, member: Member) -> None:
        self.asked += 1
        number = self.asked
        name = f"mark-{number}"
        self.requests[number] = name
        change = SetNodeAttribute("node1", name, "here")
        self.perform(member, member.replica.propose(change, CAUSE, number))

    @rule(data=st.data(), rounds=st.integers(1, 4), asks=st.booleans())
    def run_on(self, data: st.DataObject, rounds: int, asks: bool) -> None:
        """Let some members deliver everything and save everything, while the others lag."""
        if asks:
            self.ask(data.draw(st.sampled_from(list(self.members.values()))))
        awake = data.draw(st.lists(st.sampled_from(sorted(self.members)), min_size=1, unique=True))
        for _ in range(rounds):
            for member in (self.members[node] for node in awake):
                while member.ring and member.position < len(member.ring.sent):
                    self.deliver_one(member)
                while member.unsaved:
                    self.save_first(member)

    @rule(data=st.data())
    def break_up(self, data: st.DataObject) -> None:
        nodes = data.draw(st.permutations(sorted(self.members)))
        border = data.draw(st.integers(0, len(nodes) - 1))
        luck = data.draw(LUCK)
        # Each node leaves its old ring with those that go its way.
        for side in (nodes[:border], nodes[border:]):
            if side:
                self.form(side, luck)

    @rule(data=st.data(), luck=LUCK, saves=st.booleans())
    def run_ahead(self, data: st.DataObject, luck: int, saves: bool) -> None:
        """Let one deliver what it sent before anybody else has it, and lose it; the rest go on."""
        ahead, other = data.draw(st.permutations(list(self.members.values())))[:2]
        for asking in (ahead, other):
            self.ask(asking)
            while ahead.ring and ahead.position < len(ahead.ring.sent):
                self.deliver_one(ahead)
        while saves and ahead.unsaved:
            self.save_first(ahead)
        self.form([node for node in self.members if node != ahead.node], luck)
        self.form([ahead.node], luck)

    @rule(data=st.data())
    def power_cut(self, data: st.DataObject) -> None:
        victims = data.draw(st.lists(st.sampled_from(sorted(self.members)), min_size=1))
        for node in sorted(set(victims)):
            self.members[node].boot()
        # Those that have not lost their memory may form a ring before the others are back.
        rest = [node for node in sorted(self.members) if node not in victims]
        apart: bool = data.draw(st.booleans())
        luck = data.draw(LUCK)
        if rest and apart:
            self.form(rest, luck)
            self.form(sorted(set(victims)), luck)
        else:
            self.form(sorted(self.members), luck)

    @invariant()
    def acknowledged_changes_last(self) -> None:
        for member in getattr(self, "members", {}).values():
            replica = member.replica
            replica.check_invariants()
            if replica.settled and replica.quorate and member.ring is not None:
                pairs = replica.authority.configuration.iter("nvpair")
                found = {str(pair.get("name")) for pair in pairs}
                # Members of the very ring may not have delivered it yet; later rings begin with it.
                earlier = [name for name, seq in self.kept.items() if seq < member.ring.id.seq]
                missing = [name for name in earlier if name not in found]
                assert missing == [], f"{missing} at node {member.node} in {member.ring.id}"


Replicas.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestReplicas = Replicas.TestCase
