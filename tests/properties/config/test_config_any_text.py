"""No text and no bytes make the reader of `corosync.conf` raise, or stay silent about what is wrong."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.config.grammar import decode, parse
from ninefold.config.keys import KEYS, SECTIONS
from ninefold.config.ledger import FINDINGS_MAX
from ninefold.config.load import authkey, check, load
from ninefold.config.surroundings import Surroundings, wanted
from ninefold.core.findings import errors

HERE = Surroundings(hostnames=("n1",), addresses=("127.0.0.1",))

_names = st.sampled_from([path.rpartition(".")[2] for path in KEYS])
_values = st.one_of(
    st.sampled_from(["1", "0", "yes", "-1", "99999999999999999999999", "::1", "n1", "10.0.0.1"]),
    st.text(max_size=20),
)
_lines = st.one_of(
    st.builds(lambda key, value: f"{key}: {value}", _names, _values),
    st.sampled_from([f"{section.rpartition('.')[2]} {{" for section in SECTIONS]),
    st.sampled_from(["}", "}", "", "# comment", "{", ": 5", "device {", "node {", "x" * 600]),
    st.text(max_size=30),
)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=2000))
def test_no_bytes_raise(data: bytes) -> None:
    config, findings = load(decode(data), file="f", surroundings=HERE)

    assert (config is None) == bool(errors(findings))


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(_lines, max_size=60))
def test_no_lines_of_the_format_raise(lines: list[str]) -> None:
    text = "\n".join(lines)

    report = check(text, "f", HERE)

    wanted(parse(text)[0])
    authkey(text, HERE)
    assert report.accepted == (not errors(report.findings))
    assert len(report.findings) <= 2 * (FINDINGS_MAX + 1)
    assert all(0 <= finding.line <= text.count("\n") + 1 for finding in report.findings)


def test_deep_nesting_is_a_finding() -> None:
    tree, findings = parse("a {\n" * 50_000)

    depth = 0
    while tree.sections:
        tree, depth = tree.sections[0], depth + 1
    assert depth <= 127
    assert "path-too-long" in {finding.code for finding in findings}
