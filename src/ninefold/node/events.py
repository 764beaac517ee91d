"""What may happen to a node, and what it may ask its performer for.

The union of the back ends' and the controller's own events and effects. A performer that handles every
`Effect` here and turns the world into `Event`s is a node.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ninefold.config.model import ClusterConfig
from ninefold.controller.events import (
    AgentFinished,
    Answer,
    CibNotSaved,
    CibSaved,
    ClockRead,
    Decide,
    Decided,
    Halted,
    Happened,
    Requested,
    RunAgent,
    SaveCib,
    SelfFence,
    Stop,
    Woke,
)
from ninefold.core.findings import Finding
from ninefold.corosync.events import (
    ClusterLost,
    Connect,
    Connected,
    Disconnect,
    GroupConfigured,
    GroupMessage,
    LinksSeen,
    Multicast,
    Report,
    Request,
    TotemConfigured,
    VotesSeen,
)
from ninefold.node.reload import ReadFile
from ninefold.node.reload_messages import Round
from ninefold.quorum.events import SaveExpected
from ninefold.totem.events import (
    KeysNotSaved,
    KeysSaved,
    PacketReceived,
    ProbeAnswered,
    ProbeKernel,
    RingIdSaved,
    Rotate,
    SaveKeys,
    SaveRingSeq,
    SendPacket,
    Started,
)


class ReloadAsked(msgspec.Struct, frozen=True):
    """`user` wants all members to read their files again; answered by `Answer`."""

    request: int
    user: str


class FileRead(msgspec.Struct, frozen=True):
    """The answer to `ReadFile`: the configuration, None if it may not be run, and all findings."""

    round: Round
    config: ClusterConfig | None
    findings: tuple[Finding, ...]
    file: str


class Reconfigured(msgspec.Struct, frozen=True):
    """The node goes by `config` from here on: open the sockets of its links, close those that are gone."""

    config: ClusterConfig


Event: TypeAlias = (
    Started
    | PacketReceived
    | RingIdSaved
    | ProbeAnswered
    | Rotate
    | KeysSaved
    | KeysNotSaved
    | Report
    | Woke
    | ClockRead
    | CibSaved
    | CibNotSaved
    | AgentFinished
    | Decided
    | Requested
    | ReloadAsked
    | FileRead
    | Stop
)
Effect: TypeAlias = (
    SaveRingSeq
    | SaveExpected
    | SaveKeys
    | SendPacket
    | ProbeKernel
    | Request
    | ReadFile
    | Reconfigured
    | SaveCib
    | RunAgent
    | Decide
    | Answer
    | Happened
    | Halted
    | SelfFence
)

__all__ = [
    "AgentFinished",
    "Answer",
    "CibNotSaved",
    "CibSaved",
    "ClockRead",
    "ClusterLost",
    "Connect",
    "Connected",
    "Decide",
    "Decided",
    "Disconnect",
    "Effect",
    "Event",
    "FileRead",
    "GroupConfigured",
    "GroupMessage",
    "Halted",
    "Happened",
    "KeysNotSaved",
    "KeysSaved",
    "LinksSeen",
    "Multicast",
    "PacketReceived",
    "ProbeAnswered",
    "ProbeKernel",
    "ReadFile",
    "Reconfigured",
    "ReloadAsked",
    "Requested",
    "RingIdSaved",
    "Rotate",
    "RunAgent",
    "SaveCib",
    "SaveExpected",
    "SaveKeys",
    "SaveRingSeq",
    "SelfFence",
    "SendPacket",
    "Started",
    "Stop",
    "TotemConfigured",
    "VotesSeen",
    "Woke",
]
