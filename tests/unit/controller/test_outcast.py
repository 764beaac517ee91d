"""A node that counts as fenced and lives: it stops what it runs, and goes."""

from __future__ import annotations

import pytest

from ninefold.controller import events as ev
from ninefold.controller import messages as msg
from tests.controller_life import Life, document
from tests.controller_ring import WALL

DB = '<primitive id="db" class="ocf" provider="sim" type="service"/>'
ON_N2 = '<rsc_location id="l" rsc="db" node="n2" score="100"/>'


def running_on_node2(options: str = "") -> Life:
    life = Life(3, document(DB, ON_N2, options))
    life.begin()
    assert life.settle(lambda _: 0)
    assert life.where("db") == [2]
    life.story.clear()
    return life


def report(life: Life, action: str = "off") -> None:
    """Let node 1 say that the device has fenced node 2, or let it in; it has not."""
    since = life.ring.seq
    word = msg.FenceReport(2, "n2", True, "scsi", "", since, WALL, "1:x", 1, action)
    life.ring.sent.append((1, msg.encode(word)))
    life.drain()


def asked(life: Life, kind: type[ev.Effect]) -> list[ev.Effect]:
    return [effect for effect in life.ring.effects[2] if isinstance(effect, kind)]


def test_node_that_hears_of_its_own_fencing_stops_what_it_runs_and_then_halts() -> None:
    life = running_on_node2()

    report(life)

    assert asked(life, ev.LeaveRing)
    assert not asked(life, ev.Halted)
    (job,) = [job for job in life.jobs if job.node == 2]
    assert (job.call.resource, job.call.action) == ("db", "stop")

    life.finish(job)

    assert life.role(2, "db") == 0
    (halted,) = asked(life, ev.Halted)
    assert isinstance(halted, ev.Halted)
    assert halted.reason
    assert not asked(life, ev.SelfFence)


def test_it_stops_what_an_earlier_daemon_has_started_and_nobody_has_looked_at() -> None:
    life = running_on_node2()
    life.restart_daemon(2)
    life.configure([1, 2, 3])

    report(life)
    while mine := [job for job in life.jobs if job.node == 2]:
        life.finish(mine[0])

    assert "2: stop db" in life.story
    assert life.role(2, "db") == 0


def test_what_it_does_from_then_on_is_told_to_nobody() -> None:
    life = running_on_node2()
    report(life)
    before = len(asked(life, ev.Multicast))

    life.finish(next(job for job in life.jobs if job.node == 2))

    assert len(asked(life, ev.Multicast)) == before


def test_what_cannot_be_stopped_ends_with_its_host() -> None:
    life = running_on_node2()
    life.faults[(2, "db", "stop")] = 1
    report(life)

    life.finish(next(job for job in life.jobs if job.node == 2))

    (reset,) = asked(life, ev.SelfFence)
    assert isinstance(reset, ev.SelfFence)
    assert "cannot stop db" in reset.reason


@pytest.mark.parametrize("name", ["fence-reaction", "fencing-reaction"])
def test_it_resets_its_host_at_once_if_that_is_configured(name: str) -> None:
    life = running_on_node2(f'<nvpair id="r" name="{name}" value="panic"/>')

    report(life)

    assert asked(life, ev.SelfFence)


def test_node_that_was_let_in_goes_on() -> None:
    life = running_on_node2()

    report(life, "on")

    assert not asked(life, ev.LeaveRing)
    assert life.where("db") == [2]
