"""One virtual host: power, kernel, disk, resources, and the daemon's machines.

`Power` is the ground truth. A daemon can be paused (SIGSTOP) or killed while its kernel lives on and
its resources run; a power cut takes everything that was not on the disk.
"""

from __future__ import annotations

import random
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from ninefold.cib.model import Stamp
from ninefold.core.instants import NEVER, Instant
from ninefold.corosync.messages import BOOT_BYTES
from ninefold.node.backend import embedded, on_corosync
from ninefold.node.machine import Node
from ninefold.sim.agents import Resources
from ninefold.sim.clock import Clock
from ninefold.sim.disk import Disk
from ninefold.totem.packet import EPOCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis
    from ninefold.node import events as ev
    from ninefold.node.machine import Watch

# What a socket's buffer holds while nobody reads: 4 MiB of packets of 1.4 kB.
SOCKET_BUFFER_PACKETS: Final = 3000


class Daemon(Enum):
    """How the daemon of a powered host is."""

    RUNNING = "stepping its machines"
    PAUSED = "stopped by a signal: nothing is stepped, the kernel answers for it"
    GONE = "not running; what it started runs on"


class Host:
    """A host of the virtual world."""

    def __init__(self, config: ClusterConfig, seed: str, cib: Cib, key: bytes = b"") -> None:
        self.id: NodeId = config.local
        self.use(config)
        self.name = config.node(config.local).name
        self.rng = random.Random(seed)  # noqa: S311 - a seed must give the same world
        # Each kind of chance has its own dice, so that a story's times do not hang on how often
        # somebody looked at a status or saved a document.
        self.power_rng = random.Random(f"power {seed}")  # noqa: S311 - as above
        self.disk_rng = random.Random(f"disk {seed}")  # noqa: S311 - as above
        self.engine_rng = random.Random(f"engine {seed}")  # noqa: S311 - as above
        self.file_rng = random.Random(f"file {seed}")  # noqa: S311 - as above
        self.disk = Disk(key)
        self.resources = Resources(self.rng)
        # How what may run was started; a boot forgets it.
        self.started: dict[str, Call] = {}
        # Agents that run, also those of a daemon that is gone.
        self.agents: dict[int, Call] = {}
        self.powered = False
        self.daemon = Daemon.GONE
        self.node: Node | None = None
        # Grows at every power cut and every end of the daemon: what was under way is void.
        self.life = 0
        # Grows at every power cut: an agent outlives the daemon, not the power.
        self.boot = 0
        # The whole machine stands still: not even its kernel answers.
        self.frozen = False
        # What its processes were about to do when it froze: they do it when it thaws.
        self.held: list[Callable[[], None]] = []
        self.armed: Instant = NEVER
        self.inbox: deque[ev.Event] = deque()
        # What each event costs on an overloaded machine; is one being worked off?
        self.slow_ms: Millis = 0
        self.busy = False
        self.clock = Clock()
        self._first_cib = cib

    @property
    def alive(self) -> bool:
        """Is the daemon stepping?"""
        return self.powered and self.daemon is Daemon.RUNNING and self.node is not None

    def use(self, config: ClusterConfig) -> None:
        """Go by another configuration from now on."""
        self.config = config
        # Link -> where the kernel says that our packets come from.
        self.sources = {n: (at.address, at.port) for n, at in config.node(self.id).links.items()}

    def make_node(self, watch: Watch, *, corosync: bool = False) -> Node:
        """Begin the daemon from what is on the disk; `watch` sees what its controller is told."""
        document = self.disk.document
        stamp, cib = document or (Stamp(0, self._first_cib.version), self._first_cib)
        epoch = self.rng.randbytes(EPOCH_BYTES)
        seq = self.disk.ring_seq
        rng = random.Random(self.rng.random())  # noqa: S311 - as above
        self.node = Node(
            self.config,
            backend=on_corosync(self.config, ring_seq=seq, boot=epoch.ljust(BOOT_BYTES, b"\0"))
            if corosync
            else embedded(
                self.config,
                keys=self.disk.keys,
                ring_seq=seq,
                epoch=epoch,
                rng=rng,
                expected_floor=self.disk.expected,
            ),
            rng=rng,
            stamp=stamp,
            cib=cib,
            watch=watch,
            started=tuple(self.started.values()),
        )
        self.daemon = Daemon.RUNNING
        self.armed = NEVER
        return self.node

    def end_daemon(self) -> None:
        """Let the daemon vanish; the kernel and the resources stay."""
        self.node = None
        self.daemon = Daemon.GONE
        self.life += 1
        self.busy = False
        self.inbox.clear()
        self.disk.interrupt(self.disk_rng)

    def cut_power(self) -> None:
        """Let everything go that is not on the disk."""
        self.end_daemon()
        self.powered = False
        self.frozen = False
        self.held.clear()
        self.boot += 1
        self.resources.active.clear()
        self.resources.promoted.clear()
        self.agents.clear()
        self.started.clear()
