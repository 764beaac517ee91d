"""Each cause that an operator meets is told, with the command that would change it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from lxml import etree
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.forecast import causes, remedies
from ninefold.forecast import events as ev
from ninefold.forecast.events import inject
from ninefold.forecast.explain import Explanation, explain
from ninefold.forecast.opspec import OpSpec
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from pathlib import Path

DB = '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy">{}</primitive>'
META = '<meta_attributes id="db-m"><nvpair id="db-mv" name="{}" value="{}"/></meta_attributes>'
WEB = '<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/>'


def attribute(root: etree._Element, node: str, name: str, value: str) -> None:
    element = root.find(f"configuration/nodes/node[@uname='{node}']")
    assert element is not None
    pairs = etree.SubElement(element, "instance_attributes", id=f"{node}-a")
    etree.SubElement(pairs, "nvpair", id=f"{node}-{name}", name=name, value=value)


def option(name: str, value: str) -> str:
    return f'<nvpair id="opt-{name}" name="{name}" value="{value}"/>'


def one(root: etree._Element, name: str = "db") -> Explanation:
    return explain(root, NOW, name)[0]


def causes_of(answer: Explanation) -> dict[str, tuple[str, str]]:
    """Return code -> sentence and command, of whatever was said."""
    said = [(c.code, c.sentence, c.command) for c in answer.reasons]
    for place in answer.places:
        said += [(c.code, c.sentence, c.command) for c in place.parts]
        said += [(c.code, c.sentence, c.command) for c in place.obstacles]
    return {code: (sentence, command) for code, sentence, command in said}


def test_preference_beats_stickiness_and_the_sums_say_so() -> None:
    root = cluster(
        DB.format(META.format("resource-stickiness", "50")),
        '<rsc_location id="likes" rsc="db" node="n2" score="100"/>',
        {"db": "n1"},
    )

    answer = one(root)

    assert answer.verdict == (
        "db is started on n1, and shall be started on n2."
        " It scores 100 there, 50 on n1, the next best."
    )
    assert [(p.node, p.score, p.chosen) for p in answer.places] == [
        ("n1", 50, False), ("n2", 100, True), ("n3", 0, False)
    ]  # fmt: skip
    assert [(p.code, p.score, p.origin) for p in answer.places[1].parts] == [
        ("location", 100, "likes")
    ]
    assert answer.waits == (
        "Its stop on n1 waits for nothing (at most 20 s itself).",
        "Its start on n2 waits for the stop of db on n1 (at most 20 s itself).",
    )


@pytest.mark.parametrize(
    ("options", "code", "command"),
    [
        (option("stop-all-resources", "true"), "stop-all", "ninefold cib property stop-all-resources"),
        (option("maintenance-mode", "true"), "maintenance-mode",
         "ninefold cib property maintenance-mode"),
        (option("symmetric-cluster", "false"), "asymmetric",
         "ninefold cib property symmetric-cluster true"),
    ],
)  # fmt: skip
def test_what_is_set_for_the_whole_cluster_is_told(options: str, code: str, command: str) -> None:
    assert causes_of(one(cluster(options=options)))[code][1] == command


def test_ban_is_told_with_the_command_that_clears_it() -> None:
    ban = '<rsc_location id="cli-ban-db-on-n1" rsc="db" node="n1" score="-INFINITY"/>'

    said = causes_of(one(cluster(constraints=ban)))

    assert "left by a ban or a move away" in said["location"][0]
    assert said["location"][1] == "ninefold resource clear db"


def test_what_is_wanted_stopped_can_be_started() -> None:
    root = cluster(DB.format(META.format("target-role", "Stopped")), running={"db": "n1"})

    answer = one(root)

    assert answer.verdict == "db is started on n1, and shall be stopped."
    assert causes_of(answer)["target-role"][1] == "ninefold resource start db"


def test_standby_maintenance_and_loss_of_nodes_are_obstacles() -> None:
    root = cluster()
    attribute(root, "n1", "standby", "on")
    attribute(root, "n2", "maintenance", "true")
    inject(root, [ev.NodeFail("n3")], NOW)

    said = causes_of(one(root))

    assert said["node-standby"][1] == "ninefold node online n1"
    assert said["node-maintenance"][1] == "ninefold node unmaintenance n2"
    assert said["node-unclean"][1] == "ninefold node fence n3"


def test_node_that_left_is_not_online() -> None:
    root = cluster()
    inject(root, [ev.NodeDown("n2")], NOW)

    assert causes_of(one(root))["node-offline"][0] == "n2 is not online."


def test_failed_start_is_told_with_cleanup() -> None:
    root = cluster()
    inject(root, [ev.OperationResult(OpSpec("db", "start", 0, "n1", 1))], NOW)

    said = causes_of(one(root))

    assert said["migration-threshold"][1] == "ninefold resource cleanup db"


def test_agent_that_is_not_installed_is_told() -> None:
    root = cluster()
    inject(root, [ev.OperationResult(OpSpec("db", "start", 0, "n1", 5))], NOW)

    said = causes_of(one(root))

    assert "not installed" in said["hard-error"][0]
    assert said["hard-error"][1] == "ninefold resource cleanup db"


def test_without_quorum_nothing_is_started() -> None:
    root = cluster()
    inject(root, [ev.Quorum(quorate=False)], NOW)

    assert "no-quorum-policy=stop" in causes_of(one(root))["no-quorum"][0]


def test_without_fence_device_nothing_is_started() -> None:
    root = cluster()
    # What is still on record counts as a device until it has been stopped.
    for device in list(root.iterfind(".//*[@id='fence']")):
        device.getparent().remove(device)  # type: ignore[union-attr]

    said = causes_of(one(root))

    assert "no fence device is configured" in said["blocked"][0]
    assert "class stonith" in said["blocked"][1]


def test_colocation_with_something_stopped_is_told() -> None:
    web = WEB.replace("/>", f">{META.format('target-role', 'Stopped')}</primitive>")
    rule = '<rsc_colocation id="together" rsc="db" with-rsc="web" score="INFINITY"/>'

    said = causes_of(one(cluster(DB.format("") + web, rule)))

    assert said["colocation"][0] == (
        "Constraint together (INFINITY) places it with web, which is to run nowhere:"
        " web is wanted stopped."
    )


def test_what_it_waits_for_passes_through_points_that_only_others_wait_for() -> None:
    group = f'<group id="g">{WEB}</group>'
    root = cluster(
        DB.format("") + group,
        '<rsc_order id="o" first="db" then="g"/>'
        '<rsc_colocation id="c" rsc="g" with-rsc="db" score="INFINITY"/>',
        {"db": "n1", "web": "n1"},
    )
    inject(root, [ev.NodeFail("n1")], NOW)

    waits = " ".join(one(root, "web").waits)

    assert "the start of db on n2" in waits
    assert "the fencing of n1" in waits


def test_ticket_that_is_not_granted_is_told() -> None:
    root = cluster(constraints='<rsc_ticket id="t" rsc="db" ticket="site-a" loss-policy="stop"/>')

    said = causes_of(one(root))

    assert "site-a" in said["ticket"][0]
    assert "ninefold simulate -g site-a" in said["ticket"][1]


def test_instances_of_a_clone_are_told_one_by_one_and_not_moved() -> None:
    answers = explain(cluster(f'<clone id="c">{WEB}</clone>'), NOW, "c")

    assert [answer.resource for answer in answers] == ["web:0", "web:1", "web:2"]
    assert all(answer.trials == () for answer in answers)
    said = [c for answer in answers for c in causes_of(answer)]
    assert "instance-limit" in said


def test_move_is_tried_and_what_follows_is_told() -> None:
    together = '<rsc_colocation id="c" rsc="web" with-rsc="db" score="INFINITY"/>'
    avoid = '<rsc_location id="not-n3" rsc="web" node="n3" score="-INFINITY"/>'
    root = cluster(DB.format("") + WEB, together + avoid, {"db": "n1", "web": "n1"})

    trials = {trial.node: trial for trial in one(root).trials}

    assert trials["n2"].goes
    assert trials["n2"].also == ("web goes to n2",)
    assert trials["n2"].command == "ninefold resource move db n2"
    # What must run with it may not run there, and that counts for the whole.
    assert not trials["n3"].goes


def test_unknown_resource_has_no_explanation() -> None:
    assert explain(cluster(), NOW, "nothing") == ()


def test_every_command_that_is_named_exists() -> None:
    command: Any = typer.main.get_command(app)
    known = []
    for cause in [
        *(x[1] for x in causes._ORIGINS.values()),
        *remedies.COMMANDS.values(),
        causes.EDIT,
    ]:
        known += re.findall(r"ninefold ([a-z-]+)(?: ([a-z-]+))?", cause)

    assert known
    for first, second in known:
        below = command.commands[first]
        if getattr(below, "commands", None):
            assert second in below.commands


def test_command_prints_sums_and_unknown_names_are_all_told(tmp_path: Path) -> None:
    path = tmp_path / "cib.xml"
    likes = '<rsc_location id="likes" rsc="db" node="n2" score="100"/>'
    path.write_bytes(etree.tostring(cluster(constraints=likes, running={"db": "n1"})))
    words = ["--cib", str(path), "--now", str(NOW)]

    good = CliRunner().invoke(app, ["explain", "db", *words, "--on", "n2"])
    data = CliRunner().invoke(app, ["explain", "db", *words, "--json"])
    bad = CliRunner().invoke(app, ["explain", "x", *words, "--on", "n9", "--on", "n8"])

    assert good.exit_code == 0
    assert "n2: 100, chosen\n        +100  Constraint likes scores it 100.\n" in good.stdout
    assert "n1:" not in good.stdout
    assert json.loads(data.stdout)["explanations"][0]["next_node"] == "n2"
    assert bad.exit_code == 2
    assert "node n8" in bad.stderr
    assert "node n9" in bad.stderr
