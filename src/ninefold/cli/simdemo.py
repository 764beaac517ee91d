"""The demo's story in the virtual world, for hosts whose kernel permits no namespaces.

The same two documents as the lab's, the same machines as the daemon's, the same judge; only the
hosts, the network, the power switch and the client are virtual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib.document import Cib
from ninefold.drill.failover import Fencing, Seen, judge
from ninefold.drill.outage import Attempt
from ninefold.lab import defaults
from ninefold.lab.errors import LabError
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.core.instants import Instant, Millis
    from ninefold.drill.failover import FailoverReport

SEED = 1

# The client asks this often; an answer takes a packet there and one back.
EVERY_MS: Millis = 5
ANSWER_MS: Millis = 2

# How long the cluster may take to run everything, the client asks before the crash, the service may
# take to come back, and the client asks after that.
FORM_MS: Millis = 30_000
BEFORE_MS: Millis = 1_000
BACK_MS: Millis = 60_000
AFTER_MS: Millis = 1_500


def simulated_failover(
    nodes: int, token_ms: int | None, token_coefficient_ms: int | None
) -> tuple[FailoverReport, list[Seen]]:
    """Crash the active host of the lab's default cluster in virtual time.

    Return the verdict and what was seen from the crash on; times are in seconds since the crash.
    """
    world = cluster(nodes, token_ms, token_coefficient_ms)
    client = Client(world)
    client.ask_for(BEFORE_MS)
    crashed_at, crashed = world.now, client.active()
    already = len(world.trace)
    world.power_off(world.host(crashed).id)
    while client.active() in ("", crashed) and world.now < crashed_at + BACK_MS:
        client.ask_for(EVERY_MS)
    client.ask_for(AFTER_MS)
    seen = [
        Seen(_seconds(line.at, crashed_at), line.who, line.what, line.text, line.fields)
        for line in world.trace[already:]
    ]
    fencings = [
        Fencing(_seconds(at, crashed_at), "the virtual power switch", target, ok=True)
        for at, action, target in world.fences
        if action != "on"
    ]
    report = judge(crashed, 0.0, client.attempts(crashed_at), seen, fencings)
    return report, seen


def cluster(nodes: int, token_ms: int | None, token_coefficient_ms: int | None) -> World:
    """Return the lab's default cluster with everything running."""
    hosts = defaults.hosts(nodes)
    conf = defaults.corosync_conf(
        hosts, token_ms=token_ms, token_coefficient_ms=token_coefficient_ms
    )
    tree, findings = Cib.parse(defaults.cib([name for name, _, _ in hosts]))
    assert tree is not None, findings
    try:
        world = World(SEED, conf, tree)
    except ValueError as error:
        raise LabError(str(error)) from error
    for node in world.hosts:
        world.power_on(node)
    client = Client(world)
    if not world.advance_until(lambda: client.active() != "", FORM_MS):
        raise LabError("The virtual cluster did not start its service.")
    return world


class Client:
    """Asks for the page, and remembers who answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: list[tuple[Instant, str]] = []

    def active(self) -> str:
        """Return the host that has the address and the web server; empty if none has both."""
        both = [name for name in self._world.where("vip") if name in self._world.where("http")]
        return both[0] if both else ""

    def ask_for(self, period_ms: Millis) -> None:
        """Ask every few milliseconds while time passes."""
        for _ in range(0, period_ms, EVERY_MS):
            self._asked.append((self._world.now, self.active()))
            self._world.advance(EVERY_MS)

    def attempts(self, zero: Instant) -> list[Attempt]:
        """Return what was seen, in seconds since `zero`."""
        return [
            Attempt(_seconds(at, zero), _seconds(at + ANSWER_MS, zero), ok=bool(host), host=host)
            for at, host in self._asked
        ]


def _seconds(at: Instant, zero: Instant) -> float:
    return (at - zero) / 1000
