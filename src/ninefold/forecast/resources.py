"""The tree of resources with their states, as Pacemaker's tools print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ninefold.scheduler.model import ResourceView, Transition

_ROLES: Final = ("promoted", "unpromoted", "started")
# What a resource is said to be while an operation is under way that changes its role.
_UNDER_WAY: Final = {
    "start": "Starting", "stop": "Stopping", "promote": "Promoting", "demote": "Demoting",
    "migrate_to": "Migrating", "migrate_from": "Migrating",
}  # fmt: skip
# Exit codes of a probe after which a resource counts as stopped, in the field's words.
_ABSENT: Final = {2: "Invalid parameter", 5: "Not installed"}


def indented(lines: Iterable[str]) -> list[str]:
    """Return the lines as items of a list one level deeper."""
    return [f"  {line}" if line.lstrip().startswith("* ") else f"  * {line}" for line in lines]


def resource_lines(seen: Transition) -> list[str]:
    """Return one line for each resource, nested as configured, in the engine's order."""
    order = {node.name: place for place, node in enumerate(seen.nodes)}
    return [line for one in seen.resources for line in _lines(one, order)]


def _lines(view: ResourceView, order: dict[str, int]) -> list[str]:
    match view.kind:
        case "primitive":
            return [_primitive(view)]
        case "group":
            return _group(view)
        case "clone":
            return _clone(view, order)
        case _:
            return _bundle(view)


def _primitive(view: ResourceView) -> str:
    """Return name, agent, role, node and what is out of the ordinary."""
    node = view.nodes[0] if len(view.nodes) == 1 else "" if view.nodes else view.locked
    flags = [word for word, there in (
        ("UNCLEAN", view.lost),
        ("LOCKED", view.locked and not view.nodes),
        ("Monitoring", view.pending == "monitor"),
        ("disabled", view.disabled),
        (_management(view), True),
        ("failure ignored", view.ignored),
    ) if word and there]  # fmt: skip
    parts = [
        "ORPHANED" if view.removed else "",
        _role(view),
        node,
        f"({', '.join(flags)})" if flags else "",
        f"[ {' '.join(view.nodes)} ]" if len(view.nodes) > 1 else "",
    ]
    absent = _absent(view) if view.role == "stopped" else ""
    state = " ".join(part for part in parts if part)
    # The field leaves a blank behind this reason.
    return f"{view.name}\t({view.agent}):\t {state}" + (f" ({absent}) " if absent else "")


def _absent(view: ResourceView) -> str:
    return next((_ABSENT.get(rc, "") for rc in view.absent.values()), "")


def _role(view: ResourceView) -> str:
    if view.failed:
        return "FAILED Promoted" if view.role == "promoted" else "FAILED"
    return _UNDER_WAY.get(view.pending, view.role.capitalize())


def _management(view: ResourceView) -> str:
    """Return the word for what the cluster does not look after, "" if it does."""
    if view.blocked:
        return "blocked"
    if view.managed:
        return ""
    return "maintenance" if view.maintenance else "unmanaged"


def _heading(view: ResourceView, *words: tuple[str, bool]) -> str:
    flags = [word for word, there in words if there]
    flags += ["disabled"] if view.disabled else []
    flags += [word for word in (_management(view),) if word]
    return f" ({', '.join(flags)}):" if flags else ":"


def _group(view: ResourceView) -> list[str]:
    members = [_primitive(member) for member in view.children]
    return [f"Resource Group: {view.name}{_heading(view)}", *indented(members)]


def _bundle(view: ResourceView) -> list[str]:
    kind = "Container bundle set" if len(view.children) > 1 else "Container bundle"
    title = f"{kind}: {view.name} [{view.agent}]"
    heading = _heading(view, ("unique", view.unique))
    return [f"{title}{heading}", *indented(_primitive(one) for one in view.children)]


def _clone(view: ResourceView, order: dict[str, int]) -> list[str]:
    """Return a clone's lines: instances that need a line of their own, the others by their role."""
    where: dict[str, list[str]] = {role: [] for role in _ROLES}
    lines: list[str] = []
    for child in view.children:
        leaves = _leaves(child)
        running = [leaf for leaf in leaves if leaf.active]
        if not view.unique and not running:
            continue
        if not view.unique and len(running) == len(leaves) and _unremarkable(leaves):
            where[_role_of_all(leaves)].append(leaves[0].nodes[0])
        else:
            lines += _lines(child, order)
    if not view.unique:
        lines += _by_role(view, where, order)
    kind = _heading(view, ("promotable", view.promotable), ("unique", view.unique))
    inner = view.children[0].name.partition(":")[0] if view.children else ""
    return [f"Clone Set: {view.name} [{inner}]{kind}", *indented(lines)]


def _leaves(view: ResourceView) -> tuple[ResourceView, ...]:
    return view.children if view.kind == "group" else (view,)


def _unremarkable(leaves: tuple[ResourceView, ...]) -> bool:
    """Whether a role and a node are all that is to be said of an instance."""
    nodes = {leaf.nodes for leaf in leaves}
    return len(nodes) == 1 and all(
        len(leaf.nodes) == 1
        and leaf.managed
        and not (leaf.failed or leaf.blocked or leaf.removed or leaf.lost or leaf.pending)
        for leaf in leaves
    )


def _role_of_all(leaves: tuple[ResourceView, ...]) -> str:
    found = max((leaf.role for leaf in leaves), key=["stopped", *reversed(_ROLES)].index)
    return found if found in _ROLES else "started"


def _by_role(
    view: ResourceView, where: dict[str, list[str]], order: dict[str, int]
) -> Iterator[str]:
    for role in _ROLES:
        if where[role]:
            yield f"{role.capitalize()}: [ {_sorted(where[role], order)} ]"
    leaves = [leaf for child in view.children for leaf in _leaves(child)]
    active = {node for leaf in leaves for node in leaf.nodes}
    if view.instances <= sum(map(len, where.values())):
        return
    idle: dict[str, list[str]] = {}
    for node in view.nodes:
        if node not in active:
            codes = [leaf.absent[node] for leaf in leaves if node in leaf.absent]
            idle.setdefault(_ABSENT.get(codes[0], "") if codes else "", []).append(node)
    disabled = view.disabled or all(child.disabled for child in view.children)
    for why, nodes in sorted(idle.items()):
        told = " (disabled)" if disabled else f" ({why})" if why else ""
        yield f"Stopped{told}: [ {_sorted(nodes, order)} ]"


def _sorted(nodes: list[str], order: dict[str, int]) -> str:
    return " ".join(sorted(nodes, key=lambda node: order.get(node, len(order))))
