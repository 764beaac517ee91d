"""What was removed from the configuration and may still run: the document goes on knowing of it."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.cib.model import ForgetHistory, Operation, RecordOperation, ReplaceHistory
from tests.unit.cib.test_cib_apply import START, STOP, after, start

PENDING = msgspec.structs.replace(START, rc=193, op_status=-1, call_id=-1)
STOP_FAILED = msgspec.structs.replace(STOP, rc=1, op_status=4)
NOT_INSTALLED = msgspec.structs.replace(START, task="monitor", rc=5, expected_rc=7, op_status=5)
PROMOTED = msgspec.structs.replace(START, task="promote", call_id=9)
DEMOTED = msgspec.structs.replace(START, task="demote", call_id=9)
CONNECTION = msgspec.structs.replace(START, provider="pacemaker", agent_type="remote")


@pytest.mark.parametrize(
    ("last", "kept"),
    [
        (START, [("monitor", 0, 0)]),
        (PENDING, [("monitor", 0, 0)]),
        (STOP_FAILED, [("monitor", 0, 0)]),
        (PROMOTED, [("monitor", 8, 0)]),
        (DEMOTED, [("monitor", 0, 0)]),
        (STOP, []),
        (NOT_INSTALLED, []),
        (CONNECTION, []),
    ],
    ids=[
        "runs",
        "was-being-started",
        "would-not-stop",
        "was-promoted",
        "was-demoted",
        "stopped",
        "never-was-there",
        "connection-of-the-daemon",
    ],
)
def test_what_was_removed_and_may_run_stays_known_to_a_daemon_that_begins_anew(
    last: Operation, kept: list[tuple[str, int, int]]
) -> None:
    # It has no definition, so nobody would look for it: a pending start is taken for a found process.
    gone = msgspec.structs.replace(last, resource="gone")
    cib = after(start(), RecordOperation(1, gone), RecordOperation(1, START))

    fresh = after(cib, ReplaceHistory(1, "a", (), fresh=True))

    found = [(op.task, op.rc, op.op_status) for op in fresh.operations(1)]
    assert found == kept


def test_what_a_new_daemon_does_with_what_was_removed_is_believed() -> None:
    # It counts its calls from one again; an earlier daemon had come to nine.
    gone = msgspec.structs.replace(START, resource="gone", call_id=9)
    stop = msgspec.structs.replace(STOP, resource="gone", call_id=1)
    cib = after(start(), RecordOperation(1, gone), ReplaceHistory(1, "a", (), fresh=True))

    stopped = after(cib, RecordOperation(1, stop))

    assert stopped.operations(1) == (stop,)


def test_cleanup_of_everything_keeps_what_runs_and_was_removed_but_not_its_failures() -> None:
    gone = msgspec.structs.replace(STOP_FAILED, resource="gone")
    cib = after(start(), RecordOperation(1, gone, counts=True), RecordOperation(1, START))

    everything = after(cib, ForgetHistory())
    by_name = after(cib, ForgetHistory("gone"))

    assert [(op.resource, op.task, op.rc) for op in everything.operations(1)] == [
        ("gone", "monitor", 0)
    ]
    assert everything.fail_counts() == ()
    assert [op.resource for op in by_name.operations(1)] == [START.resource]
    assert after(everything, ForgetHistory()) == everything


def test_a_nodes_own_word_of_what_was_removed_counts() -> None:
    ran, stopped = (msgspec.structs.replace(op, resource="gone") for op in (START, STOP))
    cib = after(start(), RecordOperation(1, ran))

    told = after(cib, ReplaceHistory(1, "a", (stopped,)))

    assert told.operations(1) == (stopped,)
