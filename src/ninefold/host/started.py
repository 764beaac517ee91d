"""How what runs on this host was started: for the next daemon, which stops it the same way.

One small file a resource, in a directory that a boot empties (`/run`), each with the boot it belongs to:
after a power cut nothing runs. It is written before an agent may make the resource run, and removed when it is known
to run no more, so a crash in between leaves a file too many, never one too few: then a probe finds out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from ninefold.agents.model import Call, OpStatus, Rc

if TYPE_CHECKING:
    from ninefold.agents.model import Outcome

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

# After these a resource may run as the call says, whatever the agent answers.
_BEFORE: Final = ("start", "migrate_from")
_AFTER: Final = ("reload", "reload-agent")


class _Kept(msgspec.Struct):
    boot: str
    call: Call


class Started:
    """The calls that made something run. `directory` need not exist."""

    def __init__(self, directory: Path, boot: str | None = None) -> None:
        self._directory = directory
        self._boot = BOOT_ID.read_text().strip() if boot is None else boot

    def load(self) -> tuple[Call, ...]:
        """Return what was kept since this host was booted; a file that cannot be read is none."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
            except (OSError, msgspec.DecodeError):
                continue
            if kept.boot == self._boot:
                found.append(kept.call)
        return tuple(found)

    def before(self, call: Call) -> None:
        """Keep a call that is about to make something run. Raises `OSError`."""
        if call.action in _BEFORE:
            self._keep(call)

    def after(self, call: Call, outcome: Outcome) -> None:
        """Note what came of a call. Raises `OSError`."""
        done = outcome.status is OpStatus.DONE
        if call.action in _AFTER and done and outcome.rc == Rc.OK:
            self._keep(call)
        elif done and _is_gone(call, outcome):
            self._file(call.resource).unlink(missing_ok=True)

    def _keep(self, call: Call) -> None:
        # A fence device has no process: nothing of it outlives the daemon.
        if call.agent.standard == "stonith":
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._file(call.resource)
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        temporary.write_bytes(msgspec.json.encode(_Kept(self._boot, call)))
        temporary.replace(path)

    def _file(self, resource: str) -> Path:
        # A name may hold anything; one that begins with a dot must not be hidden from `load`.
        return self._directory / f"r-{quote(resource, safe='')}.json"


def _is_gone(call: Call, outcome: Outcome) -> bool:
    if call.action == "stop":
        return outcome.rc == Rc.OK
    return call.action == "monitor" and not call.interval_ms and outcome.rc == Rc.NOT_RUNNING
