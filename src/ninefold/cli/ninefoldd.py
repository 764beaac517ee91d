"""`ninefoldd`: the daemon of one node. Run by systemd, or by the lab."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from ninefold.api.server import DoorError, open_socket, serve
from ninefold.core.findings import Severity
from ninefold.daemon.service import Service
from ninefold.daemon.settings import CannotStart, Settings, begin
from ninefold.host.udp import RingUnbindable

# sysexits.h: the configuration is wrong.
EXIT_CONFIG = 78
SOCKET_NAME = "ninefold.sock"

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
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run this host's part of the cluster until told to stop (SIGTERM)."""
    logging.basicConfig(
        level=log_level.upper(),
        format="%(asctime)s.%(msecs)03d %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        stream=sys.stderr,
    )
    settings = Settings(
        config=config,
        state=state,
        run=run,
        cib=cib,
        fence_directories=directories("NINEFOLD_FENCE_PATH"),
        ocf_roots=directories("NINEFOLD_OCF_PATH"),
        watchdog_ms=watchdog_ms,
    )
    try:
        beginning = begin(settings)
    except CannotStart as problem:
        for finding in problem.findings:
            sys.stderr.write(f"ninefoldd: {finding}\n")
        raise typer.Exit(EXIT_CONFIG) from problem
    for finding in beginning.findings:
        if finding.severity is not Severity.INFO:
            logging.getLogger("ninefold").warning("%s", finding)
    raise typer.Exit(asyncio.run(live(Service(settings, beginning))))


def directories(variable: str) -> tuple[Path, ...]:
    """Return the directories that a search path in the environment names."""
    value = os.environ.get(variable, "")
    return tuple(Path(part) for part in value.split(":") if part)


async def live(service: Service) -> int:
    """Run a node and its door until it has left; return the exit code."""
    path = service.settings.run / SOCKET_NAME
    try:
        door = open_socket(path)
        service.start()
    except (DoorError, RingUnbindable) as problem:
        sys.stderr.write(f"ninefoldd: {problem}\n")
        return EXIT_CONFIG
    server = serve(service)
    serving = asyncio.ensure_future(server.serve(sockets=[door]))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    tell_systemd("READY=1")
    beating = asyncio.ensure_future(beat())
    assert service.ended is not None
    reason = await service.ended
    beating.cancel()
    tell_systemd("STOPPING=1")
    await service.close()
    server.end()
    await serving
    path.unlink(missing_ok=True)
    return 1 if reason else 0


async def beat() -> None:
    """Tell systemd's watchdog that this loop turns: twice as often as it wants to hear."""
    wanted_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    while wanted_us:
        tell_systemd("WATCHDOG=1")
        await asyncio.sleep(wanted_us / 2_000_000)


def tell_systemd(word: str) -> None:
    """Notify systemd (sd_notify(3)) if it listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.sendall(word.encode())


def entry() -> None:
    """Enter by the console script."""
    app()


if __name__ == "__main__":
    entry()
