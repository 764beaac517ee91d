"""A command line that is read without Typer, where it is plain.

Typer and what it stands on take longer to load than a decision about a middling cluster takes. So a
command that programs call again and again describes its parameters with `Option` and `Argument`
from here. `typed` turns them into what Typer wants, and `plain` reads a line by itself: options as
they are written out, each with its value. Whatever needs more judgement than that (help, mistakes,
abbreviations) is left to Typer, so that there is one voice to answer it.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[..., None]


class Option(msgspec.Struct, frozen=True):
    """An option: `--name`, `-n`, or `--name/--no-name` for a question with three answers."""

    names: tuple[str, ...]
    help: str
    metavar: str | None = None

    def for_typer(self) -> Any:
        """Return the same for Typer."""
        import typer  # noqa: PLC0415 - the point of this module is to do without

        return typer.Option(*self.names, help=self.help, metavar=self.metavar)


class Argument(msgspec.Struct, frozen=True):
    """A word that is told from others by its place alone."""

    help: str
    metavar: str | None = None

    def for_typer(self) -> Any:
        """Return the same for Typer."""
        import typer  # noqa: PLC0415 - as above

        return typer.Argument(help=self.help, metavar=self.metavar)


def typed(command: Command) -> Command:
    """Return `command` with its parameters described to Typer."""

    @wraps(command)
    def described(*args: Any, **given: Any) -> None:
        command(*args, **given)

    from inspect import signature  # noqa: PLC0415 - as in `for_typer`

    hints = get_type_hints(command, include_extras=True)
    for name, (kind, about) in _parameters(command).items():
        if isinstance(about, Option | Argument):
            hints[name] = Annotated[kind, about.for_typer()]
    shape = signature(command)
    parameters = [one.replace(annotation=hints[name]) for name, one in shape.parameters.items()]
    described.__annotations__ = hints
    # Typer reads either, and the signature would be that of what is wrapped.
    vars(described)["__signature__"] = shape.replace(parameters=parameters)
    return described


def plain(command: Command, words: Sequence[str]) -> dict[str, Any] | None:
    """Return what to call `command` with, or `None` if Typer had better look at the line."""
    options, places = _vocabulary(command)
    given: dict[str, Any] = {}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "-" or not word.startswith("-"):
            if not places:
                return None
            name, kind = places.pop(0)
            given[name] = _value(kind, word)
            continue
        name, kind, answer = options.get(word, ("", None, True))
        value: Any = answer
        if not _yes_or_no(kind):
            # What looks like an option may be a value to Typer: it knows.
            if not name or not rest or rest[-1].startswith("-"):
                return None
            value = _value(kind, rest.pop())
        if _many(kind):
            given.setdefault(name, []).append(value)
        elif name in given:
            return None
        else:
            given[name] = value
    return given


def _vocabulary(
    command: Command,
) -> tuple[dict[str, tuple[str, Any, bool]], list[tuple[str, Any]]]:
    """Return what each spelling of an option means, and what is told by its place."""
    options: dict[str, tuple[str, Any, bool]] = {}
    places: list[tuple[str, Any]] = []
    for name, (kind, about) in _parameters(command).items():
        if isinstance(about, Argument):
            places.append((name, kind))
            continue
        for spelling in about.names:
            for answer, one in zip((True, False), spelling.split("/"), strict=False):
                options[one] = (name, kind, answer)
    return options, places


def _parameters(command: Command) -> dict[str, tuple[Any, Any]]:
    """Return type and description of each parameter."""
    hints = get_type_hints(command, include_extras=True)
    return {
        name: get_args(hint)[:2]
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }  # fmt: skip


def _yes_or_no(kind: Any) -> bool:
    return bool in (kind, *get_args(kind))


def _many(kind: Any) -> bool:
    return any(get_origin(one) is list for one in (kind, *get_args(kind)))


def _value(kind: Any, word: Any) -> Any:
    return Path(word) if Path in (kind, *get_args(kind)) else word
