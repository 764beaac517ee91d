"""What the policy engine answers with: a transition, and why.

Vocabulary and numbering follow Pacemaker's transition graph (synapses, actions, inputs), so that
recorded cases can be compared; the reasons are ours.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from ninefold.core.instants import Millis, WallSeconds


class ActionKind(Enum):
    """What carrying out an action means."""

    RESOURCE = "run a resource agent on a node"
    FENCING = "silence a node"
    PSEUDO = "nothing to do: a point that others wait for"
    CLUSTER = "the cluster itself acts: shut a node down, forget history, clear a fail count"


class Reason(msgspec.Struct, frozen=True):
    """Why: `code` for programs (`node-lost`, `failed`, `moved-for-score`), a sentence for people."""

    code: str
    sentence: str


class Action(msgspec.Struct, frozen=True):
    """One step of a transition.

    `inputs` are ids of actions that must be confirmed first. `task` is start, stop, monitor,
    promote, demote, notify, migrate_to, migrate_from, cancel, stonith, do_shutdown,
    clear_failcount, delete. `parameters` are the agent's, `meta` the `CRM_meta_*` without prefix.
    `instance` names the instance of an anonymous clone, which its agent is not told; `downed` the
    nodes that are down when it has been done. `due` is the first reason in the field's words.
    `optional` actions are not part of a transition and never appear here.
    """

    id: int
    key: str
    kind: ActionKind
    task: str
    resource: str = ""
    node: str = ""
    agent_class: str = ""
    provider: str = ""
    agent_type: str = ""
    interval_ms: Millis = 0
    timeout_ms: Millis = 20_000
    expected_rc: int = 0
    inputs: tuple[int, ...] = ()
    priority: int = 0
    parameters: dict[str, str] = {}
    meta: dict[str, str] = {}
    reasons: tuple[Reason, ...] = ()
    history_key: str = ""
    router: str = ""
    start_delay_ms: Millis = 0
    instance: str = ""
    downed: tuple[str, ...] = ()
    due: str = ""


class Contribution(msgspec.Struct, frozen=True):
    """One part of a score: `score` was added on `node`, which made it `total`.

    In their order, the contributions of a resource on a node lead from 0 to the score used; minus
    infinity beats everything. `code` is the kind of origin (`location`, `colocation`, `stickiness`,
    `failed`, …), `origin` the constraint, resource or ticket that it came from.
    """

    node: str
    score: int
    total: int
    code: str
    origin: str


class Rating(msgspec.Struct, frozen=True):
    """How fit an instance is to be promoted on `node`: the highest `score` comes first, from 0 on.

    `own` leads from 0 to what the instance brings itself. Unless that is negative, it is one part of
    `whole`, what its clone is given on that node, which leads to the score.
    """

    node: str
    score: int
    own: tuple[Contribution, ...]
    whole: tuple[Contribution, ...]


class Placement(msgspec.Struct, frozen=True):
    """Where one primitive (or instance) runs now and shall run, with the scores that decided.

    `scores` has one entry per node that was considered; `blocked` says what it waits for, if it
    cannot be where it should (a fencing that has not succeeded, no quorum, an unmanaged stop).
    `migratable`: it would leave where it is alive, if it had to. `rating` is that of an instance of a
    promotable clone.
    """

    resource: str
    role: str
    nodes: tuple[str, ...]
    next_role: str
    next_node: str
    scores: dict[str, int]
    reasons: tuple[Reason, ...] = ()
    blocked: str = ""
    contributions: tuple[Contribution, ...] = ()
    migratable: bool = False
    rating: Rating | None = None


class Change(msgspec.Struct, frozen=True):
    """What becomes of a resource, in the words of the field's tools.

    `place` is a node, or from where to where, with roles if these matter; `why` goes on after "due to".
    `blocked`: it should be so, and cannot.
    """

    verb: str
    resource: str
    place: str
    why: str = ""
    blocked: bool = False


class NodeView(msgspec.Struct, frozen=True):
    """A node as the engine read it from the status section.

    `kind` is "" for a member of the cluster, else `Remote` or `Guest`; `standing` says in the field's
    words how it is.
    """

    name: str
    online: bool
    unclean: bool
    standby: bool
    maintenance: bool
    pending: bool
    shutdown: bool
    reason: str = ""
    kind: str = ""
    standing: str = ""


class ResourceView(msgspec.Struct, frozen=True):
    """A resource as it was found, with what is in it; for those who print it.

    `kind` is primitive, group, clone or bundle, `name` what it is called there (instances that cannot
    be told apart have one name). `active`: it may be running where it is said to; `lost`: nobody reaches it
    there. `absent` maps nodes where it could not be asked for to the exit code of that. Of a clone, `nodes` are
    those where it may be, and `instances` how many there shall be; of a bundle, `agent` is the image.
    """

    kind: str
    id: str
    name: str
    agent: str = ""
    role: str = ""
    nodes: tuple[str, ...] = ()
    active: bool = False
    failed: bool = False
    blocked: bool = False
    managed: bool = True
    maintenance: bool = False
    disabled: bool = False
    removed: bool = False
    ignored: bool = False
    lost: bool = False
    unique: bool = False
    promotable: bool = False
    pending: str = ""
    locked: str = ""
    instances: int = 0
    absent: dict[str, int] = {}
    children: tuple[ResourceView, ...] = ()


class ScoreLine(msgspec.Struct, frozen=True):
    """One line of a `.scores` file: `kind` is the traced step, `node` may be empty."""

    kind: str
    resource: str
    node: str
    score: int


class Transition(msgspec.Struct, frozen=True):
    """The answer of `schedule`: actions sorted by id, and everything needed to explain them.

    `recheck_at` is the next wall-clock time at which the answer may change by itself (a failure
    that expires), or 0. `header` has those attributes of the field's graph that the configuration
    decides, as it is written there, and `sequence` the ids of the actions in that graph's order.
    `resources` are there if it was asked what was found, and `instances` counts them, those that shall
    be stopped, and those blocked by a failure; `maintenance` says that nothing is done at all. `changes`
    are there if it was asked what to do. `decided` is false if the engine has failed: nothing here is an answer then.
    """

    actions: tuple[Action, ...]
    placements: tuple[Placement, ...]
    nodes: tuple[NodeView, ...]
    quorate: bool
    recheck_at: WallSeconds = 0
    batch_limit: int = 0
    scores: tuple[ScoreLine, ...] = ()
    warnings: tuple[str, ...] = ()
    header: dict[str, str] = {}
    sequence: tuple[int, ...] = ()
    resources: tuple[ResourceView, ...] = ()
    changes: tuple[Change, ...] = ()
    instances: tuple[int, int, int] = (0, 0, 0)
    maintenance: bool = False
    decided: bool = True

    @property
    def in_sequence(self) -> tuple[Action, ...]:
        """The actions in the order of the field's graph, if that is known."""
        by_id = {action.id: action for action in self.actions}
        return tuple(by_id[number] for number in self.sequence) or self.actions
