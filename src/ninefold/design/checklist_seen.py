"""What an automatic check has seen, and how what was seen in several places adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ninefold.design.results import TimingRow


class Seen(msgspec.Struct, frozen=True):
    """`state` is yes, no, open (cannot be seen from here) or na; `evidence` is a sentence."""

    state: str
    evidence: str


def yes(evidence: str) -> Seen:
    """It is so."""
    return Seen("yes", evidence)


def no(evidence: str) -> Seen:
    """It is not so."""
    return Seen("no", evidence)


def unseen(evidence: str) -> Seen:
    """It cannot be told; `evidence` says what is missing."""
    return Seen("open", evidence)


def na(evidence: str) -> Seen:
    """It does not concern this design."""
    return Seen("na", evidence)


def together(seen: Iterable[Seen], otherwise: str) -> Seen:
    """Return one answer: a single no is no, then open, then yes; `otherwise` if nothing was seen."""
    found = list(seen)
    for state in ("no", "open", "yes", "na"):
        of_state = [one.evidence for one in found if one.state == state]
        if of_state:
            return Seen(state, " ".join(dict.fromkeys(of_state)))
    return unseen(otherwise)


def by_rows(rows: Iterable[TimingRow], codes: tuple[str, ...], absent: str) -> Seen:
    """Judge by the timing chain's rows of some rules; where there is none, `absent` says why not."""
    found = [row for row in rows if row.rule.partition(":")[0] in codes]
    return together((_by_row(row) for row in found), absent) if found else na(absent)


def _by_row(row: TimingRow) -> Seen:
    text = f"{row.group}: {row.rule.partition(': ')[2]}"
    if row.holds is None:
        return unseen(f"{text}: {row.proposal}")
    return yes(f"{text}: holds.") if row.holds else no(f"{text}: does not hold. {row.proposal}")
