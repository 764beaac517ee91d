"""Real hosts: what a lab promises, watched from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import furniture, processes, start
from ninefold.lab.client import Lab
from ninefold.lab.errors import (
    AlreadyRunning,
    BadPlan,
    LabBroken,
    NotRunning,
    UnknownNode,
    WrongPower,
)
from ninefold.lab.model import Block, Direction, FenceDevice, FenceMode, Power
from ninefold.lab.plan import Plan, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.system

# Labs of two runs of the suite on one machine must not meet.
RUN = f"t{os.getpid()}"
NAME = f"{RUN}-lab"
FIRST = ("10.77.0.1", "10.77.0.2", "10.77.0.3")
SECOND = ("10.78.0.1", "10.78.0.2", "10.78.0.3")


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    if reason := start.permitted():
        pytest.skip(reason)
    with Lab.up(Settings(nodes=3, name=NAME, stack="none")) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    """Every host on, nothing cut, the fence device well: as each test wants to find it."""
    running.heal()
    running.fence_device(FenceDevice())
    for host in running.status().hosts:
        running.hold(host.name, held=False)
        if host.power is Power.OFF:
            running.power_on(host.name)
    return running


def hears(lab: Lab, node: str, address: str) -> bool:
    return lab.run(node, "ping", "-c1", "-W1", "-i0.2", address).returncode == 0


def client_hears(lab: Lab, address: str) -> bool:
    argv = lab.client_command("ping", "-c1", "-W1", address)
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def within(limit_s: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def fence(lab: Lab, node: str, text: str) -> subprocess.CompletedProcess[str]:
    return lab.run(node, "/run/ninefold-lab/shared/sbin/fence_ninefold_lab", stdin=text)


def test_hosts_hear_each_other_and_the_client_on_both_networks(lab: Lab) -> None:
    for addresses in (FIRST, SECOND):
        assert hears(lab, "node1", addresses[1])
        assert hears(lab, "node3", addresses[0])
        assert client_hears(lab, addresses[2])


def test_a_host_is_a_machine_of_its_own(lab: Lab) -> None:
    with tempfile.NamedTemporaryFile(dir="/tmp", prefix=RUN) as outside:
        script = f"hostname; ls /dev/shm; cat /proc/1/comm; stat -c %a:%s /etc/corosync/authkey; ls {outside.name}"
        seen = lab.run("node2", "sh", "-c", script).stdout.split()

    assert seen == ["node2", "sh", "400:256"]
    assert "10.77.0.3 node3" in lab.run("node1", "cat", "/etc/hosts").stdout
    assert "name: node3" in lab.run("node1", "cat", "/etc/corosync/corosync.conf").stdout


def test_what_a_host_writes_below_etc_and_var_lib_stays_its_own(lab: Lab) -> None:
    lab.run("node1", "sh", "-c", "echo mine >/etc/ninefold-test; echo mine >/var/lib/ninefold/x")

    assert lab.run("node1", "cat", "/etc/ninefold-test").stdout == "mine\n"
    assert lab.run("node2", "cat", "/etc/ninefold-test").returncode == 1
    assert lab.run("node2", "cat", "/var/lib/ninefold/x").returncode == 1
    assert not Path("/etc/ninefold-test").exists()
    assert not Path("/var/lib/ninefold/x").exists()


def test_the_exit_code_and_both_outputs_of_a_command_are_handed_through(lab: Lab) -> None:
    done = lab.run("node1", "sh", "-c", "cat; echo no >&2; exit 7", stdin="yes")

    assert (done.returncode, done.stdout, done.stderr) == (7, "yes", "no\n")


def test_a_crash_ends_every_process_and_silences_the_address(lab: Lab) -> None:
    # One that left its parent, one that ignores signals, one that was started from outside.
    stray = "exec >/dev/null 2>&1; setsid sleep 600 & trap '' TERM HUP; sleep 600 &"
    lab.run("node2", "sh", "-c", stray, limit_s=10)
    with lab.start("node2", "sleep", "600", stdout=subprocess.DEVNULL) as entered:
        namespace = processes.pid_namespace(lab.status().host("node2").init_pid)
        assert len(processes.in_namespace(namespace)) >= 4

        event = lab.crash("node2")

        assert processes.in_namespace(namespace) == []
        assert entered.wait(5) != 0
    assert (event.target, event.action, event.by, event.ok) == ("node2", "off", "operator", True)
    assert event.was is Power.ON
    assert event.done_s - event.asked_s < 2
    assert lab.status().host("node2").power is Power.OFF
    assert not client_hears(lab, FIRST[1])


def test_a_host_that_is_off_runs_nothing(lab: Lab) -> None:
    lab.crash("node3")

    with pytest.raises(WrongPower, match="node3 is off"):
        lab.run("node3", "true")
    with pytest.raises(WrongPower, match="node3 is off"):
        lab.freeze("node3")
    assert lab.crash("node3").was is Power.OFF


def test_var_lib_and_the_logs_outlive_a_power_cut_and_run_does_not(lab: Lab) -> None:
    lab.run("node2", "sh", "-c", "echo 1 | tee /var/lib/ninefold/a /var/lib/b /var/log/c /run/d")
    boots = lab.status().host("node2").boots
    lab.crash("node2")

    lab.power_on("node2")

    kept = lab.run("node2", "cat", "/var/lib/ninefold/a", "/var/lib/b", "/var/log/c")
    assert kept.stdout == "1\n1\n1\n"
    assert lab.run("node2", "cat", "/run/d").returncode == 1
    assert lab.status().host("node2").boots == boots + 1
    assert within(3, lambda: client_hears(lab, FIRST[1]))
    assert hears(lab, "node2", SECOND[0])


def test_a_frozen_process_stands_still_until_it_is_thawed(lab: Lab) -> None:
    tick = "while :; do echo x >>/run/ticks; sleep 0.02; done"
    with lab.start("node1", "sh", "-c", tick) as ticking:

        def size() -> str:
            return lab.run("node1", "stat", "-c%s", "/run/ticks").stdout

        assert within(5, lambda: size() != "")

        assert lab.freeze("node1", "/run/ticks") >= 1
        before = size()
        time.sleep(0.1)
        assert size() == before
        assert lab.freeze("node1") >= 3
        assert lab.status().host("node1").frozen
        lab.thaw("node1")
        assert within(5, lambda: size() != before)
        assert not lab.status().host("node1").frozen

        lab.crash("node1")
        ticking.wait(5)


def test_freezing_a_process_that_is_not_there_is_refused(lab: Lab) -> None:
    with pytest.raises(WrongPower, match="nosuchdaemon"):
        lab.freeze("node1", "nosuchdaemon")


def test_one_link_is_cut_and_the_other_carries_on(lab: Lab) -> None:
    lab.cut(["node1"], link=0)

    assert not hears(lab, "node1", FIRST[1])
    assert not client_hears(lab, FIRST[0])
    assert hears(lab, "node1", SECOND[1])
    assert "state UP" in lab.run("node1", "ip", "link", "show", "eth0").stdout

    lab.heal(["node1"], link=0)
    assert within(3, lambda: hears(lab, "node1", FIRST[1]))


def test_all_links_are_cut_at_once(lab: Lab) -> None:
    lab.cut(["node2"])

    assert not hears(lab, "node2", FIRST[0])
    assert not hears(lab, "node3", SECOND[1])
    assert hears(lab, "node1", FIRST[2])

    lab.heal()
    assert lab.status().blocks == ()
    assert within(3, lambda: hears(lab, "node2", SECOND[0]))


SENDER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5):
    s.sendto(b"x", (sys.argv[1], 5000))
"""
RECEIVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5000)); s.settimeout(0.5)
print("bound", flush=True)
try: print(s.recv(9).decode())
except TimeoutError: print("silence")
"""


def datagram(lab: Lab, source: str, target: str, address: str) -> str:
    """Return what `target` gets when `source` sends it datagrams: `x` or `silence`."""
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    with lab.start(target, python, "-ISc", RECEIVER, stdout=subprocess.PIPE) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == b"bound\n"
        lab.run(source, python, "-ISc", SENDER, address)
        return receiver.stdout.read().decode().strip()


@pytest.mark.parametrize(
    ("direction", "out", "into"),
    [(Direction.OUT, "silence", "x"), (Direction.IN, "x", "silence")],
)
def test_one_direction_is_cut(lab: Lab, direction: Direction, out: str, into: str) -> None:
    # The neighbour's hardware address must be known, for asking needs both directions.
    for node, address in (("node1", FIRST[1]), ("node2", FIRST[0])):
        assert hears(lab, node, address)
    lab.cut(["node1"], link=0, direction=direction)

    assert datagram(lab, "node1", "node2", FIRST[1]) == out
    assert datagram(lab, "node2", "node1", FIRST[0]) == into


def test_a_cut_between_sets_leaves_each_set_and_the_client_whole(lab: Lab) -> None:
    lab.cut(["node1"], to=["node2", "node3"])

    assert not hears(lab, "node1", FIRST[1])
    assert not hears(lab, "node3", SECOND[0])
    assert hears(lab, "node2", FIRST[2])
    assert all(client_hears(lab, address) for address in FIRST)

    lab.heal(["node1"], to=["node2"])
    assert within(3, lambda: hears(lab, "node1", FIRST[1]))
    assert not hears(lab, "node1", FIRST[2])
    assert Block(0, "node1", "node3") in lab.status().blocks


def test_the_fence_agent_powers_a_host_off_under_partition(lab: Lab) -> None:
    lab.cut(["node1"])
    assert fence(lab, "node1", "action=status\nplug=node2\n").returncode == 0

    done = fence(lab, "node1", "action=off\nplug=node2\n")

    assert (done.returncode, done.stderr) == (0, "")
    assert lab.status().host("node2").power is Power.OFF
    assert fence(lab, "node1", "action=status\nplug=node2\n").returncode == 2
    event = lab.events()[-1]
    assert (event.by, event.action, event.target, event.ok) == ("node1", "off", "node2", True)


def test_the_fence_agent_reboots_a_host_unless_it_is_held_off(lab: Lab) -> None:
    boots = lab.status().host("node3").boots
    assert fence(lab, "node1", "action=reboot\nport=node3\n").returncode == 0
    lab.wait_power("node3", Power.ON)
    assert lab.status().host("node3").boots == boots + 1

    lab.hold("node3")
    assert fence(lab, "node1", "action=reboot\nport=node3\n").returncode == 0
    time.sleep(0.2)
    assert lab.status().host("node3").power is Power.OFF


def test_the_fence_agent_lists_describes_and_refuses(lab: Lab) -> None:
    lab.crash("node2")
    assert fence(lab, "node1", "action=list\n").stdout.split() == ["node1,", "node2,", "node3,"]
    assert "node2,,OFF" in fence(lab, "node1", "action=list-status\n").stdout
    assert fence(lab, "node1", "action=monitor\n").returncode == 0
    assert 'action name="reboot"' in fence(lab, "node1", "action=metadata\n").stdout
    assert fence(lab, "node1", "action=validate-all\n").returncode == 0

    assert fence(lab, "node1", "action=off\nplug=node9\n").returncode == 1
    assert fence(lab, "node1", "action=off\n").returncode == 1
    assert fence(lab, "node1", "action=dance\nplug=node3\n").returncode == 1
    assert lab.status().host("node3").power is Power.ON


def test_a_fence_device_that_fails_switches_nothing_off(lab: Lab) -> None:
    lab.fence_device(FenceDevice(FenceMode.FAIL))
    assert fence(lab, "node1", "action=off\nplug=node2\n").returncode == 1
    assert lab.status().host("node2").power is Power.ON

    lab.fence_device(FenceDevice(FenceMode.OK, delay_ms=300))
    began = time.monotonic()
    assert fence(lab, "node1", "action=monitor\n").returncode == 0
    assert time.monotonic() - began >= 0.3


def test_what_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(UnknownNode, match="there are node1, node2, node3"):
        lab.crash("node9")
    with pytest.raises(UnknownNode, match="node9"):
        lab.run("node9", "true")
    with pytest.raises(BadPlan, match="links 0 to 1"):
        lab.cut(["node1"], link=5)
    with pytest.raises(AlreadyRunning, match=NAME):
        Lab.up(Settings(name=NAME, stack="none"))
    with pytest.raises(NotRunning, match=f"no lab called {RUN}-none"):
        Lab(f"{RUN}-none").status()


def leftovers(directory: str, namespaces: list[str], name: str) -> list[str]:
    """Return what there still is of a lab: files, processes, mounts."""
    left = [path for path in (directory, str(start.link_of(name))) if os.path.lexists(path)]
    left += [space for space in namespaces if processes.in_namespace(space)]
    left += [m for m in Path("/proc/self/mounts").read_text().splitlines() if directory in m]
    return left


def remains(lab: Lab) -> tuple[str, list[str], str]:
    """Return what to ask `leftovers` once the lab has ended."""
    report = lab.status()
    pids = [report.supervisor_pid, *(host.init_pid for host in report.hosts)]
    return report.directory, [processes.pid_namespace(pid) for pid in pids], lab.name


def freezes(lab: Lab, node: str, process: str) -> bool:
    """Stop a process that may not have begun yet."""
    try:
        return lab.freeze(node, process) == 1
    except WrongPower:
        return False


def network_namespaces() -> set[str]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found.add(str((entry / "ns/net").readlink()))
            except OSError:
                continue
    return found


@pytest.mark.usefixtures("running")
def test_down_leaves_nothing() -> None:
    before = network_namespaces()
    links = sorted(path.name for path in Path("/sys/class/net").iterdir())
    lab = Lab.up(Settings(nodes=2, name=f"{RUN}-down", stack="none"))
    lab.run("node1", "sh", "-c", "setsid sleep 600 >/dev/null 2>&1 &")
    what = remains(lab)
    assert len(leftovers(*what)) >= 4

    Lab(f"{RUN}-down").down()

    assert leftovers(*what) == []
    assert network_namespaces() <= before
    assert sorted(path.name for path in Path("/sys/class/net").iterdir()) == links
    start.end(lab._launcher)  # type: ignore[arg-type]


@pytest.mark.usefixtures("running")
def test_a_lab_ends_though_a_command_in_it_was_killed_while_it_stood_still() -> None:
    lab = Lab.up(Settings(nodes=2, name=f"{RUN}-still", stack="none"))
    with lab.start("node1", "sleep", "1000") as command, ExitStack() as at_last:
        # A failure must not wait for its end.
        at_last.callback(command.kill)
        # Its wrapper outside stops with it, and would never reap it.
        assert within(5, lambda: freezes(lab, "node1", "sleep 1000"))
        lab.run("node1", "pkill", "-KILL", "-f", "sleep 1000")

        began = time.monotonic()
        lab.down()

        assert time.monotonic() - began < 10
        assert command.wait(5) != 0


@pytest.mark.usefixtures("running")
def test_killing_the_supervisor_leaves_nothing() -> None:
    lab = Lab.up(Settings(nodes=2, name=f"{RUN}-kill", stack="none"))
    what = remains(lab)

    os.kill(lab.status().supervisor_pid, signal.SIGKILL)

    assert within(5, lambda: leftovers(*what) == []), leftovers(*what)
    with pytest.raises(NotRunning):
        lab.status()
    start.end(lab._launcher)  # type: ignore[arg-type]


UP = """
import sys, time
from ninefold.lab.client import Lab
from ninefold.lab.plan import Settings
with Lab.up(Settings(nodes=1, name=sys.argv[1], stack="none")) as lab:
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_lab_ends_with_whoever_started_it(number: signal.Signals) -> None:
    # Ctrl-C, a polite end and a sudden one.
    argv = [sys.executable, "-c", UP, f"{RUN}-user"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"up\n"
        what = remains(Lab(f"{RUN}-user"))

        user.send_signal(number)
        user.wait(10)

    assert within(10, lambda: leftovers(*what) == []), leftovers(*what)


@pytest.mark.usefixtures("running")
def test_what_a_lab_without_a_launcher_left_is_cleared_by_the_next() -> None:
    # As after a power cut: the link leads to a directory in which nobody answers.
    stale = start.DATA_ROOT / f"ninefold-lab-{RUN}-stale-00000000"
    stale.mkdir()
    start.link_of(f"{RUN}-stale").symlink_to(stale)

    with Lab.up(Settings(nodes=1, name=f"{RUN}-stale", stack="none")) as lab:
        assert lab.run("node1", "true").returncode == 0
        assert not stale.exists()

    assert not start.link_of(f"{RUN}-stale").is_symlink()


@pytest.mark.usefixtures("running")
def test_a_host_that_cannot_boot_says_why_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = "#!/bin/sh\necho the disk is on fire >&2\nexit 1\n"
    real = furniture.furnish

    def furnish(plan: Plan, directory: Path) -> None:
        real(plan, directory)
        (directory / "shared" / "host-init").write_text(broken)

    monkeypatch.setattr(furniture, "furnish", furnish)
    with pytest.raises(LabBroken, match="the disk is on fire"):
        Lab.up(Settings(nodes=1, name=f"{RUN}-fire", stack="none"))

    assert not start.link_of(f"{RUN}-fire").is_symlink()
    assert not list(start.DATA_ROOT.glob(f"ninefold-lab-{RUN}-fire-*"))


@pytest.mark.usefixtures("running")
def test_a_kernel_that_stacks_no_overlays_gives_hosts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = furniture.furnish

    def furnish(plan: Plan, directory: Path) -> None:
        real(plan, directory)
        script = directory / "shared" / "host-init"
        script.write_text(script.read_text().replace("-t overlay", "-t nosuchfilesystem"))

    monkeypatch.setattr(furniture, "furnish", furnish)
    with Lab.up(Settings(nodes=1, name=f"{RUN}-links", stack="none")) as lab:
        assert "overlay" not in lab.run("node1", "cat", "/proc/mounts").stdout
        assert lab.run("node1", "cat", "/etc/hostname").stdout == "node1\n"
        assert lab.run("node1", "test", "-r", "/etc/passwd").returncode == 0
        assert lab.run("node1", "sh", "-c", "echo 1 >/etc/x; echo 1 >/var/lib/x").returncode == 0
        lab.crash("node1")
        lab.power_on("node1")
        assert lab.run("node1", "cat", "/etc/x", "/var/lib/x").stdout == "1\n1\n"
        assert fence(lab, "node1", "action=status\nplug=node1\n").returncode == 0
    assert not Path("/etc/x").exists()
