"""votequorum(5), the manual page of Corosync 3.1.7, one test for each sentence that says what happens.

Each test is named after its sentence; the heading of the page it stands under is the comment above. What the page promises and
Corosync does not keep, and what Ninefold does otherwise on purpose, is in `src/ninefold/quorum/README.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ninefold.config.changes import changes
from ninefold.config.load import load
from ninefold.config.surroundings import KeyFile, Surroundings
from ninefold.core.findings import Finding, Severity
from ninefold.quorum.events import Reloaded
from ninefold.quorum.threshold import configured_expected, majority

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig

HERE = Surroundings(
    hostnames=("n1",), addresses=("10.0.0.1",), keyfile=KeyFile(size=256, data=b"k" * 256)
)


def conf(quorum: str, nodes: int = 3, votes: str = "", nodelist: bool = True) -> str:
    entries = "".join(
        f"node {{\nnodeid: {i}\nname: n{i}\nring0_addr: 10.0.0.{i}\n{votes}\n}}\n"
        for i in range(1, nodes + 1)
    )
    listed = f"nodelist {{\n{entries}}}\n" if nodelist else ""
    secrecy = "crypto_cipher: aes256\ncrypto_hash: sha256"
    return f"totem {{\nversion: 2\n{secrecy}\n}}\n{listed}quorum {{\n{quorum}\n}}\n"


def read(text: str) -> tuple[ClusterConfig | None, list[Finding]]:
    return load(text, file="corosync.conf", surroundings=HERE)


def typed(quorum: str, nodes: int = 3, votes: str = "") -> ClusterConfig:
    config, findings = read(conf(f"provider: corosync_votequorum\n{quorum}", nodes, votes))
    assert config is not None, [str(finding) for finding in findings]
    return config


def codes(quorum: str, nodes: int = 3) -> dict[str, Severity]:
    _, findings = read(conf(f"provider: corosync_votequorum\n{quorum}", nodes))
    return {finding.code: finding.severity for finding in findings}


def whole(cluster_of: Any, size: int, **options: Any) -> Any:
    """A cluster whose nodes have all been on one ring."""
    cluster = cluster_of([1] * size, **options)
    cluster.start(*range(1, size + 1))
    cluster.ring(*range(1, size + 1))
    return cluster


# --- OVERVIEW ---


def test_only_when_a_majority_of_votes_is_present_operations_may_proceed(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5)

    assert cluster.ring(1, 2, 3)
    assert not cluster.ring(4, 5)


def test_votes_are_assigned_to_each_system(cluster_of: Any) -> None:
    cluster = cluster_of([3, 1, 1])
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)

    assert cluster.ring(1)
    assert not cluster.ring(2, 3)


def test_the_service_is_enabled_by_the_provider() -> None:
    config, findings = read(conf("", nodes=3))

    assert config is not None
    assert config.quorum.provider == ""
    assert "no-quorum" in {finding.code for finding in findings}
    assert typed("").quorum.provider == "corosync_votequorum"


def test_expected_votes_are_calculated_when_the_nodelist_is_present() -> None:
    assert configured_expected(typed("", nodes=3)) == 3
    assert configured_expected(typed("", nodes=3, votes="quorum_votes: 2")) == 6


def test_lack_of_both_nodelist_and_expected_votes_is_refused() -> None:
    # Here a nodelist is needed in any case, as with knet.
    config, findings = read(conf("provider: corosync_votequorum", nodelist=False))

    assert config is None
    assert any("nodelist" in finding.subject for finding in findings)


def test_expected_votes_override_those_calculated_from_the_nodelist(cluster_of: Any) -> None:
    assert configured_expected(typed("expected_votes: 8")) == 8

    cluster = whole(cluster_of, 3, expected_votes=8)
    assert not cluster.quorate(1, 2, 3)
    assert cluster.verdict(1).threshold == 5


# --- two_node ---


def test_with_simple_majority_both_of_two_nodes_would_have_to_be_alive(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 2)

    assert cluster.verdict(1).threshold == 2
    assert not cluster.ring(1)
    assert not cluster.ring(2)


def test_enabling_two_node_sets_quorum_artificially_to_1(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 2, two_node=True)

    assert cluster.verdict(1).threshold == 1
    assert cluster.ring(1)
    assert cluster.ring(2)


def test_two_node_is_off_by_default() -> None:
    assert not typed("", nodes=2).quorum.two_node


def test_enabling_two_node_automatically_enables_wait_for_all() -> None:
    assert typed("two_node: 1", nodes=2).quorum.wait_for_all
    assert codes("two_node: 1", nodes=2)["two-node-waits"] is Severity.INFO


def test_wait_for_all_may_be_overridden_by_setting_it_to_0() -> None:
    options = typed("two_node: 1\nwait_for_all: 0", nodes=2).quorum

    assert options.two_node
    assert not options.wait_for_all


def test_with_more_than_two_nodes_two_node_is_disabled(cluster_of: Any) -> None:
    assert not typed("two_node: 1", nodes=3).quorum.two_node
    assert codes("two_node: 1", nodes=3)["two-node-of-many"] is Severity.WARNING

    # Not even a ring of two counts as two nodes where three are expected.
    cluster = whole(cluster_of, 3, two_node=False)
    assert not cluster.ring(3)


# --- wait_for_all ---


def test_the_cluster_becomes_quorate_as_soon_as_five_of_eight_see_each_other(
    cluster_of: Any,
) -> None:
    cluster = cluster_of([1] * 8)
    cluster.start(*range(1, 9))

    assert not cluster.ring(1, 2, 3, 4)
    assert cluster.ring(1, 2, 3, 4, 5)
    assert cluster.verdict(1).threshold == 5


def test_with_wfa_quorate_for_the_first_time_only_after_all_nodes_were_visible_at_once(
    cluster_of: Any,
) -> None:
    cluster = cluster_of([1] * 8, wait_for_all=True)
    cluster.start(*range(1, 9))

    assert not cluster.ring(*range(1, 8))
    assert cluster.ring(*range(1, 9))
    assert cluster.ring(1, 2, 3, 4, 5)


def test_nodes_that_were_visible_one_after_the_other_were_not_visible_at_once(
    cluster_of: Any,
) -> None:
    cluster = cluster_of([1] * 3, wait_for_all=True)
    cluster.start(1, 2, 3)

    assert not cluster.ring(1, 2)
    assert not cluster.ring(2, 3)
    assert not cluster.ring(1, 3)


def test_the_late_nodes_of_a_start_are_not_fenced_by_the_first_five(cluster_of: Any) -> None:
    # The race that the page warns of: five would act, and fence the three that are still booting.
    without = cluster_of([1] * 8)
    without.start(1, 2, 3, 4, 5)
    waiting = cluster_of([1] * 8, wait_for_all=True)
    waiting.start(1, 2, 3, 4, 5)

    assert without.ring(1, 2, 3, 4, 5)
    assert not waiting.ring(1, 2, 3, 4, 5)
    assert "nodes 6, 7, 8 are missing" in waiting.verdict(1).reason


# --- last_man_standing ---


def test_expected_votes_and_quorum_are_set_at_startup_and_kept_for_the_lifetime(
    cluster_of: Any,
) -> None:
    cluster = whole(cluster_of, 8)
    cluster.ring(1, 2, 3, 4, 5)
    cluster.advance(3_600_000)

    assert (cluster.verdict(1).expected, cluster.verdict(1).threshold) == (8, 5)


def test_eight_nodes_survive_three_failures_and_a_fourth_makes_them_inquorate(
    cluster_of: Any,
) -> None:
    cluster = whole(cluster_of, 8)

    assert cluster.ring(1, 2, 3, 4, 5)
    assert not cluster.ring(1, 2, 3, 4)


def test_the_example_chain_of_last_man_standing(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 8, last_man_standing=True, wait_for_all=True)
    counted = [(cluster.verdict(1).expected, cluster.verdict(1).threshold)]

    for alive in (5, 3, 2):
        assert cluster.ring(*range(1, alive + 1))
        cluster.advance(10_000)
        counted.append((cluster.verdict(1).expected, cluster.verdict(1).threshold))

    assert counted == [(8, 5), (5, 3), (3, 2), (2, 2)]


def test_expected_votes_are_recalculated_only_after_the_window_expires(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 8, last_man_standing=True)
    cluster.ring(1, 2, 3, 4, 5)

    cluster.advance(9_999)
    assert cluster.verdict(1).expected == 8
    cluster.advance(1)
    assert cluster.verdict(1).expected == 5


def test_the_window_is_ten_seconds_by_default_and_tunable() -> None:
    assert typed("last_man_standing: 1").quorum.last_man_standing_window == 10_000
    options = typed("last_man_standing: 1\nlast_man_standing_window: 20000").quorum
    assert options.last_man_standing_window == 20_000


def test_without_a_tie_breaker_the_last_of_two_nodes_is_not_quorate(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 4, last_man_standing=True)
    for alive in ((1, 2, 3), (1, 2)):
        assert cluster.ring(*alive)
        cluster.advance(10_000)

    assert not cluster.ring(1)


def test_to_go_from_two_nodes_to_one_the_tie_breaker_must_be_enabled(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 4, last_man_standing=True, auto_tie_breaker=True)
    for alive in ((1, 2, 3), (1, 2)):
        assert cluster.ring(*alive)
        cluster.advance(10_000)

    assert cluster.ring(1)
    assert not cluster.ring(2)


def test_lms_does_not_work_with_asymmetric_voting() -> None:
    config, findings = read(
        conf("provider: corosync_votequorum\nlast_man_standing: 1", votes="quorum_votes: 2")
    )

    assert config is not None
    assert not config.quorum.last_man_standing
    assert "last-man-uneven" in {finding.code for finding in findings}


def test_it_is_essential_to_enable_wfa_when_using_lms() -> None:
    assert codes("last_man_standing: 1")["last-man-without-waiting"] is Severity.WARNING
    assert codes("last_man_standing: 1\nwait_for_all: 1") == {}


@pytest.mark.parametrize(
    "option", ["last_man_standing", "auto_tie_breaker", "allow_downscale", "two_node"]
)
def test_the_option_is_incompatible_with_quorum_devices(option: str) -> None:
    # The page says that the device would be disabled; Corosync exits, and we refuse the file.
    device = "device {\nmodel: net\nvotes: 1\nnet {\nhost: q\n}\n}"

    found = codes(f"{option}: 1\n{device}", nodes=2)

    assert found["not-with-device"] is Severity.ERROR


# --- auto_tie_breaker ---


def test_a_simultaneous_failure_of_half_the_nodes_less_one_is_allowed(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 8)

    assert cluster.ring(4, 5, 6, 7, 8)
    assert not cluster.ring(1, 2, 3)


def test_with_atb_half_of_the_nodes_may_fail_at_the_same_time(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 8, auto_tie_breaker=True)

    assert cluster.ring(1, 2, 3, 4)


def test_the_nodes_in_contact_with_the_lowest_nodeid_remain_quorate_the_others_are_inquorate(
    cluster_of: Any,
) -> None:
    cluster = whole(cluster_of, 8, auto_tie_breaker=True)

    assert cluster.ring(1, 6, 7, 8)
    assert not cluster.ring(2, 3, 4, 5)


def test_lowest_is_the_default() -> None:
    assert typed("auto_tie_breaker: 1", nodes=2).quorum.auto_tie_breaker_node == "lowest"


def test_with_highest_the_set_with_the_highest_nodeid_remains_quorate(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 4, auto_tie_breaker=True, auto_tie_breaker_node="highest")

    assert cluster.ring(2, 4)
    assert not cluster.ring(1, 3)


def test_if_the_first_listed_node_is_present_it_determines_the_partition(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 4, auto_tie_breaker=True, auto_tie_breaker_node="3 1")

    assert cluster.ring(3, 4)
    assert not cluster.ring(1, 2)


def test_if_that_node_was_not_in_the_cluster_before_the_split_the_second_is_checked(
    cluster_of: Any,
) -> None:
    cluster = cluster_of(
        [1] * 4, auto_tie_breaker=True, auto_tie_breaker_node="4 2", expected_votes=4
    )
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)

    assert cluster.ring(2, 3)
    cluster.start(1)
    assert not cluster.ring(1)


def test_a_listed_node_that_does_not_exist_is_an_error() -> None:
    assert codes("auto_tie_breaker: 1\nauto_tie_breaker_node: 1 9", nodes=4) == {
        "bad-tie-breaker-node": Severity.ERROR
    }


# --- allow_downscale ---


def test_without_ad_expected_votes_and_quorum_never_decrease(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5)

    cluster.ring(1, 2, 3, left_cleanly=(4, 5))

    assert (cluster.verdict(1).expected, cluster.verdict(1).threshold) == (5, 3)


def test_with_ad_both_are_recalculated_when_a_node_leaves_cleanly(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5, allow_downscale=True, expected_votes=3)

    cluster.ring(1, 2, 3, 4, left_cleanly=(5,))

    assert (cluster.verdict(1).expected, cluster.verdict(1).threshold) == (4, 3)


def test_a_node_that_dies_does_not_leave_cleanly(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5, allow_downscale=True, expected_votes=3)

    cluster.ring(1, 2, 3, 4)

    assert cluster.verdict(1).expected == 5


def test_the_example_use_case_of_allow_downscale(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 13, allow_downscale=True, expected_votes=3)
    cluster.start(1, 2, 3)
    assert cluster.ring(1, 2, 3)
    assert (cluster.verdict(1).expected, cluster.verdict(1).threshold) == (3, 2)

    cluster.start(*range(4, 14))
    cluster.ring(*range(1, 14))
    assert (cluster.verdict(1).expected, cluster.verdict(1).threshold) == (13, 7)

    expected = []
    for last in range(12, 1, -1):
        cluster.stop(last + 1)
        assert cluster.ring(*range(1, last + 1), left_cleanly=(last + 1,))
        expected.append(cluster.verdict(1).expected)
    # Back to three, but not below, where normal quorum operation works as usual.
    assert expected == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 3]
    assert not cluster.ring(1)


def test_allow_downscale_implicitly_enables_expected_votes_tracking() -> None:
    assert typed("allow_downscale: 1").quorum.expected_votes_tracking
    assert not typed("").quorum.expected_votes_tracking


# --- expected_votes_tracking ---


def test_the_highest_seen_expected_votes_are_stored_on_disk(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, expected_votes_tracking=True, expected_votes=3)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    assert cluster.disks == {1: 3, 2: 3, 3: 3}

    cluster.start(4, 5)
    cluster.ring(1, 2, 3, 4, 5)

    assert cluster.disks == dict.fromkeys(range(1, 6), 5)


def test_nothing_is_stored_without_the_option(cluster_of: Any) -> None:
    assert whole(cluster_of, 3).disks == {}


def test_a_detached_group_that_restarts_has_not_enough_votes_to_provide_quorum(
    cluster_of: Any,
) -> None:
    cluster = cluster_of([1] * 6, expected_votes_tracking=True, expected_votes=3)
    cluster.start(*range(1, 7))
    cluster.ring(*range(1, 7))

    cluster.start(1, 2)

    # By the file two of three would be enough, while four others go on elsewhere.
    assert not cluster.ring(1, 2)
    assert cluster.verdict(1).expected == 6
    assert cluster.ring(3, 4, 5, 6)


def test_a_quorate_cluster_is_a_higher_authority_than_the_stored_value(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5, expected_votes_tracking=True)
    cluster.ring(1, 2, 3)
    cluster.set_expected(1, 3)
    cluster.start(4)

    cluster.ring(1, 2, 3, 4)

    assert cluster.verdict(4).expected == 4


def test_the_stored_value_never_gets_reduced(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 5, expected_votes_tracking=True)
    cluster.ring(1, 2, 3)

    cluster.set_expected(1, 3)

    assert cluster.verdict(1).expected == 3
    assert cluster.disks == dict.fromkeys(range(1, 6), 5)
    cluster.start(1, 2, 3)
    cluster.ring(1, 2, 3)
    assert cluster.verdict(1).expected == 5


def test_the_stored_value_can_be_deleted_to_reduce_the_expected_votes(cluster_of: Any) -> None:
    cluster = cluster_of([1] * 5, expected_votes_tracking=True, expected_votes=3)
    cluster.start(*range(1, 6))
    cluster.ring(*range(1, 6))

    cluster.disks.clear()
    cluster.start(1, 2, 3)

    assert cluster.ring(1, 2)
    assert cluster.verdict(1).expected == 3


# --- VARIOUS NOTES ---


def test_wfa_lms_atb_and_ad_can_be_combined(cluster_of: Any) -> None:
    quorum = "wait_for_all: 1\nlast_man_standing: 1\nauto_tie_breaker: 1\nallow_downscale: 1"
    options = typed(quorum, nodes=4).quorum
    cluster = whole(
        cluster_of,
        4,
        **{
            name: getattr(options, name)
            for name in (
                "wait_for_all",
                "last_man_standing",
                "auto_tie_breaker",
                "allow_downscale",
            )
        },
    )

    assert cluster.ring(1, 2, 3, left_cleanly=(4,))
    assert cluster.verdict(1).expected == 3
    assert cluster.ring(1, 2)
    cluster.advance(10_000)
    assert cluster.verdict(1).expected == 2
    assert cluster.ring(1)


def test_votes_of_a_node_are_changed_in_the_nodelist() -> None:
    assert [n.quorum_votes for n in typed("", votes="quorum_votes: 3").nodes] == [3, 3, 3]


def test_votes_of_the_quorum_section_count_where_the_nodelist_gives_none() -> None:
    assert [n.quorum_votes for n in typed("votes: 2").nodes] == [2, 2, 2]


def test_if_both_are_defined_the_value_of_the_nodelist_is_used() -> None:
    config = typed("votes: 2", votes="quorum_votes: 3")

    assert [n.quorum_votes for n in config.nodes] == [3, 3, 3]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "expected_votes: 5"),
        ("", "votes: 2"),
        ("two_node: 1\nwait_for_all: 1", "wait_for_all: 1\ntwo_node: 0"),
    ],
)
def test_votes_expected_votes_and_two_node_can_be_changed_at_runtime(
    before: str, after: str
) -> None:
    found = changes(typed(before, nodes=2), typed(after, nodes=2))

    assert found
    assert {finding.code for finding in found} == {"changes-now"}


def test_changed_votes_count_on_the_ring_that_stands(cluster_of: Any) -> None:
    cluster = whole(cluster_of, 3)
    nodes = tuple(
        msgspec.structs.replace(entry, quorum_votes=3 if entry.nodeid == 1 else 1)
        for entry in cluster.nodes
    )

    for node in (1, 2, 3):
        config = msgspec.structs.replace(cluster.config(node), nodes=nodes)
        cluster.do(node, Reloaded(config))

    verdict = cluster.verdict(2)
    assert (verdict.votes, verdict.expected, verdict.threshold) == (5, 5, 3)
    assert cluster.ring(1)


@pytest.mark.parametrize(
    "option",
    [
        "wait_for_all: 1",
        "last_man_standing: 1",
        "auto_tie_breaker: 1",
        "allow_downscale: 1",
        "expected_votes_tracking: 1",
    ],
)
def test_everything_else_requires_a_restart(cluster_of: Any, option: str) -> None:
    name = option.split(":", maxsplit=1)[0]
    cluster = whole(cluster_of, 4)
    config = cluster.config(1)
    switched = msgspec.structs.replace(config.quorum, **{name: True})

    cluster.do(1, Reloaded(msgspec.structs.replace(config, quorum=switched)))

    assert not getattr(cluster.machines[1]._options, name)


def test_the_default_is_a_majority_of_one_vote_each() -> None:
    assert [majority(configured_expected(typed("", nodes=n))) for n in range(1, 9)] == [
        *(1, 2, 2, 3, 3, 4, 4, 5),
    ]
