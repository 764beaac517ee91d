"""Environment, exit codes, metadata and parameters of resource agents."""

from __future__ import annotations

import pytest

from ninefold.agents import lsb, ocf
from ninefold.agents.exitcodes import verdict
from ninefold.agents.metadata import Metadata, missing_actions, parse
from ninefold.agents.model import AgentName, Call, OpStatus, Rc
from ninefold.agents.validate import validate

METADATA = """<?xml version="1.0"?>
<resource-agent name="db" version="2"><version>1.1</version>
<longdesc lang="en">Runs a database.</longdesc><shortdesc lang="en">Database</shortdesc>
<parameters>
<parameter name="datadir" required="1" unique="1"><shortdesc lang="en">Directory</shortdesc>
<content type="string"/></parameter>
<parameter name="port"><content type="integer" default="5432"/></parameter>
<parameter name="level"><content type="select" default="a"><option value="a"/><option value="b"/></content>
</parameter>
</parameters>
<actions><action name="start" timeout="1min"/><action name="stop" timeout="60"/>
<action name="monitor" timeout="20s" interval="500ms" depth="0"/><action name="meta-data" timeout="5s"/>
</actions></resource-agent>"""


def call(action: str = "start", **parameters: str) -> Call:
    return Call(AgentName("ocf", "acme", "db"), "db1", action, 0, 20_000, parameters)


def database() -> Metadata:
    metadata = parse(METADATA, "ocf:acme:db").metadata
    assert metadata is not None
    return metadata


def test_meta_attributes_are_readable_by_a_shell() -> None:
    asked = Call(
        AgentName("ocf", "acme", "db"), "db1", "monitor", 5000, 7000,
        meta={"clone-max": "3", "on.node": "a"},
    )  # fmt: skip

    env = ocf.environment(asked, ocf.Places())

    assert env["OCF_RESKEY_CRM_meta_clone_max"] == "3"
    assert env["OCF_RESKEY_CRM_meta_on_node"] == "a"
    assert env["OCF_RESKEY_CRM_meta_interval"] == "5000"
    assert env["OCF_RESKEY_CRM_meta_timeout"] == "7000"


def test_parameter_with_a_dash_comes_twice_unless_the_name_is_taken() -> None:
    env = ocf.environment(call(**{"a-b": "1", "c-d": "2", "c_d": "3"}), ocf.Places())

    assert (env["OCF_RESKEY_a-b"], env["OCF_RESKEY_a_b"]) == ("1", "1")
    assert (env["OCF_RESKEY_c-d"], env["OCF_RESKEY_c_d"]) == ("2", "3")


@pytest.mark.parametrize("name", ["", "a=b", "a\nb"])
def test_name_that_no_environment_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ocf.BadParameterError):
        ocf.environment(call(**{name: "x"}), ocf.Places())


def test_last_exit_reason_is_the_one_that_counts() -> None:
    said = "noise\nocf-exit-reason:first\nocf-exit-reason:disk full\nmore"

    assert ocf.exit_reason(said) == "disk full"
    assert not ocf.exit_reason("noise")


def test_agent_without_an_exit_reason_is_quoted_with_its_last_words() -> None:
    assert ocf.last_words("not installed", "INFO: hm\nERROR: no nginx\n \n") == (
        "not installed: ERROR: no nginx"
    )
    assert ocf.last_words("not installed", "") == "not installed"
    assert len(ocf.last_words("x", "y" * 1000)) == ocf.REASON_CHARS_MAX


@pytest.mark.parametrize(
    ("action", "rc", "interval_ms", "status"),
    [
        ("start", 0, 0, OpStatus.DONE),
        ("start", 1, 0, OpStatus.ERROR),
        ("start", 2, 0, OpStatus.ERROR_HARD),
        ("start", 3, 0, OpStatus.NOT_SUPPORTED),
        ("start", 4, 0, OpStatus.ERROR_HARD),
        ("start", 5, 0, OpStatus.ERROR_HARD),
        ("start", 6, 0, OpStatus.ERROR_FATAL),
        ("start", 7, 0, OpStatus.ERROR),
        ("stop", 7, 0, OpStatus.ERROR),
        ("monitor", 7, 0, OpStatus.DONE),
        ("monitor", 7, 1000, OpStatus.DONE),
        ("monitor", 8, 1000, OpStatus.DONE),
        ("monitor", 9, 1000, OpStatus.ERROR),
        ("monitor", 5, 0, OpStatus.DONE),
        ("monitor", 5, 1000, OpStatus.ERROR_HARD),
        ("start", 77, 0, OpStatus.ERROR),
    ],
)
def test_exit_code_means_what_the_table_says(
    action: str, rc: int, interval_ms: int, status: OpStatus
) -> None:
    assert verdict(action, rc, interval_ms).status is status


def test_init_scripts_status_codes_become_ocf_codes() -> None:
    codes = [lsb.to_ocf("monitor", code) for code in (0, 1, 2, 3, 4, 150, 99)]

    assert codes == [Rc.OK, Rc.NOT_RUNNING, Rc.NOT_RUNNING, Rc.NOT_RUNNING, Rc.ERROR, Rc.INSTALLED, Rc.ERROR]  # fmt: skip
    assert lsb.to_ocf("stop", 7) == Rc.OK
    assert lsb.to_ocf("start", 5) == Rc.INSTALLED
    assert lsb.to_ocf("start", 200) == Rc.ERROR


def test_metadata_is_read_with_times_in_milliseconds() -> None:
    metadata = database()

    datadir = metadata.parameter("datadir")
    monitor = metadata.action("monitor")
    assert datadir is not None
    assert monitor is not None
    assert (datadir.required, datadir.unique, datadir.default) == (True, True, None)
    assert (monitor.timeout_ms, monitor.interval_ms) == (20_000, 500)
    assert [action.timeout_ms for action in metadata.actions] == [60_000, 60_000, 20_000, 5000]
    assert (metadata.short, metadata.long) == ("Database", "Runs a database.")
    assert not missing_actions(metadata)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "metadata-missing"),
        ("command not found", "metadata-missing"),
        ("<resource-agent><oops></resource-agent>", "metadata-malformed"),
        ("<html/>", "metadata-malformed"),
        ("<resource-agent name='x'/>", "metadata-action"),
        ("<resource-agent><actions><action name='a' timeout='x'/></actions></resource-agent>", "metadata-action"),
        (("<resource-agent><parameters><parameter/></parameters><actions><action name='a'/></actions>"
         "</resource-agent>"), "metadata-parameter"),
    ],
)  # fmt: skip
def test_bad_metadata_is_a_finding(text: str, code: str) -> None:
    assert code in [finding.code for finding in parse(text, "x").findings]


def test_metadata_cannot_read_files_of_the_host() -> None:
    text = (
        '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        "<resource-agent name='x'><longdesc>&e;</longdesc>"
        "<actions><action name='start'/></actions></resource-agent>"
    )

    metadata = parse(text, "x").metadata

    assert metadata is not None
    assert not metadata.long


def test_every_mistake_in_the_parameters_is_named_at_once() -> None:
    found = validate(call("promote", prot="1", level="z"), database())

    assert {finding.code for finding in found} == {
        "agent-action",
        "agent-parameter-missing",
        "agent-parameter-unknown",
        "agent-parameter-type",
    }
    assert any("Did you mean port?" in finding.remedy for finding in found)


def test_right_parameters_have_no_finding() -> None:
    assert not validate(call(datadir="/srv", port="5433", level="b", pcmk_x="y"), database())
