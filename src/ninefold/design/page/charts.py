"""The charts of a report: each shows one table's numbers, and says in words what is to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from ninefold.design.model import MINUTES_PER_YEAR
from ninefold.design.page import words
from ninefold.design.page.drawing import fitted
from ninefold.design.page.ink import LETTER_PX, NARROW, Ink, chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from ninefold.design.compare import Option
    from ninefold.design.page.blocks import Picture
    from ninefold.design.results import (
        GroupResult,
        PolicyResult,
        Prediction,
        ServiceResult,
    )

ROW_PX: Final = 30
HEAD_PX: Final = 52
# Downtime below a second a year is drawn as a second: a logarithm has no zero.
LEAST_MINUTES: Final = 1 / 60
# Hatches tell the segments apart where colours do not.
SEGMENTS: Final = (
    (Ink.S1, ""),
    (Ink.S2, "///"),
    (Ink.S3, "---"),
    (Ink.S4, "xxx"),
    (Ink.S5, "\\\\\\"),
)
CAUSES: Final = (
    ("failing over", "minutes_failing_over"),
    ("waiting for a person", "minutes_uncovered"),
    ("too few nodes", "minutes_all_down"),
    ("planned work", "minutes_planned"),
)


def _rows(axes: Axes, width: int, names: Sequence[str]) -> None:
    """Give each row its name, the first one on top."""
    room = width * (0.3 if width > NARROW else 0.36)
    axes.set_yticks(range(len(names)), [fitted(name, room, LETTER_PX) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=3)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _minutes_axis(axes: Axes, width: int, low: float, high: float) -> None:
    """Lay out a logarithmic axis of minutes with ticks that people know: a minute, an hour, a day."""
    known = (1 / 60, 1 / 6, 1, 10, 60, 600, 1440, 14_400, 144_000, MINUTES_PER_YEAR)
    axes.set_xscale("log")
    low, high = max(low, LEAST_MINUTES) / 1.6, high * 1.6
    axes.set_xlim(low, high)
    ticks = [tick for tick in known if low <= tick <= high]
    while len(ticks) > (4 if width <= NARROW else 9):
        ticks = ticks[::2]
    axes.set_xticks(ticks, [words.minutes(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("downtime a year")


def downtime(services: Sequence[ServiceResult]) -> Picture:
    """Each service's downtime with its band, and what its objective allows."""
    allowed = [None if s.slo is None else (1 - s.slo) * MINUTES_PER_YEAR for s in services]
    values = [s.minutes_per_year for s in services] + [a for a in allowed if a]
    values += [edge for s in services if s.band for edge in (s.band.p5, s.band.p95)]

    def draw(axes: Axes, width: int) -> None:
        for row, (service, limit) in enumerate(zip(services, allowed, strict=True)):
            if (band := service.band) is not None:
                low, high = max(band.p5, LEAST_MINUTES), max(band.p95, LEAST_MINUTES)
                axes.barh(row, high - low, left=low, height=0.34, color=Ink.SOFT.value)
                axes.plot([max(band.p50, LEAST_MINUTES)] * 2, [row - 0.17, row + 0.17],
                          color=Ink.ACCENT.value, linewidth=1.5)  # fmt: skip
            at = max(service.minutes_per_year, LEAST_MINUTES)
            axes.plot([at], [row], "o", color=Ink.ACCENT.value, markersize=7)
            if limit:
                axes.plot([limit, limit], [row - 0.36, row + 0.36],
                          color=Ink.BAD.value, linewidth=2, linestyle=(0, (3, 1.5)))  # fmt: skip
        _minutes_axis(axes, width, min(values), max(values))
        _rows(axes, width, [service.service for service in services])

    told = "; ".join(
        f"{s.service}: {words.minutes(s.minutes_per_year)} a year"
        + (
            f", between {words.minutes(s.band.p5)} and {words.minutes(s.band.p95)}"
            if s.band
            else ""
        )
        + (f", {words.minutes(limit)} allowed" if limit else "")
        for s, limit in zip(services, allowed, strict=True)
    )
    return chart(
        "downtime",
        "Unplanned downtime a year of each service, on a logarithmic scale.",
        told,
        HEAD_PX + ROW_PX * len(services),
        draw,
        key=(
            ("dot", "with the inputs as given"),
            ("bar-soft", "p5 to p95 of the inputs' spread, with p50"),
            ("dash", "what the objective allows"),
        ),
    )


def tornado(service: ServiceResult) -> Picture:
    """How far each uncertain input alone moves the downtime."""
    bars = service.tornado
    names = [f"{bar.event}: {bar.quantity}" for bar in bars]

    def draw(axes: Axes, width: int) -> None:
        now = service.minutes_per_year
        for row, bar in enumerate(bars):
            low, high = bar.low_minutes_per_year, bar.high_minutes_per_year
            axes.barh(row, now - low, left=low, height=0.62, color=Ink.S1.value)
            axes.barh(row, high - now, left=now, height=0.62, color=Ink.S2.value,
                      hatch="///", edgecolor=Ink.PAPER.value, linewidth=0)  # fmt: skip
        axes.use_sticky_edges = False
        axes.margins(x=0.03)
        axes.axvline(now, color=Ink.INK.value, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
        axes.set_xlabel("minutes a year")
        _rows(axes, width, names)

    first = bars[0]
    return chart(
        f"tornado-{service.service}",
        "Downtime when one input alone is at its 5th or its 95th percentile, the widest first.",
        f"{len(bars)} bars around {words.number(service.minutes_per_year)} minutes a year; the widest is "
        f"{names[0]}, from {words.number(first.low_minutes_per_year)} to "
        f"{words.number(first.high_minutes_per_year)} minutes.",
        HEAD_PX + 26 * len(bars),
        draw,
        key=(("s1", "better than assumed"), ("s2", "worse than assumed")),
    )


def causes(groups: Sequence[GroupResult]) -> Picture:
    """How each group's downtime divides by cause."""

    def draw(axes: Axes, width: int) -> None:
        for row, group in enumerate(groups):
            left = 0.0
            for (_, field), (ink, hatch) in zip(CAUSES, SEGMENTS, strict=False):
                minutes = getattr(group, field)
                axes.barh(row, minutes, left=left, height=0.55, color=ink.value, hatch=hatch,
                          edgecolor=Ink.PAPER.value, linewidth=0)  # fmt: skip
                left += minutes
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
        axes.set_xlabel("minutes a year")
        _rows(axes, width, [group.group for group in groups])

    told = "; ".join(
        f"{group.group}: "
        + ", ".join(f"{name} {words.minutes(getattr(group, field))}" for name, field in CAUSES)
        for group in groups
    )
    key = tuple((f"s{n}", name) for n, (name, _) in enumerate(CAUSES, 1))
    height = HEAD_PX + ROW_PX * len(groups)
    return chart("causes", "Downtime of each group by cause.", told, height, draw, key=key)


def timeline(prediction: Prediction) -> Picture:
    """A failover's phases one after the other: expected, at most, and what drills measured."""
    rows = ["expected", "at most", *(["measured"] if prediction.measured_s else [])]

    def draw(axes: Axes, width: int) -> None:
        longest = max(prediction.bound_s, *prediction.measured_s, 1e-3)
        for row, field in enumerate(("expected_s", "bound_s")):
            left = 0.0
            for number, phase in enumerate(prediction.phases):
                ink, hatch = SEGMENTS[number % len(SEGMENTS)]
                length = getattr(phase, field)
                axes.barh(row, length, left=left, height=0.6, color=ink.value, hatch=hatch,
                          edgecolor=Ink.PAPER.value, linewidth=0)  # fmt: skip
                left += length
            axes.annotate(words.seconds(left), (left, row), (5, 0), textcoords="offset points",
                          va="center", annotation_clip=False)  # fmt: skip
        for at in prediction.measured_s:
            axes.plot([at, at], [1.7, 2.3], color=Ink.ACCENT.value, linewidth=2)
        axes.set_xlim(0, longest * (1.12 if width > NARROW else 1.35))
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 8))
        axes.set_xlabel("seconds since the failure")
        _rows(axes, width, rows)

    phases = ", ".join(
        f"{phase.name} {words.seconds(phase.expected_s)} (at most {words.seconds(phase.bound_s)})"
        for phase in prediction.phases
    )
    key = tuple(
        (f"s{number % len(SEGMENTS) + 1}", phase.name)
        for number, phase in enumerate(prediction.phases)
    )
    measured = ", ".join(words.seconds(value) for value in prediction.measured_s)
    return chart(
        f"timeline-{prediction.group}",
        "A failover by phase, from left to right.",
        phases + (f"; measured: {measured}" if measured else ""),
        HEAD_PX + ROW_PX * len(rows),
        draw,
        key=key,
    )


def policy(results: Sequence[PolicyResult], exact: dict[str, float]) -> Picture:
    """Simulated downtime with its confidence interval; `exact`: minutes a year of the arithmetic."""
    spans = [
        ((1 - r.high) * MINUTES_PER_YEAR, (1 - r.low) * MINUTES_PER_YEAR, r.minutes_per_year)
        for r in results
    ]

    def draw(axes: Axes, width: int) -> None:
        for row, (result, (low, high, middle)) in enumerate(zip(results, spans, strict=True)):
            axes.plot([low, high], [row, row], color=Ink.ACCENT.value, linewidth=2)
            for edge in (low, high):
                axes.plot([edge] * 2, [row - 0.14, row + 0.14], color=Ink.ACCENT.value, linewidth=2)
            axes.plot([middle], [row], "o", color=Ink.ACCENT.value, markersize=7)
            if result.service in exact:
                axes.plot([exact[result.service]], [row], "D", markersize=6, color=Ink.WARN.value)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
        axes.set_xlabel("minutes a year")
        _rows(axes, width, [result.service for result in results])

    told = "; ".join(
        f"{result.service}: {words.number(middle)} minutes a year, between {words.number(low)} and "
        f"{words.number(high)}"
        for result, (low, high, middle) in zip(results, spans, strict=True)
    )
    return chart(
        "policy",
        "Downtime a year as simulated, with its 95 % confidence interval.",
        told,
        HEAD_PX + ROW_PX * len(results),
        draw,
        key=(("dot", "simulated"), ("diamond", "by arithmetic")),
    )


def trade(options: Sequence[Option], currency: str) -> Picture:
    """What each design costs and how long it is down; bars of downtime alone where costs are not known."""
    costs = [option.cost for option in options if option.cost is not None]
    told = "; ".join(
        f"{option.name}: {words.minutes(option.minutes_per_year)} a year"
        + ("" if option.cost is None else f" for {option.cost:,.0f} {currency}".rstrip())
        for option in options
    )
    if len(costs) < len(options) or len(set(costs)) == 1:
        return _bars(options, told)

    def draw(axes: Axes, width: int) -> None:
        for number, option in enumerate(options):
            at = (option.cost or 0.0, option.minutes_per_year)
            beaten = bool(option.beaten_by)
            axes.plot(*at, "o", markersize=9, color=(Ink.QUIET if beaten else Ink.ACCENT).value,
                      fillstyle="none" if beaten else "full")  # fmt: skip
            right = at[0] <= (min(costs) + max(costs)) / 2
            axes.annotate(
                fitted(option.name, width * 0.42, LETTER_PX),
                at,
                (9 if right else -9, 9 if number % 2 else -9),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
            )
        axes.margins(x=0.08, y=0.2)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
        axes.tick_params(axis="y", labelcolor=Ink.QUIET.value)
        axes.grid()
        axes.set_xlabel(f"cost of all parts, {currency}" if currency else "cost of all parts")
        axes.set_ylabel("minutes down a year")

    return chart(
        "trade",
        "What each design costs, and its downtime: lower left is better.",
        told,
        300,
        draw,
        key=(
            ("dot", "worth a look"),
            ("ring", "beaten: another costs no more and is down no longer"),
        ),
    )


def _bars(options: Sequence[Option], told: str) -> Picture:
    def draw(axes: Axes, width: int) -> None:
        for row, option in enumerate(options):
            axes.barh(row, option.minutes_per_year, height=0.55, color=Ink.S1.value)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(3 if width <= NARROW else 7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
        axes.set_xlabel("minutes down a year")
        _rows(axes, width, [option.name for option in options])

    height = HEAD_PX + ROW_PX * len(options)
    return chart(
        "trade", "Downtime a year of each design, all services together.", told, height, draw
    )
