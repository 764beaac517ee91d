"""The project's own papers agree with each other: pins, dependencies, changelog fragments."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    """Return the normalized name at the beginning of a requirement (PEP 503)."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def dependencies() -> list[str]:
    groups = PROJECT["dependency-groups"].values()
    grouped = [each for group in groups for each in group if isinstance(each, str)]
    return sorted({name_of(each) for each in [*PROJECT["project"]["dependencies"], *grouped]})


def pins() -> list[str]:
    lines = (TOP / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("dependency", dependencies())
def test_dependency_is_pinned_and_has_its_sentence(dependency: str) -> None:
    assert dependency in {name_of(pin) for pin in pins()}, "run `make constraints`"
    assert dependency in (TOP / "docs" / "dependencies.md").read_text().lower(), (
        f"say in docs/dependencies.md why {dependency} is worth it"
    )


def test_pins_are_exact_and_name_no_address() -> None:
    exact = re.compile(r"[a-z0-9-]+==[\w.+!]+(?: ; .+)?")
    assert [pin for pin in pins() if not exact.fullmatch(pin)] == []


def test_changelog_fragments_have_a_known_type() -> None:
    types = "|".join(each["directory"] for each in PROJECT["tool"]["towncrier"]["type"])
    fragment = re.compile(rf"(?:\d+|\+[\w-]+)\.(?:{types})(?:\.\d+)?\.md|README\.md")
    names = sorted(path.name for path in (TOP / "changes").iterdir() if path.name[0] != ".")
    assert [name for name in names if not fragment.fullmatch(name)] == []


def test_packages_are_listed_once_one_a_line() -> None:
    lines = (TOP / "packaging" / "debian-packages.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert packages
    assert [each for each in packages if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", each)] == []
    assert len(packages) == len(set(packages))


def test_unit_waits_only_for_a_notice_that_the_daemon_gives() -> None:
    # With Type=notify a daemon that never says READY=1 is killed when its start times out.
    unit = (TOP / "packaging" / "ninefoldd.service").read_text()
    daemon = "".join(
        path.read_text()
        for layer in ("daemon", "host", "cli")
        for path in sorted((TOP / "src" / "ninefold" / layer).rglob("*.py"))
    )
    for promised, kept in [("Type=notify", "READY=1"), ("\nWatchdogSec=", "WATCHDOG=1")]:
        assert (promised in unit) <= (kept in daemon), f"{promised.strip()} needs {kept}"
