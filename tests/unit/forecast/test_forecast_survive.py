"""Faults for good: what is lost, what is down meanwhile, and for how long at most."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from lxml import etree
from typer.testing import CliRunner

from ninefold.cli.main import app
from ninefold.core.findings import Finding
from ninefold.forecast.execute import execute
from ninefold.forecast.faults import Fault, Voters, broken, parse_fault, unfenceable
from ninefold.forecast.survive import at_rest, every, judge, minimal
from ninefold.scheduler import schedule_document
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from pathlib import Path

GROUP = (
    '<group id="g"><primitive id="ip" class="ocf" provider="heartbeat" type="Dummy"/>'
    '<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/></group>'
)
ONLY_N1 = "".join(
    f'<rsc_location id="l{node}" rsc="db" node="{node}" score="-INFINITY"/>'
    for node in ("n2", "n3")
)


@pytest.mark.parametrize(
    ("phrase", "wanted"),
    [
        ("node n2 down", Fault("node", "n2")),
        ("node  N2 is lost", Fault("node", "n2")),
        ("resource db fails", Fault("resource", "db", "n1")),
        ("resource db fails on n3", Fault("resource", "db", "n3")),
        ("device fence fails", Fault("device", "fence")),
        ("fence device fence fails", Fault("device", "fence")),
        ("quorum lost", Fault("quorum", "quorum")),
    ],
)
def test_phrases_are_read(phrase: str, wanted: Fault) -> None:
    assert parse_fault(cluster(running={"db": "n1"}), phrase, NOW) == wanted


@pytest.mark.parametrize(
    ("phrase", "code"),
    [
        ("node n9 down", "unknown-node"),
        ("resource x fails", "unknown-resource"),
        ("resource db fails", "not-running"),
        ("resource db fails on n9", "unknown-node"),
        ("device x fails", "unknown-device"),
        ("n2 down", "bad-phrase"),
    ],
)
def test_phrase_that_means_nothing_here_is_a_finding(phrase: str, code: str) -> None:
    found = parse_fault(cluster(), phrase, NOW)

    assert isinstance(found, Finding)
    assert found.code == code
    assert found.remedy


def test_service_of_a_lost_node_is_back_after_fencing_and_its_starts() -> None:
    outcome = judge(cluster(GROUP, running={"ip": "n1", "web": "n1"}), [Fault("node", "n1")], NOW)

    assert outcome.lost == ()
    assert outcome.settled
    # Fencing 60 s, then two starts of 20 s, one after the other.
    assert [(o.service, o.since_ms, o.until_ms) for o in outcome.outages] == [("g", 0, 100_000)]
    assert outcome.longest_ms == 100_000
    assert outcome.chain[:2] == ("node n1 is lost.", "n1 is fenced.")


def test_service_of_another_node_is_not_down() -> None:
    outcome = judge(cluster(running={"db": "n1"}), [Fault("node", "n2")], NOW)

    assert outcome.outages == ()


def test_node_that_cannot_be_fenced_keeps_its_services() -> None:
    faults = [Fault("node", "n1"), Fault("device", "fence")]

    outcome = judge(cluster(running={"db": "n1"}), faults, NOW)

    assert [loss.service for loss in outcome.lost] == ["db"]
    assert not outcome.settled
    assert "n1 is to be fenced, and no device can." in outcome.chain
    assert [(o.service, o.until_ms) for o in outcome.outages] == [("db", None)]


def test_nothing_that_waits_for_an_impossible_fencing_begins() -> None:
    world = broken(cluster(running={"db": "n1"}), [Fault("node", "n1")], NOW)
    transition = schedule_document(world.document, NOW)

    done = execute(world.document, transition, NOW, (), ["n1"])

    assert "db_start_0" not in [step.action.key for step in done.steps]
    assert "db_start_0" in [action.key for action in done.stuck]


def test_majority_that_is_lost_takes_quorum_with_it() -> None:
    outcome = judge(cluster(running={"db": "n1"}), [Fault("node", "n2"), Fault("node", "n3")], NOW)

    assert [loss.service for loss in outcome.lost] == ["db"]
    assert outcome.chain[-1] == "There is no quorum."


def test_votes_of_a_running_cluster_are_counted_as_they_are() -> None:
    heavy = Voters({"n1": 3, "n2": 1, "n3": 1}, 5)
    both = [Fault("node", "n2"), Fault("node", "n3")]

    alone = judge(cluster(running={"db": "n1"}), both, NOW, heavy)
    without = judge(cluster(running={"db": "n2"}), [Fault("node", "n1")], NOW, heavy)

    assert alone.lost == ()
    assert [loss.service for loss in without.lost] == ["db"]


def test_resource_that_fails_for_good_goes_elsewhere_or_is_lost() -> None:
    free = judge(cluster(running={"db": "n1"}), [Fault("resource", "db", "n1")], NOW)
    bound = judge(
        cluster(constraints=ONLY_N1, running={"db": "n1"}), [Fault("resource", "db", "n1")], NOW
    )

    assert free.lost == ()
    assert free.outages[0].since_ms == 0
    assert [loss.service for loss in bound.lost] == ["db"]


def test_clone_is_up_as_long_as_one_instance_is() -> None:
    clone = (
        '<clone id="c"><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></clone>'
    )
    root = cluster(clone)
    started = execute(root, schedule_document(root, NOW), NOW).document

    outcome = judge(started, [Fault("node", "n1")], NOW)

    assert outcome.lost == ()
    assert outcome.outages == ()


def test_pair_tells_only_what_neither_fault_alone_takes_down() -> None:
    root = cluster(constraints=ONLY_N1, running={"db": "n1"})

    outcomes = minimal([judge(root, one, NOW) for one in every(root, NOW, double=True)])

    lost = {one.faults: [x.service for x in one.lost] for one in outcomes if one.lost}
    assert lost[(Fault("node", "n1"),)] == ["db"]
    assert lost[(Fault("resource", "db", "n1"),)] == ["db"]
    assert (Fault("node", "n1"), Fault("node", "n2")) not in lost
    assert len(outcomes) == 5 + 10


def test_device_that_covers_another_node_only_is_of_no_use() -> None:
    root = cluster()
    device = root.find("configuration/resources/primitive[@id='fence']")
    assert device is not None
    pairs = etree.SubElement(device, "instance_attributes", id="fa")
    etree.SubElement(pairs, "nvpair", id="fn", name="pcmk_host_list", value="n1")

    assert unfenceable(root, []) == ["n2", "n3"]
    assert unfenceable(root, ["fence"]) == ["n1", "n2", "n3"]


def test_survive_and_what_if_as_commands(tmp_path: Path) -> None:
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(cluster(constraints=ONLY_N1, running={"db": "n1"})))
    words = [str(path), "--now", str(NOW)]

    survived = CliRunner().invoke(app, ["survive", *words, "--json"])
    asked = CliRunner().invoke(app, ["simulate", *words, "--what-if", "node n1 down"])
    wrong = CliRunner().invoke(app, ["simulate", *words, "--what-if", "n1 down"])

    assert survived.exit_code == 1
    assert json.loads(survived.stdout)["services"] == ["db"]
    assert asked.exit_code == 0
    assert "If node n1 is lost:" in asked.stdout
    assert "Not back:\n  db: " in asked.stdout
    assert wrong.exit_code == 2
    assert "node NODE down" in wrong.stderr


def test_failure_for_good_counts_as_a_failure_and_not_as_a_changed_definition() -> None:
    meta = (
        '<meta_attributes id="m"><nvpair id="t" name="migration-threshold" value="1"/>'
        "</meta_attributes>"
    )
    db = (
        f'<primitive id="db" class="ocf" provider="heartbeat" type="Dummy">{meta}<operations>'
        '<op id="db-mon" name="monitor" interval="10s"/></operations></primitive>'
    )
    root = cluster(db, running={"db": "n1"})
    rested = execute(root, schedule_document(root, NOW), NOW).document

    outcome = judge(rested, [Fault("resource", "db", "n1")], NOW)

    # One failure is enough: it is not tried again where it was.
    told = ["db fails on n1 for good.", "stop of db on n1.", "start of db on n2."]
    assert list(outcome.chain) == told


@pytest.mark.parametrize(("alive", "down"), [("true", ["db"]), ("false", ["db", "vm"])])
def test_what_moves_alive_with_another_is_not_down_meanwhile(alive: str, down: list[str]) -> None:
    resources = "".join(
        f'<primitive id="{name}" class="ocf" provider="heartbeat" type="Dummy">'
        f'<meta_attributes id="{name}-m"><nvpair id="{name}-a" name="allow-migrate" value="{alive}"/>'
        "</meta_attributes></primitive>"
        for name in ("db", "vm")
    )
    beside = '<rsc_colocation id="c" rsc="vm" with-rsc="db" score="INFINITY"/>'
    root = at_rest(cluster(resources, beside, {"db": "n1", "vm": "n1"}), NOW)

    outcome = judge(root, [Fault("resource", "db", "n1")], NOW)

    assert [one.service for one in outcome.outages] == down
    assert any("migrate_from of vm" in line for line in outcome.chain) is (alive == "true")
