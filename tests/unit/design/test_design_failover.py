"""The phases of a failover, predicted from a group's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.design.failover import DECIDE_S, FENCE_S, RING_S, START_S, predict, used_s
from ninefold.design.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.design.model import Group

COROSYNC = """totem {
    version: 2
    cluster_name: c
    token: 1000
    token_coefficient: 650
    consensus: 3000
}
nodelist {
    node {
        name: a
        nodeid: 1
        ring0_addr: 192.0.2.1
    }
    node {
        name: b
        nodeid: 2
        ring0_addr: 192.0.2.2
    }
    node {
        name: c
        nodeid: 3
        ring0_addr: 192.0.2.3
    }
}
quorum {
    provider: corosync_votequorum
}
"""
CIB = """<cib validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>
<crm_config><cluster_property_set id="p"><nvpair id="t" name="stonith-timeout" value="90s"/></cluster_property_set></crm_config>
<nodes/><resources>
<primitive id="bmc" class="stonith" type="fence_x"><instance_attributes id="i">
<nvpair id="d" name="pcmk_delay_base" value="a:4s;b:0"/></instance_attributes></primitive>
<primitive id="fs" class="ocf" provider="heartbeat" type="Filesystem"><operations>
<op id="fs-start" name="start" interval="0" timeout="60s"/></operations></primitive>
<primitive id="db" class="ocf" provider="heartbeat" type="pgsql"/>
</resources><constraints><rsc_order id="o" first="fs" then="db"/></constraints></configuration><status/></cib>
"""


def group(tmp_path: Path, *, files: str = "", fencing: str = "", failover: str = "{}") -> Group:
    (tmp_path / "corosync.conf").write_text(COROSYNC)
    (tmp_path / "cib.xml").write_text(CIB)
    (tmp_path / "m.yaml").write_text(f"""
parts:
  a: {{kind: node}}
  b: {{kind: node}}
  c: {{kind: node}}
  bmc: {{kind: fence-device}}
  pdu: {{kind: fence-device}}
groups:
  g:
    nodes: [a, b, c]
    fencing: [{fencing}]
    failover: {failover}
    {files}
services:
  s: {{needs: g}}
""")
    model, findings = load(tmp_path / "m.yaml")
    assert model is not None, "\n".join(map(str, findings))
    return model.groups["g"]


def test_without_files_the_fields_defaults_are_taken_and_named(tmp_path: Path) -> None:
    found = predict(group(tmp_path, fencing="{device: bmc, targets: [a, b, c], success: 98 %}"))

    phases = [(phase.name, phase.expected_s, phase.bound_s) for phase in found.phases]
    assert phases == [
        # Three nodes: 3000 ms and one coefficient of 650 ms; consensus is 1.2 times that.
        ("detection", pytest.approx(3.65 + RING_S), pytest.approx(2.2 * 3.65)),
        ("fencing", FENCE_S, 60.0),
        ("decision", DECIDE_S, 1.0),
        ("start", START_S, 20.0),
    ]
    assert found.expected_s == pytest.approx(sum(phase.expected_s for phase in found.phases))
    assert [phase.source.split(";")[0] for phase in found.phases] == [
        "Corosync's default token for so many nodes",
        "assumed",
        "measured on a small machine",
        "assumed, no CIB is given",
    ]


def test_timers_delays_and_orders_come_from_the_files(tmp_path: Path) -> None:
    found = predict(
        group(
            tmp_path,
            files="corosync: corosync.conf\n    cib: cib.xml",
            fencing="{device: bmc, targets: [a, b, c], success: 98 %, time: 12 s}",
        )
    )

    phases = [(phase.name, phase.expected_s, phase.bound_s) for phase in found.phases]
    assert phases == [
        ("detection", pytest.approx(1.65 + RING_S), pytest.approx(1.65 + 3.0)),
        ("fencing", 12.0, 90.0),
        ("fencing delay", 2.0, 4.0),
        ("decision", DECIDE_S, 1.0),
        ("start of fs", 1.0, 60.0),
        ("start of db", 5.0, 20.0),
    ]
    # Whoever reads the report knows the file by its name, wherever the model lies.
    assert found.phases[0].source == "effective token of corosync.conf"


def test_devices_of_a_level_are_asked_one_after_the_other(tmp_path: Path) -> None:
    both = ", ".join(
        f"{{device: {name}, targets: [a, b, c], success: 98 %, time: {time}}}"
        for name, time in (("bmc", "5 s"), ("pdu", "7 s"))
    )

    (fencing,) = (p for p in predict(group(tmp_path, fencing=both)).phases if p.name == "fencing")

    assert fencing.expected_s == pytest.approx(12.0)


def test_without_fencing_there_is_no_phase_of_it(tmp_path: Path) -> None:
    found = predict(group(tmp_path))

    assert [phase.name for phase in found.phases] == ["detection", "decision", "start"]


@pytest.mark.parametrize(
    ("failover", "used", "told"),
    [
        ("{measured: [4 s, 6 s, 30 s]}", 6.0, ["3 drills measured 6 s (median; 4 to 30)"]),
        ("{measured: [60 s]}", 60.0, ["1 drills measured 60 s", "more than 2 times off"]),
        ("{time: 20 s}", 20.0, ["The model says 20 s; this is used."]),
    ],
)
def test_what_was_measured_or_told_goes_before_the_prediction(
    tmp_path: Path, failover: str, used: float, told: list[str]
) -> None:
    its = group(tmp_path, failover=failover)
    found = predict(its)

    assert used_s(its, found) == pytest.approx(used)
    assert all(any(words in note for note in found.notes) for words in told)
