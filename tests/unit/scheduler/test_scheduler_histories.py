"""What the policy engine concludes from unusual histories and settings.

What shall follow is what crm_simulate 2.1.5 does as well; that is where the rules were seen.
"""

from __future__ import annotations

from random import Random

import pytest

from ninefold.scheduler import schedule_document
from ninefold.scheduler.export import score_lines
from tests.random_cib import NODES, NOW, Draft, Primitive, Top, operation, tell


@pytest.fixture
def draft() -> Draft:
    """Return a draft without resources but its fence device."""
    draft = Draft(Random(0))
    draft.tops.clear()
    return draft


def single(draft: Draft) -> Primitive:
    """Add a resource that n1, n2 and n3 have looked for in vain."""
    one = Primitive("a")
    draft.tops["a"] = Top("a", [one])
    for node in NODES:
        tell(one, node, active=False)
    return one


def planned(draft: Draft) -> set[str]:
    """Return what is to be done, as keys and nodes."""
    decided = schedule_document(draft.document(), NOW)
    return {f"{action.key} {action.node}".strip() for action in decided.actions}


@pytest.mark.parametrize("rc", [190, 191])
def test_start_that_says_degraded_has_failed(draft: Draft, rc: int) -> None:
    one = single(draft)
    one.history["n1"] = [operation(one, "start", rc=rc)]

    assert {"a_stop_0 n1", "a_start_0 n1"} <= planned(draft)


def test_monitor_that_says_degraded_has_not_failed(draft: Draft) -> None:
    one = single(draft)
    one.history["n1"] = [
        operation(one, "start"),
        operation(one, "monitor", interval_ms=10_000, rc=190, call=2),
    ]

    assert not planned(draft) & {"a_stop_0 n1", "a_start_0 n1"}


@pytest.mark.parametrize("rc", [7, 5])
def test_failure_that_asks_for_fencing_is_past_when_a_later_probe_finds_nothing(
    draft: Draft, rc: int
) -> None:
    one = single(draft)
    one.operations = {
        "a-m": {"name": "monitor", "interval": "10s", "timeout": "20s", "on-fail": "fence"}
    }
    one.history["n1"] = [
        operation(one, "monitor", interval_ms=10_000, rc=1, call=1),
        operation(one, "monitor", rc=rc, expected=7, call=2),
    ]

    assert not {key for key in planned(draft) if key.startswith("stonith")}


def test_failure_that_asks_for_fencing_is_not_past_after_a_stop(draft: Draft) -> None:
    one = single(draft)
    one.operations = {
        "a-m": {"name": "monitor", "interval": "10s", "timeout": "20s", "on-fail": "fence"}
    }
    one.history["n1"] = [
        operation(one, "monitor", interval_ms=10_000, rc=1, call=1),
        operation(one, "stop", call=2),
    ]

    assert "stonith-n1-reboot n1" in planned(draft)


def test_what_was_seen_of_a_resource_after_its_stop_is_not_compared_with_its_definition(
    draft: Draft,
) -> None:
    one = single(draft)
    one.history["n1"] = [
        operation(one, "stop", call=1),
        operation(one, "monitor", interval_ms=10_000, rc=1, call=2),
    ]

    decided = schedule_document(draft.document(), NOW)

    # Its monitor is not configured; it ends with the resource, and is not cancelled besides.
    assert "a_monitor_10000" not in {action.key for action in decided.actions}
    assert "a_stop_0 n1" in planned(draft)


def three_in_a_group(draft: Draft) -> list[Primitive]:
    """Add a group of which the last member alone runs, on n3."""
    members = [Primitive(f"g{number}") for number in (1, 2, 3)]
    draft.tops["g"] = Top("g", members, group="g")
    for one in members:
        for node in NODES:
            tell(one, node, active=node == "n3" and one is members[2])
    return members


def test_member_starts_before_a_running_one_that_must_not_be_touched(draft: Draft) -> None:
    members = three_in_a_group(draft)
    members[2].meta["is-managed"] = "false"

    assert {"g1_start_0 n3", "g2_start_0 n3"} <= planned(draft)


def test_member_that_runs_stops_before_one_that_was_put_in_before_it_starts(draft: Draft) -> None:
    three_in_a_group(draft)

    decided = {key.split()[0] for key in planned(draft)}

    assert {"g1_start_0", "g2_start_0", "g3_stop_0", "g3_start_0"} <= decided


def test_degraded_monitor_is_not_begun_anew_after_the_failure_timeout(draft: Draft) -> None:
    one = single(draft)
    one.meta["failure-timeout"] = "100s"
    one.operations = {"a-m": {"name": "monitor", "interval": "10s", "timeout": "20s"}}
    one.history["n1"] = [
        operation(one, "start"),
        operation(one, "monitor", interval_ms=10_000, rc=190, call=2, age_s=5000),
    ]

    assert not {key for key in planned(draft) if key.startswith("a_")}


@pytest.mark.parametrize(("agent", "fenced"), [("Dummy", True), ("Stateful", False)])
def test_default_answer_to_failures_holds_for_the_kinds_that_it_names(
    draft: Draft, agent: str, *, fenced: bool
) -> None:
    one = single(draft)
    one.history["n1"] = [operation(one, "monitor", interval_ms=10_000, rc=1)]
    draft.defaults.append(
        '<op_defaults><meta_attributes id="od"><rule id="od-r" score="INFINITY">'
        f'<rsc_expression id="od-x" class="ocf" provider="heartbeat" type="{agent}"/></rule>'
        '<nvpair id="od-f" name="on-fail" value="fence"/></meta_attributes></op_defaults>'
    )

    assert ("stonith-n1-reboot n1" in planned(draft)) is fenced


def test_failure_of_an_operation_that_is_not_configured_ran_with_the_default_timeout(
    draft: Draft,
) -> None:
    one = single(draft)
    one.meta |= {"maintenance": "true", "migration-threshold": "1"}
    one.history["n1"] = [operation(one, "monitor", interval_ms=10_000, rc=1)]
    draft.transient["n1"]["fail-count-a#monitor_10000"] = "1"
    draft.defaults.append(
        '<op_defaults><meta_attributes id="od">'
        '<nvpair id="od-t" name="timeout" value="33s"/></meta_attributes></op_defaults>'
    )

    lines = score_lines(schedule_document(draft.document(), NOW))

    # With today's timeout that might not have happened: it does not speak against the node.
    assert "pcmk__primitive_assign: a allocation score on n1: INFINITY" in lines
