"""Boolean formulas over basic events: true means down.

Objects are shared, not copied: what two gates have in common is the same object, and whoever walks
a formula remembers what it has seen by identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


class Var:
    """A basic event, by its number."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        assert number >= 0
        self.number = number


class Not:
    """The opposite. No model of failures needs it; published test cases do."""

    __slots__ = ("of",)

    def __init__(self, of: Formula) -> None:
        self.of = of


class And:
    """All of them; of none: true."""

    __slots__ = ("of",)

    def __init__(self, *of: Formula) -> None:
        self.of = of


class Or:
    """Any of them; of none: false."""

    __slots__ = ("of",)

    def __init__(self, *of: Formula) -> None:
        self.of = of


class Threshold:
    """The weights of those that are true add up to at least `least`."""

    __slots__ = ("least", "of", "weights")

    def __init__(self, least: int, of: tuple[Formula, ...], weights: tuple[int, ...] = ()) -> None:
        self.least = least
        self.of = of
        self.weights = weights or (1,) * len(of)
        assert len(self.weights) == len(of)
        assert all(weight >= 0 for weight in self.weights)


Formula: TypeAlias = Var | Not | And | Or | Threshold


def parts(formula: Formula) -> tuple[Formula, ...]:
    """Return what a formula is made of, directly."""
    match formula:
        case Var():
            return ()
        case Not():
            return (formula.of,)
        case _:
            return formula.of


def postorder(formula: Formula) -> Iterator[Formula]:
    """Yield every subformula once, each after its parts; deep formulas need no deep stack."""
    seen: set[int] = set()
    stack: list[tuple[Formula, bool]] = [(formula, False)]
    while stack:
        one, expanded = stack.pop()
        if expanded:
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            stack.append((one, True))
            stack.extend((part, False) for part in reversed(parts(one)))


def holds(formula: Formula, true: set[int]) -> bool:
    """Evaluate with exactly the events of `true` being true; slow and obvious."""
    match formula:
        case Var():
            return formula.number in true
        case Not():
            return not holds(formula.of, true)
        case And():
            return all(holds(part, true) for part in formula.of)
        case Or():
            return any(holds(part, true) for part in formula.of)
        case Threshold():
            weighed = zip(formula.weights, formula.of, strict=True)
            return sum(w for w, part in weighed if holds(part, true)) >= formula.least
