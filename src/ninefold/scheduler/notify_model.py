"""The points around a clone's action at which its instances are told about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.scheduler.workspace import Action


@dataclass(slots=True, eq=False)
class Notices:
    """Before the action begins, and after it has ended; each with the point where all know."""

    task: str
    pre: Action | None = None
    pre_done: Action | None = None
    post: Action | None = None
    post_done: Action | None = None
