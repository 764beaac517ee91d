"""The command that would change what the engine noted: for each of its reasons, and for what blocks a resource.

Where no command of its own does it, the document is edited; where another resource decides, the command
asks for that one's explanation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.cib import views
from ninefold.forecast import causes
from ninefold.forecast.causes import CLEANUP, EDIT, RATE, edit, movable, plain

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Placement, Reason, Transition

QUORUM: Final = "bring more members back; ninefold status"
FENCING: Final = "ninefold status shows the fencing"

# code of the engine: what changes it; {r} is the resource, {m} what has to be named to move or stop it.
COMMANDS: Final[dict[str, str]] = {
    "failed": CLEANUP,
    "stop-failed": CLEANUP,
    "blocked": CLEANUP,
    "hard-error": CLEANUP,
    "migration-threshold": CLEANUP,
    "failed-stay-stopped": CLEANUP,
    "target-role": "ninefold resource start {m}",
    "wanted": "ninefold resource stop {m}",
    "stickiness": EDIT.format(what="resource-stickiness of {r}"),
    "role": RATE,
    "changed": EDIT.format(what="the parameters of {r}, back to those it was started with"),
    "agent-changed": EDIT.format(what="the agent of {r}, back to the one it was started with"),
    "multiply-active": EDIT.format(what="multiple-active of {r}"),
    "expired": EDIT.format(what="failure-timeout of {r}"),
    "removed": EDIT.format(what="the resources: add {r} again"),
    "instance-limit": EDIT.format(what="clone-max of {m}"),
    "shutdown-lock": "ninefold cib property shutdown-lock false",
    "implied": FENCING,
    "no-quorum": QUORUM,
}

_NODE_IS: Final = ("node-lost", "node-standby", "node-shutdown")


def of_reason(root: Element, transition: Transition, placement: Placement, one: Reason) -> str:
    """Return the command that would change a reason of the engine; "" if nothing does."""
    name, whole = plain(placement.resource), movable(root, placement.resource)
    if one.code in COMMANDS:
        return COMMANDS[one.code].format(r=name, m=whole)
    if one.code in _NODE_IS:
        return _node(root, transition, one.sentence.partition(" ")[0])
    if one.code == "required" and (found := re.match(r"\S+ of (\S+)", one.sentence)):
        return f"ninefold explain {plain(found[1])}"
    if one.code == "ticket" and (found := re.match(r"Ticket (\S+)", one.sentence)):
        return causes.grant(found[1])
    if one.code == "moved-for-score" and placement.nodes:
        alone = causes.moves_alone(root, placement.resource)
        kept = f"ninefold resource move {whole} {placement.nodes[0]}"
        return kept if alone else edit(f"the location constraints or the stickiness of {whole}")
    return managed(root, transition, placement) if one.code == "unmanaged" else ""


def of_block(root: Element, transition: Transition, placement: Placement) -> str:
    """Return the command that ends what blocks a resource, as far as one can."""
    words, name = placement.blocked, plain(placement.resource)
    if "no fence device" in words:
        return edit("the resources: add a primitive of class stonith")
    if "blocked after a failure" in words and len(placement.nodes) > 1:
        return f"stop it by hand on all nodes but one, then {CLEANUP.format(r=name)}"
    if "blocked after a failure" in words:
        return f"ninefold resource cleanup {movable(root, placement.resource)}"
    if "unfencing" in words:
        return "ninefold events shows whether its device switches it on"
    if "fenc" in words:
        return f"{FENCING}; ninefold node declare-dead NODE if it cannot succeed"
    if "not have quorum" in words:
        return QUORUM
    if "is unmanaged" in words:
        return managed(root, transition, placement)
    if found := re.search(r"enough of what (\S+) asks for", words):
        return edit(found[1])
    if found := re.search(r"(\S+) is (?:offline|still joining)", words):
        return _node(root, transition, found[1])
    # The last of a chain is the one to begin with.
    before = re.findall(r"for the \w+ of ([^ :,]+)", words)
    return f"ninefold explain {plain(before[-1])}" if before else ""


def _node(root: Element, transition: Transition, node: str) -> str:
    """Return the command that makes a node usable again."""
    for cause in causes.obstacles(root, transition, node):
        return cause.command
    connection = causes.remote_connection(root, node)
    return f"ninefold explain {connection}" if connection else "ninefold status"


def managed(root: Element, transition: Transition, placement: Placement) -> str:
    """Return the command that puts it into the cluster's hands again."""
    for view in transition.nodes:
        if view.maintenance and view.name in placement.nodes:
            return f"ninefold node unmaintenance {view.name}"
    tree = root.find("configuration")
    if tree is None:
        return ""
    if views.cluster_property(tree, "maintenance-mode", "false").lower() in causes.TRUE:
        return "ninefold cib property maintenance-mode"
    if views.cluster_property(tree, "is-managed-default", "true").lower() in causes.FALSE:
        return "ninefold cib property is-managed-default"
    return edit(f"is-managed and maintenance of {movable(root, placement.resource)}")
