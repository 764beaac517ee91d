"""Laws of the document for all changes: deterministic, growing, exact, and never an exception."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ninefold.cib import codec
from ninefold.cib.apply import Refused, apply
from ninefold.cib.check import check
from ninefold.cib.diff import describe
from ninefold.cib.document import Cib, parse_xml
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    ClearMoves,
    ForgetHistory,
    ForgetOperation,
    MoveResource,
    NodeFenced,
    Operation,
    RecordOperation,
    ReplaceConfiguration,
    ReplaceHistory,
    SetMetaAttribute,
    SetNodeAttribute,
    SetNodeState,
    SetProperty,
    SetTransientAttribute,
    Version,
)

CONFIGURATION = """<configuration><crm_config/><nodes><node id="1" uname="a"/><node id="2" uname="b"/>
</nodes><resources><group id="g"><primitive id="p" class="ocf" provider="h" type="Dummy"/></group>
<clone id="c"><primitive id="q" class="systemd" type="x"/></clone></resources><constraints/>
</configuration>"""

words = st.sampled_from(["p", "q", "g", "c", "x", "stonith-enabled", "a b", "é#'\"<&>\n"])
words |= st.text(max_size=4)
values = st.none() | words
nodes = st.sampled_from([1, 2, 3]) | st.integers(-1, 2**63 - 1)
names = st.sampled_from(["a", "b", "d"]) | words
times = st.integers(0, 2**31) | st.integers(-(2**63), 2**63 - 1)
small = st.integers(-1, 20)
operations = st.builds(
    Operation,
    resource=words,
    agent_class=words,
    provider=words,
    agent_type=words,
    task=st.sampled_from(["start", "stop", "monitor", "promote", "migrate_to", "notify"]) | words,
    interval_ms=st.sampled_from([0, 1000, 10_000]) | small,
    call_id=small,
    rc=small,
    expected_rc=small,
    op_status=st.integers(-1, 7),
    transition=st.sampled_from(["4:uuid", "7", "", "x:y"]) | words,
    action_id=small,
    last_run=times,
    last_rc_change=times,
    exit_reason=words,
)
texts = st.sampled_from(
    [
        CONFIGURATION,
        CONFIGURATION.replace('"p"', '"r"'),
        f"<cib epoch='9'>{CONFIGURATION}</cib>",
        "<",
    ]
)
versions = st.none() | st.builds(Version, small, small, small)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(ReplaceConfiguration, texts | words, versions),
    st.builds(SetProperty, words, values),
    st.builds(SetNodeAttribute, names, words, values),
    st.builds(SetMetaAttribute, words, words, values),
    st.builds(MoveResource, words, st.none() | names, st.none() | names),
    st.builds(ClearMoves, words),
    st.builds(AddNodes, st.lists(st.tuples(nodes, names), max_size=3).map(tuple)),
    st.builds(
        SetNodeState,
        nodes,
        names,
        in_ccm=st.none() | st.booleans(),
        crmd=values,
        join=values,
        expected=values,
        shutdown=st.none() | times,
    ),
    st.builds(RecordOperation, nodes, operations, st.booleans(), st.booleans()),
    st.builds(ForgetOperation, nodes, words, words, small),
    st.builds(ForgetHistory, words, nodes),
    st.builds(
        ReplaceHistory,
        nodes,
        names,
        st.lists(operations, max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(NodeFenced, nodes, names, words, times),
    st.builds(SetTransientAttribute, nodes, words, values),
)
causes = st.builds(Cause, words, words, times, nodes)


def start() -> Cib:
    result = apply(Cib.empty("x"), ReplaceConfiguration(CONFIGURATION), Cause("", "", 0, 1))
    assert isinstance(result, Cib)
    return result


def test_every_kind_of_change_is_generated() -> None:
    assert len(get_args(Change)) == 14


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(changes, causes), max_size=12))
def test_any_sequence_of_changes_is_applied_or_refused_by_the_laws(
    sequence: list[tuple[Change, Cause]],
) -> None:
    cib = start()
    for change, cause in sequence:
        before = cib.to_xml()
        result = apply(cib, change, cause)

        # The input is never mutated, and the same input gives the same bytes.
        assert cib.to_xml() == before
        copied, _ = Cib.parse(before)
        assert copied is not None
        again = apply(copied, change, cause)
        if isinstance(result, Refused):
            assert result.findings
            assert again == result
            continue
        assert isinstance(again, Cib)
        assert again.digest() == result.digest()
        assert again.to_xml() == result.to_xml()

        # Versions grow strictly, or nothing happened at all.
        assert result is cib or result.version > cib.version
        assert (result is cib) == (result.to_xml() == before)

        # The text is the document.
        parsed, findings = Cib.parse(result.to_xml())
        assert parsed is not None, findings
        assert parsed.digest() == result.digest()
        assert parsed.to_xml() == result.to_xml()
        result.failures()
        result.fail_counts()
        describe(cib, result)
        cib = result


@settings(max_examples=100, deadline=None)
@given(changes)
def test_a_change_with_text_that_utf8_can_carry_comes_back_the_same(change: Change) -> None:
    try:
        data = codec.encode(change)
    except UnicodeEncodeError:
        return

    assert codec.decode(data) == change


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_a_change_or_malformed_and_nothing_else(data: bytes) -> None:
    try:
        change = codec.decode(data)
    except codec.MalformedChange:
        return
    assert isinstance(change, msgspec.Struct)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.sampled_from(CONFIGURATION), st.integers(0, 500))
def test_a_broken_document_never_raises(junk: str, place: int) -> None:
    text = "<cib>" + CONFIGURATION[:place] + junk + CONFIGURATION[place + 1 :] + "</cib>"

    cib, findings = Cib.parse(text)
    root, _ = parse_xml(text)

    assert (cib is None) == bool(findings)
    if root is not None:
        check(root)


PROGRAM = """
from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import *
cib = Cib.empty("x")
for n in range(1, 4):
    cib = apply(cib, AddNodes(((n, "n%d" % n),)), Cause("who", "why", n, n))
    op = Operation("p", "ocf", "h", "D", "monitor", 1000, n, 7, 0, 0, "1:u", 1, 5, 5)
    cib = apply(cib, RecordOperation(n, op, counts=True), Cause("who", "why", n, n))
    cib = apply(cib, SetProperty("p%d" % n, "v"), Cause("who", "why", n, n))
print(cib.digest())
"""


def test_the_document_is_the_same_under_every_hash_seed() -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    ]

    assert digests[0] == digests[1]
    assert len(digests[0]) == 65
