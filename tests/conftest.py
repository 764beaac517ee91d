"""What all tests share: scenario files as tests, Hypothesis without chance, system tests."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The suite gives the same verdict every time; HYPOTHESIS_PROFILE=search looks for new failures by
# chance.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="accept what the scenarios printed; read the diff before you commit it",
    )
    parser.addoption(
        "--require-system",
        action="store_true",
        help="a system test that is skipped is a failure: this machine can run them all",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Scenario | None:
    if file_path.suffix != ".scenario":
        return None
    return Scenario.from_parent(parent, path=file_path)


class Scenario(pytest.File):
    def collect(self) -> Iterator[Replay]:
        yield Replay.from_parent(self, name="replay")


class Replay(pytest.Item):
    """Play a scenario, compare its whole text with what really happened."""

    def runtest(self) -> None:
        from ninefold.sim.scenario import play

        expected = self.path.read_text()
        printed = play(expected)
        if printed == expected:
            return
        if self.config.getoption("--rewrite"):
            self.path.write_text(printed)
            return
        lines = difflib.unified_diff(
            expected.splitlines(), printed.splitlines(), "expected", "printed", lineterm=""
        )
        pytest.fail("\n".join(lines), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"scenario {self.path.stem}"


@functools.cache
def reason_to_skip_system_tests() -> str:
    """Return why this user can have no hosts on this machine; empty if they can.

    Root is not needed where the kernel permits user namespaces. A test that needs more than the lab
    gives looks for it by itself.
    """
    if sys.platform != "linux":
        return "system tests need Linux"
    from ninefold.lab import start

    return start.permitted()


# Before xdist's own, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("system") is None:
            continue
        if reason := reason_to_skip_system_tests():
            item.add_marker(pytest.mark.skip(reason=reason))
        elif item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        if config.pluginmanager.hasplugin("xdist"):
            # They share this machine's kernel, its ports and its cores: one worker runs them all.
            item.add_marker(pytest.mark.xdist_group("system"))


# Written by the process that prints the summary only: with xdist that is the controller.
_skipped_system_tests: list[str] = []


def pytest_collection_finish(session: pytest.Session) -> None:
    # A version of pytest or xdist that loses the groups would let labs disturb each other in silence.
    if os.environ.get("PYTEST_XDIST_WORKER") and session.config.getvalue("loadgroup"):
        grouped = [item for item in session.items if item.get_closest_marker("xdist_group")]
        assert all(item.nodeid.endswith("@system") for item in grouped), "xdist lost its groups"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "system" in report.keywords:
        _skipped_system_tests.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    required = session.config.getoption("--require-system")
    if required and _skipped_system_tests and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--require-system") and _skipped_system_tests:
        terminalreporter.section("system tests were skipped, though this machine can run them")
        for nodeid in sorted(_skipped_system_tests):
            terminalreporter.write_line(nodeid)
