"""Time as the machines see it: whole milliseconds, told by the performer.

`Instant` is a reading of a monotonic clock that is the same for one boot of one node and means
nothing elsewhere. `WallSeconds` is the epoch time that documents record.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Millis: TypeAlias = int
Instant: TypeAlias = int
WallSeconds: TypeAlias = int

# A deadline that never comes: about 292 million years, and still an int64.
NEVER: Final[Instant] = 2**63 - 1
