"""Starting a lab's supervisor in namespaces of its own, and clearing away after one.

A lab is one directory below /var/tmp (a real disk, so that what a host saves is really saved) and
one symbolic link that leads from its name to that directory. A small shell outside the namespaces
waits for the supervisor and removes both, the link last, however it ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.lab import furniture
from ninefold.lab.errors import BY_NAME, AlreadyRunning, LabBroken, NamespacesNotPermitted
from ninefold.lab.model import CONTROL, PLAN, READY, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.lab.plan import Plan

# Hosts boot at the same time in a second or so; 32 of them on a busy machine take longer.
START_LIMIT_S: Final = 60
PROBE_LIMIT_S: Final = 10
DATA_ROOT: Final = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the directory, mode 0700
LOG: Final = "supervisor.log"

_UNSHARE: Final = (
    *("--net", "--mount", "--pid", "--fork", "--kill-child=KILL"),
    *("--propagation", "private"),
)
_USER: Final = ("--user", "--map-root-user")
# Mounting /proc is what containers forbid when they permit the rest.
_PROBE: Final = ("sh", "-c", "mount -t proc proc /proc")
_LAUNCHER: Final = """\
unshare "$@" 2>>"$LAB_DIRECTORY/supervisor.log"
chmod -R u+rwx "$LAB_DIRECTORY" 2>/dev/null
rm -rf "$LAB_DIRECTORY"
[ "$(readlink "$LAB_LINK")" = "$LAB_DIRECTORY" ] && rm -f "$LAB_LINK"
"""


def link_of(name: str) -> Path:
    """Return the path by which a lab is found."""
    if os.geteuid() == 0:
        return Path(f"/run/ninefold-lab-{name}")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / f"ninefold-lab-{name}"
    return Path(tempfile.gettempdir()) / f"ninefold-lab-{os.geteuid()}-{name}"


def permitted() -> str:
    """Return why this machine permits no lab to this user; empty if it does."""
    try:
        _namespaces()
    except NamespacesNotPermitted as error:
        return str(error)
    return ""


def launch(plan: Plan, alive: Callable[[], bool]) -> subprocess.Popen[bytes]:
    """Start a supervisor and return its launcher when all hosts are on.

    `alive` asks whether a lab of this name answers. The launcher's stdin is the tether: when it is
    closed before `Detach`, the lab ends.
    """
    link = link_of(plan.name)
    user, flags = _namespaces()
    if link.is_symlink():
        if alive():
            raise AlreadyRunning(f"A lab called {plan.name} is running; `down` ends it.")
        clear(link)
    directory = Path(tempfile.mkdtemp(prefix=f"ninefold-lab-{plan.name}-", dir=DATA_ROOT))
    try:
        link.symlink_to(directory)
        plan = msgspec.structs.replace(plan, user_namespace=user)
        furniture.furnish(plan, directory)
        (directory / PLAN).touch(mode=0o600)
        (directory / PLAN).write_bytes(msgspec.json.encode(plan))
        (directory / LOG).touch()
        launcher = _launch(flags, link, directory)
    except FileExistsError:
        shutil.rmtree(directory)
        raise AlreadyRunning(f"A lab called {plan.name} is just being started.") from None
    except BaseException:
        clear(link)
        raise
    try:
        _wait_ready(launcher, directory)
    except BaseException:
        end(launcher)
        raise
    return launcher


def end(launcher: subprocess.Popen[bytes]) -> None:
    """Cut the tether and wait until the launcher has cleared away."""
    assert launcher.stdin is not None
    assert launcher.stdout is not None
    launcher.stdin.close()
    launcher.stdout.close()
    launcher.wait(START_LIMIT_S)


def clear(link: Path) -> None:
    """Remove what a lab left that ended together with its launcher."""
    with contextlib.suppress(FileNotFoundError):
        if link.lstat().st_uid != os.geteuid():
            raise LabBroken(f"{link} is not ours; remove it or use another name.")
        directory = link.readlink()
        link.unlink()
        if directory.parent == DATA_ROOT and directory.name.startswith("ninefold-lab-"):
            subprocess.run(["chmod", "-R", "u+rwx", directory], capture_output=True, check=False)
            shutil.rmtree(directory, ignore_errors=True)


def _namespaces() -> tuple[bool, tuple[str, ...]]:
    """Return whether a user namespace is needed, and the flags for unshare(1)."""
    reasons = []
    for user in (False, True) if os.geteuid() == 0 else (True,):
        flags = (*_USER, *_UNSHARE) if user else _UNSHARE
        try:
            probe = subprocess.run(
                ["unshare", *flags, *_PROBE],
                capture_output=True,
                text=True,
                check=False,
                timeout=PROBE_LIMIT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reasons.append(str(error))
            continue
        if probe.returncode == 0:
            return user, flags
        reasons.append(probe.stderr.strip())
    raise NamespacesNotPermitted(f"This machine permits no namespaces here: {'; '.join(reasons)}.")


def _launch(flags: tuple[str, ...], link: Path, directory: Path) -> subprocess.Popen[bytes]:
    argv = (sys.executable, "-m", "ninefold.lab.supervisor", str(directory))
    return subprocess.Popen(
        ["sh", "-c", _LAUNCHER, "ninefold-lab", *flags, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LAB_LINK": str(link), "LAB_DIRECTORY": str(directory)},
        cwd="/",
        # Ctrl-C at the terminal is for the caller, who then cuts the tether.
        start_new_session=True,
    )


def _wait_ready(launcher: subprocess.Popen[bytes], directory: Path) -> None:
    assert launcher.stdout is not None
    deadline = time.monotonic() + START_LIMIT_S
    said = b""
    while not said.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([launcher.stdout], [], [], left)[0]:
            raise LabBroken(f"The lab does not start within {START_LIMIT_S} s.")
        part = os.read(launcher.stdout.fileno(), 65536)
        if not part:
            log = _log(directory)
            raise LabBroken(f"The lab's supervisor ended: {log or 'it left no message'}")
        said += part
    if said.decode().strip() != READY:
        refused = msgspec.json.decode(said, type=Refused)
        raise BY_NAME[refused.error](refused.sentence)
    assert (directory / CONTROL).exists()


def _log(directory: Path) -> str:
    with contextlib.suppress(OSError):
        return (directory / LOG).read_text(errors="replace")[-2000:].strip()
    return ""
