"""Clones in the virtual world: how a scenario defines one, and how many of it there may truly be.

never too many   a clone runs on no more hosts than clone-max says, and is promoted on no more than
                 promoted-max, hosts that the cluster has lost among them (S1)
fence first      where one may be promoted, the promoted role is passed on like an exclusive resource: demoted,
                 stopped, or its host fenced (S2)
only what runs   nothing is promoted that does not run, and nothing is stopped while it is promoted, unless
                 it would not be demoted
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

import msgspec

from ninefold.agents.model import Rc
from ninefold.sim.checkers import Violation
from ninefold.sim.words import StageError, Words, options

if TYPE_CHECKING:
    from ninefold.agents.model import Call
    from ninefold.cib.document import Cib
    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Instant
    from ninefold.sim.host import Host
    from ninefold.sim.words import Asking

_TRUE: Final = ("true", "yes", "on", "1")

# What a probe answers that knows in which role its resource is.
_SAYS_ROLE: Final = (Rc.OK, Rc.NOT_RUNNING, Rc.RUNNING_PROMOTED, Rc.FAILED_PROMOTED)


class Clone(msgspec.Struct):
    """A clone of one primitive or group; `options` are its meta attributes."""

    member: str
    options: dict[str, str] = {}


def define_clone(stage: Asking, words: Words) -> None:
    """`clone dbs = db promotable=true clone-max=2 notify=true`: of a resource or a group."""
    if len(words) < 3 or words[1] != "=":
        raise StageError("write: clone NAME = RESOURCE [META=VALUE ...]")
    shape, member = stage.shape, words[2]
    known = [primitive.name for primitive in shape.resources]
    if member not in known and member not in shape.groups:
        raise StageError(f"there is no resource {member!r}; define it before the clone")
    shape.clones[words[0]] = Clone(member, options(words[3:]))


def clone_xml(name: str, clone: Clone, inner: str) -> str:
    """Return a clone around the XML of its member."""
    pairs = "".join(
        f"<nvpair id={quoteattr(f'{name}-{key}')} name={quoteattr(key)} value={quoteattr(value)}/>"
        for key, value in clone.options.items()
    )
    meta = f"<meta_attributes id={quoteattr(f'{name}-meta')}>{pairs}</meta_attributes>"
    return f"<clone id={quoteattr(name)}>{meta if pairs else ''}{inner}</clone>"


def promotion(resource: str) -> str:
    """Return the name under which the promoted role of a resource is watched, as if it were one."""
    return f"{resource} (promoted)"


class Limits(msgspec.Struct, frozen=True):
    """How many instances there may be, and how many of them promoted; 0 if it cannot be promoted."""

    instances: int
    promoted: int


class Instances:
    """Watches the anonymous clones of the document that a cluster begins with."""

    def __init__(self, cib: Cib, hosts: dict[NodeId, Host]) -> None:
        self._hosts = hosts
        self.limits: dict[str, Limits] = {}
        # What an operator has changed by the end is set back to these.
        self.options: dict[str, dict[str, str]] = {}
        # Whose demotion has failed, or of which a probe could not say what it is: it is stopped as it is.
        self._stubborn: dict[tuple[NodeId, str], bool] = {}
        for clone in cib.configuration.iter("clone"):
            meta = {p.get("name"): p.get("value") for p in clone.iterfind("meta_attributes/nvpair")}
            self.options[str(clone.get("id"))] = {str(k): str(v) for k, v in meta.items()}
            promotable = str(meta.get("promotable")).lower() in _TRUE
            limits = Limits(
                int(meta.get("clone-max") or len(hosts)),
                int(meta.get("promoted-max") or 1) if promotable else 0,
            )
            for member in clone.iter("primitive"):
                self.limits[str(member.get("id"))] = limits

    def on_launch(self, now: Instant, host: Host, call: Call) -> None:
        """An agent is about to run."""
        if call.resource not in self.limits:
            return
        key, promoted = (host.id, call.resource), host.resources.is_promoted(call.resource)
        if call.action == "demote":
            self._stubborn[key] = True
        if call.action == "stop" and promoted and not self._stubborn.get(key):
            raise Violation(f"{now}: {host.name} stops {call.resource} while it is promoted")

    def on_effect(self, now: Instant, host: Host, call: Call, rc: int) -> None:
        """An agent has ended, with that exit code."""
        limits = self.limits.get(call.resource)
        if limits is None:
            return
        name = call.resource
        if call.action == "monitor" and not call.interval_ms and rc not in _SAYS_ROLE:
            self._stubborn[(host.id, name)] = True
        if not host.resources.is_promoted(name):
            self._stubborn.pop((host.id, name), None)
        elif not host.resources.is_active(name):
            raise Violation(f"{now}: {name} is promoted on {host.name} and does not run")
        running = [h.name for h in self._hosts.values() if h.resources.is_active(name)]
        promoted = [h.name for h in self._hosts.values() if h.resources.is_promoted(name)]
        if len(running) > limits.instances:
            raise Violation(f"{now}: {name} runs on {running}, {limits.instances} are allowed")
        if len(promoted) > limits.promoted:
            raise Violation(f"{now}: {name} is promoted on {promoted}")

    def wanting(self, resource: str) -> str:
        """Say what is missing when all is well: every instance runs, one at least is promoted."""
        limits = self.limits[resource]
        running = [h.name for h in self._hosts.values() if h.resources.is_active(resource)]
        if len(running) != min(limits.instances, len(self._hosts)):
            return f"{resource} runs on {running}"
        if limits.promoted and not any(
            h.resources.is_promoted(resource) for h in self._hosts.values()
        ):
            return f"{resource} is promoted nowhere"
        return ""
