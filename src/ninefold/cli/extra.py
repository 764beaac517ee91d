"""What commands need that stand on the optional libraries of the extra `design`.

Such commands import them when they run, not when the program starts; a host without them is told
what to install instead of being shown a stack of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from typer.core import TyperCommand, TyperGroup

from ninefold.cli.out import fail

if TYPE_CHECKING:
    from typer import Context

# By the names under which they are imported.
EXTRA: Final = frozenset(
    ("jinja2", "matplotlib", "networkx", "numpy", "oxidd", "psutil", "ruamel", "scipy")
)


def lacking(error: ModuleNotFoundError) -> NoReturn:
    """Say what to install if the extra is missing; everything else is a defect and goes on."""
    name = (error.name or "").partition(".")[0]
    if name not in EXTRA:
        raise error
    fail(
        f"this command needs libraries that are not installed here ({name}). "
        "Install them: pip install 'ninefold[design]'"
    )


class ExtraGroup(TyperGroup):
    """A group of commands that need the extra."""

    def invoke(self, ctx: Context) -> Any:  # type: ignore[override]
        """Run the command; see `lacking`."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            lacking(error)


class ExtraCommand(TyperCommand):
    """A single command that needs the extra."""

    def invoke(self, ctx: Context) -> Any:  # type: ignore[override]
        """Run the command; see `lacking`."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            lacking(error)
