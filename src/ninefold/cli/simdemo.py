"""The demo's story in the virtual world, for hosts whose kernel permits no namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.drill.failover import FailoverReport, Seen


def simulated_failover(
    nodes: int, token_ms: int | None, token_coefficient_ms: int | None
) -> tuple[FailoverReport, list[Seen]]:
    """Crash the active host of the lab's default cluster in virtual time."""
    raise AssertionError((nodes, token_ms, token_coefficient_ms))
