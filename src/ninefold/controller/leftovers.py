"""Does anybody stop what was removed while it runs?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.scheduler.words import boolean

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId


def left_alone(cib: Cib, node: NodeId) -> bool:
    """Whether what was removed and runs on a node is left to run: in maintenance, or where nobody is to stop such."""
    stops = cib.property("stop-removed-resources") or cib.property("stop-orphan-resources")
    if boolean(cib.property("maintenance-mode"), default=False) or not boolean(stops, default=True):
        return True
    return any(
        pair.get("name") == "maintenance" and boolean(pair.get("value"), default=False)
        for entry in cib.configuration.iterfind("nodes/node")
        if entry.get("id") == str(node)
        for pair in entry.iterfind("instance_attributes/nvpair")
    )
