"""Does the cluster remember, whoever conducts it and whoever was restarted? (S9)

wishes    standby, maintenance and properties are as somebody last asked for them: a request that was
          acknowledged is overtaken only by one that was not over before it began
failures  a fail count that was noted stays, until somebody cleans up or its node begins anew
the lost  a member that was lost has to be silenced, until somebody says that it was, or it comes back

Told of requests, answers and saves, and of what really happened to hosts. As with all that is promised of
documents, nothing is where both halves of two nodes have quorum, or a disk was set back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib.model import (
    ForgetHistory,
    ReplaceConfiguration,
    SetNodeAttribute,
    SetProperty,
    Stamp,
)
from ninefold.controller import requests as rq
from ninefold.core.instants import NEVER, Instant
from ninefold.sim.checkers import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis
    from ninefold.sim.documents import Documents
    from ninefold.sim.host import Host

# What a ring that broke up had counted may be missing until it has been said again in the next one.
SAID_AGAIN_MS: Final[Millis] = 10_000

ATTRIBUTES: Final = ("standby", "maintenance")
PROPERTIES: Final = ("maintenance-mode", "stop-all-resources")

# The node and the name of an attribute; of a property no node.
Key = tuple[str, str]
# The node, the resource, the task and its interval.
Count = tuple[int, str, str, int]

ANYTHING: Final = "\0"

# The code of a refusal after which what was asked for may yet come to be.
UNCERTAIN: Final = "not-acknowledged"


class Wish(msgspec.Struct, eq=False):
    """A request: what it wants to be so, when it was made, and when it was acknowledged.

    Two that say the same are two: only the one that was acknowledged has to be kept.
    """

    value: str | None
    asked: Instant
    kept: Instant = NEVER


class Memory:
    """What was asked for and what was noted, against every document that is saved."""

    def __init__(self, hosts: Mapping[NodeId, Host], documents: Documents) -> None:
        self._hosts = hosts
        self._documents = documents
        self._wishes: dict[Key, list[Wish]] = {}
        self._open: dict[int, list[Wish]] = {}
        self._cleanups: list[Wish] = []
        # A document of this stamp or a greater one holds what was acknowledged.
        self._since: dict[Key, Stamp] = {}
        self._newest = Stamp()
        # Since when a count is noted, how high it was, and since when it is missing.
        self._counts: dict[Count, tuple[Instant, int]] = {}
        self._missing: dict[Count, Instant] = {}
        self._lost: dict[NodeId, Instant] = {}
        # When each daemon was started last.
        self.begun: dict[NodeId, Instant] = {}
        self._vouched: dict[NodeId, Instant] = {}
        # The ring in which a node's present or last life as a member began, and when that was seen.
        self._lives: dict[NodeId, tuple[int, Instant]] = {}

    # What happens.

    def on_asked(self, now: Instant, request: int, body: bytes) -> None:
        """Somebody asks for something."""
        try:
            asked = rq.decode(body)
        except rq.MalformedRequest:
            return
        if not isinstance(asked, rq.ChangeCib):
            return
        match asked.change:
            case SetNodeAttribute(node, name, value) if name in ATTRIBUTES:
                self._note(now, request, (node, name), value)
            case SetProperty(name, value) if name in PROPERTIES:
                self._note(now, request, ("", name), value)
            case ReplaceConfiguration():
                names = [host.name for host in self._hosts.values()]
                for key in [
                    *((node, name) for node in names for name in ATTRIBUTES),
                    *(("", name) for name in PROPERTIES),
                ]:
                    self._note(now, request, key, ANYTHING)
            case ForgetHistory():
                self._cleanups.append(Wish(None, now))
                self._open.setdefault(request, []).append(self._cleanups[-1])
            case _:
                pass

    def _note(self, now: Instant, request: int, key: Key, value: str | None) -> None:
        wish = Wish(value, now)
        # To begin with nothing is set, and nobody has asked for that.
        self._wishes.setdefault(key, [Wish(None, -1, -1)]).append(wish)
        self._open.setdefault(request, []).append(wish)

    def on_acknowledged(self, now: Instant, request: int, stamp: Stamp) -> None:
        """A request is acknowledged by a node that holds the document of that stamp."""
        done = self._open.pop(request, [])
        for wish in done:
            wish.kept = now
        for key, wishes in self._wishes.items():
            if any(wish in done for wish in wishes):
                self._since[key] = max(stamp, self._since.get(key, Stamp()))

    def on_refused(self, request: int, body: bytes) -> None:
        """A request is refused: if that is certain, nobody has asked."""
        if msgspec.json.decode(body, type=rq.Refusal).code == UNCERTAIN:
            return
        for wish in self._open.pop(request, []):
            for wishes in (self._cleanups, *self._wishes.values()):
                if wish in wishes:
                    wishes.remove(wish)

    def on_begun(self, now: Instant, node: NodeId) -> None:
        """A daemon is started: it tells anew what it knows."""
        self.begun[node] = now

    def on_vouched(self, now: Instant, name: str) -> None:
        """A fence device, or a person, says that a host is silent."""
        for node in [node for node, host in self._hosts.items() if host.name == name]:
            self._vouched[node] = now

    # What is saved.

    def on_save(self, now: Instant, stamp: Stamp, cib: Cib) -> None:
        """Raise `Violation` if a document has forgotten something."""
        if not self._documents.lasting:
            return
        for key, since in self._since.items():
            if stamp >= since:
                self._check_wish(now, key, cib)
        if stamp > self._newest:
            self._newest = stamp
            self._check_counts(now, cib)
            self._check_lost(now, cib)

    def _check_wish(self, now: Instant, key: Key, cib: Cib) -> None:
        wishes = self._wishes[key]
        latest = max(wish.asked for wish in wishes if wish.kept < NEVER)
        allowed = [wish.value for wish in wishes if wish.kept >= latest]
        found = _attribute(cib, *key) if key[0] else cib.property(key[1], ANYTHING)
        value = None if found == ANYTHING else found
        if value not in allowed and ANYTHING not in allowed:
            raise Violation(f"{now}: {' '.join(key)} is {value!r}, but was asked to be {allowed}")

    def _check_counts(self, now: Instant, cib: Cib) -> None:
        found = {
            (count.node, count.resource, count.task, count.interval_ms): count.count
            for count in cib.fail_counts()
        }
        for key, (noted, count) in list(self._counts.items()):
            if found.get(key, 0) >= count:
                self._missing.pop(key, None)
            elif self._may_forget(key, noted, cib):
                del self._counts[key]
                self._missing.pop(key, None)
            elif now - self._missing.setdefault(key, now) > SAID_AGAIN_MS:
                raise Violation(f"{now}: {key} had failed {count} times, now {found.get(key, 0)}")
        for key, count in found.items():
            noted, known = self._counts.get(key, (now, 0))
            self._counts[key] = (noted if count == known else now, max(count, known))

    def _may_forget(self, key: Count, noted: Instant, cib: Cib) -> bool:
        node, resource = key[0], key[1]
        begun = max(self.begun.get(node, -1), self._vouched.get(node, -1)) >= noted
        cleaned = any(wish.kept >= noted for wish in self._cleanups)
        return begun or cleaned or not cib.defines(resource) or _expires(cib)

    def _check_lost(self, now: Instant, cib: Cib) -> None:
        for state in cib.node_states():
            node = state.node
            if state.joined_in != self._lives.get(node, (-1, 0))[0]:
                self._lives[node] = (state.joined_in, now)
            if state.expected == "member" and not state.in_ccm:
                self._lost.setdefault(node, now)
            elif node not in self._lost:
                continue
            else:
                since = self._lost.pop(node)
                # One that was silenced, booted and died again without having joined has done nothing.
                vouched = self._vouched.get(node, -1) >= self._lives[node][1]
                returned = self.begun.get(node, -1) >= since
                if not (state.in_ccm or vouched or returned or self._most_begun(since)):
                    raise Violation(
                        f"{now}: {state.name} was lost, and counts as {state.expected} though nobody "
                        f"has silenced it"
                    )

    def _most_begun(self, since: Instant) -> bool:
        """Who was lost may be noted on no disk yet when most of the others begin anew."""
        begun: Sequence[NodeId] = [n for n, at in self.begun.items() if at >= since]
        return 2 * len(begun) >= len(self._hosts)


def _attribute(cib: Cib, node: str, name: str) -> str:
    for element in cib.configuration.iterfind("nodes/node"):
        if element.get("uname") == node:
            for pair in element.iter("nvpair"):
                if pair.get("name") == name:
                    return str(pair.get("value"))
    return ANYTHING


def _expires(cib: Cib) -> bool:
    names = [pair.get("name") for pair in cib.configuration.iter("nvpair")]
    return "failure-timeout" in names
