"""The points around a clone's action at which its instances are told about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.record import Record

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action


class Notices(Record):
    """Before the action begins, and after it has ended; each with the point where all know."""

    task: str
    pre: Action | None = None
    pre_done: Action | None = None
    post: Action | None = None
    post_done: Action | None = None
