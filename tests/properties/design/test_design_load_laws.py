"""No text makes the loader fall: whatever is broken in a good file is a finding."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.core.findings import errors
from ninefold.design.analysis import analyse
from ninefold.design.load import load_text

GOOD = """\
name: shop
mission: 1 y
crews: {us: 2}
parts:
  feed: {kind: power-feed, rate: 0.5 /y, mttr: 2 h, spread: 3}
  n1: {kind: node, mtbf: 1 y..4 y, mttr: 4 h, needs: feed, capacity: {cpu: 8}}
  n2: {kind: node, needs: [feed, {any: [disk, feed]}], maintenance: {every: 30 d, takes: 1 h}}
  disk: {availability: 99.9 %, facts: {level: 1}}
  ipmi: {kind: fence-device}
groups:
  pair:
    nodes: [n1, n2]
    votes: {n1: 2}
    quorum: 2
    fencing: [{device: ipmi, targets: [n1, n2], success: 95 %}]
    failover: {time: 30 s, manual: 2 h, measured: [3 s, 4 s]}
services:
  web: {needs: [pair, {at-least: 1, of: [disk, n1]}], slo: 99.9 %, uses: {cpu: 2}}
common-causes:
  image: {of: [n1, n2], beta: 5 %}
checklist: {3: yes}
""".splitlines()
PIECES = st.sampled_from(
    [
        *("-1", "1e999", ".nan", ".inf", "*a", "&a x", "!!python/object:x y", "[", "{", "}", "]"),
        *(":", "- ", "\t", "\x00", "\u2028", "true", "~", "10 furlongs", "120 %", "&a [*a]"),
        *("<<: *a", "0x10", "2001-01-01", "'", '"', "|", "? x", "%YAML 9", "---", "..."),
        *("!!binary x", "!!set {a}", "9" * 400, "0 h", "1e308 y", "n1", "web", "pair", "[n1, n1]"),
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> str:
    lines = list(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = draw(st.integers(0, len(line)))
        key = line.partition(":")[0]
        lines[at] = draw(
            st.sampled_from(["", line[:cut], line[cut:], " " + line, f"{line}\n{line}"])
            | PIECES.map(lambda piece: line[:cut] + piece + line[cut:])  # noqa: B023
            | PIECES.map(lambda piece: f"{key}: {piece}")  # noqa: B023
        )
        lines = "\n".join(lines).split("\n")
    return "\n".join(lines)


@given(broken())
@settings(max_examples=150)
def test_a_broken_file_is_findings_and_never_an_exception(text: str) -> None:
    model, findings = load_text(text)

    assert (model is None) == bool(errors(findings))
    assert all(f.sentence and f.remedy for f in findings)
    if model is not None:
        report = analyse(model, samples=10)
        assert all(0 <= service.availability <= 1 for service in report.services)


@given(st.text(max_size=60))
def test_any_text_is_findings(text: str) -> None:
    model, findings = load_text(text)

    assert model is None
    assert errors(findings)
