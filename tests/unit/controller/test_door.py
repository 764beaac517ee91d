"""What operators are answered, and that a refusal says what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ninefold.cib.document import Cib
from ninefold.cib.model import AddNodes, Cause, SetProperty, SetTransientAttribute, Stamp
from ninefold.controller import messages as msg
from ninefold.controller import requests as rq
from ninefold.controller.direction import Direction
from ninefold.controller.door import Door
from ninefold.controller.events import (
    Answer,
    Decide,
    Effect,
    Halted,
    Happened,
    LeaveRing,
    Multicast,
    Requested,
)
from ninefold.controller.replica import Replica
from ninefold.controller.situation import Situation
from ninefold.core.ids import RingId
from ninefold.quorum.events import Verdict
from ninefold.scheduler.model import Transition
from tests.controller_ring import read

RING = RingId(8, 1)
NAMES = {1: "node1", 2: "node2", 3: "node3"}
CAUSE = Cause("cluster", "test", 1, 1)


def door(
    *,
    quorate: bool = True,
    formed: bool = True,
    ring: bool = True,
    joined: tuple[int, ...] = (1, 2),
    hosts: str = "node1 node2 node3",
    fencing: str = "true",
) -> Door:
    """Return the door of node 1, with node 2 in its ring and node 3 away; a switch silences `hosts`."""
    cib = read(
        '<cib admin_epoch="0" epoch="0" num_updates="0"><configuration><crm_config>'
        '<cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled"'
        f' value="{fencing}"/></cluster_property_set></crm_config><nodes/><resources>'
        '<primitive id="switch" class="stonith" type="fence_test"><instance_attributes id="s">'
        f'<nvpair id="s1" name="pcmk_host_list" value="{hosts}"/></instance_attributes></primitive>'
        "</resources><constraints/></configuration><status/></cib>"
    )
    replica = Replica(1, Stamp(0, cib.version), cib)
    situation = Situation(1, "node1", NAMES)
    if ring:
        verdict = Verdict(RING, quorate, 2, 3, 2, "")
        annexes = {
            n: msg.Annex(
                NAMES[n], replica.stamp, cib.digest(), 0, 0, formed, fresh=False, wall=0, votes=1
            )
            for n in (1, 2)
        }
        replica.on_configured(RING, annexes, verdict)
        replica.begin([AddNodes(tuple(NAMES.items()))], CAUSE)
        situation.ring, situation.members = RING, (1, 2)
        situation.verdict, situation.formed = verdict, formed
        situation.joined = [*joined]
    return Door(
        situation,
        replica,
        Direction(situation, replica),
        busy=lambda: False,
        tell=lambda report: Multicast(msg.encode(report)),
    )


def ask(at: Door, request: rq.Request) -> list[Effect]:
    return at.on_request(Requested(7, "alice", rq.encode(request)))


def refusal(effects: list[Effect]) -> tuple[str, str]:
    """Return code and sentence of the one answer, which is a refusal."""
    (answer,) = effects
    assert isinstance(answer, Answer)
    assert not answer.ok
    found = msgspec.json.decode(answer.body, type=rq.Refusal)
    return found.code, " ".join(found.problems)


def messages(effects: list[Effect]) -> list[msg.Message]:
    return [msg.decode(effect.payload) for effect in effects if isinstance(effect, Multicast)]


@pytest.mark.parametrize("body", [b"", b"{", b'{"type":"nothing"}', b"\xff", b'{"type":"change"}'])
def test_what_is_no_request_is_refused_with_the_place(body: bytes) -> None:
    code, sentence = refusal(door().on_request(Requested(7, "alice", body)))

    assert code == "malformed"
    assert "cannot be read" in sentence


def test_change_is_proposed_in_the_name_of_who_asked() -> None:
    (proposal,) = messages(ask(door(), rq.ChangeCib(SetProperty("cluster-name", "x"), "why")))

    assert isinstance(proposal, msg.Propose)
    assert (proposal.cause.who, proposal.cause.why, proposal.vouch) == ("alice", "why", True)


def test_change_before_the_first_ring_is_refused() -> None:
    code, _ = refusal(ask(door(ring=False), rq.ChangeCib(SetProperty("cluster-name", "x"))))

    assert code == "no-ring"


def test_status_is_answered_when_the_engine_has_looked() -> None:
    at = door()
    (question,) = ask(at, rq.ShowStatus())
    assert isinstance(question, Decide)
    assert ask(at, rq.ShowStatus()) == []

    answers = at.on_decided(Transition((), (), (), quorate=True))

    assert [answer.ok for answer in answers if isinstance(answer, Answer)] == [True, True]
    assert at.on_decided(Transition((), (), (), quorate=True)) == []


def test_cluster_whose_engine_failed_is_not_settled() -> None:
    at = door()
    ask(at, rq.ShowStatus())

    (answer,) = at.on_decided(Transition((), (), (), quorate=False, decided=False))

    assert isinstance(answer, Answer)
    told = msgspec.json.decode(answer.body)
    assert (told["settled"], told["decided"]) == (False, False)


@pytest.mark.parametrize(
    ("at", "settled"),
    [
        (door(), True),
        (door(ring=False), False),
        (door(joined=(1,)), False),
        (door(formed=False), False),
        # A partition without quorum waits for nobody: it has stopped, and that is all it will do.
        (door(formed=False, quorate=False), True),
    ],
    ids=["whole", "no ring", "a history is missing", "waits for absent nodes", "no quorum"],
)
def test_nobody_calls_settled_what_has_not_assembled(at: Door, *, settled: bool) -> None:
    ask(at, rq.ShowStatus())

    (answer,) = at.on_decided(Transition((), (), (), quorate=True))

    assert isinstance(answer, Answer)
    assert msgspec.json.decode(answer.body)["settled"] is settled


def test_document_is_shown_as_xml() -> None:
    (answer,) = ask(door(), rq.ShowCib())

    assert isinstance(answer, Answer)
    shown: Any = msgspec.json.decode(answer.body)
    assert Cib.parse(shown["xml"])[0] is not None


def test_fencing_on_request_marks_the_node_for_the_engine() -> None:
    (proposal,) = messages(ask(door(), rq.FenceNode("node2")))

    assert isinstance(proposal, msg.Propose)
    assert proposal.change == SetTransientAttribute(2, "terminate", "true")


@pytest.mark.parametrize(
    ("at", "code", "remedy"),
    [
        (door(fencing="false"), "fencing-disabled", "cib property stonith-enabled true"),
        (door(hosts="node1 node3"), "no-fence-device", "pcmk_host_list"),
    ],
)
def test_fencing_that_would_never_come_is_refused(at: Door, code: str, remedy: str) -> None:
    # It would lie in wait: a device or an option that comes weeks later would have the node fenced.
    found, sentence = refusal(ask(at, rq.FenceNode("node2")))

    assert found == code
    assert remedy in sentence


def test_partition_without_quorum_may_not_fence() -> None:
    assert refusal(ask(door(quorate=False), rq.FenceNode("node2")))[0] == "no-quorum"


@pytest.mark.parametrize(
    "request_", [rq.FenceNode("node9"), rq.DeclareDead("node9", confirmed=True)]
)
def test_unknown_node_is_named_with_those_that_there_are(request_: rq.Request) -> None:
    code, sentence = refusal(ask(door(), request_))

    assert code == "unknown-node"
    assert "node1, node2, node3" in sentence


@pytest.mark.parametrize(
    ("node", "confirmed", "quorate", "code"),
    [
        ("node2", True, True, "alive"),
        ("node3", False, True, "unconfirmed"),
        ("node3", True, False, "no-quorum"),
    ],
)
def test_word_that_a_node_is_dead_is_refused(
    node: str, confirmed: bool, quorate: bool, code: str
) -> None:
    answer = ask(door(quorate=quorate), rq.DeclareDead(node, confirmed=confirmed))

    assert refusal(answer)[0] == code


def test_confirmed_word_that_a_lost_node_is_dead_is_spread() -> None:
    effects = ask(door(), rq.DeclareDead("node3", confirmed=True))

    (word,) = messages(effects)
    assert isinstance(word, msg.FenceReport)
    assert (word.name, word.ok, word.since) == ("node3", True, RING.seq)
    assert "alice" in word.reason
    assert [e.what for e in effects if isinstance(e, Happened)] == ["declared-dead"]


def test_stop_is_asked_of_the_cluster_once() -> None:
    at = door()
    effects = ask(at, rq.StopNode())

    (proposal,) = messages(effects)
    assert isinstance(proposal, msg.Propose)
    assert proposal.cause.why == "node1 wants to stop"
    assert at.stop("again") == []


def test_node_that_is_in_no_ring_leaves_at_once() -> None:
    effects = door(ring=False).stop("the daemon was asked to stop")

    assert [type(effect) for effect in effects] == [Happened, LeaveRing, Halted]


def test_node_leaves_once() -> None:
    at = door()

    assert [type(effect) for effect in at.leave()] == [LeaveRing, Halted]
    assert at.leave() == []
