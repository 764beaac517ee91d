"""Clones and promotable clones, carried out: examples of what once went wrong, or could."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from tests.controller_life import PROMOTED, RUNNING, STOPPED, Life, document

if TYPE_CHECKING:
    from tests.controller_life import Job

PRIMITIVE = (
    '<primitive id="db" class="ocf" provider="sim" type="service"><operations>'
    '<op id="o1" name="monitor" interval="10s" role="Promoted"/>'
    '<op id="o2" name="monitor" interval="11s" role="Unpromoted"/></operations></primitive>'
)


SILENT = '<primitive id="db" class="ocf" provider="sim" type="service"/>'


def clone(**meta: str) -> str:
    pairs = "".join(
        f'<nvpair id="m-{name}" name="{name.replace("_", "-")}" value="{value}"/>'
        for name, value in meta.items()
    )
    return f'<clone id="c"><meta_attributes id="m">{pairs}</meta_attributes>{PRIMITIVE}</clone>'


def begun(scores: tuple[int, ...] = (10, 20, 5), **meta: str) -> Life:
    life = Life(3, document(clone(**meta)), scores=scores)
    life.begin()
    assert life.settle(lambda _: 0)
    life.story.clear()
    return life


def test_who_rates_itself_best_is_promoted_and_its_old_monitor_ends() -> None:
    life = begun(promotable="true")

    life.pass_time(60)

    assert life.where("db", PROMOTED) == [2]
    assert life.where("db") == [1, 2, 3]
    assert {line.split(" ", 1)[1] for line in life.story} == {"monitor db"}


def test_a_new_ring_finds_the_promoted_one_promoted_after_notifications() -> None:
    # What a node tells of itself is what its agents did, not what they were told. No monitor helps.
    text = document(clone(promotable="true", notify="true").replace(PRIMITIVE, SILENT))
    life = Life(3, text, scores=(10, 20, 5))
    life.begin()
    assert life.settle(lambda _: 0)
    life.story.clear()

    life.configure(life.nodes)
    assert life.settle(lambda _: 0)

    assert life.where("db", PROMOTED) == [2]
    assert life.story == []


def test_a_deaf_instance_holds_up_nobody_and_has_not_failed() -> None:
    life = Life(3, document(clone(promotable="true", notify="true")), scores=(10, 20, 5))
    for node in life.nodes:
        life.faults[(node, "db", "notify")] = 1

    life.begin()
    assert life.settle(lambda _: 0)

    assert life.where("db", PROMOTED) == [2]
    assert life.ring.all[1].replica.working.failures() == ()
    assert life.ring.all[1].replica.working.fail_counts() == ()


def test_a_lost_promoted_node_is_fenced_before_another_is_promoted() -> None:
    life = begun(promotable="true", notify="true")

    life.configure([1, 3])
    assert life.where("db", PROMOTED) == [2]
    assert life.settle(lambda _: 0)

    assert life.where("db", PROMOTED) == [1]
    assert life.story.index("n2 is fenced") < life.story.index("1: promote db")


def test_fewer_unique_instances_come_to_rest() -> None:
    # The superfluous are forgotten by their exact names; asked again for ever that would never end.
    life = begun(globally_unique="true")
    assert sorted(name for (_, name), role in life.roles.items() if role) == [
        "db:0", "db:1", "db:2",
    ]  # fmt: skip

    life.ask(1, rq.ChangeCib(cib.SetMetaAttribute("c", "clone-max", "1")))
    life.drain()
    assert life.settle(lambda _: 0)

    assert [name for (_, name), role in life.roles.items() if role] == ["db:0"]


def test_a_cleanup_of_a_clone_forgets_its_unique_instances_on_their_nodes_too() -> None:
    life = begun(globally_unique="true")

    life.ask(1, rq.ChangeCib(cib.ForgetHistory("c")))
    life.drain()

    for node in life.nodes:
        assert [op.resource for op in life.ring.all[node].executor.history() if op.call_id > 0] == (
            ["fence"]
        )


def test_a_monitor_that_fails_after_a_cleanup_does_not_hide_that_its_instance_is_promoted() -> None:
    # It had been begun before. Stopped without being demoted, a database may lose what it has promised.
    life = Life(3, document(clone(promotable="true")), scores=(10, 20, 5))
    life.begin()

    def watch(job: Job) -> bool:
        return job.node == 2 and job.call.interval_ms == 10_000

    def finish_others() -> None:
        while others := [job for job in life.jobs if not watch(job)]:
            life.finish(others[0])

    finish_others()
    assert life.where("db", PROMOTED) == [2]
    life.story.clear()

    life.ask(1, rq.ChangeCib(cib.ForgetHistory("c")))
    life.drain()
    finish_others()
    (slow,) = life.jobs
    life.faults[(2, "db", "monitor")] = 1
    life.finish(slow)
    del life.faults[(2, "db", "monitor")]
    assert life.settle(lambda _: 0)

    assert life.where("db", PROMOTED) == [2]
    assert not [line for line in life.story if not line.endswith("monitor db")]


def test_failed_promotion_goes_to_the_next_best() -> None:
    life = Life(3, document(clone(promotable="true", migration_threshold="1")), scores=(10, 20, 5))
    life.faults[(2, "db", "promote")] = 1

    life.begin()
    assert life.settle(lambda _: 0)

    assert life.where("db", PROMOTED) == [1]
    assert life.role(2, "db") == STOPPED
    assert life.role(3, "db") == RUNNING


def test_a_score_can_be_set_at_the_door_and_only_for_nodes_that_are() -> None:
    life = begun((0, 0, 0), promotable="true")
    assert life.where("db", PROMOTED) == []

    life.ask(1, rq.SetAttribute("master-db", "7", node="n3"))
    life.ask(1, rq.SetAttribute("master-db", "9", node="n7"))
    life.ask(1, rq.SetAttribute("terminate", "true", node="n3"))
    life.ask(1, rq.SetAttribute('a"<b', "1"))
    life.drain()
    assert life.settle(lambda _: 0)

    # The last is the first to be answered for good: it waits for the disks.
    assert life.ring.answers(1) == [False, False, False, True]
    assert life.where("db", PROMOTED) == [3]


def test_nodes_are_unfenced_before_they_run_anything_and_stay_members() -> None:
    device = (
        '<primitive id="scsi" class="stonith" type="fence_test"><meta_attributes id="sm">'
        '<nvpair id="s1" name="provides" value="unfencing"/></meta_attributes>'
        '<instance_attributes id="sp"><nvpair id="s2" name="pcmk_host_check" value="static-list"/>'
        '<nvpair id="s3" name="pcmk_host_list" value="n1 n2 n3"/></instance_attributes></primitive>'
    )
    life = Life(3, document(device + clone()))
    life.begin()

    assert life.settle(lambda _: 0)

    assert life.where("db") == [1, 2, 3]
    assert sorted(line for line in life.story if "unfenced" in line) == [
        "n1 is unfenced", "n2 is unfenced", "n3 is unfenced",
    ]  # fmt: skip
    state = life.ring.all[1].replica.working.node_state(2)
    assert state is not None
    assert state.in_ccm
    assert state.attributes["#digests-all"].startswith("scsi:fence_test:")
    assert life.members == [1, 2, 3]


@pytest.mark.parametrize("seed", [81, 112, 145, 272, 290, 317, 365, 540])
def test_a_cleanup_in_the_middle_of_anything_starts_nothing_twice(seed: int) -> None:
    # What is under way stays in the document, and a probe's late answer does not hide a start. These
    # seeds once started `db` on two nodes.
    chance = random.Random(seed)
    life = Life(
        3, document(PRIMITIVE.replace(' role="Promoted"', "").replace(' role="Unpromoted"', ""))
    )

    def judge(_: Job) -> None:
        assert len(life.where("db")) <= 1, life.story

    life.on_change.append(judge)
    life.begin()
    for _ in range(chance.randint(1, 3)):
        life.settle(chance.randrange, steps=chance.randrange(6))
        life.ask(1, rq.ChangeCib(cib.ForgetHistory()))
        if chance.random() < 0.5:
            life.drain()
        life.settle(chance.randrange, steps=chance.randrange(12))
        node, value = f"n{chance.randint(1, 3)}", chance.choice(["on", "off"])
        life.ask(1, rq.ChangeCib(cib.SetNodeAttribute(node, "standby", value)))
        life.drain()

    assert life.settle(chance.randrange)


def test_a_superfluous_promoted_instance_is_demoted_before_another_is_promoted() -> None:
    life = begun(promotable="true", globally_unique="true")
    assert [name for (_, name), role in life.roles.items() if role == PROMOTED] == ["db:0"]
    # Of two unique instances the one that is promoted is beyond clone-max from now on.
    life.ask(1, rq.SetAttribute("master-db:0", "-INFINITY", node="n2"))
    life.ask(1, rq.SetAttribute("master-db:1", "50", node="n3"))
    life.drain()
    assert life.settle(lambda _: 0)
    promoted = [key for key, role in life.roles.items() if role == PROMOTED]
    assert [name for _, name in promoted] == ["db:1"]
    life.story.clear()

    life.ask(1, rq.SetAttribute("master-db:0", "9", node="n2"))
    life.ask(1, rq.ChangeCib(cib.SetMetaAttribute("c", "clone-max", "1")))
    life.drain()
    # The latest that was begun ends first: whatever is not ordered would happen the wrong way round.
    assert life.settle(lambda many: many - 1)

    told = [line.split(" ", 1)[1] for line in life.story]
    assert told.index("stop db:1") < told.index("promote db:0")
