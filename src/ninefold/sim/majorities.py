"""Has a part of the cluster the majority that it claims? Counted by the files of those who are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.controller import events as control
from ninefold.sim.checkers import Partition

if TYPE_CHECKING:
    from ninefold.sim.host import Host
    from ninefold.sim.world import World


def count_votes(
    world: World, host: Host, event: control.Configured | control.QuorumChanged
) -> None:
    """Tell the checkers what a node was told of its quorum, and how many votes are there."""
    if host.node is None:
        return
    situation = host.node.controller.situation
    members = event.members if isinstance(event, control.Configured) else situation.members
    # Of several files that members go by, the newest counts.
    files = [h.config for n in members if (h := world.hosts[n]).alive]
    config = max(files, key=lambda config: config.totem.config_version, default=host.config)
    votes = {entry.nodeid: entry.quorum_votes for entry in config.nodes}
    me = Partition(host.id, members, event.verdict.quorate)
    present = sum(votes.get(n, 0) for n in members)
    world.checkers.on_quorum(world.now, me, present, sum(votes.values()))
