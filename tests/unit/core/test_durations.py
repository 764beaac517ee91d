"""Lengths of time in documents and metadata."""

from __future__ import annotations

import pytest

from ninefold.core.durations import millis


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20", 20_000), ("20s", 20_000), ("1500ms", 1500), ("2min", 120_000), ("1h", 3_600_000),
     ("1HR", 3_600_000), ("2999us", 2), (" 5 s ", 5000), ("0", 0)],
)  # fmt: skip
def test_number_with_its_unit(text: str, expected: int) -> None:
    assert millis(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT30S", 30_000), ("PT1H30M", 5_400_000), ("P1D", 86_400_000), ("P1W", 604_800_000),
     ("P1M", 2_592_000_000), ("PT1M", 60_000), ("P1Y", 31_536_000_000)],
)  # fmt: skip
def test_span_as_iso_8601_writes_it(text: str, expected: int) -> None:
    assert millis(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-1", "soon", "5 weeks", "1.5s", "P", "PT", "PT1.5S", "٣", "9" * 16]
)
def test_what_is_no_length_of_time_is_none(text: str) -> None:
    assert millis(text) is None
