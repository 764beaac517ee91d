"""Ring messages as bytes and back; the only file that knows the format.

A message is a msgpack array whose first element is its tag. Whatever bytes arrive, `decode`
answers with a valid message or raises `MalformedMessage`, never anything else: Corosync's remotely
triggered memory bugs (issue 778, the join length overflow of 2026) all sat exactly here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.totem.messages import CommitToken, Join, Mcast, Message, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)

# Array and tag, two 9-byte integers, two 3-byte ids, two flags and the 5-byte length of the payload.
MCAST_OVERHEAD: Final = 2 + 9 + 3 + 9 + 3 + 1 + 1 + 5


class MalformedMessage(Exception):
    """A peer sent bytes that are no valid message; the packet is dropped and counted."""


def encode(message: Message) -> bytes:
    """Return the bytes of one message."""
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`; raise `MalformedMessage` on anything else."""
    try:
        message = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedMessage(str(error)) from error
    problem = _problem(message)
    if problem:
        raise MalformedMessage(problem)
    return message


def _problem(message: Message) -> str:
    """Say what no single field can: relations between fields. Empty means valid."""
    match message:
        case Token():
            return _token_problem(message)
        case Join():
            return _join_problem(message)
        case CommitToken():
            return _commit_problem(message)
        case Mcast():
            return ""
        case _:
            return ""


def _token_problem(token: Token) -> str:
    if token.aru > token.seq:
        return "aru beyond seq"
    if any(seq == 0 or seq > token.seq for seq in token.rtr):
        return "a retransmission of what was never sent"
    return ""


def _join_problem(join: Join) -> str:
    if not all(map(_ascending, (join.proc, join.fail, join.dead, join.hears))):
        return "a list of nodes is not sorted and unique"
    return ""


def _commit_problem(token: CommitToken) -> str:
    if not token.members or not _ascending(token.members):
        return "members are not sorted and unique"
    if len(token.slots) > len(token.members):
        return "more slots than members"
    if token.rep not in token.members:
        return "the representative is not a member"
    return ""


def _ascending(nodes: Sequence[int]) -> bool:
    return all(low < high for low, high in pairwise(nodes))
