"""`python -m tests.differential SEEDS`: random clusters beside Debian's crm_simulate, by feature and mixed.

For each feature of `tests/random_cib_features.py` so many documents with it alone, and as many with
it and others; compared are all actions, the order among them, and all scores. Differences that
`tests/crm_simulate_known.py` explains are counted by name. Ends with 1 if any other is found.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import msgspec

from tests.crm_simulate import INSTALLED, WHY_NOT, Endless, field_answer, our_answer, says_invalid
from tests.crm_simulate_known import KNOWN, explaining
from tests.random_cib import NOW, Draft
from tests.random_cib_features import FEATURES
from tests.random_cib_rarer import EVERY
from tests.random_cib_remote import REMOTE
from tests.random_cib_settings import SETTINGS

if TYPE_CHECKING:
    from lxml import etree

    from tests.crm_simulate import Answer

OTHERS_MAX = 3


class Verdict(msgspec.Struct, frozen=True):
    """What became of one document; `problem` is empty if all is the same or explained."""

    document: str
    explained: tuple[str, ...] = ()
    passed_over: str = ""
    problem: str = ""


def drawn(feature: str, seed: int, *, mixed: bool) -> tuple[etree._Element, str]:
    """Return a document with the feature, and its name."""
    # A seed of text is the same under every hash seed.
    chance = Random(f"{feature} {seed} {mixed}")
    chosen = {feature}
    if mixed:
        chosen |= set(chance.sample(_others(feature), chance.randint(1, OTHERS_MAX)))
    draft = Draft(chance)
    for name, put_in in EVERY.items():
        if name in chosen:
            put_in(draft)
    more = f" with {', '.join(sorted(chosen - {feature}))}" if len(chosen) > 1 else ""
    return draft.document(), f"{feature}, seed {seed}{more}"


def _others(feature: str) -> list[str]:
    """Return what a feature is mixed with: a document keeps its seed when rarer features are added."""
    if feature in FEATURES:
        return list(FEATURES)
    apart = (
        set() if feature in REMOTE else set(REMOTE) if feature in SETTINGS else {*REMOTE, *SETTINGS}
    )
    return [name for name in EVERY if name not in apart]


def compared(root: etree._Element, name: str, place: Path) -> Verdict:
    """Return how the two answers to a document differ."""
    try:
        theirs = field_answer(root, place, NOW)
    except Endless:
        return Verdict(name, passed_over="crm_simulate does not end")
    ours, warnings = our_answer(root, NOW)
    if any("a cycle" in warning for warning in warnings):
        # The field's transition waits for itself there; ours does not, and says so.
        return Verdict(name, passed_over="a cycle")
    differing = differences(ours, theirs)
    if not differing:
        return Verdict(name)
    explained = explaining(root, theirs)
    if explained:
        return Verdict(name, explained=explained)
    if says_invalid(root, place, NOW):
        return Verdict(name, passed_over="its own transition is invalid")
    lines = [f"  {part}: {line}" for part, found in differing.items() for line in found]
    return Verdict(name, problem="\n".join([name, *lines]))


def differences(ours: Answer, theirs: Answer) -> dict[str, list[str]]:
    """Return what only one of the answers has, by part; the order counts among the same actions."""
    found = {}
    if ours.actions != theirs.actions:
        mine, others = Counter(ours.actions), Counter(theirs.actions)
        found["actions"] = [f"ours alone: {one}" for one in (mine - others).elements()]
        found["actions"] += [f"theirs alone: {one}" for one in (others - mine).elements()]
    elif ours.order != theirs.order:
        found["order"] = [
            f"ours alone: {a} before {b}" for a, b in sorted(ours.order - theirs.order)
        ]
        found["order"] += [
            f"theirs alone: {a} before {b}" for a, b in sorted(theirs.order - ours.order)
        ]
    if ours.scores != theirs.scores:
        found["scores"] = [f"ours alone: {one}" for one in sorted(ours.scores - theirs.scores)]
        found["scores"] += [f"theirs alone: {one}" for one in sorted(theirs.scores - ours.scores)]
    return found


def judged(feature: str, seeds: range) -> list[Verdict]:
    """Return the verdicts on the feature, alone and mixed."""
    with tempfile.TemporaryDirectory() as place:
        return [
            compared(*drawn(feature, seed, mixed=mixed), Path(place))
            for seed in seeds
            for mixed in (False, True)
        ]


def main() -> int:
    """Compare, print a table and every unexplained difference."""
    if not INSTALLED:
        sys.stdout.write(f"{WHY_NOT}\n")
        return 2
    seeds = range(int(sys.argv[1]))
    features = sys.argv[2:] or list(EVERY)
    with multiprocessing.Pool() as pool:
        parts = pool.starmap(judged, [(feature, seeds) for feature in features])
    sys.stdout.write(
        f"{'feature':<20}{'documents':>10}{'same':>8}{'known':>8}{'cycle':>8}{'other':>8}\n"
    )
    for feature, verdicts in zip(features, parts, strict=True):
        sys.stdout.write(f"{feature:<20}{_counts(verdicts)}\n")
    every = [one for verdicts in parts for one in verdicts]
    sys.stdout.write(f"{'all':<20}{_counts(every)}\n\n")
    for known in KNOWN:
        seen = [one.document for one in every if known.name in one.explained]
        example = f" For example: {seen[0]}." if seen else ""
        sys.stdout.write(f"{len(seen):>6}  {known.name}: {known.reason}{example}\n")
    problems = [one.problem for one in every if one.problem]
    sys.stdout.writelines(f"\n{one}\n" for one in problems)
    return 1 if problems else 0


def _counts(verdicts: list[Verdict]) -> str:
    known = sum(bool(one.explained) for one in verdicts)
    passed = sum(bool(one.passed_over) for one in verdicts)
    other = sum(bool(one.problem) for one in verdicts)
    same = len(verdicts) - known - passed - other
    return f"{len(verdicts):>10}{same:>8}{known:>8}{passed:>8}{other:>8}"


if __name__ == "__main__":
    sys.exit(main())
