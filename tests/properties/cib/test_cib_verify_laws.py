"""Whatever is done to a document, verifying it ends in findings, and never in anything else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.cib.contradictions import contradictions
from ninefold.cib.verify import verify
from ninefold.core.findings import Finding, errors
from ninefold.scheduler import schedule_document
from tests.unit.cib.test_cib_verify import RIGHT, WRONG, document, order, primitive

if TYPE_CHECKING:
    from random import Random

TEXTS = [*RIGHT.values(), *WRONG.values()]
PIECES = ("INFINITY", "-1", "999999999999999999999", "", "a", "id", "rsc", "\x7f", "é", "<", "&", '"',
          "<!--", "]]>", "<rule/>", "<group/>", "<clone id='q'/>", "clone-max", "%s")  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A document in which attributes, elements or letters were changed, dropped or doubled."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 6))):
        if not text:
            break
        start = draw(st.integers(0, len(text) - 1))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


@st.composite
def replaced(draw: st.DrawFn) -> str:
    """A well-formed document whose attributes hold other values, elements other children."""
    text = draw(
        st.sampled_from([*RIGHT.values(), *(t for t in WRONG.values() if "<resources>" in t)])
    )
    root = etree.fromstring(text)
    chance: Random = draw(st.randoms(use_true_random=False))
    elements = list(root.iter())
    for _ in range(draw(st.integers(1, 5))):
        one = chance.choice(elements)
        kind = draw(st.sampled_from(["value", "drop", "tag", "copy", "remove"]))
        if kind == "value" and one.keys():
            one.set(
                str(chance.choice(one.keys())),
                draw(st.sampled_from(["", "a", "b", "k", "-5", "z"])),
            )
        elif kind == "drop" and one.keys():
            del one.attrib[chance.choice(one.keys())]
        elif kind == "tag" and one is not root:
            one.tag = chance.choice(elements).tag
        elif kind == "copy" and one is not root:
            chance.choice(elements).append(etree.fromstring(etree.tostring(one)))
        elif kind == "remove" and one.getparent() is not None:
            one.getparent().remove(one)  # type: ignore[union-attr]
    return etree.tostring(root).decode()


def tell(findings: list[Finding]) -> None:
    for finding in findings:
        assert finding.sentence
        assert finding.remedy
        assert str(finding)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_letters_changed_anywhere_end_in_findings(text: str) -> None:
    tell(verify(text))


@settings(max_examples=400, deadline=None)
@given(replaced())
def test_elements_changed_anywhere_end_in_findings_and_what_passes_is_scheduled(text: str) -> None:
    findings = verify(text)

    tell(findings)
    if not errors(findings):
        # Nothing that was found good may break the policy engine.
        schedule_document(etree.fromstring(text), 1_800_000_000)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_findings(data: bytes) -> None:
    tell(verify(data))
    tell(verify(b"<cib>" + data))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=9))
def test_circles_are_found_exactly_where_a_slow_twin_sees_one(pairs: list[tuple[str, str]]) -> None:
    orders = "".join(order(f"o{number}", *pair) for number, pair in enumerate(pairs))
    root = etree.fromstring(document("".join(map(primitive, "abcde")), orders))
    configuration = root.find("configuration")
    assert configuration is not None

    found = [f for f in contradictions(configuration) if f.code == "order-cycle"]

    after = {one: {b for a, b in pairs if a == one} for one in "abcde"}
    for _ in after:
        for reached in after.values():
            reached |= {far for near in reached for far in after[near]}
    circles = {frozenset(b for b in after[a] if a in after[b]) for a in after if a in after[a]}
    told = {frozenset(re.findall(r"\b[a-e]\b", f.sentence.partition(" wait")[0])) for f in found}
    assert told == circles
