from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.cib.check import check
from ninefold.cib.document import parse_xml

if TYPE_CHECKING:
    from ninefold.core.findings import Finding

GOOD = """<cib validate-with="whatever"><configuration>
<crm_config><cluster_property_set id="b"><nvpair id="b1" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="a"/></nodes>
<resources>
<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"><operations>
<op id="p-m" name="monitor" interval="10s" timeout="20"/></operations></primitive>
<group id="g"><primitive id="q" class="systemd" type="x"/></group>
</resources>
<constraints><rsc_location id="l" rsc="p" node="a" score="-INFINITY"/></constraints>
</configuration></cib>"""

MISTAKES = [
    ("duplicate-id", 'id="q"', 'id="p"', 8),
    ("missing-id", ' id="p-m"', "", 7),
    ("unknown-resource", 'rsc="p"', 'rsc="pp"', 10),
    ("unknown-node", 'node="a"', 'node="z"', 10),
    ("unknown-element", "<operations>", "<operation/><operations>", 6),
    ("unknown-attribute", 'timeout="20"', 'timout="20"', 7),
    ("bad-score", '"-INFINITY"', '"lots"', 10),
    ("bad-time", '"10s"', '"10x"', 7),
    ("bad-time", '"20"', '""', 7),
    ("negative-time", '"20"', '"-20s"', 7),
    ("unknown-operation", '"monitor"', '"moniter"', 7),
    ("missing-name", ' name="monitor"', "", 7),
    ("empty-group", '<primitive id="q" class="systemd" type="x"/>', "", 8),
    ("missing-class", ' class="systemd"', "", 8),
    ("missing-type", ' type="x"', "", 8),
    ("missing-provider", ' provider="heartbeat"', "", 6),
    ("no-fence-device", '"false"', '"true"', 5),
    ("bad-clone", "</resources>", '<clone id="c"/></resources>', 9),
    ("stray-text", "<nodes>", "<nodes>stray", 4),
    (
        "property-twice",
        "</crm_config>",
        (
            '<cluster_property_set id="d"><nvpair id="d1" name="stonith-enabled" value="no"/>'
            "</cluster_property_set></crm_config>"
        ),
        3,
    ),
]


def findings(text: str) -> list[Finding]:
    root, wrong = parse_xml(text)
    assert root is not None, wrong
    return check(root)


def test_a_good_document_has_no_findings() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(("code", "old", "new", "line"), MISTAKES)
def test_each_mistake_is_found_with_its_line_and_a_remedy(
    code: str, old: str, new: str, line: int
) -> None:
    assert old in GOOD
    found = findings(GOOD.replace(old, new, 1))

    assert [finding.code for finding in found] == [code]
    assert found[0].line == line
    assert found[0].sentence
    assert found[0].remedy


def test_all_mistakes_are_told_at_once_and_in_order_of_lines() -> None:
    text = GOOD
    for old, new in (('"10s"', '"10x"'), ('class="systemd" ', ""), ('rsc="p"', 'rsc="pp"')):
        text = text.replace(old, new)

    assert [f.code for f in findings(text)] == ["bad-time", "missing-class", "unknown-resource"]


def test_a_misspelt_word_gets_the_nearest_known_one() -> None:
    found = findings(GOOD.replace("timeout=", "timout=").replace('rsc="p"', 'rsc="pq1"'))

    assert found[0].remedy == "Did you mean timeout?"


def test_a_remote_node_may_be_called_like_its_connection() -> None:
    node = '<node id="p" uname="p" type="remote"/></nodes>'

    assert findings(GOOD.replace("</nodes>", node)) == []


@pytest.mark.parametrize("text", ["<x/>", "<cib/>"])
def test_what_is_no_configuration_is_one_finding(text: str) -> None:
    assert len(findings(text)) == 1
