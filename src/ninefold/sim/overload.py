"""A host with too much to do: what happens to its daemon waits in line, and is taken one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.node import events as ev
from ninefold.sim.host import SOCKET_BUFFER_PACKETS

if TYPE_CHECKING:
    from ninefold.sim.host import Host
    from ninefold.sim.world import World


def queue(world: World, host: Host, event: ev.Event) -> None:
    """Let an overloaded daemon have its events one by one, as it comes to them."""
    if isinstance(event, ev.Woke) and any(isinstance(known, ev.Woke) for known in host.inbox):
        return
    if len(host.inbox) < SOCKET_BUFFER_PACKETS or not isinstance(event, ev.PacketReceived):
        host.inbox.append(event)
    if not host.busy:
        _work_off(world, host)


def _work_off(world: World, host: Host) -> None:
    host.busy = True
    life = host.life

    def work() -> None:
        if host.life != life:
            return
        host.busy = False
        if host.alive and host.inbox:
            world.step(host, host.inbox.popleft())
        if host.alive and host.inbox:
            _work_off(world, host)

    world.at(host.slow_ms, work)
