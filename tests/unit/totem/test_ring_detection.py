"""Dead hosts are replaced at the token timeout, paused daemons are waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from ninefold.totem.events import ProbeKernel
from tests.totem_world import DEFAULTS, TOKEN_1000, World

if TYPE_CHECKING:
    from ninefold.config.model import TotemOptions


def ring_of_three(totem: TotemOptions = DEFAULTS, *, idle_ms: int = 3_000, seed: int = 0) -> World:
    world = World(3, totem=totem, seed=seed)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=500)
    world.run(idle_ms)
    return world


def since(world: World, node: int, what: str, start: int) -> int:
    """The instant of the first note of that kind after `start`."""
    for at, effect in world.hosts[node].log:
        if at >= start and getattr(effect, "what", "") == what:
            return at
    raise AssertionError(what)


@pytest.mark.parametrize("victim", [1, 2, 3])
@pytest.mark.parametrize("phase_ms", [0, 130, 390, 640])
def test_survivors_of_a_crash_need_no_consensus_timeout(victim: int, phase_ms: int) -> None:
    world = ring_of_three(idle_ms=3_000 + phase_ms)
    survivors = tuple(n for n in world.nodes if n != victim)
    last_heard = {n: world.hosts[n].stack._links.last_heard(victim) for n in survivors}
    crashed_at = world.now

    world.crash(victim)
    formed = world.run_until(lambda: world.formed(*survivors), limit=10_000)

    # Not earlier than a token timeout after it was last heard, and at once then: 1 ms network.
    assert formed
    ripe = max(last_heard.values()) + DEFAULTS.token
    for node in survivors:
        assert since(world, node, "peer-dead", crashed_at) >= last_heard[node] + DEFAULTS.token
    lost = min(since(world, n, "gather", crashed_at) for n in survivors)
    assert world.now - max(lost, ripe) < 2 * DEFAULTS.join
    assert world.now - crashed_at < DEFAULTS.token + 2 * DEFAULTS.join + 20


@pytest.mark.parametrize("victim", [1, 2, 3])
@pytest.mark.parametrize("phase_ms", range(0, 700, 53))
@pytest.mark.parametrize(("totem", "pause_ms"), [(DEFAULTS, 5_500), (TOKEN_1000, 3_000)])
def test_a_paused_daemon_whose_kernel_answers_is_waited_for(
    victim: int,
    phase_ms: int,
    totem: TotemOptions,
    pause_ms: int,
) -> None:
    world = ring_of_three(totem, idle_ms=2_000 + phase_ms)
    first = world.hosts[1].stack.ring

    world.pause(victim)
    world.run(pause_ms)
    survivors_kept_waiting = all(h.stack.ring == first for h in world.hosts.values())
    world.resume(victim)
    formed = world.run_until(
        lambda: world.formed(1, 2, 3) and world.hosts[1].stack.ring != first, limit=1_000
    )

    # One ring of three again, and nobody ever left it.
    assert survivors_kept_waiting
    assert formed
    for host in world.hosts.values():
        assert [c.left for c in host.rings()[1:]] == [()]
        assert host.transitionals()[-1].members == (1, 2, 3)
        assert host.activations()[-1].left == ()
        assert not host.noted("peer-dead")


def test_a_daemon_paused_with_the_token_in_its_hands_under_load_loses_nothing() -> None:
    world = ring_of_three()
    sent: list[bytes] = []

    def work(rounds: int) -> None:
        for _ in range(rounds):
            for node in (1, 2, 3):
                if not world.hosts[node].paused:
                    sent.append(b"%d at %d" % (node, len(sent)))
                    world.submit(node, sent[-1])
            world.run(2)

    work(20)
    # Stop it in the very step in which it would answer: its queue takes the token.
    world.pause(2)
    work(20)
    world.run(5_300)
    world.resume(2)
    world.run(1_000)
    work(5)
    world.run(100)

    orders = [host.payloads() for host in world.hosts.values()]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(sent)


def test_a_pause_longer_than_token_and_consensus_costs_membership_and_both_sides_see_it() -> None:
    world = ring_of_three()

    world.pause(2)
    without = world.run_until(lambda: world.formed(1, 3), limit=DEFAULTS.token + 5_000)
    world.run(2_000)
    world.resume(2)
    together = world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)

    # Corosync pull request 347: the paused node sees the others leave and come back.
    assert without
    assert together
    assert world.hosts[2].activations()[-1].left == (1, 3)
    assert world.hosts[2].activations()[-1].joined == (1, 3)
    assert world.hosts[1].activations()[-2].left == (2,)
    assert world.hosts[1].activations()[-1].joined == (2,)
    assert world.hosts[2].noted("pause-detected")


def test_without_kernel_probes_a_crash_is_waited_for_as_in_corosync() -> None:
    totem = msgspec.structs.replace(DEFAULTS, kernel_probe=False)
    world = ring_of_three(totem)
    crashed_at = world.now

    world.crash(1)
    formed = world.run_until(lambda: world.formed(2, 3), limit=20_000)

    assert formed
    assert world.now - crashed_at >= totem.consensus + totem.token - totem.hold - 50
    assert not [e for _, e in world.hosts[2].log if isinstance(e, ProbeKernel)]


def test_a_daemon_killed_on_a_living_host_is_waited_for_until_its_host_dies_too() -> None:
    world = ring_of_three(idle_ms=2_900)

    world.crash(3, kernel=False)
    world.run(1_000)
    before = world.now
    world.kernels_dead.add(3)
    formed = world.run_until(lambda: world.formed(1, 2), limit=20_000)

    # Its kernel was never asked while the silence was short: a token after the last sign.
    assert formed
    assert world.now - before <= DEFAULTS.token + 1_000


def test_evidence_that_ripens_during_gather_is_used_then() -> None:
    world = ring_of_three()
    crashed_at = world.now

    world.crash(3, kernel=False)
    world.run(DEFAULTS.token + 400)
    assert world.hosts[1].noted("peer-paused")
    world.kernels_dead.add(3)
    formed = world.run_until(lambda: world.formed(1, 2), limit=20_000)

    # Waited for as a paused daemon, then failed one token after its kernel's last answer: before
    # the consensus timeout would have.
    assert formed
    assert world.now - crashed_at < 2 * DEFAULTS.token + 700
    assert world.hosts[1].noted("peer-dead")


def test_a_node_that_one_survivor_still_hears_is_not_failed_on_the_word_of_the_other() -> None:
    world = ring_of_three()
    cut_at = world.now

    world.cut = {(1, 2), (2, 1)}
    formed = world.run_until(lambda: world.formed(1, 3), limit=20_000)

    # Node 1 finds node 2 dead; node 3 hears both and does not agree. That all of them live and two do
    # not hear each other is seen from ten joins in a row.
    assert formed
    assert world.now - cut_at >= DEFAULTS.token - DEFAULTS.hold + 10 * DEFAULTS.join - 50


def test_a_node_cut_off_and_the_others_part_at_the_token_timeout() -> None:
    world = ring_of_three()
    cut_at = world.now

    world.partition((1,), (2, 3))
    parted = world.run_until(lambda: world.formed(1) and world.formed(2, 3), limit=20_000)

    assert parted
    assert world.now - cut_at < DEFAULTS.token + 2 * DEFAULTS.join + 50


def test_an_idle_ring_passes_the_token_once_per_hold_interval() -> None:
    world = ring_of_three()
    tokens = world.hosts[2].stack.statistics.tokens
    packets = world.packets

    world.run(60_000)

    # 60 000 / 685 ms of hold is 88 rotations; heartbeats of the test's links are 6 per 730 ms.
    assert 80 <= world.hosts[2].stack.statistics.tokens - tokens <= 90
    assert world.packets - packets <= 3 * 90 + 6 * 83


def test_a_message_after_a_long_idle_time_waits_for_no_hold_timer() -> None:
    for sender in (1, 2, 3):
        world = ring_of_three(idle_ms=4_321)

        world.submit(sender, b"now")
        world.run(5)

        # At most: cancel to the representative, token around, the frame to all.
        assert [host.payloads() for host in world.hosts.values()] == [[b"now"]] * 3
