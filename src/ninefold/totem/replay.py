"""The sliding window that tells a number seen for the first time from one seen before.

Theorem: `accept(n)` returns True at most once for each n. Numbers more than `width` behind the
highest accepted one are refused unseen, so the window needs `width` bits and no more.
"""

from __future__ import annotations


class ReplayWindow:
    """Numbers from 0 on. `floor` and everything below it counts as seen from the start."""

    def __init__(self, width: int, *, floor: int = -1) -> None:
        assert width > 0
        assert floor >= -1
        self._width = width
        self._mask = (1 << width) - 1
        self._top = floor
        # Bit i tells whether `top - i` was seen.
        self._seen = self._mask

    def fresh(self, number: int) -> bool:
        """Tell whether `accept` would take the number; changes nothing."""
        behind = self._top - number
        if behind < 0:
            return True
        return behind < self._width and not self._seen >> behind & 1

    def accept(self, number: int) -> bool:
        """Take a number: True the first time, False for one seen before or too far behind."""
        assert number >= 0
        ahead = number - self._top
        if ahead > 0:
            # A leap beyond the width empties the window; shifting by the width is enough.
            leap = min(ahead, self._width)
            self._seen = (self._seen << leap | 1) & self._mask
            self._top = number
            return True
        if not self.fresh(number):
            return False
        self._seen |= 1 << -ahead
        return True
