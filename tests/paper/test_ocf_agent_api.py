"""Sentences of the OCF resource agent API 1.1 (section in each test), and of FenceAgentAPI."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ninefold.agents import ocf
from ninefold.agents.exitcodes import verdict
from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc
from ninefold.agents.ocf import Places
from ninefold.fencing.devices import Device
from ninefold.fencing.parameters import stdin_text
from ninefold.fencing.plan import Step, Task, succeeded
from ninefold.host.agents import AgentRunner
from ninefold.host.systemd import Systemd

if TYPE_CHECKING:
    from pathlib import Path

AGENT = AgentName("ocf", "ninefold", "dummy")


def call(action: str, **parameters: str) -> Call:
    return Call(AGENT, "r1", action, 0, 20_000, parameters)


def run(directory: Path, asked: Call) -> Outcome:
    places = Places(temporary=str(directory / "tmp"), run=str(directory / "run"))
    runner = AgentRunner(places=places, systemd=Systemd("unix:path=/nonexistent"))
    return asyncio.run(runner.run(asked))


def test_the_ra_is_called_with_the_requested_action_as_its_sole_argument() -> None:
    # "Execution syntax"
    assert ocf.arguments("/a/b", call("start", x="y")) == ["/a/b", "start"]


def test_instance_parameters_are_prefixed_with_ocf_reskey() -> None:
    # "Syntax for instance parameters": force=yes becomes OCF_RESKEY_force=yes
    env = ocf.environment(call("start", force="yes"), Places())

    assert env["OCF_RESKEY_force"] == "yes"


def test_instance_parameter_names_are_case_sensitive() -> None:
    # "Instance parameters"
    env = ocf.environment(call("start", Force="1", force="2"), Places())

    assert (env["OCF_RESKEY_Force"], env["OCF_RESKEY_force"]) == ("1", "2")


def test_global_attributes_tell_version_root_instance_and_type() -> None:
    # "Global OCF attributes"
    env = ocf.environment(call("start"), Places(ocf_root="/usr/ocf"))

    assert (env["OCF_RA_VERSION_MAJOR"], env["OCF_RA_VERSION_MINOR"]) == ("1", "1")
    assert env["OCF_ROOT"] == "/usr/ocf"
    assert (env["OCF_RESOURCE_INSTANCE"], env["OCF_RESOURCE_TYPE"]) == ("r1", "dummy")


@pytest.mark.parametrize("level", ["0", "10", "20"])
def test_check_level_says_how_thorough_a_monitor_shall_be(level: str) -> None:
    # "Parameters specific to the 'monitor' action"
    env = ocf.environment(call("monitor", OCF_CHECK_LEVEL=level), Places())

    assert env["OCF_CHECK_LEVEL"] == level


def test_check_level_is_the_lightest_unless_asked_for() -> None:
    # "Parameters specific to the 'monitor' action", level 0
    assert ocf.environment(call("monitor"), Places())["OCF_CHECK_LEVEL"] == "0"


def test_start_must_succeed_if_the_instance_is_already_running(tmp_path: Path) -> None:
    # "Resource Agent actions", start
    assert [run(tmp_path, call("start")).rc for _ in range(2)] == [0, 0]


def test_stop_must_succeed_if_the_resource_is_already_stopped(tmp_path: Path) -> None:
    # "Resource Agent actions", stop
    assert run(tmp_path, call("stop")).rc == 0


def test_monitor_of_an_instance_never_started_has_a_well_defined_code(tmp_path: Path) -> None:
    # "Resource Agent actions", monitor
    outcome = run(tmp_path, call("monitor"))

    assert outcome.rc == Rc.NOT_RUNNING
    assert verdict("monitor", outcome.rc).status is OpStatus.DONE


def test_unsupported_action_returns_the_error_for_unimplemented(tmp_path: Path) -> None:
    # "Resource Agent actions" and "Exit status codes", 3
    outcome = run(tmp_path, call("recover"))

    assert outcome.rc == Rc.UNIMPLEMENTED
    assert verdict("recover", outcome.rc).status is OpStatus.NOT_SUPPORTED


def test_meta_data_comes_on_stdout(tmp_path: Path) -> None:
    # "Resource Agent actions", meta-data
    assert run(tmp_path, call("meta-data")).output.startswith("<?xml")


def test_not_running_is_not_the_code_of_a_successful_stop() -> None:
    # "Exit status codes", 7, note
    assert verdict("stop", Rc.NOT_RUNNING).status is OpStatus.ERROR


@pytest.mark.parametrize("rc", [1, 2, 4, 5, 6, 8, 50, 120, 199, 254])
def test_all_non_zero_codes_indicate_failure(rc: int) -> None:
    # "Exit status codes"
    assert verdict("start", rc).status is not OpStatus.DONE


def test_fence_arguments_are_name_equals_value_one_a_line() -> None:
    # FenceAgentAPI, "What is given to fencing agents"
    lines = stdin_text("reboot", {"ipaddr": "ips-rack9", "port": "1"}).splitlines()

    assert lines == ["action=reboot", "ipaddr=ips-rack9", "port=1"]


def test_timeout_of_a_fence_agent_is_a_failure_not_success() -> None:
    # FenceAgentAPI, "Implementation Best-Practices"
    step = Step(Device("d", "fence_x"), Task.SILENCE, "off")

    assert not succeeded(step, "n1", Outcome(0, OpStatus.TIMEOUT))
    assert succeeded(step, "n1", Outcome(0, OpStatus.DONE))


@pytest.mark.parametrize(("rc", "is_off"), [(0, False), (1, False), (2, True)])
def test_status_is_two_exactly_when_the_port_is_off(rc: int, is_off: bool) -> None:
    # FenceAgentAPI, "Agent Operations and Return Values", status
    step = Step(Device("d", "fence_x"), Task.VERIFY, "status")

    assert succeeded(step, "n1", Outcome(rc, OpStatus.DONE)) is is_off
