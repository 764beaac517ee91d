"""`ninefold store`: the database of this host's node, while its daemon is not running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ninefold.cli.out import USAGE, JsonFlag, console, fail, show_json
from ninefold.host.store import Store, StoreDamaged, StoreError, StoreInUse, set_aside

app = typer.Typer(no_args_is_help=True, help="The node's database on this host.")

StateOption = Annotated[Path, typer.Option("--state", help="The daemon's state directory.")]
STATE = Path("/var/lib/ninefold")


@app.callback()
def store() -> None:
    """Look after the node's database on this host."""


@app.command(name="set-aside")
def aside(
    *,
    state: StateOption = STATE,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    json: JsonFlag = False,
) -> None:
    """Rename a damaged database, so that the node begins anew with the other members' document.

    Where every member's database is lost, so is the configuration: then keep one that can be read.
    """
    if not state.is_dir():
        fail(f"{state} is no directory. Name the daemon's by --state.", USAGE)
    trouble = condition(state)
    if not yes:
        console.print(trouble or "The database is sound: its document would be lost here.")
        typer.confirm(f"Set the database in {state} aside?", abort=True)
    try:
        target = set_aside(state)
    except OSError as error:
        fail(f"{state}: {error.strerror}. Run as the user who runs the daemon.", USAGE)
    if json:
        show_json({"moved_to": str(target)})
    else:
        console.print(f"Moved to {target}. Start ninefoldd.", markup=False)


def condition(state: Path) -> str:
    """Say what is wrong with the database; nothing if it is sound. Ends if a daemon is using it."""
    try:
        opened = Store(state)
    except StoreInUse:
        fail(f"A daemon is using {state}. Stop it first: ninefold node stop.")
    except StoreDamaged as error:
        return str(error).removesuffix(error.remedy).rstrip()
    except StoreError as error:
        fail(f"{state}: {error}")
    try:
        opened.load()
    except StoreError as error:
        return str(error).removesuffix(error.remedy).rstrip()
    finally:
        opened.close()
    return ""
