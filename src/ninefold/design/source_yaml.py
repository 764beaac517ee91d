"""YAML with the line of everything: what `load` walks, and how it complains.

YAML 1.2 by ruamel.yaml, so that `no` and `on` are texts. A `Tree` is a mapping, a sequence or a
text that knows its line; it counts what was looked at, so that what nobody asked for is found.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from ninefold.core.findings import Finding, Severity
from ninefold.design.model import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from ruamel.yaml.nodes import Node

    T = TypeVar("T")

# A model of a thousand parts has some 100 KiB.
BYTES_MAX: Final = 8 * 1024 * 1024
DEPTH_MAX: Final = 40
# Values that a file may have when its aliases are written out; a thousand parts have some ten thousand.
NODES_MAX: Final = 500_000
# Open brackets, texts and comments included: the parser takes seconds to give up on thousands.
BRACKETS_MAX: Final = 400


class Ledger:
    """The findings of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []

    def error(self, code: str, subject: str, sentence: str, remedy: str, line: int = 0) -> None:
        """Note what forbids going on."""
        found = Finding(code, Severity.ERROR, subject, sentence, remedy, self.file, line)
        self.findings.append(found)

    def warn(self, code: str, subject: str, sentence: str, remedy: str, line: int = 0) -> None:
        """Note what is probably not meant."""
        found = Finding(code, Severity.WARNING, subject, sentence, remedy, self.file, line)
        self.findings.append(found)


class Tree:
    """A mapping of the file. Asking for a key takes it; `leftover` complains about the rest."""

    def __init__(self, ledger: Ledger, subject: str, found: CommentedMap, line: int) -> None:
        self.ledger = ledger
        self.subject = subject
        self.line = line
        # By its text: a key may be a number (a node of that name, an item of the checklist).
        self._keys = {str(key): key for key in found}
        self._found = found
        self._asked: set[str] = set()

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.ledger.file, self.line)

    def has(self, key: str) -> bool:
        """Is there such a key?"""
        return key in self._keys

    def key_names(self) -> list[str]:
        """Return its keys in the order of the file."""
        return list(self._keys)

    def line_of(self, key: str) -> int:
        """Return the line of a key, from 1."""
        try:
            return int(self._found.lc.key(self._keys[key])[0]) + 1
        except (AttributeError, KeyError, TypeError):
            return self.line

    def place_of(self, key: str) -> Place:
        """Return where a key stands."""
        return Place(self.ledger.file, self.line_of(key))

    def raw(self, key: str) -> Any:
        """Take whatever stands there; `None` if nothing does."""
        self._asked.add(key)
        return self._found[self._keys[key]] if key in self._keys else None

    def error(self, code: str, key: str, sentence: str, remedy: str) -> None:
        """Complain about a key."""
        self.ledger.error(code, f"{self.subject}.{key}", sentence, remedy, self.line_of(key))

    def text(self, key: str, default: str = "") -> str:
        """Take a text or a number as text."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            self.error("type", key, "This is not a text.", "Write a single value here.")
            return default
        return str(value)

    def quantity(self, key: str, read: Callable[[str], T]) -> T | None:
        """Take a quantity with a unit; complain with the reader's own sentence."""
        if not self.has(key):
            return None
        if self.raw(key) in (None, ""):
            self.error("empty", key, "Nothing stands here.", "Write a value, or remove the key.")
            return None
        text = self.text(key)
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            sentence = str(error)
            said, _, remedy = sentence.partition("; ")
            self.error(
                "quantity", key, f"{said}.", f"{(remedy or 'correct the value').capitalize()}."
            )
            return None

    def integer(self, key: str, default: int, *, least: int = 0) -> int:
        """Take a whole number."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.error(
                "number", key, f"{value!r} is not a whole number from {least} on.", "Correct it."
            )
            return default
        return value

    def number(self, key: str, default: float) -> float:
        """Take a number from 0 on."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
            self.error("number", key, f"{value!r} is not a number from 0 on.", "Correct it.")
            return default
        return float(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take `true` or `false`, or `yes` and `no`."""
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in ("yes", "no"):
            return bool(value == "yes")
        self.error("flag", key, f"{value!r} is neither yes nor no.", "Write yes or no.")
        return default

    def names(self, key: str) -> tuple[str, ...]:
        """Take a list of names; one alone counts as a list."""
        value = self.raw(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if isinstance(value, CommentedSeq) and all(
            isinstance(v, (str, int)) and not isinstance(v, bool) for v in value
        ):
            return tuple(str(v) for v in value)
        self.error("names", key, "This is not a list of names.", "Write it like [n1, n2].")
        return ()

    def tree(self, key: str) -> Tree | None:
        """Take a mapping."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, CommentedMap):
            return Tree(self.ledger, f"{self.subject}.{key}", value, self.line_of(key))
        self.error("mapping", key, "A mapping is expected here.", "Write `key: value` lines.")
        return None

    def trees(self, key: str) -> list[tuple[str, Tree]]:
        """Take a mapping of mappings: (name, tree) in order; an empty one may be left out."""
        outer = self.tree(key)
        if outer is None:
            return []
        found = []
        for name in outer.key_names():
            value = outer.raw(name)
            if value is None:
                value = CommentedMap()
            if isinstance(value, CommentedMap):
                found.append((name, Tree(self.ledger, name, value, outer.line_of(name))))
            else:
                outer.error("mapping", name, "A mapping is expected here.", "Write {kind: ...}.")
        return found

    def items(self, key: str) -> list[Tree]:
        """Take a list of mappings."""
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, CommentedSeq):
            self.error("list", key, "A list is expected here.", "Begin each entry with a dash.")
            return []
        found = []
        for number, item in enumerate(value):
            if isinstance(item, CommentedMap):
                line = int(value.lc.item(number)[0]) + 1
                found.append(Tree(self.ledger, f"{self.subject}.{key}[{number + 1}]", item, line))
            else:
                self.error(
                    "mapping", key, f"Entry {number + 1} is no mapping.", "Write {key: value}."
                )
        return found

    def leftover(self, known: Iterable[str]) -> None:
        """Complain about every key that nobody asked for."""
        wanted = sorted({*known, *self._asked})
        for key in self.key_names():
            if key in self._asked:
                continue
            near = difflib.get_close_matches(key, wanted, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(wanted)}."
            self.error("unknown-key", key, f"Nobody knows the key {key!r} here.", remedy)


def read(text: str, ledger: Ledger) -> Tree | None:
    """Read a file's text; what is no YAML, or no mapping, is a finding. Never raises for it."""
    if len(text) > BYTES_MAX:
        ledger.error("too-large", "file", f"It has {len(text)} bytes.", f"At most {BYTES_MAX}.")
        return None
    if _brackets(text) > BRACKETS_MAX:
        ledger.error(
            "deep", "file", f"It nests more than {BRACKETS_MAX} brackets.", "Flatten it.", 1
        )
        return None
    try:
        found = _loaded(text, ledger)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        ledger.error(
            "yaml",
            "file",
            _first(error),
            "Correct the indentation or the quotes there.",
            mark.line + 1 if mark else 0,
        )
        return None
    except (
        YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
        AssertionError,
    ) as error:
        ledger.error("yaml", "file", f"It is not YAML: {error}.", "Correct it.")
        return None
    if not isinstance(found, CommentedMap):
        ledger.error(
            "empty", "file", "It holds no mapping.", "Start with: name: ..., parts: ...", 1
        )
        return None
    if _too_deep(found):
        ledger.error("deep", "file", f"It is nested more than {DEPTH_MAX} deep.", "Flatten it.", 1)
        return None
    return Tree(ledger, "file", found, 1)


def _loaded(text: str, ledger: Ledger) -> Any:
    """Return what the file holds. Of a key that stands twice the first counts, so that the rest can be judged."""
    yaml = YAML(typ="rt")
    yaml.version = (1, 2)
    try:
        return yaml.load(text)
    except DuplicateKeyError:
        patient = YAML(typ="rt")
        patient.version = (1, 2)
        patient.allow_duplicate_keys = True
        for key, first, line in _twice(patient.compose(text)):
            sentence = f"The key {key!r} stands here again; line {first} has it already."
            ledger.error("twice", key, sentence, "Keep one of the two.", line)
        return patient.load(text)


def _twice(top: Node) -> Iterator[tuple[str, int, int]]:
    """Yield each key that its mapping has already, with the line of the first and its own, from 1."""
    stack, seen = [top], {id(top)}
    while stack:
        node = stack.pop()
        inner: list[Node] = []
        if isinstance(node, MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                inner.append(value)
                name, line = str(key.value), key.start_mark.line + 1
                if not isinstance(key, ScalarNode) or name == "<<":
                    continue
                if name in lines:
                    yield name, lines[name], line
                lines.setdefault(name, line)
        elif isinstance(node, SequenceNode):
            inner = node.value
        # An alias is the same node again.
        stack.extend(one for one in reversed(inner) if id(one) not in seen)
        seen.update(map(id, inner))


def _first(error: MarkedYAMLError) -> str:
    text = str(error.problem or error.context or "it is not YAML").split("\n")[0].strip()
    return f"It is not YAML: {text}."


def _brackets(text: str) -> int:
    """Return how many brackets are open at the worst place."""
    most = depth = 0
    for sign in re.findall(r"[][{}]", text):
        depth = depth + 1 if sign in "[{" else max(0, depth - 1)
        most = max(most, depth)
    return most


def _too_deep(found: Any) -> bool:
    """Tell nesting beyond the limit; an alias that contains itself is one too."""
    stack = [(found, 0)]
    seen = 0
    while stack:
        value, depth = stack.pop()
        seen += 1
        if depth > DEPTH_MAX or seen > NODES_MAX:
            return True
        if isinstance(value, CommentedMap):
            stack.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, CommentedSeq):
            stack.extend((inner, depth + 1) for inner in value)
    return False
