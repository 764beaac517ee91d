"""A slow obvious twin for clones: how many instances there are and where, and which are promoted.

The rules as people say them:

    as many instances as clone-max says, as far as there are nodes for them, and no two on a node;
    promoted are the fittest of those that are there, from 0 on, as many as promoted-max says;
    how fit one is: what its agent rates it there, -1 if it does not, and what constraints of the role add.
"""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ninefold.forecast.execute import settle
from ninefold.scheduler import schedule_document
from ninefold.scheduler.scores import INFINITY, add
from tests.forecast_world import NODES, NOW, cluster


class Wish(msgspec.Struct):
    """A promotable clone: its limits, what is said of each node, where its one instance runs now."""

    most: int
    promoted: int
    ratings: dict[str, int]
    likes: dict[str, int]
    role_likes: dict[str, int]
    down: list[str]
    running: str

    def usable(self) -> list[str]:
        """Return the nodes that may have an instance."""
        return [n for n in NODES if n not in self.down and self.likes.get(n, 0) > -INFINITY]

    def fitness(self, node: str) -> int:
        """Return how fit an instance is to be promoted there."""
        return add(self.ratings.get(node, -1), self.role_likes.get(node, 0))


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Draw a clone that anybody could ask for."""
    nodes = st.sampled_from(NODES)
    return Wish(
        most=draw(st.integers(1, 4)),
        promoted=draw(st.integers(1, 3)),
        ratings=draw(st.dictionaries(nodes, st.sampled_from([-5, 0, 5, 10, 20]))),
        likes=draw(st.dictionaries(nodes, st.sampled_from([50, -INFINITY]))),
        role_likes=draw(st.dictionaries(nodes, st.sampled_from([7, -8, 100, -INFINITY, INFINITY]))),
        down=draw(st.lists(nodes, unique=True, max_size=1)),
        running=draw(st.sampled_from(["", *NODES])),
    )


def document(wish: Wish) -> etree._Element:
    """Write the wish down."""
    meta = {"promotable": "true", "clone-max": wish.most, "promoted-max": wish.promoted}
    pairs = "".join(
        f'<nvpair id="m-{name}" name="{name}" value="{value}"/>' for name, value in meta.items()
    )
    lines = [
        f'<rsc_location id="l-{node}" rsc="all" node="{node}" score="{score}"/>'
        for node, score in wish.likes.items()
    ]
    lines += [
        f'<rsc_location id="r-{node}" rsc="all" role="Promoted" node="{node}" score="{score}"/>'
        for node, score in wish.role_likes.items()
    ]
    root = cluster(
        f'<clone id="all"><meta_attributes id="m">{pairs}</meta_attributes>'
        '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy"/></clone>',
        "".join(lines),
        {"db": wish.running, "fence": next(n for n in NODES if n not in wish.down)},
    )
    for state in root.iter("node_state"):
        node = state.get("uname", "")
        if node in wish.down:
            state.attrib.update({"in_ccm": "false", "crmd": "offline", "join": "down"})
        elif node in wish.ratings:
            state.append(etree.fromstring(
                f'<transient_attributes id="{node}"><instance_attributes id="s-{node}"><nvpair id="{node}-r"'
                f' name="master-db" value="{wish.ratings[node]}"/></instance_attributes></transient_attributes>'
            ))  # fmt: skip
    return root


@settings(max_examples=60, deadline=None)
@given(wishes())
def test_instances_and_roles_are_those_that_anybody_would_choose(wish: Wish) -> None:
    story = settle(document(wish), NOW)
    assert story.settled

    final = schedule_document(story.document, NOW)
    found = [p for p in final.placements if p.resource.startswith("db") and p.nodes]
    there = [node for p in found for node in p.nodes]
    promoted = [p.nodes[0] for p in found if p.role == "promoted"]

    assert sorted(there) == sorted(dict.fromkeys(there))
    assert set(there) <= set(wish.usable())
    assert len(there) == min(wish.most, len(wish.usable()))
    fit = sorted((wish.fitness(n) for n in there if wish.fitness(n) >= 0), reverse=True)
    assert sorted(map(wish.fitness, promoted), reverse=True) == fit[: wish.promoted]
