"""How what runs was started outlasts the daemon, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc
from ninefold.host.started import Started

if TYPE_CHECKING:
    from pathlib import Path

DONE = Outcome(Rc.OK, OpStatus.DONE)
FAILED = Outcome(Rc.ERROR, OpStatus.DONE)
NOT_RUNNING = Outcome(Rc.NOT_RUNNING, OpStatus.DONE)


def call(action: str, value: str = "1", resource: str = "db", standard: str = "ocf") -> Call:
    return Call(AgentName(standard, "t", "A"), resource, action, 0, 1000, {"address": value})


def kept(path: Path, boot: str = "first") -> list[tuple[str, str]]:
    """Return what the next daemon is told: the resources and the parameter of each."""
    return [(c.resource, c.parameters["address"]) for c in Started(path, boot).load()]


def test_a_start_is_kept_before_it_is_known_how_it_ends(tmp_path: Path) -> None:
    started = Started(tmp_path / "started", "first")

    started.before(call("start"))
    started.after(call("start"), FAILED)

    assert kept(tmp_path / "started") == [("db", "1")]


def test_what_was_stopped_or_was_not_found_is_not_kept(tmp_path: Path) -> None:
    started = Started(tmp_path, "first")
    for resource in ("a", "b", "c"):
        started.before(call("start", resource=resource))

    started.after(call("stop", resource="a"), DONE)
    started.after(call("monitor", resource="b"), NOT_RUNNING)
    started.after(call("stop", resource="c"), FAILED)

    assert kept(tmp_path) == [("c", "1")]


def test_a_reload_counts_when_it_has_succeeded(tmp_path: Path) -> None:
    started = Started(tmp_path, "first")
    started.before(call("start"))

    started.before(call("reload-agent", "2"))
    started.after(call("reload-agent", "2"), FAILED)
    assert kept(tmp_path) == [("db", "1")]
    started.after(call("reload-agent", "3"), DONE)

    assert kept(tmp_path) == [("db", "3")]


def test_nothing_outlasts_a_boot(tmp_path: Path) -> None:
    Started(tmp_path, "first").before(call("start"))

    assert kept(tmp_path, "second") == []


def test_a_fence_device_has_nothing_that_outlasts_the_daemon(tmp_path: Path) -> None:
    Started(tmp_path, "first").before(call("start", standard="stonith"))

    assert kept(tmp_path) == []


def test_names_and_files_of_any_kind(tmp_path: Path) -> None:
    started = Started(tmp_path, "first")
    for name in (".hidden", "a/b", "db:0"):
        started.before(call("start", resource=name))
    (tmp_path / "r-broken.json").write_text("{")

    assert sorted(name for name, _ in kept(tmp_path)) == [".hidden", "a/b", "db:0"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("r-*db*"))


def test_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert kept(tmp_path / "none") == []
