"""Remedies that an architect would give: what not to raise, whom a rule does not concern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.analysis import analyse
from ninefold.design.capacity import capacity_rows
from ninefold.design.fence_check import fence_rows
from ninefold.design.load import load_text
from ninefold.design.timing import timing_rows

if TYPE_CHECKING:
    from pathlib import Path

CONF: Final = """\
totem {
    version: 2
    cluster_name: example
}
nodelist {
    node {
        nodeid: 1
        name: a
        ring0_addr: 10.0.0.1
    }
    node {
        nodeid: 2
        name: b
        ring0_addr: 10.0.0.2
    }
    node {
        nodeid: 3
        name: arbiter
        ring0_addr: 10.0.0.3
    }
}
quorum {
    provider: corosync_votequorum
}
"""
CIB: Final = """\
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config/>
    <nodes/>
    <resources>
      <primitive id="bmc-a" class="stonith" type="fence_ipmilan"/>
      <primitive id="sbd" class="stonith" type="fence_sbd"/>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""
MODEL: Final = """\
name: remedies
parts:
  zone: {kind: cloud-zone}
  arbiter: {kind: witness, inside: zone}
  nic: {kind: nic}
  bond: {kind: bond, needs: nic, facts: {mode: 802.3ad, miimon: 100, lacp-rate: slow}}
  a: {kind: node, needs: bond}
  b: {kind: node, needs: bond}
  bmc-a: {kind: fence-device}
  sbd: {kind: fence-device}
groups:
  pair:
    nodes: [a, b]
    witness: arbiter
    corosync: corosync.conf
    cib: cib.xml
    fencing:
      - {device: bmc-a, targets: a}
      - {device: sbd, targets: [a, b], level: 2, time: 50 s}
services:
  web: {needs: pair}
"""


def test_slow_lacp_is_mended_at_the_bond_not_by_a_token_of_three_minutes(tmp_path: Path) -> None:
    (tmp_path / "corosync.conf").write_text(CONF)
    (tmp_path / "cib.xml").write_text(CIB)
    model, findings = load_text(MODEL, beside=tmp_path)

    assert model is not None, findings
    rows = {r.rule.partition(":")[0]: r for r in timing_rows(model, model.groups["pair"])}

    assert rows["lacp"].holds is False
    assert "lacp_rate fast" in rows["lacp"].proposal
    assert "token" not in rows["lacp"].proposal


def test_arbiter_at_a_provider_does_not_put_the_nodes_into_a_cloud(tmp_path: Path) -> None:
    # Nobody fences the arbiter: that a provider's power-off takes minutes is nothing to the nodes.
    (tmp_path / "corosync.conf").write_text(CONF)
    (tmp_path / "cib.xml").write_text(CIB)
    model, findings = load_text(MODEL, beside=tmp_path)

    assert model is not None, findings
    codes = {r.rule.partition(":")[0] for r in timing_rows(model, model.groups["pair"])}

    assert not codes & {"cloud-timeout", "cloud-concurrent", "pause"}


def test_unknown_number_is_given_a_least_value_not_a_value() -> None:
    text = MODEL.replace("    corosync: corosync.conf\n    cib: cib.xml\n", "")
    model, findings = load_text(text)

    assert model is not None, findings
    rows = {r.rule.partition(":")[0]: r for r in timing_rows(model, model.groups["pair"])}

    assert "Let token be at least" in rows["bond-failover"].proposal


def test_device_of_all_nodes_need_not_be_kept_from_any(tmp_path: Path) -> None:
    # The controller of one node must not run there; a device of all is run by another than its target.
    (tmp_path / "corosync.conf").write_text(CONF)
    (tmp_path / "cib.xml").write_text(CIB)
    model, findings = load_text(MODEL, beside=tmp_path)

    assert model is not None, findings
    row = next(r for r in fence_rows(model, model.groups["pair"]) if r.node == "a")

    assert "bmc-a may run on a" in row.sentence
    assert "sbd may run" not in row.sentence


def test_resource_that_finds_no_place_is_named_and_the_others_are_not() -> None:
    # Memory of 40, 40 and 28 on two nodes of 64 each: enough in total, and no way. There is always cpu.
    text = """\
name: room
parts:
  a: {kind: node, capacity: {cpu: 24, memory: 64}}
  b: {kind: node, capacity: {cpu: 24, memory: 64}}
  c: {kind: node, capacity: {cpu: 24, memory: 64}}
groups:
  three: {nodes: [a, b, c], quorum: 2}
services:
  web: {needs: three, uses: {cpu: 4, memory: 28}}
  db: {needs: three, uses: {cpu: 4, memory: 40}}
  mail: {needs: three, uses: {cpu: 4, memory: 40}}
"""
    model, findings = load_text(text)

    assert model is not None, findings
    rows = {(r.lost, r.resource): r for r in capacity_rows(model, model.groups["three"])}

    assert rows["a", "cpu"].suffices
    assert not rows["a", "memory"].suffices
    assert "no placement" in rows["a", "memory"].sentence


def test_second_of_what_is_back_as_soon_as_a_takeover_is_not_advised() -> None:
    model, _ = load_text(
        "parts:\n"
        "  restarted: {kind: application, rate: 12 /y, mttr: 1 min}\n"
        "  repaired: {kind: application, rate: 12 /y, mttr: 1 h}\n"
        "services:\n"
        "  s: {needs: [restarted, repaired]}\n"
    )
    assert model is not None

    (service,) = analyse(model, samples=0).services

    told = {spof.part: spof.mitigation for spof in service.spofs}
    assert told["repaired"].startswith("Run several instances of repaired")
    assert told["restarted"].startswith("Make restarted fail less often: it is back as soon")
