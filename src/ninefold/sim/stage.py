"""The stage of a scenario: one virtual world, and who may be asked and told what on it.

A command is a verb of `verbs`, or `expect` with a sentence of `expectations`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.controller import requests as rq
from ninefold.sim.cluster import Shape, corosync_conf, document, whole
from ninefold.sim.expectations import demand
from ninefold.sim.outlook import outlook
from ninefold.sim.telling import tell
from ninefold.sim.verbs import ACTIONS, DEFINITIONS
from ninefold.sim.words import StageError, Words
from ninefold.sim.world import World

if TYPE_CHECKING:
    from ninefold.core.instants import Instant, Millis
    from ninefold.sim.host import Host
    from ninefold.sim.world import Line

# A cluster that is switched on whole runs everything after this.
SETTLE_MS: Final[Millis] = 8_000

# An operator waits this long for an answer.
ANSWER_MS: Final[Millis] = 2_000


class Stage:
    """A scenario under way."""

    def __init__(self) -> None:
        self.shape = Shape()
        # What the file says that was written last, once one was.
        self.draft: Shape | None = None
        self._world: World | None = None
        self._seen_at: Instant = 0
        self.last_answer: tuple[bool, str] = (False, "nothing was asked")
        self.patience_ms = ANSWER_MS

    @property
    def world(self) -> World:
        """The world; made, switched off, when it is first needed."""
        if self._world is None:
            try:
                conf, tree = corosync_conf(whole(self.shape)), document(self.shape)
                self._world = World(
                    self.shape.seed,
                    conf,
                    tree,
                    file=corosync_conf(self.shape),
                    cluster=self.shape.cluster,
                )
            except (ValueError, KeyError) as error:
                raise StageError(f"this cluster cannot be: {error}") from error
        return self._world

    def do(self, command: str) -> None:
        """Carry out one command; `StageError` if it is none, `Violation` if a checker objects."""
        verb, *words = command.split()
        if verb == "expect":
            demand(self, words)
        elif verb in DEFINITIONS:
            if self._world is not None:
                raise StageError(f"{verb} must come before the first row of dashes")
            DEFINITIONS[verb](self, words)
        elif verb in ACTIONS:
            if verb != "advance":
                self.world.restless.on_fault(self.world.now)
            ACTIONS[verb](self, words)
        else:
            known = ", ".join(sorted([*DEFINITIONS, *ACTIONS, "expect"]))
            raise StageError(f"there is no command {verb!r}. There are: {known}")

    def end_of_block(self) -> None:
        """Switch the cluster on at the end of the first block, unless a command has done so."""
        world = self.world
        if world.now == 0 and not any(host.powered for host in world.hosts.values()):
            for node in self.shape.listed or world.hosts:
                world.power_on(node)
            world.advance(SETTLE_MS)

    def mark(self) -> int:
        """Remember where the story stands."""
        self._seen_at = 0 if self._world is None else self._world.now
        return 0 if self._world is None else len(self._world.trace)

    def told(self, mark: int) -> list[str]:
        """Return the story since a mark, and how everything stands now."""
        story = tell(self.world.trace[mark:], self._seen_at)
        return [*story, *outlook(self.world)]

    def lines(self) -> list[Line]:
        """Return the whole trace."""
        return [] if self._world is None else self._world.trace

    # Words of the language.

    def hosts(self, names: Words) -> list[Host]:
        """Return the hosts that are named, `all` for all."""
        if names == ["all"]:
            return list(self.world.hosts.values())
        if not names:
            raise StageError("name a node, or all")
        return [self.host(name) for name in names]

    def host(self, name: str) -> Host:
        """Return a host by name."""
        found = self.world.find(name)
        if found is None:
            raise StageError(f"there is no node {name!r}; there are {', '.join(self.shape.names)}")
        return found

    def asked(self, words: Words) -> Host:
        """Return the node after `by`, or the first that is in the quorate partition."""
        if "by" in words:
            return self.host(words[words.index("by") + 1])
        alive = [h for h in self.world.hosts.values() if h.alive and h.node is not None]
        if not alive:
            raise StageError("no daemon runs that could be asked")
        quorate = [h for h in alive if h.node and h.node.controller.situation.quorate]
        return (quorate or alive)[0]

    def ask(self, request: rq.Request, words: Words) -> None:
        """Ask at the door of one node, and wait as long as an operator's patience lasts."""
        host = self.asked(words)
        self.wait_for(host, self.world.ask(host.id, "alice", rq.encode(request)))

    def wait_for(self, host: Host, number: int) -> None:
        """Wait for the answer of that number as long as an operator's patience lasts."""
        answered = self.world.advance_until(
            lambda: number in self.world.answers, self.patience_ms, step=10
        )
        if not answered and not self.patience_ms:
            return
        if not answered:
            self.last_answer = (False, "no answer")
            self.world.say(host.name, "answer", "alice gets no answer")
            return
        answer = self.world.answers[number]
        text = answer.body.decode()
        self.last_answer = (answer.ok, text)
        shown = "is acknowledged" if answer.ok else f"is refused: {_problems(text)}"
        self.world.say(host.name, "answer", f"what alice asks {shown}")


def _problems(body: str) -> str:
    return re.sub(r'[{}"\[\]]', "", body).replace("problems:", " ").replace("code:", "")
