"""A model that grows from what was found: parts with needs and evidence, written as YAML.

Only the notation is here; `to_model` decides what is put in. Names are made of letters, digits,
dots and dashes, and no two things have the same.
"""

from __future__ import annotations

import json
import re
from typing import Final, TypeAlias

import msgspec

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# What YAML 1.1 readers, which editors still bring, take for something else than a text.
_WORDS: Final = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})

# A name, all of them, or at least k.
Need: TypeAlias = "str | AtLeast"


class AtLeast(msgspec.Struct, frozen=True):
    """At least `k` of these."""

    k: int
    of: tuple[str, ...]


class Entry(msgspec.Struct):
    """A part, group or service: what it needs, its other keys, and sentences of evidence."""

    name: str
    keys: dict[str, str]
    needs: list[Need]
    inside: list[str]
    evidence: list[str]


class Sketch:
    """Parts, groups and services so far."""

    def __init__(self) -> None:
        self.parts: dict[str, Entry] = {}
        self.groups: dict[str, Entry] = {}
        self.services: dict[str, Entry] = {}

    def part(self, name: str, kind: str, evidence: str = "") -> Entry:
        """Return the part of this name and kind; made at the first call, its evidence grows."""
        return self._entry(self.parts, name, {"kind": kind}, evidence)

    def group(self, name: str, nodes: list[str], evidence: str) -> Entry:
        """Return the failover group of these nodes."""
        listed = ", ".join(map(quoted, nodes))
        return self._entry(self.groups, name, {"nodes": f"[{listed}]"}, evidence)

    def service(self, name: str, evidence: str) -> Entry:
        """Return a service."""
        return self._entry(self.services, name, {}, evidence)

    def _entry(
        self, table: dict[str, Entry], name: str, keys: dict[str, str], evidence: str
    ) -> Entry:
        clean = name_of(name)
        tables = (self.parts, self.groups, self.services)
        number = 1
        unique = clean
        while any(
            unique in other and not (other is table and other[unique].keys == keys)
            for other in tables
        ):
            number += 1
            unique = f"{clean}-{number}"
        found = table.setdefault(unique, Entry(unique, keys, [], [], []))
        if evidence and evidence not in found.evidence:
            found.evidence.append(evidence)
        return found

    def text(self, name: str, description: str, head: list[str]) -> str:
        """Return the file."""
        lines = [f"# {_one_line(sentence)}" for sentence in head]
        lines += [f"name: {quoted(name)}", f"description: {json.dumps(_one_line(description))}"]
        for title, table in (
            ("parts", self.parts),
            ("groups", self.groups),
            ("services", self.services),
        ):
            if table:
                lines += ["", f"{title}:"]
                for entry in table.values():
                    lines += _written(entry)
        return "\n".join(lines) + "\n"


def name_of(text: str) -> str:
    """Return a name for a model made of any text."""
    clean = re.sub(r"[^A-Za-z0-9_.-]", "-", text).strip("-.")
    return clean or "unnamed"


def quoted(text: str) -> str:
    """Return a YAML scalar."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text)


def _one_line(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\xa1-\uffff]+", " ", text).strip()


def _need(need: Need) -> str:
    if isinstance(need, str):
        return quoted(need)
    listed = ", ".join(map(quoted, need.of))
    if need.k == 1:
        return f"{{any: [{listed}]}}"
    return f"{{at-least: {need.k}, of: [{listed}]}}"


def _written(entry: Entry) -> list[str]:
    lines = [f"  # {_one_line(sentence)}" for sentence in entry.evidence]
    lines.append(f"  {quoted(entry.name)}:")
    lines += [f"    {key}: {value}" for key, value in entry.keys.items()]
    if entry.inside:
        lines.append(f"    inside: [{', '.join(map(quoted, entry.inside))}]")
    if entry.needs:
        lines.append("    needs:")
        lines += [f"      - {_need(need)}" for need in dict.fromkeys(entry.needs)]
    return lines
