"""The same as Debian's crm_simulate (2.1) for random remote nodes, guests and bundles, where it is installed.

Not only the actions are compared, but also the order among them. What 2.1 does in another
way than later versions is left out of the documents (see `tests/connections_world.py`). Where the
field's transition waits for itself, ours does not, and says so: such documents are passed over.
`make differential` tries a thousand seeds.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.connections_world import NOW, made
from tests.crm_simulate import INSTALLED, WHY_NOT, field_answer, our_answer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not INSTALLED, reason=WHY_NOT)

SEEDS = int(os.environ.get("CONNECTIONS_SEEDS", "60"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_reached_through_connections(tmp_path: Path, seed: int) -> None:
    root = made(Random(seed))

    theirs = field_answer(root, tmp_path, NOW)
    ours, warnings = our_answer(root, NOW)

    if any("a cycle" in warning for warning in warnings):
        return
    assert ours.actions == theirs.actions
    assert ours.order == theirs.order
