"""What the document remembers of migrations, by who has said what since."""

from __future__ import annotations

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    AddNodes,
    Cause,
    Change,
    NodeFenced,
    Operation,
    RecordOperation,
    ReplaceHistory,
    SetNodeState,
)

CAUSE = Cause("cluster", "test", 1_700_000_000, 1)

# The clocks differ, and by the clock everything on node 2 was long before.
AHEAD, BEHIND = 1_700_009_999, 1_700_000_000


def operation(task: str, call: int, *, rc: int = 0, expected: int = 0) -> Operation:
    """Return what was done with `vm`; the call -1 has not ended."""
    ends = task.startswith("migrate")
    return Operation(
        "vm", "ocf", "sim", "service", task, 0, call, 193 if call < 0 else rc, expected,
        -1 if call < 0 else 0, "1:x", 1, AHEAD, AHEAD,
        migrate_source="n1" if ends else "", migrate_target="n2" if ends else "",
    )  # fmt: skip


def changed(cib: Cib, *changes: Change) -> Cib:
    """Return the document after these changes; none may be refused."""
    for change in changes:
        after = apply(cib, change, CAUSE)
        assert isinstance(after, Cib), after
        cib = after
    return cib


def record(node: int, task: str, call: int, *, rc: int = 0, expected: int = 0) -> RecordOperation:
    """Return what a node says it has done."""
    return RecordOperation(node, operation(task, call, rc=rc, expected=expected))


def begun() -> Cib:
    """Return a document in which `vm` has started on node 1 and is not on node 2."""
    cib, findings = Cib.parse(
        '<cib admin_epoch="0" epoch="1" num_updates="0"><configuration><crm_config/><nodes/>'
        "<resources/><constraints/></configuration><status/></cib>"
    )
    assert cib is not None, findings
    online = [SetNodeState(n, f"n{n}", in_ccm=True, crmd="online", join="member") for n in (1, 2)]
    return changed(
        cib,
        AddNodes(((1, "n1"), (2, "n2"))),
        *online,
        record(1, "start", 1),
        record(2, "monitor", 1, rc=7, expected=7),
    )


def tasks(cib: Cib, node: int) -> list[str]:
    """Return what the document remembers of a node."""
    return [op.task for op in cib.operations(node)]


def test_when_it_leaves_nobody_knows_what_runs_where_it_goes() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1))

    assert tasks(cib, 1) == ["start", "migrate_to"]
    assert tasks(cib, 2) == []


def test_what_is_under_way_where_it_goes_is_not_forgotten() -> None:
    cib = changed(begun(), record(2, "monitor", -1), record(1, "migrate_to", -1))

    assert tasks(cib, 2) == ["monitor"]


def test_a_migration_is_forgotten_when_it_is_complete_and_not_before() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))
    assert "migrate_to" in tasks(cib, 1)
    cib = changed(cib, record(2, "migrate_from", 2))
    assert "migrate_to" in tasks(cib, 1)

    cib = changed(cib, record(1, "stop", 3))

    assert tasks(cib, 1) == ["stop"]
    assert tasks(cib, 2) == ["migrate_from"]


def test_a_source_that_has_stopped_it_is_not_enough() -> None:
    # It may be where it went, and that node has said nothing.
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))

    cib = changed(cib, record(1, "stop", 3))
    assert "migrate_to" in tasks(cib, 1)

    cib = changed(cib, record(2, "monitor", 2, rc=7, expected=7))
    assert tasks(cib, 1) == ["stop"]


def test_a_failed_arrival_is_past_when_it_was_stopped_there() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))
    cib = changed(cib, record(2, "migrate_from", 2, rc=1), record(1, "stop", 3))
    assert tasks(cib, 1) == ["stop", "migrate_to"]
    assert tasks(cib, 2) == ["migrate_from"]

    cib = changed(cib, record(2, "stop", 3))

    assert (tasks(cib, 1), tasks(cib, 2)) == (["stop"], ["stop"])


def test_a_target_that_was_fenced_will_never_speak() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))
    cib = changed(cib, record(1, "stop", 3))

    cib = changed(cib, NodeFenced(2, "n2", "test", BEHIND))

    assert tasks(cib, 1) == ["stop"]


def test_a_source_that_tells_its_whole_history_does_not_bring_it_back() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))
    cib = changed(cib, record(2, "migrate_from", 2), record(1, "stop", 3))
    told = (operation("migrate_to", 2), operation("stop", 3))

    cib = changed(cib, ReplaceHistory(1, "n1", told))

    assert tasks(cib, 1) == ["stop"]


def test_both_ends_are_written_and_read_again() -> None:
    cib = changed(begun(), record(1, "migrate_to", -1), record(1, "migrate_to", 2))

    read, _ = Cib.parse(cib.to_xml())

    assert read is not None
    found = next(op for op in read.operations(1) if op.task == "migrate_to")
    assert (found.migrate_source, found.migrate_target) == ("n1", "n2")
