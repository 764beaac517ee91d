"""The worked examples: every file can be used, and the report and the figures beside them are what comes out.

`pytest --rewrite tests/unit/design/test_examples.py` accepts what was printed; read the diff before you commit it.
"""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.design.analysis import analyse
from ninefold.design.evidence import evidence_of
from ninefold.design.load import load

if TYPE_CHECKING:
    from ninefold.design.model import Infrastructure
    from ninefold.design.results import Report

EXAMPLES: Final = Path(__file__).parents[3] / "examples"
DIRECTORIES: Final = sorted(path.parent.name for path in EXAMPLES.glob("*/infrastructure.yaml"))
# In the order of the story; not every example has all of them.
ORDER: Final = ("before", "infrastructure", "improved", "token-1000")
MODELS: Final = [
    f"{directory}/{name}.yaml"
    for directory in DIRECTORIES
    for name in ORDER
    if (EXAMPLES / directory / f"{name}.yaml").is_file()
]
FIGURES: Final = re.compile(
    r"(<!-- figures, checked by a test -->\n\n)(.*?)(<!-- end -->)", re.DOTALL
)


@functools.cache
def model_of(name: str) -> Infrastructure:
    model, findings = load(EXAMPLES / name)
    assert not findings, "\n".join(map(str, findings))
    assert model is not None
    return model


@functools.cache
def report_of(name: str) -> Report:
    return analyse(model_of(name), samples=0)


def accept_or_compare(path: Path, printed: str, *, rewrite: bool) -> None:
    expected = path.read_text(encoding="utf-8") if path.is_file() else ""
    if printed == expected:
        return
    if rewrite:
        path.write_text(printed, encoding="utf-8")
        return
    lines = difflib.unified_diff(
        expected.splitlines(), printed.splitlines(), str(path.name), "printed", lineterm=""
    )
    pytest.fail("\n".join(lines), pytrace=False)


def test_every_model_of_the_examples_is_tested() -> None:
    found = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/*.yaml")}

    assert found == set(MODELS)
    assert len(DIRECTORIES) == 5


@pytest.mark.parametrize("name", MODELS)
def test_model_and_its_cluster_files_are_without_a_finding(name: str) -> None:
    # `load` notes errors of the cluster's files only; here not even a warning is wanted.
    model = model_of(name)

    found = [finding for group in model.groups.values() for finding in evidence_of(group).findings]

    assert [str(f) for f in found if f.severity.value != "info"] == []


@pytest.mark.parametrize("name", [p for p in MODELS if p.endswith("infrastructure.yaml")])
def test_checks_of_the_command_line_accept_the_cluster_files(name: str) -> None:
    for cib in sorted((EXAMPLES / name).parent.glob("*cib.xml")):
        result = CliRunner().invoke(app, ["cib", "check", str(cib)])

        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("directory", DIRECTORIES)
@pytest.mark.parametrize("verb", ["report", "compare"])
def test_text_beside_the_models_is_what_the_command_prints(
    directory: str, verb: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(EXAMPLES / directory)
    names = [name.partition("/")[2] for name in MODELS if name.startswith(f"{directory}/")]

    words = ["design", verb, *(["infrastructure.yaml"] if verb == "report" else names)]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "100"})

    assert result.exit_code == 0, result.output
    # What is only padding differs between terminals.
    printed = "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())
    path = EXAMPLES / directory / f"{verb}.txt"
    accept_or_compare(path, printed, rewrite=bool(request.config.getoption("--rewrite")))


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_figures_of_the_story_are_those_of_the_models(
    directory: str, request: pytest.FixtureRequest
) -> None:
    path = EXAMPLES / directory / "README.md"
    text = path.read_text(encoding="utf-8")

    assert FIGURES.search(text), "the README has no table of figures"
    printed = FIGURES.sub(lambda m: f"{m[1]}{figures(directory)}\n{m[3]}", text)

    accept_or_compare(path, printed, rewrite=bool(request.config.getoption("--rewrite")))


def figures(directory: str) -> str:
    """Return the table of a README: each model's services, what they lose, and what that costs."""
    rows = [
        "| model | service | availability | down a year | planned work | single points of failure | costs |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name in (m for m in MODELS if m.startswith(f"{directory}/")):
        cost = sum(part.cost for part in model_of(name).parts.values())
        for service in report_of(name).services:
            cells = (
                f"`{name.partition('/')[2]}`",
                service.service,
                f"{100 * service.availability:.3f} %",
                f"{service.minutes_per_year:.0f} min",
                f"{service.planned_minutes_per_year:.0f} min",
                str(len(service.spofs)),
                f"{cost:,.0f}" if cost else "",
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("directory", [d for d in DIRECTORIES if d != "lab-three-nodes"])
def test_what_was_changed_made_every_service_better(directory: str) -> None:
    before = report_of(f"{directory}/infrastructure.yaml").services
    after = report_of(f"{directory}/improved.yaml").services

    for old, new in zip(before, after, strict=True):
        assert new.minutes_per_year < old.minutes_per_year
        assert len(new.spofs) <= len(old.spofs)


@pytest.mark.parametrize(
    "name", ["two-node-drbd/improved.yaml", "lab-three-nodes/infrastructure.yaml"]
)
def test_life_under_the_real_scheduler_agrees_with_the_formulas(name: str) -> None:
    # Four sigma of the life's own interval: a life is one draw, and its seed is fixed.
    years = analyse(model_of(name), samples=0, policy_years=100, seed=1)

    assert not years.notes
    for lived, service in zip(years.policy, years.services, strict=True):
        half = (lived.high - lived.low) / 2
        assert abs(lived.availability - service.availability) < 2 * half
        assert lived.failovers_per_year > 0


def test_life_shows_the_ban_that_no_formula_sees() -> None:
    # By nodes and quorum the reports could run anywhere; by the CIB, on one node only.
    found = analyse(
        model_of("three-node-web-database/infrastructure.yaml"), samples=0, policy_years=100, seed=1
    )

    computed = {s.service: s.minutes_per_year for s in found.services}
    lived = {p.service: p.minutes_per_year for p in found.policy}
    assert lived["reports"] > 1.3 * computed["reports"]
    assert lived["shop"] < 1.3 * computed["shop"]


@pytest.mark.parametrize("name", ["infrastructure.yaml", "token-1000.yaml"])
def test_prediction_is_within_a_sixth_of_what_drills_measured(name: str) -> None:
    (prediction,) = report_of(f"lab-three-nodes/{name}").predictions
    measured = sorted(prediction.measured_s)
    middle = measured[len(measured) // 2]

    assert prediction.expected_s == pytest.approx(middle, rel=1 / 6)
    assert measured[-1] < prediction.bound_s
