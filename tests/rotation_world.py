"""The rotation of keys in a world of its own: total order, barriers, disks and crashes, no packets.

What the ring promises is made here in a few lines, with all the freedom that it leaves: members deliver
the same words in the same order, each at its own pace; those that go on to another ring together have
delivered the same of the last one; a save ends whenever it likes, or never. So a history costs
a millisecond or two, and thousands are tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.totem.events import SaveKeys
from ninefold.totem.keys import KEY_BYTES, Key, KeySet, fresh_key
from ninefold.totem.rotation import AGAIN_MS, Rotation, Say

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

    from ninefold.totem.rotation import RotationEffect

# What may happen; the first is the daily work of the ring and of the disks.
KINDS = ("work", "ring", "power", "disk", "time", "rotate")


class Ring:
    """Its members, and what they have said since the barrier; at first None for the barrier itself."""

    def __init__(self, members: Sequence[int]) -> None:
        self.members = tuple(sorted(members))
        self.annexes: dict[int, bytes] = {}
        self.log: list[tuple[int, bytes]] = []
        # How much of the log each member has delivered; -1 before the barrier.
        self.position = dict.fromkeys(self.members, -1)

    @property
    def open(self) -> bool:
        return len(self.annexes) == len(self.members)


class Host:
    """A node: its disk, its daemon if that runs, and what it has said but the ring not yet ordered."""

    def __init__(self, node: int, keys: KeySet) -> None:
        self.node = node
        self.disk = keys
        self.disk_works = True
        self.daemon: Rotation | None = None
        self.saving: KeySet | None = None
        self.words: list[bytes] = []
        self.ring: Ring | None = None

    @property
    def keys(self) -> KeySet:
        """What it goes by."""
        return self.daemon.keys if self.daemon is not None else self.disk


class World:
    """Some nodes, and one source of chance for whatever may happen to them."""

    def __init__(self, dice: random.Random, nodes: int) -> None:
        self.dice = dice
        self.now = 0
        # Each history has its own mix, so that some have much of one kind of trouble and little of the rest.
        self.weights = [dice.choice([5, 20, 60]), *(dice.choice([0, 1, 3]) for _ in KINDS[1:-1])]
        self.weights.append(dice.choice([1, 3]))
        self.nodes = tuple(range(1, nodes + 1))
        first = KeySet(Key.of(dice.randbytes(KEY_BYTES)))
        self.hosts = {node: Host(node, first) for node in self.nodes}
        # Whom an operator has left out of a rotation: they may be unable to open what the others send.
        self.excused: set[int] = set()
        for host in self.hosts.values():
            self.boot(host)

    # --- what happens ---

    def boot(self, host: Host) -> None:
        if host.daemon is None:
            host.daemon = Rotation(host.node, self.nodes, host.disk)
            self.form([host.node])

    def crash(self, host: Host) -> None:
        if host.daemon is None:
            return
        # A write that is under way may have come through.
        if host.saving is not None and self.dice.random() < 0.5:
            host.disk = host.saving
        host.daemon, host.saving = None, None
        host.words.clear()
        host.ring = None

    def form(self, nodes: Iterable[int]) -> None:
        """Let those of `nodes` that run and open each other's packets go on as one ring."""
        members = self.audible(nodes)
        together: dict[int, list[int]] = {}
        for node in members:
            old = self.hosts[node].ring
            if old is not None:
                together.setdefault(id(old), []).append(node)
        for group in together.values():
            self._catch_up(group)
        ring = Ring(members)
        for node in members:
            daemon = self.hosts[node].daemon
            assert daemon is not None
            daemon.unsettle()
            self.hosts[node].ring = ring

    def audible(self, nodes: Iterable[int]) -> list[int]:
        """Return a set of running nodes, each of which opens the packets of all others."""
        chosen: list[int] = []
        for node in nodes:
            mine = self.hosts[node]
            if mine.daemon is None or node in chosen:
                continue
            others = [self.hosts[other].keys for other in chosen]
            if all(
                other.active in mine.keys.accepted and mine.keys.active in other.accepted
                for other in others
            ):
                chosen.append(node)
        return chosen

    def _catch_up(self, group: list[int]) -> None:
        """Those who stay together deliver the same of their old ring."""
        ring = self.hosts[group[0]].ring
        assert ring is not None
        far = max(ring.position[node] for node in group)
        if far >= 0:
            far = self.dice.randint(far, len(ring.log))
        for node in group:
            while ring.position[node] < far:
                self.deliver(self.hosts[node])

    def deliver(self, host: Host) -> bool:
        """Let a node take the next thing of its ring; tell whether there was one."""
        ring, daemon = host.ring, host.daemon
        if ring is None or daemon is None or not ring.open:
            return False
        at = ring.position[host.node]
        if at == len(ring.log):
            return False
        ring.position[host.node] = at + 1
        if at < 0:
            self.perform(host, daemon.on_activated(self.now, ring.annexes))
        else:
            sender, data = ring.log[at]
            self.perform(host, daemon.on_message(self.now, sender, data))
        return True

    def bring(self, host: Host) -> bool:
        """Let a node give its annex to the barrier."""
        ring, daemon = host.ring, host.daemon
        if ring is None or daemon is None or host.node in ring.annexes:
            return False
        ring.annexes[host.node] = daemon.annex()
        return True

    def order(self, host: Host) -> bool:
        """Let the ring put what a node has said into the order."""
        ring = host.ring
        if ring is None or not host.words or ring.position[host.node] < 0:
            return False
        if any(self.hosts[node].ring is not ring for node in ring.members):
            # Somebody has gone: the token is lost, and nothing is ordered any more.
            return False
        ring.log.append((host.node, host.words.pop(0)))
        return True

    def finish_save(self, host: Host) -> bool:
        daemon, keys = host.daemon, host.saving
        if daemon is None or keys is None:
            return False
        host.saving = None
        if host.disk_works:
            host.disk = keys
            self.perform(host, daemon.saved(self.now, keys))
        else:
            self.perform(host, daemon.not_saved(self.now, "the disk refuses"))
        return True

    def hear(self, speaker: Host, listener: Host) -> bool:
        """A packet comes through, of whatever ring."""
        if speaker.daemon is None or listener.daemon is None:
            return False
        if speaker.keys.active != listener.keys.next:
            return False
        self.perform(listener, listener.daemon.on_next_used(self.now))
        return True

    def pass_time(self) -> None:
        self.now += AGAIN_MS
        for host in self.hosts.values():
            if host.daemon is not None and self.now >= host.daemon.deadline:
                self.perform(host, host.daemon.wake(self.now))

    def rotate(self, host: Host, *, leave_out: bool) -> bool:
        """An operator asks one node; leaving out is for a majority only, as the daemon has it."""
        daemon, ring = host.daemon, host.ring
        if daemon is None or ring is None:
            return False
        absent = [node for node in self.nodes if node not in ring.members]
        quorate = 2 * len(ring.members) > len(self.nodes)
        without = absent if leave_out and quorate else []
        if daemon.judge(without):
            return False
        self.excused |= set(without)
        self.perform(host, daemon.rotate(fresh_key(daemon.keys, self.dice.randbytes), without))
        return True

    def perform(self, host: Host, effects: Iterable[RotationEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Say):
                host.words.append(effect.data)
            elif isinstance(effect, SaveKeys):
                assert host.saving is None
                host.saving = effect.keys

    # --- chance, and rest ---

    def disturb(self) -> None:
        """Do one thing by chance; most of them are the ring's and the disks' daily work."""
        dice, host = self.dice, self.hosts[self.dice.choice(self.nodes)]
        match dice.choices(KINDS, self.weights)[0]:
            case "work":
                self.work(host)
            case "ring":
                self.form(dice.sample(self.nodes, dice.randint(1, len(self.nodes))))
            case "power":
                self.crash(host) if dice.random() < 0.5 else self.boot(host)
            case "disk":
                host.disk_works = not host.disk_works
            case "time":
                self.pass_time()
            case _:
                self.rotate(host, leave_out=dice.random() < 0.5)
        self.check()

    def work(self, host: Host) -> bool:
        """Do one piece of a node's work, if there is any."""
        dice = self.dice
        other = self.hosts[dice.choice(self.nodes)]
        pieces: list[Callable[[], bool]] = [
            lambda: self.deliver(host),
            lambda: self.order(host),
            lambda: self.bring(host),
            lambda: self.finish_save(host),
            lambda: self.hear(other, host),
        ]
        dice.shuffle(pieces)
        return any(piece() for piece in pieces)

    def work_all(self) -> bool:
        """Do one piece of each node's work, in turn."""
        done = [self.work(host) for host in self.hosts.values()]
        return any(done)

    def rest(self, rounds: int) -> None:
        """Let everything that is under way come to its end, `rounds` times with a pause between."""
        for _ in range(rounds):
            while self.work_all():
                self.check()
            self.pass_time()

    def mend(self) -> None:
        """Everything works again; whoever was left out gets the key by hand, as the operator is told."""
        for host in self.hosts.values():
            host.disk_works = True
            self.boot(host)
        # A ring of those who understand each other may hand the key on, so that more of them do.
        for _ in range(2):
            self.form(self._understood())
            self.rest(3)
        members = self._understood()
        for node in self.nodes:
            if node not in members:
                assert node in self.excused, f"node {node} is out: {self.told()}"
                self.crash(self.hosts[node])
                self.hosts[node].disk = KeySet(self.hosts[members[0]].disk.active)
                self.boot(self.hosts[node])
        self.form(self.nodes)
        self.rest(3)

    def _understood(self) -> list[int]:
        """Return the most nodes that open each other's packets, as far as trying from each finds out."""
        return max(
            (self.audible([first, *self.nodes]) for first in self.nodes),
            key=len,
        )

    # --- what must hold ---

    def check(self) -> None:
        """Nobody sends under a key that a node which must take part cannot open."""
        taking_part = [host for host in self.hosts.values() if host.node not in self.excused]
        for speaker in taking_part:
            if speaker.daemon is None:
                continue
            for listener in taking_part:
                for keys in (listener.keys, listener.disk):
                    assert speaker.keys.active in keys.accepted, self.told()
        held = {host.disk for host in self.hosts.values()}
        if len(held) == 1 and len(next(iter(held)).accepted) == 1 and not self._pending():
            self.excused.clear()

    def _pending(self) -> bool:
        return any(
            host.saving is not None
            or host.words
            or (host.ring is not None and host.ring.position[host.node] < len(host.ring.log))
            for host in self.hosts.values()
        )

    def told(self) -> str:
        return "; ".join(
            f"{host.node} {'runs' if host.daemon else 'is off'} {host.keys} disk {host.disk}"
            for host in self.hosts.values()
        )
