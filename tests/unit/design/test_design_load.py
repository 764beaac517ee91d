"""A wrong model gives all its findings at once, each with its line and a remedy; a right one is read as written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.core.findings import Severity, errors
from ninefold.design import units
from ninefold.design.analysis import input_rows
from ninefold.design.drills import durations_s
from ninefold.design.library import KINDS, LAYERS
from ninefold.design.load import load, load_text
from ninefold.design.model import HOURS_PER_YEAR, AllOf, AtLeast, Use
from ninefold.design.source_yaml import BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

WRONG = """\
name: wrong
mission: 3 furlongs
parts:
  a: {kind: node, mtbf: -5 h, needs: b}
  b: {kind: nod, rate: 2 /y, mttr: 4, needs: a}
  c: {availability: 120 %}
  d: {mtbf: 1 y, rate: 1 /y}
  e: {mttr: 4 h, colour: red}
  f: {needs: {at-least: 3, of: [a, b]}}
  g: {maintenance: {every: 1 h, takes: 2 h}}
  h: {inside: [nowhere]}
groups:
  pair: {nodes: [a, x], needed: 3, quorum: 9, votes: {a: 1.5}}
services:
  web: {needs: [a, pairs], slo: 2}
  idle: {}
common-causes:
  image: {of: [a, missing], beta: -1 %}
extra: 1
"""

EXPECTED = {
    ("quantity", 2),  # mission
    ("quantity", 4),  # mtbf
    ("cycle", 4),
    ("kind", 5),
    ("quantity", 5),  # mttr without a unit
    ("quantity", 6),  # availability
    ("contradiction", 7),
    ("unknown-key", 8),
    ("at-least", 9),
    ("maintenance", 10),
    ("unknown-name", 11),
    ("unknown-name", 13),  # x
    ("needed", 13),
    ("quorum", 13),
    ("number", 13),  # votes
    ("unknown-name", 15),  # pairs
    ("quantity", 15),  # slo
    ("needs-nothing", 16),
    ("unknown-name", 18),
    ("quantity", 18),
    ("unknown-key", 19),
}


def test_everything_wrong_is_found_at_once_with_line_and_remedy() -> None:
    model, findings = load_text(WRONG, file="wrong.yaml")

    assert model is None
    found = {(f.code, f.line) for f in errors(findings)}
    assert found == EXPECTED
    assert all(f.file == "wrong.yaml" for f in findings)
    assert all(f.sentence.strip() and f.remedy.strip() for f in findings)
    assert [f.line for f in findings] == sorted(f.line for f in findings)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "empty", 1),
        ("- a\n- b\n", "empty", 1),
        ("name: x\nname: y\n", "twice", 2),
        ("parts:\n  a: {}\n  a: {}\n", "twice", 3),
        ("parts: {a: [}\n", "yaml", 1),
        ("parts: " + "[" * 5000, "deep", 1),
        ("parts:\n\ta: {}\n", "yaml", 2),
        ("a: \x00\n", "yaml", 0),
        ("x" * (BYTES_MAX + 1), "too-large", 0),
        ("parts: [a]\n", "mapping", 1),
        ("parts: {a: 3}\n", "mapping", 1),
        ("services: {s: {needs: {some: [a]}}}\n", "need", 1),
        ("services: {s: {needs: {any: []}}}\n", "need", 1),
        ("groups: {g: {nodes: {a: b}}}\n", "names", 1),
        ("groups: {g: {nodes: [a], needed: 0}}\n", "number", 1),
        ("groups: {g: {nodes: [a], two-node: perhaps}}\n", "flag", 1),
        ("groups: {g: {nodes: []}}\n", "no-nodes", 1),
        ("groups: {g: {nodes: [a], fencing: {}}}\n", "list", 1),
        ("groups: {g: {nodes: [a], corosync: not/there.conf}}\n", "missing-file", 1),
        ("parts: {a: {cost: .nan}}\n", "number", 1),
        ("parts: {a: {}}\nservices: {a: {needs: a}}\n", "twice", 2),
        ("parts: {a: {needs: s}}\nservices: {s: {needs: a}}\n", "upwards", 1),
        ("parts: {a: {crew: nobody}}\n", "unknown-name", 1),
        ("common-causes: {c: {of: [a]}}\n", "missing", 1),
        ("checklist: {67: yes}\n", "checklist", 1),
    ],
)
def test_a_mistake_is_named_where_it_stands(text: str, code: str, line: int) -> None:
    model, findings = load_text(text)

    assert model is None
    assert (code, line) in {(f.code, f.line) for f in findings}


def test_halves_that_could_both_act_and_betas_above_the_whole_are_errors() -> None:
    text = """\
parts: {a: {kind: node}, b: {kind: node}}
groups: {pair: {nodes: [a, b], quorum: 1}}
services: {web: {needs: pair}}
common-causes:
  one: {of: [a, b], beta: 60 %}
  two: {of: [a, b], beta: 60 %}
"""

    model, findings = load_text(text)

    assert model is None
    assert {(f.code, f.line) for f in errors(findings)} == {("quorum", 2), ("beta", 6)}


def test_tower_of_parts_is_named_and_not_climbed() -> None:
    tower = "".join(f"  p{n}: {{needs: p{n - 1}}}\n" for n in range(1, 200))

    model, findings = load_text(f"parts:\n  p0: {{}}\n{tower}services: {{s: {{needs: p199}}}}\n")

    assert model is None
    assert [f.code for f in errors(findings)] == ["deep"]


def test_thousand_unknown_names_are_a_thousand_findings() -> None:
    parts = "".join(f"  p{n}: {{needs: x{n}}}\n" for n in range(1000))

    _, findings = load_text(f"parts:\n{parts}services: {{s: {{needs: p1}}}}\n")

    assert sum(f.code == "unknown-name" for f in findings) == 1000


def test_what_nobody_needs_and_nothing_can_fence_are_warnings() -> None:
    text = """\
parts: {a: {kind: node}, b: {kind: node}, spare: {kind: disk}}
groups: {pair: {nodes: [a, b]}}
services: {web: {needs: pair}}
"""

    model, findings = load_text(text)

    assert model is not None
    warned = {(f.code, f.subject) for f in findings if f.severity is Severity.WARNING}
    assert warned == {("unreached", "spare"), ("unfenced", "pair")}


def test_a_file_is_read_as_it_is_written() -> None:
    text = """\
name: right
crews: {us: 2}
parts:
  a: &node {kind: node, mtbf: 1 y..4 y, mttr: 4 h, source: ours, capacity: {cpu: 8}}
  b: *node
  disk: {kind: disk}
groups:
  pair: {nodes: [a, b], two-node: yes, fencing-enabled: no}
services:
  web: {needs: [pair, {any: [disk, {at-least: 1, of: [a, b]}]}], slo: 99.9 %, rto: 2 min}
"""

    model, findings = load_text(text)

    assert model is not None, findings
    failures = model.parts["a"].failures
    assert failures is not None
    assert failures.value == pytest.approx(0.5 / HOURS_PER_YEAR)
    assert failures.error_factor == pytest.approx(2)
    assert (failures.source, failures.replace_me, failures.place.line) == ("ours", False, 4)
    disk = model.parts["disk"].failures
    assert disk is not None
    assert disk.replace_me
    web = model.services["web"]
    assert web.slo == pytest.approx(0.999)
    assert web.rto_s == pytest.approx(120)
    assert isinstance(web.needs, AllOf)
    assert web.needs.of[0] == Use("pair", web.needs.of[0].place)  # type: ignore[union-attr]
    assert isinstance(web.needs.of[1], AtLeast)
    rows = {(row.part, row.quantity): row for row in input_rows(model)}
    assert rows["a", "time between failures"].value == "2 y"
    assert rows["a", "time to repair"].value == "4 h"
    assert rows["disk", "time between failures"].replace_me
    assert rows["pair", "until a person helps"].value == "4 h"


def test_a_file_that_is_not_there_or_no_text_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"name: \xff")

    for path in (tmp_path / "absent", tmp_path, tmp_path / "latin"):
        model, (finding,) = load(path)
        assert model is None
        assert finding.code == "unreadable"
        assert finding.remedy


def test_every_kind_of_part_has_a_layer_a_source_and_a_flag_to_replace_it() -> None:
    for name, kind in KINDS.items():
        assert kind.layer in LAYERS, name
        assert kind.about, name
        assert kind.repair().source, name
        assert kind.repair().replace_me, name
        failures = kind.failures()
        if failures is not None:
            assert failures.source, name
            assert failures.replace_me, name
            assert failures.error_factor > 1, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90 min", 1.5), ("2 d", 48), ("1 y", 8766), ("1w", 168), ("500 ms", 0.5 / 3600), ("0 s", 0)],
)
def test_lengths(text: str, expected: float) -> None:
    assert units.hours(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"), [("2 /y", 2 / 8766), ("0.5 %/y", 0.005 / 8766), ("1e-5 per h", 1e-5)]
)
def test_rates(text: str, expected: float) -> None:
    assert units.rate(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "4", "h", "-1 h", "1 parsec", "1e9 y", "1,5 h", "٣ h"])
def test_what_is_no_length_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|use|0 or more|longer"):
        units.hours(text)


@pytest.mark.parametrize("text", ["", "1.2", "101 %", "-1 %", "half"])
def test_what_is_no_share_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|between|whole"):
        units.share(text)


def test_drills_are_read_from_one_result_a_list_or_lines() -> None:
    assert durations_s(b'{"downtime_s": 3.5}') == (3.5,)
    assert durations_s(b'[1, {"downtime_s": 2}]') == (1.0, 2.0)
    assert durations_s(b'{"downtime_s": 1}\n\n{"downtime_s": 2}\n') == (1.0, 2.0)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"x", b"\xff", b"[true]", b"[-1]", b"[1e99]"]
)
def test_what_is_no_drill_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it|drill"):
        durations_s(content)


def test_a_key_that_stands_twice_hides_nothing_else() -> None:
    _, findings = load_text(
        "parts:\n"
        "  a: {kind: nodde}\n"
        "  a: {kind: node, mttr: 3 h, mttr: 4 h}\n"
        "services:\n"
        "  s: {needs: [zz]}\n"
        "  s: {needs: [a]}\n"
    )

    found = [(f.code, f.subject, f.line) for f in errors(findings)]
    assert ("twice", "a", 3) in found
    assert ("twice", "mttr", 3) in found
    assert ("twice", "s", 6) in found
    assert ("kind", "a.kind", 2) in found
    assert ("unknown-name", "s", 5) in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mtbf: 60..200 d", "'60' has no unit; write 60 d"),
        ("mtbf: 60 d..200", "'200' has no unit; write 200 d"),
        ("rate: 1..4 /y", "'1' has no unit; write 1 /y"),
    ],
)
def test_a_range_with_one_unit_is_told_how_to_write_the_other(text: str, said: str) -> None:
    _, findings = load_text(f"parts:\n  a: {{{text}}}\nservices:\n  s: {{needs: a}}\n")

    sentence, remedy = said.split("; ")
    (found,) = errors(findings)
    assert found.sentence == f"{sentence}."
    assert found.remedy.lower().startswith(remedy)
