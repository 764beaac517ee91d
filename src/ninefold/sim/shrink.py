"""Make a failure small: fewer steps, less time, a smaller cluster, and still the same failure.

A plan was drawn before anything happened and does not hang on what happens, so any part of it is a
plan too. What is left is written as a scenario that a person can read, and that stays as a test.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from ninefold.sim.checkers import Violation
from ninefold.sim.faults import FORMING_MS, Plan, Step
from ninefold.sim.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ninefold.core.instants import Millis
    from ninefold.sim.cluster import Primitive, Shape
    from ninefold.sim.world import World

T = TypeVar("T")

# So many runs are tried at most: some minutes.
ATTEMPTS_MAX: Final = 400

# Times are rounded to the coarsest of these that keeps the failure.
ROUND_MS: Final[tuple[Millis, ...]] = (1_000, 500, 100, 10)

# After the last step that is left the safety phase need not go on for longer than one of these.
TAIL_MS: Final[tuple[Millis, ...]] = (100, 2_000, 10_000)


def finding(plan: Plan, prepare: Callable[[World], None] | None = None) -> str:
    """Return what the checkers say of a plan, in one line; empty if all is well."""
    try:
        Trial(plan, prepare).run()
    except Violation as violation:
        return str(violation).splitlines()[0]
    return ""


def kind(text: str) -> str:
    """Return what sort of failure a finding is: its words without names, numbers and lists."""
    text = re.sub(r"[\[({].*", "", text)
    return re.sub(r"\b(node)?\d+(\.\d+)?\b|\bvip|\bhttp|\bdb|\bmail|\bmark-", "", text).strip()


class Shrinker:
    """Tries smaller plans until none of them fails in the same way."""

    def __init__(
        self,
        plan: Plan,
        prepare: Callable[[World], None] | None = None,
        told: Callable[[int, Plan], None] | None = None,
    ) -> None:
        """Begin; `told` hears how many runs there were and what is left, after each run.

        Raise `ValueError` if the plan does not fail at all.
        """
        self.plan = plan
        self.attempts = 0
        self._prepare = prepare
        self._told = told
        self.finding = finding(plan, prepare)
        if not self.finding:
            raise ValueError(f"seed {plan.seed} does not fail; there is nothing to shrink")
        self._kind = kind(self.finding)

    def run(self) -> Plan:
        """Return the smallest plan found."""
        while True:
            before = self.plan
            self._fewer_steps()
            for smaller in (_clusters, _times):
                self._accept_all(smaller)
            if self.plan == before or self.attempts >= ATTEMPTS_MAX:
                return self._without_vain()

    def _fails(self, plan: Plan) -> bool:
        if self.attempts >= ATTEMPTS_MAX:
            return False
        self.attempts += 1
        found = finding(plan, self._prepare)
        if self._told is not None:
            self._told(self.attempts, self.plan)
        if kind(found) != self._kind:
            return False
        self.plan, self.finding = plan, found
        return True

    def _fewer_steps(self) -> None:
        """Leave out more and more pieces, as delta debugging does."""
        size = max(1, len(self.plan.steps) // 2)
        while size:
            at = 0
            while at < len(self.plan.steps):
                steps = self.plan.steps[:at] + self.plan.steps[at + size :]
                if not self._fails(msgspec.structs.replace(self.plan, steps=steps)):
                    at += size
            size //= 2

    def _accept_all(self, smaller: Callable[[Plan], Iterator[Plan]]) -> None:
        """Try each proposal; begin anew with the proposals for whatever was accepted."""
        tried: list[Plan] = []
        found = True
        while found:
            found = False
            for plan in smaller(self.plan):
                if plan == self.plan or plan in tried:
                    continue
                tried.append(plan)
                if self._fails(plan):
                    found = True
                    break

    def _without_vain(self) -> Plan:
        """Leave out what could not be done anyway."""
        trial = Trial(self.plan, self._prepare)
        with contextlib.suppress(Violation):
            trial.run()
        steps = [step for step in self.plan.steps if step not in trial.vain]
        plan = msgspec.structs.replace(self.plan, steps=steps)
        return plan if kind(finding(plan, self._prepare)) == self._kind else self.plan


def _clusters(plan: Plan) -> Iterator[Plan]:
    """Propose simpler clusters for the same steps."""
    shape = plan.shape
    proposals = []
    if shape.nodes > 2 and not any(f"node{shape.nodes}" in step.command for step in plan.steps):
        quorum = shape.quorum | ({"two_node": "1"} if shape.nodes == 3 else {})
        proposals.append({"nodes": shape.nodes - 1, "quorum": quorum})
    if shape.links > 1:
        proposals.append({"links": 1, "totem": _without(shape.totem, "link_mode")})
    if shape.resources:
        proposals += [{"resources": [], "groups": {}, "clones": {}}]
    proposals += [{"clones": _without(shape.clones, name)} for name in shape.clones]
    for primitive in shape.resources:
        rest = [r for r in shape.resources if r is not primitive]
        groups = {
            name: [member for member in members if member != primitive.name]
            for name, members in shape.groups.items()
        }
        groups = {name: members for name, members in groups.items() if len(members) > 1}
        cloned = (*groups, *(r.name for r in rest))
        clones = {name: clone for name, clone in shape.clones.items() if clone.member in cloned}
        proposals.append({"resources": rest, "groups": groups, "clones": clones})
    proposals += [{"totem": _without(shape.totem, key)} for key in shape.totem]
    proposals += [
        {"quorum": _without(shape.quorum, key)} for key in shape.quorum if key != "two_node"
    ]
    for changes in proposals:
        smaller = msgspec.structs.replace(shape, **changes)
        last = f"node{smaller.nodes}"
        resources = [
            msgspec.structs.replace(r, prefers="" if r.prefers > last else r.prefers)
            for r in smaller.resources
        ]
        yield msgspec.structs.replace(
            plan, shape=msgspec.structs.replace(smaller, resources=resources)
        )


def _without(pairs: dict[str, T], key: str) -> dict[str, T]:
    return {name: value for name, value in pairs.items() if name != key}


def _times(plan: Plan) -> Iterator[Plan]:
    """Propose rounder times, and an earlier end."""
    last = max((step.at for step in plan.steps), default=FORMING_MS)
    for tail in TAIL_MS:
        if last + tail < plan.ends_at:
            yield msgspec.structs.replace(plan, ends_at=last + tail)
    for unit in ROUND_MS:
        if any(step.at % unit for step in plan.steps):
            steps = [Step((s.at + unit // 2) // unit * unit, s.command) for s in plan.steps]
            ends = max([plan.ends_at, *(step.at for step in steps)])
            yield msgspec.structs.replace(plan, steps=steps, ends_at=ends)


def scenario(plan: Plan, comments: list[str]) -> str:
    """Return a plan as a scenario that has not been played yet."""
    lines = [f"# {comment}" for comment in comments]
    lines += _definitions(plan.shape)
    lines += ["patience 0s", "power-on all"]
    now = 0
    for step in plan.steps:
        if step.at > now:
            lines.append(f"advance {step.at - now}ms")
            now = step.at
        lines.append(step.command)
    if plan.ends_at > now:
        lines.append(f"advance {plan.ends_at - now}ms")
    return "\n".join([*lines, "recover", "----", ""])


def _definitions(shape: Shape) -> list[str]:
    words = [f"nodes={shape.nodes}", f"links={shape.links}", f"seed={shape.seed}"]
    if shape.token_ms is not None:
        words.append(f"token={shape.token_ms}")
    if shape.token_coefficient_ms is not None:
        words.append(f"coefficient={shape.token_coefficient_ms}")
    words += [f"{key}={'yes' if value == '1' else 'no'}" for key, value in shape.quorum.items()]
    words += [f"{key}={value}" for key, value in shape.totem.items()]
    words += [f"stickiness={shape.stickiness}"]
    if not shape.fencing:
        words.append("fencing=no")
    lines = [f"cluster {' '.join(words)}"]
    lines += [f"resource {_resource(primitive)}" for primitive in shape.resources]
    lines += [f"group {name} = {' '.join(members)}" for name, members in shape.groups.items()]
    for name, clone in shape.clones.items():
        words = [
            name,
            "=",
            clone.member,
            *(f"{key}={value}" for key, value in clone.options.items()),
        ]
        lines.append(f"clone {' '.join(words)}")
    lines += [f"property {key}={value}" for key, value in shape.properties.items()]
    return lines


def _resource(primitive: Primitive) -> str:
    words = [primitive.name]
    if primitive.prefers:
        words.append(f"on={primitive.prefers}")
    words.append(f"monitor={primitive.monitor}")
    words += [f"{task}-timeout={value}" for task, value in primitive.timeouts.items()]
    words += [f"{key}={value}" for key, value in primitive.options.items()]
    return " ".join(words)
