"""How an operation with its result is written: `RESOURCE_TASK_INTERVAL@NODE=RC`.

The form of `crm_simulate`: the interval is in milliseconds, the code is the agent's.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ninefold.core.instants import Millis

# Tasks hold underscores (`migrate_to`), and so do resources: the task is one of these.
TASKS: Final = (
    "monitor", "start", "stop", "promote", "demote", "migrate_to", "migrate_from", "notify",
    "reload", "reload-agent",
)  # fmt: skip

_FORM: Final = re.compile(
    rf"(?P<resource>.+)_(?P<task>{'|'.join(TASKS)})_(?P<interval>[0-9]{{1,12}})"
    r"@(?P<node>[^@=]+)=(?P<rc>[0-9]{1,3})"
)
_RC_MAX: Final = 255


class OpSpec(msgspec.Struct, frozen=True):
    """An operation and the code it ends with."""

    resource: str
    task: str
    interval_ms: Millis
    node: str
    rc: int

    @property
    def key(self) -> str:
        """`RESOURCE_TASK_INTERVAL`."""
        return f"{self.resource}_{self.task}_{self.interval_ms}"


def parse(text: str) -> OpSpec | None:
    """Read one; `None` if it does not have the form."""
    found = _FORM.fullmatch(text.strip())
    if found is None or int(found["rc"]) > _RC_MAX:
        return None
    return OpSpec(
        found["resource"], found["task"], int(found["interval"]), found["node"], int(found["rc"])
    )
