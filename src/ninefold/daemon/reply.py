"""A node's answer at its door."""

from __future__ import annotations

import msgspec

from ninefold.controller.requests import Refusal, encode


class Reply(msgspec.Struct, frozen=True):
    """JSON bytes, and whether the node did what was asked."""

    ok: bool
    body: bytes


def refusal(code: str, *problems: str) -> Reply:
    """Return the answer to a request that was not carried out: a word, and sentences."""
    return Reply(ok=False, body=encode(Refusal(code, problems)))
