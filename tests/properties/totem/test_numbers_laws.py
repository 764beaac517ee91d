"""Laws of the numbers of rings: none is used twice, and none before a bound of it is durable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ninefold.totem.numbers import AHEAD, MARK_BITS, Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

# A ring of ours so many counts on, a flush that ends after so many later ones, or a start anew.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ring"), st.integers(1, 3 * AHEAD)),
        st.tuples(st.just("flush"), st.integers(0, 3)),
        st.tuples(st.just("die"), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 2**MARK_BITS - 1))
def test_no_count_is_used_by_two_starts_and_each_is_below_what_is_durable(
    steps: Sequence[tuple[str, int]], mark: int
) -> None:
    disk, used = 0, -1
    under_way: list[int] = []
    numbers = Numbers(disk, mark)
    seq = numbers.first()
    for what, much in steps:
        if what == "ring":
            seq = numbers.after(seq, much)
            if (bound := numbers.wanted(seq)) is not None:
                under_way.append(bound)
            if numbers.may_use(seq):
                used = max(used, seq >> MARK_BITS)
                assert seq >> MARK_BITS <= disk >> MARK_BITS
        elif what == "flush" and under_way:
            # They may end in any order.
            bound = under_way.pop(min(much, len(under_way) - 1))
            disk = max(disk, bound)
            numbers.saved(bound)
        elif what == "die":
            under_way.clear()
            mark = (mark * 7 + 1) % 2**MARK_BITS
            numbers = Numbers(disk, mark)
            seq = numbers.first()
            assert seq >> MARK_BITS > used


@given(st.integers(0, 2**50), st.integers(0, 2**MARK_BITS - 1))
def test_eight_rings_after_a_bound_was_saved_another_is_asked_for_while_eight_are_left(
    bound: int, mark: int
) -> None:
    numbers = Numbers(bound, mark)
    first = numbers.first()
    wanted = numbers.wanted(first)
    assert wanted is not None
    numbers.saved(wanted)

    asked = [ring for ring in range(1, 17) if numbers.wanted(numbers.after(first, 4 * ring))]

    assert asked == list(range(9, 17))
    assert all(numbers.may_use(numbers.after(first, 4 * ring)) for ring in range(1, 17))
    assert not numbers.may_use(numbers.after(first, 4 * 17))


def test_a_start_of_a_later_version_counts_on_from_the_last_number_of_an_earlier_one() -> None:
    # Which saved the number of each ring and nothing ahead of it.
    numbers = Numbers(40 << MARK_BITS | 7, 9)

    assert numbers.first() == 41 << MARK_BITS | 9
    assert not numbers.may_use(numbers.first())
