"""May this member go by its changed file, as things stand on its ring?

`config.reload` says what a running node can take at all; here it is compared with who is present. All that
stands against it is found at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.reload import reloaded
from ninefold.core.findings import Finding, Severity, errors
from ninefold.quorum.ballots import ballot_of, distance, needs, present, same_votes
from ninefold.quorum.messages import BALLOTS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.config.model import ClusterConfig
    from ninefold.core.ids import NodeId
    from ninefold.quorum.events import Verdict
    from ninefold.quorum.messages import Ballot

# Any majority by one file shares a node with any majority by another that is one vote apart, so a
# reload that breaks off half-way, or a promise forgotten by a restart, cannot make two of them.
MOVED_MAX: Final = 1
# One is the file that is gone by.
DOUBTS_MAX: Final = BALLOTS_MAX - 1


def judged(
    running: ClusterConfig,
    config: ClusterConfig | None,
    findings: Sequence[Finding],
    *,
    file: str,
    members: tuple[NodeId, ...],
    verdict: Verdict,
    doubts: int,
) -> tuple[ClusterConfig | None, list[Finding]]:
    """Return what to go on with, None if that may not be, and all findings.

    `findings` are those of reading the file, `doubts` the promises whose outcome is not known.
    """
    if config is None:
        return None, list(findings)
    taken, differences = reloaded(running, config, file=file)
    found = [*findings, *differences, *_removed(running, config, members, file)]
    before, after = ballot_of(running), ballot_of(config)
    if running.quorum.provider and not same_votes(before, after):
        found += _votes(before, after, members, verdict, file)
    if doubts >= DOUBTS_MAX:
        found.append(_error(file, "in-doubt", "corosync.conf", *_DOUBTS))
    return (None if errors(found) else taken), found


def of_all(findings: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """Return the findings of all nodes, what they share once; else the subject names the node."""
    shared = [
        finding
        for finding in next(iter(findings.values()), ())
        if all(finding in found for found in findings.values())
    ]
    return shared + [
        msgspec.structs.replace(finding, subject=f"{name}: {finding.subject}")
        for name, found in findings.items()
        for finding in found
        if finding not in shared
    ]


def _removed(
    running: ClusterConfig, config: ClusterConfig, members: tuple[NodeId, ...], file: str
) -> list[Finding]:
    listed = {entry.nodeid for entry in config.nodes}
    return [
        _error(
            file,
            "removed-but-here",
            "nodelist.node",
            f"Node {entry.nodeid} ({entry.name}) is removed, but is a member.",
            f"Stop ninefoldd on {entry.name} first.",
        )
        for entry in running.nodes
        if entry.nodeid not in listed and entry.nodeid in members
    ]


def _votes(
    before: Ballot, after: Ballot, members: tuple[NodeId, ...], verdict: Verdict, file: str
) -> list[Finding]:
    """Change votes only where the members have quorum, by what was configured and by what will be."""
    found = []
    if after.version < before.version:
        found.append(_error(file, "config-version-back", "totem.config_version", *_BACK))
    elif after.version == before.version:
        found.append(Finding("config-version-same", Severity.WARNING, *_SAME, file))
    if (moved := distance(before, after)) > MOVED_MAX:
        sentence = f"{moved} votes change at once; not more than {MOVED_MAX} may."
        found.append(_error(file, "too-many-votes-change", "quorum", sentence, _ONE_BY_ONE))
    if not verdict.quorate:
        found.append(_error(file, "no-quorum", "quorum", *_INQUORATE))
        return found
    for ballot, whose in ((before, "the present file"), (after, "the new file")):
        votes, needed = present(ballot, members), needs(ballot, members)
        if votes < needed:
            sentence = (
                f"By {whose} only {votes} of {ballot.expected} votes are present; {needed} are"
                " needed."
            )
            found.append(_error(file, "too-few-votes", "quorum", sentence, _BRING_BACK))
    return found


def _error(file: str, code: str, subject: str, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, sentence, remedy, file)


_BRING_BACK: Final = "Start the nodes that are missing first."
_ONE_BY_ONE: Final = "Add or take one vote at a time, with a reload for each; or stop the cluster for a change of many."
_INQUORATE: Final = (
    "Votes cannot change where there is no quorum: the others may count with the old ones.",
    "Find the others. Or, if this node runs nothing, restart its daemon with the new file.",
)
_BACK: Final = (
    "The votes change, and the number of the file goes back.",
    "Raise it with every change of the file.",
)
_SAME: Final = (
    "totem.config_version",
    (
        "The votes change, but the number of the file does not: a node that is away now and comes back"
        " with the old file counts by that."
    ),
    "Raise it with every change of the file.",
)
_DOUBTS: Final = (
    "Two files were promised before, and it is not known what came of them.",
    "Bring the nodes together that were parted then, or restart this daemon.",
)
