"""Play a scenario: commands, dashes, and below them what really happened.

    # A comment.
    cluster nodes=3 token=1000
    resource db on=2
    ----
    (what was printed; `play` puts in its place what it sees)

    crash node2
    advance 10s
    ----

A scenario is blocks of commands, each ended by a row of dashes; what follows the dashes up to an
empty line is the story of that block. The cluster is switched on at the end of the first block. The
checkers watch all the time: a scenario that violates a safety property does not end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.sim.checkers import Violation
from ninefold.sim.stage import Stage
from ninefold.sim.telling import tell
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from ninefold.sim.world import Line

DASHES: Final = "----"


class ScenarioError(Exception):
    """A command of a scenario cannot be carried out; the message names line, trouble and remedy."""


class Block(msgspec.Struct):
    """Commands with their line numbers, as they were written."""

    written: list[str] = []
    commands: list[tuple[int, str]] = []


def play(text: str) -> str:
    """Return `text` with what really happened below each row of dashes.

    Raise `ScenarioError` for a command that is none or whose expectation does not hold.
    """
    stage = Stage()
    played = []
    for block in read(text):
        seen = stage.mark()
        for number, command in block.commands:
            try:
                stage.do(command)
            except StageError as error:
                story = "\n".join(recent(stage))
                raise ScenarioError(f"line {number}: {command}: {error}\n{story}") from error
            except Violation as error:
                story = "\n".join(recent(stage))
                raise Violation(f"line {number}: {command}: {error}\n{story}") from error
        stage.end_of_block()
        played.append("\n".join([*block.written, DASHES, *stage.told(seen)]) + "\n")
    return "\n".join(played)


def read(text: str) -> list[Block]:
    """Cut a scenario into its blocks; what was printed is left out."""
    blocks: list[Block] = []
    block, printed = Block(), False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.rstrip()
        if printed:
            printed = bool(line)
            continue
        if line == DASHES:
            blocks.append(block)
            block, printed = Block(), True
            continue
        block.written.append(line)
        command = line.partition("#")[0].strip()
        if command:
            block.commands.append((number, command))
    if block.commands:
        last = block.commands[-1]
        raise ScenarioError(
            f"line {last[0]}: {last[1]}: no dashes follow. Add a row of {DASHES!r}."
        )
    return blocks


def recent(stage: Stage, count: int = 40) -> list[str]:
    """Return the end of the story so far, for whoever must find out why it went wrong."""
    lines: list[Line] = stage.lines()[-count:]
    return tell(lines, 0)
