"""The window against a slow twin: a plain set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ninefold.totem.messages import Mcast
from ninefold.totem.window import WINDOW_MESSAGES_MAX, Window

OPERATIONS = st.lists(
    st.tuples(st.sampled_from(("insert", "release", "missing")), st.integers(1, 40)), max_size=80
)


def frame(seq: int) -> Mcast:
    return Mcast(1, 1, seq, 1, False, b"")


@given(OPERATIONS)
def test_the_window_agrees_with_a_plain_set(operations: list[tuple[str, int]]) -> None:
    window, seen, released = Window(), set[int](), 0

    for what, number in operations:
        contiguous = next(n for n in range(50) if n + 1 not in seen)
        match what:
            case "insert":
                assert window.insert(frame(number)) == (number not in seen)
                seen.add(number)
            case "release":
                window.release(number)
                released = max(released, min(number, contiguous))
            case _:
                twin = [n for n in range(contiguous + 1, number + 1) if n not in seen][:5]
                assert window.missing(number, limit=5) == twin

        contiguous = next(n for n in range(50) if n + 1 not in seen)
        assert window.aru == contiguous
        assert window.high == max(seen, default=0)
        assert len(window) == len(seen) - released
        assert all((window.get(n) is not None) == (n in seen and n > released) for n in range(50))


def test_a_frame_too_far_ahead_is_not_kept() -> None:
    window = Window()

    assert not window.insert(frame(WINDOW_MESSAGES_MAX + 1))
    assert window.insert(frame(WINDOW_MESSAGES_MAX))
