"""One reload, told as stories: who says what, who hears it, and what each goes by in the end."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from ninefold.core.findings import Severity
from ninefold.core.ids import RingId
from ninefold.node.reload import NOTHING
from ninefold.node.reload_messages import (
    MARK,
    Ask,
    BadReloadError,
    Round,
    Said,
    Standing,
    decode,
    decode_standing,
    encode,
    encode_standing,
)
from ninefold.quorum.ballots import ballot_of, distance, needs, present
from ninefold.quorum.events import Promised, Synced
from ninefold.quorum.machine import Quorum
from tests.reload_world import ReloadWorld, conf

ONE_EACH = {1: 1, 2: 1, 3: 1}
# From seven votes at seven nodes to five at three, one vote after the other.
SHRINKING = [
    {node: votes[node - 1] for node in range(1, 8)}
    for votes in (
        (1, 1, 1, 0, 1, 1, 1),
        (1, 1, 1, 0, 0, 1, 1),
        (2, 1, 1, 0, 0, 1, 1),
        (2, 1, 1, 0, 0, 0, 1),
        (2, 2, 1, 0, 0, 0, 1),
        (2, 2, 1, 0, 0, 0, 0),
    )
]


def world_of(votes: dict[int, int] = ONE_EACH) -> ReloadWorld:
    return ReloadWorld(conf(votes))


def versions(world: ReloadWorld) -> list[int]:
    return [m.reloads.config.totem.config_version for m in world.members.values()]


def codes(world: ReloadWorld, node: int) -> set[str]:
    found = world.members[node].answers[-1].findings
    return {finding.code for finding in found if finding.severity is Severity.ERROR}


def all_promise_but_the_last_word_is_heard_by(world: ReloadWorld, *nodes: int) -> None:
    """Ask at node 1; every member promises; only `nodes` hear all of it."""
    world.ask(1)
    for node in world.members:
        world.deliver(node)
        assert world.read(node)
    for node in nodes:
        while world.deliver(node):
            pass


def test_all_take_the_file_at_the_last_word_and_count_by_it() -> None:
    world = world_of()
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 2))

    answer = world.reload(2)

    assert not answer.problems
    assert versions(world) == [2, 2, 2]
    verdict = world.members[3].quorum.verdict
    assert (verdict.votes, verdict.expected, verdict.threshold) == (4, 4, 3)


def test_a_file_that_says_what_is_gone_by_already_is_taken_and_changes_nothing() -> None:
    world = world_of()

    answer = world.reload(1)

    assert (answer.problems, answer.findings) == ((), ())
    assert not any(m.takes or m.reloads.in_doubt for m in world.members.values())


def test_one_refusal_leaves_all_as_they_were_and_all_findings_are_told() -> None:
    world = world_of()
    world.write([1, 3], conf({1: 1, 2: 1}, 2))
    world.write([2], None)

    answer = world.reload(1)

    assert answer.problems == (NOTHING,)
    assert "removed-but-here" in codes(world, 1)
    assert versions(world) == [1, 1, 1]
    assert not any(m.reloads.in_doubt for m in world.members.values())


def test_files_that_differ_are_named() -> None:
    world = world_of()
    world.write([1, 2], conf({1: 2, 2: 1, 3: 1}, 2))

    answer = world.reload(1)

    assert "The file of n3 does not say the same" in answer.problems[0]
    assert answer.problems[-1] == NOTHING
    assert versions(world) == [1, 1, 1]


def test_two_who_ask_at_once_get_one_reload_and_one_answer_to_try_again() -> None:
    world = world_of()
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 2))

    world.ask(2)
    world.ask(1)
    world.settle()

    assert not world.members[2].answers[-1].problems
    assert "try again" in world.members[1].answers[-1].problems[0]
    assert versions(world) == [2, 2, 2]


def test_a_member_whose_disk_hangs_is_named_and_what_it_says_later_counts_for_nothing() -> None:
    world = world_of()
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 2))
    world.ask(1)
    for node in (1, 2, 3):
        world.deliver(node)
    for node in (1, 2):
        world.read(node)

    world.give_up(1)
    for node in (1, 2, 3):
        while world.deliver(node):
            pass
    world.settle()

    assert world.members[1].answers[-1].problems == (
        "n3 has not said anything of its file.",
        NOTHING,
    )
    assert versions(world) == [1, 1, 1]
    assert not any(m.reloads.in_doubt for m in world.members.values())


def test_who_was_cut_off_before_the_last_word_counts_by_both_files_and_learns_it_later() -> None:
    # By the new file node 3 has no vote, by the old one it has one of three.
    world = world_of()
    world.write([1, 2, 3], conf({1: 1, 2: 1, 3: 0}, 2))
    all_promise_but_the_last_word_is_heard_by(world, 1, 2)

    world.form([(1, 2), (3,)])

    assert world.members[3].reloads.in_doubt
    assert world.quorate() == [(1, 2)]
    world.form([(1, 2, 3)])
    assert versions(world) == [2, 2, 2]
    assert not world.members[3].reloads.in_doubt


def test_a_part_in_doubt_needs_a_majority_by_either_file() -> None:
    # Old: 3 of 5. New: 4 of 6. Node 1 took it; the others do not know.
    world = world_of(dict.fromkeys((1, 2, 3, 4, 5), 1))
    world.write([1, 2, 3, 4, 5], conf({1: 2, 2: 1, 3: 1, 4: 1, 5: 1}, 2))
    all_promise_but_the_last_word_is_heard_by(world, 1)

    world.form([(1, 2), (3, 4, 5)])

    assert world.quorate() == []
    reason = world.members[3].quorum.verdict.reason
    assert "different files" in reason
    assert "3 of 6 votes" in reason


@pytest.mark.parametrize(
    ("votes", "options"),
    [
        ({1: 3, 2: 1, 3: 1}, {}),
        ({1: 2, 2: 0, 3: 1}, {}),
        ({1: 1}, {}),
        ({1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, {}),
        (ONE_EACH, {"expected_votes": 5}),
    ],
    ids=["two-more", "one-moves", "two-nodes-less", "two-nodes-more", "two-more-expected"],
)
def test_more_than_one_vote_at_a_time_is_refused(
    votes: dict[int, int], options: dict[str, int]
) -> None:
    world = world_of()
    world.write([1, 2, 3], conf(votes, 2, **options))

    world.reload(1)

    assert "too-many-votes-change" in codes(world, 1)
    assert versions(world) == [1, 1, 1]


def test_one_vote_apart_no_file_gives_a_quorum_that_stays_clear_of_one_by_the_other() -> None:
    nodes = range(1, 5)
    for votes in itertools.product(range(4), repeat=4):
        before = ballot_of(conf(dict(zip(nodes, votes, strict=True))))
        for node, step in itertools.product(nodes, (-1, 1)):
            moved = dict(before.votes)
            moved[node] += step
            if moved[node] < 0:
                continue
            after = ballot_of(conf(moved))
            assert distance(before, after) == 1
            for size in range(1, 4):
                for part in itertools.combinations(nodes, size):
                    rest = tuple(other for other in nodes if other not in part)
                    assert not (
                        present(before, part) >= needs(before, part)
                        and present(after, rest) >= needs(after, rest)
                    )


def test_all_who_are_in_the_same_doubt_and_quorate_by_both_files_take_the_new_one() -> None:
    world = world_of()
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 2))
    all_promise_but_the_last_word_is_heard_by(world)

    world.form([(1, 2), (3,)])

    assert versions(world) == [2, 2, 1]
    assert not world.members[1].answers[-1].problems


def test_who_had_not_promised_is_the_proof_that_nobody_took_it() -> None:
    world = world_of()
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 2))
    world.ask(1)
    for node in (1, 2, 3):
        world.deliver(node)
    world.read(1)

    world.form([(1, 2), (3,)])

    assert versions(world) == [1, 1, 1]
    assert not world.members[1].reloads.in_doubt
    assert "The ring broke meanwhile" in world.members[1].answers[-1].problems[0]


def test_a_round_given_up_behind_a_gap_may_have_been_taken_by_who_filled_it() -> None:
    # Node 3 says its word just as node 1 gives up; the ring breaks, and nobody but node 3 has heard that word.
    world = world_of()
    world.write([1, 2, 3], conf({1: 1, 2: 1, 3: 2}, 2))
    world.ask(1)
    for node in (1, 2, 3):
        world.deliver(node)
        world.read(node)
    for node in (1, 2, 1, 2):
        world.deliver(node)
    while world.deliver(3):
        pass
    world.give_up(1)

    world.form([(1, 2), (3,)], sent=True)

    assert world.members[3].takes == 1
    # By the old file 2 of 3 are enough, by the new one 3 of 4: so these two may not go on.
    assert all(world.members[node].reloads.in_doubt for node in (1, 2))
    assert world.quorate() == []
    world.form([(1, 2, 3)])
    assert versions(world) == [2, 2, 2]


def test_votes_do_not_change_where_there_is_no_quorum() -> None:
    world = world_of()
    world.form([(1,), (2, 3)])
    world.write([1], conf({1: 1, 2: 0, 3: 0}, 2))

    world.reload(1)

    assert "no-quorum" in codes(world, 1)
    assert world.quorate() == [(2, 3)]


def test_timers_do_change_where_there_is_no_quorum() -> None:
    world = world_of()
    world.form([(1,), (2, 3)])
    file = conf(ONE_EACH, 2)
    slower = msgspec.structs.replace(file.totem, merge=500)
    world.write([1], msgspec.structs.replace(file, totem=slower))

    answer = world.reload(1)

    assert not answer.problems
    assert world.members[1].reloads.config.totem.merge == 500


def test_votes_that_would_cost_the_quorum_are_refused() -> None:
    world = world_of()
    world.form([(1, 2), (3,)])
    world.write([1, 2], conf({1: 1, 2: 1, 3: 2}, 2))

    world.reload(1)

    assert codes(world, 1) == {"too-few-votes"}
    assert world.quorate() == [(1, 2)]


def test_a_number_of_the_file_that_goes_back_is_refused_where_votes_change() -> None:
    world = ReloadWorld(conf(ONE_EACH, 7))
    world.write([1, 2, 3], conf({1: 2, 2: 1, 3: 1}, 6))

    world.reload(1)

    assert codes(world, 1) == {"config-version-back"}


def test_a_node_that_comes_back_with_an_older_file_costs_nobody_the_quorum() -> None:
    # Seven shrink to three, of whom one was away; by the old file two of seven are nothing.
    world = world_of(dict.fromkeys(range(1, 8), 1))
    world.form([(1, 2, 4, 5, 6, 7), (3,)])
    for version, votes in enumerate(SHRINKING, 2):
        world.write([1, 2, 4, 5, 6, 7], conf(votes, version))
        assert not world.reload(1).problems
    world.form([(1, 2, 4, 5, 6, 7)])
    world.settle()

    world.form([(1, 2, 3), (4, 5, 6, 7)])

    assert world.quorate() == [(1, 2, 3)]
    assert world.members[1].quorum.verdict.expected == 5


def test_without_a_number_nobody_knows_which_file_is_old_and_both_must_agree() -> None:
    world = world_of(dict.fromkeys(range(1, 8), 1))
    world.form([(1, 2, 4, 5, 6, 7), (3,)])
    for votes in SHRINKING:
        world.write([1, 2, 4, 5, 6, 7], conf(votes, 1))
        answer = world.reload(1)
        assert "config-version-same" in {finding.code for finding in answer.findings}
    world.form([(1, 2, 4, 5, 6, 7)])
    world.settle()

    world.form([(1, 2, 3), (4, 5, 6, 7)])

    assert world.quorate() == []


@pytest.mark.parametrize("data", [b"", MARK, MARK + b"\xff\x00", b"\x81" * 20])
def test_bytes_that_are_no_message_are_one_typed_error(data: bytes) -> None:
    with pytest.raises(BadReloadError):
        decode(data)
    assert decode_standing(b"\xff" + data) == Standing()


def test_messages_come_back_as_they_were_sent() -> None:
    round_ = Round(RingId(4, 1), 1, 3)
    said = Said(round_, b"d" * 16, promise=True, findings=())

    assert decode(encode(said)) == said
    assert decode(encode(Ask(round_, "alice"))) == Ask(round_, "alice")
    standing = Standing(b"d" * 16, agreed=True, void=(round_,), came_from=RingId(4, 1))
    assert decode_standing(encode_standing(standing)) == standing


def test_who_is_in_doubt_does_not_make_others_expect_fewer_votes_than_their_file_says() -> None:
    old, new = conf(dict.fromkeys(range(1, 5), 1)), conf({1: 1, 2: 2, 3: 1, 4: 1}, 2)
    doubtful = {node: Quorum(msgspec.structs.replace(old, local=node)) for node in (2, 3, 4)}
    before = {node: one.info() for node, one in doubtful.items()}
    for one in doubtful.values():
        one.step(0, Synced(RingId(4, 2), (2, 3, 4), before))
        one.step(0, Promised((new,)))
        assert one.verdict.quorate
    alone = Quorum(msgspec.structs.replace(new, local=1))
    infos = {1: alone.info(), 2: doubtful[2].info(), 3: doubtful[3].info()}

    alone.step(0, Synced(RingId(8, 1), (1, 2, 3), infos))

    assert alone.verdict.expected == 5
