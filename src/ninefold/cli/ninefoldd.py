"""`ninefoldd`: the daemon of one node. Run by systemd, or by the lab.

Exit codes: 0 stopped as asked; 1 the node had to end by itself (the log says why); 2 wrong usage;
70 a bug, after which a restart is right; 78 it cannot start as things are, all reasons on stderr.

SIGTERM and SIGINT stop the node cleanly: its resources move away, then it leaves the ring. A second
one hastens nothing: leaving while resources run would have the others fence this node, and whoever
wants that has SIGKILL. SIGHUP has the corosync.conf read again, as `ninefold config reload` does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ninefold.api.server import DoorError, open_socket, serve
from ninefold.core.findings import Severity
from ninefold.daemon.faults import die, guard
from ninefold.daemon.logs import open_log
from ninefold.daemon.notify import beat, tell_systemd
from ninefold.daemon.places import FENCE_PATH, OCF_PATH, directories
from ninefold.daemon.service import Service
from ninefold.daemon.settings import CLUSTERS, SOCKET_NAME, CannotStart, Settings, begin
from ninefold.host.udp import RingUnbindable

if TYPE_CHECKING:
    import socket

    from ninefold.core.findings import Finding

LOG = logging.getLogger("ninefold")

# sysexits.h: the configuration is wrong.
EXIT_CONFIG = 78
LEVELS = ("debug", "info", "warning", "error")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    config: Annotated[Path, typer.Option(help="The corosync.conf.")] = Path(
        "/etc/corosync/corosync.conf"
    ),
    state: Annotated[Path, typer.Option(help="What must survive a reboot.")] = Path(
        "/var/lib/ninefold"
    ),
    run: Annotated[Path, typer.Option(help="Where the socket goes.")] = Path("/run/ninefold"),
    cib: Annotated[
        Path | None, typer.Option(help="A first CIB, for a node that has none yet.")
    ] = None,
    watchdog_ms: Annotated[
        int, typer.Option(help="Arm /dev/watchdog with this timeout; 0: no watchdog.")
    ] = 0,
    cluster: Annotated[
        str,
        typer.Option(
            help="What carries the messages: auto (Corosync if it runs), embedded, corosync."
        ),
    ] = "auto",
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error; else as logging.debug says.")
    ] = "",
) -> None:
    """Run this host's part of the cluster until told to stop (SIGTERM)."""
    if log_level and log_level not in LEVELS:
        raise typer.BadParameter(f"{log_level!r} is none of {', '.join(LEVELS)}.")
    if cluster not in CLUSTERS:
        raise typer.BadParameter(f"{cluster!r} is none of {', '.join(CLUSTERS)}.")
    settings = Settings(
        config=config,
        state=state,
        run=run,
        cib=cib,
        fence_directories=directories(FENCE_PATH),
        ocf_roots=directories(OCF_PATH),
        watchdog_ms=watchdog_ms,
        cluster=cluster,
    )
    try:
        beginning = begin(settings)
    except CannotStart as problem:
        complain(problem.findings)
        raise typer.Exit(EXIT_CONFIG) from problem
    spool, findings = open_log(beginning.config.logging, level=log_level)
    for finding in (*beginning.findings, *findings):
        if finding.severity is not Severity.INFO:
            LOG.warning("%s", finding)
    code = asyncio.run(live(Service(settings, beginning)))
    spool.close()
    raise typer.Exit(code)


def complain(findings: list[Finding]) -> None:
    """Say on stderr what is in the way: there is no log yet, or nobody would look there."""
    for finding in findings:
        sys.stderr.write(f"ninefoldd: {finding}\n")


async def live(service: Service) -> int:
    """Run a node and its door until it has left; return the exit code."""
    loop = asyncio.get_running_loop()
    guard(loop)
    path = service.settings.run / SOCKET_NAME
    try:
        door = open_socket(path)
    except DoorError as problem:
        return cannot_start(str(problem))
    try:
        service.start()
    except RingUnbindable as problem:
        door.close()
        path.unlink(missing_ok=True)
        return cannot_start(*map(str, problem.findings))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, service)
    loop.add_signal_handler(signal.SIGHUP, on_hangup, service)
    LOG.info("ninefoldd runs as %s, pid %d, door %s", service.name, os.getpid(), path)
    reason = await serve_until_ended(service, door)
    path.unlink(missing_ok=True)
    LOG.log(logging.ERROR if reason else logging.INFO, "ended: %s", reason or "as asked")
    return 1 if reason else 0


def cannot_start(*reasons: str) -> int:
    """Say why to whoever started the daemon and to the log; return the exit code."""
    for reason in reasons:
        sys.stderr.write(f"ninefoldd: {reason}\n")
        LOG.error("%s", reason)
    return EXIT_CONFIG


async def serve_until_ended(service: Service, door: socket.socket) -> str:
    """Answer at the door until the node has left; return why, or nothing if it was asked to."""
    assert service.ended is not None
    server = serve(service)
    serving = asyncio.ensure_future(server.serve(sockets=[door]))
    serving.add_done_callback(door_closed)
    beating = asyncio.ensure_future(beat())
    tell_systemd("READY=1", f"STATUS={service.name} is running")
    reason = await service.ended
    tell_systemd("STOPPING=1", f"STATUS={reason or 'it has left the ring'}")
    serving.remove_done_callback(door_closed)
    await service.close()
    beating.cancel()
    server.end()
    await serving
    return reason


def door_closed(serving: asyncio.Task[None]) -> None:
    """End the process: a node that cannot be asked or stopped any more must not go on."""
    error = None if serving.cancelled() else serving.exception()
    die("the door closed by itself", error)


def on_stop(service: Service) -> None:
    """Stop the node, or say that it is under way."""
    if service.stopping:
        LOG.warning("stopping is under way: resources move away first; see 'ninefold status'")
        return
    tell_systemd(f"STATUS={service.name} moves its resources away, then leaves")
    service.stop()


def on_hangup(service: Service) -> None:
    """Read corosync.conf again; what is wrong with it goes to the log."""
    service.reload_soon()


def entry() -> None:
    """Enter by the console script."""
    app()


if __name__ == "__main__":
    entry()
