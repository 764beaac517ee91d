"""How long a failover takes: from the configured timers and the agents' times, phase by phase.

The expected length is what a healthy cluster needs; the bound is what the timeouts allow before the
cluster gives up a step. Detection is that of Ninefold's own ring: the token, and then a new ring in
some tens of milliseconds, because a dead host's kernel answers no probe; Corosync waits for the
consensus too, which the bound contains. Measured drills go before any prediction.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ninefold.core.durations import millis
from ninefold.design.evidence import evidence_of
from ninefold.design.fence_check import levels_of
from ninefold.design.results import Phase, Prediction
from ninefold.design.start_chain import longest_chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element as Element

    from ninefold.design.evidence import Evidence
    from ninefold.design.model import Group

# From the token's loss to the new ring, and from there to the first order: measured at 10-60 ms and
# 5-20 ms on a small machine (docs/explanation/measurements.md).
RING_S: Final = 0.06
DECIDE_S: Final = 0.05
# What is assumed of a fence device and of an agent's start when nobody has measured them.
FENCE_S: Final = 10.0
START_S: Final = 2.0
# By the agent's type, on a healthy node; the first two as the lab measured them.
START_BY_TYPE_S: Final[Mapping[str, float]] = MappingProxyType(
    {
        "vip": 0.03,
        "web": 0.03,
        "IPaddr2": 0.1,
        "IPsrcaddr": 0.1,
        "Route": 0.1,
        "LVM-activate": 1.0,
        "Filesystem": 1.0,
        "nginx": 1.0,
        "apache": 1.0,
        "haproxy": 1.0,
        "exportfs": 1.0,
        "nfsserver": 3.0,
        "mariadb": 5.0,
        "mysql": 5.0,
        "pgsql": 5.0,
        "postgresql": 5.0,
    }
)
FENCE_BOUND_S: Final = 60.0
START_BOUND_S: Final = 20.0
# Corosync's defaults: token 3000 and 650 ms for each node beyond two; consensus 1.2 times that.
TOKEN_S: Final = 3.0
COEFFICIENT_S: Final = 0.65
# Twice off is a sign that the model and the cluster are not the same thing.
DISAGREES: Final = 2.0


def predict(group: Group) -> Prediction:
    """Return the phases of a failover of `group` and their sums, in seconds."""
    found = evidence_of(group)
    phases = (
        _detection(group, found),
        *_fencing(group, found),
        _decision(),
        *_starts(found),
    )
    expected = sum(phase.expected_s for phase in phases)
    bound = sum(phase.bound_s for phase in phases)
    measured = group.failover.measured_s
    notes = []
    if measured:
        middle = median(measured)
        notes.append(
            f"{len(measured)} drills measured {middle:.3g} s (median; {min(measured):.3g} to "
            f"{max(measured):.3g}); this is used."
        )
        if middle > DISAGREES * expected or middle * DISAGREES < expected:
            notes.append(
                f"The prediction of {expected:.3g} s is more than {DISAGREES:g} times off: look at "
                f"the phases."
            )
    elif group.failover.time is not None:
        told = group.failover.time.value * 3600
        notes.append(f"The model says {told:.3g} s; this is used.")
    return Prediction(group.name, phases, expected, bound, measured, tuple(notes))


def used_s(group: Group, prediction: Prediction) -> float:
    """Return the length that the analyses reckon with: measured, else told, else predicted."""
    if prediction.measured_s:
        return float(median(prediction.measured_s))
    if group.failover.time is not None:
        return group.failover.time.value * 3600
    return prediction.expected_s


def _detection(group: Group, found: Evidence) -> Phase:
    if found.config is not None:
        token_s = found.config.totem.token / 1000
        consensus_s = found.config.totem.consensus / 1000
        source = f"effective token of {Path(group.corosync).name}"
    else:
        token_s = TOKEN_S + COEFFICIENT_S * max(0, len(group.nodes) - 2)
        consensus_s = 1.2 * token_s
        source = "Corosync's default token for so many nodes"
    return Phase("detection", token_s + RING_S, token_s + consensus_s, source)


def _fencing(group: Group, found: Evidence) -> tuple[Phase, ...]:
    if not group.fencing_enabled or not group.fencing:
        return ()
    bound_s = _property_s(
        found.configuration, ("stonith-timeout", "fencing-timeout"), FENCE_BOUND_S
    )
    times = []
    for node in group.nodes:
        levels = levels_of(group, node)
        if levels:
            # The devices of a level are asked one after the other.
            times.append(
                sum(p.time_s.value if p.time_s is not None else FENCE_S for p in levels[0])
            )
    if not times:
        return ()
    assumed = all(path.time_s is None for path in group.fencing)
    source = "assumed; measure it with a drill" if assumed else "the model's fencing times"
    expected = sum(times) / len(times)
    phases = [Phase("fencing", expected, max(bound_s, expected), source)]
    delay = _delay_s(found.configuration)
    if delay:
        phases.append(Phase("fencing delay", delay / 2, delay, "pcmk_delay_base, pcmk_delay_max"))
    return tuple(phases)


def _decision() -> Phase:
    return Phase("decision", DECIDE_S, 1.0, "measured on a small machine")


def _starts(found: Evidence) -> tuple[Phase, ...]:
    """Return the longest chain of starts, by what the timeouts allow."""
    configuration = found.configuration
    if configuration is None:
        return (Phase("start", START_S, START_BOUND_S, "assumed, no CIB is given"),)
    chain = longest_chain(configuration, lambda one: _start_timeout_s(configuration, one))
    return tuple(_start(configuration, primitive) for primitive in chain)


def _start(configuration: Element, primitive: Element) -> Phase:
    kind = str(primitive.get("type"))
    word = kind.split("@", maxsplit=1)[0]
    bound = _start_timeout_s(configuration, primitive)
    told = f"assumed of {word}" if word in START_BY_TYPE_S else "assumed"
    expected = min(START_BY_TYPE_S.get(word, START_S), bound)
    name = f"start of {primitive.get('id')}"
    return Phase(name, expected, bound, f"{told}; bound: its start timeout")


def _start_timeout_s(configuration: Element, primitive: Element) -> float:
    for scope in (
        primitive.iterfind("operations/op[@name='start']"),
        configuration.iterfind("op_defaults/meta_attributes/nvpair[@name='timeout']"),
    ):
        for found in scope:
            length = millis(str(found.get("timeout") or found.get("value") or ""))
            if length is not None:
                return length / 1000
    return START_BOUND_S


def _property_s(configuration: Element | None, names: tuple[str, ...], default: float) -> float:
    if configuration is None:
        return default
    for pair in configuration.iterfind("crm_config/cluster_property_set/nvpair"):
        if pair.get("name") in names:
            length = millis(str(pair.get("value") or ""))
            if length is not None:
                return length / 1000
    return default


def _delay_s(configuration: Element | None) -> float:
    """Return the longest delay before fencing that the devices' parameters ask for."""
    if configuration is None:
        return 0.0
    lengths = [0.0]
    for pair in configuration.iterfind("resources//primitive[@class='stonith']//nvpair"):
        if pair.get("name") in ("pcmk_delay_base", "pcmk_delay_max"):
            for word in str(pair.get("value") or "").replace(";", " ").split():
                length = millis(word.rpartition(":")[2])
                lengths.append(0.0 if length is None else length / 1000)
    return max(lengths)
