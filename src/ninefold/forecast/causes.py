"""What each code of the policy engine means to an operator, and the command that would change it.

One table for the origins of scores, one for reasons, one for the state of nodes. The codes are the
engine's (`ninefold.scheduler.reasons`, `ninefold.scheduler.scoring`); the sentences are made here
where the document has more to say than the engine kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.cib import views
from ninefold.scheduler.scores import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from ninefold.scheduler.model import Transition

TASKS: Final = ("start", "stop", "promote", "demote", "migrate_to", "migrate_from")

# The way to change what no command of its own changes.
EDIT: Final = "ninefold cib show -o cib.xml, edit {what}, ninefold cib replace cib.xml"

FALSE: Final = ("false", "no", "off", "n", "0")
TRUE: Final = ("true", "yes", "on", "y", "1")


class Cause(msgspec.Struct, frozen=True):
    """One thing that has a say: for programs, for people, and what would change it ("" if nothing)."""

    code: str
    sentence: str
    command: str


def text(score: int) -> str:
    """Write a score as it is written in a CIB."""
    return render(score)


def edit(what: str) -> str:
    """Return the commands that change `what` in the document."""
    return EDIT.format(what=what)


def plain(resource: str) -> str:
    """Return the configured name of an instance."""
    name, _, number = resource.rpartition(":")
    return name if name and number.isdigit() else resource


def movable(root: Element, resource: str) -> str:
    """Return what has to be named to move `resource`: the clone or group that it is in, or itself."""
    return _outermost(root, resource)[0]


def moves_alone(root: Element, resource: str) -> bool:
    """Tell whether a move means one place: not that of a clone or a bundle."""
    return _outermost(root, resource)[1] in {"primitive", "group"}


def _outermost(root: Element, resource: str) -> tuple[str, str]:
    tree = root.find("configuration")
    name, kind = plain(resource), ""
    element = None if tree is None else views.resource(tree, name)
    while element is not None and element.tag != "resources":
        name, kind = element.get("id", name), str(element.tag)
        element = element.getparent()
    return name, kind


# An agent sets its own rating; a constraint of the role adds to it.
RATE: Final = EDIT.format(what="the constraints: a rsc_location with role=Promoted and a score")

GRANT: Final = "grant ticket {o} to this site; to see the effect: ninefold simulate -g {o}"

CLEANUP: Final = "ninefold resource cleanup {r}"

# code: what is said of a score that came from it ({o} origin, {r} resource, {s} score), and the command.
_ORIGINS: Final[dict[str, tuple[str, str]]] = {
    "stickiness": ("It stays where it is if it can (resource-stickiness {s}).",
                   EDIT.format(what="resource-stickiness of {r}")),
    "migration-threshold": ("It failed there as often as migration-threshold allows.", CLEANUP),
    "failed": ("It failed there, and on-fail keeps it away.", CLEANUP),
    "hard-error": (("Its agent said there that trying again is useless (not installed, not "
                   "configured, or not permitted)."), CLEANUP),
    "stop-failed": ("Stopping it failed there.", CLEANUP),
    "failed-stay-stopped": ("It failed, and on-fail=stop keeps it stopped.", CLEANUP),
    "target-role": ("It is wanted stopped.", "ninefold resource start {r}"),
    "ticket": ("Ticket {o} is not granted here, or is in standby.",
               GRANT),
    "utilization": ("What must be there together needs {o}.",
                    EDIT.format(what="the utilization of {r} or of the node")),
    "shutdown-lock": ("It is kept for {o}, which was shut down cleanly.", "start the node {o}; ninefold cib property shutdown-lock false gives the locks up"),
    "instance-limit": ("{o} has enough instances already, there or altogether.",
                       EDIT.format(what="clone-max or clone-node-max of {o}")),
    "discovery": ("A constraint with resource-discovery=exclusive names other nodes only.",
                  EDIT.format(what="the location constraints of {r}")),
    "removed": ("It is no longer configured.",
                EDIT.format(what="the resources: add {r} again")),
    "unmanaged": ("It is not managed, and stays where it is.", ""),
    "own-container": ("It runs in {o}, for which it is made.", "ninefold explain {o}"),
    "inside-guest": ("It runs inside of the guest that {o} is, and nowhere else.",
                     EDIT.format(what="the meta attribute container of {r}")),
    "not-on-remote": ("Connections, their hosts and fence devices do not run on remote or guest nodes.", ""),
    "rating": ("Its agent rates it so there ({o}).", RATE),
    "unrated": ("Its agent has not rated it there: there is no {o}.", RATE),
    "kept-unpromoted": ("It is not wanted promoted (target-role).", EDIT.format(what="target-role of {o}")),
    "no-place": ("It has no node to run on.", ""),
    "instance": ("{o} is there too, and brings its own.", "ninefold explain {o}"),
    "promotion": ("The promotion score that its agent set there.",
                  EDIT.format(what="the constraints of role Promoted")),
    "multiply-active": ("It was active more than once, and multiple-active=stop_only.", CLEANUP),
}  # fmt: skip


def grant(ticket: str) -> str:
    """Return what brings a ticket here."""
    return GRANT.format(o=ticket)


def origin(root: Element, resource: str, code: str, source: str, score: int) -> Cause:
    """Return what is to be said of a part of a score that no constraint gave."""
    sentence, command = _ORIGINS.get(code, (f"{code} {source}", ""))
    name = plain(resource)
    words = {"o": source, "r": name, "s": text(score)}
    if code == "target-role":
        words["r"] = movable(root, name)
    return Cause(code, sentence.format(**words), command.format(**words))


def own_score(root: Element, transition: Transition, resource: str, node: str) -> Cause:
    """Return why a node begins with a score of its own: who may run there at all."""
    for one in obstacles(root, transition, node):
        return one
    name, kind = _outermost(root, resource)
    connection = remote_connection(root, node)
    inside = _outermost(root, connection)[1] == "bundle" if connection else False
    if kind == "bundle":
        sentence = f"What {name} holds runs inside its containers, each on its own."
        return Cause("inside-bundle", sentence, f"ninefold explain {name}")
    if inside:
        sentence = f"{node} is inside a container of {connection}, for what that holds only."
        return Cause("inside-bundle", sentence, f"ninefold explain {connection}")
    if connection:
        return Cause(
            "not-on-remote", f"{node} is a remote or guest node, which may not run it.", ""
        )
    tree = root.find("configuration")
    if tree is None or views.cluster_property(tree, "symmetric-cluster", "true").lower() in TRUE:
        return Cause("node", f"{node} begins with a score of its own.", "")
    sentence = "No constraint allows it there, which symmetric-cluster=false asks for."
    return Cause(
        "not-allowed", sentence, edit(f"the constraints: a rsc_location of {plain(resource)}")
    )


def obstacles(root: Element, transition: Transition, node: str) -> list[Cause]:
    """Return why nothing may be started on a node, whatever its score."""
    view = next((one for one in transition.nodes if one.name == node), None)
    if view is None:
        return []
    connection = remote_connection(root, node)
    found = []
    if view.unclean:
        why = f": {view.reason}" if view.reason else ""
        found.append(Cause("node-unclean", f"{node} is lost and must be fenced{why}.",
                           f"ninefold node fence {node}"))  # fmt: skip
    elif view.pending:
        found.append(Cause("node-pending", f"{node} is joining.", "ninefold status"))
    elif not view.online and connection:
        sentence = f"{node} is reached through {connection}, which does not run."
        found.append(Cause("remote-down", sentence, f"ninefold explain {connection}"))
    elif not view.online:
        found.append(Cause("node-offline", f"{node} is not online.", f"start ninefoldd on {node}"))
    if view.standby:
        found.append(
            Cause("node-standby", f"{node} is in standby.", f"ninefold node online {node}")
        )
    if view.maintenance:
        command = f"ninefold node unmaintenance {node}"
        found.append(Cause("node-maintenance", f"{node} is in maintenance.", command))
    if view.shutdown and not connection:
        found.append(
            Cause("node-shutdown", f"{node} is shutting down.", f"start ninefoldd on {node} again")
        )
    return found


def remote_connection(root: Element, node: str) -> str:
    """Return the resource that connects a remote or guest node; "" for a member of the ring."""
    for element in root.iterfind("configuration/resources//primitive"):
        if element.get("id") == node and element.get("type") == "remote":
            return node
        for pair in element.iterfind("meta_attributes/nvpair"):
            if pair.get("name") == "remote-node" and pair.get("value") == node:
                return element.get("id", "")
    for element in root.iterfind("configuration/resources//bundle"):
        if node.startswith(f"{element.get('id')}-"):
            return element.get("id", "")
    return ""


def of_cluster(root: Element, transition: Transition) -> Iterator[Cause]:
    """Yield what concerns every resource."""
    tree = root.find("configuration")
    if tree is None:
        return
    policy = views.cluster_property(tree, "no-quorum-policy", "stop")
    if not transition.quorate and policy != "ignore":
        sentence = f"The partition has no quorum (no-quorum-policy={policy})."
        yield Cause("no-quorum", sentence, "bring more members back; ninefold status")
    if views.cluster_property(tree, "stop-all-resources", "false").lower() in TRUE:
        command = "ninefold cib property stop-all-resources"
        yield Cause("stop-all", "stop-all-resources is set.", command)
    if views.cluster_property(tree, "maintenance-mode", "false").lower() in TRUE:
        command = "ninefold cib property maintenance-mode"
        yield Cause("maintenance-mode", "The cluster is in maintenance.", command)
    if views.cluster_property(tree, "symmetric-cluster", "true").lower() in FALSE:
        sentence = "symmetric-cluster=false: only nodes that a constraint allows may have it."
        yield Cause("asymmetric", sentence, "ninefold cib property symmetric-cluster true")
