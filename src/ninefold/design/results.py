"""What the analyses answer, and the report shows: plain values, ready for JSON.

Lengths carry their unit in the name. Shares lie between 0 and 1. Every number that a reader may
doubt comes with its inputs (`InputRow`).
"""

from __future__ import annotations

import msgspec


class Band(msgspec.Struct, frozen=True):
    """What uncertainty leaves: the 5th, 50th and 95th percentile of `samples` draws."""

    p5: float
    p50: float
    p95: float
    samples: int


class Weight(msgspec.Struct, frozen=True):
    """How much one basic event matters to a service.

    `birnbaum` is dU/dq; `fussell_vesely` the share of U that passes through it; `raw` and `rrw` are
    the factors by which U grows if it is down for certain, and shrinks if it never fails
    (`rrw` may be infinite). See IEC 61025 and Vesely et al., NUREG/CR-3385.
    """

    event: str
    title: str
    unavailability: float
    birnbaum: float
    fussell_vesely: float
    raw: float
    rrw: float


class CutSet(msgspec.Struct, frozen=True):
    """A minimal set of failures that together take a service down."""

    events: tuple[str, ...]
    probability: float
    minutes_per_year: float


class Spof(msgspec.Struct, frozen=True):
    """A cut set of order one: a single point of failure, and what to do about it.

    `minutes_per_year` is what it costs now; `saved_minutes_per_year` what the mitigation would save: the
    service with this event made redundant by a second, independent one of the same kind, less the time
    of the takeovers where one has to take over from the other (`spof.saved`).
    """

    service: str
    part: str
    kind: str
    layer: str
    minutes_per_year: float
    saved_minutes_per_year: float
    mitigation: str


class LayerLoss(msgspec.Struct, frozen=True):
    """What a layer costs a service: the minutes a year that would go if nothing of it ever failed.

    Layers overlap where things of both have to fail together, so the sum may exceed the whole.
    """

    layer: str
    minutes_per_year: float


class Bar(msgspec.Struct, frozen=True):
    """One bar of a tornado chart: downtime when this input alone is at its 5th or 95th percentile."""

    event: str
    quantity: str
    low_minutes_per_year: float
    high_minutes_per_year: float


class StateShare(msgspec.Struct, frozen=True):
    """A state of a Markov chain and the share of time spent in it; `up` if users are served."""

    name: str
    share: float
    up: bool


class Phase(msgspec.Struct, frozen=True):
    """A phase of a failover: expected and longest seconds, and where they come from."""

    name: str
    expected_s: float
    bound_s: float
    source: str


class Prediction(msgspec.Struct, frozen=True):
    """How long a failover takes: predicted by phase; measured where there are drills."""

    group: str
    phases: tuple[Phase, ...]
    expected_s: float
    bound_s: float
    measured_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()


class GroupResult(msgspec.Struct, frozen=True):
    """A failover group's Markov chain. Minutes are per year and split by cause."""

    group: str
    states: tuple[StateShare, ...]
    coverage: float
    failover_s: float
    unavailability: float
    failovers_per_year: float
    mttf_h: float
    minutes_failing_over: float
    minutes_uncovered: float
    minutes_all_down: float
    minutes_planned: float
    sentence: str = ""
    # The chance of no interruption (not even a failover) in the model's mission time.
    reliability: float = 1.0


class ServiceResult(msgspec.Struct, frozen=True):
    """One service: steady state (unplanned), planned work apart, the mission, and what dominates."""

    service: str
    availability: float
    minutes_per_year: float
    planned_minutes_per_year: float
    slo: float | None
    meets_slo: bool | None
    reliability: float
    mission_h: float
    band: Band | None
    spofs: tuple[Spof, ...]
    pairs: tuple[CutSet, ...]
    weights: tuple[Weight, ...]
    tornado: tuple[Bar, ...]
    cost_per_year: float | None = None
    notes: tuple[str, ...] = ()
    layers: tuple[LayerLoss, ...] = ()


class QuorumRow(msgspec.Struct, frozen=True):
    """A partition: who is in it, its votes, and whether it may act."""

    members: tuple[str, ...]
    votes: int
    quorate: bool
    sentence: str


class QuorumTable(msgspec.Struct, frozen=True):
    """Every partition of a group's nodes (up to a limit), and what the table teaches."""

    group: str
    expected: int
    threshold: int
    rows: tuple[QuorumRow, ...]
    notes: tuple[str, ...] = ()


class CapacityRow(msgspec.Struct, frozen=True):
    """After the loss of `lost`: what each resource of capacity still has, and whether it suffices."""

    group: str
    lost: str
    resource: str
    needed: float
    left: float
    suffices: bool
    sentence: str = ""


class FenceRow(msgspec.Struct, frozen=True):
    """How a node can be silenced, and what its devices share with it."""

    group: str
    node: str
    devices: tuple[str, ...]
    coverage: float
    shared: tuple[str, ...]
    sentence: str


class TimingRow(msgspec.Struct, frozen=True):
    """One inequality of the timing chain: `left` must be at least `right`, both in ms.

    `holds` is `None` where a number is not known; `proposal` is then what to look up, else the value
    that would make it hold.
    """

    group: str
    rule: str
    left_name: str
    left_ms: float | None
    right_name: str
    right_ms: float | None
    holds: bool | None
    proposal: str
    source: str


class CheckItem(msgspec.Struct, frozen=True):
    """An item of the design checklist. `kind`: `A` is checked here, `M` asked of the owner.

    `state`: `yes`, `no`, `open` (nobody answered, or nothing to see it by), `na`.
    """

    number: int
    area: str
    kind: str
    text: str
    state: str
    evidence: str
    remedy: str = ""


class InputRow(msgspec.Struct, frozen=True):
    """An input as it was used: `value` with its unit in words, its spread and its source."""

    part: str
    quantity: str
    value: str
    error_factor: float
    source: str
    replace_me: bool


class PolicyResult(msgspec.Struct, frozen=True):
    """Years of life under the real scheduler: availability with a 95 % confidence interval."""

    service: str
    years: float
    seed: int
    availability: float
    low: float
    high: float
    minutes_per_year: float
    failovers_per_year: float
    fencings_per_year: float
    notes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """Everything `ninefold design report` knows; each part may be empty, none is guessed."""

    name: str
    description: str
    file: str
    services: tuple[ServiceResult, ...]
    groups: tuple[GroupResult, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    quorum: tuple[QuorumTable, ...] = ()
    capacity: tuple[CapacityRow, ...] = ()
    fencing: tuple[FenceRow, ...] = ()
    timing: tuple[TimingRow, ...] = ()
    checklist: tuple[CheckItem, ...] = ()
    inputs: tuple[InputRow, ...] = ()
    policy: tuple[PolicyResult, ...] = ()
    notes: tuple[str, ...] = ()
