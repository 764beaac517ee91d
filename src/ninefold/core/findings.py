"""What is wrong with something an operator wrote, and what to do about it.

Validators return lists of findings, all at once; nobody raises on the first bad line.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(Enum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True):
    """One thing found: `code` for programs, `sentence` and `remedy` for people.

    `subject` names what it is about (`totem.token`, `primitive db`); `file` and `line` where known.
    """

    code: str
    severity: Severity
    subject: str
    sentence: str
    remedy: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return (
            f"{place}{self.severity.value}: {self.subject}: {self.sentence} {self.remedy}".rstrip()
        )


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that forbid going on."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]
