"""A host's disk: what is on it for certain, and what a power cut would take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.cib.model import Stamp

# An fsync on an ordinary SSD.
FSYNC_MS: Final = (1, 12)


class Disk:
    """Survives power cuts; a save counts once its fsync has returned."""

    def __init__(self) -> None:
        self.ring_seq = 0
        self.document: tuple[Stamp, Cib] | None = None
        self.full = False

    def keep(self, stamp: Stamp, cib: Cib) -> None:
        """Make a document durable; an older one never replaces a newer."""
        if self.document is None or stamp >= self.document[0]:
            self.document = (stamp, cib)
