"""Does a node ask for more than its host can bear, or keep what it will never need? (S10)

at work  in no second more packets, saves, agents or decisions than a small host can serve, and in no ten
         seconds more words than an operator's disk should hold
at rest  nothing inside a node is large: what grows with time, faults or requests would be by then

Only the real process can tell of memory, descriptors and threads: `make soak` looks at those.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib.document import Cib
from ninefold.controller.events import Decide, Happened, RunAgent, SaveCib
from ninefold.core.instants import Instant
from ninefold.scheduler.model import Transition
from ninefold.sim.checkers import Violation
from ninefold.totem.events import SaveRingSeq, SendPacket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ninefold.config.model import TotemOptions
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis
    from ninefold.node import events as ev
    from ninefold.sim.host import Host

# How many of each in which time. Measured at worst in seeds of 2 to 7 nodes: 145 saves, 49 agents, 25
# decisions and 7 ring numbers a second, 214 words in ten; where a monitor fails as soon as it begins, for ever,
# more than 450 words (seeds 10093, 11804); a save for each change of many, more than 300 (seed 12481).
LIMITS: Final[dict[type, tuple[int, Millis]]] = {
    SaveCib: (500, 1_000),
    RunAgent: (200, 1_000),
    Decide: (100, 1_000),
    SaveRingSeq: (16, 1_000),
    Happened: (900, 10_000),
}

# Tokens, joins, heartbeats and probes: a thousand a second at most were seen without frames.
PACKETS_BESIDES: Final = 2_000

# A ring of two among seven sends to six, at each second millisecond: three thousand packets a second for each frame a visit.
RECEIVERS_A_VISIT: Final = 3


def limits(totem: TotemOptions) -> dict[type, tuple[int, Millis]]:
    """Return the limits of one ring's nodes.

    Flow control lets a node send `max_messages` frames at each visit of the token, those that it sends again
    among them. A frame goes to all n - 1 others of the file, and in a ring of m the token comes by every m ms, a
    hop taking one: (n - 1) / m thousand times `max_messages` a second, twice that where each packet takes
    every link. Where large packets get lost a ring goes at that speed until `fail_recv_const` visits have
    passed (seeds 242, 13512).
    """
    copies = 2 if totem.link_mode == "active" else 1
    packets = totem.max_messages * 1_000 * RECEIVERS_A_VISIT * copies + PACKETS_BESIDES
    return {SendPacket: (packets, 1_000), **LIMITS}


# What a node holds of anything when nothing happens. The largest by design are the rotation times of the
# last 64 tokens; histories have an entry for each resource and each recurring operation.
AT_REST_MAX: Final = 128

# How deep the parts of a node are nested, and how many elements of a container are looked into.
DEPTH_MAX: Final = 10
LOOKED_INTO_MAX: Final = 60


class Load(msgspec.Struct):
    """How many of a kind a node has asked for in the present period."""

    period: Instant = -1
    count: int = 0


class Loads:
    """Counts what nodes of one ring ask for."""

    def __init__(self, totem: TotemOptions) -> None:
        self.limits = limits(totem)
        self._loads: dict[tuple[NodeId, type], Load] = {}

    def on_effect(self, now: Instant, node: NodeId, effect: ev.Effect) -> None:
        """A node asks for something."""
        kind = type(effect)
        limit = self.limits.get(kind)
        if limit is None:
            return
        most, period_ms = limit
        load = self._loads.get((node, kind))
        if load is None:
            load = self._loads[node, kind] = Load()
        period = now // period_ms
        if load.period != period:
            load.period, load.count = period, 0
        load.count += 1
        if load.count > most:
            raise Violation(
                f"{now}: {node} asks for {load.count} times {kind.__name__} in {period_ms} ms"
            )


def check_rest(hosts: Iterable[Host]) -> None:
    """Raise `Violation` if a node at rest holds much of anything."""
    for host in hosts:
        for path, size in containers(host.node, AT_REST_MAX):
            raise Violation(f"{host.name} is at rest, and holds {size} in node{path}")


def containers(root: object, least: int) -> Iterator[tuple[str, int]]:
    """Return all that holds more than `least` elements anywhere inside of `root`, with its path."""
    seen: dict[type, list[object]] = {}
    waiting = [("", root, 0)]
    while waiting:
        path, found, depth = waiting.pop()
        if depth > DEPTH_MAX:
            continue
        if isinstance(found, list | tuple | dict | set | frozenset | deque):
            if len(found) > least:
                yield path, len(found)
            inner = list(found.values() if isinstance(found, dict) else found)
            waiting += [(f"{path}[]", one, depth + 1) for one in inner[:LOOKED_INTO_MAX]]
        elif _own(found):
            known = seen.setdefault(type(found), [])
            if any(one is found for one in known):
                continue
            known.append(found)
            waiting += [
                (f"{path}.{name}", getattr(found, name), depth + 1)
                for name in _fields(found)
                if hasattr(found, name)
            ]


def _own(found: object) -> bool:
    # A document, and so a decision about it, may be as large as its operator likes.
    own = type(found).__module__.startswith("ninefold.")
    return own and not isinstance(found, Cib | Transition)


def _fields(found: object) -> list[str]:
    slots = [name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(found, "__dict__", ()), *slots, *getattr(found, "__struct_fields__", ())]
