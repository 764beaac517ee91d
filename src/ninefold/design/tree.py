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


class Wait(msgspec.Struct, frozen=True):
    """One way in which a group waits although enough nodes are up, from its Markov chain.

    `share` of the time, begun `per_hour` times. It grows in proportion to `length` (whose name is
    `quantity`; `None`: it does not matter how long), to the `power` of the rate of losses, and if
    `uncovered`, to the chance that a loss is not noticed or not fenced.
    """

    name: str
    title: str
    share: float
    per_hour: float
    quantity: str = ""
    length: Estimate | None = None
    power: int = 1
    uncovered: bool = False


class Chance(msgspec.Struct, frozen=True):
    """An estimated share on which a group's coverage depends: `slope` is d coverage / d share."""

    subject: str
    quantity: str
    estimate: Estimate
    slope: float


class Dynamics(msgspec.Struct, frozen=True):
    """What a group's Markov chain adds to the fault tree, and on what that depends.

    `demand` has, by event, the part of the losses that it causes; `coverage` is the share of losses
    that are noticed and fenced, and depends on `chances`.
    """

    waits: tuple[Wait, ...] = ()
    demand: dict[str, float] = {}
    coverage: float = 1.0
    chances: tuple[Chance, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """A basic event. `q` is the share of time in it; `rate` (per hour) how often it begins.

    `failures` and `repair`, or `share`, are the estimates it came from; of them, common causes took
    `betas` (by their names). A common cause has a `beta` of its own, of the mean of its `members`
    (their own events, whole). A group's waiting has `wait` and `dynamics`. An event of a fixed share
    has no rate: it counts in no frequency.
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
    betas: tuple[tuple[str, Estimate], ...] = ()
    beta: Estimate | None = None
    members: tuple[Event, ...] = ()
    wait: Wait | None = None
    dynamics: Dynamics | None = None


class Tree:
    """The fault trees of a whole model over one list of events."""

    def __init__(self, model: Infrastructure, dynamics: Mapping[str, Dynamics]) -> None:
        self.model = model
        self.events: list[Event] = []
        self.numbers: dict[str, int] = {}
        self._dynamics = dynamics
        self._known: dict[str, Formula] = {}
        self._betas: dict[str, tuple[tuple[str, Estimate], ...]] = {}
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
            betas = self._betas.get(part.name, ())
            left = max(0.0, 1 - sum(beta.value for _, beta in betas))
            scaled = msgspec.structs.replace(
                own,
                q=own.q * left,
                rate=None if own.rate is None else own.rate * left,
                betas=betas,
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
        for wait in dynamics.waits if dynamics is not None else ():
            event = Event(
                f"{group.name}: {wait.name}",
                wait.title,
                group.name,
                "failover-group",
                "cluster",
                wait.share,
                wait.per_hour,
                wait=wait,
                dynamics=dynamics,
            )
            causes.append(self._event(event))
        return Or(*causes)

    def _event(self, event: Event) -> Var:
        if event.name not in self.numbers:
            self.numbers[event.name] = len(self.events)
            self.events.append(event)
        return Var(self.numbers[event.name])

    def _add_common(self, name: str, of: tuple[str, ...], beta: Estimate) -> None:
        found = (own_event(self.model.parts[part]) for part in of)
        owns = tuple(own for own in found if own is not None and own.q > 0)
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
            beta=beta,
            members=owns,
        )
        variable = self._event(event)
        for part in of:
            self._betas[part] = (*self._betas.get(part, ()), (name, beta))
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
