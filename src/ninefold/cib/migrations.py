"""What the document remembers of migrations: as long as it matters, and no longer.

A migration is a migrate_to on the source, a migrate_from on the target and a stop on the source. Between
them the resource may be on either node, and only these two entries say so; what happened on two nodes
can be put in order by their clocks alone, which may differ by hours. So the order is kept by what is there:

* when a migrate_to begins, all that is known of the resource on the target is forgotten (`begin`). What
  stands there afterwards was found out later, whatever its time says. Until then the target is a place where
  nobody knows what runs, to be looked at before the resource may start anywhere;
* when both ends have spoken since, or one has and the other is gone, the entries are dropped (`settled`):
  what each end knows of itself says it all, and an old migration must not be taken for news.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ninefold.cib import edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lxml.etree import _Element as Element

_SPEAKS: Final = ("start", "stop", "migrate_from")
_TOLD: Final = (*_SPEAKS, "monitor")


def begin(state: Element, resource: str) -> bool:
    """Forget what is known of a resource that is about to arrive; what is under way stays."""
    found = _history(state, resource)
    done = [] if found is None else [entry for entry in found if not _pending(entry)]
    for entry in done:
        edit.remove(entry)
    return bool(done)


def remembered(state: Element | None, resource: str, task: str) -> bool:
    """Whether a node's state still tells of a migration, done or under way."""
    history = None if state is None else _history(state, resource)
    found = None
    if history is not None:
        found = edit.find_by(history, "lrm_rsc_op", "id", f"{resource}_{task}_0")
    return found is not None


def settled(states: Mapping[int, Element], own: Callable[[int], Element]) -> bool:
    """Drop what is settled; `own` makes the state at a place one that may be changed."""
    dropped = False
    for place, entry in list(_migrations(states, "migrate_to")):
        if _departure_settled(states, states[place], entry):
            dropped = _drop(own(place), entry) or dropped
    for place, entry in list(_migrations(states, "migrate_from")):
        if _arrival_settled(states, states[place], entry):
            dropped = _drop(own(place), entry) or dropped
    return dropped


def _migrations(states: Mapping[int, Element], task: str) -> Iterator[tuple[int, Element]]:
    for place, state in states.items():
        for entry in state.iterfind(
            f"lrm/lrm_resources/lrm_resource/lrm_rsc_op[@operation='{task}']"
        ):
            if entry.get("migrate_target") and not _pending(entry):
                yield place, entry


def _departure_settled(states: Mapping[int, Element], state: Element, entry: Element) -> bool:
    resource = _resource_of(entry)
    history = _history(state, resource)
    assert history is not None
    if not any(_later(one, entry) and one.get("operation") in _SPEAKS for one in history):
        return False
    target = _named(states, entry.get("migrate_target", ""))
    if target is None or target.get("crmd") != "online":
        return True
    there = _history(target, resource)
    told = [] if there is None else [one for one in there if not _pending(one)]
    arrival = next((one for one in told if _same_pair(one, entry, "migrate_from")), None)
    if arrival is None:
        return any(one.get("operation") in _TOLD for one in told)
    return _good(arrival) or any(_changes_after(one, arrival) for one in told)


def _arrival_settled(states: Mapping[int, Element], state: Element, entry: Element) -> bool:
    """Whether a failed arrival is past: its node has spoken since, and no departure waits for it."""
    resource = _resource_of(entry)
    history = _history(state, resource)
    assert history is not None
    if _good(entry) or not any(_changes_after(one, entry) for one in history):
        return False
    source = _named(states, entry.get("migrate_source", ""))
    there = None if source is None else _history(source, resource)
    return there is None or not any(_same_pair(one, entry, "migrate_to") for one in there)


def _changes_after(one: Element, event: Element) -> bool:
    return one.get("operation") in ("start", "stop") and _later(one, event)


def _later(one: Element, event: Element) -> bool:
    """Whether `one` ended after `event` on the same node."""
    return not _pending(one) and _number(one) > _number(event)


def _drop(state: Element, entry: Element) -> bool:
    history = _history(state, _resource_of(entry))
    found = None
    if history is not None:
        found = edit.find_by(history, "lrm_rsc_op", "id", entry.get("id", ""))
    if found is None:
        return False
    edit.remove(found)
    return True


def _history(state: Element, resource: str) -> Element | None:
    parent = state.find("lrm/lrm_resources")
    return None if parent is None else edit.find_by(parent, "lrm_resource", "id", resource)


def _named(states: Mapping[int, Element], name: str) -> Element | None:
    return next((state for state in states.values() if state.get("uname") == name), None)


def _same_pair(one: Element, entry: Element, task: str) -> bool:
    ends = ("migrate_source", "migrate_target")
    return one.get("operation") == task and all(one.get(end) == entry.get(end) for end in ends)


def _resource_of(entry: Element) -> str:
    history = entry.getparent()
    assert history is not None
    return history.get("id", "")


def _good(entry: Element) -> bool:
    return entry.get("rc-code") == "0" and entry.get("op-status") == "0"


def _pending(entry: Element) -> bool:
    return entry.get("op-status") == "-1"


def _number(entry: Element) -> int:
    text = entry.get("call-id", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else -1
