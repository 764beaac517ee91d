"""The virtual world: the real machines of every node, on one clock, in one thread, from one seed.

Nothing here decides for a node. The world delivers packets, runs timers, performs effects with the
durations a host would need, and keeps the ground truth that the checkers look at.
"""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING, Final, assert_never

import msgspec

from ninefold.agents.model import OpStatus, Outcome, Rc
from ninefold.config.load import load
from ninefold.config.surroundings import KeyFile, Surroundings
from ninefold.core.instants import NEVER, Instant
from ninefold.node import events as ev
from ninefold.scheduler import schedule
from ninefold.sim.agents import FENCE_METADATA, QUICK_MS
from ninefold.sim.checkers import Checkers, Partition
from ninefold.sim.disk import FSYNC_MS
from ninefold.sim.host import SOCKET_BUFFER_PACKETS, Daemon, Host
from ninefold.sim.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis

KEY: Final = bytes(range(256))

# The wall clock of the virtual world at its beginning.
EPOCH: Final = 1_700_000_000

# The policy engine on a small cluster.
DECISION_MS: Final = (2, 8)

# How long a fence device needs to cut the power, and a host to boot.
FENCE_MS: Final = (20, 200)
BOOT_MS: Final = (3_000, 8_000)

# An event that is handled more often than this in one millisecond is a loop without time.
EVENTS_PER_MS_MAX: Final = 20_000


class Line(msgspec.Struct, frozen=True):
    """One line of the trace: who said or did what when."""

    at: Instant
    who: str
    what: str
    text: str


class World:
    """A cluster in a box. All public verbs take effect at the present moment."""

    def __init__(self, seed: int, conf: str, cib: Cib) -> None:
        self.now: Instant = 0
        self.rng = random.Random(f"world {seed}")  # noqa: S311 - a seed must give the same world
        self.trace: list[Line] = []
        self.answers: dict[int, ev.Answer] = {}
        self._heap: list[tuple[Instant, int, Callable[[], None]]] = []
        self._count = 0
        configs = read_conf(conf)
        self.hosts = {c.local: Host(c, f"host {seed} {c.local}", cib) for c in configs}
        first = configs[0]
        links = len(first.node(first.local).links)
        self.network = Network(self.hosts, links, self.rng)
        self.checkers = Checkers(two_node=first.quorum.two_node)
        self._addresses = {
            (entry.links[link].address, entry.links[link].port): entry.nodeid
            for entry in first.nodes
            for link in entry.links
        }
        self._by_name = {host.name: host for host in self.hosts.values()}
        self.fence_device = "works"
        self.hold_off: list[NodeId] = []
        self.fences: list[tuple[Instant, str, str]] = []

    # Time.

    def at(self, delay: Millis, action: Callable[[], None]) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + delay, self._count, action))

    def advance(self, period: Millis) -> None:
        """Let time pass."""
        end = self.now + period
        burst, burst_at = 0, -1
        while self._heap and self._heap[0][0] <= end:
            at, _, action = heapq.heappop(self._heap)
            burst = burst + 1 if at == burst_at else 1
            burst_at = at
            assert burst < EVENTS_PER_MS_MAX, "an endless loop in one millisecond"
            self.now = at
            action()
        self.now = end

    def advance_until(self, wanted: Callable[[], bool], limit: Millis, step: Millis = 50) -> bool:
        """Let time pass until something holds; answer whether it came to hold."""
        end = self.now + limit
        while not wanted():
            if self.now >= end:
                return False
            self.advance(step)
        return True

    # What can be done to hosts.

    def host(self, name: str) -> Host:
        """Return a host by name; `KeyError` if there is none."""
        return self._by_name[name]

    def power_on(self, node: NodeId) -> None:
        """Switch a host on: its daemon starts."""
        host = self.hosts[node]
        if host.powered:
            return
        host.powered = True
        host.booted_at = self.now
        self.checkers.on_boot(self.now, node)
        self.say(host.name, "power", "on")
        self.start_daemon(node)

    def start_daemon(self, node: NodeId) -> None:
        """Start the daemon of a powered host."""
        host = self.hosts[node]
        if not host.powered or host.daemon is not Daemon.GONE:
            return
        host.make_node(KEY)
        self._step(host, ev.ClockRead(EPOCH + self.now // 1000))
        self._step(host, ev.Started())

    def power_off(self, node: NodeId) -> None:
        """Cut a host's power."""
        host = self.hosts[node]
        if not host.powered:
            return
        host.cut_power()
        self.checkers.on_power_off(self.now, node)
        self.say(host.name, "power", "off")

    def kill_daemon(self, node: NodeId) -> None:
        """Kill the daemon alone."""
        self.hosts[node].end_daemon()

    def pause(self, node: NodeId) -> None:
        """Stop the daemon by a signal."""
        host = self.hosts[node]
        if host.alive:
            host.daemon = Daemon.PAUSED

    def resume(self, node: NodeId) -> None:
        """Let a stopped daemon go on: everything that waited comes at once."""
        host = self.hosts[node]
        if host.daemon is not Daemon.PAUSED:
            return
        host.daemon = Daemon.RUNNING
        if host.node is not None and host.node.deadline <= self._clock(host):
            self._step(host, ev.Woke())
        while host.inbox and host.alive:
            self._step(host, host.inbox.popleft())

    def ask(self, node: NodeId, user: str, body: bytes) -> int:
        """Hand a request in at a node's door; its answer will be in `answers`."""
        self._count += 1
        number = self._count
        self._post(self.hosts[node], ev.Requested(number, user, body))
        return number

    def stop(self, node: NodeId) -> None:
        """Ask a daemon to stop cleanly."""
        self._post(self.hosts[node], ev.Stop())

    def say(self, who: str, what: str, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(Line(self.now, who, what, text))

    # Stepping.

    def _clock(self, host: Host) -> Instant:
        return self.now - host.booted_at

    def _post(self, host: Host, event: ev.Event) -> None:
        if host.alive:
            self._step(host, event)
        elif host.daemon is Daemon.PAUSED and len(host.inbox) < SOCKET_BUFFER_PACKETS:
            host.inbox.append(event)

    def _later(self, host: Host, delay: Millis, event: ev.Event) -> None:
        life = host.life

        def happen() -> None:
            if host.life == life and host.powered:
                self._post(host, event)

        self.at(delay, happen)

    def _step(self, host: Host, event: ev.Event) -> None:
        assert host.node is not None
        for effect in host.node.step(self._clock(host), event):
            self._perform(host, effect)
        self._arm(host)

    def _arm(self, host: Host) -> None:
        if host.node is None or host.node.deadline >= NEVER:
            return
        due = max(self.now, host.booted_at + host.node.deadline)
        if due >= host.armed > self.now:
            return
        host.armed = due
        life = host.life

        def ring() -> None:
            if host.life != life or host.armed != due:
                return
            host.armed = NEVER
            if not host.alive or host.node is None:
                return
            if host.node.deadline <= self._clock(host):
                self._step(host, ev.Woke())
            else:
                self._arm(host)

        self.at(due - self.now, ring)

    # Performing.

    def _perform(self, host: Host, effect: ev.Effect) -> None:
        match effect:
            case ev.SendPacket():
                self._send(host, effect)
            case ev.SaveRingSeq(seq):
                self._save_ring_seq(host, seq)
            case ev.ProbeKernel(peer, link, _):
                self._probe(host, peer, link)
            case ev.SaveCib():
                self._save_cib(host, effect)
            case ev.RunAgent(token, call):
                self._run(host, token, call)
            case ev.Decide(version, cib, now):
                transition = schedule(cib, now)
                self._later(host, host.rng.randint(*DECISION_MS), ev.Decided(version, transition))
            case ev.Answer(request):
                self.answers[request] = effect
            case ev.Happened(what, text):
                self.say(host.name, what, text)
            case ev.Halted():
                host.end_daemon()
                self.say(host.name, "halted", "the daemon has left")
            case ev.SelfFence(reason):
                self.say(host.name, "self-fence", reason)
                self.power_off(host.id)
            case _:
                assert_never(effect)

    def _send(self, host: Host, packet: ev.SendPacket) -> None:
        receiver = self._addresses.get((packet.address, packet.port))
        if receiver is None:
            return
        source = host.config.node(host.id).links[packet.link]
        event = ev.PacketReceived(packet.link, source.address, source.port, packet.data)
        for delay in self.network.journeys(host.id, receiver, packet.link):
            self._later(self.hosts[receiver], delay, event)

    def _probe(self, host: Host, peer: NodeId, link: int) -> None:
        there = self.network.reaches(host.id, peer, link) and self.hosts[peer].powered
        if there and self.network.reaches(peer, host.id, link):
            self._later(host, 2, ev.ProbeAnswered(peer))

    def _save_ring_seq(self, host: Host, seq: int) -> None:
        life = host.life

        def saved() -> None:
            if host.life == life:
                host.disk.ring_seq = max(host.disk.ring_seq, seq)
                self._post(host, ev.RingIdSaved(seq))

        self.at(host.rng.randint(*FSYNC_MS), saved)

    def _save_cib(self, host: Host, effect: ev.SaveCib) -> None:
        life = host.life

        def saved() -> None:
            if host.life != life:
                return
            if host.disk.full:
                self._post(host, ev.CibNotSaved(effect.stamp, "no space left on device"))
                return
            host.disk.keep(effect.stamp, effect.cib)
            self._post(host, ev.CibSaved(effect.stamp))

        # One writer: saves become durable in the order in which they were asked for.
        self.at(FSYNC_MS[1], saved)

    def _run(self, host: Host, token: int, call: Call) -> None:
        if call.agent.standard == "stonith":
            self._run_fence_agent(host, token, call)
            return
        if call.action == "start":
            self._check_launch(host, call.resource)
        duration, outcome = host.resources.begin(call)
        life = host.life

        def ended() -> None:
            if host.life != life:
                # The daemon is gone, but a start that its agent had begun still takes effect.
                if host.powered and call.action == "start":
                    self._take_effect(host, call, outcome)
                return
            self._take_effect(host, call, outcome)
            self._post(host, ev.AgentFinished(token, outcome))

        self.at(duration, ended)

    def _take_effect(self, host: Host, call: Call, outcome: Outcome) -> None:
        before = host.resources.is_active(call.resource)
        host.resources.finish(call, outcome)
        after = host.resources.is_active(call.resource)
        if after and not before:
            self.checkers.on_start(self.now, host.id, call.resource)
        elif call.action == "stop" and not after:
            self.checkers.on_stop(self.now, host.id, call.resource)

    def _check_launch(self, host: Host, resource: str) -> None:
        partitions = [
            Partition(
                h.id, h.node.controller.situation.members, h.node.controller.situation.quorate
            )
            for h in self.hosts.values()
            if h.node is not None and h.powered
        ]
        me = next(partition for partition in partitions if partition.node == host.id)
        self.checkers.on_launch(self.now, resource, me, partitions)

    def _run_fence_agent(self, host: Host, token: int, call: Call) -> None:
        duration = host.rng.randint(*QUICK_MS)
        outcome = Outcome(Rc.OK, OpStatus.DONE)
        target = self._by_name.get(call.parameters.get("plug", call.parameters.get("port", "")))
        registered = host.resources.active
        if call.action == "metadata":
            outcome = Outcome(Rc.OK, OpStatus.DONE, output=FENCE_METADATA)
        elif call.action == "stop":
            registered[call.resource] = False
        elif call.action == "monitor" and not call.interval_ms and not registered.get(call.resource):
            outcome = Outcome(Rc.NOT_RUNNING, OpStatus.DONE)
        elif self.fence_device == "fails":
            outcome = Outcome(Rc.ERROR, OpStatus.DONE, "the device does not answer")
        elif call.action in ("off", "reboot", "on"):
            if target is None:
                outcome = Outcome(Rc.ERROR, OpStatus.DONE, "no such plug")
            else:
                duration = host.rng.randint(*FENCE_MS)
                # The device acts at once and answers later, whatever becomes of who asked.
                self._fence(target, call.action)
        elif call.action == "start":
            registered[call.resource] = True
        self._later(host, duration, ev.AgentFinished(token, outcome))

    def _fence(self, target: Host, action: str) -> None:
        self.fences.append((self.now, action, target.name))
        if action == "on":
            self.power_on(target.id)
            return
        self.power_off(target.id)
        self.checkers.on_silenced(self.now, target.id)
        if action == "reboot" and target.id not in self.hold_off:
            self.at(target.rng.randint(*BOOT_MS), lambda: self.power_on(target.id))

    # Looking.

    def where(self, resource: str) -> list[str]:
        """Return the hosts that run a resource, in truth."""
        return [
            host.name
            for host in self.hosts.values()
            if host.powered and host.resources.is_active(resource)
        ]

    def partitions(self) -> dict[str, tuple[NodeId, ...]]:
        """Return the ring of each running daemon."""
        return {
            host.name: host.node.stack.members
            for host in self.hosts.values()
            if host.node is not None and host.alive
        }


def read_conf(text: str) -> list[ClusterConfig]:
    """Return the configuration as each of its nodes reads it; `ValueError` if it has errors."""
    hosts = [line.split(":")[1].strip() for line in text.splitlines() if "ring0_addr" in line]
    configs = []
    for address in hosts:
        surroundings = Surroundings(addresses=(address,), keyfile=KeyFile(size=len(KEY), data=KEY))
        config, findings = load(text, file="corosync.conf", surroundings=surroundings)
        if config is None:
            raise ValueError("\n".join(map(str, findings)))
        configs.append(config)
    return configs
