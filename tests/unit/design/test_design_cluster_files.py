"""What a group takes from its corosync.conf and CIB, and what the model says before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.core.findings import errors
from ninefold.design.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.core.findings import Finding
    from ninefold.design.model import Group

COROSYNC = """totem {
    version: 2
    cluster_name: c
}
nodelist {
    node {
        name: a
        nodeid: 1
        quorum_votes: 2
        ring0_addr: 192.0.2.1
    }
    node {
        name: b
        nodeid: 2
        ring0_addr: 192.0.2.2
    }
}
quorum {
    provider: corosync_votequorum
}
"""
TWO_NODE = COROSYNC.replace("        quorum_votes: 2\n", "").replace(
    "corosync_votequorum\n", "corosync_votequorum\n    two_node: 1\n"
)
CIB = """<cib validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0"><configuration>
<crm_config/><nodes/><resources>
<primitive id="bmc" class="stonith" type="fence_x"><instance_attributes id="i1">
<nvpair id="n1" name="pcmk_host_list" value="a b"/></instance_attributes></primitive>
<primitive id="pdu" class="stonith" type="fence_y"><instance_attributes id="i2">
<nvpair id="n2" name="pcmk_host_list" value="b"/></instance_attributes></primitive>
</resources><constraints/>
<fencing-topology><fencing-level id="l1" target="b" index="1" devices="pdu"/>
<fencing-level id="l2" target="b" index="2" devices="bmc"/></fencing-topology>
</configuration><status/></cib>
"""


def loaded(
    tmp_path: Path, group: str, corosync: str = COROSYNC, cib: str = CIB
) -> tuple[Group | None, list[Finding]]:
    (tmp_path / "corosync.conf").write_text(corosync)
    (tmp_path / "cib.xml").write_text(cib)
    (tmp_path / "m.yaml").write_text(
        "parts: {a: {kind: node}, b: {kind: node}, bmc: {kind: fence-device}, pdu: {kind: fence-device}}\n"
        f"groups: {{g: {{{group}}}}}\nservices: {{s: {{needs: g}}}}\n"
    )
    model, findings = load(tmp_path / "m.yaml")
    return (model.groups["g"] if model else None), findings


def test_nodes_votes_and_quorum_come_from_corosync_conf(tmp_path: Path) -> None:
    group, _ = loaded(tmp_path, "corosync: corosync.conf")

    assert group is not None
    assert group.nodes == ("a", "b")
    assert group.votes == {"a": 2}
    # Three votes: two of them.
    assert (group.quorum, group.two_node) == (2, False)


def test_two_node_needs_one_vote(tmp_path: Path) -> None:
    group, _ = loaded(tmp_path, "corosync: corosync.conf", TWO_NODE)

    assert group is not None
    assert (group.quorum, group.two_node) == (1, True)


def test_what_the_model_says_goes_before_the_file(tmp_path: Path) -> None:
    said = "corosync: corosync.conf, nodes: [b, a], votes: {b: 3}, quorum: 3, two-node: no"

    group, _ = loaded(tmp_path, said, TWO_NODE)

    assert group is not None
    assert group.nodes == ("b", "a")
    assert group.votes == {"b": 3}
    assert (group.quorum, group.two_node) == (3, False)


def test_fence_devices_come_from_the_cib_in_its_levels(tmp_path: Path) -> None:
    group, _ = loaded(tmp_path, "nodes: [a, b], cib: cib.xml")

    assert group is not None
    paths = {(path.device, path.targets, path.level) for path in group.fencing}
    assert paths == {("bmc", ("a",), 1), ("pdu", ("b",), 1), ("bmc", ("b",), 2)}
    assert group.fencing_enabled


def test_fencing_that_the_cib_switches_off_is_off(tmp_path: Path) -> None:
    off = CIB.replace(
        "<crm_config/>",
        '<crm_config><cluster_property_set id="p"><nvpair id="e" name="stonith-enabled" value="false"/>'
        "</cluster_property_set></crm_config>",
    )

    group, _ = loaded(tmp_path, "nodes: [a, b], cib: cib.xml", cib=off)

    assert group is not None
    assert not group.fencing_enabled


def test_an_error_in_a_file_is_an_error_of_the_model_with_the_files_place(tmp_path: Path) -> None:
    group, findings = loaded(
        tmp_path, "corosync: corosync.conf, cib: cib.xml", "totem {\n", "<cib>"
    )

    files = {finding.file.rpartition("/")[2] for finding in errors(findings)}
    assert group is None
    assert {"corosync.conf", "cib.xml"} <= files
