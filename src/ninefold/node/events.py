"""What may happen to a node, and what it may ask its performer for.

The union of the back ends' and the controller's own events and effects. A performer that handles every
`Effect` here and turns the world into `Event`s is a node.
"""

from __future__ import annotations

from typing import TypeAlias

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
    | Stop
)
Effect: TypeAlias = (
    SaveRingSeq
    | SaveExpected
    | SaveKeys
    | SendPacket
    | ProbeKernel
    | Request
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
