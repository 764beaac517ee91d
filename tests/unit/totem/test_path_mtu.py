"""How much a path carries: found out, followed when it changes, and never exceeded."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.totem.events import Noted
from ninefold.totem.packet import HEADER_BYTES, Kind
from ninefold.totem.pmtu import CHECK_MS, GRAIN_BYTES, PATIENCE_MS, TRIES_MAX, PathMtu
from tests.totem_links_net import SEALED, started

USUAL, FLOOR, CEILING = 1372, 528, 9216
SEARCH_MS = 30_000


class Path:
    """A path that carries `carries` bytes, asked as its links layer asks."""

    def __init__(self, carries: int, usual: int = USUAL) -> None:
        self.carries = carries
        self.now = 0
        self.probes: list[int] = []
        self.mtu = PathMtu(usual, floor=FLOOR, ceiling=CEILING, search_ms=SEARCH_MS)
        self.mtu.begin(self.now)

    def run(self, period: int) -> None:
        end = self.now + period
        while self.mtu.due <= end:
            self.now = max(self.now, self.mtu.due)
            size = self.mtu.probe(self.now, 1)
            if size:
                self.probes.append(size)
                if size <= self.carries:
                    self.mtu.passed(self.now + 1, size)
        self.now = end


@pytest.mark.parametrize(
    "carries", [528, 529, 1000, 1371, 1372, 1379, 1380, 1472, 4000, 8972, 9216]
)
def test_what_the_path_carries_is_found_to_a_grain(carries: int) -> None:
    path = Path(carries)

    path.run(12_000)

    assert carries - GRAIN_BYTES <= path.mtu.size <= carries
    assert path.mtu.valid


def test_a_path_that_stays_as_it_is_costs_a_probe_every_six_seconds() -> None:
    path = Path(1472)
    path.run(20_000)
    path.probes.clear()

    path.run(60_000)

    checks = [size for size in path.probes if size == path.mtu.size]
    assert len(checks) <= 60_000 // CHECK_MS
    assert len(path.probes) - len(checks) == 2 * TRIES_MAX  # a larger one, twice in a minute


def test_a_path_that_becomes_narrower_is_followed_within_a_check_and_its_tries() -> None:
    path = Path(1472)
    path.run(20_000)

    path.carries = 900
    path.run(CHECK_MS + TRIES_MAX * PATIENCE_MS + 10)

    assert path.mtu.size <= 900
    path.run(10_000)
    assert 900 - GRAIN_BYTES <= path.mtu.size <= 900


def test_a_path_that_becomes_wider_is_followed_at_the_next_search() -> None:
    path = Path(900)
    path.run(10_000)

    path.carries = 8972
    path.run(SEARCH_MS + 10_000)

    assert 8972 - GRAIN_BYTES <= path.mtu.size <= 8972


def test_two_lost_probes_of_three_change_nothing() -> None:
    path = Path(1472)
    path.run(20_000)
    before, path.carries = path.mtu.size, 0
    while path.mtu.probe(path.mtu.due, 1) == 0 or path.mtu._tries < TRIES_MAX - 1:
        pass

    path.carries = 1472
    path.now = path.mtu.due
    path.run(10_000)

    assert path.mtu.size == before


def test_our_own_pauses_are_no_evidence_against_a_path() -> None:
    path = Path(1472)
    path.run(20_000)
    before = path.mtu.size

    # Woken half a second late each time, and only then is the answer read.
    for _ in range(20):
        size = path.mtu.probe(path.mtu.due + 500, 1)
        if 0 < size <= path.carries:
            now = path.mtu.due + 500
            assert path.mtu.probe(now, 1) == 0
            path.mtu.passed(now, size)

    assert path.mtu.size == before


def test_a_peer_that_never_answers_is_not_judged() -> None:
    # A release that knows no probes: what was sent before is sent on.
    path = Path(0)

    path.run(60_000)

    assert (path.mtu.size, path.mtu.valid) == (USUAL, True)


def test_a_path_that_carries_less_than_any_must_is_not_valid_until_it_does_again() -> None:
    path = Path(1472)
    path.run(20_000)

    path.carries = 100
    path.run(10_000)
    invalid = not path.mtu.valid
    path.carries = 1472
    path.run(SEARCH_MS + 10_000)

    assert invalid
    assert path.mtu.valid
    assert path.mtu.size > 1472 - GRAIN_BYTES


@pytest.mark.parametrize("carries", [528, 1000, 1372])
def test_a_path_that_is_doubted_carries_the_least_at_once_and_what_passes_after_a_search(
    carries: int,
) -> None:
    path = Path(1372)
    path.run(20_000)
    path.carries = carries
    path.probes.clear()

    path.mtu.doubt(path.now)
    assert path.mtu.size == FLOOR
    path.run(5_000)

    assert carries - GRAIN_BYTES <= path.mtu.size <= carries
    assert max(path.probes) <= 1372
    # A refused size costs three probes, an accepted one a single one; eight halvings are a grain.
    assert len(path.probes) <= 8 * TRIES_MAX


def test_doubt_of_a_path_that_is_down_or_at_its_least_changes_nothing() -> None:
    path = Path(1472)
    path.run(20_000)
    size = path.mtu.size
    path.mtu.rest()

    path.mtu.doubt(path.now)
    assert path.mtu.size == size

    narrow = Path(FLOOR)
    narrow.run(20_000)
    due = narrow.mtu.due
    narrow.mtu.doubt(narrow.now)
    assert (narrow.mtu.size, narrow.mtu.due) == (FLOOR, due)


def test_a_given_mtu_is_checked_and_nothing_else_is_tried() -> None:
    path = PathMtu(1452, floor=1452, ceiling=1452, search_ms=SEARCH_MS)
    path.begin(0)

    sizes = set()
    for _ in range(50):
        size = path.probe(path.due, 1)
        sizes.add(size)
        path.passed(path.due, size)

    assert sizes == {1452}


def test_frames_are_as_large_as_the_worst_link_in_use_carries() -> None:
    net = started(nodes=3)
    net.datagram_max = 1472
    net.run(40_000)
    wide = net.nodes[1].frame_max
    net.sent.clear()

    net.send(1, bytes(wide))

    assert {len(packet.data) for _, _, packet in net.sent} == {net.nodes[1].mtu(2, 0) - 28}
    assert 1472 - GRAIN_BYTES <= net.nodes[1].mtu(3, 0) - 28 <= 1472


def test_after_the_path_has_become_narrower_larger_frames_go_in_pieces_and_arrive() -> None:
    net = started()
    net.datagram_max = 1472
    net.run(40_000)
    frame = bytes(range(256)) * 5

    net.datagram_max = 700
    net.run(6_000)
    net.frames[2].clear()
    net.sent.clear()
    net.send(1, frame, to=2)
    net.run(10)

    assert [found.data for found in net.frames[2]] == [frame]
    assert all(len(packet.data) <= 700 for _, _, packet in net.sent)
    told = [effect.text for effect in net.effects[1] if isinstance(effect, Noted)]
    assert any("carries an MTU of 7" in text for text in told)


def test_netmtu_bounds_a_frame_where_the_path_carries_more() -> None:
    net = started(totem=msgspec.structs.replace(SEALED, netmtu=1000))

    assert net.nodes[1].frame_max == 1000


def test_a_link_that_answers_but_carries_nothing_large_gives_way_to_one_that_does() -> None:
    net = started(links=2)
    net.run(10_000)
    # Link 1 has the higher priority.
    small = 400
    net.cut = lambda _s, _r, link: link == 1 and max(sizes) > small
    sizes = [0]

    def perform_with_size(node: int, effects: object) -> None:
        for effect in effects:  # type: ignore[attr-defined]
            sizes[0] = len(getattr(effect, "data", b""))
            perform(node, [effect])

    perform = net.perform
    net.perform = perform_with_size  # type: ignore[method-assign]
    net.run(12_000)
    net.sent.clear()
    net.send(1, bytes(1000), to=2)

    assert net.nodes[1].link_up(2, 1)
    assert net.nodes[1].mtu(2, 1) == 0
    assert {packet.link for _, _, packet in net.sent} == {0}


def test_probes_may_not_be_fragmented_and_nothing_else_is_so_marked() -> None:
    net = started()
    net.run(10_000)

    kinds = {packet.whole: set[int]() for _, _, packet in net.sent}
    for _, _, packet in net.sent:
        kinds[packet.whole].add(packet.data[1])

    assert kinds[True] == {Kind.PROBE}
    assert Kind.PROBE not in kinds[False]
    assert HEADER_BYTES < FLOOR
