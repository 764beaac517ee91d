"""`ninefold lab demo`: crash the active node, and see the service come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ninefold.cli.out import complaints, console, show_json
from ninefold.cli.stage import NotSettled, Stage, active
from ninefold.design.nines import outage_sentence
from ninefold.drill.failover import FailoverReport, Seen, good_hosts, judge
from ninefold.lab.errors import LabError, NamespacesNotPermitted
from ninefold.lab.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

# How long the client asks before the crash, and after the service is back.
BEFORE_S = 1.0
AFTER_S = 1.5
BACK_LIMIT_S = 60.0

SHOWN = (
    "token-lost",
    "membership",
    "quorum-lost",
    "fencing",
    "fenced",
    "fence-failed",
    "started",
    "failed",
)


class Teller:
    """Prints the story as it happens, with seconds since the crash."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self.zero_s = 0.0

    def say(self, text: str) -> None:
        """Print a line without a time."""
        if not self._silent:
            console.print(text, markup=False)

    def at(self, at_s: float, who: str, text: str, style: str = "") -> None:
        """Print a line of the timeline."""
        if not self._silent:
            console.print(
                f"  {at_s - self.zero_s:+8.3f} s  {who:<8} {text}", style=style, markup=False
            )


def demo(
    *,
    nodes: Annotated[int, typer.Option(help="How many hosts.", min=2, max=9)] = 3,
    token: Annotated[int | None, typer.Option(help="totem.token in ms.")] = None,
    token_coefficient: Annotated[int | None, typer.Option(help="In ms.")] = None,
    cluster: Annotated[
        str, typer.Option(help="What carries the messages: embedded or corosync.")
    ] = "embedded",
    simulate: Annotated[bool, typer.Option("--simulate", help="In the simulator.")] = False,
    name: Annotated[str, typer.Option("--name", help="The lab's name.")] = "demo",
    as_json: Annotated[bool, typer.Option("--json", help="Print data for programs.")] = False,
) -> None:
    """Crash the node that runs a web service; show how it comes back and what a client saw."""
    teller = Teller(silent=as_json)
    settings = Settings(
        nodes=nodes,
        name=name,
        token_ms=token,
        token_coefficient_ms=token_coefficient,
        cluster=cluster,
    )
    where = "simulator" if simulate else "lab"
    try:
        report = simulated(settings, teller) if simulate else crash_active(settings, teller)
    except NamespacesNotPermitted as error:
        teller.say(f"This kernel permits no namespaces here ({error}).")
        where = "simulator"
        report = simulated(settings, teller)
    except NotSettled as error:
        complaints.print(f"ninefold: the cluster did not come to rest; its last status:\n{error}")
        raise typer.Exit(1) from error
    except LabError as error:
        complaints.print(f"ninefold: {error}", markup=False)
        raise typer.Exit(1) from error
    show(report, teller, as_json=as_json, where=where)
    if not report.ok:
        raise typer.Exit(1)


def simulated(settings: Settings, teller: Teller) -> FailoverReport:
    """Play the same story in the virtual world, and say so."""
    teller.say("The story is played in the simulator: the same machines, virtual time.")
    # The virtual world takes longer to import than all other commands together.
    from ninefold.cli.simdemo import simulated_failover  # noqa: PLC0415

    report, lines = simulated_failover(
        settings.nodes, settings.token_ms, settings.token_coefficient_ms
    )
    teller.zero_s = 0.0
    for seen in lines:
        if seen.what in SHOWN or seen.what == "power":
            teller.at(seen.at_s, seen.node, f"{seen.what}: {seen.text}")
    return report


def crash_active(settings: Settings, teller: Teller) -> FailoverReport:
    """Make a lab, crash the active node, and judge what happened."""
    began = time.monotonic()
    teller.say(f"{settings.nodes} hosts, a virtual address and a web server, one client.")
    with Stage(settings) as stage:
        teller.say(f"Hosts are on after {time.monotonic() - began:.1f} s.")
        status = stage.settle()
        victim = active(status)
        teller.say(
            f"All resources run after {time.monotonic() - began:.1f} s; the service is on {victim}, "
            f"DC is {status['dc']}. The client asks every 5 ms."
        )
        return crash(stage, victim, teller)


def crash(stage: Stage, victim: str, teller: Teller) -> FailoverReport:
    """Crash `victim` on a settled stage; return when the service is back, or will not come."""
    events: list[Seen] = []
    with stage.poll() as poller:
        for node in stage.names():
            if node != victim:
                stage.follow(node, _listener(events, teller))
        time.sleep(BEFORE_S)
        teller.zero_s = time.monotonic()
        teller.at(teller.zero_s, victim, "loses power", "bold red")
        at_s = stage.lab.crash(victim).asked_s
        teller.zero_s = at_s
        back = _wait_back(poller, victim, at_s)
        if back is not None:
            teller.at(back[0], back[1], "answers the client", "bold green")
        time.sleep(AFTER_S)
        attempts = poller.stop()
    return judge(victim, at_s, attempts, events, stage.fencings())


def _listener(events: list[Seen], teller: Teller) -> Callable[[Seen], None]:
    def told(seen: Seen) -> None:
        events.append(seen)
        if seen.what in SHOWN and teller.zero_s:
            style = "red" if seen.what in ("fencing", "fenced", "fence-failed", "failed") else ""
            teller.at(seen.at_s, seen.node, f"{seen.what}: {seen.text}", style)

    return told


def _wait_back(poller: Any, victim: str, at_s: float) -> tuple[float, str] | None:
    end = time.monotonic() + BACK_LIMIT_S
    while time.monotonic() < end:
        attempts = poller.attempts
        hosts = [host for host in good_hosts(attempts, at_s) if host != victim]
        if hosts:
            first = min(a.end_s for a in attempts if a.ok and a.host == hosts[0])
            return first, hosts[0]
        time.sleep(0.01)
    return None


def as_data(report: FailoverReport, where: str) -> dict[str, Any]:
    """Return a report as data for programs."""
    return {
        "where": where,
        "crashed": report.crashed,
        "took_over": report.took_over,
        "downtime_s": report.downtime_s,
        "gap_s": report.gap_s,
        "phases": report.phases,
        "failed_requests": report.failed_requests,
        "fenced_before_start": report.fenced_before_start,
        "never_two": not report.answered_by_two,
        "once_a_month": outage_sentence(round(report.downtime_s * 1000)),
        "ok": report.ok,
        "problems": list(report.problems),
    }


def show(report: FailoverReport, teller: Teller, *, as_json: bool, where: str) -> None:
    """Print the end of the story."""
    if as_json:
        show_json(as_data(report, where))
        return
    teller.say("")
    if report.took_over:
        phases = ", ".join(f"{name} {length:.3f}" for name, length in report.phases.items())
        teller.say(
            f"The client was without service for {report.downtime_s:.3f} s ({phases}), "
            f"{report.failed_requests} of its requests failed."
        )
        teller.say(f"Once a month: {outage_sentence(round(report.downtime_s * 1000))}.")
    if report.ok:
        teller.say(
            f"{report.crashed} was fenced before anything started on {report.took_over}, and never "
            f"did two nodes answer."
        )
    for problem in report.problems:
        console.print(f"NOT AS IT MUST BE: {problem}", style="bold red", markup=False)
