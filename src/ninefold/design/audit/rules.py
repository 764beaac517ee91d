"""What a rule is: a question to the facts of one host, and the three answers that it may have.

A rule looks, and yields a `Sight` for each thing that it found; nothing means that all is well. An
`unknown` sight says that the facts leave the question open: what was not seen, and how to find out.
No rule takes a missing fact for a good or a bad one.

Severities: an *error* is broken now, or will break the cluster; a *warning* will hurt one day (all
single points of failure are at least that); *info* is worth knowing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.design.audit.clusters import CLUSTER_DAEMONS
from ninefold.design.audit.facts import HostFacts, Judgement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Look: TypeAlias = Callable[[HostFacts], Iterable["Sight"]]

ERROR: Final = "error"
WARNING: Final = "warning"
INFO: Final = "info"


class Sight(msgspec.Struct, frozen=True):
    """What a rule saw. `severity` overrides the rule's; `evidence` is what was read, word for word."""

    subject: str
    sentence: str
    evidence: str
    mitigation: str
    unknown: bool = False
    severity: str = ""


class Rule(msgspec.Struct, frozen=True):
    """A question: `about` says in a sentence what it finds; `spof`: a single point of failure."""

    code: str
    layer: str
    severity: str
    spof: bool
    about: str
    look: Look

    def judged(self, facts: HostFacts) -> Iterator[Judgement]:
        """Yield what it means for this host."""
        for sight in self.look(facts):
            yield Judgement(
                self.code,
                facts.host,
                self.layer,
                INFO if sight.unknown else sight.severity or self.severity,
                self.spof and not sight.unknown,
                sight.subject,
                sight.sentence,
                sight.evidence,
                sight.mitigation,
                sight.unknown,
            )


def open_question(subject: str, sentence: str, why: str, how: str) -> Sight:
    """Return that it could not be seen: why not, and how to find out."""
    return Sight(subject, sentence, why, how, unknown=True)


def why_unread(facts: HostFacts, *words: str) -> str:
    """Return what `unread` says of something whose name holds one of these words."""
    for unread in facts.unread:
        if any(word in unread.what for word in words):
            return f"{unread.what}: {unread.why}"
    return "nothing here tells it"


def running_cluster(facts: HostFacts) -> list[str]:
    """Return the programs of a cluster that run here."""
    units = [unit.name.removesuffix(".service") for unit in facts.units if unit.state == "running"]
    names = ("corosync", "pacemaker", "ninefoldd", "ninefold", "keepalived", "sbd")
    return sorted({*facts.daemons} & {*CLUSTER_DAEMONS} | {*units} & {*names})


def clustered(facts: HostFacts) -> bool:
    """Is this host a cluster's node, by what runs or by a node list of several?"""
    return bool(running_cluster(facts)) or (
        facts.managed is not None and len(facts.managed.nodes) > 1
    )


def is_guest(facts: HostFacts) -> bool:
    """Is this a virtual machine, or a container, whose hardware somebody else has?"""
    machine = facts.machine
    return machine is not None and bool(machine.virtualisation or machine.container)
