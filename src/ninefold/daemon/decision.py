"""Ask the policy engine, and live through its failure.

Everywhere else a bug of ours ends the process, since a half-done step must not be lived with. The engine leaves
none: it is a function of the document. And all members hold the same document, so each of them would fail
on it as soon as it is the DC, one after the other, until none is left. So nothing is decided, aloud, until
the document is another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.cib.document import Cib
from ninefold.scheduler import schedule
from ninefold.scheduler.model import Transition

if TYPE_CHECKING:
    from ninefold.core.instants import WallSeconds


def decided(xml: bytes, now: WallSeconds) -> tuple[Transition, Exception | None]:
    """Return what the engine answers; if it fails, an answer that does nothing, and why.

    The document is parsed anew: an lxml tree stays with the thread that made it.
    """
    try:
        cib, findings = Cib.parse(xml)
        assert cib is not None, findings
        return schedule(cib, now), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is our bug, and of no other state
        warning = (
            f"The policy engine failed on this document, so nothing is decided ({error!r}). This is a bug;"
            " until it is mended take back the last change of the configuration: ninefold cib history."
        )
        return Transition((), (), (), quorate=False, warnings=(warning,)), error
