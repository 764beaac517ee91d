"""Play a plan: form, let everything go wrong while the checkers watch, mend, and demand recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.sim.checkers import Violation
from ninefold.sim.recovery import recover
from ninefold.sim.stage import Stage
from ninefold.sim.telling import tell
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.core.instants import Instant
    from ninefold.sim.faults import Plan, Step
    from ninefold.sim.world import World

# Of a story that ended badly, the last lines.
STORY_LINES: Final = 80


class Trial:
    """One run of a plan. `vain` are the steps that could not be done when their time had come."""

    def __init__(self, plan: Plan, prepare: Callable[[World], None] | None = None) -> None:
        self.plan = plan
        self.stage = Stage()
        self.stage.shape = plan.shape
        self.stage.patience_ms = 0
        self.world = self.stage.world
        self.vain: list[Step] = []
        if prepare is not None:
            prepare(self.world)

    def run(self) -> World:
        """Play everything; raise `Violation` with seed, options, plan and story if it goes wrong."""
        try:
            self._form_and_fail()
            recover(self.world)
        except AssertionError as error:
            kind = "" if isinstance(error, Violation) else f"{type(error).__name__} in a node: "
            story = "\n".join(tell(self.world.trace, 0)[-STORY_LINES:])
            raise Violation(f"{kind}{error}\n{self.plan}\n{story}") from error
        return self.world

    def _form_and_fail(self) -> None:
        world = self.world
        for node in world.hosts:
            world.power_on(node)
        for step in self.plan.steps:
            self._advance_to(step.at)
            self._do(step)
        self._advance_to(self.plan.ends_at)

    def _advance_to(self, at: Instant) -> None:
        # Not by nothing: a scenario has no such line either, and must tell the same story.
        if at > self.world.now:
            self.world.advance(at - self.world.now)

    def _do(self, step: Step) -> None:
        if not step.command.startswith("mark"):
            self.world.say("plan", "changed", step.command)
        try:
            self.stage.do(step.command)
        except StageError:
            # What a plan wants may be impossible by then: to kill what does not run, for example.
            self.vain.append(step)


def run(plan: Plan, prepare: Callable[[World], None] | None = None) -> World:
    """Play a plan; `prepare` may change the world before it begins."""
    return Trial(plan, prepare).run()
