"""Slips an operator makes that no recorded file has, derived timers, reloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.config import timers
from ninefold.config.changes import changes
from ninefold.config.grammar import parse
from ninefold.config.load import authkey, check, load
from ninefold.config.surroundings import KeyFile, Surroundings, names_to_resolve
from ninefold.core.findings import Finding, Severity

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig

HERE = Surroundings(
    hostnames=("n1.example.org",),
    addresses=("10.0.0.1",),
    resolved={"n2": ("fd00::2", "10.0.0.2")},
    keyfile=KeyFile(size=256, data=b"k" * 256),
)


def text(totem: str = "", quorum: str = "", nodes: int = 3, extra: str = "") -> str:
    entries = "".join(
        f"node {{\nnodeid: {i}\nname: n{i}\nring0_addr: 10.0.0.{i}\n}}\n"
        for i in range(1, nodes + 1)
    )
    return (
        f"totem {{\nversion: 2\ncrypto_cipher: aes256\ncrypto_hash: sha256\n{totem}\n}}\n"
        f"nodelist {{\n{entries}}}\n"
        f"quorum {{\nprovider: corosync_votequorum\n{quorum}\n}}\n{extra}"
    )


def good(conf: str, here: Surroundings = HERE) -> ClusterConfig:
    config, findings = load(conf, file="f", surroundings=here)
    assert config is not None, [str(finding) for finding in findings]
    return config


def finding(conf: str, code: str, here: Surroundings = HERE) -> Finding:
    _, findings = load(conf, file="f", surroundings=here)
    return next(f for f in findings if f.code == code)


def test_clean_file_has_no_finding() -> None:
    _, findings = load(text(), file="f", surroundings=HERE)

    assert findings == []


def test_misspelt_key_is_told_with_the_nearest() -> None:
    found = finding(text("tokne: 1000"), "unknown-key")

    assert (found.severity, found.line) == (Severity.ERROR, 5)
    assert "`token`" in found.remedy


def test_key_in_the_wrong_section_is_told_where_it_belongs() -> None:
    assert "`quorum`" in finding(text("two_node: 1"), "unknown-key").remedy


def test_config_version_that_is_no_number_is_a_finding() -> None:
    # It aborts Corosync 3.1.7 by an assertion.
    assert finding(text("config_version: x"), "not-an-integer").line == 5


def test_all_slips_are_told_at_once() -> None:
    _, findings = load(
        text("token: 3s\nwindow_size: 0\nfoo", "two_node: yes"), file="f", surroundings=HERE
    )

    assert [(f.line, f.code) for f in findings] == [
        (5, "not-an-integer"),
        (6, "out-of-range"),
        (7, "not-a-line"),
        (28, "not-an-integer"),
    ]


@pytest.mark.parametrize(
    ("keyfile", "code", "severity"),
    [
        (KeyFile(size=256, mode=0o644), "key-open-to-all", Severity.ERROR),
        (KeyFile(size=256, mode=0o440), "key-open-to-group", Severity.WARNING),
        (KeyFile(size=256, owner=7), "key-of-another", Severity.ERROR),
        (KeyFile(size=127), "bad-key-size", Severity.ERROR),
        (KeyFile(size=4097), "bad-key-size", Severity.ERROR),
        (KeyFile(trouble="Permission denied"), "no-keyfile", Severity.ERROR),
    ],
)
def test_key_file_unfit_for_its_purpose(keyfile: KeyFile, code: str, severity: Severity) -> None:
    here = msgspec.structs.replace(HERE, keyfile=keyfile)

    assert finding(text(), code, here).severity is severity


def test_key_is_read_from_the_file_or_from_the_text() -> None:
    assert authkey(text(), HERE) == b"k" * 256
    assert authkey(text(f"key: {'s' * 128}"), HERE) == b"s" * 128


def test_name_is_resolved_in_the_order_of_ip_version() -> None:
    conf = text(nodes=2).replace("ring0_addr: 10.0.0.2", "ring0_addr: n2")

    assert names_to_resolve(parse(conf)[0]) == ("n2",)
    ipv4 = good(conf.replace("version: 2\n", "version: 2\nip_version: ipv4-6\n", 1))
    assert ipv4.nodes[1].links[0].address == "10.0.0.2"
    assert finding(conf, "mixed-families").severity is Severity.ERROR


def test_timers_follow_from_the_token_and_the_number_of_nodes() -> None:
    totem = good(text("token: 1000")).totem

    assert (totem.token, totem.token_retransmit, totem.hold) == (1650, 392, 303)
    assert totem.consensus == 1980


def test_default_timers_are_those_of_the_manual() -> None:
    assert timers.token_retransmit(3000, 4) == 714
    assert timers.hold(714) == 561
    assert timers.consensus(3000) == 3600
    assert (timers.ping_interval(3000, 2), timers.ping_timeout(3000, 2)) == (750, 1500)


def test_two_node_of_three_has_no_effect() -> None:
    conf = text(quorum="two_node: 1")

    assert finding(conf, "two-node-of-many").severity is Severity.WARNING
    assert not good(conf).quorum.two_node


def test_tie_breaker_in_an_odd_cluster_is_off_without_wait_for_all() -> None:
    assert not good(text(quorum="auto_tie_breaker: 1")).quorum.auto_tie_breaker
    assert good(text(quorum="auto_tie_breaker: 1\nwait_for_all: 1")).quorum.auto_tie_breaker


def test_probe_can_be_switched_off() -> None:
    assert good(text()).totem.kernel_probe
    assert not good(text("ninefold_probe: no")).totem.kernel_probe


def test_report_says_where_each_value_comes_from() -> None:
    report = check(text("token: 1000"), "f", HERE)

    values = {value.key: (value.value, value.source.name) for value in report.values}
    assert values["totem.token"] == ("1650", "DERIVED")
    assert values["totem.join"] == ("50", "DEFAULT")
    assert values["totem.version"] == ("2", "FILE")
    assert values["totem.interface.0.knet_ping_timeout"] == ("825", "DERIVED")


def test_reload_of_the_same_file_changes_nothing() -> None:
    assert changes(good(text()), good(text())) == []


@pytest.mark.parametrize(
    ("after", "subject", "code"),
    [
        (text("token: 5000"), "totem.token", "changes-now"),
        (text(quorum="wait_for_all: 1"), "quorum.wait_for_all", "changes-at-restart"),
        (text(nodes=4), "nodelist.node", "node-added"),
        (text(nodes=2), "nodelist.node", "node-removed"),
        (
            text().replace("10.0.0.3", "10.0.0.9"),
            "nodelist.node.ring0_addr",
            "address-changed",
        ),
    ],
)
def test_reload_says_what_becomes_of_a_change(after: str, subject: str, code: str) -> None:
    found = changes(good(text()), good(after))

    assert (code, subject) in {(f.code, f.subject) for f in found}
