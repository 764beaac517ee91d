"""The `corosync.conf` on every virtual host, and the verbs that change it and have it read again.

A host's file may say something else than what its daemon goes by: that is what a reload is about. The
cables and the power are those of the whole cluster, whatever the files say.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.config.load import load
from ninefold.config.surroundings import KeyFile, Surroundings
from ninefold.sim.cluster import corosync_conf
from ninefold.sim.words import StageError, Words, options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.config.model import ClusterConfig
    from ninefold.core.findings import Finding
    from ninefold.core.ids import NodeId
    from ninefold.sim.cluster import Shape
    from ninefold.sim.host import Host
    from ninefold.sim.stage import Stage

FILE: Final = "corosync.conf"

# Reading and judging a file of a small cluster, names and all.
READ_MS: Final = (2, 30)

_BROKEN: Final = "totem {\n    version: 2\n"


class Files:
    """What stands in the file of each host.

    `changed` says whether that was ever anything else than what the world was built from.
    """

    def __init__(
        self, hosts: Mapping[NodeId, Host], text: str, key: bytes, *, changed: bool
    ) -> None:
        self._key = KeyFile(size=len(key), data=key)
        self._texts = dict.fromkeys(hosts, text)
        self.changed = changed
        # Who lives at an address, by any file that there ever was.
        self.addresses: dict[tuple[str, int], NodeId] = {}
        for host in hosts.values():
            self._note(host.config)

    def write(self, host: Host, text: str) -> None:
        """Put a file in its place."""
        self.changed = True
        self._texts[host.id] = text
        config, _ = self.read(host)
        if config is not None:
            self._note(config)

    def read(self, host: Host) -> tuple[ClusterConfig | None, tuple[Finding, ...]]:
        """Return what the host's daemon finds in its file."""
        surroundings = Surroundings(hostnames=(host.name,), keyfile=self._key)
        config, findings = load(self._texts[host.id], file=FILE, surroundings=surroundings)
        return config, tuple(findings)

    def _note(self, config: ClusterConfig) -> None:
        for entry in config.nodes:
            for at in entry.links.values():
                self.addresses[(at.address, at.port)] = entry.nodeid


def file(stage: Stage, words: Words) -> None:
    """`file all listed=1,2,3 votes=1:2,3:0 token=2000 links=2 move=2:1 two_node=no version=7`.

    The file of those hosts says that from now on, on top of what earlier lines said; its version is one
    higher each time. `move` gives a node another address on a link, `stay` takes that back. `broken=yes` cuts
    the file off for this once.
    """
    names = [word for word in words if "=" not in word]
    shape, broken = draft(stage), False
    shape.totem["config_version"] = str(int(shape.totem.get("config_version", "0")) + 1)
    for key, value in options(words[len(names) :]).items():
        if key == "broken":
            broken = value == "yes"
        else:
            _edit(shape, key, value)
    text = _BROKEN if broken else corosync_conf(shape)
    for host in stage.hosts(names):
        stage.world.files.write(host, text)


def _edit(shape: Shape, key: str, value: str) -> None:
    parts = [part.split(":") for part in value.split(",")]
    match key:
        case "listed":
            shape.listed = [int(part[0]) for part in parts]
        case "links":
            shape.links_used = int(value)
        case "votes":
            shape.votes |= {int(node): int(votes) for node, votes in parts}
        case "move":
            shape.moved += [(int(node), int(link)) for node, link in parts]
        case "stay":
            back = [(int(node), int(link)) for node, link in parts]
            shape.moved = [moved for moved in shape.moved if moved not in back]
        case "token":
            shape.token_ms = int(value)
        case "two_node":
            shape.quorum[key] = "1" if value == "yes" else "0"
        case "expected_votes":
            shape.quorum[key] = value
        case "version":
            shape.totem["config_version"] = value
        case "link_mode" | "knet_mtu" | "netmtu" | "crypto_cipher" | "consensus" | "merge":
            shape.totem[key] = value
        case _:
            raise StageError(f"a file is not told about {key!r} here")


def draft(stage: Stage) -> Shape:
    """Return what the last file that was written says, to be changed further."""
    if stage.draft is None:
        stage.draft = deepcopy(stage.shape)
    return stage.draft


def reload(stage: Stage, words: Words) -> None:
    """`reload [by node1]`: all members read their files again."""
    host = stage.asked(words)
    stage.wait_for(host, stage.world.reload(host.id, "alice"))


Verb: TypeAlias = "Callable[[Stage, Words], None]"

FILES: Final[dict[str, Verb]] = {"file": file, "reload": reload}
