"""What quorum tells its peers, and the only place that knows how it is written (msgpack)."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from ninefold.core.ids import NodeId, RingId

# 384 nodes of 3 bytes in each of 9 memories, of 9 bytes in each of 3 files, and the rest.
INFO_BYTES_MAX: Final = 24 * 1024
# The file gone by, and those that were promised to be gone by and whose fate is not known.
BALLOTS_MAX: Final = 3
VOTES_MAX: Final = 2**32 - 1

_Votes: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=VOTES_MAX)]


class BadInfoError(ValueError):
    """A peer's bytes are no message of quorum."""


class Memory(msgspec.Struct, frozen=True, order=True):
    """A quorate membership that a node remembers. `members` is sorted."""

    ring: RingId
    members: tuple[NodeId, ...]


class Ballot(msgspec.Struct, frozen=True, order=True, array_like=True):
    """What one file says of the votes; `votes` maps every node, sorted. `version` is config_version."""

    version: Annotated[int, msgspec.Meta(ge=0)]
    expected: _Votes
    two_node: bool
    votes: tuple[tuple[NodeId, _Votes], ...]


class NodeInfo(msgspec.Struct, frozen=True, tag="node"):
    """One node's state: its annex at the barrier, and sent again after each change.

    `ring` is the last one it synchronised on. `waiting` says that wait_for_all holds it back.
    `memories` are for the tie-breaker: the last membership known to be known to all its members,
    then the later ones. `forgetful` says that there were too many to remember. `counted` are the nodes that
    `expected` is about, once it was lowered; until then it is about all, and empty. `ballots` are the file
    that the node goes by, and those that it has promised to go by without knowing whether it came to that;
    `agreed` says that a whole ring took the first of them together, as far as the node knows.
    """

    ring: RingId
    votes: _Votes
    expected: _Votes
    quorate: bool
    waiting: bool
    memories: tuple[Memory, ...] = ()
    forgetful: bool = False
    counted: tuple[NodeId, ...] = ()
    ballots: Annotated[tuple[Ballot, ...], msgspec.Meta(max_length=BALLOTS_MAX)] = ()
    agreed: bool = False


class Proposal(msgspec.Struct, frozen=True, tag="proposal"):
    """A member asks all members of `ring` to change together, at this point of the order.

    `expected` is the new number of expected votes, 0 to leave it, and `counted` the nodes that it is about, empty
    for all; `cancel` ends wait_for_all.
    """

    ring: RingId
    expected: _Votes = 0
    cancel: bool = False
    counted: tuple[NodeId, ...] = ()


Message: TypeAlias = NodeInfo | Proposal

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """Return the bytes of a message."""
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Return the message in `data`. Raises `BadInfoError`."""
    if len(data) > INFO_BYTES_MAX:
        raise BadInfoError(f"{len(data)} bytes exceed {INFO_BYTES_MAX}")
    try:
        message: Message = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInfoError(str(error)) from error
    return message
