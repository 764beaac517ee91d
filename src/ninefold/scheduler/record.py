"""What the engine's own values are made of: mutable, compared by identity, quick to make and to load.

They never leave one evaluation and are never decoded, so their annotations need not be known at
run time.
"""

from __future__ import annotations

import msgspec
from msgspec import field

__all__ = ["Record", "field"]


class Record(msgspec.Struct, eq=False):
    """A value of one evaluation."""
