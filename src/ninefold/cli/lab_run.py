"""`ninefold lab run`: the text of a scenario, played by real daemons on hosts of this machine."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ninefold.cli.lab_demands import demand, name_of
from ninefold.cli.lab_stage import LabStage, Unsafe
from ninefold.cli.lab_verbs import ACTIONS, refusal
from ninefold.cli.out import USAGE, console, fail
from ninefold.core.durations import millis
from ninefold.lab.errors import LabError
from ninefold.sim.outlook import status_lines
from ninefold.sim.scenario import DASHES, ScenarioError, read
from ninefold.sim.verbs import DEFINITIONS
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ninefold.sim.scenario import Block

# Actions that a scenario may begin with: they are done while the hosts boot.
AT_ONCE: Final = ("fence-device", "keep-off", "patience")


def run(
    file: Annotated[Path, typer.Argument(help="A scenario.", metavar="FILE", exists=True)],
    name: Annotated[str, typer.Option("--name", help="The lab's name.")] = "scenario",
) -> None:
    """Play a scenario on hosts of this machine; end with 1 if an expectation or a promise fails."""
    try:
        blocks = read(file.read_text(encoding="utf-8"))
    except ScenarioError as error:
        fail(str(error), USAGE)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}", USAGE)
    if refused := check(blocks):
        fail("\n".join([f"{file} cannot be played in a lab:", *refused]), USAGE)
    try:
        play(blocks, name, lambda line: console.print(line, markup=False))
    except (StageError, Unsafe, LabError) as error:
        fail(str(error))


def check(blocks: Sequence[Block]) -> list[str]:
    """Return every command that a lab cannot carry out, by line, with the reason."""
    found = []
    for index, block in enumerate(blocks):
        for number, command in block.commands:
            reason = _reason(command, first=index == 0)
            if reason:
                found.append(f"line {number}: {command}: {reason}")
    return found


def _reason(command: str, *, first: bool) -> str:
    verb, *words = command.split()
    if verb == "expect":
        try:
            name_of(words)
        except StageError as error:
            return str(error)
        return _no_time(words[1]) if words[0] == "within" else ""
    if verb == "clone":
        return "the lab's own agent cannot be promoted, and its checkers expect one instance of it"
    if verb in DEFINITIONS:
        return "" if first else f"{verb} must come before the first row of dashes"
    if verb not in ACTIONS:
        known = ", ".join(sorted([*DEFINITIONS, *ACTIONS, "expect"]))
        return refusal(command) or f"there is no command {verb!r}. There are: {known}"
    if first and verb not in AT_ONCE:
        return (
            "the lab's hosts boot all together at the first row of dashes; nothing can come before"
        )
    return refusal(command)


def _no_time(word: str) -> str:
    return "" if millis(word) is not None else f"{word!r} is no length of time; write 30s or 500ms"


def play(blocks: Sequence[Block], name: str, tell: Callable[[str], None]) -> None:
    """Play all blocks, and tell the text with what really happened below each row of dashes.

    `StageError` names the line whose command or expectation failed; `Unsafe` says which promise was broken.
    """
    with LabStage(name) as stage:
        for index, block in enumerate(blocks):
            for written in block.written:
                tell(written)
            commands = block.commands
            if index == 0:
                shape = [line for line in commands if line[1].split()[0] in DEFINITIONS]
                _carry_out(stage, shape)
                stage.begin()
                commands = [line for line in commands if line not in shape]
            _carry_out(stage, commands)
            if index == 0:
                stage.settle()
            stage.watch()
            tell(DASHES)
            for line in [*stage.told(), *outlook(stage), ""]:
                tell(line)


def _carry_out(stage: LabStage, commands: Sequence[tuple[int, str]]) -> None:
    for number, command in commands:
        try:
            _do(stage, command)
        except (StageError, Unsafe) as error:
            story = "\n".join(stage.told())
            raise type(error)(f"line {number}: {command}: {error}\n{story}") from error


def _do(stage: LabStage, command: str) -> None:
    verb, *words = command.split()
    if verb == "expect":
        demand(stage, words)
    elif verb in DEFINITIONS:
        DEFINITIONS[verb](stage, words)
    else:
        ACTIONS[verb](stage, words)


def outlook(stage: LabStage) -> list[str]:
    """Return what runs where by the hosts' own signs, and everything that is not well."""
    where = {service: stage.where(service) for service in stage.observer.services}
    runs = "; ".join(
        f"{service} on {', '.join(hosts)}" for service, hosts in where.items() if hosts
    )
    lines = [f"  => {runs or 'nothing runs'}"]
    told: list[str] = []
    for status in stage.statuses().values():
        if status["ring"] not in told:
            told.append(status["ring"])
            lines += status_lines(status)
    return lines
