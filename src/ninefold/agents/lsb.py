"""LSB init scripts: their `status` codes are not those of OCF.

Linux Standard Base Core 3.1, §20.2 "Init Script Actions". Other actions use the codes that OCF took
over unchanged.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ninefold.agents.model import Rc

if TYPE_CHECKING:
    from collections.abc import Mapping

# What OCF calls by one name, an init script by another.
ACTIONS: Final[Mapping[str, str]] = MappingProxyType({"monitor": "status"})

# 1: dead, pid file exists. 2: dead, lock file exists. 3: not running. 4: unknown.
# Dead with a file left behind is not running: nothing is there that would have to be stopped.
STATUS: Final[Mapping[int, Rc]] = MappingProxyType(
    {
        0: Rc.OK,
        1: Rc.NOT_RUNNING,
        2: Rc.NOT_RUNNING,
        3: Rc.NOT_RUNNING,
        4: Rc.ERROR,
        # 150-199 belong to the application; Pacemaker's users read 150 as "not installed".
        150: Rc.INSTALLED,
    }
)

_LSB_NOT_RUNNING: Final = 7


def argument(action: str) -> str:
    """Return the init script's word for an action."""
    return ACTIONS.get(action, action)


def to_ocf(action: str, code: int) -> int:
    """Return the OCF code for an init script's exit code."""
    if argument(action) == "status":
        return STATUS.get(code, Rc.ERROR)
    if action == "stop" and code == _LSB_NOT_RUNNING:
        return Rc.OK
    return code if 0 <= code <= _LSB_NOT_RUNNING else Rc.ERROR
