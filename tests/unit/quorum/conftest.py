"""The same ideal ring for every test of quorum."""

from __future__ import annotations

import pytest

from tests.quorum_world import QuorumCluster


@pytest.fixture(scope="session")
def cluster_of() -> type[QuorumCluster]:
    return QuorumCluster
