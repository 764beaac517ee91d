"""Running the drill's client and reading what it saw."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import msgspec

from ninefold.drill.outage import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIENT: Final = Path(__file__).with_name("client.py")
# An hour; a probe that nobody stops ends by itself.
FOR_MS_MAX: Final = 3_600_000
STOP_LIMIT_S: Final = 10


class Aim(msgspec.Struct, frozen=True):
    """Whom to ask and how often. A request is given up after `patience_ms`."""

    address: str
    port: int = 80
    path: str = "/"
    every_ms: float = 5
    patience_ms: float = 200


def aim(url: str, *, every_ms: float = 5, patience_ms: float = 200) -> Aim:
    """Return the aim for `http://ADDRESS[:PORT][/PATH]`; `ValueError` says what is wrong with it."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"The client asks http://ADDRESS[:PORT][/PATH], not {url!r}.")
    if every_ms <= 0 or patience_ms <= 0:
        raise ValueError("The interval and the patience must be more than 0 ms.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Aim(parts.hostname, parts.port or 80, path, every_ms, patience_ms)


class Poller:
    """A client that asks until `stop`; `within` is the command line that puts it in its place.

    Use as a context manager, or call `stop`; `attempts` may be read while it runs.
    """

    def __init__(
        self, target: Aim, *, within: Sequence[str] = (), for_ms: float = FOR_MS_MAX
    ) -> None:
        numbers = (target.every_ms, target.patience_ms, min(for_ms, FOR_MS_MAX))
        self._process = subprocess.Popen(
            [
                *within,
                *(sys.executable, "-ISE", str(CLIENT)),
                *(target.address, str(target.port), target.path),
                *(str(number) for number in numbers),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._attempts: list[Attempt] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def attempts(self) -> list[Attempt]:
        """What has been seen so far, in the order in which the attempts ended."""
        return list(self._attempts)

    def stop(self) -> list[Attempt]:
        """End the client and return everything that it saw."""
        if self._process.poll() is None:
            self._process.terminate()
        return self.wait()

    def wait(self, limit_s: float = STOP_LIMIT_S) -> list[Attempt]:
        """Return everything that the client saw when it has ended; kill it after `limit_s`."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_LIMIT_S)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()
        return self.attempts

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._attempts.extend(_parsed(iter(self._process.stdout.readline, "")))


def _parsed(lines: Iterator[str]) -> Iterator[Attempt]:
    for line in lines:
        start, end, ok, host = line.rstrip("\n").split(" ", 3)
        yield Attempt(float(start), float(end), ok == "1", host)
