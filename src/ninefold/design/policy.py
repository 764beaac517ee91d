"""Years of life of a modelled cluster with the real scheduler deciding.

Parts break and are repaired at times drawn from the model's rates (exponential, as in the Markov
chain); a group's nodes leave and return, are noticed, fenced and replaced as the policy engine
orders; a service is up while its resource really runs and what else it needs is up. Nothing is
assumed about failover but the lengths of its steps, so a policy that leaves a service down (a ban, a
quorum lost, a device that cannot reach its target) shows here, and in no formula.

Not played: planned work, network partitions, failures of a resource alone.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from scipy import stats

from ninefold.cib.document import Cib
from ninefold.design.model import (
    HOURS_PER_YEAR,
    MINUTES_PER_YEAR,
    AllOf,
    AtLeast,
    Infrastructure,
    Use,
)
from ninefold.design.policy_cluster import (
    RUNNING,
    STOPPED,
    Policy,
    Standing,
    Work,
    synthesised,
    takes_time,
)
from ninefold.design.results import PolicyResult
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ninefold.design.model import Group, Need, Part, Service
    from ninefold.scheduler.model import Action

SECONDS_PER_HOUR: Final = 3600
# The life is cut into so many equal spans; their spread gives the confidence interval.
SPANS: Final = 40
# A transition that never comes to rest is a defect of the policy or of ours: say so, do not hang.
DECISIONS_PER_EVENT_MAX: Final = 200


class Pace(msgspec.Struct, frozen=True):
    """How long the steps of a failover take, in seconds; `coverage` of a fencing is a share."""

    detect_s: float
    fence_s: float
    start_s: float
    stop_s: float
    fence_success: float
    detection: float


class NoLife(Exception):
    """The model cannot be played; the message says why and what to do."""


class Life:
    """One life: the clock, the parts, the groups and who is up since when."""

    def __init__(self, model: Infrastructure, paces: Mapping[str, Pace], seed: int) -> None:
        self.model = model
        self.now_s = 0.0
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._broken: dict[str, int] = defaultdict(int)
        self._up: dict[str, bool] = {}
        self.groups = {
            name: GroupLife(self, group, paces[name]) for name, group in model.groups.items()
        }
        self.down_s: dict[str, list[float]] = {name: [0.0] * SPANS for name in model.services}
        self._down_since: dict[str, float | None] = dict.fromkeys(model.services)
        self._span_s = 1.0

    # The clock.

    def after(self, delay_s: float, what: Callable[[], None]) -> None:
        """Have something happen later."""
        self._number += 1
        heapq.heappush(self._queue, (self.now_s + delay_s, self._number, what))

    def run(self, years: float, lived: Callable[[float], None] = lambda _: None) -> None:
        """Live that long, from everything up; `lived` is told the share of it, span by span."""
        end_s = years * HOURS_PER_YEAR * SECONDS_PER_HOUR
        self._span_s = end_s / SPANS
        for part in self.model.parts.values():
            self._await_failure(part)
        for cause in self.model.common_causes:
            self._await_common_cause(cause.name)
        for group in self.groups.values():
            group.form()
        self.look()
        span = 0
        while self._queue and self._queue[0][0] < end_s:
            self.now_s, _, what = heapq.heappop(self._queue)
            what()
            self.look()
            if int(self.now_s / self._span_s) > span:
                span = int(self.now_s / self._span_s)
                lived(span / SPANS)
        self.now_s = end_s
        for service in self.model.services:
            self._came_up(service)

    # Parts.

    def _rates(self, part: Part) -> tuple[float, float] | None:
        """Return failures per hour and repair hours; a fixed share is played with repairs of 4 h."""
        if part.failures is not None and part.repair is not None:
            return part.failures.value, part.repair.value
        if part.unavailability is not None and 0 < part.unavailability.value < 1:
            share = part.unavailability.value
            return share / (1 - share) / 4.0, 4.0
        return None

    def _beta(self, name: str) -> float:
        return min(1.0, sum(c.beta.value for c in self.model.common_causes if name in c.of))

    def _await_failure(self, part: Part) -> None:
        rates = self._rates(part)
        if rates is None or rates[0] <= 0:
            return
        alone = rates[0] * (1 - self._beta(part.name))
        if alone > 0:
            delay_h = self.rng.expovariate(alone)
            self.after(delay_h * SECONDS_PER_HOUR, lambda: self._fails(part, again=True))

    def _await_common_cause(self, name: str) -> None:
        cause = next(c for c in self.model.common_causes if c.name == name)
        rates = [self._rates(self.model.parts[part]) for part in cause.of]
        failing = [rate[0] for rate in rates if rate is not None]
        if not failing or cause.beta.value <= 0:
            return
        # As the fault tree has it: the common event is the same share of each member's failures.
        rate = cause.beta.value * sum(failing) / len(failing)

        def strike() -> None:
            for part in cause.of:
                self._fails(self.model.parts[part], again=False)
            self._await_common_cause(name)

        self.after(self.rng.expovariate(rate) * SECONDS_PER_HOUR, strike)

    def _fails(self, part: Part, *, again: bool) -> None:
        self._broken[part.name] += 1
        rates = self._rates(part)
        assert rates is not None

        def repaired() -> None:
            self._broken[part.name] -= 1
            if again:
                self._await_failure(part)

        mean_s = rates[1] * SECONDS_PER_HOUR
        self.after(self.rng.expovariate(1 / mean_s) if mean_s > 0 else 0.0, repaired)

    # Who is up.

    def up(self, name: str) -> bool:
        """Is a part up, with everything that it needs?"""
        known = self._up.get(name)
        if known is None:
            part = self.model.parts[name]
            known = self._broken[name] == 0 and all(self.up(holder) for holder in part.inside)
            known = known and self.met(part.needs)
            self._up[name] = known
        return known

    def met(self, need: Need, service: Service | None = None) -> bool:
        """Is a need met now? A group counts for `service` if it serves that one."""
        match need:
            case Use(name):
                if name in self.model.parts:
                    return self.up(name)
                if name in self.groups:
                    return self.groups[name].serves(service)
                return self.serving(self.model.services[name])
            case AllOf(of):
                return all(self.met(part, service) for part in of)
            case AtLeast(k, of):
                return sum(self.met(part, service) for part in of) >= k

    def serving(self, service: Service) -> bool:
        """Do users of a service get an answer now?"""
        return self.met(service.needs, service)

    def look(self) -> None:
        """After an event: let the groups see what changed, then note who is served."""
        self._up.clear()
        for group in self.groups.values():
            group.look()
        for name, service in self.model.services.items():
            if self.serving(service):
                self._came_up(name)
            elif self._down_since[name] is None:
                self._down_since[name] = self.now_s

    def _came_up(self, name: str) -> None:
        since = self._down_since[name]
        self._down_since[name] = None
        if since is None:
            return
        spans = self.down_s[name]
        while since < self.now_s:
            span = min(SPANS - 1, int(since / self._span_s))
            until = self.now_s if span == SPANS - 1 else min(self.now_s, (span + 1) * self._span_s)
            spans[span] += until - since
            since = until


class GroupLife:
    """One failover group: what really runs where, and what its cluster believes."""

    def __init__(self, life: Life, group: Group, pace: Pace) -> None:
        self._life = life
        self.group = group
        self.pace = pace
        self.policy = Policy(_cib(life.model, group), group.nodes)
        self.standing = dict.fromkeys(group.nodes, Standing.MEMBER)
        self.history: dict[str, dict[str, str]] = {name: {} for name in group.nodes}
        self._real: dict[str, set[str]] = {name: set() for name in group.nodes}
        self._alive = dict.fromkeys(group.nodes, True)
        # The number of a node's present life: what was begun in an earlier one is void.
        self._lives = dict.fromkeys(group.nodes, 0)
        self._work: Work | None = None
        self._under_way = 0
        self._news = True
        self._refused: set[str] = set()
        self._last_place: dict[str, str] = {}
        self.failovers = 0
        self.fencings = 0

    @property
    def at_work(self) -> bool:
        """Is anything ordered, or about to be?"""
        return self._under_way > 0 or self._news

    def form(self) -> None:
        """Begin: everything is up and runs where the policy puts it, at once."""
        pace, self.pace = self.pace, Pace(0, 0, 0, 0, 1.0, 1.0)
        while self.at_work:
            self._conduct(at_once=True)
        self.pace = pace
        self.failovers = 0

    def serves(self, service: Service | None) -> bool:
        """Does it do for a service what it is there for?"""
        if not self._life.met(self.group.needs):
            return False
        wanted = self._wanted(service)
        return all(
            any(resource in self._real[name] for name in self.group.nodes if self._alive[name])
            for resource in wanted
        )

    def _wanted(self, service: Service | None) -> tuple[str, ...]:
        if service is None or not service.resource:
            named = service.name if service is not None else ""
            return (named,) if named in self.policy.services else self.policy.services
        return tuple(
            name
            for name, primitive in self.policy.primitives.items()
            if service.resource in (name, *(a.get("id") for a in primitive.iterancestors()))
        )

    def quorate(self) -> bool:
        """Do the votes of the members suffice?"""
        group = self.group
        present = [name for name in group.nodes if self.standing[name] is Standing.MEMBER]
        if not group.quorum or group.two_node:
            return bool(present)
        votes = sum(group.votes.get(name, 1) for name in present)
        if group.witness and self._life.up(group.witness):
            votes += group.witness_votes
        return votes >= group.quorum

    def look(self) -> None:
        """Notice which nodes died or came back, then do what can be done."""
        for name in self.group.nodes:
            alive = self._life.up(name)
            if alive and not self._alive[name]:
                self._returned(name)
            elif not alive and self._alive[name]:
                self._died(name)
        while not self._under_way and self._news:
            self._conduct()

    def _died(self, name: str) -> None:
        self._alive[name] = False
        self._real[name] = set()
        life = self._lives[name] = self._lives[name] + 1
        noticed = self._life.rng.random() < self.pace.detection
        delay_s = self.pace.detect_s if noticed else self._manual_s()

        def lost() -> None:
            if self._lives[name] == life and self.standing[name] is Standing.MEMBER:
                self.standing[name] = Standing.LOST
                self._news = True

        self._life.after(delay_s, lost)

    def _returned(self, name: str) -> None:
        """It has started anew and runs nothing; the cluster probes it and finds that."""
        self._alive[name] = True
        self._lives[name] += 1
        self._refused.discard(name)
        self.standing[name] = Standing.MEMBER
        self.history[name] = {}
        self._news = True

    def _manual_s(self) -> float:
        mean_s = self.group.failover.manual.value * SECONDS_PER_HOUR
        return self._life.rng.expovariate(1 / mean_s) if mean_s > 0 else 0.0

    # Carrying out.

    def _conduct(self, *, at_once: bool = False) -> None:
        """Decide, and begin what the decision allows, until time has to pass or all is done."""
        for _ in range(DECISIONS_PER_EVENT_MAX):
            self._news = False
            transition = self.policy.decide(self.standing, self.history, quorate=self.quorate())
            self._work = Work(transition)
            self._proceed(at_once=at_once)
            if self._under_way or not self._news:
                return
        raise NoLife(
            f"group {self.group.name}: the policy comes to no rest; see what "
            f"'ninefold cib check' says of its CIB"
        )

    def _proceed(self, *, at_once: bool) -> None:
        """Begin whatever may begin; what takes no time is done on the way."""
        work = self._work
        assert work is not None
        ready = work.begin()
        while ready:
            for action in ready:
                if takes_time(action) and not at_once:
                    self._begin(work, action)
                else:
                    work.finish(action, ok=self._done(action, self._lives_of(action)))
            ready = work.begin()

    def _lives_of(self, action: Action) -> int:
        return self._lives.get(action.node, 0)

    def _begin(self, work: Work, action: Action) -> None:
        if action.kind is ActionKind.FENCING and action.node in self._refused:
            # Its device has failed; a person is on the way.
            work.finish(action, ok=False)
            return
        self._under_way += 1
        life = self._lives_of(action)
        length_s = {"start": self.pace.start_s, "stop": self.pace.stop_s}.get(action.task, 0.0)
        if action.kind is ActionKind.FENCING:
            length_s = self.pace.fence_s

        def over() -> None:
            self._under_way -= 1
            work.finish(action, ok=self._done(action, life))
            if self._work is work and not self._news:
                self._proceed(at_once=False)

        self._life.after(length_s, over)

    def _done(self, action: Action, life: int) -> bool:
        """Take an action's end; answer whether it went as wished."""
        name = action.node
        if action.kind is ActionKind.FENCING:
            return self._fenced(name, life)
        if action.kind is not ActionKind.RESOURCE or action.interval_ms:
            return True
        if not self._alive.get(name, False):
            # Nobody has learned anything: the news is the loss, when it is noticed.
            return False
        if self._lives[name] != life:
            self._news = True
            return False
        if action.task == "start":
            self.history[name][action.resource] = RUNNING
            if action.agent_class != "stonith":
                self._real[name].add(action.resource)
                # A group's members move together: that is one failover.
                whole = self.policy.whole[action.resource]
                self.failovers += self._last_place.get(whole, name) != name
                self._last_place[whole] = name
        elif action.task in ("stop", "monitor"):
            self.history[name][action.resource] = STOPPED
            self._real[name].discard(action.resource)
        self._news = True
        return True

    def _fenced(self, name: str, life: int) -> bool:
        if self._lives[name] != life or self.standing[name] is not Standing.LOST:
            self._news = True
            return False
        if self._life.rng.random() >= self.pace.fence_success:
            self._refused.add(name)

            def declared_dead() -> None:
                if name in self._refused and self._lives[name] == life:
                    self._refused.discard(name)
                    self._silent(name)

            self._life.after(self._manual_s(), declared_dead)
            return False
        self.fencings += 1
        self._silent(name)
        return True

    def _silent(self, name: str) -> None:
        self.standing[name] = Standing.SILENT
        self.history[name] = {}
        self._news = True


def _cib(model: Infrastructure, group: Group) -> Cib:
    if not group.cib:
        resources = tuple(
            service.resource or service.name
            for service in model.services.values()
            if group.name in _used(service.needs)
        )
        return synthesised(group.name, resources or (group.name,), group.nodes)
    cib, findings = Cib.parse(Path(group.cib).read_bytes())
    if cib is None:
        raise NoLife(f"{group.cib}: " + " ".join(str(finding) for finding in findings))
    return cib


def _used(need: Need) -> set[str]:
    if isinstance(need, Use):
        return {need.name}
    return {name for part in need.of for name in _used(part)}


def simulate(
    model: Infrastructure,
    paces: Mapping[str, Pace],
    *,
    years: float,
    seed: int = 1,
    lived: Callable[[float], None] = lambda _: None,
) -> tuple[PolicyResult, ...]:
    """Live `years` and return what each service's users saw.

    `paces` has one entry per group. Raises `NoLife` if a group's CIB cannot be played, `OSError` if
    it cannot be read. The confidence interval is Student's, over `SPANS` equal spans of the life.
    `lived` is told now and then which share of the years is over.
    """
    assert years > 0
    life = Life(model, paces, seed)
    life.run(years, lived)
    span_s = years * HOURS_PER_YEAR * SECONDS_PER_HOUR / SPANS
    factor = float(stats.t.ppf(0.975, SPANS - 1)) / math.sqrt(SPANS)
    failovers = sum(group.failovers for group in life.groups.values()) / years
    fencings = sum(group.fencings for group in life.groups.values()) / years
    results = []
    for name in model.services:
        shares = [1 - down / span_s for down in life.down_s[name]]
        mean = sum(shares) / SPANS
        spread = math.sqrt(sum((share - mean) ** 2 for share in shares) / (SPANS - 1))
        results.append(
            PolicyResult(
                name,
                years,
                seed,
                mean,
                max(0.0, mean - factor * spread),
                min(1.0, mean + factor * spread),
                (1 - mean) * MINUTES_PER_YEAR,
                failovers,
                fencings,
            )
        )
    return tuple(results)
