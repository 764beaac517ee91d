"""Play a plan: form, let everything go wrong while the checkers watch, mend, and demand recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.sim import liveness
from ninefold.sim.checkers import Violation
from ninefold.sim.faults import FAULTS_MS, FORMING_MS, Plan
from ninefold.sim.host import Daemon
from ninefold.sim.network import Weather
from ninefold.sim.promises import mark
from ninefold.sim.stage import Stage
from ninefold.sim.telling import tell
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.core.instants import Millis
    from ninefold.sim.world import World

# When all is well, for so long nothing may begin: a cluster that never rests has not recovered.
QUIET_MS: Final[Millis] = 5_000

# What was asked for has been decided about after this, unless something hinders.
SEEN_MS: Final[Millis] = 1_000

# Of a story that ended badly, the last lines.
STORY_LINES: Final = 80


class Trial:
    """One run of a plan."""

    def __init__(self, plan: Plan, prepare: Callable[[World], None] | None = None) -> None:
        self.plan = plan
        self.stage = Stage()
        self.stage.shape = plan.shape
        self.world = self.stage.world
        # Two nodes that were cut apart both have quorum for a moment, so one's word is lost.
        self._promises_hold = "two_node" not in plan.shape.quorum
        if prepare is not None:
            prepare(self.world)

    def run(self) -> World:
        """Play everything; raise `Violation` with seed, options, plan and story if it goes wrong."""
        try:
            self._form_and_fail()
            self._mend()
            self._recover()
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
            world.advance(max(0, step.at - world.now))
            self._do(step.command)
        world.advance(max(0, FORMING_MS + FAULTS_MS - world.now))

    def _do(self, command: str) -> None:
        verb, *words = command.split()
        world = self.world
        if verb == "mark":
            host = self.stage.host(words[1])
            if host.alive:
                world.ask(host.id, "alice", mark(int(words[0]), host.name))
            return
        if verb == "mend-cables":
            world.heal()
            return
        world.say("plan", "changed", command)
        self.stage.patience_ms = 0
        try:
            self.stage.do(command)
        except StageError:
            # What a plan wants may be impossible by then: to kill what does not run, for example.
            return

    def _mend(self) -> None:
        world = self.world
        # A device that was asked before acts, however late: that is the last fault.
        world.advance(max(0, world.effects.fencing_until - world.now))
        world.say("plan", "changed", "everything is mended")
        world.network.weather = Weather()
        world.heal()
        world.fence_device = "works"
        for host in world.hosts.values():
            host.disk.full = False
            host.resources.faults = []
            if host.daemon is Daemon.PAUSED:
                world.resume(host.id)
            world.power_on(host.id)
            world.start_daemon(host.id)

    def _recover(self) -> None:
        world = self.world
        limit = liveness.membership_limit(world)
        if not world.advance_until(lambda: not self._revived(), limit):
            raise Violation(
                f"no single membership {limit} ms after the end: {liveness.apart(world)}"
            )
        fences = len(world.fences)
        self._tidy_up()
        world.advance(SEEN_MS)
        limit = liveness.service_limit(world)
        if not world.advance_until(
            lambda: not (self._revived() or liveness.wanting(world)), limit, step=200
        ):
            raise Violation(f"not all is well {limit} ms later: {liveness.wanting(world)}")
        begun = len(world.trace)
        world.advance(QUIET_MS)
        restless = [line for line in world.trace[begun:] if line.what == "transition"]
        if restless or liveness.wanting(world):
            raise Violation(f"no rest: {len(restless)} transitions, {liveness.wanting(world)}")
        if len(world.fences) > fences + len(world.hosts):
            raise Violation(f"{len(world.fences) - fences} fencings after everything was mended")
        missing = world.promises.missing(liveness.controllers(world)[0].replica.authority)
        if missing and self._promises_hold:
            raise Violation(f"acknowledged, but not in the document: {missing}")

    def _revived(self) -> list[str]:
        # A daemon that an operator stopped just before the end still leaves: it is started again.
        for host in self.world.hosts.values():
            if host.powered and host.daemon is Daemon.GONE:
                self.world.start_daemon(host.id)
        return liveness.apart(self.world)

    def _tidy_up(self) -> None:
        """Do what an operator does afterwards: failures are forgotten, nodes and resources are on."""
        world = self.world
        node = liveness.controllers(world)[0].situation.me
        changes: list[rq.OperatorChange] = [
            cib.ForgetHistory(),
            cib.SetProperty("maintenance-mode", None),
            cib.SetMetaAttribute("db", "target-role", None),
            cib.ClearMoves("web"),
        ]
        changes += [cib.SetNodeAttribute(h.name, "standby", None) for h in world.hosts.values()]
        for change in changes:
            world.ask(node, "alice", rq.encode(rq.ChangeCib(change, "tidy up")))


def run(plan: Plan, prepare: Callable[[World], None] | None = None) -> World:
    """Play a plan; `prepare` may change the world before it begins."""
    return Trial(plan, prepare).run()
