"""The tree, key by key: what is known, of the right type and in range. No rule across keys.

Merged sections give one `Group` (the last value wins, as in Corosync), repeated ones give one per
section, interfaces one per link number. A value that is wrong is noted and left out, so that
the rules across keys judge only what can be judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.config import keys
from ninefold.config.keys import KEYS, Key, Kind

if TYPE_CHECKING:
    from ninefold.config.grammar import Entry, Section
    from ninefold.config.ledger import Ledger

# A sign, and as many digits as 2**64 has; anything longer is out of every range.
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_RING_ADDRESS: Final = re.compile(r"ring([0-9]+)_addr")
_REPEATED: Final = ("nodelist.node", "totem.interface", "logging.logger_subsys", "uidgid")
# A close match costs a comparison with every key; beyond this a file is noise.
_SUGGESTIONS_MAX: Final = 50


class Group(msgspec.Struct):
    """The values of one section: as text, known to be right, with the line of each.

    `wrong` names the keys that were given but cannot be used.
    """

    path: str
    line: int = 0
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    wrong: list[str] = []

    def text(self, name: str) -> str:
        """Return the value of a key, or its default; may be empty."""
        return self.values.get(name, KEYS[f"{self.path}.{name}"].default)

    def integer(self, name: str) -> int:
        """Return the value of an integer key that has a default."""
        return int(self.text(name))

    def given(self, name: str) -> int | None:
        """Return the value of an integer key, or None where the file gives none."""
        return int(self.values[name]) if name in self.values else None

    def flag(self, name: str) -> bool:
        """Return the value of a flag or of a yes/no key."""
        return self.text(name) not in {"0", "no", "off", ""}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def mentions(self, name: str) -> bool:
        """Return whether the file gives the key at all, rightly or wrongly."""
        return name in self.values or name in self.wrong

    def at(self, name: str) -> int:
        """Return the line of a key, or that of the section."""
        return self.lines.get(name, self.line)


class Settings(msgspec.Struct):
    """All values of a file, before any rule across keys."""

    merged: dict[str, Group]
    nodes: list[Group]
    interfaces: list[Group]
    subsystems: list[Group]
    uidgids: list[Group]

    def __getitem__(self, section: str) -> Group:
        return self.merged.get(section) or Group(section)


def gather(tree: Section, ledger: Ledger) -> Settings:
    """Return the values of `tree`; unknown and wrong ones are noted."""
    reader = _Reader(ledger)
    for entry in tree.entries:
        reader.note_unknown_key("", entry)
    for section in tree.sections:
        reader.read(section, section.name)
    return Settings(
        merged=reader.merged,
        nodes=reader.repeated["nodelist.node"],
        interfaces=reader.repeated["totem.interface"],
        subsystems=reader.repeated["logging.logger_subsys"],
        uidgids=reader.repeated["uidgid"],
    )


class _Reader:
    def __init__(self, ledger: Ledger) -> None:
        self.merged: dict[str, Group] = {}
        self.repeated: dict[str, list[Group]] = {path: [] for path in _REPEATED}
        self._ledger = ledger
        self._suggestions = 0

    def read(self, section: Section, path: str) -> None:
        if path not in keys.SECTIONS:
            self._note_unknown_section(section, path)
            return
        if path in self.repeated:
            group = Group(path, section.line)
            self.repeated[path].append(group)
        else:
            group = self.merged.setdefault(path, Group(path, section.line))
        for entry in section.entries:
            self._read_entry(group, entry)
        for below in section.sections:
            self.read(below, f"{path}.{below.name}")

    def _read_entry(self, group: Group, entry: Entry) -> None:
        key = KEYS.get(f"{group.path}.{entry.key}")
        if key is None:
            self.note_unknown_key(group.path, entry)
            return
        if entry.key in group.lines:
            self._ledger.warning(
                "key-twice",
                key.path,
                f"It was already set in line {group.lines[entry.key]}; the last one counts.",
                "Keep one of the two.",
                entry.line,
            )
        group.lines[entry.key] = entry.line
        group.values.pop(entry.key, None)
        if self._is_right(key, entry):
            group.values[entry.key] = entry.value
        else:
            group.wrong.append(entry.key)
        if not key.used:
            self._ledger.info(
                "no-effect",
                key.path,
                "Ninefold's own ring does not use this key; Corosync does.",
                "It may stay.",
                entry.line,
            )

    def _is_right(self, key: Key, entry: Entry) -> bool:
        if not entry.value:
            self._ledger.error(
                "no-value", key.path, "The key has no value.", _should_be(key), entry.line
            )
            return False
        match key.kind:
            case Kind.INTEGER | Kind.FLAG:
                return self._is_integer(key, entry)
            case Kind.CHOICE:
                if entry.value in key.choices:
                    return True
                sentence = f"`{entry.value}` is none of its values."
                self._ledger.error("bad-choice", key.path, sentence, _should_be(key), entry.line)
                return False
            case Kind.TEXT:
                return True

    def _is_integer(self, key: Key, entry: Entry) -> bool:
        if not _INTEGER.fullmatch(entry.value):
            sentence = f"`{entry.value}` is not a decimal integer."
            self._ledger.error("not-an-integer", key.path, sentence, _should_be(key), entry.line)
            return False
        number = int(entry.value)
        if not key.low <= number <= key.high:
            sentence = f"{number} is out of range."
            self._ledger.error("out-of-range", key.path, sentence, _should_be(key), entry.line)
            return False
        if key.kind is Kind.FLAG and number > 1:
            sentence = f"{number} is read as yes."
            self._ledger.warning("odd-flag", key.path, sentence, "Write 1.", entry.line)
        return True

    def note_unknown_key(self, section: str, entry: Entry) -> None:
        """Note a key that is in no table; one that looks like a slip forbids running.

        Corosync keeps unknown keys without complaint, so `tokne: 1000` runs with a token of 3000.
        """
        path = f"{section}.{entry.key}" if section else entry.key
        if section == "uidgid":
            sentence = "Only uid and gid may stand in uidgid."
            self._ledger.error("unknown-key", path, sentence, "Remove the line.", entry.line)
            return
        ring = _RING_ADDRESS.fullmatch(entry.key)
        if section == "nodelist.node" and ring:
            sentence = f"Link {ring[1]} is beyond the highest, {keys.LINKS_MAX - 1}."
            remedy = f"Use ring0_addr to ring{keys.LINKS_MAX - 1}_addr."
            self._ledger.error("unknown-link", path, sentence, remedy, entry.line)
            return
        near = keys.nearest_key(section, entry.key) if self._may_suggest() else ""
        if near:
            remedy = (
                f"Write `{near.rpartition('.')[2]}` in the section `{near.rpartition('.')[0]}`."
            )
            sentence = f"There is no such key; it looks like `{near}`."
            self._ledger.error("unknown-key", path, sentence, remedy, entry.line)
        else:
            sentence = "There is no such key; it has no effect."
            remedy = "Remove the line, or correct the name."
            self._ledger.warning("unknown-key", path, sentence, remedy, entry.line)

    def _note_unknown_section(self, section: Section, path: str) -> None:
        if not section.name:
            return  # The grammar has said so.
        near = keys.nearest_section(path) if self._may_suggest() else ""
        if near:
            sentence = f"There is no such section; it looks like `{near}`."
            remedy = f"Write `{near.rpartition('.')[2]}`" + (
                f" inside `{near.rpartition('.')[0]}`." if "." in near else " at the top level."
            )
            self._ledger.error("unknown-section", path, sentence, remedy, section.line)
        else:
            sentence = "There is no such section; nothing in it has any effect."
            remedy = "Remove it, or correct its name."
            self._ledger.warning("unknown-section", path, sentence, remedy, section.line)

    def _may_suggest(self) -> bool:
        self._suggestions += 1
        return self._suggestions <= _SUGGESTIONS_MAX


def _should_be(key: Key) -> str:
    match key.kind:
        case Kind.INTEGER:
            unit = f" ({key.unit})" if key.unit else ""
            return f"Give an integer from {key.low} to {key.high}{unit}."
        case Kind.FLAG:
            return "Write 0 or 1."
        case Kind.CHOICE:
            if len(key.choices) > 20:
                return f"Write one of {key.choices[0]} ... {key.choices[-1]}."
            return f"Write {' or '.join(key.choices)}."
        case Kind.TEXT:
            return "Give a value, or remove the line."
