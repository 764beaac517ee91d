"""Perform what a node asks for, with the durations that a host would need.

Packets go through the network, saves to the disk, agents to the resources, fence agents to the
virtual power switch. What becomes true here is told to the checkers at that moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from ninefold.agents.model import OpStatus, Outcome, Rc
from ninefold.controller import requests as rq
from ninefold.node import events as ev
from ninefold.sim import liveness
from ninefold.sim.agents import FENCE_METADATA, QUICK_MS
from ninefold.sim.checkers import Partition
from ninefold.sim.clones import promotion
from ninefold.sim.conduct import Conduct
from ninefold.sim.files import FILE, READ_MS
from ninefold.sim.loads import Loads

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant, Millis
    from ninefold.scheduler.model import Transition
    from ninefold.sim.host import Host
    from ninefold.sim.world import World
    from ninefold.totem.keys import KeySet

# The policy engine on a small cluster.
DECISION_MS: Final = (2, 8)

# How long a fence device needs to cut the power, also a slow one, and a host to boot.
FENCE_MS: Final = (20, 200)
FENCE_SLOW_MS: Final = 15_000
BOOT_MS: Final = (3_000, 8_000)

# A device that does not answer in time may act all the same, this long after it was given up.
FENCE_LATE_MS: Final = 3_000

DEAF: Final = Outcome(Rc.ERROR, OpStatus.DONE, "the device does not answer")

# What takes longer than this on its way may find its receiver started anew.
REBOOT_MS: Final = 1_000

# A kernel answers a probe within this.
PROBE_MS: Final = 2

# How likely a start that is killed in the middle has done its work already.
ORPHAN_HAS_STARTED: Final = 0.5

# What an agent that can be promoted says of itself, as Pacemaker's Stateful does.
UNPROMOTED_SCORE: Final = "5"
PROMOTED_SCORE: Final = "10"
RATING: Final = ("start", "demote", "promote", "monitor")

# As whom agents ask.
AGENT: Final = "root"

# What a recorder of packets keeps: some seconds of a small cluster.
TAPPED_MAX: Final = 2000


class Effects:
    """The performer of a world's hosts. `tapped` records (receiver, packet) while `tap` is set."""

    def __init__(self, world: World, decide: Callable[[Cib, int], Transition]) -> None:
        self.world = world
        self.decide = decide
        self.loads = Loads(world.config.totem)
        self.conduct = Conduct(world.hosts, world.documents, world.memory.begun)
        self._agents = 0
        self.sent = 0
        self.tap = False
        self.tapped: list[tuple[NodeId, ev.PacketReceived]] = []
        # When the last fencing that was asked for will have been done, by a slow device for example.
        self.fencing_until: Instant = 0
        # One writer a host: its saves become durable in the order in which they were asked for.
        self._disk_free_at: dict[NodeId, int] = {}

    def perform(self, host: Host, effect: ev.Effect) -> None:
        """Do what one effect asks for."""
        world = self.world
        self.loads.on_effect(world.now, host.id, effect)
        match effect:
            case ev.SendPacket():
                self._send(host, effect)
            case ev.ReadFile() | ev.Reconfigured():
                self._reload(host, effect)
            case ev.SaveRingSeq(seq):
                self._save_ring_seq(host, seq)
            case ev.SaveExpected(votes):
                self._save_expected(host, votes)
            case ev.SaveKeys(keys):
                self._save_keys(host, keys)
            case ev.ProbeKernel(peer, link, _):
                self._probe(host, peer, link)
            case ev.SaveCib():
                self.save_cib(host, effect)
            case ev.RunAgent(token, call):
                self._run(host, token, call)
            case ev.Decide(version, cib, now, number):
                self.conduct.on_decide(world.now, host.id)
                decided = ev.Decided(version, self.decide(cib, now), number)
                world.later(host, host.engine_rng.randint(*DECISION_MS), decided)
            case ev.Answer():
                world.answered(host, effect)
            case ev.Happened():
                self._tell(host, effect)
            case ev.Halted():
                host.end_daemon()
                world.say(host.name, "halted", "the daemon has left")
            case ev.SelfFence(reason):
                world.power_off(host.id, f"resets itself: {reason}")
            case ev.Connect() | ev.Multicast() | ev.Disconnect():
                assert world.corosync is not None
                world.corosync.perform(host, effect)
            case _:
                assert_never(effect)

    def _tell(self, host: Host, told: ev.Happened) -> None:
        if told.what == "fenced":
            self.world.checkers.on_fencing_told(self.world.now, told.fields["node"])
        self.conduct.on_told(self.world.now, host.id, told.what, told.fields)
        self.world.say(host.name, told.what, told.text, told.fields)

    def _send(self, host: Host, packet: ev.SendPacket) -> None:
        world, link = self.world, packet.link
        receiver = world.files.addresses.get((packet.address, packet.port))
        if receiver is None or (world.files.changed and not self._open(host, receiver, packet)):
            return
        self.sent += 1
        address, port = host.sources[link]
        network, there = world.network, world.hosts[receiver]
        data = packet.data
        if network.weather.corruption:
            data = network.bent(data)
        if not network.fits(host.id, receiver, link, len(data)):
            return
        event = ev.PacketReceived(link, address, port, data)
        if self.tap and len(self.tapped) < TAPPED_MAX:
            self.tapped.append((receiver, event))
        if network.clogs and network.held(
            host.id, receiver, link, lambda delay: world.later(there, delay, event)
        ):
            return
        for delay in network.journeys(host.id, receiver, link):
            if delay > REBOOT_MS:
                self._arrive_at_last(there, delay, event)
            else:
                world.later(there, delay, event)

    def _reload(self, host: Host, effect: ev.ReadFile | ev.Reconfigured) -> None:
        if isinstance(effect, ev.Reconfigured):
            host.use(effect.config)
            return
        config, findings = self.world.files.read(host)
        read = ev.FileRead(effect.round, config, findings, FILE)
        self.world.later(host, host.file_rng.randint(*READ_MS), read)

    def _open(self, host: Host, receiver: NodeId, packet: ev.SendPacket) -> bool:
        """Have both sides a socket of that link, the receiver at that address?"""
        there = self.world.hosts[receiver].config.node(receiver).links.get(packet.link)
        here = packet.link in host.config.node(host.id).links
        return here and there is not None and there.address == packet.address

    def _arrive_at_last(self, there: Host, delay: Millis, event: ev.PacketReceived) -> None:
        """Let a packet arrive even if the host has been started anew since: the cable keeps it."""
        self.world.at(delay, lambda: self.world.post(there, event) if there.powered else None)

    def _probe(self, host: Host, peer: NodeId, link: int) -> None:
        network, there = self.world.network, self.world.hosts[peer]
        back = network.reaches(host.id, peer, link) and network.reaches(peer, host.id, link)
        if back and there.powered and not there.frozen:
            self.world.later(host, PROBE_MS, ev.ProbeAnswered(peer))

    # The disk.

    def _on_disk(
        self, host: Host, write: Callable[[], None], told: Callable[[str], None], *, small: bool
    ) -> None:
        """Let a write become durable after those that were asked for before; then tell."""
        world, life, disk = self.world, host.life, host.disk
        disk.begin(write)

        def happen() -> None:
            if host.life == life:
                told(disk.end(write, small=small))

        # What gathers while the disk is busy shares one fsync, as in the real store.
        done = max(world.now + disk.fsync_ms(host.disk_rng), self._disk_free_at.get(host.id, 0))
        self._disk_free_at[host.id] = done
        world.at(done - world.now, happen)

    def _save_ring_seq(self, host: Host, seq: int) -> None:
        def write() -> None:
            host.disk.ring_seq = max(host.disk.ring_seq, seq)

        def told(trouble: str) -> None:
            if not trouble:
                self.world.post(host, ev.RingIdSaved(seq))

        self._on_disk(host, write, told, small=True)

    def _save_expected(self, host: Host, votes: int) -> None:
        def write() -> None:
            host.disk.expected = max(host.disk.expected, votes)

        self._on_disk(host, write, lambda _trouble: None, small=True)

    def _save_keys(self, host: Host, keys: KeySet) -> None:
        def write() -> None:
            host.disk.keys = keys
            self.world.keyring.on_saved(self.world.now, host.id)

        def told(trouble: str) -> None:
            self.world.post(host, ev.KeysNotSaved(trouble) if trouble else ev.KeysSaved(keys))

        self._on_disk(host, write, told, small=True)

    def save_cib(self, host: Host, effect: ev.SaveCib) -> None:
        """Make a document durable, then say so."""
        self.world.documents.on_save(self.world.now, host.id, effect.stamp, effect.cib)
        self.world.memory.on_save(self.world.now, effect.stamp, effect.cib)

        def write() -> None:
            host.disk.keep(effect.stamp, effect.cib)

        def told(trouble: str) -> None:
            if trouble:
                self.world.post(host, ev.CibNotSaved(effect.stamp, trouble))
            else:
                self.world.post(host, ev.CibSaved(effect.stamp))

        self._on_disk(host, write, told, small=False)

    # Agents.

    def _run(self, host: Host, token: int, call: Call) -> None:
        world = self.world
        if call.agent.standard == "stonith":
            self._run_fence_agent(host, token, call)
            return
        if call.action in ("start", "promote", "migrate_to"):
            self._check_launch(host, call.resource)
        world.ordering.on_launch(world.now, host, call)
        world.instances.on_launch(world.now, host, call)
        duration, outcome = host.resources.begin(call)
        life = host.life
        if call.action in ("start", "migrate_from"):
            host.started[call.resource] = call
        self._agents += 1
        number = self._agents
        host.agents[number] = call

        def ended() -> None:
            # An agent outlives its daemon: what it had begun still takes effect, unless the next
            # daemon has ended it.
            if host.agents.pop(number, None) is None:
                return
            said = self._take_effect(host, call, outcome)
            if host.life == life:
                world.post(host, ev.AgentFinished(token, said))

        self._by_process(host, duration, ended)

    def _by_process(self, host: Host, delay: Millis, act: Callable[[], None]) -> None:
        """Let a process of a host do something later: unless its power is cut, and not while it is frozen."""
        boot = host.boot

        def happen() -> None:
            if host.boot != boot:
                return
            if host.frozen:
                host.held.append(happen)
            else:
                act()

        self.world.at(delay, happen)

    def end_orphans(self, host: Host) -> None:
        """Kill the agents of an earlier daemon, as a daemon does when it starts.

        A start that is killed may have started its resource by then, or not.
        """
        for call in host.agents.values():
            begun = call.action in ("start", "promote", "migrate_to")
            if begun and host.rng.random() < ORPHAN_HAS_STARTED:
                self._take_effect(host, call, Outcome(Rc.OK, OpStatus.DONE))
        host.agents.clear()

    def _take_effect(self, host: Host, call: Call, outcome: Outcome) -> Outcome:
        """Make it so; return what the agent says, which may have found out only now."""
        world = self.world
        if host.resources.departs(call, outcome):
            return self._migrate(host, call, outcome)
        before = host.resources.is_active(call.resource)
        was_promoted = host.resources.is_promoted(call.resource)
        host.resources.finish(call, outcome)
        if call.action == "stop" and outcome.rc == Rc.OK:
            host.started.pop(call.resource, None)
        after = host.resources.is_active(call.resource)
        world.ordering.on_effect(host.id, call, active=after)
        world.instances.on_effect(world.now, host, call, outcome.rc)
        self._promotion(host, call, was=was_promoted)
        if call.resource in world.instances.limits:
            return outcome
        if after and not before:
            world.checkers.on_start(world.now, host.id, call.resource)
            device = world.fence_device
            world.restless.on_start(world.now, host.id, call.resource, device=device)
        elif call.action == "stop" and not after:
            world.checkers.on_stop(world.now, host.id, call.resource)
        return outcome

    def _migrate(self, host: Host, call: Call, outcome: Outcome) -> Outcome:
        """Let a resource be on the other host from one moment to the next, as a machine's memory is.

        The way it takes is none of the cluster's: cut cables do not keep it, and who has lost quorum may
        still be sending.
        """
        world, name = self.world, call.resource
        target = world.find(call.meta.get("migrate_target", ""))
        if target is None or not target.powered or target.frozen:
            return Outcome(Rc.ERROR, OpStatus.DONE, "the other host does not answer")
        host.resources.end(name)
        target.resources.active[name] = True
        world.ordering.on_migration(host.id, target.id, name)
        if name not in world.instances.limits:
            world.checkers.on_migration(world.now, host.id, target.id, name)
            world.restless.on_start(world.now, target.id, name, device=world.fence_device)
        return outcome

    def _promotion(self, host: Host, call: Call, *, was: bool) -> None:
        """Pass the promoted role on, and let the agent rate itself, as agents do."""
        world, name = self.world, call.resource
        limits = world.instances.limits.get(name)
        if limits is None or not limits.promoted:
            return
        promoted = host.resources.is_promoted(name)
        if limits.promoted == 1 and promoted and not was:
            world.checkers.on_start(world.now, host.id, promotion(name))
        elif was and not promoted:
            world.checkers.on_stop(world.now, host.id, promotion(name))
        if host.alive and host.resources.is_active(name) and call.action in RATING:
            self._rate(host, name, PROMOTED_SCORE if promoted else UNPROMOTED_SCORE)

    def _rate(self, host: Host, name: str, score: str) -> None:
        """Say how much an instance is worth, unless the host's document has it so: that would change nothing."""
        assert host.node is not None
        state = host.node.controller.replica.working.node_state(host.id)
        attribute = f"master-{name}"
        if state is None or state.attributes.get(attribute) != score:
            self.world.ask(host.id, AGENT, rq.encode(rq.SetAttribute(attribute, score)))

    def _check_launch(self, host: Host, resource: str) -> None:
        world = self.world
        assert host.node is not None
        policy = host.node.controller.replica.working.property("no-quorum-policy", "stop")
        if policy in ("ignore", "freeze"):
            return  # the operator gives up the promise: the engine alone decides what may start
        partitions = [
            Partition(
                h.id, h.node.controller.situation.members, h.node.controller.situation.quorate
            )
            for h in world.hosts.values()
            # Who seeks a membership keeps the last verdict till then, but nobody can order anything of it.
            if h.node is not None
            and h.powered
            and (h is host or h.node.stack.state in liveness.STANDING)
        ]
        me = next(partition for partition in partitions if partition.node == host.id)
        world.checkers.on_launch(world.now, resource, me, partitions)

    def _run_fence_agent(self, host: Host, token: int, call: Call) -> None:
        world = self.world
        device, registered = world.fence_device, host.resources.active
        world.beliefs.device_failed |= device != "works"
        duration = host.rng.randint(*QUICK_MS)
        outcome = Outcome(Rc.OK, OpStatus.DONE)
        if call.action == "metadata":
            outcome = Outcome(Rc.OK, OpStatus.DONE, output=FENCE_METADATA)
        elif call.action == "stop":
            registered[call.resource] = False
        elif call.action == "monitor" and not call.interval_ms:
            if not registered.get(call.resource):
                outcome = Outcome(Rc.NOT_RUNNING, OpStatus.DONE)
        elif device == "fails":
            outcome = DEAF
        elif call.action == "start":
            registered[call.resource] = True
        elif call.action in ("off", "reboot", "on"):
            self._switch(host, token, call)
            return
        world.later(host, duration, ev.AgentFinished(token, outcome))

    def _switch(self, host: Host, token: int, call: Call) -> None:
        """Let the power switch do its work, or what it does instead."""
        world, device, life = self.world, self.world.fence_device, host.life
        target = world.find(call.parameters.get("plug", call.parameters.get("port", "")))
        outcome = Outcome(Rc.OK, OpStatus.DONE)
        if target is None:
            outcome = Outcome(Rc.ERROR, OpStatus.DONE, "no such plug")
            world.later(host, 0, ev.AgentFinished(token, outcome))
            return
        duration = FENCE_SLOW_MS if device == "slow" else host.power_rng.randint(*FENCE_MS)
        if device in ("hangs", "late"):
            duration = call.timeout_ms
            outcome = Outcome(Rc.ERROR, OpStatus.TIMEOUT, "the device does not answer in time")
        elif device == "half":
            outcome = DEAF

        def answer() -> None:
            if outcome.rc == Rc.OK:
                world.vouched(target.name)
            if host.life == life:
                world.post(host, ev.AgentFinished(token, outcome))

        if device in ("hangs", "lies"):
            self._by_process(host, duration, answer)
            return
        # The device acts at some moment, whatever becomes of who asked, and answers last.
        slow, late = device == "slow", device == "late"
        taken = duration // 4 if slow else duration // 2
        act = duration // 2 if slow else duration * 3 // 4
        if late:
            act = duration + FENCE_LATE_MS
        self.fencing_until = max(self.fencing_until, world.now + max(act, duration))

        def take() -> None:
            # The order has reached the device: it acts now, whatever becomes of who asked.
            self.fencing_until = max(self.fencing_until, world.now + max(act, duration) - taken)
            world.at(act - taken, lambda: self._fence(target, call.action, needed=not late))
            self._by_process(host, duration - taken, answer)

        self._by_process(host, taken, take)

    def _fence(self, target: Host, action: str, *, needed: bool) -> None:
        world = self.world
        world.fence(target, action, needed=needed)
        if action == "reboot" and target.id not in world.hold_off:
            world.at(target.power_rng.randint(*BOOT_MS), lambda: world.power_on(target.id))
