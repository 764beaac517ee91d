"""Can every node be silenced, and by something that does not die with it?

The devices of one level must all succeed (two outlets of a server with two supplies); levels are tried
in order until one does. The chance that a demand succeeds is therefore

    1 - product over levels of (1 - product over the level's devices of their success)

which takes devices as independent. Where they are not, `shared` says so: it names every part that both
the node and one of its devices stand on, found by walking `needs` and `inside` of both, and the node
itself if the device hangs on it. What takes down the whole group is left out: then nobody is left to fence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ninefold.design.domains import Fallen, supports
from ninefold.design.evidence import evidence_of
from ninefold.design.results import FenceRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxml.etree import _Element as Element

    from ninefold.design.model import FencePath, Group, Infrastructure


def fence_rows(model: Infrastructure, group: Group) -> tuple[FenceRow, ...]:
    """Return a row for each node of the group."""
    configuration = evidence_of(group).configuration
    return tuple(_row(model, group, node, configuration) for node in group.nodes)


def _row(model: Infrastructure, group: Group, node: str, configuration: Element | None) -> FenceRow:
    levels = levels_of(group, node)
    devices = tuple(dict.fromkeys(path.device for level in levels for path in level))
    shared = shared_with(model, group, node, devices)
    told = list(_sentences(model, group, node, levels, shared))
    own = [
        d
        for d in devices
        if {t for p in group.fencing if p.device == d for t in p.targets} == {node}
    ]
    told.extend(_self_fencing(configuration, node, own))
    return FenceRow(
        group=group.name,
        node=node,
        devices=devices,
        coverage=coverage(levels) if group.fencing_enabled else 0.0,
        shared=shared,
        sentence=" ".join(told),
    )


def levels_of(group: Group, node: str) -> tuple[tuple[FencePath, ...], ...]:
    """Return the ways to silence a node, by level, the first tried first."""
    mine = [path for path in group.fencing if node in path.targets]
    numbers = sorted({path.level for path in mine})
    return tuple(tuple(path for path in mine if path.level == number) for number in numbers)


def coverage(levels: Sequence[Sequence[FencePath]]) -> float:
    """Return the chance that a demand silences the node; 0 without a device."""
    fails = 1.0
    for level in levels:
        succeeds = 1.0
        for path in level:
            succeeds *= min(1.0, path.success.value)
        fails *= 1 - succeeds
    return 1 - fails


def shared_with(
    model: Infrastructure, group: Group, node: str, devices: Sequence[str]
) -> tuple[str, ...]:
    """Return what a node and its devices both stand on, the node itself if a device hangs on it."""
    below_node = (node, *supports(model, node))
    below = {part for device in devices for part in supports(model, device)}
    return tuple(
        part for part in below_node if part in below and not _takes_all(model, group, part)
    )


def _takes_all(model: Infrastructure, group: Group, part: str) -> bool:
    fallen = Fallen(model, (part,))
    return all(fallen.down(node) for node in group.nodes)


def die_together(model: Infrastructure, node: str, devices: Sequence[str], part: str) -> bool:
    """Return whether the loss of `part` alone takes the node down with every one of its devices."""
    fallen = Fallen(model, (part,))
    return fallen.down(node) and all(fallen.down(device) for device in devices)


def _sentences(
    model: Infrastructure,
    group: Group,
    node: str,
    levels: Sequence[Sequence[FencePath]],
    shared: Sequence[str],
) -> Iterator[str]:
    devices = tuple(dict.fromkeys(path.device for level in levels for path in level))
    if not group.fencing_enabled:
        yield "Fencing is disabled: a lost node is believed dead without proof."
    if not devices:
        yield "No device can silence it: what it ran can never be started safely elsewhere."
        return
    if node in shared:
        yield f"A device hangs on {node} itself: where {node} has no power, the device cannot answer."
    together = [
        part for part in shared if part != node and die_together(model, node, devices, part)
    ]
    if together:
        yield (
            f"The loss of {_listed(together)} alone takes down {node} and every device that could prove "
            "it: feed a device from elsewhere, or add a second level that does not depend on it."
        )
    apart = [part for part in shared if part != node and part not in together]
    if apart:
        yield f"It shares {_listed(apart)} with a device; another level or a second feed still stands."
    if len(levels) == 1:
        path = "One level only" if len(devices) > 1 else "One path only"
        yield f"{path} ({', '.join(devices)}): when it fails, a person must declare the node dead."
    yield f"A demand succeeds with {100 * coverage(levels):.6g} %."


def _self_fencing(
    configuration: Element | None, node: str, devices: Sequence[str]
) -> Iterator[str]:
    """Say which of the devices that silence this node alone the cluster may run on it."""
    if configuration is None:
        return
    for device in devices:
        found = configuration.xpath(
            "resources//primitive[@class='stonith'][@id=$name]", name=device
        )
        if found and isinstance(found, list) and not banned(configuration, device, node):
            yield f"{device} may run on {node}, its own target: ban it there (-INFINITY)."


def banned(configuration: Element, resource: str, node: str) -> bool:
    """Return whether a location constraint keeps a resource from a node, or the only host is another."""
    for constraint in configuration.iterfind("constraints/rsc_location"):
        if constraint.get("rsc") != resource:
            continue
        if constraint.get("node") == node and constraint.get("score") == "-INFINITY":
            return True
        for rule in constraint.iterfind("rule"):
            for expression in rule.iterfind("expression"):
                same = (expression.get("attribute"), expression.get("value")) == ("#uname", node)
                if (
                    same
                    and expression.get("operation") == "eq"
                    and rule.get("score") == "-INFINITY"
                ):
                    return True
                if same and expression.get("operation") == "ne" and rule.get("score") == "INFINITY":
                    return True
    return False


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
