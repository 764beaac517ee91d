"""What takes a node down, what it takes along, and what of that is a failover at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from ninefold.design.analysis import analyse
from ninefold.design.failover import predict
from ninefold.design.groups import coverage, inputs
from ninefold.design.load import load_text
from ninefold.design.losses import losses
from ninefold.design.spof import MITIGATIONS, mitigation
from ninefold.design.tree import Event

if TYPE_CHECKING:
    from pathlib import Path

HOURS: Final = 8766.0
CIB: Final = """\
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config/>
    <nodes/>
    <resources>
      <primitive id="fence" class="stonith" type="fence_dummy"/>
      <group id="db">
        <primitive id="fs" class="ocf" provider="heartbeat" type="Filesystem"/>
        <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/>
        <primitive id="own" class="ocf" provider="own" type="thing"/>
      </group>
    </resources>
    <constraints/>
    <rsc_defaults>
      <meta_attributes id="defaults">
        <nvpair id="stickiness" name="resource-stickiness" value="100"/>
      </meta_attributes>
    </rsc_defaults>
  </configuration>
  <status/>
</cib>
"""
PAIR: Final = """\
name: pair
parts:
  room: {kind: room, rate: 1 /y, mttr: 4 h}
  psu-a: {kind: psu, rate: 1 /y, mttr: 4 h}
  psu-b: {kind: psu, rate: 1 /y, mttr: 4 h}
  a: {kind: node, rate: 3 /y, mttr: 4 h, needs: psu-a, inside: room}
  b: {kind: node, rate: 3 /y, mttr: 4 h, needs: psu-b, inside: room}
  bmc-a: {kind: fence-device, rate: 0 /y, mttr: 1 h, needs: psu-a}
  bmc-b: {kind: fence-device, rate: 0 /y, mttr: 1 h, needs: psu-b}
groups:
  pair:
    nodes: [a, b]
    fencing:
      - {device: bmc-a, targets: a, success: 90 %}
      - {device: bmc-b, targets: b, success: 90 %}
services:
  web: {needs: pair}
  shop: {needs: web}
"""


def test_device_that_dies_with_its_node_silences_nothing() -> None:
    # Three losses of four are the node's own: of these, 90 % are fenced. The fourth, of its supply,
    # takes the management controller along.
    model, findings = load_text(PAIR)

    assert model is not None, findings
    found = losses(model, model.groups["pair"])

    chances = {(loss.node, loss.cause): loss.fenced for loss in found}
    assert chances == {
        ("a", "a"): pytest.approx(0.9, rel=1e-3),
        ("a", "psu-a"): 0.0,
        ("b", "b"): pytest.approx(0.9, rel=1e-3),
        ("b", "psu-b"): 0.0,
    }
    assert coverage(model, model.groups["pair"]) == pytest.approx(0.75 * 0.9, rel=1e-3)


def test_what_takes_the_whole_group_is_no_failover() -> None:
    # The room takes both nodes: nobody is left to take over, and the fault tree counts that hour.
    model, findings = load_text(PAIR)

    assert model is not None, findings
    values = inputs(model, model.groups["pair"], predict(model.groups["pair"]))

    assert values.failures * HOURS == pytest.approx(4, rel=5e-3)
    assert values.repair_h == pytest.approx(4, rel=5e-3)


def test_site_takes_its_nodes_and_all_that_could_prove_it() -> None:
    # Two sites and a witness: a whole site is survived, but its controllers cannot answer.
    text = """\
name: two sites
parts:
  east: {kind: site, rate: 1 /y, mttr: 24 h}
  west: {kind: site, rate: 1 /y, mttr: 24 h}
  arbiter: {kind: witness}
  e1: {kind: node, rate: 1 /y, mttr: 4 h, inside: east}
  e2: {kind: node, rate: 1 /y, mttr: 4 h, inside: east}
  w1: {kind: node, rate: 1 /y, mttr: 4 h, inside: west}
  w2: {kind: node, rate: 1 /y, mttr: 4 h, inside: west}
  bmc-east: {kind: fence-device, rate: 0 /y, mttr: 1 h, inside: east}
  bmc-west: {kind: fence-device, rate: 0 /y, mttr: 1 h, inside: west}
groups:
  stretched:
    nodes: [e1, e2, w1, w2]
    witness: arbiter
    quorum: 3
    fencing:
      - {device: bmc-east, targets: [e1, e2], success: 100 %}
      - {device: bmc-west, targets: [w1, w2], success: 100 %}
services:
  web: {needs: stretched}
"""
    model, findings = load_text(text)

    assert model is not None, findings
    chances = {(x.node, x.cause): x.fenced for x in losses(model, model.groups["stretched"])}

    assert chances["e1", "e1"] == pytest.approx(1, rel=5e-3)
    assert chances["e1", "east"] == 0
    assert coverage(model, model.groups["stretched"]) == pytest.approx(0.5, rel=5e-3)


def test_nodes_that_count_for_quorum_only_are_not_taken_over() -> None:
    # One node of three serves: it fails twice a year, and so often there is a failover.
    text = """\
name: three
parts:
  a: {kind: node, rate: 2 /y, mttr: 4 h}
  b: {kind: node, rate: 2 /y, mttr: 4 h}
  c: {kind: node, rate: 2 /y, mttr: 4 h}
groups:
  three: {nodes: [a, b, c], quorum: 2, fencing-enabled: no, failover: {time: 30 s}}
services:
  web: {needs: three}
"""
    model, findings = load_text(text)

    assert model is not None, findings
    report = analyse(model, samples=0)

    assert report.groups[0].failovers_per_year == pytest.approx(2, rel=0.01)


def test_planned_work_of_a_group_reaches_the_services_above_it() -> None:
    # Twelve moves of a minute a year, seen by whoever uses the service of a service.
    text = PAIR.replace(
        "    nodes: [a, b]\n",
        "    nodes: [a, b]\n"
        "    maintenance: {every: 1 month, takes: 1 h}\n"
        "    failover: {switchover: 1 min}\n",
    )
    model, findings = load_text(text)

    assert model is not None, findings
    report = analyse(model, samples=0)

    planned = {s.service: s.planned_minutes_per_year for s in report.services}
    assert planned == {"web": pytest.approx(12), "shop": pytest.approx(12)}


def test_start_of_a_resource_is_assumed_by_its_agent(tmp_path: Path) -> None:
    # An address is up at once, a file system takes a second; of what nobody knows 2 s are assumed.
    (tmp_path / "cib.xml").write_text(CIB)
    text = PAIR.replace("    nodes: [a, b]\n", "    nodes: [a, b]\n    cib: cib.xml\n")
    model, findings = load_text(text, beside=tmp_path)

    assert model is not None, findings
    phases = predict(model.groups["pair"]).phases

    starts = {p.name: p.expected_s for p in phases if p.name.startswith("start")}
    assert starts == {"start of fs": 1.0, "start of ip": 0.1, "start of own": 2.0}


def test_group_of_resources_fails_over_as_one(tmp_path: Path) -> None:
    # Three resources move together: one failover. Node a and b fail 3 + 1 times a year each, and
    # one of the two at a time serves.
    (tmp_path / "cib.xml").write_text(CIB.replace("<resources>", "<resources>", 1))
    text = PAIR.replace("    nodes: [a, b]\n", "    nodes: [a, b]\n    cib: cib.xml\n")
    text = text.replace("needs: pair", "needs: pair, resource: db").replace("90 %", "100 %")
    model, findings = load_text(text, beside=tmp_path)

    assert model is not None, findings
    report = analyse(model, samples=0, policy_years=100, seed=3)

    assert report.policy[0].failovers_per_year == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("kind", sorted(MITIGATIONS))
def test_mitigation_names_the_part_and_is_a_sentence(kind: str) -> None:
    event = Event("x", "the first thing", "x", kind, "other", 0.1, None)

    told = mitigation(event)

    assert "the first thing" in told or kind == "operator"
    assert told.endswith(".")
