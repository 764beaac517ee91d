"""What a scenario may expect of a lab: the sentences of `sim.expectations`, asked of real hosts.

What a virtual world knows at once is seen here a moment later; so each expectation is given `SLACK_S` more
than its text says.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.api.client import DoorClosedError, RefusedError
from ninefold.cib.document import Cib
from ninefold.cli.lab_stage import LOOK_S, SLACK_S
from ninefold.sim.words import StageError, Unmet, Words, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.cli.lab_stage import LabStage

Demand: TypeAlias = "Callable[[LabStage, Words], None]"


def demand(stage: LabStage, words: Words) -> None:
    """Check one expectation; raise `Unmet` if it does not come to hold in time."""
    limit_s = SLACK_S
    if words[:1] == ["within"]:
        limit_s += duration(words[1]) / 1000
        words = words[2:]
    check = DEMANDS[name_of(words)]
    end = time.monotonic() + limit_s
    while True:
        try:
            check(stage, words)
        except Unmet:
            if time.monotonic() > end:
                raise
        else:
            return
        time.sleep(LOOK_S)


def name_of(words: Words) -> str:
    """Return which demand a sentence is; `StageError` if it is none."""
    rest = words[2:] if words[:1] == ["within"] else words
    for name in DEMANDS:
        if name in rest[:2]:
            return name
    known = ", ".join(sorted([*DEMANDS, "within"]))
    raise StageError(f"expect knows {known}; this is none of them: {' '.join(words)!r}")


def _on(stage: LabStage, words: Words) -> None:
    where = stage.where(words[0])
    if where != sorted(words[2:]):
        raise Unmet(f"{words[0]} runs on {', '.join(where) or 'no node'}")


def _nowhere(stage: LabStage, words: Words) -> None:
    if where := stage.where(words[0]):
        raise Unmet(f"{words[0]} runs on {', '.join(where)}")


def _fenced(stage: LabStage, words: Words) -> None:
    fenced = [fencing.target for fencing in stage.stage.fencings() if fencing.ok]
    wanted = [] if words[1:] == ["nobody"] else words[1:]
    if fenced != wanted:
        raise Unmet(f"fenced so far: {', '.join(fenced) or 'nobody'}")


def _acknowledged(stage: LabStage, _: Words) -> None:
    if not stage.reply.ok:
        raise Unmet(f"the answer was: {stage.reply.text}")


def _refused(stage: LabStage, words: Words) -> None:
    reply = stage.reply
    if reply.ok or not reply.code or (words[1:] and words[1] != reply.code):
        raise Unmet(f"the answer was: {reply.code} {reply.text}")


def _property(stage: LabStage, words: Words) -> None:
    name, _, value = words[1].partition("=")
    found = None
    with suppress(DoorClosedError, RefusedError, OSError):
        document, _ = Cib.parse(stage.stage.client(stage.host(words[3]).name).cib()["xml"])
        found = None if document is None else document.property(name, "")
    if found != value:
        raise Unmet(f"{words[3]} has {name}={found!r}")


def _members(stage: LabStage, words: Words) -> None:
    wanted = [stage.host(name).name for name in words[1:]]
    for name, status in stage.statuses().items():
        members = [node["name"] for node in status["nodes"] if node["member"]]
        if name in wanted and members != wanted:
            raise Unmet(f"{name} is in a ring of {', '.join(members)}")


def _one_key(stage: LabStage, words: Words) -> None:
    used = set()
    for name in words[1:]:
        keys = None
        with suppress(DoorClosedError, RefusedError, OSError):
            told = stage.stage.client(stage.host(name).name).statistics()
            # Of a Corosync's ring there is nothing to tell.
            keys = (told["ring"] or {}).get("keys")
        if keys is None or keys["under_way"]:
            raise Unmet(f"{name} has {keys}")
        used.add(keys["active"])
    if len(used) != 1:
        raise Unmet(f"they send under {', '.join(sorted(used))}")


DEMANDS: Final[dict[str, Demand]] = {
    "fenced": _fenced,
    "acknowledged": _acknowledged,
    "refused": _refused,
    "property": _property,
    "members": _members,
    "one-key": _one_key,
    "nowhere": _nowhere,
    "on": _on,
}
