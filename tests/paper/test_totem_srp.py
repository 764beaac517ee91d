"""The single-ring protocol, sentence by sentence (specification sections in each test's comment).

A member of a real small ring is taken out of its world and played the token by hand.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ninefold.core.ids import RingId
from ninefold.totem.codec import decode, encode
from ninefold.totem.events import ConfigurationKind, Delivered, RingChanged, SaveRingSeq
from ninefold.totem.flow import Flow
from ninefold.totem.messages import (
    RTR_MAX,
    CommitToken,
    HoldCancel,
    Join,
    Mcast,
    MergeDetect,
    Message,
    Slot,
    Token,
)
from ninefold.totem.numbers import AHEAD, MARK_BITS
from ninefold.totem.ring_core import (
    FrameDelivered,
    RingEffect,
    RingState,
    SendFrame,
    Timer,
)
from ninefold.totem.window import WINDOW_MESSAGES_MAX, Window
from tests.totem_world import DEFAULTS, World

M = TypeVar("M")


# Of a ring that somebody else proposes, well above all that is known.
NEXT_SEQ = 1_000 << MARK_BITS


class Member:
    """Node `me` of an installed ring of three, alone with the test."""

    def __init__(self, me: int = 2) -> None:
        # Totem knows no evidence of kernels.
        self.world = World(3, totem=msgspec.structs.replace(DEFAULTS, kernel_probe=False))
        self.world.start()
        assert self.world.run_until(lambda: self.world.formed(1, 2, 3), limit=500)
        self.world.run(200)
        self.stack = self.world.hosts[me].stack
        self.core = self.stack._ring._core
        self.now = self.world.now
        self.conf = self.core.installed
        self.seq = self.conf.last_seq
        self.base = self.seq

    def token(self, **fields: object) -> Token:
        ring = self.conf.ring
        aru = self.seq
        token = Token(ring.seq, ring.representative, self.conf.token_seq + 3, self.seq, aru)
        return msgspec.structs.replace(token, **fields)

    def frame(self, seq: int, node: int = 1) -> Mcast:
        ring = self.conf.ring
        return Mcast(ring.seq, ring.representative, self.base + seq, node, False, b"")

    def take(self, message: Message, sender: int = 1) -> list[RingEffect]:
        return self.stack._ring.receive(self.now, sender, encode(message))

    def sent(self, effects: list[RingEffect], kind: type[M]) -> list[M]:
        messages = [decode(e.data) for e in effects if isinstance(e, SendFrame)]
        return [message for message in messages if isinstance(message, kind)]

    def wait(self, duration: int) -> list[RingEffect]:
        """Let timers fire; nothing arrives."""
        effects: list[RingEffect] = []
        end = self.now + duration
        while self.core.deadline <= end:
            self.now = max(self.now, self.core.deadline)
            effects += self.stack._ring.wake(self.now)
        self.now = end
        return effects


# --- 2, messages ---


def test_the_token_grows_by_one_at_every_hop_and_goes_to_the_next_member() -> None:
    member = Member()
    token = member.token()

    effects = member.take(token)

    (passed,) = member.sent(effects, Token)
    assert passed.token_seq == token.token_seq + 1
    assert [e.to for e in effects if isinstance(e, SendFrame)] == [3]


def test_a_token_that_is_not_newer_is_a_retransmission_and_is_dropped() -> None:
    member = Member()
    token = member.token()
    member.take(token)

    assert member.take(token) == []
    assert member.core.statistics.dropped["token-old"] == 1


# --- 3.1, start ---


def test_a_restarted_member_begins_one_above_the_number_it_saved() -> None:
    world = World(2)
    world.hosts[1].disk_seq = 40 << MARK_BITS | 7
    world.restart(1)

    assert world.hosts[1].stack.ring == RingId(41 << MARK_BITS, 1)


# --- 3.2, operational ---


def test_messages_are_freed_after_two_rotations_have_shown_that_all_have_them() -> None:
    member = Member()
    member.take(member.frame(1))
    member.seq += 1
    released = member.conf.window.released

    member.take(member.token())
    after_one = member.conf.window.released
    member.take(member.token())

    assert after_one == released
    assert member.conf.window.released == member.seq


def test_a_gap_is_asked_for_only_after_it_was_missed_on_several_visits() -> None:
    member = Member()
    member.take(member.frame(2))
    member.seq += 2

    asked = [
        member.sent(member.take(member.token(aru=member.base, aru_addr=2)), Token)[0].rtr
        for _ in range(DEFAULTS.miss_count_const + 1)
    ]

    assert asked[:-1] == [()] * DEFAULTS.miss_count_const
    assert asked[-1] == (member.base + 1,)


def test_the_token_never_carries_more_than_thirty_requests() -> None:
    member = Member()
    member.seq += 100

    effects: list[RingEffect] = []
    for _ in range(DEFAULTS.miss_count_const + 1):
        effects = member.take(member.token(aru=member.base, aru_addr=2))

    (token,) = member.sent(effects, Token)
    assert len(token.rtr) == RTR_MAX


def test_a_requested_message_is_multicast_again_and_leaves_the_list() -> None:
    member = Member()
    member.take(member.frame(1))
    member.seq += 1
    wanted = member.base + 1

    effects = member.take(member.token(rtr=(wanted,), aru=member.base, aru_addr=3))

    assert [f.seq for f in member.sent(effects, Mcast)] == [wanted]
    assert member.sent(effects, Token)[0].rtr == ()


def test_who_is_behind_lowers_the_aru_and_signs_it() -> None:
    member = Member()
    member.seq += 1

    (token,) = member.sent(member.take(member.token()), Token)

    assert (token.aru, token.aru_addr) == (member.base, 2)


def test_only_who_lowered_the_aru_raises_it_and_at_seq_nobody_is_behind() -> None:
    member = Member()
    member.take(member.frame(1))
    member.seq += 1

    (others,) = member.sent(member.take(member.token(aru=member.base, aru_addr=3)), Token)
    (own,) = member.sent(member.take(member.token(aru=member.base, aru_addr=2)), Token)

    assert (others.aru, others.aru_addr) == (member.base, 3)
    assert (own.aru, own.aru_addr) == (member.seq, 0)


def test_the_representative_holds_an_idle_token_for_the_hold_time() -> None:
    member = Member(me=1)
    kept = False
    for _ in range(DEFAULTS.seqno_unchanged_const + 2):
        kept = not member.sent(member.take(member.token(), sender=3), Token)

    released = member.sent(member.wait(DEFAULTS.hold), Token)

    assert kept
    assert len(released) == 1


def test_a_hold_cancel_lets_the_token_go_at_once() -> None:
    member = Member(me=1)
    for _ in range(DEFAULTS.seqno_unchanged_const + 2):
        member.take(member.token(), sender=3)
    ring = member.conf.ring

    effects = member.take(HoldCancel(ring.seq, ring.representative), sender=2)

    assert len(member.sent(effects, Token)) == 1


def test_a_token_without_news_of_its_arrival_is_sent_again() -> None:
    member = Member()
    (token,) = member.sent(member.take(member.token()), Token)

    again = member.sent(member.wait(DEFAULTS.token_retransmit), Token)

    assert again == [token]


def test_a_token_on_a_way_that_is_lost_is_sent_again_at_once_on_another() -> None:
    member = Member()
    effects = member.take(member.token())
    (passed,) = [e for e in effects if isinstance(e, SendFrame) and e.to == 3]

    assert member.stack._ring.rerouted(member.now, [3]) == [passed]
    assert member.stack._ring.rerouted(member.now, [1]) == []


def test_a_token_timeout_leads_to_gather_with_all_members_proposed() -> None:
    member = Member()
    member.take(member.token())

    effects = member.wait(DEFAULTS.token)

    assert member.core.state is RingState.GATHER
    assert member.sent(effects, Join)[0].proc == (1, 2, 3)


def test_delivery_stops_at_the_first_gap_and_goes_on_when_it_is_filled() -> None:
    member = Member()

    behind = member.take(member.frame(2))
    filled = member.take(member.frame(1))

    assert not [e for e in behind if isinstance(e, FrameDelivered)]
    assert len([e for e in filled if isinstance(e, FrameDelivered)]) == 2


# --- 3.3, foreign traffic ---


def test_a_frame_of_another_ring_brings_its_sender_into_the_proposal() -> None:
    member = Member()
    member.core.installed.members = (1, 2)

    effects = member.take(MergeDetect(99, 3), sender=3)

    assert member.core.state is RingState.GATHER
    assert 3 in member.sent(effects, Join)[0].proc


# --- 3.4, gather ---


def gathering(me: int = 2) -> Member:
    member = Member(me)
    member.take(member.token())
    member.wait(DEFAULTS.token)
    assert member.core.state is RingState.GATHER
    return member


def test_when_all_agree_the_lowest_proposes_and_nobody_else() -> None:
    for me, state in ((1, RingState.COMMIT), (2, RingState.GATHER)):
        member = gathering(me)
        for other in (1, 2, 3):
            if other != me:
                member.take(Join(member.conf.ring.seq, (1, 2, 3), ()), sender=other)
        assert member.core.state is state


def test_a_join_that_knows_less_is_ignored() -> None:
    member = gathering()

    member.take(Join(member.conf.ring.seq, (3,), ()), sender=3)

    assert member.core.proc == {1, 2, 3}
    assert member.core.fail == frozenset()


def test_who_fails_us_is_failed_by_us() -> None:
    member = gathering()

    member.take(Join(member.conf.ring.seq, (1, 2, 3), (2,)), sender=3)

    assert member.core.fail == {3}


def test_a_late_join_of_a_present_member_is_ignored_when_operational() -> None:
    member = Member()

    member.take(Join(member.conf.ring.seq - 1, (3,), ()), sender=3)

    assert member.core.state is RingState.OPERATIONAL


def test_those_without_consensus_at_the_timeout_have_failed() -> None:
    member = gathering()
    member.take(Join(member.conf.ring.seq, (1, 2, 3), ()), sender=1)

    member.wait(DEFAULTS.consensus)

    assert member.core.fail == {3}


def test_joins_that_were_queued_during_a_pause_are_dropped() -> None:
    member = Member()
    member.now += DEFAULTS.token // 2 + DEFAULTS.token // 5

    member.take(Join(member.conf.ring.seq, (1, 2, 3), (1,)), sender=3)

    assert member.core.state is RingState.OPERATIONAL
    assert member.core.statistics.dropped["join-after-pause"] == 1


# --- 3.5, commit ---


def test_the_new_ring_is_four_above_the_highest_number_seen() -> None:
    member = gathering(me=1)
    # What counts is above the mark.
    member.take(Join(1_000 << MARK_BITS | 9, (1, 2, 3), ()), sender=2)

    effects = member.take(Join(50 << MARK_BITS, (1, 2, 3), ()), sender=3)

    assert SaveRingSeq((1_004 + AHEAD) << MARK_BITS) in effects
    assert member.core.current.ring == RingId(1_004 << MARK_BITS, 1)


def test_the_commit_token_leaves_only_after_the_number_is_durable() -> None:
    member = gathering()
    slot = Slot(member.conf.ring.seq, 1, 0, 0, received=True)
    proposal = CommitToken(NEXT_SEQ, 1, 1, (1, 2, 3), (slot,))

    before = member.take(proposal)
    too_low = member.stack._ring.saved(member.now, NEXT_SEQ - (1 << MARK_BITS))
    after = member.stack._ring.saved(member.now, NEXT_SEQ)

    assert SaveRingSeq(NEXT_SEQ + (AHEAD << MARK_BITS)) in before
    assert not member.sent(before + too_low, CommitToken)
    assert [len(token.slots) for token in member.sent(after, CommitToken)] == [2]


def test_a_commit_token_for_other_members_than_agreed_is_not_taken() -> None:
    member = gathering()
    slot = Slot(member.conf.ring.seq, 1, 0, 0, received=True)

    member.take(CommitToken(NEXT_SEQ, 1, 1, (1, 2), (slot,)))

    assert member.core.state is RingState.GATHER


def test_a_token_lost_in_commit_leads_back_to_gather() -> None:
    member = gathering()
    slot = Slot(member.conf.ring.seq, 1, 0, 0, received=True)
    member.take(CommitToken(NEXT_SEQ, 1, 1, (1, 2, 3), (slot,)))

    member.wait(DEFAULTS.token)

    assert member.core.state is RingState.GATHER
    assert member.core.installed is member.conf
    assert Timer.CONSENSUS in member.core.timers


# --- 4, flow control ---


def test_a_member_sends_at_most_max_messages_and_the_ring_at_most_its_window() -> None:
    flow = Flow(window_size=50, max_messages=17)

    assert flow.allowed(Token(1, 1, 1, 0, 0), 100, Window()) == 17
    assert flow.allowed(Token(1, 1, 1, 0, 0, fcc=45), 100, Window()) == 5
    assert flow.allowed(Token(1, 1, 1, 0, 0, fcc=60), 100, Window()) == 0


def test_under_load_a_member_gets_its_share_of_the_declared_backlog() -> None:
    flow = Flow(window_size=50, max_messages=17)
    flow.account(Token(1, 1, 1, 0, 0), sent=0, backlog=10)

    # 10 of 100 declared frames are ours: a tenth of the window.
    assert flow.allowed(Token(1, 1, 1, 0, 0, backlog=100), 10, Window()) == 5


def test_nothing_new_is_sent_that_the_window_could_not_keep() -> None:
    flow = Flow(window_size=50, max_messages=17)
    full = WINDOW_MESSAGES_MAX - 50

    assert flow.allowed(Token(1, 1, 1, full, 0), 100, Window()) == 0
    assert flow.allowed(Token(1, 1, 1, full - 3, 0), 100, Window()) == 3


# --- 3.2 and 3.3, what an idle, a deaf, a leaving member does ---


def test_an_idle_representative_shows_its_ring_to_others_once_in_a_merge_interval() -> None:
    # Where no configured node is missing there is nobody to show it to.
    shown = {}
    for me, members in ((1, (1, 2)), (2, (1, 2)), (1, (1, 2, 3))):
        member = Member(me)
        member.core.installed.members = members
        for _ in range(2):
            member.take(member.token(), sender=3 - me)
        shown[me, members] = len(member.sent(member.wait(DEFAULTS.merge), MergeDetect))

    assert shown == {(1, (1, 2)): 1, (2, (1, 2)): 0, (1, (1, 2, 3)): 0}


def test_who_alone_holds_the_ring_back_for_too_many_visits_takes_itself_out() -> None:
    member = Member()
    member.seq += 1

    for _ in range(DEFAULTS.fail_recv_const):
        member.take(member.token(aru=member.base, aru_addr=2))
    before = member.core.state
    effects = [
        effect
        for _ in range(3)
        for effect in member.take(member.token(aru=member.base, aru_addr=2))
    ]

    assert before is RingState.OPERATIONAL
    assert member.core.state is RingState.GATHER
    assert member.core.fail == {2}
    assert 2 in member.sent(effects + member.wait(DEFAULTS.join), Join)[0].fail


def test_a_leave_is_answered_at_once_and_without_the_leaver() -> None:
    member = Member()

    effects = member.take(Join(member.conf.ring.seq, (1, 2), (3,), leaving=True), sender=3)

    assert member.core.state is RingState.GATHER
    (join,) = member.sent(effects + member.wait(DEFAULTS.join), Join)[:1]
    assert 3 in join.fail


# --- 3.6, recovery ---


class Recovering(Member):
    """Node 2, in RECOVERY of the ring 1000 of `members`; `arus` tells how far behind `base` + n each is."""

    def __init__(
        self, arus: dict[int, int], *, strangers: tuple[int, ...] = (), heard: tuple[int, ...] = (),
        gap: bool = False, origins: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(2)
        for number, origin in zip(heard, origins or (1,) * len(heard), strict=True):
            self.take(self.frame(number, origin))
        self.seq += max(heard, default=0)
        self.take(self.token(aru=self.base, aru_addr=1))
        self.wait(DEFAULTS.token)
        self.members = tuple(sorted(arus))
        lost = tuple(node for node in (1, 2, 3) if node not in arus)
        for other in self.members:
            if other != 2:
                self.take(Join(self.conf.ring.seq, (1, 2, 3), lost), sender=other)
        if lost:
            self.wait(DEFAULTS.consensus)
        ring = self.conf.ring
        slots = [
            Slot(
                999 if node in strangers else ring.seq,
                node if node in strangers else ring.representative,
                self.base + aru,
                self.base + aru,
                received=not gap,
            )
            for node, aru in sorted(arus.items())
        ]
        self.take(CommitToken(NEXT_SEQ, 1, 1, self.members, tuple(slots[:1])))
        self.stack._ring.saved(self.now, NEXT_SEQ)
        self.take(CommitToken(NEXT_SEQ, 1, 9, self.members, tuple(slots)))
        assert self.core.state is RingState.RECOVERY
        self.last = Token(NEXT_SEQ, 1, 1, 0, 0)

    def visit(self, **fields: object) -> list[RingEffect]:
        """Let the token come round as the others pass it, who have got everything."""
        token = msgspec.structs.replace(
            self.last, token_seq=self.last.token_seq + 2, aru=self.last.seq, aru_addr=0
        )
        effects = self.take(msgspec.structs.replace(token, **fields))
        self.last = self.sent(effects, Token)[-1]
        return effects


def test_the_transitional_members_are_those_that_come_from_the_same_old_ring() -> None:
    member = Recovering({1: 0, 2: 0, 3: 0}, strangers=(3,))

    effects = [effect for _ in range(8) for effect in member.visit()]

    (transitional, regular) = [e for e in effects if isinstance(e, RingChanged)]
    assert (transitional.members, transitional.left) == ((1, 2), (3,))
    assert (regular.members, regular.joined, regular.left) == ((1, 2, 3), (3,), (3,))


def test_if_all_have_received_everything_there_is_nothing_to_exchange() -> None:
    member = Recovering({1: 1, 2: 1, 3: 1}, heard=(1,))

    effects = member.visit()

    assert member.sent(effects, Mcast) == []
    assert not member.sent(effects, Token)[0].retrans_flg


def test_what_a_member_lacks_is_sent_again_wrapped_into_a_message_of_the_new_ring() -> None:
    member = Recovering({1: 0, 2: 1, 3: 0}, heard=(1,))

    effects = member.visit()

    (frame,) = member.sent(effects, Mcast)
    inner = decode(frame.payload)
    assert frame.encapsulated
    assert frame.ring == RingId(NEXT_SEQ, 1)
    assert isinstance(inner, Mcast)
    assert (inner.ring, inner.seq) == (member.conf.ring, member.base + 1)


def test_of_all_holders_only_the_lowest_sends_again() -> None:
    # The paper lets every holder send; the specification advises against it.
    member = Recovering({1: 1, 2: 1, 3: 0}, heard=(1,))

    assert member.sent(member.visit(), Mcast) == []


def test_who_has_old_messages_left_sets_the_flag_and_clears_it_when_it_has_none() -> None:
    member = Recovering({1: 0, 2: 30, 3: 0}, heard=tuple(range(1, 31)))

    flags = [member.sent(member.visit(), Token)[0].retrans_flg for _ in range(4)]

    assert flags[0]
    assert not flags[-1]
    assert flags == sorted(flags, reverse=True)


def test_the_flag_of_another_is_left_alone() -> None:
    member = Recovering({1: 1, 2: 1, 3: 1}, heard=(1,))

    (token,) = member.sent(member.visit(retrans_flg=True), Token)

    assert token.retrans_flg
    assert member.core.state is RingState.RECOVERY


def test_a_token_lost_in_recovery_leads_back_to_gather_and_the_old_messages_are_kept() -> None:
    member = Recovering({1: 0, 2: 1, 3: 0}, heard=(1,))
    member.visit()

    member.wait(DEFAULTS.token)

    assert member.core.state is RingState.GATHER
    assert member.core.installed is member.conf
    assert member.conf.window.get(member.base + 1) is not None


# --- 3.7, installing ---


def test_messages_behind_a_gap_are_delivered_after_the_transitional_change_if_their_sender_is_with_us() -> (
    None
):
    # Nobody has the second; the third is of 1, who comes along, the fourth of 3, who does not.
    member = Recovering({1: 1, 2: 1}, heard=(1, 3, 4), origins=(1, 1, 3), gap=True)

    effects = [effect for _ in range(8) for effect in member.visit()]

    told = [
        e.kind.name if isinstance(e, RingChanged) else e.sender
        for e in effects
        if isinstance(e, RingChanged | FrameDelivered)
    ]
    assert told == ["TRANSITIONAL", 1, "REGULAR"]
    assert member.core.state is RingState.OPERATIONAL


def test_a_message_of_the_new_ring_is_delivered_after_the_regular_change() -> None:
    member = Recovering({1: 0, 2: 0, 3: 0})
    effects: list[RingEffect] = []
    while member.core.state is RingState.RECOVERY:
        effects = member.visit()

    after = member.take(Mcast(NEXT_SEQ, 1, 1, 1, False, b""))

    assert [e.kind.name for e in effects if isinstance(e, RingChanged)] == [
        "TRANSITIONAL",
        "REGULAR",
    ]
    assert [e.sender for e in after if isinstance(e, FrameDelivered)] == [1]


# --- 6, delivery guarantees ---


def delivered(effects: list[RingEffect]) -> int:
    return len([e for e in effects if isinstance(e, FrameDelivered)])


def test_a_safe_message_waits_until_two_tokens_say_that_all_have_it() -> None:
    member = Member()
    seq = member.base + 2
    safe = msgspec.structs.replace(member.frame(1), safe=True)

    early = [*member.take(safe), *member.take(member.frame(2))]
    first = member.take(member.token(seq=seq, aru=seq))
    second = member.take(member.token(seq=seq, aru=seq))

    # What comes behind it waits with it: there is one order.
    assert [delivered(early), delivered(first), delivered(second)] == [0, 0, 2]


def test_a_safe_message_that_some_member_lacks_is_not_delivered() -> None:
    member = Member()
    seq = member.base + 1

    effects = member.take(msgspec.structs.replace(member.frame(1), safe=True))
    for _ in range(5):
        effects += member.take(member.token(seq=seq, aru=member.base, aru_addr=3))

    assert delivered(effects) == 0


def test_an_agreed_message_waits_for_nobody() -> None:
    member = Member()

    assert delivered(member.take(member.frame(1))) == 1


def test_what_is_not_known_to_be_safe_is_delivered_after_the_transitional_change() -> None:
    world = World(3)
    world.start()
    assert world.run_until(lambda: world.formed(1, 2, 3), limit=500)
    world.run(200)
    # Node 3 gets no message any more, and so never says that it has this one.
    world.drop_if = lambda _, target, data: target == 3 and b"safe" in data
    world.submit(1, b"safe", safe=True)
    world.run(100)
    assert not world.hosts[1].payloads()

    world.crash(3)
    assert world.run_until(lambda: world.formed(1, 2), limit=20_000)

    for node in (1, 2):
        story = [
            e.kind if isinstance(e, RingChanged) else "delivered"
            for _, e in world.hosts[node].log
            if isinstance(e, RingChanged | Delivered)
        ]
        assert story[-3:] == [
            ConfigurationKind.TRANSITIONAL,
            "delivered",
            ConfigurationKind.REGULAR,
        ]
