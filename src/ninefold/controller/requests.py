"""What an operator may ask a node through its door, as typed values; JSON on the socket.

The door itself (`api`) knows no meaning: it hands the bytes in with the user that the kernel vouched
for, and carries the answer back.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ninefold.cib.model import (
    ClearMoves,
    ForgetHistory,
    MoveResource,
    ReplaceConfiguration,
    SetMetaAttribute,
    SetNodeAttribute,
    SetProperty,
)

# What an operator may change directly. Status is the cluster's own business.
OperatorChange: TypeAlias = (
    ReplaceConfiguration
    | SetProperty
    | SetNodeAttribute
    | SetMetaAttribute
    | MoveResource
    | ClearMoves
    | ForgetHistory
)


class ShowStatus(msgspec.Struct, frozen=True, tag="status"):
    """The cluster as this node sees it."""


class ShowCib(msgspec.Struct, frozen=True, tag="cib"):
    """The document, as XML."""


class ChangeCib(msgspec.Struct, frozen=True, tag="change"):
    """Change the configuration; answered when a majority of the members has it on disk."""

    change: OperatorChange
    why: str = ""


class FenceNode(msgspec.Struct, frozen=True, tag="fence"):
    """Silence a node on request."""

    node: str
    why: str = ""


class DeclareDead(msgspec.Struct, frozen=True, tag="declare-dead"):
    """The operator vouches that a lost node is powered off. `confirmed` is their explicit word."""

    node: str
    confirmed: bool = False


class SetAttribute(msgspec.Struct, frozen=True, tag="attribute"):
    """Set a node attribute that lasts until the node leaves; a `value` of `None` removes it.

    Agents rate themselves by such attributes: `master-NAME` is how well `NAME` could be promoted there.
    Without a `node` it is the one that is asked.
    """

    name: str
    value: str | None = None
    node: str = ""
    why: str = ""


class StopNode(msgspec.Struct, frozen=True, tag="stop"):
    """Stop this node's part cleanly: resources move away, then it leaves."""


Request: TypeAlias = (
    ShowStatus | ShowCib | ChangeCib | FenceNode | DeclareDead | SetAttribute | StopNode
)


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not carried out: one entry per finding, sentence and remedy."""

    code: str
    problems: tuple[str, ...]


_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_encoder = msgspec.json.Encoder()


class MalformedRequest(Exception):
    """The body is no request; the message names the place."""


def decode(body: bytes) -> Request:
    """Return the request; raise `MalformedRequest` if it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(str(error)) from error


def encode(value: msgspec.Struct) -> bytes:
    """Return a request or an answer as JSON."""
    return _encoder.encode(value)
