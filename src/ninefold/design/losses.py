"""How the nodes of a failover group are lost, one cause at a time, and what each cause leaves to act with.

Only losses after which the group can go on belong to its Markov chain: what takes all of it, or its
quorum, is the fault tree's and would be counted twice here. A cause may also take the devices that
should prove the loss (a management controller dies with its node's power, and with its site): a
demand to fence then fails, whatever the device's success is otherwise.

Causes of a fixed share of time have no rate and are left out. A cause that takes a node down only
together with others is taken to leave the devices as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ninefold.design.bdd import Bdd
from ninefold.design.cutsets import order_one_and_two
from ninefold.design.domains import Fallen
from ninefold.design.fence_check import levels_of
from ninefold.design.model import Use
from ninefold.design.tree import Tree

if TYPE_CHECKING:
    from ninefold.design.model import Group, Infrastructure


class Loss(msgspec.Struct, frozen=True):
    """A cause that takes a node down: how often (per hour), and for what share of time.

    `fenced` is the chance that the node can then be silenced by its devices.
    """

    node: str
    cause: str
    per_hour: float
    share: float
    fenced: float


def losses(model: Infrastructure, group: Group) -> tuple[Loss, ...]:
    """Return every loss of a node that the group survives; all losses if it can spare no node."""
    known: dict[str, float] = {}
    return tuple(loss for node in group.nodes for loss in _losses_of(model, group, node, known))


def _losses_of(
    model: Infrastructure, group: Group, node: str, known: dict[str, float]
) -> list[Loss]:
    tree = Tree(model, {})
    formula = tree.down(Use(node))
    if not tree.events:
        return []
    q = np.array([event.q for event in tree.events])
    bdd = Bdd(formula, len(tree.events))
    slopes = bdd.birnbaum(q)
    alone = set(order_one_and_two(bdd)[0])
    members = {cause.name: cause.of for cause in model.common_causes}
    found = []
    for number, (event, slope) in enumerate(zip(tree.events, slopes, strict=True)):
        per_hour = float(slope) * (event.rate or 0.0) * (1 - event.q)
        if per_hour <= 0:
            continue
        lost = members.get(event.part, (event.part,)) if number in alone else ()
        fallen = Fallen(model, lost)
        if fallen.down(group.name) and group.needed < len(group.nodes):
            continue
        fenced = _fenced(model, group, node, fallen, known)
        found.append(Loss(node, event.name, per_hour, float(slope) * event.q, fenced))
    return found


def _fenced(
    model: Infrastructure, group: Group, node: str, fallen: Fallen, known: dict[str, float]
) -> float:
    """Return the chance that some level silences the node, with what has fallen.

    All devices of a level must succeed. What still stands counts with its success per demand and the
    share of time in which it works at all; `known` remembers the latter.
    """
    fails = 1.0
    for level in levels_of(group, node):
        works = 1.0
        for path in level:
            if path.device in model.parts:
                if fallen.down(path.device):
                    works = 0.0
                    break
                if path.device not in known:
                    known[path.device] = _share_down(model, path.device)
                works *= 1 - known[path.device]
            works *= path.success.value
        fails *= 1 - works
    return 1 - fails


def _share_down(model: Infrastructure, device: str) -> float:
    tree = Tree(model, {})
    formula = tree.down(Use(device))
    if not tree.events:
        return 0.0
    q = np.array([event.q for event in tree.events])
    return float(Bdd(formula, len(tree.events)).probability(q))
