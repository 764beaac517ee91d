"""Never two separate quorate partitions, whatever is reloaded, and whenever the ring breaks meanwhile."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reload_world import ReloadWorld, conf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.config.model import ClusterConfig

NODES = (1, 2, 3, 4, 5)


class History:
    """One run: what an operator and the cables do, from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.version = 1
        self.world = ReloadWorld(conf(dict.fromkeys(NODES, 1)))
        self.steps = (*(self.reload,) * 4, *(self.split,) * 3, self.settle, self.restart)

    def step(self) -> None:
        self.rng.choice(self.steps)()

    def reload(self) -> None:
        """Write a file that may be taken, mostly; ask; and get some way with it."""
        world, rng = self.world, self.rng
        node = self._any()
        if rng.random() < 0.4:
            world.settle()
        member = world.members[node]
        self._write(member.reloads.config, member.ring.members)
        world.ask(node)
        for _ in range(rng.choice((5, 15, 40))):
            other = self._any()
            rng.choice((world.deliver, world.deliver, world.read))(other)
        if rng.random() < 0.1:
            world.give_up(node)

    def _write(self, running: ClusterConfig, members: tuple[int, ...]) -> None:
        world, rng = self.world, self.rng
        if rng.random() < 0.9:
            self.version += 1
        votes = {entry.nodeid: entry.quorum_votes for entry in running.nodes}
        for _ in range(1 if rng.random() < 0.8 else 2):
            node = rng.choice(NODES)
            if node not in members and rng.random() < 0.7:
                # One that is not here comes into the list, or goes out of it.
                if votes.pop(node, None) is None:
                    votes[node] = 1
            elif node in votes:
                # One vote more or less may be taken; anything else is refused, or nothing new.
                step = rng.choice((-1, 1)) if rng.random() < 0.9 else rng.randint(-6, 6)
                votes[node] = max(0, votes[node] + step)
        if not any(votes.values()):
            votes[members[0]] = 1
        everybody = list(world.members)
        file = None if rng.random() < 0.03 else conf(votes, self.version)
        world.write(everybody if rng.random() < 0.9 else rng.sample(everybody, 2), file)

    def settle(self) -> None:
        self.world.settle()

    def restart(self) -> None:
        # With the file on its disk. One that was refused is put back before; what was promised stays there.
        node = self._any()
        member = self.world.members[node]
        self.world.restart(node, [member.reloads.config, *member.reloads._promised.values()][-1])

    def split(self) -> None:
        # Whoever sleeps through it comes back later and believes what it believed.
        world, rng = self.world, self.rng
        labels = {node: rng.randint(0, 2) for node in world.members}
        asleep = rng.random() < 0.3
        groups = [
            tuple(node for node in world.members if labels[node] == label)
            for label in range(1 if asleep else 0, 3)
        ]
        world.form([group for group in groups if group], sent=rng.random() < 0.5)
        awake = [node for node in world.members if not asleep or labels[node]]
        self.check(awake)
        if rng.random() < 0.6:
            for node in awake:
                while world.deliver(node):
                    pass
            self.check(awake)

    def check(self, awake: list[int]) -> None:
        quorate = [ring for ring in self.world.quorate() if set(ring) <= set(awake)]
        assert len(quorate) <= 1, quorate

    def _any(self) -> int:
        return self.rng.choice(list(self.world.members))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_history_of_reloads_makes_two_quorate_partitions(seed: int) -> None:
    history = History(seed)

    for _ in range(25):
        history.step()


def test_the_histories_do_reload_and_do_break_in_the_middle_of_it() -> None:
    taken = doubts = 0
    for seed in range(40):
        history = History(seed)
        for _ in range(25):
            history.step()
            doubts += any(m.reloads.in_doubt for m in history.world.members.values())
        taken += any(member.takes for member in history.world.members.values())

    assert taken > 10
    assert doubts > 100


@pytest.mark.parametrize(
    ("where", "fault", "seeds"),
    [
        ("ninefold.node.reload_judge._votes", lambda *_: [], range(400)),
        # One history in a thousand has what it takes, for files are one vote apart.
        ("ninefold.node.reload._was_taken", lambda *_: True, range(1780, 1800)),
    ],
    ids=["votes-change-without-quorum", "a-promise-is-taken-at-once"],
)
def test_the_histories_find_a_fault(
    monkeypatch: pytest.MonkeyPatch, where: str, fault: Callable[..., object], seeds: range
) -> None:
    monkeypatch.setattr(where, fault)

    with pytest.raises(AssertionError):
        _play(seeds)


def _play(seeds: range) -> None:
    for seed in seeds:
        history = History(seed)
        for _ in range(25):
            history.step()
