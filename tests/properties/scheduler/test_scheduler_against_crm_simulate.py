"""The same as Debian's crm_simulate (2.1.5) for random clusters of every feature, where it is installed.

All actions are compared, the order among them, and the scores. `make differential` tries a hundred
seeds of each feature; what 2.1.5 is known to do otherwise is in `tests/crm_simulate_known.py`.
"""

from __future__ import annotations

import pytest

from tests.crm_simulate import INSTALLED, WHY_NOT
from tests.differential import Verdict, judged
from tests.random_cib_features import FEATURES

pytestmark = pytest.mark.skipif(not INSTALLED, reason=WHY_NOT)

# Of each feature alone, and as many of it among others; a document takes a thirtieth of a second.
SEEDS = range(4)


@pytest.mark.parametrize("feature", FEATURES)
def test_nothing_but_known_differences(feature: str) -> None:
    verdicts = judged(feature, SEEDS)

    assert "\n\n".join(one.problem for one in verdicts if one.problem) == ""
    assert sum(one == Verdict(one.document) for one in verdicts) > len(SEEDS)
