"""A reload takes all of a file, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.config.load import load
from ninefold.config.reload import LINK_FIELDS, TOTEM_FIELDS, reloaded
from ninefold.config.surroundings import KeyFile, Surroundings
from ninefold.core.findings import Severity, errors

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig

TEXT = """totem {
  version: 2
  cluster_name: c
  token: 3000
  interface {
    linknumber: 0
  }
}
nodelist {
  node {
    nodeid: 1
    name: a
    ring0_addr: 192.0.2.1
  }
  node {
    nodeid: 2
    name: b
    ring0_addr: 192.0.2.2
  }
  node {
    nodeid: 3
    name: c
    ring0_addr: 192.0.2.3
  }
}
quorum {
  provider: corosync_votequorum
}
logging {
  debug: off
}
"""
NODE_4 = "  node {\n    nodeid: 4\n    name: d\n    ring0_addr: 192.0.2.4\n  }\n"
HERE = Surroundings(hostnames=("a",), keyfile=KeyFile(size=256))


def read(text: str) -> ClusterConfig:
    config, findings = load(text, file="c", surroundings=HERE)
    assert config is not None, findings
    return config


def edited(*changes: tuple[str, str]) -> ClusterConfig:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return read(text)


def test_a_file_that_has_not_changed_is_taken_and_changes_nothing() -> None:
    assert reloaded(read(TEXT), read(TEXT), file="c") == (read(TEXT), [])


def test_the_token_is_taken_with_all_that_follows_from_it() -> None:
    old, new = read(TEXT), edited(("token: 3000", "token: 1000"))

    taken, findings = reloaded(old, new, file="c")

    assert taken == new
    assert {f.severity for f in findings} == {Severity.INFO}
    assert {"totem.token", "totem.consensus", "totem.interface.knet_ping_timeout"} <= {
        f.subject for f in findings
    }


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (("quorum {", "quorum {\n  expected_votes: 5"), "quorum.expected_votes"),
        (("name: b", "name: b\n    quorum_votes: 2"), "nodelist.node.quorum_votes"),
        (("}\nquorum {", NODE_4 + "}\nquorum {"), "nodelist.node"),
        (("version: 2", "version: 2\n  link_mode: active"), "totem.link_mode"),
        (("version: 2", "version: 2\n  knet_mtu: 1400"), "totem.knet_mtu"),
        (("192.0.2.2", "192.0.2.9"), "nodelist.node.ring0_addr"),
        (
            ("version: 2", "version: 2\n  crypto_cipher: aes256\n  crypto_hash: sha256"),
            "totem.crypto_cipher",
        ),
    ],
)
def test_what_a_running_node_cannot_take_refuses_the_timers_beside_it(
    change: tuple[str, str], subject: str
) -> None:
    new = edited(("token: 3000", "token: 1000"), change)

    taken, findings = reloaded(read(TEXT), new, file="c")

    assert taken is None
    assert subject in {f.subject for f in errors(findings)}
    assert all(f.sentence and f.remedy for f in errors(findings))


def test_what_waits_for_a_restart_is_named_and_stays_as_it_is() -> None:
    old = read(TEXT)
    new = edited(("debug: off", "debug: on"), ("token: 3000", "token: 1000"))

    taken, findings = reloaded(old, new, file="c")

    assert taken is not None
    assert taken.logging == old.logging
    assert taken.totem == new.totem
    assert [f.subject for f in findings if f.severity is Severity.WARNING] == ["logging.debug"]


def test_what_is_taken_differs_in_timers_alone() -> None:
    old = read(TEXT)
    new = msgspec.structs.replace(
        old,
        totem=msgspec.structs.replace(old.totem, token=5000, consensus=6000, netmtu=2000),
        quorum=msgspec.structs.replace(old.quorum, wait_for_all=True),
    )

    taken, _ = reloaded(old, new, file="c")

    assert taken is not None
    differing = {
        name
        for name in old.totem.__struct_fields__
        if getattr(old.totem, name) != getattr(taken.totem, name)
    }
    assert differing == {"token", "consensus"} <= set(TOTEM_FIELDS)
    assert taken.quorum == old.quorum
    assert set(LINK_FIELDS) <= set(old.links[0].__struct_fields__)
