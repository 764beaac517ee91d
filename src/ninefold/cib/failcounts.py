"""Transient node attributes, and the fail counts among them.

They stand in `<transient_attributes>` of a node's state and last until the node leaves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.cib import edit, views
from ninefold.cib.model import INFINITY

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from ninefold.cib.model import Operation
    from ninefold.core.instants import WallSeconds


# When a node was let in by the devices that ask for it, and with which.
UNFENCED: Final = "#node-unfenced"
UNFENCED_WITH: Final = "#digests-all"
# The same without their secrets: a document in which these are masked can be compared, too.
UNFENCED_WITH_OPENLY: Final = "#digests-secure"


def set_attribute(state: Element, name: str, value: str | None) -> bool:
    """Set or remove one transient attribute."""
    attributes = state.find("transient_attributes")
    if value is None:
        return attributes is not None and edit.drop_pair(attributes, "instance_attributes", name)
    node = state.get("id", "")
    attributes = edit.child(state, "transient_attributes", id=node)
    pairs = edit.pair_set(attributes, "instance_attributes", f"status-{node}")
    return edit.set_pair(pairs, name, value)


def forget_attributes(state: Element) -> bool:
    """Drop all transient attributes: the node has left, or starts anew."""
    found = state.findall("transient_attributes")
    for attributes in found:
        edit.remove(attributes)
    return bool(found)


def count_failure(state: Element, operation: Operation, at: WallSeconds, *, fatal: bool) -> bool:
    """Raise the fail count of an operation by one, or to INFINITY, and note when."""
    suffix = f"{operation.resource}#{operation.task}_{operation.interval_ms}"
    before = views.score(_value(state, f"fail-count-{suffix}"))
    after = INFINITY if fatal else min(INFINITY, max(0, before) + 1)
    text = "INFINITY" if after == INFINITY else str(after)
    # A recurring operation keeps `last_rc_change` while it fails again; `last_run` moves on.
    when = max(operation.last_rc_change, operation.last_run) or at
    raised = set_attribute(state, f"fail-count-{suffix}", text)
    return set_attribute(state, f"last-failure-{suffix}", str(when)) or raised


def forget_failures(state: Element, resources: tuple[str, ...] | None) -> bool:
    """Remove the fail counts of these resources, and of their instances; of all if `None`."""
    names = "|".join(map(re.escape, resources)) if resources is not None else ".+"
    pattern = re.compile(rf"(fail-count|last-failure)-({names})(:[0-9]+)?(#.*)?", re.DOTALL)
    found = [
        pair
        for pair in state.iterfind("transient_attributes/instance_attributes/nvpair")
        if pattern.fullmatch(pair.get("name", ""))
    ]
    for pair in found:
        edit.remove(pair)
    return bool(found)


def _value(state: Element, name: str) -> str:
    for pair in state.iterfind("transient_attributes/instance_attributes/nvpair"):
        if pair.get("name") == name:
            return pair.get("value", "")
    return ""
