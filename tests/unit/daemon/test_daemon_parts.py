"""The parts of the daemon that have no ring: what it begins from, its log, systemd, its own bugs."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ninefold.config.model import LoggingOptions
from ninefold.daemon.journal import FOLLOWER_EVENTS_MAX, Journal
from ninefold.daemon.logs import LINES_WAITING_MAX, Spool, open_log
from ninefold.daemon.notify import beat, beat_period_s, tell_systemd
from ninefold.daemon.settings import CannotStart, Settings, begin
from ninefold.host.store import Limits, Store
from ninefold.node.events import Happened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONF = (
    "totem {\n version: 2\n cluster_name: c\n crypto_cipher: none\n crypto_hash: none\n}\n"
    "nodelist {\n node {\n  nodeid: 1\n  name: n1\n  ring0_addr: 127.0.0.1\n }\n}\n"
    "quorum {\n provider: corosync_votequorum\n}\n"
)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers = []
    yield root
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    logging.raiseExceptions = True


def quiet(**options: object) -> LoggingOptions:
    silent = {"to_stderr": False, "to_syslog": False}
    return LoggingOptions(**(silent | options))  # type: ignore[arg-type] # a test's short hand


def settings(tmp_path: Path) -> Settings:
    (tmp_path / "corosync.conf").write_text(CONF.replace("n1", socket.gethostname()))
    return Settings(
        config=tmp_path / "corosync.conf", state=tmp_path / "state", run=tmp_path / "run"
    )


# What it begins from.


def test_everything_in_the_way_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    (tmp_path / "cib.xml").write_text("<cib")
    wrong = Settings(
        config=tmp_path / "none.conf", state=tmp_path / "state", cib=tmp_path / "cib.xml"
    )

    with pytest.raises(CannotStart) as problem:
        begin(wrong)

    codes = [finding.code for finding in problem.value.findings]
    assert "conf-unreadable" in codes
    assert "state-unusable" in codes
    assert any(finding.file.endswith("cib.xml") for finding in problem.value.findings)


def test_damaged_store_is_a_finding_with_the_command_that_helps(tmp_path: Path) -> None:
    begun = settings(tmp_path)
    begun.state.mkdir()
    (begun.state / "ninefold.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(CannotStart) as problem:
        begin(begun)

    assert ["set-aside" in finding.remedy for finding in problem.value.findings] == [True]


def test_second_daemon_with_the_same_state_is_told_so(tmp_path: Path) -> None:
    begun = settings(tmp_path)
    first = begin(begun)

    with pytest.raises(CannotStart, match="stop the other"):
        begin(begun)

    first.store.close()


def test_damaged_ring_number_is_a_finding(tmp_path: Path) -> None:
    begun = settings(tmp_path)
    begun.state.mkdir()
    (begun.state / "ring-seq").write_bytes(b"abc")

    with pytest.raises(CannotStart, match="number of the last ring is lost"):
        begin(begun)


def test_highest_expected_votes_are_read_where_they_are_tracked(tmp_path: Path) -> None:
    begun = settings(tmp_path)
    begun.state.mkdir()
    (begun.state / "ev_tracking").write_text("5\n")
    untracked = begin(begun)
    untracked.store.close()

    conf = begun.config.read_text().replace("votequorum", "votequorum\n expected_votes_tracking: 1")
    begun.config.write_text(conf)
    tracked = begin(begun)
    tracked.store.close()

    assert (untracked.expected_floor, tracked.expected_floor) == (0, 5)
    (begun.state / "ev_tracking").write_text("many\n")
    with pytest.raises(CannotStart, match="highest expected votes are lost"):
        begin(begun)


# The event log.


def test_full_store_costs_the_log_not_the_followers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The database's own bound stands for a full disk: SQLite says the same of both.
    store = Store(tmp_path, Limits(database_bytes=100_000))
    journal = Journal(store, "n1")
    long = "x" * 30_000

    async def live() -> int:
        queue = journal.subscribe()
        for _ in range(10):
            journal.write(Happened("fenced", long))
        journal.close()
        return len(list(iter(queue.get_nowait, None)))

    assert asyncio.run(live()) == 10
    store.close()
    assert journal.lost > 0
    complaints = [r for r in caplog.records if "cannot be kept" in r.getMessage()]
    assert len(complaints) == 1


def test_follower_that_falls_behind_is_told_the_end(tmp_path: Path) -> None:
    store = Store(tmp_path)
    journal = Journal(store, "n1")

    async def live() -> int:
        queue = journal.subscribe()
        for _ in range(FOLLOWER_EVENTS_MAX + 10):
            journal.write(Happened("noise", "again"))
        return len(list(iter(queue.get_nowait, None)))

    assert asyncio.run(live()) == FOLLOWER_EVENTS_MAX
    store.close()


# The log.


@pytest.mark.usefixtures("root_logger")
def test_log_goes_to_the_file_that_the_configuration_names(tmp_path: Path) -> None:
    file = tmp_path / "log" / "corosync.log"
    options = quiet(to_logfile=True, logfile=str(file), timestamp="off")
    spool, findings = open_log(options)

    logging.getLogger("ninefold").info("a %s", "line")
    logging.getLogger("ninefold").debug("a detail")
    spool.close()

    assert findings == []
    assert file.read_text() == "INFO a line\n"


@pytest.mark.usefixtures("root_logger")
def test_debug_is_switched_on_by_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "corosync.log"
    options = quiet(to_logfile=True, logfile=str(file), timestamp="off", debug="on")
    spool, _ = open_log(options)

    logging.getLogger("ninefold").debug("a detail")
    spool.close()

    assert file.read_text() == "DEBUG a detail\n"


@pytest.mark.usefixtures("root_logger")
def test_log_reaches_the_systems_socket_without_a_time(tmp_path: Path) -> None:
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(path))
        syslog.settimeout(10)
        spool, findings = open_log(quiet(to_syslog=True), syslog=path)

        logging.getLogger("ninefold").warning("careful")

        # Facility daemon (3), severity warning (4): 3 * 8 + 4.
        assert syslog.recv(1024) == b"<28>ninefoldd: careful"
        spool.close()
    assert findings == []


@pytest.mark.usefixtures("root_logger")
def test_log_file_that_cannot_be_written_leaves_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    options = quiet(to_logfile=True, logfile=str(tmp_path / "file" / "log"))

    spool, findings = open_log(options)
    logging.getLogger("ninefold").error("loud")
    spool.close()

    assert [finding.subject for finding in findings] == ["logging.logfile"]
    assert "ERROR loud" in capsys.readouterr().err


def test_log_whose_target_hangs_holds_nobody_up() -> None:
    class Stuck(logging.Handler):
        """A terminal that somebody stopped with Ctrl-S."""

        released = threading.Event()

        def emit(self, record: logging.LogRecord) -> None:
            self.released.wait(30)

    spool = Spool([Stuck()])
    record = logging.LogRecord("ninefold", logging.INFO, "", 0, "line", None, None)

    began = time.monotonic()
    for _ in range(LINES_WAITING_MAX + 11):
        spool.emit(record)
    took_s = time.monotonic() - began

    # One line is with the thread, or still in the queue.
    assert spool.lost in (10, 11)
    assert took_s < 5
    Stuck.released.set()
    spool.close()


# systemd.


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_systemd_is_told_in_one_message(manager: socket.socket) -> None:
    tell_systemd("READY=1", "STATUS=well")

    assert manager.recv(1024) == b"READY=1\nSTATUS=well"


def test_watchdog_is_fed_twice_as_often_as_it_wants(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")

    async def live() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(beat(), 0.1)

    asyncio.run(live())

    assert beat_period_s() == 0.01
    assert [manager.recv(1024) for _ in range(3)] == [b"WATCHDOG=1"] * 3


@pytest.mark.parametrize(
    ("usec", "pid"), [("", ""), ("soon", "0"), ("1000", "1")], ids=["unset", "no number", "others'"]
)
def test_watchdog_that_is_not_ours_is_not_fed(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)

    assert beat_period_s() == 0


# Bugs.


@pytest.mark.parametrize(
    "where",
    [
        "loop.call_soon(fail)",
        "threading.Thread(target=fail).start()",
        "loop.create_task(coroutine()); gc.collect()",
        "fail()",
    ],
    ids=["callback", "thread", "forgotten task", "main"],
)
def test_exception_that_nobody_caught_ends_the_process_aloud(where: str) -> None:
    program = f"""
import asyncio, gc, threading
from ninefold.daemon.faults import guard
def fail():
    raise ValueError("our bug")
async def coroutine():
    fail()
async def live():
    loop = asyncio.get_running_loop()
    guard(loop)
    {where}
    for _ in range(100):
        await asyncio.sleep(0.05)
        gc.collect()
asyncio.run(live())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=os.environ,
    )

    assert ended.returncode == 70
    assert "our bug" in ended.stderr
    assert "this is a bug, the daemon ends" in ended.stderr


def test_lack_of_descriptors_is_the_worlds_doing_and_survived() -> None:
    program = """
import asyncio
from ninefold.daemon.faults import guard
async def live():
    loop = asyncio.get_running_loop()
    guard(loop)
    loop.call_exception_handler({"message": "accept failed", "exception": OSError(24, "too many")})
asyncio.run(live())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )

    assert ended.returncode == 0
    assert "accept failed" in ended.stderr
