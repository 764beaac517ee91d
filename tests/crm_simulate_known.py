"""In what crm_simulate 2.1.5 is known to decide otherwise than later versions, or than we want to.

Each difference is a rule of 2.1.5 that can be put in the place of ours, and it explains a document only
if our engine with that rule gives exactly the answer of 2.1.5: whoever finds a document that no rules
explain has found a defect. Where a recorded decision of later versions tells who is right, the reason
says so; the fixes it names are those of Pacemaker's ChangeLog. How resources are placed is in
`tests/crm_simulate_rules.py`; here is what concerns histories, roles and orders.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from lxml.etree import SubElement

from ninefold.scheduler import (
    actions,
    assign,
    changes,
    clone,
    constraints_location,
    history,
    migration_history,
    ordering,
    orders,
    primitive,
    promotion,
    recurring,
)
from ninefold.scheduler.expiry import expiry_of
from ninefold.scheduler.history_outcome import STATUS_PENDING
from ninefold.scheduler.pairing import state_of
from ninefold.scheduler.scores import add
from ninefold.scheduler.words import Role, boolean
from ninefold.scheduler.workspace import Variant
from tests.crm_simulate_defaults import provider_is_told
from tests.crm_simulate_expiry import expired_tell
from tests.crm_simulate_rules import PLACEMENT, Rule, fewest
from tests.random_cib import NOW

if TYPE_CHECKING:
    import pytest
    from lxml.etree import _Element as Element

    from ninefold.scheduler.constraints_location import _Target
    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.history import Story
    from ninefold.scheduler.workspace import Action, Node, Resource, Workspace
    from tests.crm_simulate import Answer

_REPLAY_ONE: Final = history._replay_one
_SUCCEEDED: Final = migration_history.succeeded
_CREATE_RECURRING: Final = recurring.create_recurring
_RULE_SCORES: Final = constraints_location._rule_scores
_ORDER: Final = orders.order
_UNPACK_ORDER: Final = ordering.unpack_order
_NOW_UNPROMOTED: Final = promotion._now_unpromoted
_WITH_NEEDS: Final = actions._with_needs
_CHOOSE: Final = assign.choose
_ACT: Final = actions.act


def explaining(root: Element, theirs: Answer) -> tuple[str, ...]:
    """Return the names of the rules that lead to the answer of 2.1.5 to a document; none if none do."""
    return tuple(rule.name for rule in fewest(KNOWN, root, NOW, theirs))


def _replay_one(work: Workspace, story: Story, entry: Entry) -> None:
    """Take one entry of a history into account, unless its time is over."""
    record = story.record
    if (
        entry.status == STATUS_PENDING
        and expiry_of(work, record.resource, record.node, entry, record.entries)
        and entry.rc != entry.expected_rc
    ):
        return
    _REPLAY_ONE(work, story, entry)


def _forget_what_is_pending(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(history, "_replay_one", _replay_one)


def _succeeded(work: Workspace, story: Story, entry: Entry) -> None:
    """Conclude from a successful migrate_to; nothing of its target if nothing is known there."""
    source, target = migration_history._ends(entry)
    node = work.node(target)
    known = node is None or not node.online or not migration_history._unknown_on(story, target)
    arrival = migration_history._find(story, target, "migrate_from", (source, target), None)
    if known or (
        arrival is not None and migration_history._newer_state(story, source, entry, None)
    ):
        _SUCCEEDED(work, story, entry)
    else:
        story.record.resource.role = Role.STARTED


def _stays_until_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(migration_history, "succeeded", _succeeded)


def _create_recurring(work: Workspace, resource: Resource) -> None:
    """Create the recurring operations of what runs on a node in maintenance as if it ran elsewhere."""
    kept = resource.maintenance
    asked = boolean(resource.meta.get("maintenance"), default=False)
    resource.maintenance = asked or work.options.maintenance_mode
    _CREATE_RECURRING(work, resource)
    resource.maintenance = kept


def _watch_in_maintenance(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(primitive, "create_recurring", _create_recurring)


def _order_neighbours(
    work: Workspace, first: tuple[Resource, str], then: tuple[Resource, str], relation: int
) -> None:
    """Order two points of a clone, but of groups, or instances that differ, neighbours only."""
    one, other = first[0], then[0]
    chained = one.variant is Variant.GROUP or one.unique
    instances = one.parent is not None and one.parent is other.parent
    if not (chained and instances) or abs(one.number - other.number) <= 1:
        _ORDER(work, first, then, relation)


def _order_groups_by_neighbours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(clone, "order", _order_neighbours)


def _unpack_order(work: Workspace, element: Element) -> None:
    """Read an order; one that names a tag or a template is made one of two sets."""
    names = element.get("first", ""), element.get("then", "")
    if element.find("resource_set") is not None or all(name in work.by_id for name in names):
        _UNPACK_ORDER(work, element)
        return
    whole = deepcopy(element)
    for name, side in zip(names, ("first", "then"), strict=True):
        one = SubElement(
            whole, "resource_set", id=f"{element.get('id')}-{side}", sequential="false"
        )
        if f"{side}-action" in element.attrib:
            one.set("action", element.attrib[f"{side}-action"])
        for member in constraints_location.expand(work, name):
            SubElement(one, "resource_ref", id=member.id)
    _UNPACK_ORDER(work, whole)


def _required_if_recurring(
    work: Workspace,
    resource: Resource,
    task: str,
    node: Node,
    *,
    optional: bool,
    interval_ms: int = 0,
) -> Action:
    """Return an action to be compared with what was done; a recurring one is to be begun anew."""
    begun = optional and not interval_ms
    return _ACT(work, resource, task, node, optional=begun, interval_ms=interval_ms)


def _watch_where_it_leaves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "act", _required_if_recurring)


def _make_sets_of_tags(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ordering, "unpack_order", _unpack_order)


def _manage_groups_by_themselves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(promotion, "_managed", lambda instance: instance.managed)


def _choose(
    work: Workspace, resource: Resource, prefer: Node | None, *, stop_if_fail: bool
) -> None:
    """Choose the node of a primitive; what is frozen shall have no higher role than now."""
    frozen = not work.quorate and work.options.no_quorum_policy == "freeze"
    if frozen and resource.next_role > resource.role:
        resource.next_role = resource.role
    _CHOOSE(work, resource, prefer, stop_if_fail=stop_if_fail)


def _freeze_roles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assign, "choose", _choose)


def _rule_scores(work: Workspace, rule: Element, target: _Target) -> dict[str, int]:
    """Return what a rule says of nodes, of alternatives with what each node has anyway."""
    found = _RULE_SCORES(work, rule, target)
    if rule.get("boolean-op") != "or":
        return found
    return {name: add(score, work.named[name].score) for name, score in found.items()}


def _add_scores_of_nodes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(constraints_location, "_rule_scores", _rule_scores)


def _started_stays_started(resource: Resource) -> None:
    """Take an instance for unpromoted if nothing in it is in another role than started."""
    if state_of(resource, current=True) is Role.STARTED:
        _NOW_UNPROMOTED(resource)


def _started_beside_promoted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(promotion, "_now_unpromoted", _started_stays_started)


def _keep_what_cannot_run(work: Workspace, action: Action, resource: Resource) -> None:
    """Let no action run again that could not run when its node was not known, while all is frozen."""
    could, why = action.runnable, action.why_not
    _WITH_NEEDS(work, action, resource)
    if not work.quorate and work.options.no_quorum_policy == "freeze" and not could:
        action.runnable, action.why_not = False, why


def _frozen_for_good(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(actions, "_with_needs", _keep_what_cannot_run)


KNOWN: Final = (
    *PLACEMENT,
    Rule(
        "order-in-a-cloned-group",
        "Ordered instances wait for all that come before them, also where one in between has nothing"
        " to do, as the recorded decisions do; 2.1.5 does so only where the instances are no groups and"
        " are all alike.",
        _order_groups_by_neighbours,
    ),
    Rule(
        "pending-and-expired",
        "What is still under way is no failure and does not expire with failure-timeout: it may run."
        " 2.1.5 forgets it and probes; we differ on purpose.",
        _forget_what_is_pending,
    ),
    Rule(
        "expired-tell-the-role",
        "A failure that has expired says nothing of the role of its resource any more, nor that it cannot"
        " be stopped; since 2.1.6 (expired failures shouldn't affect resource state).",
        expired_tell,
    ),
    Rule(
        "watched-where-it-leaves",
        "A recurring monitor whose failure has expired is begun anew where its resource stays; 2.1.5 begins"
        " it anew also where the resource is about to leave. No recorded decision tells.",
        _watch_where_it_leaves,
    ),
    Rule(
        "kind-without-provider",
        "An rsc_expression without provider holds for the agents of every provider, as one without class or"
        " type does; in 2.1.5 only for agents that have no provider. No recorded decision tells.",
        provider_is_told,
    ),
    Rule(
        "left-and-not-seen-to-arrive",
        "After a successful migrate_to to a node that is online and tells nothing of the resource, or only"
        " of operations that have not ended, 2.1.5 takes it to be at its source, and probes. By the"
        " specification a move that has not arrived is under way, and the resource may run at both ends."
        " No recorded decision tells.",
        _stays_until_seen,
    ),
    Rule(
        "watched-in-maintenance",
        "What runs on a node in maintenance is in maintenance itself, as recorded summaries show it; 2.1.5"
        " counts it as unmanaged, and watches it on another node where it may run as well.",
        _watch_in_maintenance,
    ),
    Rule(
        "role-frozen",
        "Without quorum and with `freeze`, 2.1.5 forgets a target role above the role of now, and rates an"
        " instance that is meant to be unpromoted. No recorded decision tells.",
        _freeze_roles,
    ),
    Rule(
        "rule-about-a-node-that-leaves",
        "A location with a rule adds its own score to a node; if its conditions are joined by `or`, 2.1.5"
        " adds the node's too, which is -INFINITY for one that is gone or leaves. Nothing can be put there"
        " either way.",
        _add_scores_of_nodes,
    ),
    Rule(
        "started-beside-the-promoted",
        "A member of a cloned group that has been started counts as unpromoted, as every instance does;"
        " in 2.1.5 not if another member of its instance is promoted, and the instance is never demoted.",
        _started_beside_promoted,
    ),
    Rule(
        "changed-while-frozen",
        "With no-quorum-policy=freeze what is running and has new parameters is restarted in its place;"
        " 2.1.5 stops it and cannot start it. We differ on purpose: what is frozen shall go on.",
        _frozen_for_good,
    ),
    Rule(
        "sets-of-tags",
        "An order that names a tag or a template is one for each of what that stands for. 2.1.5 makes it an"
        " order of sets, where clone-min and the constraint's require-all do not count. No recorded"
        " decision tells.",
        _make_sets_of_tags,
    ),
    Rule(
        "group-managed-by-itself",
        "An instance of a cloned group is managed if all its members are. In 2.1.5 it is if nothing is said"
        " of the group itself, and is rated for promotion then. No recorded decision tells.",
        _manage_groups_by_themselves,
    ),
)
