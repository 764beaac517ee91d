"""Controllers joined by a ring that the test moves by hand: who hears what, and when it breaks up."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from ninefold.agents.model import AgentName, Call
from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from ninefold.controller import requests as rq
from ninefold.controller.conductor import Controller
from ninefold.core.ids import NodeId, RingId
from ninefold.quorum.events import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WALL = 1_700_000_000

DOCUMENT = """
<cib admin_epoch="0" epoch="1" num_updates="0">
  <configuration><crm_config/><nodes/><resources>
    <primitive id="fence" class="stonith" type="fence_test">
      <instance_attributes id="fence-params">
        <nvpair id="f1" name="pcmk_host_check" value="static-list"/>
        <nvpair id="f2" name="pcmk_host_list" value="n1 n2 n3 n4 n5"/>
      </instance_attributes>
    </primitive>
    <primitive id="db" class="ocf" provider="sim" type="service"/>
  </resources><constraints/></configuration><status/>
</cib>
"""


def read(text: str = DOCUMENT) -> Cib:
    """Return a document; it must be a good one."""
    cib, findings = Cib.parse(text)
    assert cib is not None, findings
    return cib


class Controllers:
    """Some controllers; `sent` is what the ring has not delivered yet."""

    def __init__(self, nodes: int, *, expected: int = 0, text: str = DOCUMENT) -> None:
        self.now = 0
        self.expected = expected or nodes
        names = {number: f"n{number}" for number in range(1, self.expected + 1)}
        cib = read(text)
        self.all = {
            node: Controller(
                node, names, stamp=Stamp(0, cib.version), cib=cib, rng=random.Random(node)
            )
            for node in range(1, nodes + 1)
        }
        self.sent: deque[tuple[NodeId, bytes]] = deque()
        self.effects: dict[NodeId, list[ev.Effect]] = {node: [] for node in self.all}
        self.unsaved: dict[NodeId, list[Stamp]] = {node: [] for node in self.all}
        self.seq = 0
        for node in self.all:
            self.give(node, ev.ClockRead(WALL))

    def give(self, node: NodeId, event: ev.Event) -> list[ev.Effect]:
        """Let one thing happen to one controller; return what it asks for."""
        effects = self.all[node].step(self.now, event)
        self.effects[node] += effects
        for effect in effects:
            if isinstance(effect, ev.Multicast):
                self.sent.append((node, effect.payload))
            elif isinstance(effect, ev.SaveCib):
                self.unsaved[node].append(effect.stamp)
        return effects

    def deliver(self, to: Iterable[NodeId] = ()) -> None:
        """Deliver everything that was sent, and what follows from it, to the members in turn."""
        receivers = list(to) or list(self.all)
        while self.sent:
            sender, payload = self.sent.popleft()
            for node in receivers:
                self.give(node, ev.MessageDelivered(sender, payload))

    def configure(self, members: Sequence[NodeId], *, quorate: bool | None = None) -> None:
        """Begin a new ring of these members; what was not delivered is lost."""
        self.sent.clear()
        self.seq += 4
        ring = RingId(self.seq, members[0])
        threshold = self.expected // 2 + 1
        good = len(members) >= threshold if quorate is None else quorate
        verdict = Verdict(ring, good, len(members), self.expected, threshold, "")
        annexes = {node: self.all[node].annex() for node in members}
        for node in members:
            self.give(node, ev.Configured(ring, tuple(members), annexes, verdict))

    def ring(self, members: Sequence[NodeId], *, quorate: bool | None = None) -> None:
        """Begin a new ring and deliver what its members have to say."""
        self.configure(members, quorate=quorate)
        self.deliver(members)

    def break_up(self, together: Sequence[NodeId]) -> None:
        """Let the configuration break up for those who move on together."""
        for node in together:
            self.give(node, ev.Unsettled(tuple(together)))

    def save(self, *nodes: NodeId) -> None:
        """Let disks finish what they were given."""
        for node in nodes:
            for stamp in self.unsaved[node]:
                self.give(node, ev.CibSaved(stamp))
            self.unsaved[node] = []

    def ask(self, node: NodeId, request: rq.Request, number: int = 9) -> list[ev.Effect]:
        """Hand a request in at a door."""
        return self.give(node, ev.Requested(number, "alice", rq.encode(request)))

    def answers(self, node: NodeId) -> list[bool]:
        """Return whether what was asked at a node's door was granted, answer by answer."""
        return [effect.ok for effect in self.effects[node] if isinstance(effect, ev.Answer)]

    def told(self, node: NodeId) -> list[str]:
        """Return the words of what has happened on a node."""
        return [effect.what for effect in self.effects[node] if isinstance(effect, ev.Happened)]

    def property(self, node: NodeId, name: str) -> str:
        """Return a property as a node's document has it."""
        return self.all[node].replica.authority.property(name, "")

    def order(self, node: NodeId, task: str, *, needs_quorum: bool = False) -> None:
        """Send an order of the DC for a node to carry out on `db`, or on the node itself."""
        resource = "" if task == "do_shutdown" else "db"
        agent = AgentName("ocf", "sim", "service") if resource else AgentName("", "", "")
        call = Call(agent, resource, task, 0, 20_000)
        order = msg.Order(node, "1:x", 1, task, resource, 0, call, needs_quorum=needs_quorum)
        dc = self.all[node].situation.dc
        ring = self.all[node].situation.ring
        self.sent.append((dc, msg.encode(msg.Perform(ring, order, WALL))))
