"""Ask the policy engine, and live through its failure.

Everywhere else a bug of ours ends the process, since a half-done step must not be lived with. The engine leaves
none: it is a function of the document. And all members hold the same document, so each of them would fail
on it as soon as it is the DC, one after the other, until none is left. So nothing is decided, aloud, until
there is news; and a little later at the latest, for it may have been the moment's: no memory, a rule's date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib.document import Cib
from ninefold.controller.decision import decide
from ninefold.scheduler.model import Transition

if TYPE_CHECKING:
    from ninefold.core.instants import WallSeconds

# An engine that has failed is asked again after so long, if nothing happens before: seldom enough to burden nobody.
AGAIN_S: Final = 60


def decided(xml: bytes, now: WallSeconds) -> tuple[Transition, Exception | None]:
    """Return what is to be done; if the engine fails, or what is added to its order, an answer that does nothing, and why.

    The document is parsed anew: an lxml tree stays with the thread that made it.
    """
    try:
        cib, findings = Cib.parse(xml)
        assert cib is not None, findings
        return decide(cib, now), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is our bug, and of no other state
        warning = (
            f"The policy engine failed on this document, so nothing is decided ({error!r}). This is a bug;"
            " until it is mended take back the last change of the configuration: ninefold cib history."
        )
        nothing = Transition(
            (), (), (), quorate=False, recheck_at=now + AGAIN_S, warnings=(warning,), decided=False
        )
        return nothing, error


class Failures:
    """Which failure of the engine was told last: all who watch the status ask it, and one telling is enough."""

    def __init__(self) -> None:
        self._told = ""

    def untold(self, transition: Transition) -> str:
        """Return the failure that an answer tells of, if that is another than the last answer's."""
        failure = "" if transition.decided else transition.warnings[0]
        known, self._told = self._told, failure
        return "" if failure == known else failure
