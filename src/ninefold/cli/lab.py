"""`ninefold lab`: hosts on this machine, and everything that can happen to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - Typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ninefold.drill.outage import summary
from ninefold.drill.probe import Poller, aim
from ninefold.lab import enter
from ninefold.lab.client import Lab
from ninefold.lab.errors import LabError
from ninefold.lab.model import Direction, FenceDevice, FenceMode, Power
from ninefold.lab.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.drill.outage import Summary
    from ninefold.lab.model import LabStatus

lab_app = typer.Typer(
    name="lab",
    help="Hosts on this machine: make them, crash them, cut their cables, watch from outside.",
    no_args_is_help=True,
)

# A daemon opens its door within a second of its start; a machine that is busy takes longer.
DOORS_LIMIT_S: Final = 15.0
LOOK_S: Final = 0.05

Name = Annotated[str, typer.Option("--name", help="Which lab.", metavar="NAME")]
Node = Annotated[str, typer.Argument(help="A host of the lab.", metavar="NODE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Process = Annotated[str, typer.Option(help="Only processes of that name or command line.")]
Link = Annotated[int | None, typer.Option("--link", help="Only that link.", min=0, max=7)]
Way = Annotated[Direction, typer.Option(help="As the hosts named first see it.")]
To = Annotated[str, typer.Option("--to", help="Only between them and these.", metavar="A,B")]
From = Annotated[str, typer.Option("--from", help="Several hosts.", metavar="A,B")]
OptionalNode = Annotated[str, typer.Argument(help="A host of the lab.", metavar="[NODE]")]


@lab_app.command()
def up(
    *,
    nodes: Annotated[int, typer.Option(help="How many hosts.")] = 3,
    conf: Annotated[Path | None, typer.Option(help="A corosync.conf to use.")] = None,
    cib: Annotated[Path | None, typer.Option(help="A CIB to start with.")] = None,
    token: Annotated[int | None, typer.Option(help="totem.token in ms.")] = None,
    token_coefficient: Annotated[int | None, typer.Option(help="In ms.")] = None,
    stack: Annotated[str, typer.Option(help="ninefold, pacemaker or none.")] = "ninefold",
    cluster: Annotated[
        str, typer.Option(help="What carries the messages: embedded or corosync.")
    ] = "embedded",
    name: Name = "lab",
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay; Ctrl-C ends the lab.")
    ] = False,
) -> None:
    """Make a lab and power its hosts on."""
    settings = Settings(
        nodes=nodes,
        name=name,
        stack=stack,
        conf=str(conf or ""),
        cib=str(cib or ""),
        token_ms=token,
        token_coefficient_ms=token_coefficient,
        cluster=cluster,
    )
    with _refusals():
        lab = Lab.up(settings)
        if not foreground:
            lab.detach()
            _show(lab.status())
            _wait_for_doors(lab, stack)
            return
        with lab:
            try:
                _show(lab.status())
                _wait_for_doors(lab, stack)
                lab.wait()
            except KeyboardInterrupt:
                typer.echo("Ending the lab.", err=True)


def _wait_for_doors(lab: Lab, stack: str) -> None:
    """Return when every node can be asked; name those that cannot after a while."""
    silent = list(lab.status().hosts) if stack == "ninefold" else []
    limit = time.monotonic() + DOORS_LIMIT_S
    while silent and time.monotonic() < limit:
        silent = [host for host in silent if not enter.door_of(host.init_pid).is_socket()]
        time.sleep(LOOK_S)
    for host in silent:
        log = f"{host.log_dir}/ninefoldd.log"
        typer.echo(f"{host.name}: ninefoldd does not answer; {log} may say why.", err=True)


@lab_app.command()
def status(name: Name = "lab", *, as_json: AsJson = False) -> None:
    """Show the hosts, what is cut, and who used the power switch."""
    with _refusals():
        report = Lab(name).status()
    if as_json:
        _print_json(report)
    else:
        _show(report)


@lab_app.command(
    name="exec", context_settings={"allow_extra_args": True, "allow_interspersed_args": False}
)
def exec_(
    node: Node,
    command: Annotated[list[str], typer.Argument(help="What to run.", metavar="CMD...")],
    name: Name = "lab",
) -> None:
    """Run a command on a host; its input, output and exit code are yours."""
    # The parser leaves the "--" after NODE in place.
    words = command[1:] if command[0] == "--" else command
    with _refusals():
        report = Lab(name).status()
        argv = enter.host_command(report, node, words)
    environment = report.environment | {
        key: os.environ[key] for key in ("TERM", "COLORTERM") if key in os.environ
    }
    raise typer.Exit(subprocess.run(argv, env=environment, check=False).returncode % 256)


@lab_app.command()
def crash(node: Node, name: Name = "lab") -> None:
    """Power a host off: every process ends at once, no goodbye."""
    with _refusals():
        event = Lab(name).crash(node)
    if event.was is Power.OFF:
        typer.echo(f"{node} was off already.")
    else:
        typer.echo(f"{node} is off, {(event.done_s - event.asked_s) * 1000:.0f} ms after asking.")


@lab_app.command(name="power-on")
def power_on(node: Node, name: Name = "lab") -> None:
    """Boot a host."""
    with _refusals():
        Lab(name).power_on(node)


@lab_app.command()
def hold(node: Node, name: Name = "lab") -> None:
    """Leave a host off when it is fenced, instead of booting it again."""
    with _refusals():
        Lab(name).hold(node)


@lab_app.command()
def release(node: Node, name: Name = "lab") -> None:
    """Undo `hold`."""
    with _refusals():
        Lab(name).hold(node, held=False)


@lab_app.command()
def freeze(node: Node, process: Process = "", name: Name = "lab") -> None:
    """Stop every process of a host with SIGSTOP, or some."""
    with _refusals():
        typer.echo(f"{Lab(name).freeze(node, process)} processes stopped.")


@lab_app.command()
def thaw(node: Node, process: Process = "", name: Name = "lab") -> None:
    """Let stopped processes go on."""
    with _refusals():
        typer.echo(f"{Lab(name).thaw(node, process)} processes go on.")


@lab_app.command()
def cut(
    node: OptionalNode = "",
    *,
    link: Link = None,
    direction: Way = Direction.BOTH,
    from_: From = "",
    to: To = "",
    name: Name = "lab",
) -> None:
    """Drop a host's packets: on one link or all, one way or both, with everybody or some."""
    with _refusals():
        Lab(name).cut(_names(node, from_), to=_split(to), link=link, direction=direction)


@lab_app.command()
def heal(
    node: OptionalNode = "",
    *,
    link: Link = None,
    direction: Way = Direction.BOTH,
    from_: From = "",
    to: To = "",
    name: Name = "lab",
) -> None:
    """Undo cuts: all of them, or those that touch what is named."""
    with _refusals():
        Lab(name).heal(_names(node, from_), to=_split(to), link=link, direction=direction)


@lab_app.command(name="fence-device")
def fence_device(
    mode: Annotated[FenceMode, typer.Argument(help="Answer, or fail.")],
    delay: Annotated[int, typer.Option(help="Answer that many ms late.", min=0)] = 0,
    name: Name = "lab",
) -> None:
    """Make the lab's fence device fail or be slow, or mend it."""
    with _refusals():
        Lab(name).fence_device(FenceDevice(mode, delay))


@lab_app.command()
def probe(
    url: Annotated[
        str, typer.Argument(help="http://ADDRESS:PORT/PATH; port and path may be left out.")
    ],
    every: Annotated[float, typer.Option(help="Milliseconds between requests.")] = 5,
    patience: Annotated[float, typer.Option(help="Give a request up after so many ms.")] = 200,
    for_s: Annotated[float, typer.Option("--for", help="Seconds; Ctrl-C ends it early.")] = 10,
    name: Name = "lab",
    *,
    as_json: AsJson = False,
) -> None:
    """Ask a service over and over from the client's place, and say what was seen."""
    with _refusals():
        try:
            target = aim(url, every_ms=every, patience_ms=patience)
        except ValueError as error:
            _fail(str(error))
        within = Lab(name).client_command()
    with Poller(target, within=within, for_ms=for_s * 1000) as poller:
        try:
            poller.wait(for_s + 10)
        except KeyboardInterrupt:
            poller.stop()
        attempts = poller.stop()
    seen = summary(attempts)
    if as_json:
        _print_json({"summary": seen, "attempts": attempts})
    else:
        _show_seen(seen)


@lab_app.command()
def down(name: Name = "lab") -> None:
    """End a lab; nothing of it is left."""
    with _refusals():
        Lab(name).down()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except LabError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _names(node: str, from_: str) -> list[str]:
    if node and from_:
        _fail("Name the node, or several with --from, not both.")
    return [node] if node else _split(from_)


def _print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def _show(report: LabStatus) -> None:
    console = Console(emoji=False)
    table = Table(
        title=f"Lab {report.name}: {report.stack}, client at {report.client_addresses[0]}"
    )
    for column in ("host", "power", "addresses", "init", "processes"):
        table.add_column(column, overflow="fold")
    for host in report.hosts:
        notes = [host.power.value, *(["frozen"] if host.frozen else [])]
        notes += ["held off"] if host.held_off else []
        table.add_row(
            host.name,
            ", ".join(notes),
            " ".join(host.addresses),
            str(host.init_pid or ""),
            str(len(host.pids)),
        )
    console.print(table)
    console.print(f"logs: {report.directory}/hosts/*/log", soft_wrap=True)
    for block in report.blocks:
        source, target = block.source or "anyone", block.target or "anyone"
        console.print(f"cut: link {block.link}, from {source} to {target}")
    if report.fence_device != FenceDevice():
        device = report.fence_device
        console.print(f"fence device: {device.mode.value}, {device.delay_ms} ms late")
    for event in report.events:
        done = "" if event.ok else ", which failed"
        console.print(f"{event.asked_s:.3f} s: {event.action} {event.target} by {event.by}{done}")


def _show_seen(seen: Summary) -> None:
    console = Console(emoji=False)
    console.print(f"{seen.attempts} requests, {seen.failed} failed")
    console.print(f"longest time without an answer: {seen.longest_gap_s:.3f} s")
    for host, count in seen.answers.items():
        console.print(f"{host or '(no name)'}: {count} answers")
    for overlap in seen.overlaps:
        console.print(f"[bold red]two at once: {overlap.first} and {overlap.second}[/bold red]")
    if not seen.overlaps and seen.answers:
        console.print("never two hosts at once")
