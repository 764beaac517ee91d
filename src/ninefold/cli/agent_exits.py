"""How a command that an agent calls ends: the exit codes that agents know, and who raises them."""

from __future__ import annotations

import argparse
from typing import Final, NoReturn

REFUSED: Final = 1
USAGE: Final = 64
NO_NODE: Final = 102
NO_SUCH: Final = 105


class Ended(Exception):
    """The command ends with `code` and, on stderr, a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """Reads options; what is wrong with them ends the command."""

    def error(self, message: str) -> NoReturn:
        """End with 64."""
        raise Ended(USAGE, message)
