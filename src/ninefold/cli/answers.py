"""How a command answers: its exit codes, what it says when it cannot go on, data for programs.

Nothing that takes long to load: Rich and Typer come when there is something to say with them.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

from ninefold.cli.line import Option

if TYPE_CHECKING:
    from rich.console import Console

    # Where a command writes, and where it complains; made when first asked for.
    console: Console
    complaints: Console

# The exit codes of every command, besides 0 for done. They are part of the interface: scripts
# repeat what ended with 3 on another node, and show a person what ended with 1.
REFUSED = 1  # the node, or a check, said no; or what was waited for did not come
USAGE = 2  # the command line is wrong, or names a file that cannot be read or written
NO_NODE = 3  # no node could be asked: it is not running, does not answer, or we may not enter
EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, or not as wished; 2 wrong usage; 3 no node could be asked."
)

JSON: Final = Option(("--json",), "Print data for programs.")
SOCKET: Final = Option(("--socket",), "The node's socket, if not /run/ninefold/ninefold.sock.")
PlainJson = Annotated[bool, JSON]
PlainSocket = Annotated[str | None, SOCKET]


def __getattr__(name: str) -> Any:
    if name not in {"console", "complaints"}:
        raise AttributeError(name)
    from rich.console import Console  # noqa: PLC0415 - see above

    made = Console(stderr=name == "complaints", highlight=False, emoji=False, soft_wrap=True)
    return globals().setdefault(name, made)


def complain(sentence: str) -> None:
    """Say something to whoever looks at the terminal, as it is."""
    sys.stderr.write(f"{sentence}\n")


def end(code: int) -> NoReturn:
    """End the command."""
    import typer  # noqa: PLC0415 - see above

    raise typer.Exit(code)


def fail(message: str, code: int = REFUSED) -> NoReturn:
    """Say what is wrong and end."""
    complain(f"ninefold: {message}")
    end(code)


def show_json(value: Any) -> None:
    """Print data."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
