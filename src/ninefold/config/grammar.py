"""The grammar of `corosync.conf`: text to a tree of sections and entries with line numbers.

Nothing here knows a key. The format is line oriented (specs/totem.md §13): a line is blank, a comment
(`#` first), `name {`, `key: value`, or `}` alone; there is no quoting, no comment behind a value and no
include. A line that is none of these is noted and skipped, so that one slip hides no other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config.ledger import Ledger

if TYPE_CHECKING:
    from ninefold.core.findings import Finding

# Corosync reads lines into 512 bytes with a closing NUL.
LINE_BYTES_MAX: Final = 511
# Corosync's key names hold 255 bytes with the closing NUL: the dotted path of an entry.
PATH_BYTES_MAX: Final = 254
# 384 nodes with eight links of 45 bytes make 180 kB; more is not a corosync.conf.
FILE_BYTES_MAX: Final = 512 * 1024

_TRIMMED: Final = " \t\r\u00a0"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_COMMENT_BEHIND: Final = re.compile(r"\s#")


class Entry(msgspec.Struct, frozen=True):
    """One `key: value`."""

    key: str
    value: str
    line: int


class Section(msgspec.Struct, frozen=True):
    """One section, in the order of the file. The root has no name and line 0."""

    name: str
    line: int
    entries: tuple[Entry, ...]
    sections: tuple[Section, ...]

    def named(self, name: str) -> list[Section]:
        """Return the sections of that name directly below."""
        return [section for section in self.sections if section.name == name]


class _Open:
    """A section whose closing brace has not been met."""

    def __init__(self, name: str, line: int, path: str, *, kept: bool = True) -> None:
        self.name = name
        self.line = line
        self.path = path
        self.kept = kept
        self.entries: list[Entry] = []
        self.sections: list[Section] = []

    def close_into(self, parent: _Open) -> None:
        """Hand what was read to the parent, unless the section was no good from its first line."""
        if self.kept:
            parent.sections.append(self.closed())

    def closed(self) -> Section:
        return Section(self.name, self.line, tuple(self.entries), tuple(self.sections))


def decode(data: bytes) -> str:
    """Return the text of a file; a byte that is not UTF-8 becomes U+FFFD, which `parse` notes."""
    return data.decode("utf-8", errors="replace")


def parse(text: str, *, file: str = "corosync.conf") -> tuple[Section, list[Finding]]:
    """Return the tree of `text` and what is wrong with its form. Never raises."""
    ledger = Ledger(file)
    root = _Open("", 0, "")
    size = _bytes(text)
    if size > FILE_BYTES_MAX:
        ledger.error(
            "file-too-long",
            "file",
            f"The file has {size} bytes; the limit is {FILE_BYTES_MAX}.",
            "Check that this is a corosync.conf.",
        )
        return root.closed(), ledger.findings()
    stack = [root]
    for number, raw in enumerate(text.split("\n"), start=1):
        _read_line(raw, number, stack, ledger)
    while len(stack) > 1:
        section = stack.pop()
        section.close_into(stack[-1])
        ledger.error(
            "missing-close",
            section.path or "section",
            f"The section `{section.name}` that line {section.line} opens is never closed.",
            "Add a line with `}` at its end.",
            section.line,
        )
    return root.closed(), ledger.findings()


def _read_line(raw: str, number: int, stack: list[_Open], ledger: Ledger) -> None:
    if _bytes(raw.rstrip("\r")) > LINE_BYTES_MAX:
        ledger.error(
            "line-too-long",
            stack[-1].path or "file",
            f"The line has {_bytes(raw)} bytes; the limit is {LINE_BYTES_MAX}.",
            "Shorten it; Corosync reads no longer lines either.",
            number,
        )
        return
    line = raw.strip(_TRIMMED)
    if not line or line.startswith("#"):
        return
    if not line.replace("\t", " ").isprintable() or "\ufffd" in line:
        ledger.error(
            "unreadable-character",
            stack[-1].path or "file",
            "The line has a control character or bytes that are not UTF-8.",
            "Type the line again in plain text.",
            number,
        )
        return
    if "{" in line:
        _open_section(line, number, stack, ledger)
    elif ":" in line:
        _add_entry(line, number, stack[-1], ledger)
    elif line == "}":
        _close_section(number, stack, ledger)
    else:
        ledger.error(
            "not-a-line",
            stack[-1].path or "file",
            f"`{_short(line)}` opens no section, closes none and is no `key: value`.",
            "Write `key: value` (with a colon), or put `#` first to make it a comment.",
            number,
        )


def _open_section(line: str, number: int, stack: list[_Open], ledger: Ledger) -> None:
    """Open a section even when its line is wrong: its closing brace will come."""
    before, _, after = line.partition("{")
    name = before.strip(_TRIMMED).removesuffix(":").strip(_TRIMMED)
    if after.strip(_TRIMMED):
        ledger.error(
            "text-after-brace",
            name or "section",
            f"`{_short(after.strip(_TRIMMED))}` stands behind the opening brace.",
            "Put it on a line of its own.",
            number,
        )
    if not name:
        ledger.error(
            "nameless-section",
            "section",
            "The opening brace has no section name before it.",
            "Name the section: totem, nodelist, quorum, logging, system or uidgid.",
            number,
        )
    elif not _NAME.fullmatch(name):
        ledger.error(
            "bad-section-name",
            _short(name),
            f"`{_short(name)}` is no name of a section.",
            "Use letters, digits and underscores; a value may not contain `{`.",
            number,
        )
    path = f"{stack[-1].path}.{name}" if stack[-1].path else name
    if _bytes(path) > PATH_BYTES_MAX:
        ledger.error(
            "path-too-long",
            _short(path),
            f"The path of the section has {_bytes(path)} bytes; the limit is {PATH_BYTES_MAX}.",
            "Nest less deeply; no section of a corosync.conf has more than two above it.",
            number,
        )
        path = stack[-1].path
    # What has no name or lies too deep is dropped, so no file can build a tree deeper than the limit.
    stack.append(_Open(name, number, path, kept=bool(name) and path != stack[-1].path))


def _close_section(number: int, stack: list[_Open], ledger: Ledger) -> None:
    if len(stack) == 1:
        ledger.error(
            "stray-close",
            "file",
            "This closing brace closes nothing.",
            "Remove it, or find the section that was closed too early.",
            number,
        )
        return
    section = stack.pop()
    section.close_into(stack[-1])


def _add_entry(line: str, number: int, section: _Open, ledger: Ledger) -> None:
    before, _, after = line.partition(":")
    key, value = before.strip(_TRIMMED), after.strip(_TRIMMED)
    path = f"{section.path}.{key}" if section.path else key
    if not key:
        ledger.error(
            "empty-key",
            section.path or "file",
            "There is no key before the colon.",
            "Name the key, or remove the line.",
            number,
        )
        return
    if not _NAME.fullmatch(key):
        ledger.error(
            "bad-key-name",
            _short(path),
            f"`{_short(key)}` is no name of a key.",
            "Use letters, digits, underscores, dots and hyphens.",
            number,
        )
        return
    if _bytes(path) > PATH_BYTES_MAX:
        ledger.error(
            "path-too-long",
            _short(path),
            f"The path of the key has {_bytes(path)} bytes; the limit is {PATH_BYTES_MAX}.",
            "Remove the line; no key of a corosync.conf is that long.",
            number,
        )
        return
    if _COMMENT_BEHIND.search(value):
        ledger.warning(
            "comment-behind-value",
            path,
            f"The value is `{_short(value)}`, with everything behind the `#`.",
            "Comments need a line of their own.",
            number,
        )
    section.entries.append(Entry(key, value, number))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", errors="surrogatepass"))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
