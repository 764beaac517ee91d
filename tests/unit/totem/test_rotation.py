"""The rotation of keys by example: what is taken, what is refused, and two stories that chance seldom tells."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ninefold.totem.events import Noted, SaveKeys
from ninefold.totem.keys import Key, KeySet
from ninefold.totem.rotation import Rotation, Say
from tests.rotation_world import Host, World

if TYPE_CHECKING:
    from ninefold.totem.rotation import RotationEffect

OLD, NEW = Key.of(b"o" * 128), Key.of(b"n" * 128)


def member(*others: int, nodes: int = 3, keys: KeySet | None = None) -> Rotation:
    """Return node 1 in a ring with `others`, all with the same keys."""
    rotation = Rotation(1, range(1, nodes + 1), keys or KeySet(OLD))
    rotation.on_activated(0, dict.fromkeys((1, *others), rotation.annex()))
    return rotation


def said(effects: list[RotationEffect]) -> bytes:
    return next(effect.data for effect in effects if isinstance(effect, Say))


def saves(effects: list[RotationEffect]) -> list[KeySet]:
    return [effect.keys for effect in effects if isinstance(effect, SaveKeys)]


def notes(effects: list[RotationEffect]) -> list[str]:
    return [effect.what for effect in effects if isinstance(effect, Noted)]


def test_offered_key_is_saved_before_a_word_of_it_is_said() -> None:
    rotation = member(2, 3)
    offer = said(rotation.rotate(NEW))

    effects = rotation.on_message(0, 2, offer)

    assert effects == [SaveKeys(KeySet(OLD, NEW))]
    assert [type(e) for e in rotation.saved(1, KeySet(OLD, NEW))] == [Noted, Say]


def test_offer_that_comes_when_others_have_gone_meanwhile_is_refused() -> None:
    offer = said(member(2, 3).rotate(NEW))

    effects = member(2).on_message(0, 2, offer)

    assert notes(effects) == ["keys-refused"]
    assert not saves(effects)


def test_who_was_named_for_one_ring_is_not_left_out_of_another() -> None:
    offer = said(member(2, 3, nodes=4).rotate(NEW, [4]))

    effects = member(2, nodes=4).on_message(0, 2, offer)

    assert notes(effects) == ["keys-refused"]
    assert not saves(effects)


def test_offer_of_a_key_with_the_id_of_the_old_one_is_refused() -> None:
    twin = next(
        key
        for key in (Key.of(number.to_bytes(128)) for number in range(10_000))
        if key.key_id == OLD.key_id
    )
    rotation = member(2, 3)

    effects = rotation.on_message(0, 2, said(rotation.rotate(twin)))

    assert notes(effects) == ["keys-refused"]


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\x93\x01", said(Rotation(1, [1], KeySet()).rotate(Key.of(b"short")))]
)
def test_what_is_no_word_of_the_rotation_changes_nothing(data: bytes) -> None:
    rotation = member(2, 3)
    before = rotation.outlook()

    assert rotation.on_message(0, 2, data) == []
    assert rotation.outlook() == before


def test_member_that_tells_nothing_of_its_keys_is_waited_for() -> None:
    rotation = Rotation(1, [1, 2], KeySet(OLD, NEW))
    rotation.on_activated(0, {1: rotation.annex(), 2: b""})

    assert rotation.outlook().waits_for == (2,)


def test_everything_against_a_rotation_is_told_at_once() -> None:
    findings = member(2, nodes=4).judge([2, 3, 9])

    assert [finding.subject for finding in findings] == ["node 4", "node 2", "node 9"]
    assert all(finding.remedy for finding in findings)


def test_ring_in_clear_and_ring_that_is_being_formed_have_nothing_to_rotate() -> None:
    clear = Rotation(1, [1], KeySet(), clear=True)
    forming = member(2, 3)
    forming.unsettle()

    assert [finding.subject for finding in clear.judge([])] == ["totem.crypto_cipher"]
    assert [finding.subject for finding in forming.judge([])] == ["ring"]


def test_disk_that_refuses_is_asked_again() -> None:
    rotation = member(2, 3)
    rotation.on_message(0, 1, said(rotation.rotate(NEW)))

    effects = rotation.not_saved(100, "no space left")

    assert notes(effects) == ["keys-not-saved"]
    assert not saves(effects)
    assert saves(rotation.wake(rotation.deadline)) == [KeySet(OLD, NEW)]


def test_nothing_is_due_when_no_rotation_is_under_way() -> None:
    assert member(2, 3).deadline > 10**12


class Deaf(Rotation):
    """Does not hear that the disk of another member is at work."""

    def _nobody_is_missed(self) -> bool:
        return self._absent() <= self._left_out_by_all()


class Fickle(Rotation):
    """Gives up the key that comes for any other that is offered."""

    def _should_take(self, offered: Key | None) -> bool:
        return offered is not None and offered not in self.keys.accepted


class Dice(random.Random):
    """Those that stay together have delivered no more than they must."""

    def randint(self, a: int, b: int) -> int:
        return a


def two_keys() -> tuple[World, Host, Host, Host]:
    """Node 3 holds the greater of two keys, of which the others know nothing; they are about to use theirs.

    Node 1 has decided so, and its disk is at work; node 2 has not heard the last word.
    """
    world = World(Dice(4), 3)
    first, second, third = world.hosts.values()
    world.form(world.nodes)
    world.rest(1)

    world.rotate(third, leave_out=False)
    world.order(third)
    world.deliver(third)
    world.finish_save(third)
    world.crash(third)
    world.form([1, 2])
    world.rest(1)
    world.rotate(first, leave_out=True)
    world.order(first)
    for host in (first, second):
        world.deliver(host)
        world.finish_save(host)
        world.order(host)
    while first.saving is None:
        assert world.deliver(first)

    mine, other = second.disk.next, third.disk.next
    assert mine is not None
    assert other is not None
    assert mine.fingerprint < other.fingerprint
    # Node 3 was left out, so that it matters only whether the other two go on opening each other's packets.
    assert world.excused == {3}
    world.boot(third)
    return world, first, second, third


def go_on(world: World, second: Host, third: Host) -> None:
    for _ in range(5):
        for host in (second, third):
            world.order(host)
            world.deliver(second)
            world.finish_save(second)


def key_given_up_while_a_member_saves_it() -> None:
    world, first, second, third = two_keys()
    # Cut off for a moment, it does not get the last word of the old ring.
    world.form([2])
    world.form(world.nodes)
    for host in world.hosts.values():
        world.bring(host)
    for host in world.hosts.values():
        world.deliver(host)
    # All goes on but for the disk of node 1.
    go_on(world, second, third)
    world.finish_save(first)
    world.rest(1)
    assert second.disk == first.disk


def key_given_up_while_an_absent_node_uses_it() -> None:
    world, first, second, third = two_keys()
    world.finish_save(first)
    # Both open what the other sends still; only node 1 is away.
    world.form([2, 3])
    for host in (second, third):
        world.bring(host)
    for host in (second, third):
        world.deliver(host)
    go_on(world, second, third)
    world.check()
    world.hear(first, second)
    world.finish_save(second)
    assert second.disk.active == first.disk.active


@pytest.mark.parametrize(
    ("story", "fault"),
    [
        (key_given_up_while_a_member_saves_it, Deaf),
        (key_given_up_while_an_absent_node_uses_it, Fickle),
    ],
)
def test_key_that_may_be_in_use_is_never_given_up_for_another(
    story: object, fault: type[Rotation], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(story)
    story()

    monkeypatch.setattr("tests.rotation_world.Rotation", fault)
    with pytest.raises(AssertionError):
        story()
