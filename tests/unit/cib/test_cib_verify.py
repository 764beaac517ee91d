"""Everything wrong with a document, at once, with lines and remedies."""

from __future__ import annotations

import itertools

import pytest

from ninefold.cib.verify import verify
from ninefold.core.findings import Severity

HEAD = """<cib epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config/>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources>
<primitive id="f" class="stonith" type="x"/>
"""
TAIL = "\n</configuration><status/></cib>\n"


def primitive(name: str, inner: str = "", template: str = "") -> str:
    kind = f'template="{template}"' if template else 'class="ocf" provider="p" type="t"'
    return f'<primitive id="{name}" {kind}>{inner}</primitive>'


ABC = "".join(primitive(name) for name in "abc")
GROUP = f'<group id="g">{primitive("a")}{primitive("b")}</group>{primitive("c")}'


def document(resources: str = ABC, constraints: str = "", more: str = "") -> str:
    return (
        f"{HEAD}{resources}</resources>\n<constraints>\n{constraints}\n</constraints>{more}{TAIL}"
    )


def order(name: str, first: str, then: str, more: str = "") -> str:
    return f'<rsc_order id="{name}" first="{first}" then="{then}" {more}/>'


def colocation(name: str, one: str, other: str, score: str, more: str = "") -> str:
    return f'<rsc_colocation id="{name}" rsc="{one}" with-rsc="{other}" score="{score}" {more}/>'


def location(name: str, resource: str, node: str, score: str) -> str:
    return f'<rsc_location id="{name}" rsc="{resource}" node="{node}" score="{score}"/>'


CLONE = f'<clone id="k">{{}}{primitive("a")}</clone>{primitive("b")}'
META = '<meta_attributes id="m"><nvpair id="mv" name="{}" value="{}"/></meta_attributes>'

WRONG = {
    "order-cycle": document(constraints=order("o1", "a", "b") + order("o2", "b", "a")),
    "order-cycle through a group": document(GROUP, order("o", "b", "a")),
    "order-cycle through a set": document(
        constraints='<rsc_order id="o"><resource_set id="s"><resource_ref id="a"/>'
        '<resource_ref id="b"/></resource_set></rsc_order>' + order("o2", "b", "a")
    ),
    "order-cycle over a group": document(GROUP, order("o", "g", "c") + order("p", "c", "a")),
    "colocation-contradiction": document(
        constraints=colocation("c1", "a", "b", "INFINITY") + colocation("c2", "a", "b", "-INFINITY")
    ),
    "colocation-contradiction over a third": document(
        constraints=colocation("c1", "a", "b", "INFINITY")
        + colocation("c2", "b", "c", "INFINITY")
        + colocation("c3", "c", "a", "-INFINITY")
    ),
    "colocation-contradiction in a group": document(GROUP, colocation("c", "b", "a", "-INFINITY")),
    "location-contradiction": document(
        constraints=location("l1", "a", "n1", "INFINITY") + location("l2", "a", "n1", "-INFINITY")
    ),
    "absurd-size": document(CLONE.format(META.format("clone-max", "1000000"))),
    "absurd-size of a bundle": document(
        '<bundle id="b"><podman image="i" replicas="99999"/></bundle>'
    ),
    "bad-count": document(CLONE.format(META.format("clone-max", "many"))),
    "unknown-template": document(primitive("a", template="t")),
    "unknown-id-ref": document(primitive("a", '<operations id-ref="ops"/>')),
    "unknown-tagged": document(more='<tags><tag id="t"><obj_ref id="z"/></tag></tags>'),
    "unknown-device": document(
        more='<fencing-topology><fencing-level id="l" index="1" target="n1" devices="f,zz"/>'
        "</fencing-topology>"
    ),
    "unknown-resource": document(constraints=order("o", "a", "z")),
    "incomplete order": document(constraints='<rsc_order id="o" first="a"/>'),
    "incomplete location": document(constraints='<rsc_location id="l" rsc="a"/>'),
    "incomplete ticket": document(constraints='<rsc_ticket id="t" rsc="a"/>'),
    "itself": document(constraints=order("o", "a", "a")),
    "bad-pattern": document(
        constraints='<rsc_location id="l" rsc-pattern="(" node="n1" score="1"/>'
    ),
    "cib-syntax": "<cib><configuration>",
    "cib-root": "<cluster/>",
    "cib-shape": "<cib/>",
}


@pytest.mark.parametrize("what", WRONG)
def test_error_is_found_with_its_line_and_a_remedy(what: str) -> None:
    findings = [f for f in verify(WRONG[what], "x.xml") if f.code == what.split(maxsplit=1)[0]]

    assert findings
    assert all(f.severity is Severity.ERROR and f.file == "x.xml" for f in findings)
    assert all(f.line > 0 and f.remedy and f.sentence.endswith(".") for f in findings)


RIGHT = {
    "plain": document(),
    "optional circle": document(
        constraints=order("o1", "a", "b") + order("o2", "b", "a", 'kind="Optional"')
    ),
    "circle of score 0": document(
        constraints=order("o1", "a", "b") + order("o2", "b", "a", 'score="0"')
    ),
    "order against that of stops": document(
        constraints=order("o1", "a", "b")
        + order("o2", "b", "a", 'first-action="stop" then-action="stop" symmetrical="false"')
    ),
    "with its start, away from its promotion": document(
        constraints=colocation("c1", "a", "b", "INFINITY")
        + colocation("c2", "a", "b", "-INFINITY", 'with-rsc-role="Promoted"')
    ),
    "apart on a wish": document(
        constraints=colocation("c1", "a", "b", "INFINITY") + colocation("c2", "a", "b", "-100")
    ),
    "one with a clone, another of it away": document(
        CLONE.format("") + primitive("d"),
        colocation("c1", "b", "k", "INFINITY") + colocation("c2", "d", "k", "-INFINITY"),
    ),
    "both follow a third": document(
        constraints=colocation("c1", "a", "c", "INFINITY") + colocation("c2", "b", "c", "INFINITY")
    ),
    "clone of thirty": document(CLONE.format(META.format("clone-max", "30"))),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_can_hold_is_not_complained_about(what: str) -> None:
    assert verify(RIGHT[what]) == []


def test_banned_from_every_node_is_a_warning() -> None:
    text = document(
        constraints=location("l1", "a", "n1", "-INFINITY") + location("l2", "a", "N2", "-INFINITY")
    )

    findings = verify(text)

    assert [(f.code, f.severity) for f in findings] == [("runs-nowhere", Severity.WARNING)]
    assert "l1" in findings[0].sentence


def test_everything_is_told_at_once_by_line() -> None:
    text = document(
        ABC + primitive("a"),
        order("o1", "a", "z") + "\n" + location("l1", "q", "n1", "x") + "\n<rsc_order id='o3'/>",
    )

    findings = verify(text)

    codes = [f.code for f in findings]
    assert {"duplicate-id", "unknown-resource", "bad-score", "incomplete"} <= set(codes)
    assert codes.count("unknown-resource") == 2
    assert [f.line for f in findings] == sorted(f.line for f in findings)


def test_line_is_that_of_the_file_however_it_is_laid_out() -> None:
    text = "\n\n\n" + document(constraints="\n\n\n\n" + order("o", "a", "z")).replace(
        "<resources>", "\n\n<resources>"
    )
    wanted = next(n for n, line in enumerate(text.splitlines(), 1) if "rsc_order" in line)

    assert [f.line for f in verify(text.strip("\n")) if f.code == "unknown-resource"] == [
        wanted - 3
    ]


def test_long_circles_and_deep_chains_are_walked_without_recursion() -> None:
    names = [f"r{number}" for number in range(3000)]
    chain = "".join(order(f"o{one}", one, then) for one, then in itertools.pairwise(names))
    text = document("".join(map(primitive, names)), chain + order("back", names[-1], names[0]))

    findings = [f for f in verify(text) if f.code == "order-cycle"]

    assert len(findings) == 1
    assert len(findings[0].sentence) < 1000


def prop(name: str, value: str) -> str:
    return (
        '</constraints><crm_config><cluster_property_set id="set">'
        f'<nvpair id="pair" name="{name}" value="{value}"/></cluster_property_set></crm_config>'
        "<constraints>"
    )


def level(index: str, devices: str) -> str:
    return (
        f'</constraints><fencing-topology><fencing-level id="v" target="n1" index="{index}"'
        f' devices="{devices}"/></fencing-topology><constraints>'
    )


RULE = '<rsc_location id="l" rsc="a"><rule id="r" score="1">{}</rule></rsc_location>'


@pytest.mark.parametrize(
    ("resources", "constraints", "code"),
    [
        (ABC, prop("no-quorum-policy", "sometimes"), "bad-value"),
        (ABC, prop("stonith-enabled", "perhaps"), "bad-value"),
        (ABC, prop("placement_strategy", "tetris"), "bad-value"),
        (ABC, prop("batch-limit", "many"), "bad-number"),
        (ABC, prop("no-quorum-polici", "stop"), "unknown-property"),
        (ABC, '<rsc_order id="o" first="a" then="b" kind="Perhaps"/>', "bad-value"),
        (ABC, '<rsc_order id="o" first="a" then="b" first-action="dance"/>', "bad-value"),
        (ABC, colocation("k", "a", "b", "INFINITY", 'with-rsc-role="King"'), "bad-value"),
        (ABC, '<rsc_order id="o"><resource_set id="s"/></rsc_order>', "empty-set"),
        (ABC, '<rsc_order id="a b" first="a" then="b"/>', "bad-id"),
        (ABC, RULE.format(""), "empty-rule"),
        (ABC, RULE.format('<expression id="e" attribute="x" operation="near"/>'), "bad-value"),
        (ABC, RULE.format('<expression id="e" attribute="x" operation="eq"/>'), "incomplete"),
        (ABC, RULE.format('<date_expression id="e" operation="gt" start="soon"/>'), "bad-date"),
        (ABC, RULE.format('<date_expression id="e" operation="gt"/>'), "incomplete"),
        (
            ABC,
            RULE.format(
                '<date_expression id="e" operation="date_spec"><date_spec id="d" hours="25-9"/>'
                "</date_expression>"
            ),
            "bad-date",
        ),
        (primitive("a", '<utilization id="u"><nvpair id="n" name="cpu" value="much"/></utilization>'),
         "", "bad-number"),
        (primitive("a", '<meta_attributes id="m"><nvpair id="n" name="target-role" value="Up"/>'
                        "</meta_attributes>"), "", "bad-value"),
        (primitive("a", '<operations><op id="p" name="monitor" interval="5" on-fail="cry"/>'
                        "</operations>"), "", "bad-value"),
        (f'<group id="g">{primitive("a")}<group id="h">{primitive("b")}</group></group>', "",
         "bad-nesting"),
        (f'<clone id="g"><clone id="h">{primitive("b")}</clone></clone>', "", "bad-nesting"),
        (f'<bundle id="g"><network control-port="9"/>{primitive("b")}</bundle>', "", "bad-bundle"),
        (f'<bundle id="g"><podman image="i"/>{primitive("b")}</bundle>', "", "bad-bundle"),
        ('<bundle id="g"><podman image="i"/><network ip-range-start="fd00::1"/></bundle>', "", "bad-address"),
        (ABC, level("0", "f"), "bad-level"),
        (ABC, level("1", "a"), "unknown-device"),
    ],
)  # fmt: skip
def test_value_that_means_nothing_is_found_with_a_remedy(
    resources: str, constraints: str, code: str
) -> None:
    found = [one for one in verify(document(resources, constraints)) if one.code == code]

    assert len(found) == 1
    assert found[0].line > 0
    assert found[0].remedy


def test_an_old_document_that_turns_fencing_off_is_understood() -> None:
    text = document(constraints=prop("stonith_enabled", "false")).replace(
        'class="stonith"', 'class="lsb"'
    )

    assert [one for one in verify(text) if one.code == "no-fence-device"] == []
