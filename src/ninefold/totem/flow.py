"""Flow control: how many frames a member may send on one visit of the token.

Section 4 of the specification. The ring as a whole sends at most `window_size` frames a rotation;
a member gets at most `max_messages`, and under load a share in proportion to its queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.totem.window import WINDOW_MESSAGES_MAX

if TYPE_CHECKING:
    from ninefold.totem.messages import Token
    from ninefold.totem.window import Window


class Flow:
    """One member's part in the token's accounts, for the life of one ring."""

    def __init__(self, *, window_size: int, max_messages: int) -> None:
        assert window_size > 0
        assert max_messages > 0
        self._window_size = window_size
        self._max_messages = max_messages
        self._sent = 0
        self._backlog = 0

    def allowed(self, token: Token, backlog: int, window: Window) -> int:
        """Return how many frames may be sent now, retransmissions included."""
        allowed = min(self._max_messages, self._window_size - token.fcc)
        declared = token.backlog + backlog - self._backlog
        if declared > 0:
            share = self._window_size * self._backlog // declared
            if share > 0:
                allowed = min(allowed, share)
        room = window.released + WINDOW_MESSAGES_MAX - self._window_size - token.seq
        return max(0, min(allowed, room))

    def account(self, token: Token, *, sent: int, backlog: int) -> tuple[int, int]:
        """Return the token's new `fcc` and `backlog` after this visit."""
        fcc = max(0, token.fcc + sent - self._sent)
        total = max(0, token.backlog + backlog - self._backlog)
        self._sent = sent
        self._backlog = backlog
        return fcc, total

    def account_more(self, token: Token, *, sent: int, backlog: int) -> tuple[int, int]:
        """Do the same for frames sent later in the same visit, as a hold ends."""
        return self.account(token, sent=self._sent + sent, backlog=backlog)
