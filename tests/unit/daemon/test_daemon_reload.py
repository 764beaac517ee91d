"""The daemon's side of a reload, on files and a node that really are there."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.daemon.reload import read_again
from ninefold.daemon.settings import configuration
from ninefold.node import events as ev
from ninefold.node.backend import embedded
from ninefold.node.machine import Node
from ninefold.totem.keys import keyset
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """totem {
  version: 2
  cluster_name: c
  token: 3000
}
nodelist {
  node {
    nodeid: 1
    ring0_addr: 127.0.0.1
  }
}
quorum {
  provider: corosync_votequorum
}
"""


class Running:
    """A node of the file's, its daemon's view of the file, and the operator's editor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(TEXT)
        config, self.key, findings = configuration(path)
        assert config is not None, findings
        cib = Cib.empty("c")
        self.node = Node(
            config,
            backend=embedded(
                config, keys=keyset(self.key), ring_seq=0, epoch=bytes(8), rng=random.Random(1)
            ),
            rng=random.Random(1),
            stamp=Stamp(0, cib.version),
            cib=cib,
        )

        self.now = 0
        self.answers: dict[int, ev.Answer] = {}
        self.reconfigured = 0
        self.step(ev.Started())
        while not self.node.stack.members or self.node.quorum.verdict.votes == 0:
            self.now = max(self.now + 1, self.node.deadline)
            self.step(ev.Woke())

    def step(self, event: ev.Event) -> None:
        """Step the node; do for it what its daemon does about files and the ring's number."""
        for effect in self.node.step(self.now, event):
            match effect:
                case ev.SaveRingSeq(seq):
                    self.step(ev.RingIdSaved(seq))
                case ev.ReadFile(round_):
                    found = read_again(self.path, self.node.config, self.key)
                    self.step(ev.FileRead(round_, *found, str(self.path)))
                case ev.Reconfigured():
                    self.reconfigured += 1
                case ev.Answer():
                    self.answers[effect.request] = effect
                case _:
                    pass

    def reload(self, text: str) -> tuple[bool, str]:
        self.path.write_text(text)
        number = len(self.answers) + 1
        self.step(ev.ReloadAsked(number, "alice"))
        answer = self.answers[number]
        return answer.ok, answer.body.decode()

    @property
    def token(self) -> int:
        assert isinstance(self.node.stack, Stack)
        return self.node.stack.outlook(0).token_ms


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path / "corosync.conf")


def test_a_changed_timer_is_taken_by_the_ring_and_compared_with_the_next_time(
    running: Running,
) -> None:
    ok, body = running.reload(TEXT.replace("3000", "1000"))

    assert ok
    assert any(f["subject"] == "totem.token" for f in json.loads(body)["findings"])
    assert running.token == running.node.config.totem.token == 1000

    ok, body = running.reload(TEXT.replace("3000", "1000"))

    assert ok
    assert not any(f["code"] == "changes-now" for f in json.loads(body)["findings"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("}\nquorum", "\nquorum", "never closed"),
        ("nodeid: 1", "nodeid: 2", "nodeid"),
        ("cluster_name: c", "cluster_name: c\n  knet_mtu: 1400", "totem.knet_mtu"),
        ("127.0.0.1", "192.0.2.77", "has an address of this host"),
    ],
)
def test_a_refused_reload_leaves_everything_as_it_was(
    running: Running, old: str, new: str, told: str
) -> None:
    before = running.node.config

    ok, body = running.reload(TEXT.replace("3000", "1000").replace(old, new))

    assert not ok
    problems = json.loads(body)["problems"]
    assert any(told in problem for problem in problems)
    assert problems[-1] == "Nothing was changed, on any node."
    assert running.node.config == before
    assert running.token == 3000
    assert not running.reconfigured


def test_votes_count_on_the_ring_that_forms_at_once(running: Running) -> None:
    voted = TEXT.replace("nodeid: 1", "nodeid: 1\n    quorum_votes: 2")

    ok, body = running.reload(voted)

    assert ok, body
    assert running.reconfigured == 1
    assert (running.node.quorum.verdict.votes, running.node.quorum.verdict.expected) == (2, 2)
    assert running.node.quorum.quorate


def test_a_file_that_is_not_on_the_disk_is_not_promised(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever promises must not come back with the old file after a power cut.
    def refuse(path: Path) -> None:
        raise OSError(28, f"No space left for {path}")

    monkeypatch.setattr("ninefold.daemon.reload.sync", refuse)

    ok, body = running.reload(TEXT.replace("3000", "1000"))

    assert not ok
    assert "cannot be synced" in body
    assert running.token == 3000


def test_a_file_that_is_gone_refuses(running: Running) -> None:
    running.path.unlink()

    config, findings = read_again(running.path, running.node.config, running.key)

    assert config is None
    assert findings[0].code == "conf-unreadable"
