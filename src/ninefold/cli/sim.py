"""`ninefold sim`: hunt for failures in simulated clusters, play one again, make one small."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ninefold.cli.out import REFUSED, USAGE, JsonFlag, complaints, console, fail, show_json
from ninefold.sim.checkers import Violation
from ninefold.sim.faults import Plan, make_plan
from ninefold.sim.scenario import ScenarioError, play
from ninefold.sim.shrink import ATTEMPTS_MAX, Shrinker, scenario
from ninefold.sim.telling import tell
from ninefold.sim.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

sim_app = typer.Typer(
    no_args_is_help=True,
    help="Hunt for failures in simulated clusters: the daemon's own code, virtual time and faults.",
)

# A worker plays so many seeds before it reports: often enough for a progress bar.
CHUNK: Final = 5

# A session's largest count; beyond it somebody has slipped on the keyboard.
SEEDS_MAX: Final = 10_000_000

NodesOption = Annotated[
    int | None, typer.Option("--nodes", min=2, max=32, help="Nodes, if not as the seed says.")
]
SeedArgument = Annotated[int, typer.Argument(min=0, help="The seed.")]


class Found(msgspec.Struct, frozen=True):
    """A seed that went wrong, and the whole of what the checkers say."""

    seed: int
    finding: str
    story: str


class Chunk(msgspec.Struct, frozen=True):
    """What a worker did: its seeds, their virtual time, and what went wrong."""

    seeds: int
    virtual_ms: int
    found: tuple[Found, ...]


def play_seeds(first: int, count: int, nodes: int | None) -> Chunk:
    """Play seeds one after the other."""
    # A world is one heap of cycles that goes all at once; collecting in between finds nothing.
    gc.disable()
    virtual_ms, found = 0, []
    for seed in range(first, first + count):
        trial = Trial(make_plan(seed, nodes))
        try:
            trial.run()
        except Violation as violation:
            story = str(violation)
            found.append(Found(seed, story.splitlines()[0], story))
        virtual_ms += trial.world.now
        del trial
        gc.collect()
    return Chunk(count, virtual_ms, tuple(found))


@sim_app.command()
def run(
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, help="How many seeds.")] = 100,
    first: Annotated[int, typer.Option("--from", min=0, help="The first seed.")] = 0,
    nodes: NodesOption = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes at a time; one a core by default.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Play whole clusters under faults, seed by seed; tell every seed that goes wrong.

    Each seed draws a cluster and everything that will go wrong in it, then demands recovery. The same
    seed plays the same way for ever, as long as the program is the same.
    """
    virtual_ms = 0
    found: list[Found] = []
    with _progress(quiet=as_json) as progress:
        task = progress.add_task("seeds", total=seeds, found=0)
        for chunk in _chunks(first, seeds, nodes, jobs or os.cpu_count() or 1):
            virtual_ms += chunk.virtual_ms
            found += chunk.found
            progress.update(task, advance=chunk.seeds, found=len(found))
            if not as_json:
                for one in chunk.found:
                    console.print(f"seed {one.seed}: {one.finding}", markup=False)
    found.sort(key=lambda one: one.seed)
    minutes = round(virtual_ms / 60_000, 1)
    if as_json:
        show_json(
            {
                "seeds": seeds,
                "from": first,
                "simulated_minutes": minutes,
                "found": [{"seed": one.seed, "finding": one.finding} for one in found],
            }
        )
    elif found:
        complaints.print(
            f"ninefold: {len(found)} of {seeds} seeds went wrong. Look at one with "
            f"`ninefold sim replay {found[0].seed}`, make it small with "
            f"`ninefold sim shrink {found[0].seed}`.",
            markup=False,
        )
    else:
        console.print(f"{seeds} seeds, {minutes} simulated minutes: nothing went wrong.")
    if found:
        raise typer.Exit(REFUSED)


def _chunks(first: int, seeds: int, nodes: int | None, jobs: int) -> Iterator[Chunk]:
    """Play all seeds in so many processes; yield each piece when it is done."""
    pieces = [(at, min(CHUNK, first + seeds - at)) for at in range(first, first + seeds, CHUNK)]
    if jobs == 1:
        for at, count in pieces:
            yield play_seeds(at, count, nodes)
        return
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(play_seeds, at, count, nodes) for at, count in pieces]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _progress(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("found {task.fields[found]}"),
        TimeRemainingColumn(),
        console=complaints,
        transient=True,
        disable=quiet or not complaints.is_terminal,
    )


@sim_app.command()
def replay(seed: SeedArgument, nodes: NodesOption = None) -> None:
    """Play one seed and tell its whole story: what was done to the cluster, and what it did."""
    plan = make_plan(seed, nodes)
    console.print(_headline(plan), markup=False)
    trial = Trial(plan)
    try:
        trial.run()
    except Violation as violation:
        _show(trial)
        fail(str(violation).splitlines()[0])
    _show(trial)
    console.print("Nothing went wrong.")


def _headline(plan: Plan) -> str:
    return f"seed {plan.seed}: {', '.join(plan.options)}"


def _show(trial: Trial) -> None:
    for line in tell(trial.world.trace, 0):
        console.print(line, markup=False)


@sim_app.command()
def shrink(
    seed: SeedArgument,
    nodes: NodesOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the scenario to this file.")
    ] = None,
) -> None:
    """Make a seed that goes wrong as small as can be, and print it as a scenario."""
    with Progress(console=complaints, transient=True, disable=not complaints.is_terminal) as bar:
        task = bar.add_task("runs", total=ATTEMPTS_MAX)

        def told(attempts: int, plan: Plan) -> None:
            text = f"{len(plan.steps)} steps"
            bar.update(task, completed=attempts, description=text)

        try:
            shrinker = Shrinker(make_plan(seed, nodes), told=told)
        except ValueError as error:
            fail(str(error))
        plan = shrinker.run()
    text = scenario(plan, [f"Seed {seed}: {shrinker.finding}"])
    if output is None:
        console.print(text, markup=False, end="")
        return
    try:
        output.write_text(text)
    except OSError as error:
        fail(f"{output}: {error.strerror}", USAGE)
    console.print(f"{output}: {len(plan.steps)} steps after {shrinker.attempts} runs", markup=False)


@sim_app.command(name="play")
def play_scenario(
    files: Annotated[list[Path], typer.Argument(help="Scenario files.")],
    *,
    write: Annotated[bool, typer.Option(help="Put what happened into the files.")] = False,
) -> None:
    """Play scenarios and print what really happens below each row of dashes."""
    problems = []
    for file in files:
        try:
            text = file.read_text()
            played = play(text)
            if write:
                file.write_text(played)
        except OSError as error:
            fail(f"{file}: {error.strerror}", USAGE)
        except (ScenarioError, Violation) as error:
            problems.append(f"{file}: {error}")
            continue
        if not write:
            console.print(played, markup=False, end="")
    for problem in problems:
        complaints.print(f"ninefold: {problem}", markup=False)
    if problems:
        raise typer.Exit(REFUSED)
