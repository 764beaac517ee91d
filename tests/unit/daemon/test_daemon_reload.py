"""The daemon's side of a reload, on files and a node that really are there."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from ninefold.cib.document import Cib
from ninefold.cib.model import Stamp
from ninefold.daemon.reload import read_again, take
from ninefold.daemon.settings import configuration
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

    def reload(self, text: str) -> tuple[bool, str]:
        self.path.write_text(text)
        config, findings = read_again(self.path, self.node.config, self.key)
        reply = take(self.node, 0, self.path, config, findings)
        return reply.ok, reply.body.decode()

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
        ("cluster_name: c", "cluster_name: c\n  link_mode: rr", "totem.link_mode"),
        ("ring0_addr: 127.0.0.1", "ring0_addr: 127.0.0.1\n    quorum_votes: 3", "quorum_votes"),
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
    assert problems[-1] == "Nothing was changed."
    assert running.node.config == before
    assert running.token == 3000


def test_a_file_that_is_gone_refuses(running: Running) -> None:
    running.path.unlink()

    config, findings = read_again(running.path, running.node.config, running.key)

    assert config is None
    assert findings[0].code == "conf-unreadable"
