"""The clusters that system tests share: made once, brought to rest before each story."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import start
from ninefold.lab.plan import Settings
from tests.system.stories import Cluster, cib

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("node1", "node2", "node3")


@pytest.fixture(scope="session")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes with a token of one second: their stories are short."""
    if reason := start.permitted():
        pytest.skip(reason)
    file = tmp_path_factory.mktemp("three") / "cib.xml"
    file.write_text(cib(NAMES))
    settings = Settings(
        nodes=3, name=f"t{os.getpid()}-three", cib=str(file), token_ms=1000, token_coefficient_ms=0
    )
    with Cluster(settings) as cluster:
        yield cluster


@pytest.fixture
def cluster(three_nodes: Cluster) -> Cluster:
    """The three nodes at rest: all on, nothing cut, nothing failed, everything running."""
    three_nodes.rest()
    return three_nodes
