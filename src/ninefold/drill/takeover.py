"""Was every host that lost power proven silent before what it ran was started elsewhere?

Facts in, findings out: when each service was seen on which host, and the power switch's record. All
times are seconds of one monotonic clock.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A service that was last seen so shortly before its host lost power ran until then: whoever looks does so
# every few hundredths of a second, and may be held up once.
LOOK_S: Final = 0.1


class Change(msgspec.Struct, frozen=True):
    """The power switch's record: `action` (on, off, reboot) on `target`, asked for by `by`, was done."""

    asked_s: float
    done_s: float
    by: str
    action: str
    target: str


class Hasty(msgspec.Struct, frozen=True):
    """`service` began on `on` at `at_s`, though `lost` had gone with it and nobody knew how."""

    at_s: float
    service: str
    on: str
    lost: str

    def __str__(self) -> str:
        return (
            f"{self.service} was started on {self.on} though {self.lost}, which ran it, had lost its "
            "power and was not fenced yet."
        )


def hasty(
    periods: Mapping[tuple[str, str], Sequence[Sequence[float]]],
    power: Sequence[Change],
    *,
    operator: str = "operator",
) -> list[Hasty]:
    """Return the starts that came before a fencing; `periods` are [first, last seen] by (service, host).

    A host that lost its power by the operator's hand is known to be silent once a node has had it
    fenced, or once it has been switched on again: then it says itself what it runs.
    """
    found = []
    for service in sorted({service for service, _ in periods}):
        runs = sorted(
            (first, last, host)
            for (name, host), spans in periods.items()
            if name == service
            for first, last in spans
        )
        for (_, last, lost), (began, _, on) in pairwise(runs):
            cut = _lost_power(power, lost, last, began, operator)
            if lost != on and cut is not None and not _known(power, lost, cut, began, operator):
                found.append(Hasty(began, service, on, lost))
    return found


def _lost_power(
    power: Iterable[Change], host: str, last_s: float, began_s: float, operator: str
) -> float | None:
    """Return when the operator cut the power under a service that was last seen at `last_s`."""
    for change in power:
        if (change.by, change.target, change.action) == (operator, host, "off") and (
            last_s - LOOK_S <= change.asked_s + LOOK_S and change.asked_s <= last_s + LOOK_S
        ):
            return change.asked_s if change.asked_s < began_s else None
    return None


def _known(power: Iterable[Change], host: str, cut_s: float, began_s: float, operator: str) -> bool:
    return any(
        change.target == host
        and cut_s < change.done_s <= began_s
        and (change.action == "on" or change.by != operator)
        for change in power
    )
