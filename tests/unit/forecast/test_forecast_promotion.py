"""Why an instance is promoted, or is not: what its score for promotion is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from ninefold.cli.explain import lines
from ninefold.forecast.explain import explain
from ninefold.forecast.faults import Fault
from ninefold.forecast.survive import at_rest, judge
from ninefold.scheduler.scores import INFINITY, add
from tests.forecast_world import NODES, NOW, cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.forecast.explain import Explanation
    from ninefold.forecast.sums import Promotion

Element = etree._Element
DB = '<primitive id="db" class="ocf" provider="heartbeat" type="Dummy"/>'
WEB = '<primitive id="web" class="ocf" provider="heartbeat" type="Dummy"/>'


def promotable(constraints: str = "", ratings: Mapping[str, str] | None = None, *, role: str = "",
               inner: str = DB) -> Element:  # fmt: skip
    """Return three nodes with the promotable clone `all`; `ratings` are set by its agent."""
    wanted = f'<nvpair id="r" name="target-role" value="{role}"/>' if role else ""
    root = cluster(
        f'<clone id="all"><meta_attributes id="m"><nvpair id="p" name="promotable" value="true"/>'
        f"{wanted}</meta_attributes>{inner}</clone>{WEB}",
        constraints,
    )
    for node, rating in (ratings or {}).items():
        state = root.find(f"status/node_state[@uname='{node}']")
        assert state is not None
        state.append(etree.fromstring(
            f'<transient_attributes id="{node}"><instance_attributes id="s-{node}"><nvpair'
            f' id="{node}-r" name="master-db" value="{rating}"/></instance_attributes></transient_attributes>'
        ))  # fmt: skip
    return root


def explained(root: Element, name: str = "all") -> dict[str, Explanation]:
    """Explain each instance, by its node, and check the sums."""
    found = {one.next_node: one for one in explain(root, NOW, name, trials=False)}
    for one in found.values():
        if one.promotion is not None:
            total = 0
            for part in one.promotion.parts:
                total = part.score if part.sets else add(total, part.score)
                assert total == part.total
            assert total == one.promotion.score
    return found


def promotion(one: Explanation) -> Promotion:
    assert one.promotion is not None
    return one.promotion


def told(one: Explanation) -> list[tuple[str, int, str]]:
    return [(part.code, part.score, part.origin) for part in promotion(one).parts]


def test_rating_of_the_agent_and_constraints_of_the_role_are_added() -> None:
    likes = '<rsc_location id="likes" rsc="all" role="Promoted" node="n2" score="50"/>'
    root = promotable(likes, {"n1": "20", "n2": "5"})

    found = explained(root)

    assert told(found["n1"]) == [("rating", 20, "master-db")]
    assert told(found["n2"]) == [("rating", 5, "master-db"), ("location", 50, "likes")]
    assert told(found["n3"]) == [("unrated", -1, "master-db")]
    assert [promotion(found[node]).chosen for node in NODES] == [False, True, False]
    text = "\n".join(lines(found["n2"]))
    assert (
        "Promotion on n2: 55, promoted\n          +5  Its agent rates it so there (master-db)."
        in text
    )
    assert "-> ninefold cib show -o cib.xml, edit likes, ninefold cib replace cib.xml" in text


def test_who_must_be_beside_the_promoted_one_has_a_say() -> None:
    together = (
        '<rsc_colocation id="with" rsc="web" with-rsc="all" with-rsc-role="Promoted" score="INFINITY"/>'
        '<rsc_location id="away" rsc="web" node="n1" score="-INFINITY"/>'
    )
    root = promotable(together, {"n1": "20", "n2": "5"})

    found = explained(root)

    assert found["n2"].next_role == "promoted"
    # A wish of others never takes the role away for good: 1 is left.
    assert told(found["n1"])[-1] == ("dependent", -19, "with")
    assert promotion(found["n1"]).score == 1
    assert promotion(found["n1"]).parts[-1].sentence.startswith("web, placed with it by with")


def test_ticket_for_the_role_is_told_there_and_not_as_a_matter_of_the_place() -> None:
    ticket = '<rsc_ticket id="t" rsc="all" rsc-role="Promoted" ticket="T" loss-policy="demote"/>'
    root = promotable(ticket, dict.fromkeys(NODES, "10"))

    found = explained(root)

    assert [found[node].next_role for node in NODES] == ["unpromoted"] * 3
    assert told(found["n1"])[-1] == ("ticket", -INFINITY, "T")
    assert promotion(found["n1"]).parts[-1].command.endswith("ninefold simulate -g T")
    # It runs there: no ticket keeps it away.
    place = next(one for one in found["n1"].places if one.chosen)
    assert place.score >= 0
    assert "ticket" not in [part.code for part in place.parts]


def test_what_is_not_wanted_promoted_says_so() -> None:
    root = promotable(ratings={"n1": "20"}, role="Unpromoted")

    found = explained(root)

    assert told(found["n1"]) == [("kept-unpromoted", -INFINITY, "all")]
    assert "edit target-role of all" in promotion(found["n1"]).parts[0].command


def test_group_is_rated_as_a_whole() -> None:
    group = f'<group id="g">{DB}<primitive id="ip" class="ocf" provider="heartbeat" type="Dummy"/></group>'
    root = promotable(ratings={"n2": "7"}, inner=group)

    members = [one for one in explain(root, NOW, "all", trials=False) if one.next_node == "n2"]

    assert [told(one) for one in members] == [[("rating", 7, "master-db and master-ip")]] * 2
    assert [one.next_role for one in members] == ["promoted", "promoted"]


def test_what_has_no_roles_has_no_score_for_promotion() -> None:
    assert explained(promotable(), "web")["n1"].promotion is None


def test_nobody_is_promoted_from_the_loss_of_the_one_until_another_is() -> None:
    root = at_rest(promotable("", {"n1": "20", "n2": "5"}), NOW)

    lost = judge(root, [Fault("node", "n1")], NOW)
    other = judge(root, [Fault("node", "n2")], NOW)

    # A minute for the fencing, 20 s for the promotion; two that only run are no service.
    assert ("all", 0, 80_000) in [(o.service, o.since_ms, o.until_ms) for o in lost.outages]
    assert "all" not in [one.service for one in other.outages]


def test_group_is_promoted_again_when_all_of_its_members_are() -> None:
    tail = DB.replace('"db"', '"tail"')
    root = at_rest(
        promotable("", {"n1": "20", "n2": "5"}, inner=f'<group id="g">{DB}{tail}</group>'), NOW
    )

    outcome = judge(root, [Fault("node", "n1")], NOW)

    assert ("all", 0, 100_000) in [(o.service, o.since_ms, o.until_ms) for o in outcome.outages]


def test_role_that_nobody_can_take_over_is_down_for_good() -> None:
    root = at_rest(promotable("", {"n1": "20"}), NOW)

    outcome = judge(root, [Fault("node", "n1")], NOW)

    assert "all" in [loss.service for loss in outcome.lost]
    assert [one.until_ms for one in outcome.outages if one.service == "all"] == [None]
