"""Judging all faults of a survey on all cores."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final, TypeVar

from ninefold.cli.out import complaints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ninefold.forecast.survive import Outcome, Survey

T = TypeVar("T")

# Below this many faults, starting processes takes longer than the work.
_ALONE_MAX: Final = 12

# What the worker processes have had from their birth: a survey is too large to be sent along.
_surveys: list[Survey] = []


def surveyed(survey: Survey, *, double: bool) -> tuple[list[Outcome], list[Outcome]]:
    """Judge every fault, and every pair, on all cores; show a bar if somebody is looking."""
    count = len(survey.faults)
    with _watching(count + (count_pairs(survey) if double else 0)) as tell:
        alone = []
        numbers = range(count)
        for outcome in _spread(survey, _single, numbers, alone_too=survey.in_parts):
            survey.remember(outcome)
            alone.append(outcome)
            tell(1)
        pairs: list[Outcome] = []
        for number, found in enumerate(_spread(survey, _row, numbers if double else ())):
            pairs += found
            tell(count - number - 1)
    return alone, pairs


def count_pairs(survey: Survey) -> int:
    """Return how many pairs of faults there are."""
    count = len(survey.faults)
    return count * (count - 1) // 2


def _single(number: int) -> Outcome:
    return _surveys[-1].single(_surveys[-1].faults[number])


def _row(number: int) -> list[Outcome]:
    """Judge one fault together with each of those after it."""
    survey = _surveys[-1]
    one = survey.faults[number]
    found = [survey.pair(one, other) for other in survey.faults[number + 1 :]]
    return [outcome for outcome in found if outcome is not None]


def _spread(
    survey: Survey, work: Callable[[int], T], numbers: Sequence[int], *, alone_too: bool = False
) -> Iterator[T]:
    """Do the work for each number, in order, in processes that have the survey from their birth.

    With `alone_too` it is little work, after which this process knows what those to come had
    better know from the beginning.
    """
    _surveys.append(survey)
    cores = len(os.sched_getaffinity(0))
    try:
        if alone_too or cores == 1 or len(numbers) <= _ALONE_MAX:
            yield from map(work, numbers)
            return
        with get_context("fork").Pool(cores, _ignore_interrupts) as pool:
            yield from pool.imap(work, numbers)
    finally:
        _surveys.pop()


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that has been started by somebody."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _watching(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what is to be told how many faults were judged."""
    if not complaints.is_terminal:
        yield lambda _: None
        return
    from rich.progress import Progress  # noqa: PLC0415 - only a terminal needs it

    # Without a thread of its own, which would be in the way of those that are yet to be forked.
    with Progress(console=complaints, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("faults", total=total)

        def tell(count: int) -> None:
            bar.update(task, advance=count, refresh=True)

        yield tell
