"""What of a changed `corosync.conf` a running node can take, and why not if it cannot.

Theorem: a reload is whole or nothing. Either the returned configuration differs from the old one only in
what every part that reads it takes at once; or there is none, and the findings name everything that stands in
the way. So no node ever runs half of a file.

What the members of one ring count with, votes, nodes and links, changes for all of them at one point of their
order: that is `node.reload`'s work. Here one node judges its own file.
"""

from __future__ import annotations

import hashlib
from itertools import combinations
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.changes import changes
from ninefold.config.model import LoggingOptions
from ninefold.core.findings import Finding, Severity, errors

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig, NodeEntry

# Fields of `TotemOptions` that a running ring and its links take.
TOTEM_FIELDS: Final = (
    "token",
    "token_configured",
    "token_coefficient",
    "token_warning",
    "token_retransmits_before_loss_const",
    "token_retransmit",
    "hold",
    "join",
    "send_join",
    "consensus",
    "merge",
    "downcheck",
    "fail_recv_const",
    "seqno_unchanged_const",
    "miss_count_const",
    "window_size",
    "max_messages",
    "cancel_token_hold_on_retransmit",
    "link_mode",
    "block_unlisted_ips",
    "config_version",
    "kernel_probe",
)
LINK_FIELDS: Final = ("priority", "ping_interval", "ping_timeout", "ping_precision", "pong_count")
# Of `QuorumOptions`: corosync.conf(5) reads the others at the start alone.
QUORUM_FIELDS: Final = ("expected_votes", "two_node")
# By the names that the keys have in the file, as `changes` uses them.
LIVE: Final = frozenset(
    (
        *(f"totem.{name}" for name in TOTEM_FIELDS),
        "totem.ninefold_probe",
        "totem.interface.knet_link_priority",
        *(f"totem.interface.knet_{name}" for name in LINK_FIELDS),
        "totem.interface.mcastport",
        *(f"quorum.{name}" for name in QUORUM_FIELDS),
        "nodelist.node.quorum_votes",
        "nodelist.node",
        *(f"nodelist.node.ring{link}_addr" for link in range(8)),
    )
)


def reloaded(
    old: ClusterConfig, new: ClusterConfig, *, file: str
) -> tuple[ClusterConfig | None, list[Finding]]:
    """Return the configuration to go on with, or None if the reload is refused; and all findings."""
    findings = [_judged(finding) for finding in changes(old, new, file=file)]
    findings += _cut_off(old, new, file)
    return (None if errors(findings) else _taken(old, new)), findings


def digest(config: ClusterConfig) -> bytes:
    """Return what is the same for two nodes exactly if their files say the same of the cluster.

    Which node the file's reader is, where it keeps its key, and what it logs is its own affair.
    """
    shared = msgspec.structs.replace(
        config,
        local=0,
        nodes=tuple(sorted(config.nodes, key=lambda entry: entry.nodeid)),
        totem=msgspec.structs.replace(config.totem, keyfile="", key=""),
        logging=LoggingOptions(),
    )
    plain = msgspec.to_builtins(shared, str_keys=True)
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).digest()[:16]


def both(running: ClusterConfig, promised: ClusterConfig) -> ClusterConfig:
    """Return `running` with the nodes that `promised` adds, on the links that there are.

    Whoever has promised to take a file, and does not know whether it came to that, must hear those too
    that join the others by it.
    """
    known = {entry.nodeid for entry in running.nodes}
    links = running.node(running.local).links
    added = tuple(
        msgspec.structs.replace(
            entry, links={link: at for link, at in entry.links.items() if link in links}
        )
        for entry in promised.nodes
        if entry.nodeid not in known
    )
    nodes = sorted((*running.nodes, *added), key=lambda entry: entry.nodeid)
    return msgspec.structs.replace(running, nodes=tuple(nodes))


def _taken(old: ClusterConfig, new: ClusterConfig) -> ClusterConfig:
    totem = {name: getattr(new.totem, name) for name in TOTEM_FIELDS}
    quorum = {name: getattr(new.quorum, name) for name in QUORUM_FIELDS}
    return msgspec.structs.replace(
        old,
        nodes=new.nodes,
        links=new.links,
        totem=msgspec.structs.replace(old.totem, **totem),
        quorum=msgspec.structs.replace(old.quorum, **quorum),
    )


def _cut_off(old: ClusterConfig, new: ClusterConfig, file: str) -> list[Finding]:
    """Refuse to move two nodes to new addresses on all of their links at once.

    They take the file at one point of their order, not at one moment: between the two the one that has it
    and the one that has not must still hear each other.
    """
    before = {entry.nodeid: entry for entry in old.nodes}
    stay = [entry for entry in new.nodes if entry.nodeid in before]
    return [
        Finding(
            "no-link-stays",
            Severity.ERROR,
            "nodelist.node",
            f"Nodes {one.nodeid} and {other.nodeid} keep no link on which neither of them moves.",
            "Change one link in one reload, the next one in another; add a link first if there is one.",
            file,
        )
        for one, other in combinations(stay, 2)
        if not _kept(before[one.nodeid], one) & _kept(before[other.nodeid], other)
    ]


def _kept(old: NodeEntry, new: NodeEntry) -> set[int]:
    return {link for link, at in old.links.items() if new.links.get(link) == at}


def _judged(finding: Finding) -> Finding:
    """Refuse what Corosync would take live and a running node here does not; and the other way round."""
    if finding.code == "address-changed":
        sentence = finding.sentence.replace("would move", "moves")
        return msgspec.structs.replace(
            finding, severity=Severity.INFO, sentence=sentence, remedy=""
        )
    if finding.severity is not Severity.INFO or finding.subject in LIVE:
        return finding
    if finding.subject.startswith("logging."):
        return msgspec.structs.replace(
            finding,
            code="changes-at-restart",
            severity=Severity.WARNING,
            sentence=finding.sentence.removesuffix(" at once.") + " when the daemon is restarted.",
            remedy="",
        )
    return msgspec.structs.replace(
        finding,
        code="takes-a-restart",
        severity=Severity.ERROR,
        sentence=finding.sentence.removesuffix(" at once.").removesuffix(".")
        + "; a running daemon does not take that.",
        remedy="Restart the daemons with the new file, one node after the other.",
    )
