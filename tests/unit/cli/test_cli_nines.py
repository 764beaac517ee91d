"""`ninefold nines` as an operator sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

LOG = """start,end,service,planned,comment
2026-03-02 00:00,2026-03-02 00:10,shop,no,feed
2026-03-03 00:00,2026-03-03 04:00,shop,yes,kernel
"""


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["nines", *words])
    return result.exit_code, result.output


def test_the_table_of_the_book_to_the_digit() -> None:
    code, text = run("--table", "--json")

    assert code == 0
    rows = [(r["percent"], r["per_year"], r["per_month"], r["per_week"]) for r in json.loads(text)]
    assert rows == [
        ("90.0", "36.53 d", "73.05 h", "16.80 h"),
        ("99.0", "3.65 d", "7.31 h", "1.68 h"),
        ("99.9", "8.77 h", "43.83 min", "10.08 min"),
        ("99.99", "52.60 min", "4.38 min", "1.01 min"),
        ("99.999", "5.26 min", "26.30 s", "6.05 s"),
        ("99.9999", "31.56 s", "2.63 s", "0.60 s"),
    ]


def test_a_percentage_and_a_downtime_are_still_translated() -> None:
    assert "three nines" in run("99.95")[1]
    assert "99.954 %" in run("--downtime", "4h", "--per", "year")[1]


def test_a_log_says_what_is_left_of_the_budget(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(LOG)
    window = ("--from-date", "2026-03-01", "--to-date", "2026-03-31", "--slo", "99.95")

    code, text = run("--from", str(path), *window)
    data = json.loads(run("--from", str(path), *window, "--json")[1])

    assert code == 0
    assert "error budget 21.48 min, 11.48 min left" in text
    assert "planned 4.00 h (not counted" in text
    assert data["services"][0]["outages"] == 1
    assert data["services"][0]["kept"] is True


def test_an_overspent_budget_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(LOG)

    code, text = run(
        "--from", str(path), "--slo", "99.99", "--from-date", "2026-03-01", "--per", "month"
    )

    assert code == 1
    assert "overspent by" in text


def test_a_log_with_a_wrong_row_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(LOG + "soon,later,shop,no,\n")

    code, text = run("--from", str(path))

    assert code == 2
    assert "events.csv:4" in text.replace("\n", "")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("99.9", "--table"),
        ("99.9", "--slo", "99"),
        ("--from", "/nowhere/at/all.csv"),
        ("--downtime", "soon"),
        ("--downtime", "4h", "--per", "moon"),
        ("--downtime", "4"),
    ],
)
def test_wrong_usage_ends_with_2(words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_a_service_that_no_row_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(LOG)

    assert run("--from", str(path), "--service", "shp")[0] == 2


def test_a_window_with_a_beginning_alone_ends_now(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("start,end\n2020-01-01,2020-01-02\n")
    before = datetime.now(UTC)

    code, text = run("--from", str(path), "--from-date", "2019-12-31", "--json")

    data = json.loads(text)
    assert code == 0
    assert before <= datetime.fromisoformat(data["to"]) <= datetime.now(UTC)


def test_a_period_that_is_not_over_is_told_so_far_with_the_budget_of_all_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.csv"
    path.write_text("start,end\n2020-01-01,2020-01-02\n")
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    window = ("--from-date", yesterday, "--per", "month", "--slo", "99.9")

    code, text = run("--from", str(path), *window)

    assert code == 0
    assert ", so far (now is " in text.replace("\n", " ")
    assert "error budget 43.83 min, 43.83 min left" in text


def test_a_window_in_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("start,end\n2020-01-01,2020-01-02\n")

    code, text = run("--from", str(path), "--from-date", "9998-01-01")

    assert code == 2
    assert "in the future" in text


def test_days_and_parts_of_an_hour_are_lengths_too() -> None:
    assert run("--downtime", "1d", "--json")[1] == run("--downtime", "24h", "--json")[1]
    assert run("--downtime", "1.5 h", "--json")[1] == run("--downtime", "90min", "--json")[1]
