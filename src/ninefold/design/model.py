"""An infrastructure as numbers and needs: what every analysis reads and nobody changes.

A *part* is anything that can fail; it is down while it is broken itself, or while what it needs is
down. A *failover group* is a set of nodes of which some must be up, and which takes time, and luck,
to go on when one is lost. A *service* is what users see. Who needs what is a directed graph without
cycles; what two things share (a feed, a switch, a rack, an operating-system image) is one part that
both need, or a common cause.

Rates are per hour, lengths are hours, shares lie between 0 and 1; nothing here is a text with a
unit. The file's own notation is read in `load`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

HOURS_PER_YEAR: Final = 365.25 * 24
MINUTES_PER_YEAR: Final = 525_960


class Place(msgspec.Struct, frozen=True):
    """Where something stands: a file and its line, from 1; 0 if it stands nowhere."""

    file: str = ""
    line: int = 0


class Estimate(msgspec.Struct, frozen=True):
    """A number that somebody believes, and how much.

    The value is the median of a lognormal distribution; `error_factor` is its 95th percentile
    divided by the median (1: certain). `replace_me` marks a default that nobody has looked at.
    """

    value: float
    error_factor: float = 1.0
    source: str = ""
    replace_me: bool = False
    place: Place = Place()

    def __post_init__(self) -> None:
        """Whoever makes one has checked what an operator wrote."""
        assert self.value >= 0
        assert self.error_factor >= 1


class Use(msgspec.Struct, frozen=True, tag="use"):
    """That part, failover group or service must be up."""

    name: str
    place: Place = Place()


class AllOf(msgspec.Struct, frozen=True, tag="all"):
    """Every one must be up; of none: always."""

    of: tuple[Need, ...] = ()


class AtLeast(msgspec.Struct, frozen=True, tag="at-least"):
    """At least `k` must be up; any of them is `k` = 1."""

    k: int
    of: tuple[Need, ...]


Need: TypeAlias = Use | AllOf | AtLeast

NOTHING: Final = AllOf()


class Maintenance(msgspec.Struct, frozen=True):
    """Planned work: every `every_h` for `takes_h`. `excluded`: the agreement does not count it."""

    every_h: float
    takes_h: float
    excluded: bool = False


class Part(msgspec.Struct, frozen=True):
    """Something that can fail.

    `failures` per hour and `repair` hours, or a fixed `unavailability` (a share) instead; all `None`
    for what never breaks by itself, such as a bond or a RAID set, which is as good as what it needs.
    `inside` names the parts that hold it (rack, hypervisor, site): it needs them, and shares them
    with whatever else is there. `site` and `feeds` are found by walking `inside` and `needs`.
    """

    name: str
    kind: str
    layer: str
    title: str = ""
    failures: Estimate | None = None
    repair: Estimate | None = None
    unavailability: Estimate | None = None
    needs: Need = NOTHING
    inside: tuple[str, ...] = ()
    crew: str = ""
    maintenance: Maintenance | None = None
    cost: float = 0.0
    # Per resource (cpu, memory, ...), of a node: what it can carry.
    capacity: dict[str, float] = {}
    # Facts that only some kinds have (`mode` and `miimon` of a bond, `level` of a RAID set).
    facts: dict[str, str] = {}
    place: Place = Place()


class FencePath(msgspec.Struct, frozen=True):
    """A way to silence nodes: `level` 1 is tried first. `success` is per demand, a share.

    `device` names a part (kind `fence-device`), whose needs (power, network) it shares.
    """

    device: str
    targets: tuple[str, ...]
    level: int = 1
    success: Estimate = Estimate(0.99, 1.0, "assumed", replace_me=True)
    time_s: Estimate | None = None
    place: Place = Place()


class Failover(msgspec.Struct, frozen=True):
    """How a group goes on without a node. Lengths are hours.

    `time` is what a covered failover takes, as the client sees it (`None`: predicted from the
    timers). `detection` is the share of failures that are noticed at all. What is not detected, or
    could not be fenced, waits for a person: `manual`. `switchover` is the gap of a planned move.
    `fail_back` adds one switchover when the lost node returns.
    """

    time: Estimate | None = None
    detection: Estimate = Estimate(1.0)
    manual: Estimate = Estimate(4.0, 1.0, "assumed", replace_me=True)
    switchover: Estimate | None = None
    fail_back: bool = False
    # Measured by drills, in seconds; they go before the prediction.
    measured_s: tuple[float, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """A failover group: a cluster of nodes that takes over for each other.

    It is up while the votes of its nodes that are up (and of its witness) reach `quorum`, at least
    `needed` of its nodes are up, everything in `needs` is up (shared storage, the client network),
    and no failover is under way. `quorum` 0: no quorum is asked for.
    """

    name: str
    nodes: tuple[str, ...]
    title: str = ""
    needed: int = 1
    votes: dict[str, int] = {}
    quorum: int = 0
    two_node: bool = False
    witness: str = ""
    witness_votes: int = 1
    needs: Need = NOTHING
    fencing: tuple[FencePath, ...] = ()
    fencing_enabled: bool = True
    failover: Failover = Failover()
    maintenance: Maintenance | None = None
    crew: str = ""
    # Files that hold the cluster part; empty if it has none. Paths as found, readable from here.
    corosync: str = ""
    cib: str = ""
    place: Place = Place()


class Service(msgspec.Struct, frozen=True):
    """What users see. `slo` and `downtime_cost` (per hour) may be absent; `rto_s` and `rpo_s` too."""

    name: str
    needs: Need
    title: str = ""
    owner: str = ""
    slo: float | None = None
    rto_s: float | None = None
    rpo_s: float | None = None
    downtime_cost: float | None = None
    # What it takes of a node's capacity, and the resource (CIB id) that is it, if any.
    uses: dict[str, float] = {}
    resource: str = ""
    place: Place = Place()


class CommonCause(msgspec.Struct, frozen=True):
    """A share `beta` of the failures of each of `of` strikes all of them at once."""

    name: str
    of: tuple[str, ...]
    beta: Estimate
    place: Place = Place()


class Infrastructure(msgspec.Struct, frozen=True):
    """A whole model: sound (no finding of severity error was left when it was made).

    Names of parts, groups and services are one namespace. `crews` gives each repair crew's size.
    `answers` are the owner's to the checklist, by number.
    """

    name: str
    parts: dict[str, Part]
    groups: dict[str, Group] = {}
    services: dict[str, Service] = {}
    common_causes: tuple[CommonCause, ...] = ()
    crews: dict[str, int] = {}
    description: str = ""
    mission_h: float = HOURS_PER_YEAR
    currency: str = ""
    answers: dict[int, str] = {}
    file: str = ""
