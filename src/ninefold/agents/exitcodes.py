"""What an exit code means, by action: one table.

OCF resource agent API 1.1, "Exit status codes". An `Outcome` keeps the bare fact (`OpStatus.DONE`:
the agent ran to its end, with this code); `verdict` says what the code implies.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.agents.model import OpStatus, Rc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ninefold.core.instants import Millis


class Verdict(msgspec.Struct, frozen=True):
    """What an exit code implies.

    ERROR: failed, may be tried again here. ERROR_HARD: this node cannot run it. ERROR_FATAL: no
    node can. NOT_SUPPORTED: the agent has no such action. DONE: as it should be, or a monitor's
    plain answer about the state.
    """

    status: OpStatus
    meaning: str


_ANY: Final = "*"
_PROBE: Final = "probe"

_DONE = OpStatus.DONE

# (action, code) -> verdict; a probe falls back to monitor, everything to "*".
TABLE: Final[Mapping[tuple[str, int], Verdict]] = MappingProxyType(
    {
        (_ANY, Rc.OK): Verdict(_DONE, "succeeded"),
        (_ANY, Rc.ERROR): Verdict(OpStatus.ERROR, "failed"),
        (_ANY, Rc.ARGS): Verdict(OpStatus.ERROR_HARD, "a parameter is not right for this node"),
        (_ANY, Rc.UNIMPLEMENTED): Verdict(OpStatus.NOT_SUPPORTED, "the agent has no such action"),
        (_ANY, Rc.PERM): Verdict(OpStatus.ERROR_HARD, "not enough privilege on this node"),
        (_ANY, Rc.INSTALLED): Verdict(OpStatus.ERROR_HARD, "not installed on this node"),
        (_ANY, Rc.CONFIGURED): Verdict(
            OpStatus.ERROR_FATAL, "the configuration is wrong everywhere"
        ),
        (_ANY, Rc.NOT_RUNNING): Verdict(OpStatus.ERROR, "not running"),
        (_ANY, Rc.RUNNING_PROMOTED): Verdict(OpStatus.ERROR, "running promoted"),
        (_ANY, Rc.FAILED_PROMOTED): Verdict(OpStatus.ERROR, "promoted and failed"),
        ("monitor", Rc.OK): Verdict(_DONE, "running"),
        ("monitor", Rc.ERROR): Verdict(OpStatus.ERROR, "running but failed"),
        ("monitor", Rc.NOT_RUNNING): Verdict(_DONE, "stopped"),
        ("monitor", Rc.RUNNING_PROMOTED): Verdict(_DONE, "running promoted"),
        ("stop", Rc.NOT_RUNNING): Verdict(
            OpStatus.ERROR, "said not running, where a stop that succeeded says 0"
        ),
        ("demote", Rc.NOT_RUNNING): Verdict(OpStatus.ERROR, "stopped instead of demoted"),
        # A probe asks whether something runs here. What cannot run here does not.
        (_PROBE, Rc.ARGS): Verdict(_DONE, "cannot run on this node"),
        (_PROBE, Rc.INSTALLED): Verdict(_DONE, "not installed on this node, so not running"),
    }
)


def is_probe(action: str, interval_ms: Millis) -> bool:
    """Tell whether this asks for the first time: a monitor that does not recur."""
    return action == "monitor" and interval_ms == 0


def verdict(action: str, rc: int, interval_ms: Millis = 0) -> Verdict:
    """Return what `rc` of `action` implies; codes outside the API are failures."""
    names = [_PROBE] if is_probe(action, interval_ms) else []
    for name in [*names, "monitor" if action == "status" else action, _ANY]:
        found = TABLE.get((name, rc))
        if found is not None:
            return found
    return Verdict(OpStatus.ERROR, f"failed with the unknown exit code {rc}")
