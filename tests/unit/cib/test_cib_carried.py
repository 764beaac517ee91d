"""What no running cluster here can carry out is named, and never brought in by half."""

from __future__ import annotations

import pytest

from ninefold.cib.carried import brought_in, not_carried_out, not_heeded
from ninefold.cib.model import ReplaceConfiguration
from ninefold.cib.verify import verify
from ninefold.controller import requests as rq
from ninefold.core.findings import Severity
from tests.controller_life import Life, document
from tests.controller_ring import read

BUNDLE = (
    '<bundle id="web"><podman image="i" replicas="2"/><network ip-range-start="10.0.0.9"/>'
    '<primitive id="http" class="ocf" provider="sim" type="service"/></bundle>'
)
REMOTE = '<primitive id="far" class="ocf" provider="pacemaker" type="remote"/>'
TEMPLATE = (
    '<template id="t" class="ocf" provider="pacemaker" type="remote"/>'
    '<primitive id="far" template="t"/>'
)
GUEST = (
    '<primitive id="vm" class="ocf" provider="sim" type="service"><meta_attributes id="m">'
    '<nvpair id="p" name="remote-node" value="inside"/></meta_attributes></primitive>'
)
PLAIN = '<primitive id="db" class="ocf" provider="sim" type="service"/>'


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (BUNDLE, "web is a bundle"),
        (REMOTE, "far is the connection to a remote node"),
        (TEMPLATE, "far is the connection to a remote node"),
        (GUEST, "vm makes inside a guest node"),
    ],
)
def test_each_is_named_with_what_it_is(resource: str, said: str) -> None:
    text = document(resource + PLAIN)

    found = not_carried_out(read(text).configuration, Severity.WARNING)

    assert [one.sentence for one in found] == [f"{said}, and those cannot be run yet."]
    assert any(one.code == "not-carried-out" for one in verify(text))


def test_an_ordinary_document_has_none() -> None:
    assert not_carried_out(read(document(PLAIN)).configuration, Severity.WARNING) == []


def test_only_what_is_new_is_held_against_a_change() -> None:
    present, changed = document(GUEST), document(GUEST + REMOTE + PLAIN)

    found = brought_in(read(changed).configuration, read(present).configuration)

    assert [one.subject for one in found] == ["far"]


def replaced(life: Life, resource: str) -> list[bool]:
    """Let an operator add a resource; return the answers."""
    xml = life.ring.all[1].direction.context().to_xml().decode()
    before = len(life.ring.answers(1))
    change = ReplaceConfiguration(xml.replace("</resources>", f"{resource}</resources>"))
    life.ask(1, rq.ChangeCib(change))
    life.drain()
    return life.ring.answers(1)[before:]


def test_a_running_cluster_refuses_them_and_takes_what_it_can_run() -> None:
    life = Life(3, document(PLAIN))
    life.begin()
    assert life.settle(lambda _: 0)

    refused = [replaced(life, one) for one in (BUNDLE, REMOTE, GUEST)]
    taken = replaced(life, PLAIN.replace('"db"', '"other"'))

    assert refused == [[False], [False], [False]]
    assert taken == [True]
    configuration = life.ring.all[2].replica.working.configuration
    names = [element.get("id") for element in configuration.iter()]
    assert "other" in names
    assert not {"web", "far", "vm"}.intersection(names)


@pytest.mark.parametrize("name", ["stonith-watchdog-timeout", "fencing-watchdog-timeout"])
def test_watchdog_that_is_to_prove_a_nodes_silence_is_warned_of_everywhere(name: str) -> None:
    # Whoever relies on it has no takeover after a crash: that must not come out at the crash.
    text = document(PLAIN, options=f'<nvpair id="w" name="{name}" value="10s"/>')
    life = Life(3, text)
    warned: list[str] = []
    life.on_decision.append(lambda _, transition: warned.extend(transition.warnings))

    life.begin()

    (finding,) = not_heeded(read(text).configuration)
    assert finding.severity is Severity.WARNING
    assert finding.subject == name
    assert [one for one in verify(text) if one.code == "not-heeded"] == [finding]
    assert f"{finding.sentence} {finding.remedy}" in warned


@pytest.mark.parametrize(("value", "count"), [("0", 0), ("0s", 0), ("", 0), ("-1", 1), ("5", 1)])
def test_watchdog_timeout_of_zero_asks_for_nothing(value: str, count: int) -> None:
    text = document(
        PLAIN, options=f'<nvpair id="w" name="stonith-watchdog-timeout" value="{value}"/>'
    )

    assert len(not_heeded(read(text).configuration)) == count
