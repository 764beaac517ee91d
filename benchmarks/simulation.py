"""How fast virtual time passes: `python -m benchmarks.simulation`.

Three nodes with two resources that are monitored every second, left alone, and with an operator who
changes something every five seconds. CPU time of one core is measured, so that a busy machine does
not count, though what shares a core's caches still shows.
"""

from __future__ import annotations

import gc
import sys
import time

from ninefold.sim.cluster import Primitive, Shape, corosync_conf, document
from ninefold.sim.promises import mark
from ninefold.sim.world import World

FORMING_MS = 15_000
MEASURED_MS = 600_000
CHANGE_EVERY_MS = 5_000


def cluster(nodes: int) -> World:
    """Return a cluster with everything running."""
    shape = Shape(nodes=nodes, resources=[Primitive("db"), Primitive("web")])
    world = World(1, corosync_conf(shape), document(shape))
    for node in world.hosts:
        world.power_on(node)
    world.advance(FORMING_MS)
    return world


def minutes_per_second(nodes: int, *, changes: bool) -> float:
    """Return simulated minutes for each second of CPU time."""
    world = cluster(nodes)
    gc.collect()
    gc.disable()
    began = time.process_time()
    for number in range(MEASURED_MS // CHANGE_EVERY_MS):
        if changes:
            world.ask(1, "alice", mark(number, "node1"))
        world.advance(CHANGE_EVERY_MS)
    took = time.process_time() - began
    gc.enable()
    return MEASURED_MS / 60_000 / took


def main() -> None:
    """Print a table."""
    for nodes in (2, 3, 5):
        idle = minutes_per_second(nodes, changes=False)
        busy = minutes_per_second(nodes, changes=True)
        sys.stdout.write(
            f"{nodes} nodes: {idle:.1f} simulated minutes per second left alone, "
            f"{busy:.1f} with a change every {CHANGE_EVERY_MS // 1000} s\n"
        )


if __name__ == "__main__":
    main()
