"""What the policy engine does in situations that few clusters get into.

Four resources on three nodes, at rest: a and d on n1, b on n2, c on n3. Each test changes one thing.
What shall follow is what crm_simulate 2.1.5 does as well; that is where the rules were seen.
"""

from __future__ import annotations

from random import Random

import pytest

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import score_lines
from tests.random_cib import NODES, NOW, Draft, Primitive, Top, operation, tell, written

PLACES = {"a": "n1", "b": "n2", "c": "n3", "d": "n1"}


@pytest.fixture
def draft() -> Draft:
    draft = Draft(Random(0))
    for name, place in PLACES.items():
        for node in NODES:
            tell(one(draft, name), node, active=node == place)
    return draft


def one(draft: Draft, name: str) -> Primitive:
    return draft.tops[name].members[0]


def planned(draft: Draft) -> set[str]:
    """Return what is to be done, as keys and nodes."""
    decided = schedule_document(draft.document(), NOW)
    return {f"{action.key} {action.node}".strip() for action in decided.actions}


def test_nothing_is_done_at_rest(draft: Draft) -> None:
    assert planned(draft) == set()


def test_lock_of_what_runs_elsewhere_is_forgotten_though_its_node_is_away(draft: Draft) -> None:
    draft.options["shutdown-lock"] = "true"
    draft.standing["n2"] = "down"
    one(draft, "a").history["n2"] = [operation(one(draft, "a"), "stop", call=3)]
    one(draft, "a").locked["n2"] = str(NOW - 60)

    decided = planned(draft)

    assert "a_lrm_delete_0 n2" in decided
    assert not {key for key in decided if key.startswith(("a_st", "a_mon"))}


def test_nobody_is_unfenced_without_a_fence_device(draft: Draft) -> None:
    draft.devices.clear()
    one(draft, "d").meta["requires"] = "unfencing"

    assert planned(draft) == set()


def test_what_needs_no_fencing_is_not_active_twice_for_an_unclean_node(draft: Draft) -> None:
    # It would be blocked otherwise, and could not be stopped.
    draft.standing["n2"] = "lost"
    tell(one(draft, "a"), "n2", active=True)
    one(draft, "a").meta = {
        "multiple-active": "block", "requires": "quorum", "target-role": "Stopped",
    }  # fmt: skip

    assert "a_stop_0 n1" in planned(draft)


def test_what_is_to_be_stopped_for_being_active_twice_is_stopped_wherever_it_may_be(
    draft: Draft,
) -> None:
    _ask_for_every_place(draft)
    tell(one(draft, "a"), "n2", active=True)
    one(draft, "a").meta["multiple-active"] = "stop_only"

    assert {key for key in planned(draft) if key.startswith("a_")} == {"a_stop_0 n1", "a_stop_0 n2"}


def test_what_stays_stopped_after_a_failure_stays_so_wherever_it_may_be(draft: Draft) -> None:
    _ask_for_every_place(draft)
    it = one(draft, "a")
    it.operations["a-mon"] = {
        "name": "monitor", "interval": "10s", "timeout": "20s", "on-fail": "stop",
    }  # fmt: skip
    it.history["n1"].append(operation(it, "monitor", interval_ms=10_000, rc=1, call=2))

    assert {key for key in planned(draft) if key.startswith("a_")} == {"a_stop_0 n1"}


def test_members_of_a_group_that_is_not_collocated_are_apart(draft: Draft) -> None:
    # In a group as usual both are where the first one is.
    members = [Primitive("h1"), Primitive("h2")]
    draft.add(Top("h", members, group="h", group_meta={"collocated": "false"}))
    for node in NODES:
        for member in members:
            tell(member, node, active=False)
    draft.constraints += [
        '<rsc_location id="l1" rsc="h1" node="n2" score="INFINITY"/>',
        '<rsc_location id="l2" rsc="h2" node="n3" score="INFINITY"/>',
    ]

    assert {"h1_start_0 n2", "h2_start_0 n3"} <= planned(draft)


def test_replica_is_not_promoted_while_its_container_has_no_place(draft: Draft) -> None:
    _add_bundle(draft)
    draft.constraints += [
        f'<rsc_location id="l{node}" rsc="w" node="{node}" score="-INFINITY"/>' for node in NODES
    ]

    decided = planned(draft)

    assert "w-docker-0_stop_0 n1" in decided
    assert not {key for key in decided if "promote" in key}


def test_connection_into_a_bundle_is_kept_off_its_own_node_in_an_asymmetric_cluster(
    draft: Draft,
) -> None:
    _ask_for_every_place(draft)
    _add_bundle(draft)

    lines = list(score_lines(schedule_document(draft.document(), NOW)))

    assert "pcmk__primitive_assign: w-0 allocation score on w-0: -INFINITY" in lines


def test_monitors_are_not_disabled_by_a_default(draft: Draft) -> None:
    draft.defaults.append(
        '<op_defaults><meta_attributes id="o"><nvpair id="o-e" name="enabled" value="false"/>'
        "</meta_attributes></op_defaults>"
    )
    one(draft, "a").operations["a-mon"] = {"name": "monitor", "interval": "10s", "timeout": "20s"}

    assert planned(draft) == {"a_monitor_10000 n1"}


def _add_bundle(draft: Draft) -> None:
    """Add a bundle of one replica, which is at work on n1 and would like to be promoted."""
    inner = Primitive("in", agent="Stateful")
    draft.others.append(
        '<bundle id="w"><docker image="x" replicas="1" promoted-max="1"/>'
        f'<network control-port="3121"/>{written(inner)}</bundle>'
    )
    parts = [Primitive("w-docker-0", agent="docker"), Primitive("w-0", agent="remote")]
    for part in parts:
        for node in NODES:
            tell(part, node, active=node == "n1")
    tell(inner, "w-0", active=True)
    draft.reached["w-0"] = {"remote_node": "true"}
    draft.transient["w-0"] = {"master-in": "5"}
    draft.past += [*parts, inner]


def _ask_for_every_place(draft: Draft) -> None:
    """Let everything be everywhere because it is said so. Preferences come after the status."""
    draft.options["symmetric-cluster"] = "false"
    draft.constraints += [
        f'<rsc_location id="l{name}{node}" rsc="{name}" node="{node}" score="10"/>'
        for name in (*PLACES, "fence")
        for node in NODES
    ]
