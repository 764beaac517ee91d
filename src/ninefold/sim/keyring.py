"""Who can open what whom sends, while keys are rotated: judged by the disks, not by what nodes tell.

understood   no node has on its disk, to send under it, a key that another host has not on its own; but for
             hosts that an operator left out by name, until they are given the key by hand
one key      once everything is mended every host holds one key, the same
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.host import Host
    from ninefold.totem.keys import Key


class Keyring:
    """The keys on the disks of all hosts."""

    def __init__(self, hosts: Mapping[NodeId, Host]) -> None:
        self._hosts = hosts
        self._used: dict[NodeId, Key] = {
            node: host.disk.keys.active for node, host in hosts.items()
        }
        # Who was left out when another went over to a key, and has not got it since.
        self.left_out: dict[NodeId, bool] = {}

    def on_saved(self, now: Instant, node: NodeId) -> None:
        """A host has keys on its disk, others than before perhaps."""
        keys = self._hosts[node].disk.keys
        before, self._used[node] = self._used[node], keys.active
        if keys.active == before:
            return
        for other in (entry.nodeid for entry in self._hosts[node].config.nodes):
            host = self._hosts[other]
            if keys.active in host.disk.keys.accepted:
                self.left_out.pop(other, None)
            elif other in keys.without or other in self.left_out:
                self.left_out[other] = True
            else:
                raise Violation(
                    f"{now}: {node} sends under {keys.active}, and {other} has {host.disk.keys.accepted}"
                )

    def strangers(self) -> list[NodeId]:
        """Return who holds other keys than the first host that was not left out."""
        keys = self._hosts[self._source].disk.keys
        return [node for node, host in self._hosts.items() if host.disk.keys != keys]

    def copy_by_hand(self) -> None:
        """Give every stranger the keys of that host. Its daemon must not run."""
        keys = self._hosts[self._source].disk.keys
        for node in self.strangers():
            self._hosts[node].disk.keys = keys
            self._used[node] = keys.active
        self.left_out.clear()

    @property
    def _source(self) -> NodeId:
        return min(self._hosts, key=lambda node: (node in self.left_out, node))

    def wanting(self) -> list[str]:
        """Return what still keeps the cluster from having one key."""
        held = {host.name: host.disk.keys for host in self._hosts.values()}
        if len(set(held.values())) == 1 and all(len(keys.accepted) == 1 for keys in held.values()):
            return []
        return [f"{name} holds the keys {keys.accepted}" for name, keys in held.items()]
