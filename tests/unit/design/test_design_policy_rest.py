"""A life goes on while all nodes are dead and not all of that has been noticed."""

from __future__ import annotations

from typing import Final

import pytest

from ninefold.design.analysis import analyse
from ninefold.design.load import load_text

# A room takes all three at once; one loss of five is noticed by nobody for hours.
ROOM: Final = """\
name: room
parts:
  room: {kind: room, rate: 4 /y, mttr: 4 h}
  a: {kind: node, rate: 4 /y, mttr: 20 h, inside: room}
  b: {kind: node, rate: 4 /y, mttr: 20 h, inside: room}
  c: {kind: node, rate: 4 /y, mttr: 20 h, inside: room}
  device: {kind: fence-device, rate: 0 /y, mttr: 1 h}
groups:
  three:
    nodes: [a, b, c]
    quorum: 2
    fencing: [{device: device, targets: [a, b, c], success: 90 %}]
    failover: {time: 30 s, detection: 80 %, manual: 4 h}
services:
  web: {needs: three}
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_orders_to_a_node_whose_death_is_not_noticed_do_not_turn_in_circles(seed: int) -> None:
    # Without quorum the others are ordered to stop what they run; a dead one fails to, again and again.
    model, findings = load_text(ROOM)

    assert model is not None, findings
    report = analyse(model, samples=0, policy_years=60, seed=seed)

    assert not report.notes
    (lived,), (computed,) = report.policy, report.services
    assert abs(lived.availability - computed.availability) < lived.high - lived.low
