"""What a running node knows about the present and the document does not say.

Why there is no quorum, which fencings have failed and from where, which transition was abandoned and what
still ends before a new one is decided. It is told as part of an explanation that was made from the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from ninefold.forecast.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ninefold.forecast.explain import Explanation

# So many operations that are under way are named; a cluster that starts has hundreds.
_NAMED_MAX = 5


def with_present(
    found: tuple[Explanation, ...], status: Mapping[str, Any]
) -> tuple[Explanation, ...]:
    """Return explanations with what the status of the asked node (`ninefold status --json`) adds."""
    return tuple(
        msgspec.structs.replace(one, reasons=(*_reasons(one, status), *_added(one, status)))
        for one in found
    )


def _reasons(one: Explanation, status: Mapping[str, Any]) -> Iterator[Cause]:
    why = status["quorum"]["reason"]
    for cause in one.reasons:
        if cause.code == "no-quorum" and not status["quorum"]["quorate"] and why:
            yield msgspec.structs.replace(cause, sentence=f"{cause.sentence} {why}")
        else:
            yield cause


def _added(one: Explanation, status: Mapping[str, Any]) -> Iterator[Cause]:
    yield from _fencing(one, status)
    if not status["pending"] or not (one.waits or _concerned(one)):
        return
    yield from _work(one, status)


def _fencing(one: Explanation, status: Mapping[str, Any]) -> Iterator[Cause]:
    """Tell of failed fencings of nodes that it may still run on, or that it waits for."""
    told = " ".join(cause.sentence for cause in one.reasons)
    for row in status["fencing"]:
        node = row["node"]
        named = re.search(rf"(?<![\w.-]){re.escape(node)}(?![\w-])", told)
        if row["state"] != "failed" or not (node in one.nodes or named):
            continue
        times = "once" if row["attempts"] == 1 else f"{row['attempts']} times"
        where = f", last from {row['by']}" if row["by"] else ""
        sentence = f"Fencing {node} has failed {times}{where}: {row['reason'].rstrip('.')}."
        command = f"mend the device; ninefold node declare-dead {node}, if it is off for certain"
        yield Cause("fencing-failed", sentence, command)


def _concerned(one: Explanation) -> bool:
    return any(cause.code == "in-flight" for cause in one.reasons)


def _work(one: Explanation, status: Mapping[str, Any]) -> Iterator[Cause]:
    """Tell of the transition under way, or of the one that was abandoned."""
    pending = list(status["pending"])
    named = ", ".join(pending[:_NAMED_MAX])
    if len(pending) > _NAMED_MAX:
        named += f" and {len(pending) - _NAMED_MAX} more"
    work = status["work"]
    if work is None:
        sentence = f"Under way in the cluster: {named}. {status['dc']}, the DC, knows whether more follows."
        yield Cause("under-way", sentence, f"on {status['dc']}: ninefold explain {one.resource}")
    elif work["transition"]:
        sentence = f"Transition {work['transition']} is carried out; under way: {named}."
        yield Cause("under-way", sentence, "ninefold events --follow")
    elif work["abandoned"]:
        sentence = (
            f"Transition {work['abandoned']} was abandoned ({work['why']}). Before it is decided anew,"
            f" this ends: {named}."
        )
        yield Cause("transition-abandoned", sentence, "ninefold events --follow")
