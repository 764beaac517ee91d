"""What a daemon makes of the policy engine's failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.controller import caution
from ninefold.daemon import decision
from ninefold.daemon.decision import AGAIN_S, Failures, decided
from tests.controller_ring import DOCUMENT

if TYPE_CHECKING:
    import pytest


def test_answer_of_the_engine_is_passed_on() -> None:
    transition, error = decided(DOCUMENT.encode(), 1_700_000_000)

    assert error is None
    assert transition.warnings == ()


def test_engine_that_fails_ends_no_member_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every member holds the same document: one that ended the DC would end the next DC, too.
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(decision, "decide", broken)

    transition, error = decided(DOCUMENT.encode(), 1_700_000_000)

    assert isinstance(error, KeyError)
    assert not transition.decided
    assert transition.actions == ()
    assert transition.recheck_at == 1_700_000_000 + AGAIN_S
    assert "ninefold cib history" in transition.warnings[0]


def test_failure_of_what_is_added_to_the_order_ends_no_member_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(caution, "superfluous_first", broken)

    transition, error = decided(DOCUMENT.encode(), 1_700_000_000)

    assert isinstance(error, KeyError)
    assert not transition.decided


def test_document_that_cannot_be_read_ends_no_member_either() -> None:
    transition, error = decided(b"<nothing/>", 1_700_000_000)

    assert isinstance(error, AssertionError)
    assert transition.actions == ()


def test_failure_is_told_once_until_the_engine_answers_again() -> None:
    failures = Failures()
    good, _ = decided(DOCUMENT.encode(), 1_700_000_000)
    bad, _ = decided(b"<nothing/>", 1_700_000_000)

    told = [failures.untold(answer) for answer in (good, bad, bad, good, bad)]

    assert told == ["", bad.warnings[0], "", "", bad.warnings[0]]
