"""`ninefold lab` with the commands that have modules of their own."""

from __future__ import annotations

from ninefold.cli.demo import demo
from ninefold.cli.lab import lab_app
from ninefold.cli.lab_run import run
from ninefold.cli.soak import soak

__all__ = ["lab_app"]

lab_app.command()(demo)
lab_app.command(name="run")(run)
lab_app.command()(soak)
