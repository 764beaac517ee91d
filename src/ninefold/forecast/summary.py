"""A state and a transition in the words and the layout of Pacemaker's tools, line by line.

What it says comes from the engine's own answer; only names, agents and the nesting of resources
are read from the document.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ninefold.forecast.resources import indented, resource_lines
from ninefold.scheduler.model import ActionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxml.etree import _Element as Element

    from ninefold.forecast.execute import Step
    from ninefold.scheduler.model import Action, Change, Transition

# The least widths of names and places in the rows.
_NAME_MIN: Final = 5
_PLACE_MIN: Final = 5
_IN_MAINTENANCE: Final = (
    "",
    "              *** Resource management is DISABLED ***",
    "  The cluster will not attempt to start, stop or recover services",
    "",
)


def preface(seen: Transition) -> list[str]:
    """Return what is to be known before the state: that things are meant not to run."""
    total, disabled, blocked = seen.instances
    lines = list(_IN_MAINTENANCE) if seen.maintenance else []
    if disabled or blocked:
        told = f"{disabled} of {total} resource instances DISABLED and {blocked} BLOCKED"
        lines += [f"{told} from further action due to failure", ""]
    return lines


def before_lines(seen: Transition) -> list[str]:
    """Return what a summary begins with: what is not let run, and the state."""
    return [*preface(seen), "Current cluster status:", *state_lines(seen)]


def state_lines(seen: Transition) -> list[str]:
    """Return the nodes and the resources as an observation found them."""
    return [
        *indented(["Node List:", *indented(_node_lines(seen))]),
        "",
        *indented(["Full List of Resources:", *indented(resource_lines(seen))]),
    ]


def decision_lines(transition: Transition) -> list[str]:
    """Return what the transition does to nodes and resources, and why."""
    name, place = _NAME_MIN, _PLACE_MIN
    for change in transition.changes:
        # The field makes room for two more than the longest name so far, but only if that grows.
        name = len(change.resource) + 2 if len(change.resource) > name else name
        place = max(place, len(change.place))
    rows = (
        f"{one.verb:<8}   {one.resource:<{name}}   ( {one.place:>{place}} ){_because(one)}"
        for one in transition.changes
    )
    return indented([*_cluster_lines(transition), *rows])


def _because(change: Change) -> str:
    due = f"  due to {change.why}" if change.why else ""
    if not change.blocked:
        return due
    return f"{due} (blocked)" if due else "  blocked"


def step_lines(steps: Iterable[Step]) -> list[str]:
    """Return the actions that were carried out, in their order."""
    return indented(_step(step) for step in steps)


def _node_lines(seen: Transition) -> list[str]:
    single: list[str] = []
    listed: dict[str, list[str]] = {}
    for node in seen.nodes:
        word = f"{node.kind}{node.standing}"
        if node.standing not in {"Online", "OFFLINE"}:
            single.append(f"{node.kind}Node {node.name}: {node.standing}")
        elif word != "GuestOFFLINE":
            listed.setdefault(word, []).append(node.name)
    order = (
        "Online", "OFFLINE", "RemoteOnline", "RemoteOFFLINE", "GuestOnline",
    )  # fmt: skip
    return single + [f"{word}: [ {' '.join(listed[word])} ]" for word in order if word in listed]


def _cluster_lines(transition: Transition) -> Iterator[str]:
    for action in reversed(transition.actions):
        if action.task == "stonith":
            # A guest is silenced by way of what it lives in.
            guest = action.kind is ActionKind.PSEUDO
            why = f"(resource: {action.due}) 'guest is unclean'" if guest else f"'{action.due}'"
            yield f"Fence ({_fencing(action)}) {action.node} {why}"


def _fencing(action: Action) -> str:
    return action.meta.get("stonith_action") or action.meta.get("fencing_action", "reboot")


def _step(step: Step) -> str:
    action = step.action
    end = "" if step.rc is None else f" (failed: {step.rc})"
    where = f" on {action.node}" if action.node else ""
    match action.kind:
        case ActionKind.RESOURCE:
            task = f"{action.task}={action.interval_ms}" if action.interval_ms else action.task
            return f"Resource action: {step.name:<15} {task}{where}{end}"
        case ActionKind.PSEUDO:
            key = action.history_key or action.key
            return f"Pseudo action:   {key}{where if action.task == 'stonith' else ''}"
        case ActionKind.FENCING:
            return f"Fencing {action.node} ({_fencing(action)}){end}"
        case ActionKind.CLUSTER:
            about = f" for {action.resource}" if action.resource else ""
            return f"Cluster action:  {action.task}{about}{where}"


def clock(document: Element, said: str | None) -> list[str]:
    """Return the line that tells which time is decided for, if not the present."""
    if said is not None:
        return [f"Setting effective cluster time: {said}"]
    recorded = document.get("execution-date", "")
    if not (recorded.isascii() and recorded.isdigit()):
        return []
    moment = datetime.fromtimestamp(int(recorded), UTC)
    return [f"Using the original execution date of: {moment:%Y-%m-%d %H:%M:%SZ}"]


def text(
    before: Sequence[str],
    decision: Sequence[str],
    steps: Sequence[str],
    after: Sequence[str],
    time: Sequence[str] = (),
) -> str:
    """Put the four parts together, `time` where the field's tools say it; `before` begins with a preface."""
    parts = (
        ("Transition Summary:", decision),
        ("Executing Cluster Transition:", [*steps, *time]),
        ("Revised Cluster Status:", after),
    )
    told = ["\n".join([title, *lines]) for title, lines in parts]
    return "\n\n".join(["\n".join([*time, *before]), *told]) + "\n"
