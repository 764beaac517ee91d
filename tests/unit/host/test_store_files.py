from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.host.files import (
    FileDamagedError,
    load_expected,
    load_ring_seq,
    save_expected,
    save_ring_seq,
    write_durably,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_ring_number_comes_back_and_takes_eight_bytes(tmp_path: Path) -> None:
    path = tmp_path / "ringid_1"
    save_ring_seq(path, 2**40 + 4)

    assert load_ring_seq(path) == 2**40 + 4
    assert path.stat().st_size == 8
    assert [entry.name for entry in tmp_path.iterdir()] == ["ringid_1"]


def test_no_file_is_no_ring_yet(tmp_path: Path) -> None:
    assert load_ring_seq(tmp_path / "ringid_1") is None


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789", b"\xff" * 8])
def test_a_short_long_or_impossible_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "ringid_1"
    path.write_bytes(data)

    with pytest.raises(FileDamagedError, match="Remove the file"):
        load_ring_seq(path)


def test_the_highest_expected_votes_come_back_as_digits(tmp_path: Path) -> None:
    path = tmp_path / "ev_tracking"
    assert load_expected(path) == 0

    save_expected(path, 2**32 - 1)

    assert load_expected(path) == 2**32 - 1
    assert path.read_text() == "4294967295\n"


@pytest.mark.parametrize("data", [b"", b"0", b"-3", b"13 votes", b"4294967296", b"\xff" * 9])
def test_expected_votes_that_are_no_number_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "ev_tracking"
    path.write_bytes(data)

    with pytest.raises(FileDamagedError, match="remove the file"):
        load_expected(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir()
    (path / "inside").touch()

    with pytest.raises(OSError, match="state"):
        write_durably(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_a_new_file_is_private(tmp_path: Path) -> None:
    write_durably(tmp_path / "key", b"x")

    assert (tmp_path / "key").stat().st_mode & 0o77 == 0
