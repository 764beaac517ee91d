"""The policy engine: one pure function from the cluster's document and a time to a transition.

Each action of the transition carries the reasons of the evaluation that decided it.
"""

from ninefold.scheduler.crowd import Crowd, Tie
from ninefold.scheduler.digests import operation_digest
from ninefold.scheduler.schedule import (
    Definition,
    definition,
    observe,
    observe_and_schedule,
    schedule,
    schedule_document,
)

__all__ = [
    "Crowd",
    "Definition",
    "Tie",
    "definition",
    "observe",
    "observe_and_schedule",
    "operation_digest",
    "schedule",
    "schedule_document",
]
