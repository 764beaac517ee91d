"""What a running node adds to an explanation: quorum, failed fencing, what is under way or was abandoned."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ninefold.controller.status import FenceStatus, QuorumStatus, Status, WorkStatus
from ninefold.forecast import events as ev
from ninefold.forecast.events import inject
from ninefold.forecast.explain import Explanation, explain
from ninefold.forecast.present import with_present
from tests.forecast_world import NOW, cluster


def status(**given: Any) -> dict[str, Any]:
    """Return what a node at rest answers to `ninefold status --json`, but for what is given."""
    quiet: dict[str, Any] = {
        "node": "n2", "cluster": "", "ring": "", "cib": "", "dc": "n1", "settled": True, "formed": True,
        "quorum": QuorumStatus(quorate=True), "nodes": (), "resources": (), "failures": (),
        "fail_counts": {}, "fencing": (), "pending": (), "warnings": (),
    }  # fmt: skip
    told: dict[str, Any] = msgspec.to_builtins(Status(**(quiet | given)))
    return told


def explained(*events: ev.Event) -> Explanation:
    root = cluster(running={"db": "n1"})
    inject(root, list(events), NOW)
    return explain(root, NOW, "db", trials=False)[0]


def added(before: Explanation, told: dict[str, Any]) -> list[tuple[str, str, str]]:
    (after,) = with_present((before,), told)
    new = [cause for cause in after.reasons if cause not in before.reasons]
    return [(cause.code, cause.sentence, cause.command) for cause in new]


def test_node_at_rest_adds_nothing() -> None:
    assert added(explained(), status()) == []


def test_wait_for_all_is_told_as_the_reason_of_no_quorum() -> None:
    why = "wait_for_all: 1 of 3 nodes has not been seen yet."

    (told,) = added(
        explained(ev.Quorum(quorate=False)),
        status(quorum=QuorumStatus(quorate=False, reason=why)),
    )

    assert told[0] == "no-quorum"
    assert told[1] == f"The partition has no quorum (no-quorum-policy=stop). {why}"


def test_failed_fencing_is_told_with_device_reason_and_from_where() -> None:
    failed = FenceStatus("n1", "failed", 3, "fence off: no route to host", "n2")
    other = FenceStatus("n3", "failed", 1, "fence off: no route to host", "n2")

    (told,) = added(explained(ev.NodeFail("n1")), status(fencing=(failed, other)))

    assert told == (
        "fencing-failed",
        "Fencing n1 has failed 3 times, last from n2: fence off: no route to host.",
        "mend the device; ninefold node declare-dead n1, if it is off for certain",
    )


def test_failed_fencing_is_told_to_who_waits_for_it_from_elsewhere() -> None:
    order = '<rsc_order id="o" first="db" then="web"/>'
    dummy = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
    root = cluster(dummy.format("db") + dummy.format("web"), order, {"db": "n1"})
    inject(root, [ev.NodeFail("n1")], NOW)
    web = explain(root, NOW, "web", trials=False)[0]
    assert web.nodes == ()
    failed = FenceStatus("n1", "failed", 1, "no answer", "n2")
    other = FenceStatus("n", "failed", 1, "no answer", "n2")

    told = added(web, status(fencing=(failed, other)))

    assert [code for code, _, _ in told] == ["fencing-failed"]
    assert told[0][1] == "Fencing n1 has failed once, last from n2: no answer."


@pytest.mark.parametrize(
    ("work", "code", "sentence"),
    [
        (WorkStatus(abandoned="4:1-8", why="n3 joined"), "transition-abandoned",
         "Transition 4:1-8 was abandoned (n3 joined). Before it is decided anew, this ends: start web on n2."),
        (WorkStatus("4:1-8"), "under-way",
         "Transition 4:1-8 is carried out; under way: start web on n2."),
        (None, "under-way",
         "Under way in the cluster: start web on n2. n1, the DC, knows whether more follows."),
    ],
)  # fmt: skip
def test_what_is_under_way_is_told_to_who_has_something_to_wait_for(
    work: WorkStatus | None, code: str, sentence: str
) -> None:
    told = status(pending=("start web on n2",), work=work)

    (found,) = added(explained(ev.NodeFail("n1")), told)

    assert found[:2] == (code, sentence)
    assert "ninefold e" in found[2]
    assert added(explained(), told) == []


def test_of_many_operations_under_way_only_some_are_named() -> None:
    pending = tuple(f"start r{number} on n2" for number in range(9))

    (found,) = added(explained(ev.NodeFail("n1")), status(pending=pending))

    assert "start r4 on n2 and 4 more." in found[1]
