"""What a live cluster does about a document: the policy engine's answer, and what that had better wait for.

A function of the document and the time, as the engine is. So whoever guards against a failure of the engine
guards against one of these additions by the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.controller.caution import cautious
from ninefold.controller.departures import departures, source_first
from ninefold.scheduler import schedule

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.core.instants import WallSeconds
    from ninefold.scheduler.model import Transition


def decide(cib: Cib, now: WallSeconds) -> Transition:
    """Return what is to be done about `cib`, and in which order."""
    return source_first(cautious(schedule(cib, now)), departures(cib))
