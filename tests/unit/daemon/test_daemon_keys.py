"""The shared keys as files: whatever a crash leaves of a save, the node may begin from."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from ninefold.config.model import TotemOptions
from ninefold.daemon.keys import Files, load_keys, save_keys, save_steps
from ninefold.totem.keys import Key, KeySet
from tests.totem_world import config_of

if TYPE_CHECKING:
    from pathlib import Path

    from ninefold.config.model import ClusterConfig

OLD, NEW, OTHER = (Key.of(bytes([n]) * 256) for n in (1, 2, 3))
# What follows what in a rotation, one given up for another among it.
ALONE = KeySet(OLD)
COMING = KeySet(OLD, NEW, None, (3, 4))
USED = KeySet(NEW, None, OLD, (4,))
STEPS = [
    (ALONE, COMING),
    (COMING, KeySet(OLD, OTHER)),
    (COMING, KeySet(OLD, NEW, None, (3,))),
    (COMING, USED),
    (USED, KeySet(NEW, None, OLD)),
    (USED, KeySet(NEW)),
]


def config(keyfile: Path) -> ClusterConfig:
    return config_of(1, range(1, 5), TotemOptions(keyfile=str(keyfile)))


def loaded(keyfile: Path) -> KeySet:
    keys, findings = load_keys(config(keyfile), keyfile.read_bytes())
    assert not findings
    return keys


@pytest.fixture
def keyfile(tmp_path: Path) -> Path:
    path = tmp_path / "authkey"
    path.write_bytes(OLD.material)
    path.chmod(0o400)
    return path


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_what_was_saved_is_loaded(keyfile: Path, before: KeySet, after: KeySet) -> None:
    save_keys(keyfile, before)
    save_keys(keyfile, after)

    assert loaded(keyfile) == after


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_crash_between_any_two_steps_leaves_keys_that_do(
    keyfile: Path, before: KeySet, after: KeySet
) -> None:
    save_keys(keyfile, before)

    for step in save_steps(keyfile, after):
        step()
        found = loaded(keyfile)
        # It sends under a key that the others take, and takes whatever they may send under.
        assert found.active in (before.active, after.active)
        assert set(found.accepted) >= set(before.accepted) & set(after.accepted)
        assert set(found.without) <= {*before.without, *after.without}
    assert loaded(keyfile) == after


@pytest.mark.parametrize("left", [COMING, USED])
def test_key_that_was_copied_by_hand_ends_the_rotation_that_lies_beside_it(
    keyfile: Path, left: KeySet
) -> None:
    # The node was away while the others went on to another key, and an operator gave it that one.
    save_keys(keyfile, left)
    keyfile.chmod(0o600)
    keyfile.write_bytes(OTHER.material)

    keys, (finding,) = load_keys(config(keyfile), OTHER.material)

    assert keys == KeySet(OTHER)
    assert "authkey." in finding.remedy
    # What it is told next is a rotation of its own.
    save_keys(keyfile, KeySet(OTHER, NEW))
    assert loaded(keyfile) == KeySet(OTHER, NEW)


@pytest.mark.parametrize("copied", [OLD, NEW])
def test_key_of_the_rotation_that_was_copied_by_hand_does_not_end_it(
    keyfile: Path, copied: Key
) -> None:
    save_keys(keyfile, USED)
    keyfile.chmod(0o600)
    keyfile.write_bytes(copied.material)

    assert loaded(keyfile).active == copied


def test_nobody_is_left_out_by_what_an_earlier_rotation_has_left(keyfile: Path) -> None:
    Files.beside(keyfile).without.write_text("3\n")
    assert loaded(keyfile).without == ()

    save_keys(keyfile, KeySet(OLD, NEW))

    assert loaded(keyfile) == KeySet(OLD, NEW)


def test_keys_are_for_those_who_could_read_the_first_one(keyfile: Path) -> None:
    save_keys(keyfile, COMING)
    save_keys(keyfile, USED)

    files = Files.beside(keyfile)
    assert stat.S_IMODE(files.active.stat().st_mode) == 0o400
    assert stat.S_IMODE(files.previous.stat().st_mode) == 0o400
    assert not files.next.exists()


def test_keys_lie_beside_the_file_that_a_link_points_to(keyfile: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "authkey"
    link.parent.mkdir()
    link.symlink_to(keyfile)

    save_keys(link, USED)

    assert link.is_symlink()
    assert keyfile.read_bytes() == NEW.material
    assert loaded(link) == USED


def test_files_that_are_no_keys_are_findings_all_at_once(keyfile: Path) -> None:
    files = Files.beside(keyfile)
    files.next.write_bytes(b"short")
    files.previous.write_bytes(NEW.material)
    files.previous.chmod(0o444)
    files.without.write_text("node3\n")

    keys, findings = load_keys(config(keyfile), OLD.material)

    assert keys.active == OLD
    assert keys.next is None
    assert [finding.subject for finding in findings] == [
        "authkey.next",
        "authkey.previous",
        "authkey.without",
    ]
    assert all(finding.remedy for finding in findings)


def test_key_in_the_configuration_has_no_files(keyfile: Path) -> None:
    save_keys(keyfile, COMING)
    inline = config_of(1, range(1, 5), TotemOptions(keyfile=str(keyfile), key="k" * 128))

    assert load_keys(inline, b"k" * 128) == (KeySet(Key.of(b"k" * 128)), [])
