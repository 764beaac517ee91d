"""How everything stands, in a few lines: in truth, and as each partition's status says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ninefold.controller import requests as rq
from ninefold.sim.host import Daemon

if TYPE_CHECKING:
    from ninefold.sim.host import Host
    from ninefold.sim.world import World

# The engine answers a status within this.
STATUS_MS = 50


def outlook(world: World) -> list[str]:
    """Return what runs where, who is in which partition, and everything that is not well."""
    names = {name for host in world.hosts.values() for name in host.resources.active}
    runs = [
        f"{name} on {', '.join(world.where(name))}" for name in sorted(names) if world.where(name)
    ]
    runs += [
        f"{name} promoted on {', '.join(promoted)}"
        for name in sorted(world.instances.limits)
        if (promoted := world.promoted(name))
    ]
    lines = [f"  => {'; '.join(runs) or 'nothing runs'}"]
    gone = [f"{host.name} {_gone(host)}" for host in world.hosts.values() if not host.alive]
    if gone:
        lines.append(f"  => {'; '.join(gone)}")
    statuses = _statuses(world)
    told: list[str] = []
    for name, status in statuses.items():
        if status["ring"] not in told:
            told.append(status["ring"])
            lines += status_lines(status)
        if status["store"]:
            lines.append(f"  => the disk of {name}: {status['store']}")
    return lines


def _statuses(world: World) -> dict[str, Any]:
    """Ask every daemon that runs."""
    question = rq.encode(rq.ShowStatus())
    asked = {h.name: world.ask(h.id, "root", question) for h in world.hosts.values() if h.alive}
    world.advance_until(lambda: all(n in world.answers for n in asked.values()), STATUS_MS, step=5)
    return {
        name: msgspec.json.decode(world.answers[number].body)
        for name, number in asked.items()
        if number in world.answers
    }


def _gone(host: Host) -> str:
    if not host.powered:
        return "is off"
    if host.frozen:
        return "is frozen"
    return "has a paused daemon" if host.daemon is Daemon.PAUSED else "has no daemon"


def status_lines(status: Any) -> list[str]:
    """Return a node's status in a few lines."""
    members = [node["name"] for node in status["nodes"] if node["member"]]
    quorum = "quorate" if status["quorum"]["quorate"] else "no quorum"
    lines = [f"  => {', '.join(members)}: {quorum}, DC {status['dc'] or 'none'}"]
    for node in status["nodes"]:
        if node["state"] not in ("online", "offline"):
            detail = f" ({node['detail']})" if node["detail"] else ""
            lines.append(f"  => {node['name']} is {node['state']}{detail}")
    lines += [
        f"  => fencing of {row['node']} failed: {row['reason']}"
        for row in status["fencing"]
        if row["state"] == "failed"
    ]
    lines += [
        f"  => {row['id']} waits: {row['blocked']}" for row in status["resources"] if row["blocked"]
    ]
    for resource, counts in sorted(status["fail_counts"].items()):
        for node, count in sorted(counts.items()):
            lines.append(f"  => fail count of {resource} on {node}: {_count(count)}")
    return lines


def _count(count: int) -> str:
    return "INFINITY" if count >= 1_000_000 else str(count)
