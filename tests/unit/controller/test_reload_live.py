"""Parameters that change under a running resource: taken over by a reload, or by a restart."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ninefold.agents.model import OpStatus, Outcome, Rc, Traits
from ninefold.cib import model as cib
from ninefold.controller import events as ev
from ninefold.controller import requests as rq
from tests.controller_life import Life, document

if TYPE_CHECKING:
    from tests.controller_life import Job

CRM_SIMULATE = Path("/usr/sbin/crm_simulate")

# As ocf:pacemaker:Dummy describes itself, with a secret.
DUMMY = Traits(restart=("state",), secret=("passwd",))


def text(state: str = "a", fake: str = "x", passwd: str = "p") -> str:
    pairs = {"state": state, "fake": fake, "passwd": passwd}
    inner = "".join(f'<nvpair id="db-{k}" name="{k}" value="{v}"/>' for k, v in pairs.items())
    return document(
        '<primitive id="db" class="ocf" provider="sim" type="service">'
        f'<instance_attributes id="db-params">{inner}</instance_attributes><operations>'
        '<op id="db-m" name="monitor" interval="10s"/></operations></primitive>'
    )


def begun(traits: Traits | None = DUMMY) -> Life:
    life = Life(3, text())
    life.traits = traits
    life.begin()
    assert life.settle(lambda _: 0)
    life.story.clear()
    return life


def edited(life: Life, **parameters: str) -> str:
    """Return the present document with other parameters."""
    xml = life.ring.all[1].direction.context().to_xml().decode()
    for name, value in parameters.items():
        xml = re.sub(f'(name="{name}" value=)"[^"]*"', rf'\1"{value}"', xml)
    return xml


def change(life: Life, **parameters: str) -> list[str]:
    """Let an operator change parameters; return what the agents were asked for."""
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(edited(life, **parameters))))
    life.drain()
    assert life.settle(lambda _: 0)
    return [line.partition(" ")[2] for line in life.story]


def launched(life: Life) -> list[Job]:
    jobs: list[Job] = []
    life.on_launch.append(jobs.append)
    return jobs


def test_what_may_be_reloaded_is() -> None:
    life = begun()
    jobs = launched(life)

    assert change(life, fake="y") == ["reload-agent db", "monitor db"]
    assert [job.call.parameters["fake"] for job in jobs] == ["y", "y"]
    assert any("db reloaded on" in line for line in life.told())


def test_what_may_not_be_reloaded_is_restarted() -> None:
    assert change(begun(), state="b") == ["stop db", "start db", "monitor db"]
    assert change(begun(), state="b", fake="y") == ["stop db", "start db", "monitor db"]


def test_an_agent_that_cannot_reload_is_restarted() -> None:
    assert change(begun(Traits()), fake="y") == ["stop db", "start db", "monitor db"]
    assert change(begun(None), fake="y") == ["stop db", "start db", "monitor db"]


def test_a_second_reload_is_seen_as_the_first_was() -> None:
    life = begun()
    change(life, fake="y")
    life.story.clear()

    assert change(life, fake="y") == []
    assert change(life, fake="z") == ["reload-agent db", "monitor db"]


def test_a_reload_that_fails_ends_in_a_restart_that_stops_it_as_it_was_started() -> None:
    life = begun()
    jobs = launched(life)
    node = life.where("db")[0]
    life.faults[(node, "db", "reload-agent")] = 1

    done = change(life, fake="y")

    assert done[:3] == ["reload-agent db", "stop db", "start db"]
    stopped = next(job for job in jobs if job.call.action == "stop")
    assert stopped.call.parameters["fake"] == "x"


@pytest.mark.parametrize("code", [Rc.ARGS, Rc.INSTALLED])
def test_a_reload_that_refuses_its_parameters_does_not_show_that_nothing_runs(code: Rc) -> None:
    # From a probe these codes say that nothing can be there. But it runs on, with the old parameters.
    life = begun()
    node = life.where("db")[0]
    life.faults[(node, "db", "reload-agent")] = code

    done = change(life, fake="y")

    assert done[:3] == ["reload-agent db", "stop db", "start db"]
    assert len(life.where("db")) == 1


def test_a_reload_whose_agent_is_gone_does_not_show_that_nothing_runs() -> None:
    life = begun()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(edited(life, fake="y"))))
    life.drain()
    job = next(job for job in life.jobs if job.call.action == "reload-agent")
    life.jobs.remove(job)
    gone = Outcome(Rc.INSTALLED, OpStatus.NOT_INSTALLED, "it is not installed")

    life.story.clear()
    life.ring.give(job.node, ev.AgentFinished(job.token, gone))
    life.drain()
    assert life.settle(lambda _: 0)

    assert life.story[0] == f"{job.node}: stop db"
    assert len(life.where("db")) == 1


def test_what_was_reloaded_is_stopped_with_what_it_was_given() -> None:
    life = begun()
    change(life, fake="y")
    jobs = launched(life)

    life.ask(1, rq.ChangeCib(cib.SetMetaAttribute("db", "target-role", "Stopped")))
    life.drain()
    assert life.settle(lambda _: 0)

    assert jobs[0].call.action == "stop"
    assert jobs[0].call.parameters["fake"] == "y"


def test_as_long_as_a_reload_is_under_way_the_node_is_known_to_run_it() -> None:
    life = begun()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(edited(life, fake="y"))))
    life.drain()

    node = next(job.node for job in life.jobs if job.call.action == "reload-agent")
    tasks = {op.task: op.op_status for op in life.ring.all[1].replica.working.operations(node)}

    assert tasks["start"] == 0
    assert tasks["reload-agent"] == -1


def restarted(life: Life, **parameters: str) -> int:
    """Change parameters while nothing is managed, and let the daemon of the node that runs it begin anew."""
    node = next(node for node, name in life.kept if name == "db")
    life.ask(1, rq.ChangeCib(cib.SetProperty("maintenance-mode", "true")))
    life.drain()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(edited(life, **parameters))))
    life.drain()
    assert life.settle(lambda _: 0)
    life.restart_daemon(node)
    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)
    return node


def leave_maintenance(life: Life) -> list[str]:
    life.story.clear()
    life.ask(1, rq.ChangeCib(cib.SetProperty("maintenance-mode", None)))
    life.drain()
    assert life.settle(lambda _: 0)
    return [line.partition(" ")[2] for line in life.story]


def test_a_daemon_that_begins_anew_looks_for_what_was_started_and_stops_it_so() -> None:
    life = begun()
    jobs = launched(life)

    node = restarted(life, state="b")
    looked = [j for j in jobs if j.node == node and j.call.action == "monitor"]
    assert looked[-1].call.parameters["state"] == "a"
    done = leave_maintenance(life)

    assert done[:2] == ["stop db", "start db"]
    stopped = next(j for j in jobs if j.call.action == "stop")
    assert stopped.call.parameters["state"] == "a"
    assert jobs[jobs.index(stopped) + 1].call.parameters["state"] == "b"
    # What the probe found is recorded as a failure: it must be past with the definition that it was for.
    assert not any("led nowhere" in text for text in life.told())
    assert life.ring.all[1].replica.working.failures() == ()


def test_what_can_be_reloaded_is_reloaded_after_a_restart_of_the_daemon_too() -> None:
    life = begun()

    restarted(life, fake="y")

    assert leave_maintenance(life)[:1] == ["reload-agent db"]


def test_a_restart_of_the_daemon_alone_restarts_nothing() -> None:
    life = begun()

    restarted(life)

    assert [line for line in leave_maintenance(life) if line != "monitor db"] == []


def test_what_was_started_otherwise_and_is_gone_is_looked_for_as_it_is_configured() -> None:
    life = begun()
    jobs = launched(life)
    life.roles.clear()

    node = restarted(life, state="b")

    looked = [j for j in jobs if j.node == node and j.call.action == "monitor"]
    assert [j.call.parameters["state"] for j in looked[-2:]] == ["a", "b"]


@pytest.mark.skipif(not CRM_SIMULATE.exists(), reason="Pacemaker is not installed")
@pytest.mark.parametrize(
    ("parameters", "word"), [({"fake": "y"}, "Reload"), ({"state": "b"}, "Restart")]
)
def test_crm_simulate_says_the_same_of_our_document(
    parameters: dict[str, str], word: str, tmp_path: Path
) -> None:
    life = begun()
    xml = edited(life, **parameters)
    assert 'op-restart-digest="' in xml
    file = tmp_path / "cib.xml"
    file.write_text(xml)

    said = subprocess.run(
        [CRM_SIMULATE, "-x", file, "-S"], capture_output=True, text=True, check=True
    ).stdout

    actions = [line.split()[1:3] for line in said.splitlines() if re.match(r"  \* Re\w+  ", line)]
    assert actions == [[word, "db"]]
