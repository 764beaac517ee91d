"""Real documents come through the document, its check and its changes unharmed."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from ninefold.cib.apply import apply
from ninefold.cib.check import check
from ninefold.cib.document import Cib
from ninefold.cib.model import Cause, ForgetHistory, SetNodeState, SetProperty
from ninefold.core.findings import errors

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "scheduler" / "xml"
FILES = sorted(CORPUS.glob("*.xml"))
CAUSE = Cause("alice", "test", 1, 1)

# Its subject is what Pacemaker makes of times that are none.
WRONG_ON_PURPOSE = {"intervals.xml": ["bad-time"]}


def facts(root: etree._Element) -> list[tuple[str, list[tuple[str, str]]]]:
    elements = (e for e in root.iter(etree.Element))
    return [(str(e.tag), sorted((str(k), str(v)) for k, v in e.items())) for e in elements]


@pytest.mark.skipif(not FILES, reason="the recorded documents are not here")
def test_every_recorded_document_survives_the_round_trip_and_changes() -> None:
    for path in FILES:
        data = path.read_bytes()
        cib, findings = Cib.parse(data)
        assert cib is not None, (path.name, findings)

        # All that was in the file is in the document, in the same order within each section.
        before = facts(etree.fromstring(data))
        assert sorted(facts(cib.root)[1:]) == sorted(before[1:]), path.name
        again, _ = Cib.parse(cib.to_xml())
        assert again is not None
        assert again.digest() == cib.digest(), path.name

        # A document that a cluster ran with is no operator's mistake.
        wrong = [finding.code for finding in errors(check(cib.root))]
        assert wrong == WRONG_ON_PURPOSE.get(path.name, []), path.name

        version = cib.version
        for change in (
            SetProperty("x", "y"),
            ForgetHistory(),
            SetNodeState(77, "n", crmd="online"),
        ):
            result = apply(cib, change, CAUSE)
            assert isinstance(result, Cib), (path.name, result)
            cib = result
        assert cib.version > version
        assert cib.failures() == ()
