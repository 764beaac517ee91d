from __future__ import annotations

import pytest

from ninefold.cib.document import CIB_BYTES_MAX, Cib
from ninefold.cib.model import Version

PLAIN = """<cib admin_epoch="1" epoch="7" num_updates="3" validate-with="pacemaker-3.9">
  <configuration>
    <crm_config>
      <cluster_property_set id="other"><nvpair id="o" name="p" value="2"/></cluster_property_set>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="b" name="p" value="1"/>
      </cluster_property_set>
    </crm_config>
    <nodes><node id="2" uname="b"/><node id="1" uname="a"/><node id="r" type="remote"/></nodes>
    <resources>
      <clone id="c"><group id="g"><primitive id="p" class="ocf" type="x"/></group></clone>
    </resources>
    <constraints/>
  </configuration>
  <status>
    <node_state id="1" uname="a" in_ccm="true" crmd="online" join="member" expected="member">
      <lrm id="1"><lrm_resources><lrm_resource id="p" class="ocf" provider="q" type="x">
        <lrm_rsc_op id="p_last_0" operation="start" call-id="4" rc-code="1" op-status="0"
          interval="0" transition-key="9:8:0:uuid" last-rc-change="77" exit-reason="no"/>
        <lrm_rsc_op id="p_last_failure_0" operation="start" call-id="4" rc-code="1" op-status="0"
          interval="0" transition-key="9:8:0:uuid" last-rc-change="77" exit-reason="no"/>
        <lrm_rsc_op id="unreadable" operation="start" call-id="x" rc-code="1" op-status="0"/>
      </lrm_resource></lrm_resources></lrm>
      <transient_attributes id="1"><instance_attributes id="s">
        <nvpair id="f1" name="fail-count-p#start_0" value="INFINITY"/>
        <nvpair id="f2" name="last-failure-p#start_0" value="77"/>
        <nvpair id="f3" name="fail-count-old" value="2"/>
      </instance_attributes></transient_attributes>
    </node_state>
  </status>
</cib>"""


def parsed(text: str | bytes) -> Cib:
    cib, findings = Cib.parse(text)
    assert cib is not None, findings
    return cib


def test_what_was_parsed_can_be_read() -> None:
    cib = parsed(PLAIN)

    assert cib.version == Version(1, 7, 3)
    assert cib.property("p") == "1"
    assert cib.property("q", "d") == "d"
    assert cib.node_names() == {2: "b", 1: "a"}
    assert cib.resource_ids() == ("c", "g", "p")
    assert cib.primitive("p") is not None
    assert cib.primitive("g") is None


def test_status_reads_as_values_and_a_failure_kept_twice_is_told_once() -> None:
    cib = parsed(PLAIN)

    state = cib.node_state(1)
    operations = cib.operations(1)

    assert state is not None
    assert (state.name, state.in_ccm, state.crmd, state.join) == ("a", True, "online", "member")
    assert [op.rc for op in operations] == [1, 1]
    assert operations[0].transition == "8:uuid"
    assert operations[0].action_id == 9
    assert [failure.operation.exit_reason for failure in cib.failures()] == ["no"]
    counts = [(c.resource, c.task, c.count, c.last_failure) for c in cib.fail_counts()]
    assert counts == [("p", "start", 1_000_000, 77), ("old", "", 2, 0)]
    assert cib.node_state(9) is None
    assert cib.operations(9) == ()


def test_root_is_the_whole_document_and_the_text_parses_to_it() -> None:
    cib = parsed(PLAIN)

    again = parsed(cib.to_xml())

    assert [child.tag for child in cib.root] == ["configuration", "status"]
    assert cib.root is cib.root
    assert again.to_xml() == cib.to_xml()
    assert again.digest() == cib.digest()
    assert parsed(b"".join(cib.pieces())).digest() == cib.digest()


def test_context_is_a_view_and_no_new_version() -> None:
    cib = parsed(PLAIN)

    view = cib.with_context(have_quorum=True, dc_uuid="2")

    assert view.root.get("have-quorum") == "1"
    assert view.root.get("dc-uuid") == "2"
    assert cib.root.get("dc-uuid") is None
    assert view.version == cib.version
    assert view.digest() == cib.digest()
    assert view.with_context(have_quorum=True, dc_uuid="2") is view


def test_an_empty_document_names_its_cluster() -> None:
    cib = Cib.empty("café")

    assert cib.property("cluster-name") == "café"
    assert cib.version == Version()
    assert parsed(cib.to_xml()).digest() == cib.digest()


def test_comments_white_space_and_escapes_come_back_the_same() -> None:
    text = """<cib><configuration><!-- two
        lines --><crm_config> <a b="x&#10;y&#9;z"/>  some
        text </crm_config></configuration><tickets/></cib>"""

    cib = parsed(text)
    again = parsed(cib.to_xml())

    assert again.to_xml() == cib.to_xml()
    element = again.configuration.find("crm_config/a")
    assert element is not None
    assert element.get("b") == "x\ny\tz"


BAD = {
    "": "cib-syntax",
    "no xml": "cib-syntax",
    "<cib>": "cib-syntax",
    "<cib/>": "cib-shape",
    "<cib><configuration/><configuration/></cib>": "cib-shape",
    "<configuration/>": "cib-root",
    "<cib epoch='-1'><configuration/></cib>": "cib-version",
    "<cib epoch='99999999999999999999'><configuration/></cib>": "cib-version",
    "<cib epoch='4294967296'><configuration/></cib>": "cib-version",
    "<!DOCTYPE cib><cib><configuration/></cib>": "cib-doctype",
    "<cib><configuration>&x;</configuration></cib>": "cib-syntax",
    "\ud800": "cib-encoding",
    "\x00": "cib-syntax",
    "<a>" * 300 + "</a>" * 300: "cib-syntax",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_text_is_a_finding_and_never_an_exception(text: str) -> None:
    cib, findings = Cib.parse(text)

    assert cib is None
    assert [finding.code for finding in findings] == [BAD[text]]
    assert all(finding.sentence and finding.remedy for finding in findings)


def test_a_syntax_error_names_its_line() -> None:
    _, findings = Cib.parse("<cib>\n<configuration>\n</cib>")

    assert findings[0].line == 3


def test_a_document_type_in_another_encoding_is_refused_too() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE cib [<!ENTITY x "y">]>'
    text += "<cib><configuration/></cib>"

    cib, findings = Cib.parse(text.encode("utf-16"))

    assert cib is None
    assert [finding.code for finding in findings] == ["cib-doctype"]


def test_an_external_entity_is_never_read() -> None:
    text = b'<!DOCTYPE cib [<!ENTITY x SYSTEM "file:///etc/hostname">]><cib>&x;</cib>'

    cib, findings = Cib.parse(text)

    assert cib is None
    assert findings[0].code == "cib-doctype"


def test_a_document_beyond_the_limit_is_refused_unread() -> None:
    cib, findings = Cib.parse(b" " * (CIB_BYTES_MAX + 1))

    assert cib is None
    assert findings[0].code == "cib-too-large"
