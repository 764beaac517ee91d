"""What the engine works on: nodes, resources, actions and constraints of one evaluation.

Everything here is private to one call of `schedule` and thrown away after it; objects are compared
by identity and held in lists and dictionaries in the order of the document, so that no answer
depends on a hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING

from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Reason, ScoreLine
    from ninefold.scheduler.unpack_options import Options


class Variant(Enum):
    """Kinds of resources; the value is the order among them in colocations."""

    PRIMITIVE = 1
    GROUP = 2
    CLONE = 3
    UNSUPPORTED = 4


class OnFail(Enum):
    """What to do about a failed operation; the value is the order of severity."""

    IGNORE = 1
    DEMOTE = 2
    RESTART = 3
    BAN = 6
    BLOCK = 7
    STOP = 8
    STANDBY = 9
    FENCE = 10


@dataclass(slots=True, eq=False)
class Node:
    """One cluster node and what the status section says about it."""

    id: str
    name: str
    kind: str = "member"
    score: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    online: bool = False
    unclean: bool = False
    standby: bool = False
    pending: bool = False
    shutdown: bool = False
    maintenance: bool = False
    expected_up: bool = False
    seen: bool = False
    dc: bool = False
    reason: str = ""
    count: int = 0
    running: list[Resource] = field(default_factory=list)

    @property
    def available(self) -> bool:
        """Whether something may be started here."""
        return self.online and not (
            self.unclean or self.standby or self.shutdown or self.maintenance or self.pending
        )


@dataclass(slots=True, eq=False)
class Operation:
    """A configured `<op>`."""

    id: str
    name: str
    interval_ms: int
    role: Role
    enabled: bool
    on_fail: str
    element: Element
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Resource:
    """A primitive, a group or a clone, with its state and the scores of the nodes."""

    id: str
    variant: Variant
    element: Element
    parent: Resource | None = None
    children: list[Resource] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    agent_class: str = ""
    provider: str = ""
    agent_type: str = ""
    priority: int = 0
    stickiness: int = 0
    migration_threshold: int = INFINITY
    failure_timeout: int = 0
    requires: str = "fencing"
    multiple_active: str = "stop_start"
    managed: bool = True
    maintenance: bool = False
    critical: bool = True
    blocked: bool = False
    failed: bool = False
    removed: bool = False
    fence_device: bool = False
    start_pending: bool = False
    ignore_failure: bool = False
    stop_if_failed: bool = False
    target_role: Role = Role.UNKNOWN
    role: Role = Role.STOPPED
    next_role: Role = Role.UNKNOWN
    active: list[Node] = field(default_factory=list)
    scores: dict[str, int] = field(default_factory=dict)
    probe_modes: dict[str, str] = field(default_factory=dict)
    known_on: list[str] = field(default_factory=list)
    pending_task: str = ""
    assigned: Node | None = None
    is_assigned: bool = False
    is_assigning: bool = False
    merging: bool = False
    actions: list[Action] = field(default_factory=list)
    this_with: list[Colocation] = field(default_factory=list)
    with_this: list[Colocation] = field(default_factory=list)
    ordered: bool = True
    colocated: bool = True
    clear_on: list[str] = field(default_factory=list)
    parameter_cache: dict[str, dict[str, str]] = field(default_factory=dict)
    existing: dict[str, list[str]] = field(default_factory=dict)
    reschedule: list[tuple[str, str]] = field(default_factory=list)
    placement_reasons: list[Reason] = field(default_factory=list)
    final_scores: dict[str, int] = field(default_factory=dict)

    @property
    def is_managed(self) -> bool:
        """Whether the cluster may act on it."""
        return self.managed and not self.blocked

    @property
    def top(self) -> Resource:
        """The outermost resource that holds this one."""
        return self if self.parent is None else self.parent.top

    @property
    def needs_fencing(self) -> bool:
        """Whether a start waits for lost nodes to be silent."""
        return self.requires in {"fencing", "unfencing"}

    @property
    def needs_quorum(self) -> bool:
        """Whether a start needs a quorate partition."""
        return self.requires != "nothing"

    def primitives(self) -> list[Resource]:
        """Every primitive in here, in order."""
        if self.variant is Variant.PRIMITIVE:
            return [self]
        return [leaf for child in self.children for leaf in child.primitives()]


class Relation(Flag):
    """What one action has to do with a later one."""

    ORDERED = auto()
    FIRST_IMPLIES_THEN = auto()
    THEN_IMPLIES_FIRST = auto()
    UNRUNNABLE_FIRST_BLOCKS = auto()
    INTERMEDIATE_STOP = auto()
    FIRST_IMPLIES_THEN_GRAPHED = auto()
    THEN_IMPLIES_FIRST_GRAPHED = auto()
    ASYMMETRIC = auto()
    IF_BOTH_REQUIRED_ON_SAME_NODE = auto()
    SERIALIZE = auto()
    COLOCATED = auto()
    MIN_RUNNABLE = auto()


@dataclass(slots=True, eq=False)
class Action:
    """Something that may have to be done; it is in the transition if runnable and not optional."""

    id: int
    task: str
    key: str
    resource: Resource | None
    node: Node | None
    operation: Operation | None = None
    interval_ms: int = 0
    pseudo: bool = False
    runnable: bool = True
    optional: bool = True
    always: bool = False
    on_dc: bool = False
    kind: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    why_not: str = ""
    before: list[Edge] = field(default_factory=list)
    after: list[Action] = field(default_factory=list)
    runnable_before: int = 0
    required_before: int = 0
    priority: int = 0
    expected_rc: int = 0
    graphed: bool = False


@dataclass(slots=True, eq=False)
class Edge:
    """`action` comes before the action that holds this edge."""

    action: Action
    relation: Relation


@dataclass(slots=True, eq=False)
class Ordering:
    """First before then; either side is an action, or a key of a resource, or both unknown yet."""

    first: Action | None
    first_resource: Resource | None
    first_key: str
    then: Action | None
    then_resource: Resource | None
    then_key: str
    relation: Relation
    origin: str = ""


@dataclass(slots=True, eq=False)
class Colocation:
    """`dependent` is placed relative to `primary`."""

    id: str
    dependent: Resource
    primary: Resource
    score: int
    dependent_role: Role = Role.UNKNOWN
    primary_role: Role = Role.UNKNOWN
    attribute: str = "#uname"
    influence: bool = True

    @property
    def mandatory(self) -> bool:
        """Whether it is an obligation rather than a wish."""
        return abs(self.score) >= INFINITY


@dataclass(slots=True, eq=False)
class Location:
    """Scores of nodes for a resource, all from one constraint."""

    id: str
    resource: Resource
    scores: dict[str, int]
    role: Role = Role.UNKNOWN
    discovery: str = "always"


@dataclass(slots=True, eq=False)
class Workspace:
    """Everything known in one evaluation."""

    root: Element
    now: int
    options: Options
    quorate: bool
    nodes: list[Node] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    by_id: dict[str, Resource] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    by_key: dict[str, list[Action]] = field(default_factory=dict)
    orderings: list[Ordering] = field(default_factory=list)
    colocations: list[Colocation] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    score_lines: list[ScoreLine] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    recheck_at: int = 0
    has_fence_device: bool = False

    def node(self, name: str) -> Node | None:
        """Find a node by its name or id, without case."""
        wanted = name.lower()
        for node in self.nodes:
            if node.name.lower() == wanted or node.id == name:
                return node
        return None

    def recheck(self, at: int) -> None:
        """Ask to be called again at `at` if that is still to come."""
        if at > self.now and (self.recheck_at == 0 or at < self.recheck_at):
            self.recheck_at = at

    def warn(self, sentence: str) -> None:
        """Tell the operator once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    @property
    def can_fence(self) -> bool:
        """Whether fencing can be carried out at all: enabled, a device, quorum (or it is ignored)."""
        return (
            self.options.fencing_enabled
            and self.has_fence_device
            and (self.quorate or self.options.no_quorum_policy == "ignore")
        )
