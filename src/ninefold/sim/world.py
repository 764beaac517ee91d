"""The virtual world: the real machines of every node, on one clock, in one thread, from one seed.

Nothing here decides for a node. The world delivers packets, runs timers, and keeps the ground truth
that the checkers look at; `effects` performs what the nodes ask for.
"""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.controller import decision
from ninefold.controller import events as control
from ninefold.core.instants import NEVER, Instant
from ninefold.node import events as ev
from ninefold.sim.checkers import Beliefs, Checkers, Health, check_needed
from ninefold.sim.clones import Instances, promotion
from ninefold.sim.conf import plain_majority, read_conf
from ninefold.sim.corosync import VirtualCorosync
from ninefold.sim.documents import Documents
from ninefold.sim.effects import AGENT, Effects
from ninefold.sim.files import Files
from ninefold.sim.host import SOCKET_BUFFER_PACKETS, Daemon, Host
from ninefold.sim.keyring import Keyring
from ninefold.sim.majorities import count_votes
from ninefold.sim.memory import Memory
from ninefold.sim.network import Network
from ninefold.sim.ordering import Ordering
from ninefold.sim.overload import queue
from ninefold.sim.promises import Promises
from ninefold.sim.restless import Restless
from ninefold.sim.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis
    from ninefold.scheduler.model import Transition

KEY: Final = bytes(range(256))

# The wall clock of the virtual world at its beginning.
EPOCH: Final = 1_700_000_000

# An event that is handled more often than this in one millisecond is a loop without time.
EVENTS_PER_MS_MAX: Final = 20_000


class Line(msgspec.Struct, frozen=True):
    """One line of the trace: who said or did what when."""

    at: Instant
    who: str
    what: str
    text: str
    fields: dict[str, str] = {}


class World:
    """A cluster in a box. All public verbs take effect at the present moment.

    `decide` answers for the policy engine; a test may give a broken one to see it found out. `cluster` says what
    carries the messages: the embedded ring, or a virtual Corosync on every host. `conf` is all there is; the
    hosts' files may say less (`file`).
    """

    def __init__(
        self,
        seed: int,
        conf: str,
        cib: Cib,
        *,
        decide: Callable[[Cib, int], Transition] = decision.decide,
        cluster: str = "embedded",
        file: str = "",
    ) -> None:
        self.now: Instant = 0
        self.rng = random.Random(f"world {seed}")  # noqa: S311 - a seed must give the same world
        self.trace: list[Line] = []
        self.answers: dict[int, ev.Answer] = {}
        # Of which daemon a request was asked: of which host, in which of its lives.
        self._asked: dict[int, tuple[NodeId, int]] = {}
        # What is to happen, once, when somebody says a word of the trace; told who did.
        self.moments: dict[str, Callable[[str], None]] = {}
        # Grows when everything is mended: what a fault was to do later is void.
        self.mended = 0
        self._heap: list[tuple[Instant, int, Callable[[], None]]] = []
        self._count = 0
        configs = read_conf(conf, KEY)
        self.hosts = {c.local: Host(c, f"host {seed} {c.local}", cib, KEY) for c in configs}
        self.config = configs[0]
        self.files = Files(self.hosts, file or conf, KEY, changed=file not in ("", conf))
        self.network = Network(self.hosts, len(self.config.node(self.config.local).links), self.rng)
        self._plain_majority = plain_majority(self.config)
        self.checkers = Checkers(two_node=self.config.quorum.two_node)
        self.views = Views()
        self.documents = Documents(self.hosts, plain=self._plain_majority)
        self.memory = Memory(self.hosts, self.documents)
        self.ordering = Ordering(cib)
        self.instances = Instances(cib, self.hosts)
        self.restless = Restless(cib, self.hosts)
        self.promises = Promises()
        self.keyring = Keyring(self.hosts)
        self.effects = Effects(self, decide)
        self.corosync = VirtualCorosync(self, seed) if cluster == "corosync" else None
        self._by_name = {host.name: host for host in self.hosts.values()}
        self._disturbed: dict[NodeId, Instant] = {}
        self._requested: dict[NodeId, bool] = {}
        self.fence_device = "works"
        self.beliefs = Beliefs(self.config.totem)
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

    # Power.

    def host(self, name: str) -> Host:
        """Return a host by name; `KeyError` if there is none."""
        return self._by_name[name]

    def find(self, name: str) -> Host | None:
        """Return a host by name, if there is one."""
        return self._by_name.get(name)

    def power_on(self, node: NodeId) -> None:
        """Switch a host on: its daemon starts."""
        host = self.hosts[node]
        if host.powered:
            return
        host.powered = True
        host.clock.boot(self.now)
        self.disturb(node)
        self._requested.pop(node, None)
        self.checkers.on_boot(self.now, node)
        self.say(host.name, "power", "power on")
        if self.corosync is not None:
            self.corosync.start(node)
        self.start_daemon(node)

    def power_off(self, node: NodeId, why: str = "loses power") -> None:
        """Cut a host's power."""
        host = self.hosts[node]
        if not host.powered:
            return
        self.disturb(node)
        host.cut_power()
        self.checkers.on_power_off(self.now, node)
        self.ordering.on_power_off(node)
        self.say(host.name, "power", why)

    def fence(self, host: Host, action: str, *, needed: bool = True) -> None:
        """Do a fence device's work; `needed` is false for a device that acts when nobody asks any more."""
        self.fences.append((self.now, action, host.name))
        if action == "on":
            self.power_on(host.id)
            return
        health = Health(
            host.id,
            host.alive,
            self._connected(host.id),
            self._disturbed.get(host.id, 0),
            any(fault.action in ("stop", "*") for fault in host.resources.faults),
            self._requested.get(host.id, False),
        )
        if needed:
            check_needed(self.now, health, self.beliefs.last_ms(self.now))
        self.power_off(host.id, "loses power by the fence device")
        self.checkers.on_silenced(self.now, host.id)

    def _connected(self, node: NodeId) -> bool:
        if not self.network.lively or self.hosts[node].slow_ms:
            return False
        return all(self.network.connected(node, n) for n in self.hosts if n != node)

    def disturb(self, node: NodeId) -> None:
        """Note that something is done to a host: for the checker of needless fencing."""
        self._disturbed[node] = self.now
        self.restless.on_fault(self.now)

    def vouched(self, name: str) -> None:
        """A fence device, or a person, says that a host is silent.

        Of one that is off this is true, even if the device had no part in it.
        """
        self.checkers.on_device_said(name)
        host = self._by_name[name]
        if not host.powered:
            self.checkers.on_silenced(self.now, host.id)
        self.memory.on_vouched(self.now, name)

    def request_fencing(self, node: NodeId) -> None:
        """Note that somebody asked for a host to be fenced."""
        self._requested[node] = True

    # Daemons.

    def start_daemon(self, node: NodeId) -> None:
        """Start the daemon of a powered host."""
        host = self.hosts[node]
        if not host.powered or host.frozen or host.daemon is not Daemon.GONE:
            return
        self.disturb(node)
        self.views.forget(node)
        self.beliefs.on_begun(self.now)
        self.memory.on_begun(self.now, node)
        self.effects.end_orphans(host)
        if host.disk.condition == "unreadable":
            self.say(host.name, "halted", "the daemon cannot start: its store cannot be read")
            return
        if self.files.changed:
            config, findings = self.files.read(host)
            if config is None:
                self.say(host.name, "halted", f"the daemon cannot start: {findings[0]}")
                return
            host.use(config)
        on_corosync = self.corosync is not None
        host.make_node(lambda event: self._watch(host, event), corosync=on_corosync)
        self.step(host, self.wall_clock(host))
        self.step(host, ev.Started())

    def kill_daemon(self, node: NodeId) -> None:
        """Kill the daemon alone; not on a machine that stands still."""
        self.disturb(node)
        if not self.hosts[node].frozen:
            self.hosts[node].end_daemon()

    def pause(self, node: NodeId) -> None:
        """Stop the daemon by a signal."""
        host = self.hosts[node]
        self.disturb(node)
        if host.alive:
            host.daemon = Daemon.PAUSED

    def freeze(self, node: NodeId) -> None:
        """Let the whole machine stand still, its kernel too; `resume` lets it go on."""
        self.pause(node)
        self.hosts[node].frozen = self.hosts[node].powered

    def suspend(self, node: NodeId) -> None:
        """Let a virtual machine be stopped: it freezes, and its clocks stand still."""
        self.freeze(node)
        self.hosts[node].clock.stop(self.now)

    def resume(self, node: NodeId) -> None:
        """Let a stopped daemon go on: everything that waited comes at once."""
        host = self.hosts[node]
        self.disturb(node)
        host.frozen = False
        host.clock.go(self.now)
        held, host.held = host.held, []
        for act in held:
            act()
        if host.daemon is not Daemon.PAUSED:
            return
        host.daemon = Daemon.RUNNING
        if host.node is not None and host.node.deadline <= self.clock(host):
            self.step(host, ev.Woke())
        self.arm(host)
        while host.inbox and host.alive:
            self.step(host, host.inbox.popleft())

    def stop(self, node: NodeId) -> None:
        """Ask a daemon to stop cleanly."""
        self.disturb(node)
        self.post(self.hosts[node], ev.Stop())

    # Cables.

    def isolate(self, node: NodeId, link: int | None = None) -> None:
        """Cut a host off, on one link or on all."""
        self.network.isolate(node, link)
        self.disturb(node)

    def rejoin(self, node: NodeId, link: int | None = None) -> None:
        """Mend a host's cables."""
        self.network.rejoin(node, link)
        self.disturb(node)

    def partition(self, sides: Sequence[Sequence[NodeId]]) -> None:
        """Cut between sides."""
        self.network.partition(sides)
        self.disturb_all()

    def cut(self, sender: NodeId, receiver: NodeId) -> None:
        """Cut one direction between two hosts."""
        self.network.cut(sender, receiver)
        self.disturb(sender)
        self.disturb(receiver)

    def heal(self) -> None:
        """Mend every cable."""
        self.network.heal()
        self.disturb_all()

    def disturb_all(self) -> None:
        """Note that something is done to the whole network."""
        for node in self.hosts:
            self.disturb(node)

    # Resources.

    def kill(self, resource: str, hosts: Sequence[Host] | None = None) -> None:
        """Let a resource's process die wherever it runs, or where it does among these hosts."""
        for host in self.hosts.values() if hosts is None else hosts:
            if host.resources.is_active(resource):
                host.resources.end(resource)
                self.checkers.on_stop(self.now, host.id, resource)
                self.checkers.on_stop(self.now, host.id, promotion(resource))
                self.say(host.name, "died", f"the process of {resource} dies")

    # The door.

    def ask(self, node: NodeId, user: str, body: bytes) -> int:
        """Hand a request in at a node's door; its answer will be in `answers`."""
        self._count += 1
        number = self._count
        self.promises.on_asked(number, body)
        self.memory.on_asked(self.now, number, body)
        if user != AGENT:
            self.restless.on_fault(self.now)
        if self.hosts[node].node is not None:
            self._asked[number] = (node, self.hosts[node].life)
        self.post(self.hosts[node], ev.Requested(number, user, body))
        return number

    @property
    def unanswered(self) -> list[int]:
        """Requests that may yet be answered: the daemon that was asked still runs."""
        return [
            number
            for number, (node, life) in self._asked.items()
            if number not in self.answers and self.hosts[node].life == life
        ]

    def reload(self, node: NodeId, user: str) -> int:
        """Ask a node for a reload by all; its answer will be in `answers`."""
        self._count += 1
        number = self._count
        self.post(self.hosts[node], ev.ReloadAsked(number, user))
        return number

    def answered(self, host: Host, answer: ev.Answer) -> None:
        """Take an answer."""
        self.answers[answer.request] = answer
        if answer.ok and host.node is not None:
            stamp = host.node.controller.replica.stamp
            self.memory.on_acknowledged(self.now, answer.request, stamp)
        elif not answer.ok:
            self.memory.on_refused(answer.request, answer.body)
        name = self.promises.on_answer(answer)
        if name:
            self.documents.check_kept(self.now, name)

    def say(self, who: str, what: str, text: str, fields: dict[str, str] | None = None) -> None:
        """Add a line to the trace; whoever has waited for such a line is told."""
        self.trace.append(Line(self.now, who, what, text, fields or {}))
        if what in self.moments:
            self.moments.pop(what)(who)

    # Stepping.

    def clock(self, host: Host) -> Instant:
        """Return what a host's monotonic clock shows."""
        return host.clock.read(self.now)

    def wall_clock(self, host: Host) -> ev.ClockRead:
        """Return what a daemon reads from its host's wall clock."""
        return ev.ClockRead(host.clock.wall(self.now, EPOCH))

    def post(self, host: Host, event: ev.Event) -> None:
        """Hand an event to a daemon, or to the kernel that keeps it while the daemon stands still."""
        if host.alive:
            if host.slow_ms or host.inbox:
                queue(self, host, event)
            else:
                self.step(host, event)
        elif host.daemon is Daemon.PAUSED:
            # A socket's buffer is bounded; Corosync keeps everything for a client that does not read.
            full = host.frozen or len(host.inbox) >= SOCKET_BUFFER_PACKETS
            if not (full and isinstance(event, ev.PacketReceived)):
                host.inbox.append(event)

    def later(self, host: Host, delay: Millis, event: ev.Event) -> None:
        """Hand an event to a daemon later, if it is still the same one then."""
        life = host.life

        def happen() -> None:
            if host.life == life and host.powered:
                self.post(host, event)

        self.at(delay, happen)

    def step(self, host: Host, event: ev.Event) -> None:
        """Step a daemon and perform what it asks for."""
        assert host.node is not None
        perform = self.effects.perform
        for effect in host.node.step(host.clock.read(self.now), event):
            perform(host, effect)
        self.arm(host)

    def arm(self, host: Host) -> None:
        """See to it that a daemon is woken at its deadline."""
        if host.node is None:
            return
        deadline, now = host.node.deadline, self.now
        if deadline >= NEVER:
            return
        due = max(now, host.clock.when(deadline))
        if due >= host.armed > now:
            return
        host.armed = due
        life = host.life

        def ring() -> None:
            if host.life != life or host.armed != due:
                return
            host.armed = NEVER
            if not host.alive or host.node is None:
                return
            if host.node.deadline <= self.clock(host):
                self.post(host, ev.Woke())
            else:
                self.arm(host)

        self.at(due - now, ring)

    def _watch(self, host: Host, event: control.Event | control.Multicast) -> None:
        if isinstance(event, control.Multicast):
            self.views.on_sent(host.id, event.payload)
            return
        self.views.on_event(self.now, host.id, event)
        if isinstance(event, control.Configured):
            lively = self.network.lively and not any(h.slow_ms for h in self.hosts.values())
            self.restless.on_membership(self.now, host.id, calm=lively)
        if self._plain_majority and isinstance(event, control.Configured | control.QuorumChanged):
            count_votes(self, host, event)

    # Looking.

    def where(self, resource: str) -> list[str]:
        """Return the hosts that run a resource, in truth."""
        return [
            host.name
            for host in self.hosts.values()
            if host.powered and host.resources.is_active(resource)
        ]

    def promoted(self, resource: str) -> list[str]:
        """Return the hosts on which a resource is promoted, in truth."""
        return [
            h.name for h in self.hosts.values() if h.powered and h.resources.is_promoted(resource)
        ]

    def partitions(self) -> dict[str, tuple[NodeId, ...]]:
        """Return the ring of each running daemon."""
        return {
            host.name: host.node.stack.members
            for host in self.hosts.values()
            if host.node is not None and host.alive
        }
