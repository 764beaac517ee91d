"""The `ninefold` command."""

from __future__ import annotations

import typer

from ninefold import __version__
from ninefold.cli import (
    agents,
    cib,
    config,
    design,
    network,
    nodes,
    quorum,
    resources,
    ring,
    store,
)
from ninefold.cli.audit import audit
from ninefold.cli.demo import demo
from ninefold.cli.events import events
from ninefold.cli.explain import explain
from ninefold.cli.extra import ExtraCommand
from ninefold.cli.lab import lab_app
from ninefold.cli.lab_run import run as lab_run
from ninefold.cli.nines import nines
from ninefold.cli.out import EXIT_CODES
from ninefold.cli.sim import sim_app
from ninefold.cli.simulate import simulate
from ninefold.cli.soak import soak
from ninefold.cli.status import status
from ninefold.cli.survive import survive
from ninefold.cli.web import web

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
    help="High availability for Linux: design, run, operate and prove a cluster.",
    epilog=EXIT_CODES,
)
app.command()(status)
app.add_typer(nodes.app, name="node")
app.add_typer(resources.app, name="resource")
app.add_typer(cib.app, name="cib")
app.command()(events)
app.command()(simulate)
app.command()(survive)
app.command()(explain)
app.add_typer(config.app, name="config")
app.add_typer(ring.app, name="ring")
app.add_typer(quorum.app, name="quorum")
app.add_typer(agents.app, name="agents")
app.add_typer(store.app, name="store")
app.command()(nines)
app.add_typer(design.app, name="design")
app.command(cls=ExtraCommand)(audit)
app.add_typer(network.app, name="network")
lab_app.command()(demo)
lab_app.command(name="run")(lab_run)
lab_app.command()(soak)
app.add_typer(lab_app, name="lab")
app.add_typer(sim_app, name="sim")
app.command()(web)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"ninefold {__version__}")


def run() -> None:
    """Enter by the console script."""
    app()
