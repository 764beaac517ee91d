"""What of a changed `corosync.conf` a running node can take, and why not if it cannot.

Theorem: a reload is whole or nothing. Either the returned configuration differs from the old one in
timers and constants of the ring alone, each of which every part that reads it takes at once; or there is
none, and the findings name everything that stands in the way. So no node ever runs half of a file.

Nodes, links and votes are not taken while the daemon runs: what the members of one ring count with must
change at one point of their order. They change by restarting the nodes one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.changes import changes
from ninefold.core.findings import Finding, Severity, errors

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig, LinkOptions

# Fields of `TotemOptions` that nothing but the ring's own timers and the links' heartbeats depend on.
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
    "cancel_token_hold_on_retransmit",
    "config_version",
    "kernel_probe",
)
LINK_FIELDS: Final = ("ping_interval", "ping_timeout", "ping_precision", "pong_count")
# By the names that the keys have in the file, as `changes` uses them.
LIVE: Final = frozenset(
    (
        *(f"totem.{name}" for name in TOTEM_FIELDS),
        "totem.ninefold_probe",
        *(f"totem.interface.knet_{name}" for name in LINK_FIELDS),
    )
)


def reloaded(
    old: ClusterConfig, new: ClusterConfig, *, file: str
) -> tuple[ClusterConfig | None, list[Finding]]:
    """Return the configuration to go on with, or None if the reload is refused; and all findings."""
    findings = [_judged(finding) for finding in changes(old, new, file=file)]
    return (None if errors(findings) else _taken(old, new)), findings


def _taken(old: ClusterConfig, new: ClusterConfig) -> ClusterConfig:
    given = {link.linknumber: link for link in new.links}
    timers = {name: getattr(new.totem, name) for name in TOTEM_FIELDS}
    return msgspec.structs.replace(
        old,
        totem=msgspec.structs.replace(old.totem, **timers),
        links=tuple(_link(link, given.get(link.linknumber, link)) for link in old.links),
    )


def _link(old: LinkOptions, new: LinkOptions) -> LinkOptions:
    return msgspec.structs.replace(old, **{name: getattr(new, name) for name in LINK_FIELDS})


def _judged(finding: Finding) -> Finding:
    """Refuse what Corosync would take live and a running node here does not."""
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
