"""A start elsewhere has to wait until the host that lost its power is known to be silent."""

from ninefold.drill.takeover import Change, hasty

# db ran on node1 until 10.0 s, when the operator cut its power, and was seen on node2 from 12 s on.
PERIODS = {("db", "node1"): [[1.0, 9.98]], ("db", "node2"): [[12.0, 20.0]]}
CUT = Change(9.99, 10.01, "operator", "off", "node1")


def test_a_start_after_the_fencing_is_as_it_must_be() -> None:
    fenced = Change(11.5, 11.6, "node3", "reboot", "node1")

    assert hasty(PERIODS, [CUT, fenced]) == []


def test_a_start_before_the_fencing_is_found_and_says_who_and_where() -> None:
    fenced = Change(12.5, 12.6, "node3", "reboot", "node1")

    (found,) = hasty(PERIODS, [CUT, fenced])

    assert (found.service, found.lost, found.on, found.at_s) == ("db", "node1", "node2", 12.0)
    assert "db was started on node2 though node1" in str(found)


def test_a_start_without_any_fencing_is_found() -> None:
    assert len(hasty(PERIODS, [CUT])) == 1


def test_the_fencing_of_another_node_or_of_an_earlier_life_proves_nothing() -> None:
    other = Change(11.0, 11.1, "node3", "reboot", "node4")
    earlier = Change(4.0, 4.1, "node3", "reboot", "node1")

    assert len(hasty(PERIODS, [earlier, CUT, other])) == 1


def test_the_hosts_return_is_knowledge_too() -> None:
    back = Change(11.0, 11.1, "operator", "on", "node1")

    assert hasty(PERIODS, [CUT, back]) == []


def test_what_was_stopped_long_before_the_power_went_needs_no_fencing() -> None:
    periods = {("db", "node1"): [[1.0, 5.0]], ("db", "node2"): [[6.0, 20.0]]}

    assert hasty(periods, [CUT]) == []


def test_a_service_that_began_elsewhere_before_the_cut_is_not_judged_by_it() -> None:
    periods = {("db", "node1"): [[1.0, 9.95]], ("db", "node2"): [[9.98, 20.0]]}

    assert hasty(periods, [CUT]) == []


def test_a_service_that_comes_back_on_the_same_host_is_no_takeover() -> None:
    periods = {("db", "node1"): [[1.0, 9.98], [14.0, 20.0]]}

    assert hasty(periods, [CUT]) == []
