"""Ban with a replacement: what must not be written here, and what to write instead.

The rules see syntax, not values: a set that hides behind a function's result is not seen. What
they do see is what would break the promise that the same seed under two hash seeds gives the
same trace.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).parents[2] / "src" / "ninefold"

PURE = frozenset(
    [
        "core",
        "config",
        "totem",
        "quorum",
        "corosync",
        "cib",
        "scheduler",
        "forecast",
        "fencing",
        "agents",
        "controller",
        "node",
    ]
)
DETERMINISTIC = PURE | {"sim"}
READS_THE_CLOCK = frozenset(["host", "daemon", "lab", "drill", "cli"])
PRINTS = frozenset({"cli"})
# `data` holds no layer but the programs that agents are.
EVERYWHERE = frozenset(path.parent.name for path in SOURCE.glob("*/__init__.py"))

# "path rule": the reason why it is right there. An entry that is no longer needed fails the test.
EXCEPTIONS: dict[str, str] = {
    "config/keys.py float": "difflib's similarity of a misspelt key; it ends in a sentence only",
}

CLOCKS = frozenset(
    f"{module}.{function}"
    for module, functions in {
        "time": "time time_ns monotonic monotonic_ns perf_counter sleep localtime gmtime",
        "datetime": "now utcnow today",
        "datetime.datetime": "now utcnow today",
        "datetime.date": "today",
        "date": "today",
    }.items()
    for function in functions.split()
)
SET_METHODS = frozenset(["union", "intersection", "difference", "symmetric_difference"])
# What takes the order of its argument over into its result; sorted, min, max, sum, any, all and
# len do not.
KEEPS_ORDER = frozenset(
    ["list", "tuple", "enumerate", "iter", "zip", "map", "filter", "dict", "reversed", "next"]
)


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for such an expression, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def clock(tree: ast.Module) -> Iterator[int]:
    yield from (call.lineno for call, name in calls(tree) if name in CLOCKS)


def chance(tree: ast.Module) -> Iterator[int]:
    for call, name in calls(tree):
        unseeded = name == "random.Random" and not call.args
        if (name.startswith("random.") and name != "random.Random") or unseeded:
            yield call.lineno


def printing(tree: ast.Module) -> Iterator[int]:
    yield from (call.lineno for call, name in calls(tree) if name == "print")


def hashing(tree: ast.Module) -> Iterator[int]:
    yield from (call.lineno for call, name in calls(tree) if name in {"hash", "id"})


def floats(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float()):
                yield node.lineno
            case ast.Name(id="float"):
                yield node.lineno
            case _:
                pass


def is_set_type(annotation: ast.expr | None) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return base is not None and dotted(base).split(".")[-1] in {
        "set",
        "frozenset",
        "Set",
        "AbstractSet",
        "MutableSet",
    }


class SetNames:
    """Which names and `self.` attributes of a module are declared or assigned as sets.

    A name counts only if every assignment to it in the module gives a set, so that a common name
    used for two things raises no false alarm.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._sets: set[str] = set()
        others: set[str] = set()
        for node in ast.walk(tree):
            for target, seen_as_set in self._bindings(node):
                (self._sets if seen_as_set else others).add(target)
        self._sets -= others

    def _bindings(self, node: ast.AST) -> Iterator[tuple[str, bool]]:
        match node:
            case ast.AnnAssign(target=target, annotation=annotation):
                yield dotted(target), is_set_type(annotation)
            case ast.arg(arg=name, annotation=annotation):
                yield name, is_set_type(annotation)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield dotted(target), self.gives_a_set(value)
            case ast.For(target=target) | ast.comprehension(target=target):
                yield dotted(target), False
            case _:
                pass

    def gives_a_set(self, node: ast.expr) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.Call(func=ast.Attribute(attr=method)) if method in SET_METHODS:
                return True
            case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
                return any(
                    self.gives_a_set(side) or self._is_keys(side)
                    for side in (node.left, node.right)
                )
            case ast.Name() | ast.Attribute():
                return dotted(node) in self._sets
            case _:
                return False

    def _is_keys(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and dotted(node.func).endswith(".keys")


def set_order(tree: ast.Module) -> Iterator[int]:
    names = SetNames(tree)
    harmless = order_forgotten(tree)
    for node in ast.walk(tree):
        if node not in harmless:
            yield from (each.lineno for each in walked_in_order(node) if names.gives_a_set(each))


def walked_in_order(node: ast.AST) -> list[ast.expr]:
    """Return the expressions whose order this node takes over into what it does."""
    match node:
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return [source]
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in KEEPS_ORDER:
            return arguments
        case ast.Starred(value=value):
            return [value]
        case ast.Call(func=ast.Attribute(attr="pop", value=value), args=[]):
            return [value]
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=[value]):
            return [value]
        case _:
            return []


def order_forgotten(tree: ast.Module) -> set[ast.AST]:
    """Return the comprehensions whose order nobody sees: a set's, or an argument of sorted."""
    found: set[ast.AST] = set()
    forgets = {"sorted", "min", "max", "sum", "any", "all", "len", "set", "frozenset"}
    for node in ast.walk(tree):
        match node:
            case ast.SetComp(generators=generators):
                found.update(generators)
            case ast.Call(
                func=ast.Name(id=name),
                args=[
                    ast.GeneratorExp(generators=generators) | ast.ListComp(generators=generators)
                ],
            ) if name in forgets:
                found.update(generators)
            case _:
                pass
    return found


# rule: (what sees it, the layers that obey, what to write instead)
RULES: dict[str, tuple[Callable[[ast.Module], Iterator[int]], frozenset[str], str]] = {
    "clock": (clock, EVERYWHERE - READS_THE_CLOCK, "take `now` as an argument"),
    "chance": (chance, EVERYWHERE, "take a seeded `random.Random` as an argument"),
    "print": (printing, EVERYWHERE - PRINTS, "return it, or emit an event; only cli prints"),
    "hash": (hashing, DETERMINISTIC, "compare or sort by a value that is the same in every run"),
    # The scheduler keeps no state, and some of Pacemaker's arithmetic that it must meet to the digit
    # is defined on floats (factors of colocation in single precision).
    "float": (
        floats,
        PURE - {"scheduler"},
        "whole milliseconds (`Millis`), thousandths, or a Fraction",
    ),
    "set order": (set_order, DETERMINISTIC, "wrap it in `sorted(...)`, or keep a dict"),
}


def name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def violations(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (key of an exception, sentence)."""
    layer = path.relative_to(SOURCE).parts[0]
    tree = ast.parse(path.read_text())
    for rule, (see, layers, instead) in RULES.items():
        if layer in layers:
            for line in see(tree):
                yield f"{name(path)} {rule}", f"{name(path)}:{line}: {rule}: {instead}"


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_module_has_nothing_banned(path: Path) -> None:
    assert [sentence for key, sentence in violations(path) if key not in EXCEPTIONS] == []


def test_exceptions_are_still_needed() -> None:
    needed = {key for path in MODULES for key, _ in violations(path)}
    assert sorted(set(EXCEPTIONS) - needed) == []


@pytest.mark.parametrize(
    ("rule", "banned"),
    [
        ("clock", "import time\nat = time.time()"),
        ("clock", "import datetime\nat = datetime.datetime.now()"),
        ("chance", "import random\nx = random.random()"),
        ("chance", "import random\nx = random.Random()"),
        ("print", "print('x')"),
        ("hash", "x = hash('x')"),
        ("float", "patience = 1.5"),
        ("float", "def wait(seconds: float) -> None: ..."),
        ("set order", "for x in {1, 2}: ..."),
        ("set order", "for x in set(y) | z: ..."),
        ("set order", "def f(nodes: set[int]) -> list[int]:\n    return [n for n in nodes]"),
        ("set order", "for x in a.keys() - b.keys(): ..."),
        ("set order", "seen = set()\nx = list(seen)"),
        (
            "set order",
            "class A:\n  def f(self):\n    self.s: set[int] = set()\n    return (*self.s,)",
        ),
        ("set order", "seen = set()\nx = seen.pop()"),
        ("set order", "seen = {'a'}\nx = ', '.join(seen)"),
    ],
)
def test_rule_sees_what_it_bans(rule: str, banned: str) -> None:
    assert list(RULES[rule][0](ast.parse(banned)))


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("clock", "def step(now): return self.time(now)"),
        ("chance", "import random\nx = random.Random(7)"),
        ("hash", "x = self.hash(y)"),
        ("float", "patience_ms = 1500"),
        ("set order", "for x in sorted({1, 2}): ..."),
        ("set order", "for x in a - b: ..."),
        ("set order", "x = {n for n in set(y)}"),
        ("set order", "x = sorted(n for n in set(y))"),
        ("set order", "x = any(n > 1 for n in set(y))"),
        ("set order", "x = 1 in set(y)"),
        ("set order", "for x in {1: 2}: ..."),
    ],
)
def test_rule_lets_the_replacement_pass(rule: str, allowed: str) -> None:
    assert not list(RULES[rule][0](ast.parse(allowed)))
