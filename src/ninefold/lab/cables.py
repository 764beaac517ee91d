"""From what an operator says about cables to the blocks that the switch drops by. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.lab.enter import known_host
from ninefold.lab.errors import BadPlan
from ninefold.lab.model import Block, Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.lab.model import LabStatus


def blocks(
    status: LabStatus,
    nodes: Sequence[str],
    to: Sequence[str],
    link: int | None,
    direction: Direction,
) -> tuple[Block, ...]:
    """Return the blocks of a cut of `nodes`, from everybody or from `to`; directions as `nodes` see."""
    _check(status, nodes, to, link)
    if not nodes:
        raise BadPlan("Which node is to be cut off?")
    links = range(len(status.client_addresses)) if link is None else (link,)
    others = tuple(to) or ("",)
    pairs = [(node, other) for node in nodes for other in others]
    found = []
    for number in links:
        if direction is not Direction.IN:
            found += [Block(number, node, other) for node, other in pairs]
        if direction is not Direction.OUT:
            found += [Block(number, other, node) for node, other in pairs]
    return tuple(found)


def healed(
    status: LabStatus,
    nodes: Sequence[str],
    to: Sequence[str],
    link: int | None,
    direction: Direction,
) -> tuple[Block, ...]:
    """Return which of the blocks there are would go: all that the arguments do not exclude."""
    _check(status, nodes, to, link)

    def named(block: Block) -> bool:
        out = block.source in nodes and (not to or block.target in to)
        into = block.target in nodes and (not to or block.source in to)
        return (out and direction is not Direction.IN) or (into and direction is not Direction.OUT)

    return tuple(
        block
        for block in status.blocks
        if (link is None or block.link == link) and (not nodes or named(block))
    )


def _check(status: LabStatus, nodes: Sequence[str], to: Sequence[str], link: int | None) -> None:
    for node in (*nodes, *to):
        known_host(status, node)
    if both := sorted({*nodes} & {*to}):
        raise BadPlan(f"{both[0]} stands on both sides of the cut.")
    if to and not nodes:
        raise BadPlan("A cut between sets of nodes needs both sets.")
    count = len(status.client_addresses)
    if link is not None and not 0 <= link < count:
        raise BadPlan(f"There is no link {link}: this lab has links 0 to {count - 1}.")
