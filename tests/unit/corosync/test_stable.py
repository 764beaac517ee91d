"""Frames: nothing is handed up before all have it, and nobody runs ahead of the slowest."""

from __future__ import annotations

from ninefold.core.ids import RingId
from ninefold.corosync.events import Process
from ninefold.corosync.stable import WINDOW_BYTES, Stable

A, B, C = Process(1, 10), Process(2, 10), Process(3, 10)
VIEW = RingId(5, 1)


def test_a_frame_waits_for_the_receipts_of_all() -> None:
    stable = Stable(VIEW, (A, B, C), A)
    stable.receive(B, b"x")

    assert stable.due_receipt() == 1
    assert stable.on_receipt(A, 1) == []
    assert stable.on_receipt(B, 1) == []
    assert stable.on_receipt(C, 1) == [(B, b"x")]


def test_a_minority_beyond_a_gap_hands_up_nothing_in_the_view() -> None:
    # A has got what it sent itself after the cut; the others have got something else in its place.
    minority, majority = Stable(VIEW, (A, B, C), A), Stable(VIEW, (A, B, C), B)
    minority.receive(A, b"mine")
    majority.receive(B, b"yours")

    minority.on_receipt(A, 1)
    handed = [*majority.on_receipt(B, 1), *majority.on_receipt(C, 1)]

    assert handed == []
    assert minority.give_up() == [(A, b"mine")]
    assert majority.give_up() == [(B, b"yours")]


def test_one_receipt_flies_at_a_time_and_a_beat_says_the_same_again() -> None:
    stable = Stable(VIEW, (A, B), A)
    stable.receive(B, b"1")
    assert stable.due_receipt() == 1
    stable.receive(B, b"2")
    assert stable.due_receipt() is None

    stable.on_receipt(A, 1)

    assert stable.due_receipt() == 2
    stable.on_receipt(A, 2)
    assert stable.due_receipt() is None
    assert stable.due_receipt(beat=True) == 2


def test_a_sender_stops_at_the_window_until_the_slowest_has_received() -> None:
    stable = Stable(VIEW, (A, B), A)
    frame = bytes(65_000)
    sent = 0
    while stable.room:
        stable.sent(frame)
        stable.receive(A, frame)
        sent += 1
    assert sent == -(-WINDOW_BYTES // len(frame))

    stable.on_receipt(A, sent)
    assert not stable.room
    stable.on_receipt(B, sent)

    assert stable.room


def test_what_corosync_took_and_never_brought_back_is_known() -> None:
    stable = Stable(VIEW, (A, B), A)
    stable.sent(b"1")
    stable.sent(b"2")
    stable.receive(A, b"1")

    assert stable.lost() == [b"2"]
    assert stable.lost() == []
