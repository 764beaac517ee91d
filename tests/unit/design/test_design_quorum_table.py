"""The truth table of quorum on the configurations that the field uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ninefold.design.model import Group, Infrastructure, Part
from ninefold.design.quorum_table import acting_pair, quorum_table, voters_of

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.design.results import QuorumTable


def corosync(tmp_path: Path, count: int, quorum: str = "") -> str:
    nodes = "".join(
        f"  node {{\n    nodeid: {n}\n    name: n{n}\n    ring0_addr: host{n}\n  }}\n"
        for n in range(1, count + 1)
    )
    path = tmp_path / "corosync.conf"
    path.write_text(
        "totem {\n  version: 2\n  cluster_name: c\n}\n"
        f"nodelist {{\n{nodes}}}\n"
        f"quorum {{\n  provider: corosync_votequorum\n{quorum}}}\n"
    )
    return str(path)


def table(group: Group, *parts: Part) -> QuorumTable:
    nodes = {name: Part(name, "node", "compute") for name in group.nodes}
    model = Infrastructure("m", nodes | {p.name: p for p in parts}, {group.name: group})
    return quorum_table(model, group)


def nodes(count: int) -> tuple[str, ...]:
    return tuple(f"n{number}" for number in range(1, count + 1))


def quorate(found: QuorumTable) -> set[tuple[str, ...]]:
    return {row.members for row in found.rows if row.quorate}


def test_of_three_nodes_any_two_go_on() -> None:
    found = table(Group("g", nodes(3), quorum=2))

    assert (found.expected, found.threshold) == (3, 2)
    assert quorate(found) == {("n1", "n2", "n3"), ("n1", "n2"), ("n1", "n3"), ("n2", "n3")}
    assert "No two disjoint partitions can both act." in found.notes
    assert "Quorum survives the loss of any 1 node at once." in found.notes


def test_two_node_lets_both_go_on_and_says_that_fencing_decides() -> None:
    found = table(Group("g", nodes(2), quorum=1, two_node=True))

    assert quorate(found) == {("n1", "n2"), ("n1",), ("n2",)}
    assert any("only fencing decides" in note for note in found.notes)
    assert any(note.startswith("wait_for_all: after a full stop") for note in found.notes)


def test_two_node_without_fencing_is_said_to_let_both_write() -> None:
    found = table(Group("g", nodes(2), quorum=1, two_node=True, fencing_enabled=False))

    assert any("nothing keeps both from writing" in note for note in found.notes)


def test_two_nodes_that_do_not_wait_are_said_to_fence_each_other(tmp_path: Path) -> None:
    path = corosync(tmp_path, 2, "  two_node: 1\n  wait_for_all: 0\n")
    found = table(Group("g", nodes(2), corosync=path))

    assert any("in turns" in note for note in found.notes)


def test_even_votes_without_a_witness_stop_on_both_sides() -> None:
    found = table(Group("g", nodes(4), quorum=3))

    assert ("n1", "n2") not in quorate(found)
    assert any("4 votes are even" in note for note in found.notes)


def test_a_quorum_device_gives_one_half_its_vote(tmp_path: Path) -> None:
    device = "  device {\n    model: net\n    votes: 1\n    net {\n      host: q\n      algorithm: ffsplit\n    }\n  }\n"
    found = table(Group("g", nodes(4), corosync=corosync(tmp_path, 4, device)))

    assert found.expected == 5
    assert ("n1", "n2", "quorum device") in quorate(found)
    assert ("n3", "n4") not in quorate(found)
    assert "No two disjoint partitions can both act." in found.notes


def test_the_tie_breaker_lets_the_half_with_the_lowest_node_go_on(tmp_path: Path) -> None:
    path = corosync(tmp_path, 4, "  auto_tie_breaker: 1\n")
    found = table(Group("g", nodes(4), corosync=path))

    halves = {members for members in quorate(found) if len(members) == 2}
    assert halves == {("n1", "n2"), ("n1", "n3"), ("n1", "n4")}
    assert any("holds the tie-breaking node" in row.sentence for row in found.rows)
    assert acting_pair(found.rows) is None


def test_last_man_standing_tells_how_many_are_left_in_the_end(tmp_path: Path) -> None:
    path = corosync(tmp_path, 5, "  last_man_standing: 1\n  wait_for_all: 1\n")
    found = table(Group("g", nodes(5), corosync=path))

    (note,) = [note for note in found.notes if note.startswith("last_man_standing")]
    assert "2 of 5 go on" in note
    assert "10 s" in note
    # At once, a majority is still needed.
    assert ("n1", "n2") not in quorate(found)


def test_last_man_standing_with_a_tie_breaker_goes_down_to_one(tmp_path: Path) -> None:
    options = "  last_man_standing: 1\n  wait_for_all: 1\n  auto_tie_breaker: 1\n"
    found = table(Group("g", nodes(4), corosync=corosync(tmp_path, 4, options)))

    (note,) = [note for note in found.notes if note.startswith("last_man_standing")]
    assert "1 of 4 go on" in note


def test_a_witness_on_the_cluster_itself_is_told() -> None:
    group = Group("g", nodes(2), quorum=2, witness="w")
    found = table(group, Part("w", "witness", "site", inside=("n1",)))

    assert any("falls with it" in note for note in found.notes)


def test_a_witness_in_a_rack_of_a_node_is_told() -> None:
    group = Group("g", nodes(2), quorum=2, witness="w")
    rack = Part("rack", "rack", "site")
    n1 = Part("n1", "node", "compute", inside=("rack",))
    model = Infrastructure(
        "m",
        {
            "rack": rack,
            "n1": n1,
            "n2": Part("n2", "node", "compute"),
            "w": Part("w", "w", "site", inside=("rack",)),
        },
        {"g": group},
    )

    assert any("shares rack" in note for note in quorum_table(model, group).notes)


def test_a_witness_with_too_many_votes_makes_anybody_quorate() -> None:
    group = Group("g", nodes(3), quorum=3, witness="w", witness_votes=2)

    found = table(group, Part("w", "witness", "site"))

    assert any("makes any single node quorate" in note for note in found.notes)


def test_fewer_votes_than_a_majority_let_two_sides_act() -> None:
    found = table(Group("g", nodes(4), quorum=2))

    assert any(note.startswith("Two disjoint partitions can both act") for note in found.notes)
    assert "The model asks for 2 votes; a majority of 4 is 3." in found.notes


def test_without_quorum_everything_may_act() -> None:
    found = table(Group("g", nodes(2)))

    assert all(row.quorate for row in found.rows)
    assert any("No quorum is asked for" in note for note in found.notes)


def test_a_large_group_is_told_by_votes() -> None:
    found = table(Group("g", nodes(15), quorum=8))

    assert len(found.rows) == 15
    assert [row.votes for row in found.rows if row.quorate] == list(range(15, 7, -1))
    assert found.notes[0].startswith("15 voters")


def test_uneven_votes_count() -> None:
    found = table(Group("g", nodes(3), votes={"n1": 3}, quorum=3))

    assert ("n1",) in quorate(found)
    assert ("n2", "n3") not in quorate(found)


def test_a_file_that_cannot_be_read_leaves_the_model(tmp_path: Path) -> None:
    group = Group("g", nodes(3), quorum=2, corosync=str(tmp_path / "none"))

    assert voters_of(group).expected == 3
    assert voters_of(msgspec.structs.replace(group, corosync="")).asked == 2
