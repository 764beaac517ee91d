"""What runs although the document has forgotten it: the node that started it has not."""

from __future__ import annotations

import re

import pytest

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from tests.controller_life import Life, document

DB = '<primitive id="db" class="ocf" provider="sim" type="service"/>'
ON_N2 = '<rsc_location id="l" rsc="db" node="n2" score="100"/>'


def running_on_node2() -> Life:
    life = Life(3, document(DB, ON_N2))
    life.begin()
    assert life.settle(lambda _: 0)
    assert life.where("db") == [2]
    life.story.clear()
    return life


def test_what_was_cleaned_up_before_its_daemon_was_started_anew_and_then_removed_is_stopped() -> (
    None
):
    # The cleanup is delivered, nobody has decided to look again, and the daemon is another one when the
    # definition goes: neither the document nor what this daemon has done tells of db.
    life = running_on_node2()
    life.ask(1, rq.ChangeCib(cib.ForgetHistory("db")))
    life.ring.deliver()
    life.restart_daemon(2)
    text = life.ring.all[1].replica.working.to_xml().decode()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(text.replace(DB, "").replace(ON_N2, ""))))
    life.ring.deliver([1, 3])

    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)

    assert life.where("db") == []
    assert life.story == ["2: stop db"]


def test_node_that_a_new_configuration_leaves_out_is_fenced_when_it_is_lost() -> None:
    # Written by hand, and without nodes. Of a node that is not configured nothing would be decided.
    life = running_on_node2()
    bare = re.sub(
        "(?s)<nodes>.*</nodes>", "<nodes/>", life.ring.all[1].replica.working.to_xml().decode()
    )
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(bare)))
    life.drain()

    life.configure([1, 3])
    assert life.settle(lambda _: 0)

    assert life.story == ["n2 is fenced", "3: start db"]


def test_removed_resource_that_is_cleaned_up_by_name_is_forgotten_by_a_new_daemon_too() -> None:
    # Nobody may touch it, so it is not stopped; that it is told of no more was asked for.
    life = running_on_node2()
    life.ask(1, rq.ChangeCib(cib.SetProperty("maintenance-mode", "true")))
    life.drain()
    text = life.ring.all[1].replica.working.to_xml().decode()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(text.replace(DB, "").replace(ON_N2, ""))))
    life.drain()
    life.restart_daemon(2)
    life.configure([1, 2, 3])
    assert life.settle(lambda _: 0)

    life.ask(1, rq.ChangeCib(cib.ForgetHistory("db")))
    life.drain()
    assert life.settle(lambda _: 0)

    told = life.ring.all[1].replica.working.operations(2)
    assert "db" not in [operation.resource for operation in told]


@pytest.mark.parametrize("started_anew", [False, True])
def test_removed_resource_that_is_cleaned_up_by_name_before_it_is_stopped_is_stopped(
    started_anew: bool,
) -> None:
    life = running_on_node2()
    if started_anew:
        life.restart_daemon(2)
        life.configure([1, 2, 3])
        assert life.settle(lambda _: 0)
        life.story.clear()
    text = life.ring.all[1].replica.working.to_xml().decode()
    life.ask(1, rq.ChangeCib(cib.ReplaceConfiguration(text.replace(DB, "").replace(ON_N2, ""))))
    life.ask(1, rq.ChangeCib(cib.ForgetHistory("db")))
    life.ring.deliver()

    life.drain()
    assert life.settle(lambda _: 0)

    assert life.where("db") == []
    assert life.story == ["2: stop db"]
