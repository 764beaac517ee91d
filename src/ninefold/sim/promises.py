"""What operators were promised: a change that was acknowledged is in the document for good (S6).

Only changes whose name is used once can be told apart later: node attributes called `mark-...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.cib.model import SetNodeAttribute
from ninefold.controller import requests as rq

if TYPE_CHECKING:
    from ninefold.cib.document import Cib
    from ninefold.controller.events import Answer

MARK: Final = "mark-"


def mark(number: int, node: str, size: int = 4) -> bytes:
    """Return the request for a change of about `size` bytes that can be recognised later."""
    return rq.encode(rq.ChangeCib(SetNodeAttribute(node, f"{MARK}{number}", "x" * size)))


class Promises:
    """The changes that were asked for and acknowledged."""

    def __init__(self) -> None:
        self._asked: dict[int, str] = {}
        self.kept: list[str] = []

    def on_asked(self, request: int, body: bytes) -> None:
        """Note a request, if it is one that can be recognised later."""
        try:
            wanted = rq.decode(body)
        except rq.MalformedRequest:
            return
        match wanted:
            case rq.ChangeCib(SetNodeAttribute(_, name, _)) if name.startswith(MARK):
                self._asked[request] = name
            case _:
                pass

    def on_answer(self, answer: Answer) -> str:
        """Note an acknowledgement; return what was acknowledged, or nothing."""
        name = self._asked.pop(answer.request, "")
        if not name or not answer.ok:
            return ""
        self.kept.append(name)
        return name

    def missing(self, cib: Cib) -> list[str]:
        """Return the acknowledged changes that a document lacks."""
        found = {str(pair.get("name")) for pair in cib.configuration.iter("nvpair")}
        return [name for name in self.kept if name not in found]
