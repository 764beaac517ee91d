"""The distribution's agents and the shipped ones, as they are, in a network namespace of their own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ninefold.agents.metadata import parse
from ninefold.agents.model import AgentName, Call, OpStatus, Outcome
from ninefold.fencing.capabilities import from_metadata
from ninefold.host.agents import AgentRunner
from ninefold.host.systemd import Systemd

pytestmark = pytest.mark.system

OCF = Path("/usr/lib/ocf/resource.d")
SBIN = Path("/usr/sbin")

# Runs a list of calls in this order and prints what came of each; run inside the namespace.
DRIVER = """
import asyncio, json, sys
from ninefold.agents.model import AgentName, Call
from ninefold.agents.ocf import Places
from ninefold.host.agents import AgentRunner
async def main(run, calls):
    runner = AgentRunner(places=Places(run=run, python=sys.executable))
    for agent, action, parameters in calls:
        call = Call(AgentName(*agent.split(":")), "r1", action, 0, 20000, parameters)
        outcome = await runner.run(call)
        print(json.dumps([outcome.rc, outcome.reason, outcome.exec_ms]), flush=True)
asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


def needs(path: Path, package: str) -> None:
    if not path.exists():
        pytest.skip(f"{path} is not there: {package} is not installed")


def run(agent: str, action: str, **parameters: str) -> Outcome:
    call = Call(AgentName(*agent.split(":")), "test-r1", action, 0, 20_000, parameters)
    return asyncio.run(AgentRunner().run(call))


def in_network_namespace(script: str, *arguments: str) -> str:
    """Run a shell script as root of a new network namespace; skip where that is not allowed."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is missing")
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    probe = subprocess.run(["unshare", *own, "--net", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"no network namespace here: {probe.stderr.decode().strip()}")
    command = ["unshare", *own, "--net", "--mount", "sh", "-ec", script, "sh", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def life(agent: str, actions: str, tmp_path: Path, **parameters: str) -> list[int]:
    """Return the exit codes of `actions` on a host with a veth pair."""
    calls = [(agent, action, parameters) for action in actions.split()]
    script = (
        "ip link set lo up; ip link add v0 type veth peer name v1; ip link set v0 up;"
        'ip link set v1 up; ip addr add 10.99.0.2/24 dev v0; exec "$@"'
    )  # fmt: skip
    out = in_network_namespace(
        script, sys.executable, "-c", DRIVER, str(tmp_path), json.dumps(calls)
    )
    return [json.loads(line)[0] for line in out.splitlines()]


@pytest.mark.parametrize("provider", ["heartbeat", "pacemaker"])
def test_distributions_dummy_lives_and_dies(provider: str, tmp_path: Path) -> None:
    needs(OCF / provider / "Dummy", "resource-agents")
    actions = ["monitor", "start", "start", "monitor", "stop", "stop", "monitor"]

    state = str(tmp_path / "state")
    codes = [run(f"ocf:{provider}:Dummy", action, state=state).rc for action in actions]

    assert codes == [7, 0, 0, 0, 0, 0, 7]


def test_stateful_is_promoted_and_demoted(tmp_path: Path) -> None:
    # crm_attribute (promotion scores) has no cluster to talk to here; the agent goes on without.
    needs(OCF / "pacemaker" / "Stateful", "pacemaker-resource-agents")
    actions = ["start", "monitor", "promote", "monitor", "demote", "monitor", "stop", "monitor"]

    state = str(tmp_path / "state")
    codes = [run("ocf:pacemaker:Stateful", action, state=state).rc for action in actions]

    assert codes[1::2] == [0, 8, 0, 7]


def test_ipaddr2_moves_a_real_address(tmp_path: Path) -> None:
    needs(OCF / "heartbeat" / "IPaddr2", "resource-agents")

    codes = life(
        "ocf:heartbeat:IPaddr2",
        "monitor start start monitor stop stop monitor",
        tmp_path,
        ip="10.99.0.10",
        cidr_netmask="24",
        nic="v0",
    )

    assert codes == [7, 0, 0, 0, 0, 0, 7]


@pytest.mark.parametrize(
    "parameters",
    [
        {"ip": "10.99.0.10"},
        {"ip": "10.99.0.10", "cidr_netmask": "32", "nic": "v0"},
        {"ip": "fd00:0::5", "cidr_netmask": "64", "nic": "v0"},
        {"ip": "10.98.0.1", "cidr_netmask": "24", "nic": "lo"},
    ],
    ids=["found-by-route", "host-prefix", "ipv6", "loopback"],
)
def test_shipped_vip_lives_and_dies(parameters: dict[str, str], tmp_path: Path) -> None:
    actions = "validate-all monitor start start monitor stop stop monitor dance"

    codes = life("ocf:ninefold:vip", actions, tmp_path, **parameters)

    assert codes == [0, 7, 0, 0, 0, 0, 0, 7, 3]


def test_shipped_vip_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    for parameters in ({}, {"ip": "x"}, {"ip": "10.99.0.9", "cidr_netmask": "33"}):
        assert life("ocf:ninefold:vip", "start", tmp_path, **parameters) == [6]
    assert life("ocf:ninefold:vip", "start", tmp_path, ip="10.99.0.9", nic="none") == [5]


def test_neighbour_learns_of_the_move_at_once(tmp_path: Path) -> None:
    # A neighbour that knows the address at another station hears it from the new one and corrects
    # itself. Two namespaces: the script's own is the host, a child holds the neighbour.
    script = """
    unshare --net sleep 30 >/dev/null 2>&1 & neighbour=$!
    while [ "$(readlink /proc/$neighbour/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
    ip link add v0 type veth peer name v1 netns $neighbour
    ip addr add 10.99.0.2/24 dev v0; ip link set v0 up
    n() { nsenter --net=/proc/$neighbour/ns/net "$@"; }
    n ip addr add 10.99.0.1/24 dev v1; n ip link set v1 up
    n ip neigh replace 10.99.0.10 lladdr 02:00:00:00:00:99 dev v1 nud stale
    "$@"
    sleep 0.02
    n ip neigh show 10.99.0.10; ip -o link show v0
    kill $neighbour
    """
    calls = json.dumps([("ocf:ninefold:vip", "start", {"ip": "10.99.0.10"})])

    out = in_network_namespace(script, sys.executable, "-c", DRIVER, str(tmp_path), calls)

    address = out.rpartition("link/ether ")[2].split()[0]
    known = next(line for line in out.splitlines() if "lladdr" in line)
    assert address in known


def test_shipped_web_lives_serves_and_dies(tmp_path: Path) -> None:
    actions = "validate-all monitor start start monitor stop stop monitor dance"

    codes = life("ocf:ninefold:web", actions, tmp_path, port="8080", bind="127.0.0.1")

    assert codes == [0, 7, 0, 0, 0, 0, 0, 7, 3]


def test_shipped_web_answers_with_the_hosts_name_as_soon_as_it_has_started(tmp_path: Path) -> None:
    calls = json.dumps([("ocf:ninefold:web", "start", {"port": "8080"})])
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/').read().decode())"
    stop = json.dumps([("ocf:ninefold:web", "stop", {"port": "8080"})])
    script = 'ip link set lo up; "$1" -c "$2" "$3" "$4"; "$1" -c "$5"; "$1" -c "$2" "$3" "$6"'

    out = in_network_namespace(
        script, sys.executable, DRIVER, str(tmp_path), calls, ask, stop
    )  # fmt: skip

    assert os.uname().nodename in out.splitlines()


def test_metadata_of_every_installed_resource_agent_can_be_read() -> None:
    needs(OCF / "heartbeat", "resource-agents")
    unread = []
    for agent in sorted(path for path in (OCF / "heartbeat").iterdir() if path.is_file()):
        if not os.access(agent, os.X_OK) or agent.name.startswith("."):
            continue
        outcome = run(f"ocf:heartbeat:{agent.name}", "meta-data")
        if outcome.rc == 0 and parse(outcome.output, agent.name).metadata is None:
            unread.append(agent.name)

    assert not unread


def test_metadata_of_every_installed_fence_agent_can_be_read() -> None:
    needs(SBIN / "fence_apc", "fence-agents")
    powerless, read = [], 0
    for agent in sorted(SBIN.glob("fence_*")):
        outcome = run(f"stonith::{agent.name}", "metadata")
        if outcome.rc != 0 or outcome.status is not OpStatus.DONE:
            continue  # a few want a library that is not installed, or are no agents
        metadata = parse(outcome.output, agent.name).metadata
        read += metadata is not None
        if metadata is None or not (from_metadata(metadata).actions):
            powerless.append(agent.name)

    assert not powerless
    assert read  # Debian 12: 85 of 86, all but fence_ack_manual, which has no metadata


def test_fence_dummy_switches_its_status_file(tmp_path: Path) -> None:
    needs(SBIN / "fence_dummy", "fence-agents")
    file = str(tmp_path / "status")
    Path(file).write_text("on")

    def codes(*actions: str) -> list[int]:
        return [
            run("stonith::fence_dummy", action, type="file", status_file=file).rc
            for action in actions
        ]

    assert codes("status", "off", "status") == [0, 0, 2]
    assert Path(file).read_text() == "off"
    assert codes("on", "status") == [0, 0]


def test_bus_without_systemd_is_not_installed_and_says_so(tmp_path: Path) -> None:
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("dbus-daemon is not installed")
    address = f"unix:path={tmp_path}/bus"
    command = [daemon, "--session", "--nofork", f"--address={address}", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as bus:
        assert bus.stdout is not None
        bus.stdout.readline()  # it listens

        async def ask() -> tuple[Outcome, list[str], bool]:
            systemd = Systemd(address)
            outcome = await systemd.act("nginx", "start", 5000)
            names, known = await systemd.unit_names(), await systemd.knows("nginx")
            await systemd.close()
            return outcome, names, known

        outcome, names, known = asyncio.run(ask())
        bus.terminate()

    assert outcome.status is OpStatus.NOT_INSTALLED
    assert "systemd" in outcome.reason
    assert (names, known) == ([], False)
