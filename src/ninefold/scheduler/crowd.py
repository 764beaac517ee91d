"""What else is assigned to the nodes, for a document that is a part of a larger one.

Resources that no constraint joins meet in one place only: of nodes with equal scores the one with
fewer resources is better. So a part of a document decides as the whole does if it is told how many
other resources each node has whenever one of its own has its turn; and its decision stays the same
as long as those numbers lead to the same choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.scheduler.workspace import Node, Workspace

# The turn that comes after the last resource has had its own.
LAST: Final = ""


class Tie(msgspec.Struct, frozen=True):
    """A choice among equals: the first of `nodes` with the fewest resources was chosen.

    `own` are the resources of this part that each of them had then, in the turn of `turn`.
    """

    turn: str
    nodes: tuple[str, ...]
    own: tuple[int, ...]
    chosen: str


class Crowd:
    """Who else is there: `others` gives the count of each node before the turn of a resource.

    While the decision is taken, `turns`, `ties` and `gains` are filled: in which order the resources
    have their turn, the choices that counts have made, and what each turn has added to the nodes.
    """

    def __init__(self, others: Callable[[str], dict[str, int]]) -> None:
        self._others = others
        self._told: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._turn: str | None = None
        self.turns: list[str] = []
        self.ties: list[Tie] = []
        self.gains: list[tuple[str, str, int]] = []

    def begin(self, work: Workspace, turn: str) -> None:
        """Let a top-level resource have its turn; `LAST` when all have had theirs."""
        self._note(work)
        self._turn = turn
        self.turns.append(turn)
        counts = self._others(turn)
        for node in work.nodes:
            now = counts.get(node.name, 0)
            node.count += now - self._told.get(node.name, 0)
            self._told[node.name] = now

    def _note(self, work: Workspace) -> None:
        for node in work.nodes:
            own = node.count - self._told.get(node.name, 0)
            gain = own - self._seen.get(node.name, 0)
            if gain and self._turn is not None:
                self.gains.append((self._turn, node.name, gain))
                self._seen[node.name] = own

    def chose(self, nodes: Sequence[Node], chosen: Node) -> None:
        """Note a choice; of `nodes` an earlier one is better than a later one with the same count."""
        if len(nodes) > 1 and self._turn is not None:
            own = tuple(node.count - self._told.get(node.name, 0) for node in nodes)
            names = tuple(node.name for node in nodes)
            self.ties.append(Tie(self._turn, names, own, chosen.name))
