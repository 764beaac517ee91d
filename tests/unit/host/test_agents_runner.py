"""The runner with agents written for the occasion: real scripts, real processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ninefold.agents.metadata import missing_actions, parse
from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc, Traits
from ninefold.agents.ocf import Places
from ninefold.host.agents import AgentRunner
from ninefold.host.systemd import Systemd
from ninefold.host.watchdog import DeviceWatchdog, NoWatchdog, WatchdogError, open_watchdog

if TYPE_CHECKING:
    from pathlib import Path


class Host:
    """A runner whose every directory is below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runner = AgentRunner(
            places=Places(temporary=str(root / "tmp"), run=str(root / "run")),
            ocf_roots=[root / "ocf"],
            fence_directories=[root / "sbin"],
            init_directory=root / "init.d",
            systemd=Systemd("unix:path=/nonexistent"),
        )

    def script(self, path: str, body: str, mode: int = 0o755) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body if body.startswith("#!") else f"#!/bin/sh\n{body}\n")
        file.chmod(mode)
        return file

    def run(self, agent: str, action: str, timeout_ms: int = 10_000, **parameters: str) -> Outcome:
        name = AgentName(*agent.split(":")) if agent.count(":") == 2 else short(agent)
        call = Call(name, "r1", action, 0, timeout_ms, parameters)
        return asyncio.run(self.runner.run(call))


def short(agent: str) -> AgentName:
    standard, _, kind = agent.partition(":")
    return AgentName(standard, "", kind)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_reason_in_the_agents_own_words(host: Host) -> None:
    host.script("ocf/t/A", 'echo "ocf-exit-reason:no disk" >&2; exit 5')

    outcome = host.run("ocf:t:A", "start")

    assert (outcome.rc, outcome.status, outcome.reason) == (5, OpStatus.DONE, "no disk")


def test_agent_that_hangs_is_a_timeout_with_a_reason(host: Host) -> None:
    host.script("ocf/t/A", "trap '' TERM; while :; do sleep 60; done")

    outcome = host.run("ocf:t:A", "monitor", timeout_ms=100)

    assert (outcome.rc, outcome.status) == (Rc.ERROR, OpStatus.TIMEOUT)
    assert "100 ms" in outcome.reason


@pytest.mark.parametrize(
    "agent",
    ["ocf:t:Missing", "ocf:t:../A", "stonith:fence_none", "lsb:none", "nagios:x", "service:x"],
)
def test_missing_agent_is_not_installed_and_says_where_it_looked(host: Host, agent: str) -> None:
    outcome = host.run(agent, "start")

    assert (outcome.rc, outcome.status) == (Rc.INSTALLED, OpStatus.NOT_INSTALLED)
    assert outcome.reason


def test_agent_without_execute_bit_is_a_missing_right(host: Host) -> None:
    host.script("ocf/t/A", "exit 0", mode=0o644)

    outcome = host.run("ocf:t:A", "start")

    assert (outcome.rc, outcome.status) == (Rc.PERM, OpStatus.ERROR)
    assert "may not be executed" in outcome.reason


def test_agent_whose_interpreter_is_missing_is_not_installed(host: Host) -> None:
    host.script("ocf/t/A", "#!/no/such/interpreter\n")

    assert host.run("ocf:t:A", "start").status is OpStatus.NOT_INSTALLED


def test_agent_killed_by_a_signal_is_an_error(host: Host) -> None:
    host.script("ocf/t/A", "kill -SEGV $$")

    outcome = host.run("ocf:t:A", "start")

    assert (outcome.rc, outcome.status) == (Rc.ERROR, OpStatus.ERROR)
    assert "SIGSEGV" in outcome.reason


def test_flooding_agent_is_cut_and_believed(host: Host) -> None:
    host.script("ocf/t/A", "head -c 2000000 /dev/zero; exit 7")

    outcome = host.run("ocf:t:A", "monitor")

    assert (outcome.rc, len(outcome.output)) == (7, 65536)


def test_metadata_is_read_once_until_the_agent_changes(host: Host) -> None:
    body = f"echo x >>{host.root}/count; echo '<resource-agent/>'"
    host.script("ocf/t/A", body)
    for _ in range(3):
        host.run("ocf:t:A", "meta-data")
    assert (host.root / "count").read_text() == "x\n"

    host.script("ocf/t/A", body + "; exit 0")
    host.run("ocf:t:A", "meta-data")
    assert (host.root / "count").read_text() == "x\nx\n"


def test_fence_agent_reads_its_parameters_from_stdin_not_from_arguments(host: Host) -> None:
    host.script("sbin/fence_t", 'echo "$#"; cat')

    outcome = host.run("stonith:fence_t", "off", plug="3", passwd="x", pcmk_host_list="n")

    assert outcome.output == "0\naction=off\nplug=3\npasswd=x\n"


def test_fence_device_as_a_resource_starts_by_a_monitor_and_always_stops(host: Host) -> None:
    host.script("sbin/fence_t", '[ -e "${0%/*}/broken" ] && exit 1; grep -q action=monitor')

    assert host.run("stonith:fence_t", "monitor").rc == Rc.NOT_RUNNING
    assert host.run("stonith:fence_t", "start").rc == Rc.OK
    assert host.run("stonith:fence_t", "monitor").rc == Rc.OK
    (host.root / "sbin" / "broken").touch()
    assert host.run("stonith:fence_t", "monitor").rc == 1
    assert host.run("stonith:fence_t", "stop").rc == Rc.OK
    assert host.run("stonith:fence_t", "monitor").rc == Rc.NOT_RUNNING


def test_init_script_is_asked_for_its_status(host: Host) -> None:
    host.script("init.d/thing", '[ "$1" = status ] && exit 3; exit 0')

    assert host.run("lsb:thing", "monitor").rc == Rc.NOT_RUNNING
    assert host.run("service:thing", "start").rc == Rc.OK


def test_systemd_without_a_bus_is_not_installed_and_says_so(host: Host) -> None:
    outcome = host.run("systemd:nginx", "start")

    assert (outcome.rc, outcome.status) == (Rc.INSTALLED, OpStatus.NOT_INSTALLED)
    assert "bus" in outcome.reason


def test_agents_of_the_host_are_listed_without_stray_files(host: Host) -> None:
    host.script("ocf/t/A", "exit 0")
    host.script("ocf/t/.hidden", "exit 0")
    host.script("ocf/t/notes", "exit 0", mode=0o644)
    host.script("sbin/fence_t", "exit 0")
    host.script("sbin/other", "exit 0")

    listed = [str(agent) for agent in asyncio.run(host.runner.list_agents())]

    assert "ocf:t:A" in listed
    assert "stonith:fence_t" in listed
    assert "ocf:ninefold:vip" in listed
    assert not [name for name in listed if "hidden" in name or "notes" in name or "other" in name]


@pytest.mark.parametrize("kind", ["vip", "web", "dummy"])
def test_shipped_agents_describe_themselves_completely(host: Host, kind: str) -> None:
    outcome = host.run(f"ocf:ninefold:{kind}", "meta-data")

    reading = parse(outcome.output, kind)
    assert reading.metadata is not None
    assert not reading.findings
    assert reading.metadata.name == kind
    assert not missing_actions(reading.metadata)
    assert all(parameter.short and parameter.long for parameter in reading.metadata.parameters)


def test_dummy_goes_through_its_life_and_each_action_is_idempotent(host: Host) -> None:
    actions = ["monitor", "start", "start", "monitor", "stop", "stop", "monitor", "dance"]

    codes = [host.run("ocf:ninefold:dummy", action).rc for action in actions]

    assert codes == [7, 0, 0, 0, 0, 0, 7, 3]


def test_dummy_misbehaves_on_the_node_that_has_the_fault_file(host: Host) -> None:
    faults = host.root / "run" / "faults-r1"
    faults.mkdir(parents=True)
    (faults / "fail-start").write_text("5\n")
    (faults / "fail-stop").touch()
    (faults / "hang-monitor").touch()

    assert host.run("ocf:ninefold:dummy", "start").rc == 5
    assert host.run("ocf:ninefold:dummy", "stop").rc == 1
    assert host.run("ocf:ninefold:dummy", "monitor", timeout_ms=100).status is OpStatus.TIMEOUT


def test_missing_watchdog_has_a_reason(tmp_path: Path) -> None:
    watchdog = open_watchdog(5000, device=tmp_path / "none")

    assert isinstance(watchdog, NoWatchdog)
    assert not watchdog.armed
    assert "none" in watchdog.reason
    watchdog.feed()
    watchdog.close()


def test_file_that_is_no_watchdog_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WatchdogError, match="takes no timeout"):
        DeviceWatchdog(5000, device=tmp_path / "file")


DESCRIPTION = """<resource-agent name="A"><version>1.1</version><parameters>
<parameter name="state" unique="1"/><parameter name="level" reloadable="1"/>
<parameter name="token" reloadable="1" private="1"/></parameters><actions>
<action name="start" timeout="20s"/>{reload}</actions></resource-agent>"""


def describing(host: Host, reload: str, rc: int = 0) -> None:
    """Make an agent that describes itself, and counts how often it had to."""
    said = DESCRIPTION.format(reload=reload)
    host.script(
        "ocf/t/A",
        f"if [ $1 = meta-data ]; then echo >> {host.root}/asked; cat <<'E'\n{said}\nE\nexit 0; fi\nexit {rc}",
    )


def test_what_runs_comes_with_what_may_be_reloaded_and_the_agent_is_asked_once(host: Host) -> None:
    describing(host, '<action name="reload-agent" timeout="20s"/>')

    found = [host.run("ocf:t:A", action).traits for action in ("start", "monitor", "reload-agent")]

    assert found == [Traits(("state",), ("token",))] * 3
    assert host.run("ocf:t:A", "stop").traits is None
    assert (host.root / "asked").read_text() == "\n"


def test_the_older_reload_says_nothing_about_parameters(host: Host) -> None:
    describing(host, '<action name="reload" timeout="20s"/>')

    assert host.run("ocf:t:A", "start").traits == Traits(None, ("token",))


def test_a_probe_that_finds_nothing_asks_nothing(host: Host) -> None:
    describing(host, '<action name="reload-agent" timeout="20s"/>', rc=7)

    assert host.run("ocf:t:A", "monitor").traits is None
    assert not (host.root / "asked").exists()


def test_an_agent_that_does_not_describe_itself_starts_all_the_same(host: Host) -> None:
    host.script("ocf/t/A", "[ $1 != meta-data ]")

    outcome = host.run("ocf:t:A", "start")

    assert (outcome.rc, outcome.traits) == (Rc.OK, None)
