"""The values that cross the document's border: versions, stamps, operations, changes.

Every change of the cluster's document is one of these values, carried in total order and applied
by `ninefold.cib.apply` on every member. A change is data: no callbacks, no clock.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from ninefold.core.ids import NodeId
from ninefold.core.instants import Millis, WallSeconds

# Scores and fail counts never exceed this; it is written `INFINITY`.
INFINITY: Final = 1_000_000


class Version(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Pacemaker's document version: configuration changes bump `epoch`, status `num_updates`."""

    admin_epoch: int = 0
    epoch: int = 0
    num_updates: int = 0

    def __str__(self) -> str:
        return f"{self.admin_epoch}.{self.epoch}.{self.num_updates}"


class Stamp(msgspec.Struct, frozen=True, order=True, array_like=True):
    """How new a stored document is: the last quorate ring it was current in, then its version.

    Of two documents the one with the greater stamp is the cluster's. The ring comes first, so a
    partition without quorum can never outrun the one that had it.
    """

    quorate_ring: int = 0
    version: Version = Version()


class Cause(msgspec.Struct, frozen=True):
    """Who changed the document, when and why; kept with every version."""

    who: str
    why: str
    at: WallSeconds
    node: NodeId


class Operation(msgspec.Struct, frozen=True):
    """One `lrm_rsc_op`: what a node did with a resource, or is doing (`op_status` -1).

    `rc` is the agent's exit code, `expected_rc` what was asked for, `op_status` Pacemaker's
    execution status (0 done, 2 timed out, 4 error, ...). `call_id` grows on each node.
    `transition` is `NUMBER:UUID` of the transition that asked for it. Migrations name both their ends.
    With a `restart_digest` the agent can reload, but for the parameters listed in `force_restart`.
    """

    resource: str
    agent_class: str
    provider: str
    agent_type: str
    task: str
    interval_ms: Millis
    call_id: int
    rc: int
    expected_rc: int
    op_status: int
    transition: str
    action_id: int
    last_run: WallSeconds
    last_rc_change: WallSeconds
    exec_ms: Millis = 0
    queue_ms: Millis = 0
    op_digest: str = ""
    exit_reason: str = ""
    migrate_source: str = ""
    migrate_target: str = ""
    force_restart: str = ""
    restart_digest: str = ""
    secure_params: str = ""
    secure_digest: str = ""

    @property
    def key(self) -> str:
        """`RESOURCE_TASK_INTERVAL`."""
        return f"{self.resource}_{self.task}_{self.interval_ms}"


class NodeState(msgspec.Struct, frozen=True):
    """A `<node_state>` as a value; `attributes` are the transient ones.

    `joined_in` is the ring in which its present or last life as a member began, or 0.
    """

    node: NodeId
    name: str
    in_ccm: bool
    crmd: str
    join: str
    expected: str
    attributes: dict[str, str]
    joined_in: int = 0


class FailCount(msgspec.Struct, frozen=True):
    """How often `resource` failed on `node` at one operation; INFINITY is 1000000."""

    node: NodeId
    resource: str
    task: str
    interval_ms: Millis
    count: int
    last_failure: WallSeconds


class Failure(msgspec.Struct, frozen=True):
    """A failed operation in the history of the node called `name`."""

    node: NodeId
    name: str
    operation: Operation


class ReplaceConfiguration(msgspec.Struct, frozen=True, tag=True):
    """`ninefold cib replace`: a whole `<cib>` or `<configuration>`; status stays as it is.

    `base` is the version the operator edited, or `None` to overwrite whatever is there; a base
    that is no longer current is refused.
    """

    xml: str
    base: Version | None = None


class SetProperty(msgspec.Struct, frozen=True, tag=True):
    """A cluster property (`cib-bootstrap-options`); `None` removes it."""

    name: str
    value: str | None


class SetNodeAttribute(msgspec.Struct, frozen=True, tag=True):
    """A permanent node attribute, `standby` or `maintenance` for example; `None` removes it."""

    node: str
    name: str
    value: str | None


class SetMetaAttribute(msgspec.Struct, frozen=True, tag=True):
    """A meta attribute of a resource, `target-role` for example; `None` removes it."""

    resource: str
    name: str
    value: str | None


class MoveResource(msgspec.Struct, frozen=True, tag=True):
    """Prefer `node` for `resource` (INFINITY), or ban it from `ban` (-INFINITY).

    The constraint ids are Pacemaker's: `cli-prefer-RSC`, `cli-ban-RSC-on-NODE`.
    """

    resource: str
    node: str | None = None
    ban: str | None = None


class ClearMoves(msgspec.Struct, frozen=True, tag=True):
    """Remove the constraints that `MoveResource` made for `resource`."""

    resource: str


class AddNodes(msgspec.Struct, frozen=True, tag=True):
    """Make sure each (nodeid, name) has its `<node>`; a known id or name gets the other from here."""

    nodes: tuple[tuple[NodeId, str], ...]


class SetNodeState(msgspec.Struct, frozen=True, tag=True):
    """Membership as the cluster sees it. Only what is not `None` changes.

    `in_ccm` true or false, `crmd` online or offline, `join` member, pending or down, `expected`
    member or down. `joined_in` is the sequence number of the ring in which its present life began.
    """

    node: NodeId
    name: str
    in_ccm: bool | None = None
    crmd: str | None = None
    join: str | None = None
    expected: str | None = None
    shutdown: WallSeconds | None = None
    joined_in: int | None = None


class RecordOperation(msgspec.Struct, frozen=True, tag=True):
    """A node began or finished an operation.

    A finished one that failed also raises `fail-count-RSC#TASK_INTERVAL` and sets `last-failure-…`
    when `counts` is set: to INFINITY when `fatal`, else by one.
    """

    node: NodeId
    operation: Operation
    counts: bool = False
    fatal: bool = False


class ForgetOperation(msgspec.Struct, frozen=True, tag=True):
    """A recurring operation was cancelled: remove its entry."""

    node: NodeId
    resource: str
    task: str
    interval_ms: Millis


class ForgetHistory(msgspec.Struct, frozen=True, tag=True):
    """`cleanup`: remove history and fail counts of a resource (all if "") on a node (all if 0).

    What a node still runs is probed again by the scheduler.
    """

    resource: str = ""
    node: NodeId = 0


class ReplaceHistory(msgspec.Struct, frozen=True, tag=True):
    """A node that (re)joins tells its whole history; `fresh` also drops its transient attributes."""

    node: NodeId
    name: str
    operations: tuple[Operation, ...]
    fresh: bool = False


class NodeFenced(msgspec.Struct, frozen=True, tag=True):
    """A node is known to be silent: its history and transient attributes go, expected = down."""

    node: NodeId
    name: str
    by: str
    at: WallSeconds


class SetTransientAttribute(msgspec.Struct, frozen=True, tag=True):
    """A node attribute that lasts until the node leaves, a fail count for example."""

    node: NodeId
    name: str
    value: str | None


Change: TypeAlias = (
    ReplaceConfiguration
    | SetProperty
    | SetNodeAttribute
    | SetMetaAttribute
    | MoveResource
    | ClearMoves
    | AddNodes
    | SetNodeState
    | RecordOperation
    | ForgetOperation
    | ForgetHistory
    | ReplaceHistory
    | NodeFenced
    | SetTransientAttribute
)
