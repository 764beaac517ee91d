"""`ninefold agents`: what this host can run, and what its agents say about themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ninefold.agents.metadata import parse
from ninefold.agents.model import AgentName, Call, OpStatus, Rc, Standard
from ninefold.cli.out import USAGE, JsonFlag, complaints, console, fail, show_json
from ninefold.daemon.places import FENCE_PATH, OCF_PATH, directories
from ninefold.host.agents import FENCE_DIRECTORIES, AgentRunner

if TYPE_CHECKING:
    from ninefold.agents.metadata import Metadata, Parameter
    from ninefold.agents.model import Outcome

app = typer.Typer(no_args_is_help=True, help="Resource and fence agents of this host.")

METADATA_TIMEOUT_MS = 30_000
STANDARDS = tuple(standard.value for standard in Standard)


def _runner() -> AgentRunner:
    """Return a runner that looks where the daemon looks, if their environments are the same."""
    return AgentRunner(
        fence_directories=(*directories(FENCE_PATH), *FENCE_DIRECTORIES),
        ocf_roots=directories(OCF_PATH),
    )


@app.command(name="list")
def list_agents(
    standard: Annotated[
        str, typer.Argument(help="Only of this class: ocf, stonith, systemd or lsb.")
    ] = "",
    *,
    json: JsonFlag = False,
) -> None:
    """List the agents of this host, by the names that the CIB calls them."""
    if standard and standard not in STANDARDS:
        fail(f"There is no class {standard!r}; there are {', '.join(STANDARDS)}.", USAGE)

    async def look() -> list[AgentName]:
        runner = _runner()
        try:
            return await runner.list_agents()
        finally:
            await runner.close()

    names = [str(name) for name in asyncio.run(look()) if standard in ("", name.standard)]
    if json:
        show_json(names)
        return
    for name in names:
        console.print(name, markup=False)


@app.command()
def show(
    agent: Annotated[str, typer.Argument(help="For example ocf:heartbeat:IPaddr2.")],
    *,
    json: JsonFlag = False,
) -> None:
    """Show what an agent does, and the parameters and actions it advertises."""
    name = named(agent)
    outcome = asyncio.run(_metadata(name))
    if outcome.status is not OpStatus.DONE or outcome.rc != Rc.OK:
        fail(outcome.reason or f"{agent} gave no metadata.")
    if not outcome.output.strip():
        fail(f"{agent}: agents of class {name.standard} say nothing about themselves.")
    reading = parse(outcome.output, agent)
    for finding in reading.findings:
        complaints.print(str(finding), markup=False)
    if reading.metadata is None:
        raise typer.Exit(1)
    if json:
        show_json(msgspec.to_builtins(reading.metadata))
    else:
        _print(agent, reading.metadata)


def named(agent: str) -> AgentName:
    """Return the name in its parts; end with a message if it is none."""
    standard, *parts = agent.split(":")
    wanted = 2 if standard == Standard.OCF.value else 1
    if standard not in STANDARDS or len(parts) != wanted:
        fail(
            f"{agent!r} is no agent's name. Write ocf:PROVIDER:TYPE or CLASS:TYPE; "
            f"'ninefold agents list' shows them.",
            USAGE,
        )
    return AgentName(standard, "" if wanted == 1 else parts[0], parts[-1])


async def _metadata(name: AgentName) -> Outcome:
    runner = _runner()
    try:
        return await runner.run(Call(name, "metadata", "meta-data", 0, METADATA_TIMEOUT_MS))
    finally:
        await runner.close()


def _print(agent: str, metadata: Metadata) -> None:
    console.print(f"{agent}: {metadata.short}", markup=False, style="bold")
    if metadata.long:
        console.print(f"\n{metadata.long.strip()}", markup=False)
    console.print("\nParameters", style="bold")
    for parameter in metadata.parameters:
        console.print(f"  {_line(parameter)}", markup=False)
    console.print("\nActions", style="bold")
    for action in metadata.actions:
        times = (("timeout", action.timeout_ms), ("interval", action.interval_ms))
        told = "".join(f"  {word} {value / 1000:g} s" for word, value in times if value)
        role = f"  {action.role}" if action.role else ""
        console.print(f"  {action.name}{role}{told}", markup=False)


def _line(parameter: Parameter) -> str:
    marks = [parameter.type]
    marks += [word for word in ("required", "unique", "deprecated") if getattr(parameter, word)]
    if parameter.default:
        marks.append(f"default {parameter.default}")
    return f"{parameter.name} ({', '.join(marks)}): {parameter.short}"
