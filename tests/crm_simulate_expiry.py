"""What crm_simulate 2.1.5 concludes from failures that have expired: a rule to put in the place of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler import history
from ninefold.scheduler.actions import can_fence
from ninefold.scheduler.expiry import expiry_of
from ninefold.scheduler.history_outcome import STATUS_DONE, STATUS_ERROR, Outcome, judge
from ninefold.scheduler.words import Role

if TYPE_CHECKING:
    import pytest

    from ninefold.scheduler.entries import Entry
    from ninefold.scheduler.history import Story
    from ninefold.scheduler.workspace import Workspace


def expired_tell(patch: pytest.MonkeyPatch) -> None:
    """Let a failure that no longer counts say what role the resource has, and that it cannot be stopped."""
    replay_one = history._replay_one

    def told_first(work: Workspace, story: Story, entry: Entry) -> None:
        if _expired(work, story, entry):
            _tell(work, story, entry)
        replay_one(work, story, entry)

    patch.setattr(history, "_replay_one", told_first)


def _expired(work: Workspace, story: Story, entry: Entry) -> bool:
    record = story.record
    failed = entry.status in {STATUS_DONE, STATUS_ERROR} and entry.rc != entry.expected_rc
    return failed and expiry_of(work, record.resource, record.node, entry, record.entries)


def _tell(work: Workspace, story: Story, entry: Entry) -> None:
    resource = story.record.resource
    verdict = judge(resource, entry, expired=False)
    if verdict.role is Role.PROMOTED:
        resource.role = Role.PROMOTED
    hard = verdict.outcome is Outcome.HARD
    if hard and entry.task == "stop" and not can_fence(work, story.record.node):
        resource.managed = False
        resource.blocked = True
