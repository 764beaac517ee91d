"""What a scenario may demand: sentences that are silent when they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.core.durations import millis
from ninefold.sim.checkers import Violation
from ninefold.sim.words import StageError, Unmet
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.sim.stage import Stage


def demand(stage: Stage, words: list[str]) -> None:
    """Check one expectation; raise `Unmet` if it does not hold."""
    for name, check in EXPECTATIONS.items():
        if name in words[:2]:
            check(stage, words)
            return
    known = ", ".join(sorted(EXPECTATIONS))
    raise StageError(f"expect knows {known}; this is none of them: {' '.join(words)!r}")


def _on(stage: Stage, words: list[str]) -> None:
    """`expect db on node2`."""
    where = stage.world.where(words[0])
    if where != sorted(words[2:]):
        raise Unmet(f"{words[0]} runs on {where or 'no node'}")


def _promoted(stage: Stage, words: list[str]) -> None:
    """`expect db promoted on node2`, `expect db promoted nowhere`."""
    where = stage.world.promoted(words[0])
    if where != sorted(words[3:]):
        raise Unmet(f"{words[0]} is promoted on {where or 'no node'}")


def _nowhere(stage: Stage, words: list[str]) -> None:
    """`expect db nowhere`."""
    where = stage.world.where(words[0])
    if where:
        raise Unmet(f"{words[0]} runs on {where}")


def _fenced(stage: Stage, words: list[str]) -> None:
    """`expect fenced nobody`, `expect fenced node2`, `expect fenced node2 node1`: in that order."""
    fenced = [name for _, action, name in stage.world.fences if action != "on"]
    wanted = [] if words[1:] == ["nobody"] else words[1:]
    if fenced != wanted:
        raise Unmet(f"fenced so far: {', '.join(fenced) or 'nobody'}")


def _within(stage: Stage, words: list[str]) -> None:
    """`expect within 5s db on node2`: let time pass until it holds."""
    limit, rest = millis(words[1]) or 0, words[2:]
    began = stage.world.now

    def holds() -> bool:
        try:
            demand(stage, rest)
        except Unmet:
            return False
        return True

    if not stage.world.advance_until(holds, limit, step=10):
        try:
            demand(stage, rest)
        except Unmet as error:
            raise Unmet(f"not within {words[1]} since {began} ms: {error}") from error


def _acknowledged(stage: Stage, _: list[str]) -> None:
    """`expect acknowledged`: what was asked last."""
    ok, text = stage.last_answer
    if not ok:
        raise Unmet(f"the answer was: {text}")


def _refused(stage: Stage, words: list[str]) -> None:
    """`expect refused no-quorum`: what was asked last, with that code."""
    ok, text = stage.last_answer
    if ok or (words[1:] and f'"{words[1]}"' not in text):
        raise Unmet(f"the answer was: {text}")


def _attribute(stage: Stage, words: list[str]) -> None:
    """`expect property NAME=VALUE at node2`: in that node's document."""
    name, _, value = words[1].partition("=")
    host = stage.host(words[3])
    if host.node is None:
        raise Unmet(f"{host.name} has no daemon")
    found = host.node.controller.replica.authority.property(name, "")
    if found != value:
        raise Unmet(f"{host.name} has {name}={found!r}")


def _members(stage: Stage, words: list[str]) -> None:
    """`expect members node1 node3`: each of them is in a ring of just these."""
    wanted = tuple(stage.host(name).id for name in words[1:])
    rings = stage.world.partitions()
    for name in words[1:]:
        if rings.get(name) != wanted:
            raise Unmet(
                f"{name} is in a ring of {rings[name]}"
                if name in rings
                else f"{name} has no daemon"
            )


def _one_key(stage: Stage, words: list[str]) -> None:
    """`expect one-key node1 node2`: they hold a single key, the same, on their disks and in use."""
    held = {name: stage.host(name).disk.keys for name in words[1:]}
    told = "; ".join(f"{name} has {keys}" for name, keys in held.items())
    if any(len(keys.accepted) != 1 for keys in held.values()) or len(set(held.values())) != 1:
        raise Unmet(told)
    for name, keys in held.items():
        node = stage.host(name).node
        if node is not None and isinstance(node.stack, Stack) and node.stack.rotation.keys != keys:
            raise Unmet(f"{name} uses {node.stack.rotation.keys}, and has on its disk {keys}")


def _violation(stage: Stage, words: list[str]) -> None:
    """`expect violation within 30s db started on 3`: a promise is broken, as a device that lies can break it.

    The checkers must say so, in these words. Nothing can follow but a look at how things stand.
    """
    limit = millis(words[2]) if words[1:2] == ["within"] and words[3:] else None
    if limit is None:
        raise StageError("write: expect violation within TIME WORDS OF THE CHECKER")
    said = " ".join(words[3:])
    try:
        stage.world.advance(limit)
    except Violation as violation:
        if said not in str(violation):
            raise
        stage.world.say("checkers", "violation", str(violation))
        return
    raise Unmet(f"no checker said {said!r}")


EXPECTATIONS: Final[dict[str, Callable[[Stage, list[str]], None]]] = {
    "violation": _violation,
    "within": _within,
    "fenced": _fenced,
    "acknowledged": _acknowledged,
    "refused": _refused,
    "property": _attribute,
    "members": _members,
    "promoted": _promoted,
    "one-key": _one_key,
    "nowhere": _nowhere,
    "on": _on,
}
