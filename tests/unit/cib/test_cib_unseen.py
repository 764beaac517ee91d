"""What may run and was not looked for: neither stopped nor running, until somebody looks."""

from __future__ import annotations

import msgspec
import pytest

from ninefold.cib.apply import apply
from ninefold.cib.document import Cib
from ninefold.cib.model import (
    Change,
    ForgetHistory,
    RecordOperation,
    ReplaceConfiguration,
    ReplaceHistory,
)
from tests.unit.cib.test_cib_apply import CAUSE, START, STOP
from tests.unit.cib.test_cib_apply import after as applied

DUMMY = '<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/>'
CONFIGURATION = (
    '<configuration><crm_config/><nodes><node id="1" uname="a"/></nodes>'
    "<resources>{}</resources><constraints/></configuration>"
)
PROBE = msgspec.structs.replace(
    START, task="monitor", call_id=-1, rc=193, expected_rc=7, op_status=-1
)
FOUND = msgspec.structs.replace(START, task="monitor", call_id=1, rc=7, expected_rc=7)
BEGUN = ReplaceHistory(1, "a", (), fresh=True)
AGAIN = ReplaceHistory(1, "a", ())
REMOVED = ReplaceConfiguration(CONFIGURATION.format(""))


def after(*changes: Change) -> Cib:
    cib, _ = Cib.parse(
        f'<cib epoch="1">{CONFIGURATION.format(DUMMY)}<status><node_state id="1" uname="a"/></status></cib>'
    )
    assert cib is not None
    return applied(cib, *changes)


def told(cib: Cib) -> list[tuple[str, int, int]]:
    return [(op.task, op.rc, op.op_status) for op in cib.operations(1)]


@pytest.mark.parametrize(
    "between",
    [(), (AGAIN,), (RecordOperation(1, PROBE), AGAIN), (ForgetHistory(),)],
    ids=["at-once", "in-another-ring", "a-probe-was-interrupted", "it-was-cleaned-up"],
)
def test_what_is_removed_before_anybody_has_looked_counts_as_running(
    between: tuple[Change, ...],
) -> None:
    cib = after(RecordOperation(1, START), BEGUN, *between)
    assert told(cib) == []

    removed = apply(cib, REMOVED, CAUSE)

    assert isinstance(removed, Cib)
    assert told(removed) == [("monitor", 0, 0)]
    (operation,) = removed.operations(1)
    assert (operation.agent_class, operation.provider, operation.agent_type) == (
        "ocf",
        "heartbeat",
        "Dummy",
    )


def test_what_was_being_looked_for_as_it_was_removed_counts_as_running() -> None:
    cib = after(RecordOperation(1, START), BEGUN, RecordOperation(1, PROBE), REMOVED)

    assert told(cib) == [("monitor", 0, 0)]


def test_what_was_looked_for_is_as_it_was_found() -> None:
    cib = after(
        RecordOperation(1, START),
        BEGUN,
        RecordOperation(1, PROBE),
        RecordOperation(1, FOUND),
        REMOVED,
    )

    assert told(cib) == [("monitor", 7, 0)]


def test_late_answer_to_an_earlier_order_is_no_look() -> None:
    late = msgspec.structs.replace(FOUND, transition="3:0f0e")

    cib = after(
        RecordOperation(1, START),
        BEGUN,
        RecordOperation(1, PROBE),
        RecordOperation(1, late),
        REMOVED,
    )

    assert told(cib) == [("monitor", 0, 0)]


def test_what_was_stopped_needs_no_look_after_its_removal() -> None:
    cib = after(RecordOperation(1, STOP), BEGUN, REMOVED)

    assert told(cib) == []


def test_a_nodes_own_account_ends_the_doubt() -> None:
    account = ReplaceHistory(1, "a", (msgspec.structs.replace(STOP, call_id=2),))

    cib = after(RecordOperation(1, START), BEGUN, account, REMOVED)

    assert told(cib) == [("stop", 0, 0)]
