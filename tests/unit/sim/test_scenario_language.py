"""The language of scenarios: what it says to a mistake, and that it says the same twice."""

from __future__ import annotations

import pytest

from ninefold.sim.checkers import Violation
from ninefold.sim.scenario import ScenarioError, play, read

SMALL = """\
# One node, no fencing.
cluster nodes=1 fencing=no token=500 coefficient=0
resource db
----
"""


def test_story_is_put_below_the_dashes_and_replaces_what_was_there() -> None:
    printed = play(SMALL + "an old story\n\nadvance 1s\n----\nanother\n")

    assert "old story" not in printed
    assert "another" not in printed
    assert "node1: db started on node1" in printed
    assert printed.splitlines()[:4] == SMALL.splitlines()


def test_playing_what_was_printed_prints_the_same() -> None:
    once = play(SMALL)

    assert play(once) == once


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("explode node1", "there is no command 'explode'"),
        ("crash node9", "there is no node 'node9'; there are node1"),
        ("crash", "name a node, or all"),
        ("advance", "is no length of time; write 30s"),
        ("advance soon", "is no length of time"),
        ("fault db start", "write: fault RESOURCE ACTION"),
        ("weather rain=3", "weather has loss, duplication, corruption"),
        ("weather loss=3", "is no percentage"),
        ("network node1 half", "is neither on nor off"),
        ("fence-device sleeps", "write: fence-device"),
        ("disk node1 gone", "write: disk"),
        ("kill mail", "mail does not run there"),
        ("resource late", "must come before the first row"),
        ("expect snow", "expect knows"),
        ("expect db on node2", "db runs on"),
        ("expect db nowhere", "db runs on"),
        ("expect fenced node1", "fenced so far: nobody"),
        ("expect within 1s db nowhere", "not within 1s"),
        ("expect acknowledged", "nothing was asked"),
        ("expect violation soon", "write: expect violation within TIME"),
        ("expect violation within 1s db started", "no checker said 'db started'"),
        ("declare-dead node1 confirmed\nexpect acknowledged", "alive"),
    ],
)
def test_mistake_is_named_with_line_and_remedy(command: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint) as raised:
        play(f"{SMALL}\n{command}\n----\n")

    assert str(raised.value).startswith(f"line {6 + command.count(chr(10))}: ")


@pytest.mark.parametrize(
    "definition",
    ["group web = vip http", "group web", "resource", "cluster nodes", "resource db on"],
)
def test_bad_definition_is_named(definition: str) -> None:
    with pytest.raises(ScenarioError, match="line 1: "):
        play(f"{definition}\n----\n")


def test_cluster_that_cannot_be_is_refused() -> None:
    with pytest.raises(ScenarioError, match="this cluster cannot be"):
        play("cluster nodes=3 token=1\npower-on all\n----\n")


def test_commands_without_dashes_are_refused() -> None:
    with pytest.raises(ScenarioError, match="no dashes follow"):
        play(SMALL + "\nadvance 1s\n")


def test_violation_ends_a_scenario_with_its_story() -> None:
    # The operator's word is false: the node has power and runs the database.
    with pytest.raises((ScenarioError, Violation), match="has power"):
        play(
            "cluster nodes=3 token=500 coefficient=0\nresource db on=2\n----\n\n"
            "fence-device fails\nnetwork node2 off\nadvance 5s\n"
            "declare-dead node2 confirmed\nadvance 5s\n----\n"
        )


def test_violation_that_is_expected_is_told_and_another_one_is_not_taken_for_it() -> None:
    lies = (
        "cluster nodes=2 two_node=yes token=500 coefficient=0\nresource db on=1\n----\n\n"
        "fence-device lies\npause node1\n"
    )

    told = play(f"{lies}expect violation within 20s db started on 2 while it runs on [1]\n----\n")

    assert "checkers: " in told
    with pytest.raises(Violation, match="db started on 2"):
        play(f"{lies}expect violation within 20s both have quorum\n----\n")


def test_comments_and_empty_lines_are_kept_but_not_carried_out() -> None:
    blocks = read("# one\n\nadvance 1s  # two\n----\nprinted\n\n# three\n----\n")

    assert [block.commands for block in blocks] == [[(3, "advance 1s")], []]
    assert blocks[1].written == ["# three"]


def test_node_without_a_daemon_is_no_member_of_anything() -> None:
    with pytest.raises(ScenarioError, match="node1 has no daemon"):
        play(SMALL + "\ncrash node1\nexpect members node1\n----\n")
