"""Nodes that must be let in by a device: what that proves, and what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib import model as cib
from ninefold.cib.document import Cib
from ninefold.controller import requests as rq
from ninefold.scheduler import schedule
from tests.controller_life import Life, document
from tests.controller_ring import WALL

if TYPE_CHECKING:
    from tests.controller_life import Job

SCSI = (
    '<primitive id="scsi" class="stonith" type="fence_test"><meta_attributes id="sm">'
    '<nvpair id="s1" name="provides" value="unfencing"/></meta_attributes>'
    '<instance_attributes id="sp"><nvpair id="s2" name="pcmk_host_check" value="static-list"/>'
    '<nvpair id="s3" name="pcmk_host_list" value="n1 n2 n3"/><nvpair id="s4" name="lun" value="6"/>'
    "</instance_attributes></primitive>"
)
# It needs no unfencing, so it is not stopped when its node is to be let in anew.
DB = (
    '<primitive id="db" class="ocf" provider="sim" type="service"><meta_attributes id="dm">'
    '<nvpair id="d1" name="requires" value="fencing"/></meta_attributes></primitive>'
)
ON_N2 = '<rsc_location id="l" rsc="db" node="n2" score="100"/>'
ON_N1 = '<rsc_location id="l" rsc="db" node="n1" score="100"/>'


def lets_in(job: Job, node: int) -> bool:
    return (job.call.action, job.node) == ("on", node)


def changed_device(*, more: tuple[str, str]) -> Life:
    """Return a cluster in which db runs on node 2, and all nodes are about to be let in anew."""
    life = Life(3, document(SCSI + DB, ON_N2))
    life.begin()
    assert life.settle(lambda _: 0)
    assert life.where("db") == [2]
    text = life.ring.all[1].replica.working.to_xml().decode()
    text = text.replace('name="lun" value="6"', 'name="lun" value="7"').replace(*more)
    life.story.clear()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(text)))
    life.drain()
    return life


def finish_all_but_the_letting_in_of_node2(life: Life) -> None:
    while rest := [job for job in life.jobs if not lets_in(job, 2)]:
        life.finish(rest[0])


def test_node_that_was_let_in_while_it_was_to_be_fenced_was_not_fenced() -> None:
    # Node 2 cannot stop db, so it has to be fenced. A slow device lets it in before that.
    life = changed_device(more=(ON_N2, ON_N1))
    life.faults[(2, "db", "stop")] = 1

    def judge(_: Job) -> None:
        assert len(life.where("db")) <= 1, life.story

    life.on_change.append(judge)
    finish_all_but_the_letting_in_of_node2(life)

    assert life.settle(lambda _: 0)

    assert life.where("db") == [1]
    assert life.story.index("n2 is fenced") < life.story.index("1: start db")


def test_node_is_fenced_although_it_is_not_let_in_yet() -> None:
    life = changed_device(more=(ON_N2, ON_N1))
    life.faults[(2, "db", "stop")] = 1

    finish_all_but_the_letting_in_of_node2(life)

    assert "n2 is fenced" in life.story
    assert life.where("db") == [1]


def test_document_without_its_secrets_does_not_look_as_if_the_devices_were_others() -> None:
    secret = SCSI.replace('"lun" value="6"', '"passwd" value="hunter2"')
    life = Life(3, document(secret + DB, ON_N2))
    life.begin()
    assert life.settle(lambda _: 0)
    text = life.ring.all[1].direction.context().to_xml().decode()

    def unfenced(secret: str) -> list[str]:
        cib, _ = Cib.parse(text.replace("hunter2", secret).encode())
        assert cib is not None
        return sorted(a.node for a in schedule(cib, WALL).actions if a.task == "stonith")

    # Node 1 runs the other device, which would be started anew. Node 2 runs this one, whose own history names no secret.
    assert unfenced("****") == ["n2"]
    assert unfenced("hunter3") == ["n1", "n2"]
