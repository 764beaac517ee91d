"""Recorded operations as read from the status section, and their order in time."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Final

from ninefold.scheduler.record import Record
from ninefold.scheduler.words import integer, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml.etree import _Element as Element

_STATES: Final = frozenset({"start", "stop", "migrate_to", "migrate_from"})


class Entry(Record):
    """One `<lrm_rsc_op>`; times in epoch seconds, -1 where a number is missing."""

    element: Element
    id: str
    task: str
    interval_ms: int
    call_id: int
    rc: int
    status: int
    expected_rc: int
    transition: int
    owner: str
    last_rc_change: int
    key: str
    reschedule: bool = False

    @property
    def probe(self) -> bool:
        """Whether it asked what is there, once."""
        return self.task == "monitor" and self.interval_ms == 0

    @property
    def found_nothing(self) -> bool:
        """Whether it is a probe that ended as expected: nothing runs there."""
        return self.rc == 7 == self.expected_rc and self.status == 0 and self.probe


def read_entry(element: Element) -> Entry:
    """Read one operation."""
    get = element.get
    try:
        # As Pacemaker writes them; whatever is missing or no number is read with more patience.
        _, transition, target, owner, *_rest = get("transition-key", "").split(":")
        return Entry(
            element,
            get("id", ""),
            get("operation", ""),
            int(get("interval", "")),
            int(get("call-id", "")),
            int(get("rc-code", "")),
            int(get("op-status", "")),
            int(target),
            int(transition),
            owner,
            int(get("last-rc-change", "-1")),
            get("operation_key", ""),
        )
    except ValueError:
        return _read_patiently(element)


def _read_patiently(element: Element) -> Entry:
    task = element.get("operation") or ""
    key = (element.get("transition-key") or "").split(":")
    numbers = [integer(part, -1) for part in key[:3]]
    numbers += [-1] * (3 - len(numbers))
    interval = element.get("interval") or ""
    return Entry(
        element=element,
        id=element.get("id") or "",
        task=task,
        interval_ms=integer(interval, milliseconds(interval)),
        call_id=integer(element.get("call-id"), 0),
        rc=integer(element.get("rc-code"), -1),
        status=integer(element.get("op-status"), -2),
        expected_rc=numbers[2],
        transition=numbers[1],
        owner=key[3] if len(key) > 3 else "",
        last_rc_change=integer(element.get("last-rc-change"), -1),
        key=element.get("operation_key") or "",
    )


def in_order(elements: Iterable[Element]) -> list[Entry]:
    """Return the operations of one resource on one node, oldest first."""
    entries = [read_entry(element) for element in elements]
    if len(entries) > 1:
        entries.reverse()
        entries.sort(key=cmp_to_key(_compare_on_node))
    return entries


def _compare_on_node(left: Entry, right: Entry) -> int:
    return compare(left, right, same_node=True)


def compare(left: Entry, right: Entry, *, same_node: bool) -> int:
    """Whether `left` was before (-1), after (1) or at the same time as `right`, as far as known."""
    if left.id == right.id and same_node:
        return 0
    if same_node and left.call_id >= 0 and right.call_id >= 0:
        if left.call_id != right.call_id:
            return -1 if left.call_id < right.call_id else 1
        # The same call again: a recurring operation whose result changed.
        return _by_time(left, right)
    if not same_node:
        return _by_time(left, right)
    if left.owner != right.owner or left.transition == right.transition:
        # A call still pending is the newest there can be.
        if right.call_id == -1:
            return -1 if left.call_id != -1 else 0
        return 1 if left.call_id == -1 else 0
    if (0 <= left.transition < right.transition) or right.transition == -1:
        return -1
    return 1


def _by_time(left: Entry, right: Entry) -> int:
    if left.last_rc_change < 0 or right.last_rc_change < 0:
        # Nobody wrote down when it was: neither counts as the newer one.
        return 0
    gap = left.last_rc_change - right.last_rc_change
    return (gap > 0) - (gap < 0)


def changes_state_after(entries: list[Entry], event: Entry, *, same_node: bool) -> bool:
    """Whether anything but a monitor happened after `event`."""
    return any(
        one.task in _STATES and compare(one, event, same_node=same_node) > 0 for one in entries
    )


def found_stopped_after(entries: list[Entry], event: Entry, *, same_node: bool) -> bool:
    """Whether a monitor after `event` found nothing running."""
    return any(
        one.task == "monitor" and one.rc == 7 and compare(one, event, same_node=same_node) > 0
        for one in entries
    )


def active_span(entries: list[Entry]) -> tuple[int, int]:
    """Return where the current run begins and where the last stop is, -1 for nowhere."""
    start = stop = implied_monitor = implied_role = -1
    for number, entry in enumerate(entries):
        if entry.task == "stop" and entry.status == 0:
            stop = number
        elif entry.task in {"start", "migrate_from"}:
            start = number
        elif entry.task == "monitor" and implied_monitor <= stop:
            if entry.rc in {0, 8}:
                implied_monitor = number
        elif entry.task in {"promote", "demote"}:
            implied_role = number
    if start == -1:
        start = implied_role if implied_role != -1 else implied_monitor
    return start, stop
