"""What the engine works on: nodes, resources, actions and constraints of one evaluation.

Everything here is private to one call of `schedule` and thrown away after it; objects are compared
by identity and held in lists and dictionaries in the order of the document, so that no answer
depends on a hash.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ninefold.scheduler.record import Record, field
from ninefold.scheduler.scores import INFINITY
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.bundle_model import Replica
    from ninefold.scheduler.crowd import Crowd
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.model import Contribution, Rating, Reason, ScoreLine
    from ninefold.scheduler.notify_model import Notices
    from ninefold.scheduler.unpack_options import Options


class Variant(Enum):
    """Kinds of resources; the value is the order among them in colocations."""

    PRIMITIVE = 1
    GROUP = 2
    CLONE = 3
    BUNDLE = 4


class OnFail(Enum):
    """What to do about a failed operation; the value is the order of severity."""

    IGNORE = 1
    DEMOTE = 2
    RESTART = 3
    RESET_REMOTE = 4
    RESTART_CONTAINER = 5
    BAN = 6
    BLOCK = 7
    STOP = 8
    STANDBY = 9
    FENCE = 10


class Node(Record):
    """One node and what the status section says about it."""

    id: str
    name: str
    remote: bool = False
    score: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    utilization: dict[str, int] = field(default_factory=dict)
    connection: Resource | None = None
    online: bool = False
    unclean: bool = False
    standby: bool = False
    standby_after_failure: bool = False
    pending: bool = False
    shutdown: bool = False
    maintenance: bool = False
    remote_maintenance: bool = False
    expected_up: bool = False
    unseen: bool = True
    unpacked: bool = False
    remote_reset: bool = False
    remote_was_fenced: bool = False
    probes_allowed: bool = True
    explicit_only: bool = False
    dc: bool = False
    reason: str = ""
    count: int = 0
    priority: int = 0
    running: list[Resource] = field(default_factory=list)
    assigned: list[Resource] = field(default_factory=list)
    fencing: Action | None = None

    @property
    def guest(self) -> bool:
        """Whether it lives inside a resource: its connection has a launcher."""
        return self.connection is not None and self.connection.launcher is not None

    @property
    def bundle_node(self) -> bool:
        """Whether it is the inside of a bundle's container."""
        return self.connection is not None and self.connection.bundled

    @property
    def available(self) -> bool:
        """Whether something may be started here."""
        return self.online and not (
            self.unclean or self.standby or self.shutdown or self.maintenance
        )


class Operation(Record):
    """A configured `<op>`."""

    id: str
    name: str
    interval_ms: int
    role: Role
    enabled: bool
    on_fail: str
    element: Element
    meta: dict[str, str] = field(default_factory=dict)
    own_timeout: bool = False


class CloneFacts(Record):
    """How many instances a clone has, and how they behave among each other."""

    max: int = 1
    node_max: int = 1
    promoted_max: int = 1
    promoted_node_max: int = 1
    minimum: int = 0
    ordered: bool = False
    interleave: bool = False
    total: int = 0
    promotion_scores_added: bool = False
    choosing_roles: bool = False


class Resource(Record):
    """A primitive, group, clone or bundle, with its state and the scores of the nodes."""

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
    config_id: str = ""
    history_id: str = ""
    number: int = -1
    priority: int = 0
    base_priority: int = 0
    promotion_priority: int = 0
    stickiness: int = 0
    migration_threshold: int = INFINITY
    failure_timeout: int = 0
    reconnect_ms: int = 0
    requires: str = "fencing"
    multiple_active: str = "stop_start"
    managed: bool = True
    maintenance: bool = False
    critical: bool = True
    blocked: bool = False
    failed: bool = False
    removed: bool = False
    removed_filler: bool = False
    fence_device: bool = False
    remote_connection: bool = False
    nested_remote_allowed: bool = False
    migratable: bool = False
    unique: bool = True
    promotable: bool = False
    notify: bool = False
    start_pending: bool = False
    ignore_failure: bool = False
    stop_if_failed: bool = False
    reloading: bool = False
    exclusive_probes: bool = False
    expected_node: Node | None = None
    target_role: Role = Role.UNKNOWN
    role: Role = Role.UNKNOWN
    next_role: Role = Role.UNKNOWN
    active: list[Node] = field(default_factory=list)
    scores: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    probe_modes: dict[str, str] = field(default_factory=dict)
    known_on: dict[str, Node] = field(default_factory=dict)
    absent: dict[str, int] = field(default_factory=dict)
    utilization: dict[str, int] = field(default_factory=dict)
    launcher: Resource | None = None
    launched: list[Resource] = field(default_factory=list)
    bundled: bool = False
    partial_source: Node | None = None
    partial_target: Node | None = None
    dangling: list[Node] = field(default_factory=list)
    pending_task: str = ""
    pending_node: Node | None = None
    lock_node: Node | None = None
    lock_time: int = 0
    assigned: Node | None = None
    is_assigned: bool = False
    is_assigning: bool = False
    merging: bool = False
    actions: list[Action] = field(default_factory=list)
    this_with: list[Colocation] = field(default_factory=list)
    with_this: list[Colocation] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    tickets: list[TicketUse] = field(default_factory=list)
    ordered: bool = True
    colocated: bool = True
    clone: CloneFacts | None = None
    replicas_per_host: int = 1
    replicas: list[Replica] = field(default_factory=list)
    network: bool = False
    notices: dict[str, Notices] = field(default_factory=dict)
    parameter_cache: dict[str, dict[str, str]] = field(default_factory=dict)
    placement_reasons: list[Reason] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    rating: Rating | None = None
    final_scores: dict[str, int] = field(default_factory=dict)

    @property
    def is_managed(self) -> bool:
        """Whether the cluster may act on it."""
        return self.managed and not self.blocked

    @property
    def top(self) -> Resource:
        """The outermost resource that holds this one; a bundle counts as outside of its content."""
        resource = self
        while resource.parent is not None and resource.parent.variant is not Variant.BUNDLE:
            resource = resource.parent
        return resource

    @property
    def outermost(self) -> Resource:
        """The outermost resource that holds this one, bundles included."""
        resource = self
        while resource.parent is not None:
            resource = resource.parent
        return resource

    @property
    def needs_fencing(self) -> bool:
        """Whether a start waits for lost nodes to be silent."""
        return self.requires in {"fencing", "unfencing"}

    @property
    def counted_active(self) -> list[Node]:
        """The nodes that count when it is asked whether it is active more than once.

        What needs no fencing may be started elsewhere before an unclean node is fenced.
        """
        if self.needs_fencing:
            return self.active
        return [node for node in self.active if node.online and not node.unclean]

    @property
    def needs_quorum(self) -> bool:
        """Whether a start needs a quorate partition."""
        return self.requires != "nothing"

    @property
    def anonymous_clone(self) -> bool:
        """Whether its instances are interchangeable."""
        return self.variant is Variant.CLONE and not self.unique

    def primitives(self) -> list[Resource]:
        """Every primitive in here, in order."""
        if self.variant is Variant.PRIMITIVE:
            return [self]
        return [leaf for child in self.children for leaf in child.primitives()]

    def tree(self) -> list[Resource]:
        """Itself and everything in it, outermost first."""
        return [self, *(inner for child in self.children for inner in child.tree())]


class Action(Record):
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
    migratable: bool = False
    on_dc: bool = False
    dangle: bool = False
    reschedule: bool = False
    needs: str = "nothing"
    kind: str = ""
    about: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    cause: str = ""
    why_not: str = ""
    due: str = ""
    before: list[Edge] = field(default_factory=list)
    after: list[Edge] = field(default_factory=list)
    linked: dict[int, int] = field(default_factory=dict)
    counts_runnable: bool = False
    required_before: int = 0
    runnable_before: int = 0
    priority: int = 0
    expected_rc: int = 0
    graphed: bool = False
    walking: bool = False
    router: Node | None = None


class Edge(Record):
    """`first` comes before `then`; a relation of 0 means that it no longer counts."""

    first: Action
    then: Action
    relation: int
    configured: bool = False


class Ordering(Record):
    """First before then; either side is an action, or a key of a resource."""

    first: Action | None
    first_resource: Resource | None
    first_key: str
    then: Action | None
    then_resource: Resource | None
    then_key: str
    relation: int
    origin: str = ""


class Colocation(Record):
    """`dependent` is placed relative to `primary`."""

    id: str
    dependent: Resource
    primary: Resource
    score: int
    dependent_role: Role = Role.UNKNOWN
    primary_role: Role = Role.UNKNOWN
    attribute: str = "#uname"
    influence: bool = True
    explicit: bool = True

    @property
    def mandatory(self) -> bool:
        """Whether it is an obligation rather than a wish."""
        return abs(self.score) >= INFINITY


class Location(Record):
    """Scores of nodes for a resource, all from one constraint."""

    id: str
    resource: Resource
    scores: dict[str, int]
    role: Role = Role.UNKNOWN
    discovery: str = "always"


class Ticket(Record):
    """A right to run something, that is at one site at a time."""

    id: str
    granted: bool = False
    standby: bool = False


class TicketUse(Record):
    """`resource` needs `ticket`, and this is what happens without it."""

    id: str
    resource: Resource
    ticket: Ticket
    loss_policy: str
    role: Role = Role.UNKNOWN


class Workspace(Record):
    """Everything known in one evaluation."""

    root: Element
    now: int
    options: Options
    quorate: bool
    nodes: list[Node] = field(default_factory=list)
    node_names: dict[str, Node] = field(default_factory=dict)
    named: dict[str, Node] = field(default_factory=dict)
    node_ids: dict[str, Node] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    by_id: dict[str, Resource] = field(default_factory=dict)
    by_config_id: dict[str, list[Resource]] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    singletons: dict[str, Action] = field(default_factory=dict)
    collective_meta: dict[str, dict[str, str]] = field(default_factory=dict)
    orderings: list[Ordering] = field(default_factory=list)
    colocations: list[Colocation] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    score_lines: list[ScoreLine] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    must_stop: list[Resource] = field(default_factory=list)
    unchecked: list[tuple[Resource, Node, Entry, bool]] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    recheck_at: int = 0
    has_fence_device: bool = False
    has_remote_nodes: bool = False
    utilization: bool = False
    crowd: Crowd | None = None

    def node(self, name: str) -> Node | None:
        """Find a node by its name without case, or by its id."""
        return self.node_names.get(name.lower()) or self.node_ids.get(name)

    def add_node(self, node: Node) -> None:
        """Make a node known; the list stays in the natural order of names."""
        lower = node.name.lower()
        self.node_names[lower] = node
        # By the very name, as scores have it: no need to fold its case.
        for one in (*self.nodes, node):
            if one.name.lower() == lower:
                self.named[one.name] = node
        self.node_ids[node.id] = node
        self.nodes.append(node)
        self.nodes.sort(key=lambda one: natural(one.name))

    def recheck(self, at: int) -> None:
        """Ask to be called again at `at` if that is still to come."""
        if at > self.now and (self.recheck_at == 0 or at < self.recheck_at):
            self.recheck_at = at

    def warn(self, sentence: str) -> None:
        """Tell the operator once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key: digits by value, the rest without case (node2 before node10)."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for letter in [*name.lower(), ""]:
        if letter.isdigit() and letter.isascii():
            digits += letter
            continue
        if digits:
            # By length first, as numbers are: thousands of digits are more than Python reads as one.
            value = digits.lstrip("0")
            parts.append((0, len(value), value))
            digits = ""
        if letter:
            parts.append((1, 0, letter))
    return tuple(parts)
