"""Run agents: find the program, call it as its standard wants, say what came of it.

A call never raises for what the world does: a missing agent, a missing right, a timeout are
outcomes with a reason in words. What the answer means is `ninefold.agents.exitcodes`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.agents import lsb, metadata, ocf
from ninefold.agents.exitcodes import verdict
from ninefold.agents.model import AgentName, Call, OpStatus, Outcome, Rc, Standard, Traits
from ninefold.fencing.parameters import FENCING_META, BadFenceParameterError, stdin_text
from ninefold.host.orphans import mark
from ninefold.host.processes import OUTPUT_LIMIT_BYTES, ProcessResult, SpawnError, run
from ninefold.host.systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninefold.agents.ocf import Places
    from ninefold.core.instants import Millis

SHIPPED_PROVIDER: Final = "ninefold"
FENCE_DIRECTORIES: Final = (Path("/usr/sbin"), Path("/usr/local/sbin"))
INIT_DIRECTORY: Final = Path("/etc/init.d")
# Pacemaker's default, used where a call states none.
DEFAULT_TIMEOUT_MS: Final[Millis] = 20_000
# Metadata and lists of plugs are longer than an ordinary answer.
LONG_OUTPUT_LIMIT_BYTES: Final = 1_048_576
# An agent that does not describe itself within this is taken for one that cannot reload.
METADATA_TIMEOUT_MS: Final[Millis] = 5_000
# After these a resource runs with the parameters of the call.
_BEGIN: Final = ("start", "promote", "migrate_from", "reload-agent")
_LONG_ACTIONS: Final = ("meta-data", "metadata", "list", "list-status")
# Debian 12 ships some 130 resource agents and 86 fence agents.
METADATA_CACHE_MAX: Final = 512
# A fence agent's `monitor` of a single plug says 2 for "reachable, and off" (FenceAgentAPI).
_FENCE_PLUG_OFF: Final = 2

# What a monitor answers when it has found what there is: no failure that wants an explanation.
_ANSWERS: Final = (Rc.NOT_RUNNING, Rc.RUNNING_PROMOTED)


def host_places(*, socket: str = "", node: str = "") -> Places:
    """Return where the agents of this host find things, and the door that answers them."""
    tools = Path(str(resources.files("ninefold"))) / "data" / "tools"
    return ocf.Places(python=sys.executable, tools=str(tools), socket=socket, node=node)


class AgentRunner:
    """Runs agents of every standard on this host."""

    def __init__(
        self,
        *,
        places: Places | None = None,
        shipped: Path | None = None,
        ocf_roots: Sequence[Path] = (),
        fence_directories: Sequence[Path] = FENCE_DIRECTORIES,
        init_directory: Path = INIT_DIRECTORY,
        systemd: Systemd | None = None,
        owner: str = "",
    ) -> None:
        """`ocf_roots` are looked at before `OCF_ROOT/resource.d`; each holds PROVIDER/TYPE.

        Calls are marked as `owner`'s, so that its next daemon can end them (`orphans`).
        """
        self._owner = owner
        self._places = places or host_places()
        self._shipped = shipped or Path(str(resources.files("ninefold"))) / "data" / "ocf"
        self._roots = (*ocf_roots, Path(self._places.ocf_root) / "resource.d")
        self._fence_directories = tuple(fence_directories)
        self._init = init_directory
        self._systemd = systemd or Systemd()
        self._metadata: dict[tuple[str, int], Outcome] = {}
        self._traits_known: dict[tuple[str, int], Traits | None] = {}
        self._fence_devices: set[str] = set()

    async def run(self, call: Call) -> Outcome:
        """Run `call`. Cancelling kills the agent's process group."""
        match call.agent.standard:
            case Standard.OCF.value:
                return await self._run_ocf(call)
            case Standard.STONITH.value:
                return await self._run_fence(call)
            case Standard.SYSTEMD.value:
                return await self._run_systemd(call)
            case Standard.LSB.value:
                return await self._run_lsb(call)
            case Standard.SERVICE.value:
                return await self._run_service(call)
            case other:
                return _not_installed(call, f"there is no class of agents named {other!r}")

    async def close(self) -> None:
        """Let go of the system bus."""
        await self._systemd.close()

    async def _run_ocf(self, call: Call) -> Outcome:
        path = self._find_ocf(call.agent)
        if path is None:
            looked = ", ".join(str(root) for root in self._ocf_roots(call.agent.provider))
            return _not_installed(call, f"no {call.agent.provider}/{call.agent.type} in {looked}")
        try:
            env = ocf.environment(call, self._places)
        except ocf.BadParameterError as error:
            return Outcome(Rc.CONFIGURED, OpStatus.ERROR_FATAL, str(error))
        self._make_places()
        argv = ocf.arguments(str(path), call)
        if not os.access(path, os.X_OK) and path.is_relative_to(self._shipped):
            argv = ["/bin/sh", *argv]  # an installer that lost the execute bits
        env |= self._mark(argv, path)
        if call.action in _BEGIN:
            # Beside it: a first start is not to take longer for being asked about.
            traits, ended = await asyncio.gather(
                self._traits(call), self._execute(call, argv, env, path)
            )
            return _with_traits(ended, traits)
        ended = await self._execute(call, argv, env, path)
        found = ended.rc in (Rc.OK, Rc.RUNNING_PROMOTED) and ended.status is OpStatus.DONE
        if call.action == "monitor" and not call.interval_ms and found:
            return _with_traits(ended, await self._traits(call))
        return ended

    async def _traits(self, call: Call) -> Traits | None:
        """Ask an agent what may change under a running resource, once for each version of it."""
        question = Call(call.agent, call.resource, "meta-data", 0, METADATA_TIMEOUT_MS)
        path = self._find_ocf(call.agent)
        key = None if path is None else _cache_key(question, path)
        if key is None:
            return None
        if key not in self._traits_known:
            answer = await self._run_ocf(question)
            if answer.status is not OpStatus.DONE or answer.rc != Rc.OK:
                return None
            read = metadata.parse(answer.output, str(call.agent)).metadata
            if len(self._traits_known) >= METADATA_CACHE_MAX:
                self._traits_known.clear()
            self._traits_known[key] = None if read is None else metadata.traits(read)
        return self._traits_known[key]

    async def _run_lsb(self, call: Call) -> Outcome:
        path = self._init / call.agent.type
        if not _plain(call.agent.type) or not path.is_file():
            return _not_installed(call, f"no {call.agent.type} in {self._init}")
        if call.action == "meta-data":
            return Outcome(Rc.OK, OpStatus.DONE)
        argv = [str(path), lsb.argument(call.action)]
        env = {"PATH": ocf.SEARCH_PATH, "LC_ALL": "C", **self._mark(argv, path)}
        ended = await self._execute(call, argv, env, path)
        if ended.status is not OpStatus.DONE:
            return ended
        rc = lsb.to_ocf(call.action, ended.rc)
        return _outcome_with(ended, rc, "" if rc == Rc.OK else verdict(call.action, rc).meaning)

    async def _run_service(self, call: Call) -> Outcome:
        if await self._systemd.knows(call.agent.type):
            return await self._run_systemd(call)
        return await self._run_lsb(call)

    async def _run_systemd(self, call: Call) -> Outcome:
        timeout_ms = call.timeout_ms if call.timeout_ms > 0 else DEFAULT_TIMEOUT_MS
        return await self._systemd.act(call.agent.type, call.action, timeout_ms)

    async def _run_fence(self, call: Call) -> Outcome:
        """Run a fence agent.

        As a resource, a fence device has no process: started means that its monitor has succeeded
        on this node, stopped is always possible.
        """
        if FENCING_META in call.meta:
            return await self._call_fence_agent(call, call.action)
        match call.action:
            case "stop":
                self._fence_devices.discard(call.resource)
                return Outcome(Rc.OK, OpStatus.DONE)
            case "start":
                outcome = await self._call_fence_agent(call, "monitor")
                if outcome.status is OpStatus.DONE and outcome.rc == Rc.OK:
                    self._fence_devices.add(call.resource)
                return outcome
            case "monitor":
                if call.resource not in self._fence_devices:
                    return Outcome(Rc.NOT_RUNNING, OpStatus.DONE, "not started on this node")
                return await self._call_fence_agent(call, "monitor")
            case "meta-data":
                return await self._call_fence_agent(call, "metadata")
            case other:
                return await self._call_fence_agent(call, other)

    async def _call_fence_agent(self, call: Call, action: str) -> Outcome:
        path = self._find_fence(call.agent.type)
        if path is None:
            looked = ", ".join(str(directory) for directory in self._fence_directories)
            return _not_installed(call, f"no {call.agent.type} in {looked}")
        said = call.parameters.get(f"pcmk_{action}_action", action)
        try:
            stdin = stdin_text(said, call.parameters)
        except BadFenceParameterError as error:
            return Outcome(Rc.CONFIGURED, OpStatus.ERROR_FATAL, str(error))
        env = {"PATH": ocf.SEARCH_PATH, "LC_ALL": "C", "PYTHONWARNINGS": "ignore"}
        ended = await self._execute(call, [str(path)], env, path, stdin)
        if ended.status is not OpStatus.DONE or ended.rc == Rc.OK:
            return ended
        if action == "monitor" and ended.rc == _FENCE_PLUG_OFF:
            return _outcome_with(ended, Rc.OK, "the device answers; its plug is off")
        return _outcome_with(ended, ended.rc, _last_line(ended.errors) or f"{said} failed")

    async def _execute(
        self, call: Call, argv: list[str], env: dict[str, str], path: Path, stdin: str = ""
    ) -> Outcome:
        key = _cache_key(call, path)
        if key is not None and key in self._metadata:
            return self._metadata[key]
        timeout_ms = call.timeout_ms if call.timeout_ms > 0 else DEFAULT_TIMEOUT_MS
        long = call.action in _LONG_ACTIONS
        try:
            ended = await run(
                argv,
                env=env,
                stdin=stdin.encode(),
                timeout_ms=timeout_ms,
                output_limit=LONG_OUTPUT_LIMIT_BYTES if long else OUTPUT_LIMIT_BYTES,
            )
        except SpawnError as error:
            return _not_started(call, path, error)
        outcome = _outcome(call, ended, timeout_ms)
        if key is not None and outcome.rc == Rc.OK and len(self._metadata) < METADATA_CACHE_MAX:
            self._metadata[key] = outcome
        return outcome

    def _mark(self, argv: list[str], path: Path) -> dict[str, str]:
        return mark(self._owner, argv, path) if self._owner else {}

    def _ocf_roots(self, provider: str) -> tuple[Path, ...]:
        return (self._shipped, *self._roots) if provider == SHIPPED_PROVIDER else self._roots

    def _find_ocf(self, agent: AgentName) -> Path | None:
        if not _plain(agent.provider) or not _plain(agent.type):
            return None
        paths = (root / agent.provider / agent.type for root in self._ocf_roots(agent.provider))
        return next((path for path in paths if path.is_file()), None)

    def _find_fence(self, name: str) -> Path | None:
        if not _plain(name):
            return None
        paths = (directory / name for directory in self._fence_directories)
        return next((path for path in paths if path.is_file()), None)

    def _make_places(self) -> None:
        for place in (self._places.temporary, self._places.run):
            try:
                Path(place).mkdir(mode=0o755, parents=True, exist_ok=True)
            except OSError:  # the agent that needs it says so in its own words
                continue

    async def list_agents(self) -> list[AgentName]:
        """Return every agent of this host, sorted. A stray file among them is no error."""
        found = set(self._list_ocf())
        for directory in self._fence_directories:
            names = _programs(directory, "fence_")
            found.update(AgentName(Standard.STONITH.value, "", name) for name in names)
        found.update(AgentName(Standard.LSB.value, "", name) for name in _programs(self._init, ""))
        for name in await self._systemd.unit_names():
            found.add(AgentName(Standard.SYSTEMD.value, "", name))
        return sorted(found)

    def _list_ocf(self) -> list[AgentName]:
        found = []
        for root in (self._shipped, *self._roots):
            for provider in _directories(root):
                if root == self._shipped and provider != SHIPPED_PROVIDER:
                    continue
                anything = root == self._shipped
                names = _programs(root / provider, "", executable=not anything)
                found += [AgentName(Standard.OCF.value, provider, name) for name in names]
        return found


def _outcome(call: Call, ended: ProcessResult, timeout_ms: Millis) -> Outcome:
    """Say what came of a program that ran."""
    output = ended.stdout.decode(errors="replace")
    errors = ended.stderr.decode(errors="replace")
    rc, status, reason = Rc.ERROR.value, OpStatus.ERROR, ""
    if ended.timed_out:
        status = OpStatus.TIMEOUT
        reason = f"{call.agent} {call.action} did not end within {timeout_ms} ms"
        if ended.rc is None and ended.signal is None:
            reason += ", and could not be killed"
    elif ended.signal is not None:
        reason = f"{call.agent} {call.action} was killed by {_signal_name(ended.signal)}"
    else:
        assert ended.rc is not None
        rc, status = ended.rc, OpStatus.DONE
        reason = ocf.exit_reason(errors)
        if not reason and rc != Rc.OK:
            reason = verdict(call.action, rc, call.interval_ms).meaning
            if rc not in _ANSWERS:
                reason = ocf.last_words(reason, errors)
    return Outcome(rc, status, reason, output, errors, ended.exec_ms)


def _outcome_with(outcome: Outcome, rc: int, reason: str) -> Outcome:
    return Outcome(rc, outcome.status, reason, outcome.output, outcome.errors, outcome.exec_ms)


def _with_traits(outcome: Outcome, traits: Traits | None) -> Outcome:
    return msgspec.structs.replace(outcome, traits=traits)


def _not_installed(call: Call, why: str) -> Outcome:
    return Outcome(Rc.INSTALLED, OpStatus.NOT_INSTALLED, f"{call.agent} is not installed: {why}")


def _not_started(call: Call, path: Path, error: SpawnError) -> Outcome:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Outcome(Rc.PERM, OpStatus.ERROR, f"{path} may not be executed: {error}")
    if error.errno in {errno.ENOENT, errno.ENOEXEC}:
        return _not_installed(call, f"{path} or its interpreter cannot be run ({error})")
    return Outcome(Rc.ERROR, OpStatus.ERROR, str(error))


def _cache_key(call: Call, path: Path) -> tuple[str, int] | None:
    """Return the key of cached metadata: a changed file is another agent."""
    if call.action not in {"meta-data", "metadata"}:
        return None
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return None


def _plain(name: str) -> bool:
    """Tell whether a name from the document stays inside the directory it is looked up in."""
    return bool(name) and "/" not in name and "\0" not in name and name not in {".", ".."}


def _directories(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return []


def _programs(directory: Path, prefix: str, *, executable: bool = True) -> list[str]:
    """Return the programs in a directory; hidden and backup files are none."""
    try:
        names = [entry.name for entry in directory.iterdir() if entry.is_file()]
    except OSError:
        return []
    return sorted(
        name
        for name in names
        if name.startswith(prefix)
        and not name.startswith(".")
        and "~" not in name
        and (not executable or os.access(directory / name, os.X_OK))
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][: ocf.REASON_CHARS_MAX] if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
