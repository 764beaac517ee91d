"""How many replicas of a bundle a host takes, and which bundles count at all.

The places were compared with those that `crm_simulate` 2.1.5 gives to the same documents.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from ninefold.scheduler import schedule_document
from ninefold.scheduler.bundle_unpack import addresses_from
from tests.forecast_world import NOW, cluster

if TYPE_CHECKING:
    from ninefold.scheduler.model import Transition

PRIMITIVE = '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy"/>'


def decided(inside: str, *, replicas: int = 6, running: str = "") -> Transition:
    """Decide about a bundle of two replicas for each host; `running` is a container on n2."""
    root = cluster(
        f'<bundle id="b"><docker image="i" replicas="{replicas}" replicas-per-host="2"/>{inside}</bundle>'
    )
    if running:
        held = root.find("status/node_state[@uname='n2']//lrm_resources/lrm_resource")
        assert held is not None
        held.getparent().append(held.makeelement("lrm_resource", {  # type: ignore[union-attr]
            "id": running, "class": "ocf", "provider": "heartbeat", "type": "docker",
        }))  # fmt: skip
        entry = held.makeelement("lrm_rsc_op", {
            "id": f"{running}_last_0", "operation_key": f"{running}_start_0", "operation": "start",
            "interval": "0", "call-id": "1", "rc-code": "0", "op-status": "0",
            "transition-key": "1:1:0:x",
        })  # fmt: skip
        held.getparent()[-1].append(entry)  # type: ignore[index]
    return schedule_document(root, NOW)


def hosts(transition: Transition) -> dict[str, int]:
    """Count the containers that each node is to have."""
    return dict(
        Counter(
            one.next_node
            for one in transition.placements
            if one.resource.startswith("b-docker-") and one.next_node
        )
    )


@pytest.mark.parametrize("address", ["", ' ip-range-start="192.0.2.1"'])
def test_container_waits_for_the_probes_of_others_if_its_host_takes_only_one(address: str) -> None:
    # With one port for all, a host takes one, whatever is said of replicas for each host.
    decided_ = decided(f'<network control-port="9"{address}/>{PRIMITIVE}', running="b-docker-0")

    inputs = {one.id: set(one.inputs) for one in decided_.actions}
    found = [
        probe.id in inputs[start.id]
        for start in decided_.actions
        for probe in decided_.actions
        if start.task == "start" and start.resource.startswith("b-docker-")
        if probe.task == "monitor" and probe.resource.startswith("b-docker-")
        if probe.node == start.node and probe.resource != start.resource and not probe.interval_ms
    ]

    assert found
    assert set(found) == {not address}


@pytest.mark.parametrize(
    "inside",
    [
        "",
        '<network control-port="9"/>',
        f'<network ip-range-start="192.0.2.1"/>{PRIMITIVE}',
    ],
)
def test_no_host_takes_more_replicas_than_it_may(inside: str) -> None:
    assert hosts(decided(inside)) == {"n1": 2, "n2": 2, "n3": 2}
    assert hosts(decided(inside, replicas=9)) == {"n1": 2, "n2": 2, "n3": 2}


def test_what_is_reached_at_a_port_of_its_host_is_alone_there() -> None:
    transition = decided(f'<network control-port="9"/>{PRIMITIVE}')

    assert hosts(transition) == {"n1": 1, "n2": 1, "n3": 1}


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (PRIMITIVE, "without ip-range-start or control-port db inside could not be controlled"),
        ('<network ip-range-start="fd00::1"/>', "from ip-range-start 'fd00::1' there are no 6 IPv4 addresses"),
    ],
)  # fmt: skip
def test_bundle_that_cannot_be_made_does_not_count_and_what_ran_of_it_is_stopped(
    inside: str, why: str
) -> None:
    transition = decided(inside, running="b-docker-0")

    assert f"b does not count: {why}." in transition.warnings
    tasks = [(one.task, one.resource) for one in transition.actions if "docker" in one.resource]
    assert ("stop", "b-docker-0") in tasks
    assert "start" not in [task for task, _resource in tasks]
    assert hosts(transition) == {}


def test_addresses_leave_out_the_first_and_the_last_of_a_network() -> None:
    assert addresses_from("192.0.2.253", 4) == [
        "192.0.2.253",
        "192.0.2.254",
        "192.0.3.1",
        "192.0.3.2",
    ]
    assert addresses_from("255.255.255.254", 3) == ["255.255.255.254"]
    assert addresses_from("x", 3) == []
