from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from ninefold.lab import defaults, furniture
from ninefold.lab.errors import BadPlan
from ninefold.lab.plan import AUTHKEY_BYTES, Settings, make_plan

if TYPE_CHECKING:
    from pathlib import Path


def test_the_default_plan_has_three_hosts_on_two_networks() -> None:
    plan = make_plan(Settings())

    assert [host.name for host in plan.hosts] == ["node1", "node2", "node3"]
    assert plan.hosts[1].addresses == ("10.77.0.2", "10.78.0.2")
    assert plan.clients == ("10.77.0.254", "10.78.0.254")
    assert len(plan.authkey) == AUTHKEY_BYTES
    assert plan.authkey != make_plan(Settings()).authkey


@pytest.mark.parametrize("nodes", [1, 2, 3, 32])
def test_a_generated_conf_lists_what_its_own_reader_reads(nodes: int) -> None:
    hosts = defaults.hosts(nodes)
    conf = defaults.corosync_conf(hosts)

    assert defaults.hosts_of(conf, "conf") == hosts
    assert ("two_node: 1" in conf) is (nodes == 2)
    assert "token" not in conf


def test_timers_go_into_the_totem_section() -> None:
    conf = make_plan(
        Settings(token_ms=500, token_coefficient_ms=0, totem_extra="join: 60\n\nmerge: 100")
    ).conf

    totem, _, rest = conf.partition("nodelist {")
    for line in ("    token: 500\n", "    token_coefficient: 0\n", "    join: 60\n"):
        assert line in totem
        assert line not in rest


def test_the_default_cib_fences_every_host_and_groups_address_and_server() -> None:
    cib = etree.fromstring(make_plan(Settings(nodes=2)).cib.encode())

    hosts = cib.find(".//nvpair[@name='pcmk_host_list']")
    assert hosts is not None
    assert hosts.get("value") == "node1,node2"
    assert [e.get("id") for e in cib.iterfind(".//group/primitive")] == ["vip", "http"]
    assert {op.get("interval") for op in cib.iterfind(".//group//op")} == {"1s"}
    identities = [e.get("id") for e in cib.iter() if e.get("id")]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize(("nodes", "delays"), [(2, ["node1:1s"]), (3, [])])
def test_of_two_nodes_one_has_a_head_start_at_fencing(nodes: int, delays: list[str]) -> None:
    cib = etree.fromstring(make_plan(Settings(nodes=nodes)).cib.encode())

    found = cib.iterfind(".//nvpair[@name='pcmk_delay_base']")
    assert [nvpair.get("value") for nvpair in found] == delays


CONF = """\
# a comment
totem {
    version: 2
    interface {
        linknumber: 0
    }
}
nodelist {
    node {
        ring0_addr: 192.168.5.11
        name: alpha
        nodeid: 10
    }
    node {
        ring0_addr: 192.168.5.12
        nodeid: 20
    }
}
"""


def test_an_operators_conf_gives_names_and_addresses_and_is_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF)

    plan = make_plan(Settings(conf=str(path)))

    assert [(h.name, h.nodeid, h.addresses) for h in plan.hosts] == [
        ("alpha", 10, ("192.168.5.11",)),
        ("node20", 20, ("192.168.5.12",)),
    ]
    assert plan.clients == ("192.168.5.254",)
    assert plan.conf == CONF


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("192.168.5.12", "192.168.6.12", "not in 192.168.5.0/24"),
        ("192.168.5.12", "192.168.5.254", "needs another address"),
        ("192.168.5.12", "beta.example.com", "numeric"),
        ("ring0_addr: 192.168.5.12", "ring1_addr: 192.168.5.12", "without gaps"),
        ("nodeid: 20", "nodeid: twenty", "not a number"),
        ("nodelist {", "nodes {", "no node"),
        ("192.168.5.12", "192.168.5.11", "two hosts"),
        ("    nodeid: 20", "    name: alpha", "two hosts"),
    ],
)
def test_an_operators_conf_that_cannot_be_a_lab_is_refused(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "corosync.conf"
    path.write_text(CONF.replace(old, new))

    with pytest.raises(BadPlan, match=sentence):
        make_plan(Settings(conf=str(path)))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Settings(nodes=0), "1 to 32 nodes"),
        (Settings(nodes=33), "1 to 32 nodes"),
        (Settings(name="a/b"), "cannot be called"),
        (Settings(stack="heartbeat"), "no stack 'heartbeat'"),
        (Settings(conf="/nonexistent/corosync.conf"), "Cannot read"),
        (Settings(cib="/nonexistent/cib.xml"), "Cannot read"),
        (Settings(conf="x", token_ms=5), "belong into the file"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Settings, sentence: str) -> None:
    with pytest.raises(BadPlan, match=sentence):
        make_plan(settings)


def test_the_furniture_has_a_private_key_and_an_agent_that_runs(tmp_path: Path) -> None:
    plan = make_plan(Settings(nodes=2, argv=("daemon", "with space")))

    furniture.furnish(plan, tmp_path)

    key = tmp_path / "hosts/2/etc/corosync/authkey"
    assert key.stat().st_mode & 0o777 == 0o400
    assert key.read_bytes() == plan.authkey
    agent = tmp_path / "shared/sbin/fence_ninefold_lab"
    assert agent.stat().st_mode & 0o111
    assert agent.read_text().startswith(f"#!{plan.python} -ISE\n")
    assert "exec daemon 'with space' >>" in (tmp_path / "shared/start").read_text()
