"""Parts of a document: what belongs together, what is in every part, what cannot be parted."""

from __future__ import annotations

import pytest
from lxml import etree

from ninefold.cli.survive_report import report
from ninefold.forecast.faults import Fault, Voters
from ninefold.forecast.parts import split, splittable
from ninefold.forecast.survive import Survey, judge
from tests.forecast_world import NOW, cluster


def primitive(name: str, inside: str = "") -> str:
    kind = 'class="ocf" provider="heartbeat" type="Dummy"'
    return f'<primitive id="{name}" {kind}>{inside}</primitive>'


SIX = "".join(map(primitive, "abcdef"))


def tops(root: etree._Element) -> list[tuple[str, ...]]:
    return [part.tops for part in split(root)]


@pytest.mark.parametrize(
    ("constraint", "together"),
    [
        ('<rsc_order id="x" first="a" then="c"/>', ("a", "c")),
        ('<rsc_colocation id="x" rsc="d" with-rsc="b"/>', ("b", "d")),
        ('<rsc_ticket id="x" ticket="t" rsc="a"/>', ("a",)),
        ('<rsc_location id="x" rsc="a" node="n1" score="1"/>', ("a",)),
        (
            (
                '<rsc_order id="x"><resource_set id="s"><resource_ref id="e"/><resource_ref id="f"/>'
                "</resource_set></rsc_order>"
            ),
            ("e", "f"),
        ),
    ],
)
def test_what_a_constraint_joins_is_one_part(constraint: str, together: tuple[str, ...]) -> None:
    found = tops(cluster(SIX, constraint))

    assert found[0] == ("fence",)
    assert together in found
    assert sorted(name for part in found for name in part) == [*"abcdef", "fence"]


def test_shared_definition_and_tag_join_too() -> None:
    meta = '<meta_attributes id="m"><nvpair id="n" name="priority" value="1"/></meta_attributes>'
    shared = primitive("a", meta) + primitive("b", '<meta_attributes id-ref="m"/>')
    root = cluster(
        shared + primitive("c") + primitive("d"), '<rsc_order id="x" first="t" then="d"/>'
    )
    configuration = root.find("configuration")
    assert configuration is not None
    tags = '<tags><tag id="t"><obj_ref id="c"/></tag></tags>'
    configuration.append(etree.fromstring(tags))

    assert tops(root) == [("fence",), ("a", "b"), ("c", "d")]


def test_part_has_the_devices_its_own_resources_and_what_nobody_claims() -> None:
    root = cluster(SIX, '<rsc_order id="x" first="a" then="c"/>', running={"a": "n1"})
    for history in root.iterfind("status/node_state[@uname='n1']/lrm/lrm_resources"):
        etree.SubElement(history, "lrm_resource", id="gone")

    (part,) = [one for one in split(root) if one.tops == ("a", "c")]

    names = [one.get("id") for one in part.document.iterfind("configuration/resources/*")]
    histories = [one.get("id") for one in part.document.iter("lrm_resource")]
    assert names == ["fence", "a", "c"]
    assert [one.get("id") for one in part.document.iter("rsc_order")] == ["x"]
    assert histories == ["fence", "a", "c", "gone", "fence", "a", "c", "fence", "a", "c"]


@pytest.mark.parametrize(
    "options", ['<nvpair id="p" name="placement-strategy" value="balanced"/>', ""]
)
def test_utilisation_joins_everything(options: str) -> None:
    assert splittable(cluster(SIX, options=options)) is not bool(options)


def test_device_that_nobody_needs_makes_no_difference() -> None:
    survey = Survey(cluster(SIX, running={"a": "n1", "b": "n2"}), NOW)
    failed, device = Fault("resource", "a", "n1"), Fault("device", "fence")
    for fault in (failed, device, Fault("node", "n1")):
        survey.single(fault)

    assert survey.pair(failed, device) is None
    lost = survey.pair(Fault("node", "n1"), device)
    assert lost is not None
    assert [loss.service for loss in lost.lost] == ["a"]


def test_failure_of_one_resource_does_not_hold_up_the_other() -> None:
    root = cluster(SIX, running={"a": "n1", "b": "n2"})
    both = [Fault("resource", "a", "n1"), Fault("resource", "b", "n2")]

    outcome = judge(root, both, NOW)

    # Each is stopped, tried again where it was, stopped and started elsewhere: 4 times 20 s.
    assert {(one.service, one.until_ms) for one in outcome.outages} == {
        ("a", 80_000),
        ("b", 80_000),
    }


def test_report_tells_each_chain_once_and_whose_votes_were_counted() -> None:
    survey = Survey(cluster(SIX, running={"a": "n1", "b": "n1"}), NOW)
    alone = [survey.single(fault) for fault in survey.faults]
    pairs = [survey.pair(Fault("node", "n1"), Fault("device", "fence"))]
    found = [one for one in pairs if one is not None]

    lines = list(report(survey, alone, found, Voters({"n1": 1, "n2": 1}, 2, two_node=True)))

    shown = "\n".join(lines)
    assert lines[0] == "6 single faults and 15 pairs of them; 2 services run."
    assert "  a        survives all   1 takes it down" in shown
    assert shown.count("node n1 is lost and fence device fence fails") == 1
    assert "not back: a, b." in shown
    assert "Votes as in the running cluster: n1 1, n2 1 (2 expected, two_node)." in shown
