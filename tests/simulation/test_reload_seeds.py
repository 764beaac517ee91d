"""Whole clusters whose files change at random while hosts and cables fail: the world's checkers judge.

The cheaper histories of `tests/properties/node` are many more; here the ring, the disks and fencing are real.
"""

from __future__ import annotations

import random
from typing import Final

import pytest

from ninefold.sim.stage import Stage

NODES: Final = ("node1", "node2", "node3", "node4")


class Story:
    """What is done, line by line, so that a failure can be played again."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []
        self.stage = Stage()
        self.do(f"cluster nodes=4 listed=3 token=1000 seed={seed}")
        self.do("resource db on=2")
        self.stage.end_of_block()
        self.listed = [1, 2, 3]

    def do(self, line: str) -> None:
        self.lines.append(line)
        self.stage.do(line)

    def step(self) -> None:
        rng = self.rng
        rng.choice((self.change, self.change, self.change, self.cut, self.power, self.wait))()

    def change(self) -> None:
        """Another file on all hosts, mostly; its reload, and a moment of it."""
        rng = self.rng
        what = rng.choice(("votes", "votes", "listed", "move", "token"))
        if what == "votes":
            self._file(f"votes={rng.choice(self.listed)}:{rng.choice((0, 1, 1, 2))}")
        elif what == "listed":
            self.listed = [1, 2, 3, 4] if len(self.listed) == 3 else [1, 2, 3]
            self._file("listed=" + ",".join(map(str, self.listed)))
        elif what == "move":
            self._file(f"{rng.choice(('move', 'stay'))}={rng.choice(self.listed)}:1")
        else:
            self._file(f"token={rng.choice((1000, 1500))}")
        self.do(f"patience {rng.choice((5, 20, 100, 2000))}ms")
        alive = [host.name for host in self.stage.world.hosts.values() if host.alive]
        if alive:
            self.do(f"reload by {rng.choice(alive)}")

    def _file(self, what: str) -> None:
        some = self.rng.sample(NODES, 3) if self.rng.random() < 0.1 else NODES
        self.do(f"file {' '.join(some)} {what}")

    def cut(self) -> None:
        node = self.rng.choice(NODES)
        self.do(f"network {node} {self.rng.choice(('off', 'on', 'on'))}")
        self.do(f"advance {self.rng.choice((1, 300, 4000))}ms")

    def power(self) -> None:
        node = self.rng.choice(NODES)
        self.do(self.rng.choice((f"crash {node}", f"power-on {node}", f"power-on {node}")))

    def wait(self) -> None:
        self.do(f"advance {self.rng.choice((1, 5, 10))}s")

    def mend(self) -> list[int]:
        """Mend everything, put one file everywhere, start everybody with it; return who goes by what."""
        self.do("heal")
        self.do("advance 20s")
        self._everywhere()
        for node in self.listed:
            self.do(f"crash node{node}")
            self.do(f"power-on node{node}")
        self.do("advance 60s")
        hosts = self.stage.world.hosts
        return [hosts[node].config.totem.config_version for node in self.listed]

    def _everywhere(self) -> None:
        self.do("file all listed=" + ",".join(map(str, self.listed)))
        for node in self.listed:
            self.do(f"file all votes={node}:1")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_reload_makes_anything_run_twice_or_two_parts_quorate(seed: int) -> None:
    story = Story(seed)

    for _ in range(14):
        story.step()
    versions = story.mend()

    told = [line.text for line in story.stage.world.trace if line.what == "reload"]
    assert any("was taken by all" in text for text in told), f"seed {seed} proves nothing"
    assert len(set(versions)) == 1, story.lines
    names = [f"node{node}" for node in story.listed]
    partitions = story.stage.world.partitions()
    assert {partitions[name] for name in names} == {tuple(story.listed)}, story.lines
    assert len(story.stage.world.where("db")) == 1, story.lines
