"""Controllers that live: engine, agents, a fence device and a ring, in whatever order the test chooses.

What runs where is kept here, by what the agents really did, and judged at every step. Nothing asks a
controller what it believes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from ninefold.agents.model import Call, OpStatus, Outcome, Rc, Traits
from ninefold.controller import events as ev
from ninefold.controller import requests as rq
from ninefold.controller.conductor import Controller
from ninefold.controller.decision import decide
from ninefold.core.ids import NodeId
from tests.controller_ring import WALL, Controllers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.cib.document import Cib
    from ninefold.scheduler.model import Transition

FENCE_METADATA = (
    '<resource-agent name="fence_test"><parameters><parameter name="plug" required="1">'
    '<content type="string"/></parameter></parameters><actions><action name="off"/>'
    '<action name="reboot"/><action name="monitor"/><action name="metadata"/></actions>'
    "</resource-agent>"
)

STOPPED, RUNNING, PROMOTED = 0, 1, 2

# The role after each action that succeeds. A start of what runs and a stop of what is stopped are
# harmless: every agent must be able to do that.
AFTER = {"start": RUNNING, "stop": STOPPED, "promote": PROMOTED, "demote": RUNNING}


class Job(msgspec.Struct, frozen=True):
    """An agent under way on a node."""

    node: NodeId
    token: int
    call: Call


class Life:
    """Some nodes of a cluster with `text` as its document."""

    def __init__(self, nodes: int, text: str, *, scores: Sequence[int] = ()) -> None:
        """`scores` are the promotion scores that agents give themselves, by node in turn."""
        self.ring = Controllers(nodes, text=text)
        self.nodes = list(self.ring.all)
        self.members = list(self.nodes)
        self.scores = dict(zip(self.nodes, scores, strict=False))
        self.roles: dict[tuple[NodeId, str], int] = {}
        self.jobs: list[Job] = []
        # Who judges, before an agent is launched and after one has ended.
        self.on_launch: list[Callable[[Job], None]] = []
        self.on_change: list[Callable[[Job], None]] = []
        self.on_decision: list[Callable[[Cib, Transition], None]] = []
        self.story: list[str] = []
        # How what an agent does on a node comes out, if not as it should: an exit code.
        self.faults: dict[tuple[NodeId, str, str], int] = {}
        # What is done although it is said to have failed.
        self.half: list[tuple[NodeId, str, str]] = []
        self.off: list[NodeId] = []
        # How what may run on a host was started, as its daemon keeps it.
        self.kept: dict[tuple[NodeId, str], Call] = {}
        # What the agents say of themselves.
        self.traits: Traits | None = None
        self._seen = dict.fromkeys(self.nodes, 0)
        self._requests = 100

    def begin(self) -> None:
        """Let everybody join."""
        self.configure(self.nodes)

    def configure(self, members: Sequence[NodeId]) -> None:
        """Begin a ring of `members`; the others are lost, and what they run runs on."""
        self.members = list(members)
        self.ring.break_up(self.members)
        self.ring.ring(self.members)
        self.drain()

    def role(self, node: NodeId, resource: str) -> int:
        """Return what an instance truly is on a node."""
        return self.roles.get((node, resource), STOPPED)

    def where(self, resource: str, least: int = RUNNING) -> list[NodeId]:
        """Return the nodes on which it truly runs, or is promoted."""
        return [node for node in self.nodes if self.role(node, resource) >= least]

    def drain(self) -> None:
        """Perform what the controllers ask for until only agents are under way."""
        while True:
            self.ring.save(*self.nodes)
            new = [
                (node, effect)
                for node in self.nodes
                for effect in self.ring.effects[node][self._seen[node] :]
            ]
            for node in self.nodes:
                self._seen[node] = len(self.ring.effects[node])
            for node, effect in new:
                self._perform(node, effect)
            self.ring.deliver(self.members)
            if not new and not self.ring.sent and not any(self.ring.unsaved.values()):
                return

    def _perform(self, node: NodeId, effect: ev.Effect) -> None:
        match effect:
            case ev.Decide(version, cib, now, number):
                transition = decide(cib, now)
                for look in self.on_decision:
                    look(cib, transition)
                self.ring.give(node, ev.Decided(version, transition, number))
            case ev.RunAgent(token, call):
                job = Job(node, token, call)
                if call.action in ("start", "migrate_from"):
                    self.kept[(node, call.resource)] = call
                if call.agent.standard != "stonith":
                    self.story.append(f"{node}: {call.action} {call.resource}")
                    for judge in self.on_launch:
                        judge(job)
                self.jobs.append(job)
            case _:
                pass

    def finish(self, job: Job) -> None:
        """Let an agent end, and everything that follows from it happen."""
        self.jobs.remove(job)
        call = job.call
        outcome = Outcome(Rc.OK, OpStatus.DONE)
        if call.agent.standard == "stonith":
            outcome = self._fence_device(call)
        else:
            outcome = Outcome(self._act(job), OpStatus.DONE, traits=self.traits)
        self.ring.give(job.node, ev.AgentFinished(job.token, outcome))
        self.drain()

    def finish_unheard(self, job: Job) -> None:
        """Let an agent on a lost node end: what it does is done, and nobody hears of it."""
        self.jobs.remove(job)
        if job.call.agent.standard != "stonith":
            self._act(job)

    def _depart(self, job: Job) -> int:
        """Let a resource have moved alive, all at once, if both ends have power."""
        node, call = job.node, job.call
        target = int(call.meta["migrate_target"][1:])
        if self.role(node, call.resource) == STOPPED or target in self.off:
            return Rc.ERROR
        self.roles[(node, call.resource)] = STOPPED
        self.roles[(target, call.resource)] = RUNNING
        for judge in self.on_change:
            judge(job)
        return Rc.OK

    def _act(self, job: Job) -> int:
        """Let an agent have done its work, return what it answers."""
        node, call = job.node, job.call
        fault = self.faults.get((node, call.resource, call.action))
        role = self.role(node, call.resource)
        if fault is not None:
            if (node, call.resource, call.action) in self.half and call.action == "migrate_to":
                self._depart(job)
            return fault
        if call.action == "migrate_to":
            return self._depart(job)
        if call.action == "migrate_from":
            return Rc.ERROR if role == STOPPED else Rc.OK
        if call.action == "monitor":
            return {STOPPED: Rc.NOT_RUNNING, RUNNING: Rc.OK, PROMOTED: Rc.RUNNING_PROMOTED}[role]
        if call.action in ("promote", "demote") and role == STOPPED:
            return Rc.NOT_RUNNING
        if call.action in AFTER:
            self.roles[(node, call.resource)] = AFTER[call.action]
            for judge in self.on_change:
                judge(job)
            if call.action == "start" and self.scores.get(node) and "promoted_max" in call.meta:
                self.ask(node, rq.SetAttribute(f"master-{call.resource}", str(self.scores[node])))
        return Rc.OK

    def ask(self, node: NodeId, request: rq.Request) -> None:
        """Ask at a node's door."""
        self._requests += 1
        self.ring.ask(node, request, self._requests)

    def _fence_device(self, call: Call) -> Outcome:
        if call.action == "metadata":
            return Outcome(Rc.OK, OpStatus.DONE, output=FENCE_METADATA)
        if call.action == "monitor" and not call.interval_ms:
            return Outcome(Rc.NOT_RUNNING, OpStatus.DONE)
        if call.action in ("off", "reboot"):
            name = call.parameters.get("plug", "")
            self.story.append(f"{name} is fenced")
            self.power_off(int(name[1:]))
        if call.action == "on":
            self.story.append(f"{call.parameters.get('plug', '')} is unfenced")
        return Outcome(Rc.OK, OpStatus.DONE)

    def power_off(self, node: NodeId) -> None:
        """Everything that ran on a node is gone."""
        if node not in self.off:
            self.off.append(node)
        self.kept = {key: call for key, call in self.kept.items() if key[0] != node}
        for key in [key for key in self.roles if key[0] == node]:
            self.roles[key] = STOPPED
        self.jobs = [job for job in self.jobs if job.node != node]

    def boot(self, node: NodeId) -> None:
        """Let a host that lost its power begin anew from what is on its disk."""
        self.off = [one for one in self.off if one != node]
        self.restart_daemon(node)

    def restart_daemon(self, node: NodeId) -> None:
        """Let a daemon begin anew; what it started runs on."""
        old = self.ring.all[node].replica
        names = {number: f"n{number}" for number in self.nodes}
        kept = [call for (where, _), call in self.kept.items() if where == node]
        self.ring.all[node] = Controller(
            node, names, stamp=old.stamp, cib=old.authority, rng=random.Random(node), started=kept
        )
        self.ring.unsaved[node] = []
        self.ring.effects[node] = []
        self._seen[node] = 0
        self.ring.give(node, ev.ClockRead(WALL + self.ring.now // 1000))

    def settle(self, choose: Callable[[int], int], *, steps: int = 2_000) -> bool:
        """Finish agents, in an order that `choose` picks, until nothing is under way.

        False if that takes more than `steps`: it turns in circles, or was interrupted on purpose.
        """
        for _ in range(steps):
            mine = [job for job in self.jobs if job.node in self.members]
            if not mine:
                return True
            self.finish(mine[choose(len(mine))])
        return False

    def pass_time(self, seconds: int) -> None:
        """Let the clock go on; every member is woken when it has asked for it."""
        until = self.ring.now + seconds * 1000
        while True:
            next_at = min(self.ring.all[node].deadline for node in self.members)
            if next_at > until:
                break
            self.ring.now = max(self.ring.now, next_at)
            for node in self.members:
                if self.ring.all[node].deadline <= self.ring.now:
                    self.ring.give(node, ev.Woke())
            self.drain()
            if not self.settle(lambda _: 0):
                raise AssertionError("nothing comes to rest")
        self.ring.now = until

    def told(self) -> list[str]:
        """Return what the DC has said has happened."""
        return [
            effect.text
            for node in self.nodes
            for effect in self.ring.effects[node]
            if isinstance(effect, ev.Happened)
        ]


def document(resources: str, constraints: str = "", options: str = "", nodes: int = 3) -> str:
    """Return a CIB with a fence device for n1, n2, ... and these resources."""
    names = " ".join(f"n{number}" for number in range(1, nodes + 1))
    return (
        '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config>'
        f'<cluster_property_set id="cib-bootstrap-options">{options}</cluster_property_set>'
        '</crm_config><nodes/><resources><primitive id="fence" class="stonith" type="fence_test">'
        '<instance_attributes id="fp"><nvpair id="fp1" name="pcmk_host_check" value="static-list"/>'
        f'<nvpair id="fp2" name="pcmk_host_list" value="{names}"/></instance_attributes>'
        f"</primitive>{resources}</resources><constraints>{constraints}</constraints>"
        "</configuration><status/></cib>"
    )
