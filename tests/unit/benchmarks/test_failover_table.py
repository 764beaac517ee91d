"""How runs become a row: medians, the longest pause survived, targets, ratios."""

from __future__ import annotations

from benchmarks.failover.clusters import DEFAULT
from benchmarks.failover.experiments import Sample
from benchmarks.failover.table import figure, rows


def sample(quantity: str, stack: str, value: float, *, failure: str = "", **detail: str) -> Sample:
    return Sample(quantity, DEFAULT.name, stack, value, 0.1, dict(detail), failure)


def pauses(*lengths: tuple[float, bool]) -> list[Sample]:
    return [sample("pause", "ninefold", s, survived=str(kept)) for s, kept in lengths]


def test_runs_of_both_stacks_make_a_row_with_their_ratio() -> None:
    ours = [sample("crash", "ninefold", value) for value in (3.0, 4.0, 5.0)]
    theirs = [sample("crash", "pacemaker", value) for value in (8.0, 10.0)]

    (row,) = rows([*ours, *theirs])

    assert row.ours is not None
    assert (row.ours.middle, row.ours.least, row.ours.most, row.ours.count) == (4.0, 3.0, 5.0, 3)
    assert row.ratio == 2.25
    assert (row.target, row.met) == (4.5, True)


def test_a_failed_run_is_counted_and_is_no_figure() -> None:
    found = figure([sample("web", "ninefold", 0.5), sample("web", "ninefold", 0.0, failure="no")])

    assert found is not None
    assert (found.middle, found.count, found.failed) == (0.5, 1, 1)


def test_a_stack_whose_every_run_failed_has_neither_ratio_nor_verdict() -> None:
    (row,) = rows([sample("web", "ninefold", 0.0, failure="no"), sample("web", "pacemaker", 0.6)])

    assert row.ratio is None
    assert row.met is None


def test_each_node_must_keep_within_the_memory_promised() -> None:
    (row,) = rows([sample("rss", "ninefold", value) for value in (80.0, 80.0, 121.0)])

    assert row.met is False


def test_a_pause_counts_as_survived_only_if_no_shorter_one_was_fatal() -> None:
    found = figure(pauses((5.0, True), (5.5, False), (6.0, True)))

    assert found is not None
    assert found.middle == 5.0


def test_one_fencing_among_several_runs_of_a_length_makes_it_too_long() -> None:
    found = figure(pauses((5.0, True), (5.5, True), (5.0, True), (5.5, False)))

    assert found is not None
    assert found.middle == 5.0


def test_a_pause_that_was_never_survived_misses_the_target() -> None:
    (row,) = rows(pauses((5.0, False), (5.5, False)))

    assert row.ours is not None
    assert row.ours.middle == 0.0
    assert row.met is False
