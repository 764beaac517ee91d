"""What a failover group's `corosync.conf` and CIB say, put into the group.

What the model itself says goes before the files; what neither says stays as assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.core.findings import Severity
from ninefold.design.evidence import evidence_of
from ninefold.design.model import FencePath
from ninefold.fencing.topology import read_fencing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.config.model import ClusterConfig
    from ninefold.design.model import Group
    from ninefold.design.source_yaml import Tree
    from ninefold.fencing.topology import Fencing


def completed(group: Group, given: Iterable[str], tree: Tree) -> Group:
    """Return the group with what its files add; their errors are noted with the group's place."""
    if not group.corosync and not group.cib:
        return group
    said = frozenset(given)
    found = evidence_of(group)
    for finding in found.findings:
        if finding.severity is Severity.ERROR:
            tree.ledger.findings.append(finding)
    if found.config is not None:
        group = _with_config(group, found.config, said)
    if found.configuration is not None and "fencing" not in said:
        fencing = read_fencing(found.configuration)
        paths = _paths(group, fencing)
        group = msgspec.structs.replace(group, fencing=paths, fencing_enabled=fencing.enabled)
    return group


def _with_config(group: Group, config: ClusterConfig, said: frozenset[str]) -> Group:
    """Take nodes, votes, quorum and two_node of a corosync.conf."""
    nodes = tuple(node.name or str(node.nodeid) for node in config.nodes)
    changes: dict[str, object] = {}
    if not group.nodes:
        changes["nodes"] = nodes
    names = group.nodes or nodes
    if "votes" not in said:
        changes["votes"] = {
            name: node.quorum_votes
            for name, node in zip(nodes, config.nodes, strict=True)
            if name in names and node.quorum_votes != 1
        }
    if "two-node" not in said:
        changes["two_node"] = config.quorum.two_node
    if "quorum" not in said:
        expected = config.quorum.expected_votes or sum(n.quorum_votes for n in config.nodes)
        changes["quorum"] = 1 if config.quorum.two_node else expected // 2 + 1
    return msgspec.structs.replace(group, **changes)


def _paths(group: Group, fencing: Fencing) -> tuple[FencePath, ...]:
    """Return which device of the CIB reaches which node, at which level."""
    found: dict[tuple[str, int], list[str]] = {}
    for node in group.nodes:
        for number, devices in enumerate(fencing.levels(node), 1):
            for device in devices:
                found.setdefault((device.id, number), []).append(node)
    return tuple(FencePath(device, tuple(nodes), level) for (device, level), nodes in found.items())
