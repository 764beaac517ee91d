"""Which numbers of rings this node may use by now: those below a bound that is on its disk.

Theorem. A daemon never takes part in a ring whose number an earlier daemon of its node may have used. For no
number is used before a bound that is not below it is durable, and whoever starts counts on from the bound.

The bound is well ahead of what is in use, and is moved on while there is still room: so a ring forms without
waiting for the disk, and one that takes longer for a flush than the token does for its timeout keeps nobody from
forming it. Only a ring beyond the bound has to wait: the first one after a start, and one whose number others
have brought along.
"""

from __future__ import annotations

from typing import Final

# The low bits of a ring's number: the mark of that start of the daemon which proposed it.
MARK_BITS: Final = 24
# Counts that a bound is ahead: 16 rings of four counts each. A start skips that many at most, of 2**36.
AHEAD: Final = 64
# The bound is moved on when less than this is left: 8 attempts at a ring, each of a token timeout if it fails,
# which the slowest disk that still works needs for one flush.
AHEAD_MIN: Final = AHEAD // 2


class Numbers:
    """The numbers of rings of one start of the daemon.

    `bound` is the one on the disk. `mark` is the chance that this start has drawn, of `MARK_BITS`. It ends
    each number that we propose: so two rings have two numbers also if a disk was lost or set back and we count
    from there again, but for one time in 16 million. What comes before it is the count, which alone says
    which ring is the newer one.
    """

    def __init__(self, bound: int, mark: int) -> None:
        assert bound >= 0
        assert 0 <= mark < 2**MARK_BITS
        self._bound = bound
        self._mark = mark

    def after(self, seq: int, steps: int) -> int:
        """Return the number of a ring that we propose, so many counts after another one."""
        return ((seq >> MARK_BITS) + steps) << MARK_BITS | self._mark

    def first(self) -> int:
        """Return the number to begin with: above all that earlier starts may have used."""
        return self.after(self._bound, 1)

    def may_use(self, seq: int) -> bool:
        """Whether a bound that is not below `seq` is durable."""
        return self._room(seq) >= 0

    def wanted(self, seq: int) -> int | None:
        """Return the bound to save now that `seq` is to be used; None while there is room enough."""
        return None if self._room(seq) >= AHEAD_MIN else self.after(seq, AHEAD)

    def saved(self, bound: int) -> None:
        """Go by a bound that is durable now; what is saved late may be the lower one."""
        self._bound = max(self._bound, bound)

    def _room(self, seq: int) -> int:
        return (self._bound >> MARK_BITS) - (seq >> MARK_BITS)
