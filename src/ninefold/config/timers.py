"""The timers that follow from others, as Corosync 3 derives them (specs/totem.md §9, §10).

All in whole milliseconds; divisions round down, as assigning to an unsigned integer does there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.core.instants import Millis

# Three ticks of a 100 Hz clock: Corosync lets no timer be shorter.
TIMER_MS_MIN: Final[Millis] = 30
# hold must be 0.8 x 30 - 10 = 14 ms at least.
HOLD_MS_MIN: Final[Millis] = 14
# What a clock tick may add to a hold: 1000 ms / 100 Hz.
_TICK_MS: Final[Millis] = 10


def effective_token(token: Millis, coefficient: Millis, nodes: int) -> Millis:
    """Return the token timeout for `nodes` members: each beyond the second adds `coefficient`."""
    return token + max(0, nodes - 2) * coefficient


def token_retransmit(token: Millis, retransmits: int) -> Millis:
    """Return token / (retransmits + 0.2): the last retransmission still has time to come back."""
    return token * 10 // (retransmits * 10 + 2)


def hold(retransmit: Millis) -> Millis:
    """Return how long the representative keeps an idle token: a tick less than 0.8 of it."""
    return retransmit * 8 // 10 - _TICK_MS


def consensus(token: Millis) -> Millis:
    """Return 1.2 x token, the shortest that outlasts the others' token loss."""
    return token * 12 // 10


def ping_timeout(token: Millis, pong_count: int) -> Millis:
    """Return how long a link may be silent: a link is given up before the token is lost."""
    return max(1, token // pong_count)


def ping_interval(token: Millis, pong_count: int) -> Millis:
    """Return the time between pings: two fit into the timeout."""
    return max(1, token // (2 * pong_count))
