"""`ninefold lab` as an operator types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import start

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

# Labs of two runs of the suite on one machine must not meet.
RUN = f"t{os.getpid()}"
NAME = f"{RUN}-cli"
PROGRAM = "from ninefold.cli.lab import lab_app; lab_app()"


def lab(
    *words: str, stdin: str = "", name: str = NAME, after: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `ninefold lab WORDS --name NAME AFTER`."""
    argv = [sys.executable, "-c", PROGRAM, *words, "--name", name, *after]
    return subprocess.run(
        argv, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def _running() -> Iterator[None]:
    if reason := start.permitted():
        pytest.skip(reason)
    done = lab("up", "--nodes", "2", "--stack", "none")
    assert done.returncode == 0, done.stderr
    yield
    assert lab("down").returncode == 0
    assert not start.link_of(NAME).is_symlink()


@pytest.mark.usefixtures("_running")
def test_a_command_on_a_host_has_our_input_and_we_its_exit_code() -> None:
    done = lab("exec", stdin="hello", after=("node2", "sh", "-c", "cat; hostname; exit 3"))

    assert (done.returncode, done.stdout) == (3, "hellonode2\n")


@pytest.mark.usefixtures("_running")
def test_ninefold_itself_is_found_on_a_host() -> None:
    # The tutorial's first command there. This host runs no daemon, and is told so.
    done = lab("exec", after=("node1", "ninefold", "status"))

    assert done.returncode == 3, done.stderr
    assert "ninefold" in done.stderr


@pytest.mark.usefixtures("_running")
def test_services_find_their_log_directories_on_a_host() -> None:
    # nginx does not start without /var/log/nginx, though its package is installed.
    wanted = {entry.name for entry in Path("/var/log").iterdir() if entry.is_dir()}

    found = lab("exec", after=("node1", "ls", "/var/log")).stdout.split()

    assert wanted.issubset(found)


@pytest.mark.usefixtures("_running")
def test_status_is_json_for_programs() -> None:
    assert lab("cut", "node1", "--link", "0", "--direction", "out").returncode == 0

    report = json.loads(lab("status", "--json").stdout)

    assert [host["power"] for host in report["hosts"]] == ["on", "on"]
    assert report["blocks"] == [{"link": 0, "source": "node1", "target": ""}]
    os.kill(report["hosts"][0]["init_pid"], 0)
    assert lab("heal").returncode == 0
    assert "cut:" not in lab("status").stdout


@pytest.mark.usefixtures("_running")
def test_the_power_switch_is_on_record() -> None:
    assert "node2 is off" in lab("crash", "node2").stdout
    assert "off already" in lab("crash", "node2").stdout
    assert lab("power-on", "node2").returncode == 0

    assert "on node2 by operator" in lab("status").stdout


@pytest.mark.usefixtures("_running")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("crash", "node7"), "no node 'node7'"),
        (("exec", "node1", "--", "true"), None),
        (("up", "--stack", "none"), "is running"),
        (("up", "--nodes", "99"), "1 to 32 nodes"),
        (("cut",), "Which node"),
        (("cut", "node1", "--from", "node2"), "not both"),
        (("freeze", "node1", "--process", "nosuch"), "nosuch"),
        (("probe", "ftp://x"), "The client asks"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    words: tuple[str, ...], sentence: str | None
) -> None:
    if sentence is None:
        assert lab(words[0], after=words[1:]).returncode == 0
        return

    done = lab(*words)

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lab_that_is_not_there_is_said_to_be_not_there() -> None:
    for verb in (("status",), ("down",), ("crash", "node1")):
        done = lab(*verb, name=f"{RUN}-absent")
        assert done.returncode == 1
        assert f"no lab called {RUN}-absent" in done.stderr


def test_ctrl_c_ends_a_lab_in_the_foreground() -> None:
    if reason := start.permitted():
        pytest.skip(reason)
    words = ("up", "--nodes", "1", "--stack", "none", "--foreground", "--name", f"{RUN}-fore")
    argv = [sys.executable, "-c", PROGRAM, *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as user:
        assert user.stdout is not None
        while b"logs:" not in (line := user.stdout.readline()):
            assert line

        user.send_signal(signal.SIGINT)

        assert user.wait(15) == 0
    assert not start.link_of(f"{RUN}-fore").is_symlink()
    assert not list(start.DATA_ROOT.glob(f"ninefold-lab-{RUN}-fore-*"))
