"""`python -m benchmarks.failover`: measure, print a table; `stable` watches a short token under load."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console

from benchmarks.failover import plan, stable, table
from benchmarks.failover.clusters import STACKS, missing
from benchmarks.failover.load import CORES
from ninefold import __version__
from ninefold.lab.errors import LabError
from ninefold.lab.start import permitted

if TYPE_CHECKING:
    from benchmarks.failover.experiments import Sample

TOKENS_MS = (500, 350, 250, 150, 100)

# A table in a file need not fit a terminal.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
progress = Console(stderr=True, highlight=False, soft_wrap=True)
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Measure failover: Ninefold beside Debian's Corosync and Pacemaker.",
)

Stacks = Annotated[list[str] | None, typer.Option("--stack", help="ninefold, pacemaker; repeat.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all figures there.")]


@app.callback(invoke_without_command=True)
def measure(
    context: typer.Context,
    *,
    runs: Annotated[int, typer.Option(help="Runs of each.", min=1, max=1000)] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="One run of each, 10 s idle.")] = False,
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(plan.ON)}.")] = "",
    timers: Annotated[str, typer.Option(help="Some of default, 1000, 500.")] = "",
    idle_seconds: Annotated[float, typer.Option(help="How long to look.", min=1)] = 60,
    stack: Stacks = None,
    json: JsonFile = None,
) -> None:
    """Measure everything on both stacks, taking turns."""
    if context.invoked_subcommand is not None:
        return
    stacks, skipped = chosen_stacks(stack)
    counts = plan.Counts(runs, max(runs, 8) if runs >= 5 else runs, min(runs, 2), idle_seconds)
    if quick:
        counts = plan.Counts(1, 1, 1, 10.0)
    named = dict(zip(("default", "1000", "500"), plan.TIMERS, strict=True))
    settings = [named[name] for name in chosen(timers, tuple(named))]
    quantities = chosen(only, tuple(plan.ON))
    about, began_s, samples = machine(), time.monotonic(), []
    try:
        for sample in plan.measure(stacks, quantities, settings, counts):
            samples.append(sample)
            tell(sample)
    except KeyboardInterrupt:
        progress.print("Interrupted; this is what was measured.")
    about |= {"seconds": round(time.monotonic() - began_s, 1), "skipped": skipped}
    rows = table.rows(samples)
    console.print(table.shown(rows, skipped))
    console.print(
        f"{about['processor']}, {about['cores']} cores, Linux {about['kernel']}; "
        f"{', '.join(about['versions'])}. Noise is the share of all cores that others used."
    )
    for name, reason in skipped.items():
        console.print(f"{STACKS[name].title} was not measured: {reason}.")
    write(json, {"about": about, "rows": rows, "samples": samples})
    if not samples or any(sample.failure for sample in samples):
        raise typer.Exit(1)


@app.command(name="stable")
def stable_(
    *,
    token: Annotated[list[int] | None, typer.Option(help="In ms, coefficient 0; repeat.")] = None,
    minutes: Annotated[float, typer.Option(help="Of each.", min=0.1)] = 10,
    loops: Annotated[int, typer.Option(help="Busy loops.", min=0)] = CORES,
    stack: Stacks = None,
    json: JsonFile = None,
) -> None:
    """Watch clusters at rest with a busy loop per core: is the token ever lost?"""
    stacks, _ = chosen_stacks(stack or ["ninefold"])
    watched = []
    try:
        for token_ms in token or TOKENS_MS:
            for name in stacks:
                progress.print(f"{STACKS[name].title}: token {token_ms} for {minutes:g} min")
                try:
                    seen = stable.watch(name, token_ms, minutes * 60, loops)
                    watched.append(seen)
                    progress.print(f"  {'stable' if seen.stable else 'not stable'}: {seen}")
                except plan.FAILURES as error:
                    progress.print(f"  {type(error).__name__}: {error}", markup=False)
    except KeyboardInterrupt:
        progress.print("Interrupted; this is what was watched.")
    console.print(stable.shown(watched))
    write(json, {"about": machine(), "watched": watched})


def chosen_stacks(wanted: list[str] | None) -> tuple[list[str], dict[str, str]]:
    """Return the stacks that can be measured, and why the others cannot."""
    if reason := permitted():
        fail(reason)
    stacks = chosen(",".join(wanted or STACKS), tuple(STACKS))
    reasons = {name: missing(name) for name in stacks}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in skipped.items():
        progress.print(f"{STACKS[name].title} is left out: {reason}.")
    return [name for name in stacks if name not in skipped], skipped


def chosen(words: str, known: tuple[str, ...]) -> list[str]:
    """Return the comma-separated words, all of `known` if there are none."""
    names = [word.strip() for word in words.split(",") if word.strip()] or list(known)
    for name in names:
        if name not in known:
            fail(f"There is no {name!r}; choose among {', '.join(known)}.")
    return [name for name in known if name in names]


def tell(sample: Sample) -> None:
    """Print a sample as it comes."""
    head = (
        f"{time.strftime('%H:%M:%S')}  {sample.quantity:<12} {sample.timers:<24} {sample.stack:<10}"
    )
    if sample.failure:
        progress.print(f"{head} no figure: {sample.failure}", style="red", markup=False)
        return
    detail = ", ".join(f"{name} {value}" for name, value in sample.detail.items())
    text = f"{head} {sample.value:8.3f}  noise {sample.noise:4.0%}  {detail}"
    progress.print(text, markup=False)


def machine() -> dict[str, Any]:
    """Return what the figures belong to."""
    names = ("corosync", "pacemaker")
    query = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        found = ""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "versions": [
            f"ninefold {__version__}",
            f"Python {platform.python_version()}",
            *found.splitlines(),
        ],
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write(path: Path | None, data: dict[str, Any]) -> None:
    """Write everything as JSON, if a file was named."""
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(data)) + b"\n")


def fail(sentence: str) -> None:
    """Say why nothing can be measured, and end."""
    progress.print(sentence, markup=False)
    raise typer.Exit(2)


def main() -> None:
    """Be ended by SIGTERM as by Ctrl-C, so that no lab is left behind."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        app()
    except LabError as error:
        progress.print(str(error), markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
