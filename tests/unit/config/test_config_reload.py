"""A reload takes all of a file, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.config.load import load
from ninefold.config.model import LinkAddress
from ninefold.config.reload import LINK_FIELDS, TOTEM_FIELDS, both, digest, reloaded
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
        (("version: 2", "version: 2\n  block_unlisted_ips: no"), "totem.block_unlisted_ips"),
        (("version: 2", "version: 2\n  max_messages: 20"), "totem.max_messages"),
        (
            ("linknumber: 0", "linknumber: 0\n    knet_link_priority: 7"),
            "totem.interface.knet_link_priority",
        ),
    ],
)
def test_what_all_members_can_change_together_is_taken_whole(
    change: tuple[str, str], subject: str
) -> None:
    new = edited(("token: 3000", "token: 1000"), change)

    taken, findings = reloaded(read(TEXT), new, file="c")

    assert taken == new
    assert subject in {f.subject for f in findings}
    assert not errors(findings)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (("version: 2", "version: 2\n  knet_mtu: 1400"), "totem.knet_mtu"),
        (("192.0.2.2", "192.0.2.9"), "nodelist.node"),
        (("name: b", "name: x"), "nodelist.node.name"),
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


def with_links(*moved: tuple[int, int]) -> ClusterConfig:
    """Three nodes on two links; those named, as (node, link), have other addresses there."""
    old = read(TEXT)
    nodes = tuple(
        msgspec.structs.replace(
            entry,
            links={
                link: LinkAddress(
                    f"10.{link}.{9 if (entry.nodeid, link) in moved else 0}.{entry.nodeid}", 5405
                )
                for link in (0, 1)
            },
        )
        for entry in old.nodes
    )
    return msgspec.structs.replace(old, nodes=nodes)


def test_an_address_on_one_of_two_links_may_be_another() -> None:
    new = with_links((2, 1), (3, 1))

    taken, findings = reloaded(with_links(), new, file="c")

    assert taken == new
    assert {f.subject for f in findings} == {"nodelist.node.ring1_addr"}


def test_two_nodes_that_keep_no_common_link_are_both_named() -> None:
    # Each of them keeps one, but not the same.
    new = with_links((1, 0), (2, 1))

    taken, findings = reloaded(with_links(), new, file="c")

    assert taken is None
    assert [(f.code, f.sentence[:13]) for f in errors(findings)] == [
        ("no-link-stays", "Nodes 1 and 2")
    ]


def test_the_digest_is_of_what_the_cluster_shares() -> None:
    config = read(TEXT)
    other_reader = msgspec.structs.replace(
        config,
        local=2,
        nodes=tuple(reversed(config.nodes)),
        totem=msgspec.structs.replace(config.totem, keyfile="/elsewhere"),
        logging=msgspec.structs.replace(config.logging, debug="on"),
    )

    assert digest(other_reader) == digest(config)
    assert digest(edited(("token: 3000", "token: 1000"))) != digest(config)


def test_who_may_come_to_go_by_two_files_hears_the_nodes_of_both() -> None:
    old, new = read(TEXT), edited(("}\nquorum {", NODE_4 + "}\nquorum {"))

    heard = both(old, new)

    assert [entry.nodeid for entry in heard.nodes] == [1, 2, 3, 4]
    assert heard.quorum == old.quorum


def test_what_waits_for_a_restart_is_named_and_stays_as_it_is() -> None:
    old = read(TEXT)
    new = edited(("debug: off", "debug: on"), ("token: 3000", "token: 1000"))

    taken, findings = reloaded(old, new, file="c")

    assert taken is not None
    assert taken.logging == old.logging
    assert taken.totem == new.totem
    assert [f.subject for f in findings if f.severity is Severity.WARNING] == ["logging.debug"]


def test_what_waits_for_a_restart_is_not_in_what_is_taken() -> None:
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
