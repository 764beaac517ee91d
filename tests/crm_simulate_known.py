"""In what crm_simulate 2.1.5 is known to decide otherwise than later versions, or than we want to.

Each difference says of which documents it can be seen, and at what: whoever finds one that is not
explained here has found a defect. The reasons name the fix in Pacemaker's ChangeLog where one is
told there; the recorded decisions of later versions (`make corpus`) are what we follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from lxml.etree import _Element as Element

from ninefold.scheduler.scores import INFINITY, parse
from tests.crm_simulate import Answer
from tests.crm_simulate_rules import RULES, fewest
from tests.random_cib import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SUBJECT: Final = re.compile(r": (\S+) allocation score|^(\S+) (?:promotion|is inactive)")


class Case(msgspec.Struct, frozen=True):
    """A document that was answered in two ways, and the parts of the answers that differ."""

    root: Element
    ours: Answer
    theirs: Answer
    parts: frozenset[str]

    @property
    def touched(self) -> frozenset[str]:
        """The resources with other scores, instances by the name of what they are instances of."""
        lines = self.ours.scores ^ self.theirs.scores
        found = filter(None, map(_SUBJECT.search, lines))
        return frozenset((one[1] or one[2]).split(":")[0] for one in found)

    def children(self, path: str) -> frozenset[str]:
        """Return what is found at a path below the resources, with all that is in it."""
        found = self.root.iterfind(f"configuration/resources/{path}")
        return frozenset(
            one.get("id", "") for top in found for one in top.iter("clone", "group", "primitive")
        )


class Known(msgspec.Struct, frozen=True):
    """One difference: `seen` are the parts of an answer that may differ then, and nothing else."""

    name: str
    reason: str
    applies: Callable[[Case], bool]
    seen: frozenset[str]


def explaining(case: Case) -> tuple[str, ...]:
    """Return the names of the known differences that explain all of a case; none if they do not."""
    rules = fewest(RULES, case.root, NOW, case.theirs)
    if rules:
        return tuple(rule.name for rule in rules)
    for known in KNOWN:
        if case.parts <= known.seen and known.applies(case):
            return (known.name,)
    return ()


def _several_wishes(case: Case) -> bool:
    """Whether somebody has optional wishes of company besides other ones, direct or inherited."""
    pairs = list(_pairs(case.root))
    finite = [pair for pair in pairs if abs(pair[2]) < INFINITY]
    several = any(
        one is not other and set(one[:2]) & set(other[:2]) for one in finite for other in pairs
    )
    return several and _only_wishers(case, pairs)


def _apart_from_the_banned(case: Case) -> bool:
    """Whether somebody is not to be where one is that cannot be everywhere itself."""
    pairs = [pair for pair in _pairs(case.root) if pair[2] < 0]
    return bool(pairs) and _only_wishers(case, pairs)


def _only_wishers(case: Case, pairs: Sequence[tuple[str, str, int]]) -> bool:
    """Whether only those have other scores who are named in wishes of company, or are in them."""
    named = {name for pair in pairs for name in pair[:2]}
    found = {name for one in named for name in case.children(f"*[@id='{one}']")}
    return "scores" in case.parts and case.touched <= named | found


def _pairs(root: Element) -> Iterator[tuple[str, str, int]]:
    """Yield who shall be with whom and how much; members of a set are taken for one another's."""
    for wish in root.iterfind("configuration/constraints/rsc_colocation"):
        score = parse(wish.get("score"))
        refs = [ref.get("id", "") for ref in wish.iter("resource_ref")]
        for one in () if refs else _tagged(root, wish.get("rsc", "")):
            yield from ((one, other, score) for other in _tagged(root, wish.get("with-rsc", "")))
        for number, one in enumerate(refs):
            yield from ((one, other, score) for other in refs[number + 1 :])


def _tagged(root: Element, name: str) -> list[str]:
    """Return what a tag stands for; anything else stands for itself."""
    refs = root.iterfind(f"configuration/tags/tag[@id='{name}']/obj_ref")
    return [one.get("id", "") for one in refs] or [name]


def _instances_shuffled(case: Case) -> bool:
    """Whether only instances have other scores, and ours stops no more of them than theirs."""
    clones = case.children("clone")
    stops = [
        sum(1 for key in one.actions if "_stop_" in key and key.split(":")[0] in clones)
        for one in (case.ours, case.theirs)
    ]
    return "scores" in case.parts and case.touched <= clones and stops[0] <= stops[1]


def _ordered_cloned_group(case: Case) -> bool:
    ordered = "meta_attributes/nvpair[@name='ordered'][@value='true']"
    clones = case.root.iterfind("configuration/resources/clone")
    several = "meta_attributes/nvpair[@name='globally-unique'][@value='true']"
    return any(
        one.find(ordered) is not None
        and (one.find("group") is not None or one.find(several) is not None)
        for one in clones
    )


def _pending_and_expired(case: Case) -> bool:
    """Whether an operation has not ended for longer than the failures of its resource count.

    One that may run in two places is given no stickiness here, so its own scores may differ too.
    """
    waiting = {one.get("id", "") for one in case.root.iter("lrm_resource") if _pending(one)}
    forgotten = {
        one.get("id", "")
        for one in case.root.iter("primitive")
        if one.find("meta_attributes/nvpair[@name='failure-timeout']") is not None
    } & waiting
    return bool(forgotten) and case.touched <= forgotten


def _pending(history: Element) -> bool:
    return history.find("lrm_rsc_op[@op-status='-1']") is not None


def _left_and_not_seen_to_arrive(case: Case) -> bool:
    """Whether only those are treated otherwise who left for where nothing is known of them."""
    gone = {
        one.get("id", "")
        for one in case.root.iter("lrm_resource")
        for entry in one.iterfind("lrm_rsc_op[@operation='migrate_to'][@rc-code='0']")
        if not _known_on(case.root, entry.get("migrate_target", ""), one.get("id", ""))
    }
    differing = set(case.ours.actions) ^ set(case.theirs.actions)
    return bool(differing) and {key.rsplit("_", 2)[0] for key in differing} <= gone


def _known_on(root: Element, node: str, resource: str) -> bool:
    path = f"status/node_state[@uname='{node}']//lrm_resource[@id='{resource}']/lrm_rsc_op"
    return any(entry.get("rc-code") != "193" for entry in root.iterfind(path))


def _clone_with_unrunnable_probe(case: Case) -> bool:
    clones = case.children("clone")
    states = list(case.root.iterfind("status/node_state"))
    waiting = any(
        one.get("id") in clones and _pending(one) for s in states for one in s.iter("lrm_resource")
    )
    joining = any(s.get("crmd") == "online" and s.get("join") != "member" for s in states)
    return bool(clones) and (waiting or joining)


def _rule_about_a_node_that_leaves(case: Case) -> bool:
    locations = case.root.iterfind("configuration/constraints/rsc_location")
    named = {one.get("rsc", "") for one in locations if one.find("rule") is not None}
    inside = {name for one in named for name in case.children(f"*[@id='{one}']")}
    gone = any(
        state.get("crmd") == "offline" or state.find(".//nvpair[@name='shutdown']") is not None
        for state in case.root.iterfind("status/node_state")
    )
    return gone and case.touched <= named | inside


_ALL: Final = frozenset({"actions", "order", "scores"})
_NOT_SCORES: Final = frozenset({"actions", "order"})
_SCORES: Final = frozenset({"scores"})

KNOWN: Final = (
    Known(
        "several-wishes",
        "Optional colocations are considered after all mandatory ones, and what is carried over from"
        " one to the next is bounded, since 2.1.6 (honor as many mandatory colocations as possible"
        " before any optional ones; corner cases with colocations).",
        _several_wishes,
        _ALL,
    ),
    Known(
        "apart-from-the-banned",
        "Where one can only be in one place, that speaks for all others to those that avoid it; since"
        " 2.1.7 (compare anti-colocation dependent negative preferences against stickiness).",
        _apart_from_the_banned,
        _ALL,
    ),
    Known(
        "instances-shuffled",
        "An instance stays where it is if it can, and no node gets two of a cloned group; since 2.1.7"
        " (avoid shuffling clone instances unnecessarily; clone-node-max now works with cloned groups)."
        " Each try to place one prints its scores, so these differ even where the end is the same.",
        _instances_shuffled,
        _ALL,
    ),
    Known(
        "order-in-a-cloned-group",
        "Ordered instances wait for all that come before them, also where one in between has nothing"
        " to do, as the recorded decisions do; 2.1.5 does so only where the instances are no groups and"
        " are all alike.",
        _ordered_cloned_group,
        frozenset({"order"}),
    ),
    Known(
        "pending-and-expired",
        "What is still under way is no failure and does not expire with failure-timeout: it may run."
        " 2.1.5 forgets it and probes; we differ on purpose.",
        _pending_and_expired,
        _ALL,
    ),
    Known(
        "left-and-not-seen-to-arrive",
        "After a successful migrate_to to a node that knows nothing of the resource it may run at both"
        " ends, as while it moves; 2.1.5 leaves it at its source. No recorded decision tells; we take"
        " the careful way, which stops both.",
        _left_and_not_seen_to_arrive,
        frozenset({"actions"}),
    ),
    Known(
        "clone-with-unrunnable-probe",
        "An instance waits for the probe of another, and no running one is stopped for one that is"
        " pending; since 2.1.6 (prevent inactive clone instances from starting if probe is unrunnable"
        " on any node; prevent pending monitor of one clone instance from causing unexpected stop).",
        _clone_with_unrunnable_probe,
        _NOT_SCORES,
    ),
    Known(
        "rule-about-a-node-that-leaves",
        "A location with a rule adds its own score to a node; 2.1.5 adds the node's, which is -INFINITY"
        " for one that is gone or leaves. Nothing can be put there either way.",
        _rule_about_a_node_that_leaves,
        _SCORES,
    ),
)
