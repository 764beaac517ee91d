"""The other side of the door, for the command line: plain, synchronous, no dependencies.

DoorClosedError     nobody listens, or this user may not enter
RefusedError        the node said no; `problems` are its sentences
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ninefold.controller import requests as rq

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_SOCKET: Final = "/run/ninefold/ninefold.sock"
SOCKET_VARIABLE: Final = "NINEFOLD_SOCKET"

# An acknowledgement needs one token rotation and one fsync on a majority; a ring that has to form
# anew first may take two token timeouts.
TIMEOUT_S: Final = 30


class DoorClosedError(Exception):
    """The node cannot be asked; the message says why and what to do."""


class RefusedError(Exception):
    """The node said no."""

    def __init__(self, code: str, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.code = code
        self.problems = problems


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("node", timeout=TIMEOUT_S)
        self._path = path
        self._seconds = timeout

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))


class Client:
    """Asks one node."""

    def __init__(self, path: str | None = None) -> None:
        self.path = Path(path or os.environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET)

    def status(self) -> dict[str, Any]:
        """Return the cluster as the node sees it (`ninefold.controller.status.Status`)."""
        answer: dict[str, Any] = self._json("GET", "/v1/status")
        return answer

    def cib(self) -> dict[str, Any]:
        """Return `version` and `xml`."""
        answer: dict[str, Any] = self._json("GET", "/v1/cib")
        return answer

    def versions(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest stored versions of the CIB."""
        answer: list[dict[str, Any]] = self._json("GET", f"/v1/cib/versions?limit={limit}")
        return answer

    def statistics(self) -> dict[str, Any]:
        """Return the node's counters."""
        answer: dict[str, Any] = self._json("GET", "/v1/statistics")
        return answer

    def request(self, request: rq.Request) -> dict[str, Any]:
        """Hand in a request and wait for its answer."""
        answer: dict[str, Any] = self._json("POST", "/v1/requests", rq.encode(request))
        return answer

    def events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return logged events, oldest first."""
        answer: list[dict[str, Any]] = self._json("GET", f"/v1/events?after={after}&limit={limit}")
        return answer

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield events as they happen, until the node ends."""
        connection = _Connection(self.path, None)
        try:
            response = self._send(connection, "GET", "/v1/events/stream", None)
            for line in response:
                # A stream that was cut off may end in the middle of a line.
                if line.startswith(b"data:") and line.endswith(b"\n"):
                    yield json.loads(line[5:])
        finally:
            connection.close()

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = _Connection(self.path, TIMEOUT_S)
        try:
            response = self._send(connection, method, path, body)
            return json.loads(response.read())
        except TimeoutError as error:
            raise DoorClosedError(
                f"The node did not answer within {TIMEOUT_S} s: the ring may be forming anew. "
                f"Look at 'ninefold events'."
            ) from error
        finally:
            connection.close()

    def _send(
        self, connection: _Connection, method: str, path: str, body: bytes | None
    ) -> http.client.HTTPResponse:
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
        except FileNotFoundError as error:
            raise DoorClosedError(
                f"No node is running here: {self.path} does not exist. Start ninefoldd, or name "
                f"its socket by --socket or {SOCKET_VARIABLE}."
            ) from error
        except PermissionError as error:
            raise DoorClosedError(
                f"{self.path}: only root and members of the haclient group may enter."
            ) from error
        except ConnectionError as error:
            raise DoorClosedError(
                f"{self.path}: nobody answers ({error}). Is ninefoldd running?"
            ) from error
        if response.status >= http.client.BAD_REQUEST:
            self._raise(response)
        return response

    @staticmethod
    def _raise(response: http.client.HTTPResponse) -> None:
        content = json.loads(response.read() or b"{}")
        if response.status == http.client.FORBIDDEN:
            raise DoorClosedError(str(content.get("detail", "not allowed")))
        problems = content.get("problems") or [str(content.get("detail", content))]
        raise RefusedError(str(content.get("code", response.status)), list(problems))
