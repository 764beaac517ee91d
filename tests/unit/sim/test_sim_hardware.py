"""Cables, clocks and disks of the virtual world, by themselves."""

from __future__ import annotations

import random

import pytest

from ninefold.agents.model import AgentName, Call, Rc
from ninefold.cib.model import Stamp, Version
from ninefold.node import events as ev
from ninefold.sim.agents import Fault, Resources
from ninefold.sim.clock import Clock
from ninefold.sim.cluster import Shape, corosync_conf, document
from ninefold.sim.disk import Disk
from ninefold.sim.network import NARROW_BYTES, Network, Weather
from ninefold.sim.world import World


def network() -> Network:
    return Network((1, 2, 3), 1, random.Random(1))


# Clocks.


@pytest.mark.parametrize("ppm", [0, 50_000, -50_000, 7, -333_333])
def test_clock_shows_what_is_waited_for_at_the_time_that_it_names(ppm: int) -> None:
    clock = Clock()
    clock.boot(1_000)
    clock.run(5_000, ppm)

    for shown in range(4_000, 40_000, 97):
        at = clock.when(shown)
        assert clock.read(at) >= shown
        assert clock.read(at - 1) < shown


def test_clock_whose_rate_changes_does_not_jump() -> None:
    clock = Clock()
    clock.boot(0)
    clock.run(10_000, 100_000)
    clock.run(20_000, 0)

    assert clock.read(20_000) == 21_000
    assert clock.read(21_000) == 22_000


def test_clock_that_was_stopped_goes_on_from_what_it_showed() -> None:
    clock = Clock()
    clock.boot(0)
    clock.run(1_000, 50_000)

    clock.stop(11_000)
    clock.stop(12_000)
    clock.run(20_000, 0)
    assert clock.read(25_000) == 11_500
    clock.go(31_000)

    assert clock.read(31_000) == 11_500
    assert clock.read(32_000) == 12_500
    assert clock.wall(31_000, epoch=0) == 11


def test_wall_clock_may_be_set_to_anything() -> None:
    clock = Clock()
    clock.ahead_s = -3600

    assert clock.wall(5_000, epoch=1_000_000) == 1_000_000 + 5 - 3600


# Disks.


def write_three(disk: Disk) -> None:
    for seq in (1, 2, 3):
        disk.begin(lambda seq=seq: setattr(disk, "ring_seq", seq))  # type: ignore[misc]


def test_power_cut_leaves_a_beginning_of_what_was_under_way() -> None:
    found = []
    for seed in range(40):
        disk = Disk()
        write_three(disk)
        disk.interrupt(random.Random(seed))
        found.append(disk.ring_seq)

    assert sorted({*found}) == [0, 1, 2, 3]


def test_full_disk_has_room_for_what_is_small() -> None:
    disk = Disk()
    disk.condition = "full"

    def write() -> None:
        disk.ring_seq = 7

    disk.begin(write)
    assert disk.end(write, small=False) == "no space left on device"
    disk.begin(write)
    assert disk.end(write, small=True) == ""
    assert disk.ring_seq == 7


def test_disk_with_a_hiccup_refuses_once() -> None:
    disk = Disk()
    disk.condition = "hiccup"

    def write() -> None:
        disk.ring_seq = 7

    disk.begin(write)
    assert disk.end(write, small=True) == "input/output error"
    disk.begin(write)
    assert disk.end(write, small=True) == ""


def test_copy_of_a_disk_holds_what_was_on_it_so_many_documents_ago() -> None:
    disk, cib = Disk(), document(Shape())
    for epoch in range(1, 6):
        disk.ring_seq = epoch
        disk.keep(Stamp(epoch, Version(0, epoch, 0)), cib)

    disk.restore(2)

    assert disk.ring_seq == 4
    assert disk.document is not None
    assert disk.document[0] == Stamp(3, Version(0, 3, 0))


# Cables.


def test_narrow_path_loses_what_is_large_and_nothing_else() -> None:
    net = network()
    net.narrow(1, 2)

    assert net.fits(1, 2, 0, NARROW_BYTES)
    assert not net.fits(1, 2, 0, NARROW_BYTES + 1)
    assert net.fits(2, 1, 0, NARROW_BYTES + 1)


def test_clogged_path_gives_everything_back_in_order() -> None:
    net, came = network(), []
    net.clog(1, 2)
    for number in range(5):
        held = net.held(1, 2, 0, lambda delay, number=number: came.append((delay, number)))  # type: ignore[misc]
        assert held
    assert not net.reaches(1, 2, 0)

    net.unclog()

    assert [number for _, number in sorted(came)] == [0, 1, 2, 3, 4]
    assert net.reaches(1, 2, 0)
    assert not net.held(1, 2, 0, lambda _: None)


def test_late_path_delays_one_direction() -> None:
    net = network()
    net.delay(1, 2, 900)

    assert net.journeys(1, 2, 0) == [901]
    assert net.journeys(2, 1, 0) == [1]


def test_corruption_changes_packets_and_nothing_else() -> None:
    net = network()
    net.weather = Weather(corruption=0.5)
    data = bytes(range(100))

    came = [net.bent(data) for _ in range(400)]

    whole = sum(packet == data for packet in came)
    assert 100 < whole < 300
    assert any(len(packet) < len(data) for packet in came)
    assert any(len(packet) == len(data) and packet != data for packet in came)


def test_healing_mends_everything() -> None:
    net = network()
    net.cut(1, 2)
    net.narrow(1, 3)
    net.delay(2, 3, 100)
    net.clog(3, 1)
    assert not net.lively

    net.heal()

    assert net.lively
    for one, other in ((1, 2), (1, 3), (2, 3), (3, 1)):
        assert net.journeys(one, other, 0) == [1]
        assert net.fits(one, other, 0, 1_472)


def test_what_a_path_does_not_carry_gets_lost_and_stays_so_after_healing() -> None:
    net = network()
    net.mtus[(1, 2, 0)] = 1_000

    net.heal()

    assert net.fits(1, 2, 0, 1_000 - 28)
    assert not net.fits(1, 2, 0, 1_000 - 27)
    assert net.fits(2, 1, 0, 1_500 - 28)
    assert not net.fits(2, 1, 0, 1_500 - 27)


def test_neither_a_clogged_path_nor_a_stranger_brings_along_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = Shape(nodes=2)
    world = World(1, corosync_conf(shape), document(shape))
    came: list[int] = []
    monkeypatch.setattr(world, "later", lambda _host, _delay, packet: came.append(len(packet.data)))
    world.network.clog(1, 2)
    world.effects.tap = True
    link = world.config.node(2).links[0]

    for size in (1_472, 1_473):
        packet = ev.SendPacket(0, link.address, link.port, bytes(size))
        world.effects.perform(world.hosts[1], packet)
    world.network.unclog()

    assert came == [1_472]
    assert [len(packet.data) for _, packet in world.effects.tapped] == [1_472]


# Agents.


def call(resource: str, action: str) -> Call:
    return Call(AgentName("ocf", "sim", "service"), resource, action, 0, 1_000)


def test_agent_that_flaps_fails_every_other_time_and_one_that_is_missing_always() -> None:
    resources = Resources(random.Random(1))
    resources.active["db"] = True
    resources.faults = [Fault("db", "monitor", "flaps"), Fault("mail", "*", "missing")]

    said = [resources.begin(call("db", "monitor"))[1].rc for _ in range(4)]
    missing = [resources.begin(call("mail", task))[1].rc for task in ("monitor", "start", "stop")]

    assert said == [Rc.ERROR, Rc.OK, Rc.ERROR, Rc.OK]
    assert missing == [Rc.INSTALLED] * 3
