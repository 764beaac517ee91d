"""The `ninefold` command.

Only what was asked for is loaded: a command's own module, and for a plain line of one of the
commands in `_PLAIN` not even Typer. Help, completion and mistakes load everything.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ninefold import __version__

if TYPE_CHECKING:
    from typer import Typer

    # All of it, as tests and the documentation want it; made when first asked for.
    app: Typer

# In the order of the help: a command, or with a trailing "..." a group, and where it is.
_COMMANDS: Final = {
    "status": "status:status",
    "node": "nodes:app...",
    "resource": "resources:app...",
    "cib": "cib:app...",
    "events": "events:events",
    "simulate": "simulate:simulate",
    "survive": "survive:survive",
    "explain": "explain:explain",
    "config": "config:app...",
    "ring": "ring:app...",
    "keys": "keys:app...",
    "quorum": "quorum:app...",
    "agents": "agents:app...",
    "store": "store:app...",
    "nines": "nines:nines",
    "design": "design:app...",
    "audit": "audit:audit",
    "network": "network:app...",
    "lab": "lab_group:lab_app...",
    "sim": "sim:sim_app...",
    "web": "web:web",
}
# New containers between two searches for garbage. A decision about 32 nodes and 1,000 resources makes
# half a million that are garbage only when it is over; the usual 700 would look at them all again and
# again, which took a quarter of the time.
_GARBAGE: Final = 500_000
# Commands whose parameters are described without Typer.
_PLAIN: Final = ("simulate",)


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    return globals().setdefault("app", application(_COMMANDS))


def application(names: Any) -> Typer:
    """Return the command line with these commands alone."""
    import typer  # noqa: PLC0415 - a plain line does without

    from ninefold.cli.answers import EXIT_CODES  # noqa: PLC0415 - as above
    from ninefold.cli.line import typed  # noqa: PLC0415 - as above

    made = typer.Typer(
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_show_locals=False,
        help="High availability for Linux: design, run, operate and prove a cluster.",
        epilog=EXIT_CODES,
    )
    # So that a single command is still called by its name.
    made.callback()(lambda: None)
    for name in names:
        found = _load(name)
        if _COMMANDS[name].endswith("..."):
            made.add_typer(found, name=name)
        elif name == "audit":
            from ninefold.cli.extra import ExtraCommand  # noqa: PLC0415 - as above

            made.command(name, cls=ExtraCommand)(found)
        else:
            made.command(name)(typed(found))
    made.command()(version)
    return made


def version() -> None:
    """Print the version."""
    sys.stdout.write(f"ninefold {__version__}\n")


def run() -> None:
    """Enter by the console script."""
    words = sys.argv[1:]
    name = words[0] if words else ""
    if "_NINEFOLD_COMPLETE" in os.environ or name not in _COMMANDS:
        application(_COMMANDS)()
    elif name not in _PLAIN or not _run_plain(name, words[1:]):
        application([name])()


def _load(name: str) -> Any:
    module, _, attribute = _COMMANDS[name].removesuffix("...").partition(":")
    return getattr(import_module(f"ninefold.cli.{module}"), attribute)


def _run_plain(name: str, words: list[str]) -> bool:
    """Run a command without Typer, and end; or say that the line is not plain."""
    from ninefold.cli.line import plain  # noqa: PLC0415 - the others do without

    command = _load(name)
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    given = plain(command, words)
    if given is None:
        return False
    try:
        command(**given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read has gone; the interpreter would complain about that on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        # Typer's way of ending with a code; it has been loaded by whoever raised that.
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        sys.exit(code)
    return True
