"""From a model to the fault tree of each service: what has to be down for users to be without it.

A part is down while it is broken or what it needs is down. Its own failure is a basic event; so is
what strikes several parts at once (a common cause) and, for a failover group, the time in which a
failover is under way or waits for a person, whose share the group's Markov chain gives.

The beta factor divides a part's probability as the field's tools do: (1 - beta) q for itself, beta q
for the common event (NUREG/CR-4780); with different members, the mean of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.design.formula import Or, Threshold, Var
from ninefold.design.model import AllOf, Estimate, Group, Part, Use

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.design.formula import Formula
    from ninefold.design.model import Infrastructure, Need, Service


class Event(msgspec.Struct, frozen=True):
    """A basic event. `q` is the share of time in it; `rate` (per hour) how often it begins.

    `failures` and `repair` are the estimates it came from, for uncertainty; `factor` what a common
    cause left of them. An event of a fixed share has no rate: it counts in no frequency.
    """

    name: str
    title: str
    part: str
    kind: str
    layer: str
    q: float
    rate: float | None
    failures: Estimate | None = None
    repair: Estimate | None = None
    share: Estimate | None = None
    factor: float = 1.0


class Dynamics(msgspec.Struct, frozen=True):
    """What a group's Markov chain adds: the share of time in failover, and how often it begins."""

    share: float
    per_hour: float
    error_factor: float = 1.5


class Tree:
    """The fault trees of a whole model over one list of events."""

    def __init__(self, model: Infrastructure, dynamics: Mapping[str, Dynamics]) -> None:
        self.model = model
        self.events: list[Event] = []
        self.numbers: dict[str, int] = {}
        self._dynamics = dynamics
        self._known: dict[str, Formula] = {}
        self._betas: dict[str, float] = {}
        self._common: dict[str, list[Formula]] = {}
        for cause in model.common_causes:
            self._add_common(cause.name, cause.of, cause.beta)

    def service(self, service: Service) -> Formula:
        """Return when a service is down."""
        return self.down(service.needs)

    def down(self, need: Need) -> Formula:
        """Return when a need is not met."""
        match need:
            case Use(name):
                return self._named(name)
            case AllOf(of):
                return Or(*(self.down(one) for one in of))
            case _:
                missing = len(need.of) - need.k + 1
                return Threshold(missing, tuple(self.down(one) for one in need.of))

    def _named(self, name: str) -> Formula:
        if name not in self._known:
            model = self.model
            if name in model.parts:
                self._known[name] = self._part(model.parts[name])
            elif name in model.groups:
                self._known[name] = self._group(model.groups[name])
            else:
                self._known[name] = self.down(model.services[name].needs)
        return self._known[name]

    def _part(self, part: Part) -> Formula:
        causes: list[Formula] = []
        own = own_event(part)
        if own is not None:
            beta = self._betas.get(part.name, 0.0)
            scaled = msgspec.structs.replace(
                own,
                q=own.q * (1 - beta),
                rate=None if own.rate is None else own.rate * (1 - beta),
                factor=1 - beta,
            )
            causes.append(self._event(scaled))
            causes += self._common.get(part.name, [])
        causes += [self._named(holder) for holder in part.inside]
        if part.needs != AllOf():
            causes.append(self.down(part.needs))
        return causes[0] if len(causes) == 1 else Or(*causes)

    def _group(self, group: Group) -> Formula:
        nodes = tuple(self._named(name) for name in group.nodes)
        causes: list[Formula] = [Threshold(len(nodes) - group.needed + 1, nodes)]
        if group.quorum and not group.two_node:
            votes = [group.votes.get(name, 1) for name in group.nodes]
            voters = nodes
            if group.witness:
                votes.append(group.witness_votes)
                voters = (*nodes, self._named(group.witness))
            causes.append(Threshold(sum(votes) - group.quorum + 1, voters, tuple(votes)))
        if group.needs != AllOf():
            causes.append(self.down(group.needs))
        dynamics = self._dynamics.get(group.name)
        if dynamics is not None and dynamics.share > 0:
            title = f"failover of {group.name} under way, or waiting for a person"
            share = Estimate(dynamics.share, dynamics.error_factor, "Markov chain of the group")
            event = Event(
                f"{group.name}: failover",
                title,
                group.name,
                "failover-group",
                "cluster",
                dynamics.share,
                dynamics.per_hour,
                share=share,
            )
            causes.append(self._event(event))
        return Or(*causes)

    def _event(self, event: Event) -> Var:
        if event.name not in self.numbers:
            self.numbers[event.name] = len(self.events)
            self.events.append(event)
        return Var(self.numbers[event.name])

    def _add_common(self, name: str, of: tuple[str, ...], beta: Estimate) -> None:
        owns = [own for own in (own_event(self.model.parts[part]) for part in of) if own]
        if not owns or not beta.value:
            return
        rates = [own.rate for own in owns if own.rate is not None]
        event = Event(
            name,
            f"common cause {name} of {', '.join(of)}",
            name,
            "common-cause",
            owns[0].layer,
            beta.value * sum(own.q for own in owns) / len(owns),
            beta.value * sum(rates) / len(rates) if rates else None,
            share=Estimate(
                beta.value * sum(own.q for own in owns) / len(owns), beta.error_factor, beta.source
            ),
        )
        variable = self._event(event)
        for part in of:
            self._betas[part] = min(1.0, self._betas.get(part, 0.0) + beta.value)
            self._common.setdefault(part, []).append(variable)


def unavailability(failures: float, repair_h: float) -> float:
    """Return the share of time down of a part that fails `failures` times per hour of service."""
    return failures * repair_h / (1 + failures * repair_h)


def own_event(part: Part) -> Event | None:
    """Return the basic event of a part's own failure; `None` if it never breaks by itself.

    Planned work on a part that never breaks still needs an event to be seen; it has a share of 0.
    """
    title = part.title or part.name
    common = (part.name, title, part.name, part.kind, part.layer)
    if part.unavailability is not None:
        return Event(*common, part.unavailability.value, None, share=part.unavailability)
    if part.failures is not None and part.repair is not None:
        q = unavailability(part.failures.value, part.repair.value)
        return Event(*common, q, part.failures.value, part.failures, part.repair)
    if part.maintenance is not None:
        return Event(*common, 0.0, 0.0)
    return None
