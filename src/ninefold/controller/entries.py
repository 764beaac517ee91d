"""The document's entries of what this node was ordered to do: pending, finished, found running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.agents.model import Call, OpStatus, Outcome, Rc, Traits
from ninefold.cib.model import Operation
from ninefold.cib.operations import recorded
from ninefold.scheduler.digests import operation_digest, restart_digest

if TYPE_CHECKING:
    from ninefold.controller.messages import Order
    from ninefold.core.instants import WallSeconds

# What a pending operation carries as its exit code, as Pacemaker records it.
RC_PENDING: Final = 193


def pending_operation(order: Order, wall: WallSeconds) -> Operation:
    """Return the document's entry of an order under way."""
    return operation_of(order, call_id=-1, rc=RC_PENDING, status=OpStatus.PENDING, wall=wall)


def running_operation(call: Call) -> Operation:
    """Return the entry of what a probe would have found running, had there been one."""
    agent = (call.agent.standard, call.agent.provider, call.agent.type)
    return Operation(call.resource, *agent, "monitor", 0, 0, Rc.OK, Rc.OK, 0, "", -1, 0, 0)


def finished_operation(
    order: Order, outcome: Outcome, *, call_id: int, began: WallSeconds, wall: WallSeconds
) -> Operation:
    """Return the document's entry of a finished order that began at `began`."""
    operation = operation_of(
        order, call_id=call_id, rc=outcome.rc, status=outcome.status, wall=wall
    )
    return msgspec.structs.replace(
        recorded(operation),
        **_part_digests(order.call, outcome.traits),
        last_run=began,
        exec_ms=outcome.exec_ms,
        exit_reason=outcome.reason,
    )


def as_started(order: Order, call: Call) -> Order:
    """Return the order of a probe as it was carried out: what it found is what was started then.

    Its digest is that of those parameters, so the engine sees that they are no longer the configured ones.
    """
    return msgspec.structs.replace(order, call=call, digest=operation_digest(call.parameters))


def _part_digests(call: Call, traits: Traits | None) -> dict[str, str]:
    """Return what tells later which change of parameters needs a restart, and which only shows a secret."""
    if traits is None or call.interval_ms:
        return {}
    found = {}
    if traits.restart is not None:
        names = f" {'  '.join(traits.restart)} " if traits.restart else ""
        found = {
            "force_restart": names,
            "restart_digest": restart_digest(call.parameters, names),
        }
    if traits.secret:
        public = {k: v for k, v in call.parameters.items() if k not in traits.secret}
        found["secure_params"] = f" {'  '.join(traits.secret)} "
        found["secure_digest"] = operation_digest(public)
    return found


def operation_of(
    order: Order, *, call_id: int, rc: int, status: OpStatus, wall: WallSeconds
) -> Operation:
    """Return the document's entry of an order with that outcome."""
    call: Call = order.call
    return Operation(
        resource=order.resource,
        agent_class=call.agent.standard,
        provider=call.agent.provider,
        agent_type=call.agent.type,
        task=order.task,
        interval_ms=call.interval_ms,
        call_id=call_id,
        rc=rc,
        expected_rc=order.expected_rc,
        op_status=int(status),
        transition=order.transition,
        action_id=order.action_id,
        last_run=wall,
        last_rc_change=wall,
        op_digest=order.digest,
        migrate_source=call.meta.get("migrate_source", ""),
        migrate_target=call.meta.get("migrate_target", ""),
    )
