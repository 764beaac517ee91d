"""The list that findings about one file are written to.

Everyone who reads the operator's file notes what is wrong here and carries on, so that all of it is
reported at once. The list is bounded: a file of noise must not become a report of noise.
"""

from __future__ import annotations

from typing import Final

from ninefold.core.findings import Finding, Severity

# A person reads some dozens; 200 leave room for one mistake repeated on each of 64 nodes and 3 links.
FINDINGS_MAX: Final = 200


class Ledger:
    """Findings about `file`, in the order in which they were noted."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._findings: list[Finding] = []
        self._unlisted = 0
        self._unlisted_error = False

    def error(self, code: str, subject: str, sentence: str, remedy: str, line: int = 0) -> None:
        """Note something that forbids running this file."""
        self._note(Severity.ERROR, code, subject, sentence=sentence, remedy=remedy, line=line)

    def warning(self, code: str, subject: str, sentence: str, remedy: str, line: int = 0) -> None:
        """Note something that is probably not what the operator meant."""
        self._note(Severity.WARNING, code, subject, sentence=sentence, remedy=remedy, line=line)

    def info(self, code: str, subject: str, sentence: str, remedy: str = "", line: int = 0) -> None:
        """Note something worth knowing that needs no change."""
        self._note(Severity.INFO, code, subject, sentence=sentence, remedy=remedy, line=line)

    def findings(self) -> list[Finding]:
        """Return everything noted, by line; what was too much is summed up in a last finding."""
        ordered = sorted(self._findings, key=lambda finding: finding.line)
        if self._unlisted:
            severity = Severity.ERROR if self._unlisted_error else Severity.WARNING
            sentence = f"{self._unlisted} more findings are not listed."
            remedy = "Correct those above and check again."
            ordered.append(
                Finding("too-many-findings", severity, "file", sentence, remedy, self._file)
            )
        return ordered

    def _note(
        self, severity: Severity, code: str, subject: str, *, sentence: str, remedy: str, line: int
    ) -> None:
        if len(self._findings) >= FINDINGS_MAX:
            self._unlisted += 1
            self._unlisted_error |= severity is Severity.ERROR
            return
        self._findings.append(Finding(code, severity, subject, sentence, remedy, self._file, line))
