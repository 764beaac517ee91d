"""The only way by which collectors touch a host: reading files below a root, and a few commands.

Nothing here writes or changes anything. What cannot be read is noted once, with the
reason and a remedy; a collector then leaves its part empty. Commands are run by name from a list,
with a bound on time and output, and only on the real root.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from ninefold.design.audit.facts import Unread

# No file of /proc, /sys or /etc that matters here is larger.
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
PIECE: Final = 64 * 1024
OUTPUT_BYTES_MAX: Final = 32 * 1024 * 1024
COMMAND_LIMIT_S: Final = 20.0
# As many as the kernel follows in one path.
LINKS_MAX: Final = 40

# Each is documented as printing and changing nothing with the arguments that are used here.
COMMANDS: Final = frozenset({"journalctl", "lvm", "drbdsetup", "ipmitool", "rpm", "multipathd"})


class Source:
    """A host's files below `root`, and what could not be read of them."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.real = root == Path("/")
        self._unread: dict[str, Unread] = {}

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read, in the order in which it was tried."""
        return tuple(self._unread.values())

    def note(self, what: str, why: str, remedy: str = "") -> None:
        """Note that something could not be read; the first reason is kept."""
        self._unread.setdefault(what, Unread(what, why, remedy))

    def path(self, name: str) -> Path:
        """Return a path of the host as it is reached from here."""
        return self.root / name.lstrip("/") if self.real else self._inside(name)

    def _inside(self, name: str, *, last: bool = True) -> Path:
        """Follow symbolic links as the host would: an absolute one begins at its root, not at ours.

        The `last` part is followed too, or left as it is.
        """
        waiting = [part for part in reversed(name.split("/")) if part not in ("", ".")]
        reached: list[str] = []
        followed = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                reached = reached[:-1]
                continue
            here = self.root.joinpath(*reached, part)
            if (waiting or last) and followed < LINKS_MAX and here.is_symlink():
                followed += 1
                target = str(here.readlink())
                reached = [] if target.startswith("/") else reached
                waiting += [one for one in reversed(target.split("/")) if one not in ("", ".")]
            else:
                reached.append(part)
        return self.root.joinpath(*reached)

    def content(self, name: str, *, optional: bool = True) -> bytes | None:
        """Return a file's content; `None` if it is not there or may not be read (then noted).

        A file that is merely absent is noted only if it is not `optional`.
        """
        try:
            # In pieces: some files of /proc refuse to fill a large buffer.
            with self.path(name).open("rb", buffering=0) as file:
                pieces: list[bytes] = []
                while sum(map(len, pieces)) < FILE_BYTES_MAX and (piece := file.read(PIECE)):
                    pieces.append(piece)
                return b"".join(pieces)
        except FileNotFoundError:
            if not optional:
                self.note(name, "it does not exist")
        except PermissionError:
            self.note(name, "permission denied", "run as root")
        except OSError as error:
            self.note(name, error.strerror or str(error))
        return None

    def text(self, name: str, *, optional: bool = True) -> str | None:
        """Return a file as text; bytes that are none become the replacement character."""
        found = self.content(name, optional=optional)
        return None if found is None else found.decode(errors="replace")

    def line(self, name: str) -> str:
        """Return a small file's text without white space around it; empty if there is none."""
        return (self.text(name) or "").strip()

    def number(self, name: str) -> int | None:
        """Return a small file as a number, or `None`."""
        text = self.line(name)
        return int(text) if text.lstrip("-").isdigit() and len(text) < 20 else None

    def entries(self, name: str) -> list[str]:
        """Return the names in a directory, sorted; empty if there is none (noted if forbidden)."""
        try:
            return sorted(entry.name for entry in self.path(name).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            self.note(name, "permission denied", "run as root")
        except OSError as error:
            self.note(name, error.strerror or str(error))
        return []

    def exists(self, name: str) -> bool:
        """Is there such a file, as far as can be seen?"""
        try:
            return self.path(name).exists()
        except OSError:
            return False

    def readable(self, name: str) -> bool:
        """May such a file be read?"""
        try:
            with self.path(name).open("rb"):
                return True
        except OSError:
            return False

    def link(self, name: str) -> str:
        """Return where a symbolic link points, as it is written; empty if it is none."""
        try:
            found = self.path(name) if self.real else self._inside(name, last=False)
            return str(found.readlink())
        except OSError:
            return ""

    def run(self, *command: str, limit_s: float = COMMAND_LIMIT_S) -> bytes | None:
        """Return what a command of `COMMANDS` prints; `None`, noted, if it cannot be run."""
        assert command[0] in COMMANDS
        what = " ".join(command[:3])
        if not self.real:
            return None
        program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
        if program is None:
            self.note(what, f"{command[0]} is not installed")
            return None
        try:
            done = subprocess.run(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
                env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        except subprocess.TimeoutExpired:
            self.note(what, f"no answer within {limit_s:g} s")
            return None
        except OSError as error:
            self.note(what, error.strerror or str(error))
            return None
        if done.returncode:
            complaint = done.stderr.decode(errors="replace").strip().splitlines()
            self.note(what, complaint[-1] if complaint else f"exit code {done.returncode}")
            return None
        return done.stdout[:OUTPUT_BYTES_MAX]
