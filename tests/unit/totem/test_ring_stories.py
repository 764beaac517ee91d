"""What goes wrong in a ring's life, one story a test, in virtual time."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.totem.codec import decode
from ninefold.totem.messages import CommitToken, Join, Mcast, Token
from ninefold.totem.ring_core import RingState
from tests.totem_world import DEFAULTS, FAST, World


def ring(count: int = 3, *, seed: int = 0, idle_ms: int = 1_000) -> World:
    world = World(count, totem=FAST, seed=seed)
    world.start()
    assert world.run_until(lambda: world.formed(*world.nodes), limit=2_000)
    world.run(idle_ms)
    return world


def kind(data: bytes) -> type[object]:
    return type(decode(data)) if data else bytes


@pytest.mark.parametrize("count", [1, 2, 5, 16, 32])
def test_rings_of_all_sizes_form_at_once(count: int) -> None:
    world = World(count, totem=DEFAULTS)
    world.start()

    formed = world.run_until(lambda: world.formed(*world.nodes), limit=2_000)

    # Two rotations of the commit token, about six of the token, one of the barrier: 1 ms a hop.
    assert formed
    assert world.now - 1_000 <= 100 + 12 * count


def test_a_node_alone_waits_one_join_interval_and_is_a_ring_of_one() -> None:
    world = World(3, totem=FAST)
    world.start(2)

    formed = world.run_until(lambda: world.formed(2), limit=200)
    world.submit(2, b"to myself")
    world.run(10)
    before = world.hosts[2].stack.statistics.tokens
    world.run(10 * FAST.hold)

    assert formed
    assert world.hosts[2].payloads() == [b"to myself"]
    # Idle it laps once per hold interval, not in a busy loop.
    assert world.hosts[2].stack.statistics.tokens - before <= 11


def test_nodes_started_one_after_the_other_end_in_one_ring() -> None:
    world = World(3, totem=FAST)
    for node in world.nodes:
        world.start(node)
        world.run(500)

    assert world.formed(1, 2, 3)
    assert [len(host.rings()) for host in world.hosts.values()] == [3, 2, 1]


def test_the_representative_crashes_and_the_next_lowest_leads() -> None:
    world = ring(5)

    world.crash(1)
    assert world.run_until(lambda: world.formed(2, 3, 4, 5), limit=1_000)

    assert world.hosts[5].stack.ring.representative == 2


@pytest.mark.parametrize("victim", [1, 2, 3])
@pytest.mark.parametrize("state", [RingState.GATHER, RingState.COMMIT, RingState.RECOVERY])
def test_a_crash_in_the_middle_of_forming_a_ring_is_survived(victim: int, state: RingState) -> None:
    world = ring(4)
    world.crash(4)
    watch = world.hosts[victim].stack
    assert world.run_until(lambda: watch.state is state, limit=2_000)

    world.crash(victim)
    survivors = tuple(n for n in (1, 2, 3) if n != victim)
    formed = world.run_until(lambda: world.formed(*survivors), limit=3_000)

    assert formed


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_lost_commit_token_is_sent_again(nth: int) -> None:
    world = ring()
    seen = 0

    def drop_nth(_sender: int, _target: int, data: bytes) -> bool:
        nonlocal seen
        seen += kind(data) is CommitToken
        return kind(data) is CommitToken and seen == nth

    world.drop_if = drop_nth
    world.leave(3)
    formed = world.run_until(lambda: world.formed(1, 2), limit=2 * FAST.token_retransmit + 50)

    assert formed


@pytest.mark.parametrize("nth", range(1, 12))
def test_a_token_lost_in_recovery_is_sent_again(nth: int) -> None:
    world = ring()
    seen = 0

    def drop_nth(_sender: int, _target: int, data: bytes) -> bool:
        nonlocal seen
        seen += kind(data) is Token
        return kind(data) is Token and seen == nth

    world.leave(3)
    world.drop_if = drop_nth
    formed = world.run_until(lambda: world.formed(1, 2), limit=2 * FAST.token_retransmit + 80)

    assert formed
    assert [len(world.hosts[n].rings()) for n in (1, 2)] == [2, 2]


def test_commit_tokens_that_never_arrive_end_in_a_new_attempt() -> None:
    world = ring()
    world.drop_if = lambda _a, _b, data: kind(data) is CommitToken
    world.leave(3)
    world.run(3 * FAST.token)
    stuck = world.formed(1, 2)

    world.drop_if = None
    formed = world.run_until(lambda: world.formed(1, 2), limit=2_000)

    assert not stuck
    assert formed
    assert world.hosts[1].noted("token-lost")


@pytest.mark.parametrize("leaver", [1, 2, 3])
def test_a_clean_leave_costs_no_timeout(leaver: int) -> None:
    world = ring()
    left_at = world.now

    world.leave(leaver)
    rest = tuple(n for n in world.nodes if n != leaver)
    formed = world.run_until(lambda: world.formed(*rest), limit=1_000)

    assert formed
    assert world.now - left_at < FAST.join + 20
    assert world.hosts[rest[0]].activations()[-1].left == (leaver,)


def test_a_node_thsettledarts_before_anybody_noticed_is_seen_to_leave_and_join() -> None:
    world = ring(3)
    old_ring = world.hosts[2].stack.ring

    world.crash(2, kernel=False)
    world.run(40)
    world.restart(2)
    formed = world.run_until(lambda: world.formed(1, 2, 3), limit=500)

    assert formed
    assert world.hosts[1].activations()[-1].left == (2,)
    assert world.hosts[1].activations()[-1].joined == (2,)
    assert world.hosts[2].stack.ring.seq > old_ring.seq


def test_ring_ids_never_repeat_over_many_restarts() -> None:
    world = ring(3)
    seen = {world.hosts[1].stack.ring}
    for round_ in range(8):
        victim = 1 + round_ % 3
        world.crash(victim)
        world.run(3)
        world.restart(victim)
        assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
        assert world.hosts[1].stack.ring not in seen
        seen.add(world.hosts[1].stack.ring)


def test_the_commit_token_waits_for_the_disk() -> None:
    world = World(2, totem=FAST, disk=(80, 80))
    world.start()
    world.run(79)
    assert world.hosts[1].stack.state is RingState.COMMIT
    assert world.hosts[2].stack.state is RingState.GATHER

    assert world.run_until(lambda: world.formed(1, 2), limit=500)

    assert world.hosts[1].disk_seq >= world.hosts[1].stack.ring.seq


def test_a_disk_slower_than_the_token_holds_up_no_ring_but_the_first() -> None:
    world = World(3, totem=FAST, disk=(1_000, 1_000))
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_500)

    # More rings than the bound is ahead of: it has to be moved on meanwhile.
    for _ in range(20):
        world.partition((1, 2), (3,))
        assert world.run_until(lambda: world.formed(1, 2) and world.formed(3), limit=500)
        world.heal()
        assert world.run_until(lambda: world.formed(1, 2, 3), limit=500)


def test_a_node_that_dies_while_its_bound_is_saved_uses_no_number_twice() -> None:
    # Saves take about as long as a ring does to form, so they are cut off at every stage.
    world = World(3, totem=FAST, disk=(20, 150))
    world.start()
    installed = 0
    for round_ in range(30):
        world.run(100 + 37 * round_ % 400)
        victim = 1 + round_ % 3
        before = [change.ring.seq for change in world.hosts[victim].rings()]
        installed += len(before)
        world.crash(victim)
        world.restart(victim)
        assert world.hosts[victim].stack.ring.seq > max(before, default=0)

    assert world.run_until(lambda: world.formed(1, 2, 3), limit=2_500)
    assert installed > 15


def test_two_partitions_find_each_other_by_merge_detection() -> None:
    world = ring(4)
    world.partition((1, 2), (3, 4))
    assert world.run_until(lambda: world.formed(1, 2) and world.formed(3, 4), limit=3_000)
    world.submit(1, b"left side")
    world.submit(3, b"right side")
    world.run(500)

    world.heal()
    healed_at = world.now
    merged = world.run_until(lambda: world.formed(1, 2, 3, 4), limit=1_000)

    # A side shows itself once per `merge` and hold; then it is two rings' worth of forming.
    assert merged
    assert world.now - healed_at < FAST.merge + FAST.hold + 2 * FAST.join + 60
    assert world.hosts[1].payloads() == [b"left side"]
    assert world.hosts[4].payloads() == [b"right side"]
    assert world.hosts[1].activations()[-1].joined == (3, 4)


def test_a_fifth_of_all_packets_lost_delays_messages_and_loses_none() -> None:
    totem = msgspec.structs.replace(DEFAULTS, token_retransmit=60, hold=50)
    world = World(3, totem=totem, seed=3)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=1_000)
    world.run(100)
    world.loss = 0.2
    for index in range(300):
        world.submit(1 + index % 3, b"%d" % index + bytes(1_000))
        world.run(3)
    world.run(8_000)

    orders = [host.payloads() for host in world.hosts.values()]
    assert len(orders[0]) == 300
    assert orders[0] == orders[1] == orders[2]
    assert all(len(host.rings()) == 1 for host in world.hosts.values())
    assert sum(host.stack.statistics.retransmits for host in world.hosts.values()) > 50


def test_a_megabyte_crosses_a_membership_change_whole_and_once() -> None:
    world = ring(3)
    payload = bytes(range(256)) * 4_096

    world.submit(2, payload)
    world.run(20)
    in_the_middle = world.hosts[1].payloads() == []
    world.crash(3)
    world.run_until(lambda: world.formed(1, 2), limit=2_000)
    world.restart(3)
    world.run_until(lambda: world.formed(1, 2, 3), limit=2_000)
    world.run(2_000)

    assert in_the_middle
    assert world.hosts[1].payloads() == [payload]
    assert world.hosts[2].payloads() == [payload]


def test_a_deaf_node_takes_itself_out_and_the_others_go_on() -> None:
    totem = msgspec.structs.replace(FAST, fail_recv_const=50)
    world = World(3, totem=totem)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=1_000)

    world.drop_if = lambda _a, target, data: target == 3 and kind(data) is Mcast
    world.submit(1, b"unheard")
    assert world.run_until(lambda: world.formed(1, 2), limit=5_000)

    # Corosync issues 611 and 622; here too the deaf one says it of itself.
    assert world.hosts[3].noted("failed-to-receive")
    assert world.hosts[1].payloads() == [b"unheard"]


def test_a_member_that_old_frames_do_not_reach_does_not_hold_a_recovery_for_ever() -> None:
    totem = msgspec.structs.replace(FAST, fail_recv_const=50)
    world = World(4, totem=totem)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3, 4), limit=1_000)
    world.drop_if = lambda _a, target, data: target == 3 and kind(data) is Mcast
    world.submit(1, b"unheard")
    world.run(5)

    world.crash(4)

    at_3 = world.hosts[3].stack
    assert world.run_until(lambda: at_3.state is RingState.RECOVERY, limit=1_000)
    # Fifty visits, and the wait for the agreement of one that says itself that it failed.
    assert world.run_until(lambda: world.formed(1, 2), limit=50 * 10 + totem.consensus)
    assert world.hosts[3].noted("failed-to-receive")
    assert world.hosts[1].payloads() == world.hosts[2].payloads() == [b"unheard"]


def test_a_member_that_never_synchronises_does_not_hold_the_others_for_ever() -> None:
    world = ring(3)
    world.mute_barrier = 2
    world.leave(1)

    formed = world.run_until(lambda: world.formed(3), limit=15_000)

    # Corosync issue 660: one silent barrier froze every node until all were fenced.
    assert formed


def test_late_joins_and_frames_of_members_do_not_disturb_the_installed_ring() -> None:
    world = ring(3)
    late: list[tuple[int, int, bytes]] = []

    def record(sender: int, target: int, data: bytes) -> bool:
        if kind(data) in (Join, Mcast):
            late.append((sender, target, data))
        return False

    world.drop_if = record
    world.submit(1, b"old")
    world.run(10)
    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=2_000)
    world.drop_if = None
    installed = world.hosts[1].stack.ring
    for sender, target, data in late:
        if target != 3 and sender != 3:
            world.inject(sender, target, data)
    world.run(500)

    assert world.hosts[1].stack.ring == installed
    assert world.hosts[1].payloads() == [b"old"]


def test_the_same_seed_gives_the_same_history() -> None:
    def history(seed: int) -> list[str]:
        world = World(3, totem=FAST, seed=seed, delay=(1, 9), loss=0.1)
        world.start()
        world.run(500)
        world.crash(1)
        world.submit(2, b"x")
        world.run(2_000)
        return [repr(entry) for host in world.hosts.values() for entry in host.log]

    assert history(7) == history(7)
    assert history(7) != history(8)
