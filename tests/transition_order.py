"""What waits for what in a transition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninefold.scheduler.model import Action, Transition


def awaited(transition: Transition, key: str, node: str = "") -> list[Action]:
    """Return all that the actions `key` (on `node`) wait for, directly or not; there must be one."""
    todo = [a for a in transition.actions if a.key == key and node in {"", a.node}]
    assert todo, key
    return all_before(transition, *todo)


def all_before(transition: Transition, *later: Action) -> list[Action]:
    """Return all that any of these actions waits for, directly or not."""
    by_id = {action.id: action for action in transition.actions}
    todo = list(later)
    found: dict[int, Action] = {}
    while todo:
        for number in todo.pop().inputs:
            if number not in found:
                found[number] = by_id[number]
                todo.append(by_id[number])
    return list(found.values())
