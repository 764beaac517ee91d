"""Laws of what moves alive: engine, controllers and agents in any order, whatever happens in the middle.

    it runs on one node at most, always, what a lost node may still run or be sending counted among them;
    nobody begins to send it away without quorum, or to somebody who has not heard of it;
    once all is mended it runs.

Clocks differ by hours, or not at all: no order of events may hang on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninefold.cib import model as cib
from ninefold.controller import events as ev
from ninefold.controller import requests as rq
from tests.controller_life import Job, Life, document
from tests.controller_ring import WALL

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = (1, 2, 3)
SKEWS = (0, 0, 7200, -7200)

ACTIONS = ("start", "stop", "migrate_to", "migrate_from", "monitor")


def primitive(name: str) -> str:
    """Return a resource that moves alive; without a threshold what fails for ever is tried for ever."""
    meta = {"allow-migrate": "true", "migration-threshold": "3"}
    pairs = "".join(f'<nvpair id="{name}-{k}" name="{k}" value="{v}"/>' for k, v in meta.items())
    return (
        f'<primitive id="{name}" class="ocf" provider="sim" type="service">'
        f'<meta_attributes id="{name}-meta">{pairs}</meta_attributes><operations>'
        f'<op id="{name}-m" name="monitor" interval="10s"/></operations></primitive>'
    )


ORDER = '<rsc_order id="o" first="base" then="vm"/>'
TOGETHER = '<rsc_colocation id="k" rsc="vm" with-rsc="base" score="INFINITY"/>'
CONSTRAINTS = ("", ORDER, TOGETHER, ORDER + TOGETHER)


class Moves:
    """What happens to the cluster while it is at work."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], life: Life) -> None:
        self.life = life
        self._draw = draw

    def tell(self, text: str) -> None:
        """Note what happens between what agents do."""
        self.life.story.append(text)

    def ask(self, change: rq.OperatorChange) -> None:
        """Let an operator ask for something."""
        node = self._draw(st.sampled_from(self.life.members))
        self.life.ask(node, rq.ChangeCib(change))

    def move(self) -> None:
        """An operator moves it."""
        node = self._draw(st.sampled_from(NODES))
        name = self._draw(st.sampled_from(["vm", "vm", "base"]))
        self.ask(cib.MoveResource(name, node=f"n{node}"))
        self.tell(f"move {name} to {node}")

    def standby(self) -> None:
        """A node must run nothing."""
        node, value = self._draw(st.sampled_from(NODES)), self._draw(st.sampled_from(["on", None]))
        self.ask(cib.SetNodeAttribute(f"n{node}", "standby", value))
        self.tell(f"standby of {node} is {value}")

    def cleanup(self) -> None:
        """An operator forgets what happened."""
        self.ask(cib.ForgetHistory(self._draw(st.sampled_from(["", "vm"]))))
        self.tell("cleanup")

    def lose(self) -> None:
        """A node is gone, the two others go on; what it was doing ends, or not."""
        life = self.life
        if len(life.members) < len(NODES):
            return
        gone = self._draw(st.sampled_from(NODES))
        self.tell(f"{gone} is lost")
        life.configure([node for node in NODES if node != gone])

    def late(self) -> None:
        """What a lost node was doing is done."""
        jobs = [job for job in self.life.jobs if job.node not in self.life.members]
        if jobs:
            job = self._draw(st.sampled_from(jobs))
            self.tell(f"{job.node} has done its {job.call.action}")
            self.life.finish_unheard(job)

    def come_back(self) -> None:
        """Who is lost, or was fenced after all, is there again, as it begins after a power cut."""
        life = self.life
        for node in [node for node in NODES if node in life.off or node not in life.members]:
            self.tell(f"{node} is back")
            life.configure([member for member in life.members if member != node])
            life.power_off(node)
            life.boot(node)
            life.configure([*life.members, node])

    def blink(self) -> None:
        """The ring forms anew with everybody who was in it."""
        self.tell("a new ring")
        self.life.configure(self.life.members)

    def restart(self) -> None:
        """A daemon dies and begins anew; what it was doing was done, or not."""
        life = self.life
        node = self._draw(st.sampled_from(life.members))
        self.tell(f"the daemon of {node} begins anew")
        for job in [job for job in life.jobs if job.node == node]:
            if self._draw(st.booleans()):
                life.finish_unheard(job)
            else:
                life.jobs.remove(job)
        life.restart_daemon(node)
        life.ring.give(node, ev.ClockRead(WALL))
        life.configure(life.members)

    def fail(self) -> None:
        """From now on an action fails on a node, and may be done all the same."""
        key = (self._draw(st.sampled_from(NODES)), "vm", self._draw(st.sampled_from(ACTIONS)))
        self.life.faults[key] = 1
        if self._draw(st.booleans()):
            self.life.half.append(key)
        self.tell(f"{key[2]} fails on {key[0]}")

    def any(self) -> Callable[[], None]:
        """Return one of them; moves are what this is about."""
        found: Callable[[], None] = self._draw(
            st.sampled_from(
                [self.move, self.move, self.standby, self.cleanup, self.lose, self.lose, self.late,
                 self.come_back, self.blink, self.restart, self.fail]
            )
        )  # fmt: skip
        return found


def judge_launch(life: Life, job: Job) -> None:
    """Whoever starts it is alone, and nobody is sending it anywhere."""
    name, action = job.call.resource, job.call.action
    if action == "start":
        others = [node for node in life.where(name) if node != job.node]
        assert not others, f"{name} is started on {job.node} and runs on {others}"
        sending = [
            one.node
            for one in life.jobs
            if (one.call.resource, one.call.action) == (name, "migrate_to")
        ]
        assert not sending, f"{name} is started on {job.node} while {sending} may be sending it"
    elif action == "migrate_to":
        target = int(job.call.meta["migrate_target"][1:])
        assert life.ring.all[job.node].situation.quorate
        executor = life.ring.all[target].executor
        assert name in executor.active_resources(), f"{target} does not know that {name} comes"


def judge_change(life: Life, job: Job) -> None:
    """It runs on one node at most."""
    if job.call.resource in ("vm", "base"):
        where = life.where(job.call.resource)
        assert len(where) <= 1, f"{job.call.resource} runs on {where}"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_it_runs_once_whatever_happens_in_the_middle(data: st.DataObject) -> None:
    draw = data.draw
    life = Life(
        3, document(primitive("base") + primitive("vm"), draw(st.sampled_from(CONSTRAINTS)))
    )
    life.on_launch.append(lambda job: judge_launch(life, job))
    life.on_change.append(lambda job: judge_change(life, job))
    for node in NODES:
        life.ring.give(node, ev.ClockRead(WALL + draw(st.sampled_from(SKEWS))))
    moves = Moves(draw, life)
    seed = draw(st.randoms(use_true_random=False))

    life.begin()
    assert life.settle(seed.randrange)
    for _ in range(draw(st.integers(1, 6))):
        moves.any()()
        life.drain()
        life.settle(seed.randrange, steps=draw(st.integers(0, 8)))
    assert life.settle(seed.randrange), "\n".join(life.story)

    # Everything is mended, and looked at afresh.
    life.faults.clear()
    while life.off or len(life.members) < len(NODES):
        # Who was to be fenced for what is past is fenced first.
        assert life.settle(seed.randrange)
        moves.come_back()
        assert life.settle(seed.randrange)
    for node in NODES:
        life.ask(life.members[0], rq.ChangeCib(cib.SetNodeAttribute(f"n{node}", "standby", None)))
    life.ask(life.members[0], rq.ChangeCib(cib.ForgetHistory()))
    life.drain()
    assert life.settle(seed.randrange), "\n".join(life.story)
    assert [len(life.where(name)) for name in ("base", "vm")] == [1, 1], "\n".join(life.story)
