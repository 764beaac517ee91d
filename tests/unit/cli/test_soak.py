"""What a soak makes of what it saw: gaps of the client, leavings of operators, marks, the report."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from ninefold.cib import model as cib
from ninefold.cli.lab_stage import unmarked
from ninefold.cli.soak import leavings, longest_gap_s
from ninefold.cli.soak_report import Outcome, Report, shown
from ninefold.drill.outage import Attempt
from ninefold.lab import defaults

XML = defaults.cib(["node1", "node2", "node3"])
WELL = {
    "nodes": [{"name": "node1", "standby": False, "maintenance": False}],
    "failures": [],
    "fail_counts": {},
}


def attempts(*ends: float) -> list[Attempt]:
    return [Attempt(end - 0.002, end, ok=True, host="node1") for end in ends]


def test_the_longest_gap_of_an_episode_begins_with_the_last_answer_before_it() -> None:
    asked = attempts(0.0, 9.9, 13.0, 13.1, 20.0)

    assert longest_gap_s(asked, 10.0, 13.2) == 13.0 - 9.9


def test_a_client_that_is_not_answered_again_waits_to_the_end() -> None:
    assert longest_gap_s(attempts(10.0), 11.0, 15.0) == 5.0


def test_a_configuration_as_it_was_has_no_leavings() -> None:
    assert leavings(WELL, XML, ("web",)) == []


def test_everything_that_operators_left_is_undone() -> None:
    status = WELL | {
        "nodes": [{"name": "node2", "standby": True, "maintenance": True}],
        "failures": ["one"],
    }
    xml = (
        XML.replace(
            "<constraints/>",
            '<constraints><rsc_location id="cli-prefer-web" rsc="web" node="node1" score="INFINITY"/></constraints>',
        )
        .replace(
            '<group id="web">',
            '<group id="web"><meta_attributes id="m"><nvpair id="t" name="target-role" value="Stopped"/>'
            "</meta_attributes>",
        )
        .replace('value="60s"', 'value="45s"')
    )

    assert leavings(status, xml, ("web",)) == [
        cib.SetNodeAttribute("node2", "standby", None),
        cib.SetNodeAttribute("node2", "maintenance", None),
        cib.SetProperty("stonith-timeout", "60s"),
        cib.ClearMoves("web"),
        cib.SetMetaAttribute("web", "target-role", None),
        cib.ForgetHistory(""),
    ]


def test_marks_are_taken_out_and_nothing_else() -> None:
    marked = XML.replace(
        "<nodes/>",
        '<nodes><node id="1" uname="node1"><instance_attributes id="n1">'
        '<nvpair id="a" name="mark-3" value="xxxx"/><nvpair id="b" name="rack" value="7"/>'
        "</instance_attributes></node></nodes>",
    )

    kept = unmarked(marked)

    assert kept is not None
    assert "mark-3" not in kept
    assert 'name="rack"' in kept
    assert unmarked(XML) is None


def test_the_report_says_what_was_broken_and_gives_the_scenario() -> None:
    report = Report(
        seed=3,
        nodes=5,
        seconds=60,
        outcomes=[Outcome(("crash",), 1.5, 2.5, 1, 4), Outcome(("move", "crash"), 0.5, 1.5, 1, 2)],
        problems=["db ran on node1 and on node2 at the same time"],
        scenario="cluster nodes=5\n----\n",
    )
    out = StringIO()
    console = Console(file=out, width=160)

    for part in shown(report):
        console.print(part, markup=False)

    text = out.getvalue()
    assert "3 faults in 2 episodes" in text
    assert "6 marked changes were acknowledged, 2 hosts fenced" in text
    assert "NOT AS IT MUST BE: db ran on node1" in text
    assert "cluster nodes=5" in text
    assert "several" in text
