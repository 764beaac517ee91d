"""The same as Debian's crm_simulate (2.1.5) for random clusters of every feature, where it is installed.

All actions are compared, the order among them, and the scores. `make differential` tries a hundred
seeds of each feature; what 2.1.5 is known to do otherwise is in `tests/crm_simulate_known.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crm_simulate import INSTALLED, WHY_NOT
from tests.crm_simulate_known import KNOWN
from tests.differential import Verdict, compared, drawn, judged
from tests.random_cib_features import FEATURES
from tests.random_cib_remote import REMOTE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not INSTALLED, reason=WHY_NOT)

# Of each feature alone, and as many of it among others; a document takes a thirtieth of a second.
SEEDS = range(4)
# A document for each known difference, with others mixed in or not. If what a feature puts into a
# document changes, `make differential` gives another example.
EXAMPLES = (
    ("optional-among-mandatory", "colocations", 20, True),
    ("weighed-by-the-last-score", "health", 1, True),
    ("apart-from-the-banned", "unknown", 4, True),
    ("lists-of-parts", "rules", 2, True),
    ("instances-shuffled", "wishes", 11, True),
    ("bundles-told-again", "bundles", 10, False),
    ("order-in-a-cloned-group", "clones", 90, False),
    ("pending-and-expired", "failures", 7, True),
    ("expired-tell-the-role", "histories", 27, True),
    ("watched-where-it-leaves", "orphans", 62, True),
    ("kind-without-provider", "defaults", 3, False),
    ("left-and-not-seen-to-arrive", "migration", 46, True),
    ("watched-in-maintenance", "colocation-sets", 84, True),
    ("role-frozen", "promotable", 37, True),
    ("rule-about-a-node-that-leaves", "rules", 3, True),
    ("started-beside-the-promoted", "promotable-groups", 99, False),
    ("changed-while-frozen", "digests", 7, True),
    ("sets-of-tags", "unique", 78, True),
    ("group-managed-by-itself", "promotable-groups", 97, True),
)


@pytest.mark.parametrize("feature", [*FEATURES, *REMOTE])
def test_nothing_but_known_differences(feature: str) -> None:
    verdicts = judged(feature, SEEDS)

    assert "\n\n".join(one.problem for one in verdicts if one.problem) == ""
    assert sum(one == Verdict(one.document) for one in verdicts) > len(SEEDS)


@pytest.mark.parametrize(("name", "feature", "seed", "mixed"), EXAMPLES)
def test_known_difference_is_needed_for_the_other_answer(
    name: str, feature: str, seed: int, mixed: bool, tmp_path: Path
) -> None:
    document, title = drawn(feature, seed, mixed=mixed)

    verdict = compared(document, title, tmp_path)

    assert name in verdict.explained


def test_every_known_difference_has_an_example() -> None:
    assert [one[0] for one in EXAMPLES] == [known.name for known in KNOWN]
