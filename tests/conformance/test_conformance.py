"""What the layers above rely on, of every back end: one suite, one world each.

Embedded and on Corosync in virtual time here; `test_conformance_real` runs the same tests on the lab's hosts.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.conformance.benches import VirtualBench

if TYPE_CHECKING:
    from tests.conformance.benches import Bench
    from tests.conformance.member import Seen

# One membership may take token and consensus, and a second one after a merge.
MEMBERSHIP_MS = 12_000


@pytest.fixture(params=["embedded", "corosync"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return VirtualBench(request.param)


def last(log: list[Seen], what: str) -> Seen | None:
    return next((seen for seen in reversed(log) if seen.what == what), None)


def together(bench: Bench, *nodes: int) -> bool:
    """Are these, and only these, active in one ring?"""
    found = [last(bench.log(node), "active") for node in nodes]
    rings = [last(bench.log(node), "regular") for node in nodes]
    return (
        all(seen is not None and seen.nodes == nodes for seen in found)
        and len({seen.ring for seen in found if seen}) == 1
        and all(a and r and a.ring == r.ring for a, r in zip(found, rings, strict=True))
    )


def form(bench: Bench, *nodes: int) -> None:
    wanted = nodes or bench.nodes
    assert bench.until(lambda: together(bench, *wanted), MEMBERSHIP_MS), {
        node: bench.log(node)[-4:] for node in wanted
    }


def got(bench: Bench, node: int) -> list[tuple[int, str]]:
    return [(seen.who, seen.text) for seen in bench.log(node) if seen.what == "got"]


def in_ring(bench: Bench, node: int, ring: tuple[int, int]) -> list[tuple[int, str]]:
    return [(s.who, s.text) for s in bench.log(node) if s.what == "got" and s.ring == ring]


def quorate(bench: Bench, node: int) -> str:
    seen = last(bench.log(node), "quorum")
    return seen.text if seen else ""


def test_all_members_deliver_the_same_messages_in_the_same_order(bench: Bench) -> None:
    form(bench)

    for number, node in itertools.product(range(40), bench.nodes):
        bench.submit(node, f"{node}-{number}".encode())

    assert bench.until(lambda: all(len(got(bench, n)) == 120 for n in bench.nodes), 20_000)
    assert got(bench, 1) == got(bench, 2) == got(bench, 3)
    for node in bench.nodes:
        own = [text for who, text in got(bench, 1) if who == node]
        assert own == [f"{node}-{number}" for number in range(40)]


def test_the_barrier_opens_with_the_annexes_of_all(bench: Bench) -> None:
    form(bench)

    for node in bench.nodes:
        seen = last(bench.log(node), "active")
        assert seen is not None
        assert seen.text == "1,2,3"


def test_members_know_who_joined_and_who_left_and_why(bench: Bench) -> None:
    form(bench)
    mark = len(bench.log(1))

    bench.kill(3)
    form(bench, 1, 2)
    bench.start(3)
    form(bench)

    changes = [(s.what, s.who, s.text) for s in bench.log(1)[mark:] if s.what in ("joined", "left")]
    assert ("left", 3, "NODEDOWN") in changes
    assert changes.index(("joined", 3, "NODEUP")) > changes.index(("left", 3, "NODEDOWN"))


def test_a_ring_number_never_comes_back_nor_falls(bench: Bench) -> None:
    form(bench)
    numbers = [s.ring[0] for s in bench.log(1) if s.what == "regular"]

    for node in bench.nodes:
        bench.kill(node)
    for node in bench.nodes:
        bench.start(node)
    form(bench)

    again = [s.ring[0] for s in bench.log(1) if s.what == "regular"]
    assert again == sorted(set(again))
    assert again[0] > numbers[-1]


def test_messages_larger_than_any_packet_arrive_whole(bench: Bench) -> None:
    form(bench)
    big = [bytes([number]) * (1_048_576 - number) for number in range(3)]

    for node, payload in zip(bench.nodes, big, strict=True):
        bench.submit(node, payload)

    assert bench.until(lambda: all(len(got(bench, n)) == 3 for n in bench.nodes), 60_000)
    assert got(bench, 1) == got(bench, 2) == got(bench, 3)
    assert sorted(text.split(":")[0] for _, text in got(bench, 1)) == [
        "1048574",
        "1048575",
        "1048576",
    ]


def test_quorum_follows_the_partition_and_the_merge(bench: Bench) -> None:
    form(bench)
    assert bench.until(lambda: all(quorate(bench, n) == "yes" for n in bench.nodes), 3_000)

    bench.partition((1, 2), (3,))
    form(bench, 1, 2)
    form(bench, 3)

    assert bench.until(lambda: quorate(bench, 3) == "no", 3_000)
    assert bench.until(lambda: quorate(bench, 1) == quorate(bench, 2) == "yes", 3_000)
    bench.heal()
    form(bench)
    assert bench.until(lambda: all(quorate(bench, n) == "yes" for n in bench.nodes), 3_000)


def test_those_who_move_on_together_have_delivered_the_same(bench: Bench) -> None:
    form(bench)
    ring = bench.log(1)[-1].ring
    for number, node in itertools.product(range(30), bench.nodes):
        bench.submit(node, f"{node}-{number}".encode())
    bench.until(lambda: len(got(bench, 1)) >= 5, 3_000)

    bench.partition((1, 2), (3,))
    for number, node in itertools.product(range(30, 40), bench.nodes):
        bench.submit(node, f"{node}-{number}".encode())
    form(bench, 1, 2)
    form(bench, 3)

    assert in_ring(bench, 1, ring) == in_ring(bench, 2, ring)
    before = [s for s in bench.log(3) if s.ring == ring]
    cut = next(i for i, s in enumerate(before) if s.what == "transitional")
    agreed = [(s.who, s.text) for s in before[:cut] if s.what == "got"]
    # Node 3 may have had the token, and delivered what it sent to nobody; never anything in between.
    theirs = in_ring(bench, 1, ring)
    common = min(len(agreed), len(theirs))
    assert common >= 5
    assert theirs[:common] == agreed[:common]
    assert {who for who, _ in agreed[common:]} <= {3}


def test_what_was_submitted_in_a_broken_ring_comes_out_in_the_next(bench: Bench) -> None:
    form(bench)
    bench.partition((1, 2), (3,))
    bench.submit(1, b"late")

    form(bench, 1, 2)

    assert bench.until(lambda: (1, "late") in got(bench, 2), 5_000)
    assert got(bench, 1).count((1, "late")) == got(bench, 2).count((1, "late")) == 1


def test_a_member_that_stands_still_is_gone_without_and_begins_anew(bench: Bench) -> None:
    form(bench)

    bench.pause(2)
    form(bench, 1, 3)
    bench.submit(1, b"meanwhile")
    assert bench.until(lambda: (1, "meanwhile") in got(bench, 3), 3_000)
    assert quorate(bench, 1) == "yes"
    bench.resume(2)
    form(bench)

    assert (1, "meanwhile") not in got(bench, 2)
    assert got(bench, 1) == got(bench, 3)


def test_a_short_pause_changes_nothing(bench: Bench) -> None:
    form(bench)
    mark = {node: len(bench.log(node)) for node in bench.nodes}

    bench.pause(2)
    bench.until(lambda: False, bench.token_ms // 2)
    bench.resume(2)
    bench.submit(2, b"here")
    assert bench.until(lambda: all((2, "here") in got(bench, n) for n in bench.nodes), 5_000)

    for node in bench.nodes:
        assert not [s for s in bench.log(node)[mark[node] :] if s.what == "regular"]


def test_a_slow_reader_does_not_lose_what_a_fast_sender_says(bench: Bench) -> None:
    form(bench)
    bench.pause(3)
    for number in range(60):
        bench.submit(1, f"{number:02}".encode() + bytes(65_000))
    bench.until(lambda: False, bench.token_ms // 2)
    bench.resume(3)

    assert bench.until(lambda: all(len(got(bench, n)) == 60 for n in bench.nodes), 60_000)
    assert got(bench, 1) == got(bench, 2) == got(bench, 3)


def test_a_clean_leave_is_quick(bench: Bench) -> None:
    form(bench)

    bench.leave(2)

    assert bench.until(lambda: together(bench, 1, 3), bench.token_ms // 2)


def test_three_ways_apart_and_together_again(bench: Bench) -> None:
    form(bench)

    bench.partition((1,), (2,), (3,))
    for node in bench.nodes:
        form(bench, node)
    assert bench.until(lambda: all(quorate(bench, n) == "no" for n in bench.nodes), 3_000)
    bench.heal()
    form(bench)

    assert bench.until(lambda: all(quorate(bench, n) == "yes" for n in bench.nodes), 3_000)
