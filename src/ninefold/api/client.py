"""The other side of the door, for the command line: plain, synchronous, no dependencies.

DoorClosedError     nobody listens, nobody answers, or this user may not enter
RefusedError        the node said no; `problems` are its sentences
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ninefold.controller import requests as rq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT_SOCKET: Final = "/run/ninefold/ninefold.sock"
SOCKET_VARIABLE: Final = "NINEFOLD_SOCKET"

# A little more than the door itself waits for the node (`server.ANSWER_S`), whose answer says more.
TIMEOUT_S: Final = 35


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

    def reload(self) -> dict[str, Any]:
        """Have the node read its corosync.conf again; return `file` and `findings`."""
        answer: dict[str, Any] = self._json("POST", "/v1/reload", b"")
        return answer

    def rotate_keys(self, without: Sequence[str]) -> dict[str, Any]:
        """Have the ring take another shared key; return `offered`, its fingerprint."""
        body = json.dumps({"without": list(without)}).encode()
        answer: dict[str, Any] = self._json("POST", "/v1/keys/rotate", body)
        return answer

    def events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return logged events, oldest first."""
        answer: list[dict[str, Any]] = self._json("GET", f"/v1/events?after={after}&limit={limit}")
        return answer

    def follow(self) -> Iterator[dict[str, Any]]:
        """Return what happens from now on, until the node ends. Connects before it returns."""
        connection = _Connection(self.path, None)
        try:
            response = self._send(connection, "GET", "/v1/events/stream", None)
        except BaseException:
            connection.close()
            raise
        return self._lines(connection, response)

    @staticmethod
    def _lines(
        connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> Iterator[dict[str, Any]]:
        try:
            for line in response:
                # A stream that was cut off may end in the middle of a line.
                if line.startswith(b"data:") and line.endswith(b"\n"):
                    yield json.loads(line[5:])
        except (http.client.HTTPException, ConnectionError):
            return
        finally:
            connection.close()

    def _json(self, method: str, path: str, body: bytes | None = None) -> Any:
        connection = _Connection(self.path, TIMEOUT_S)
        try:
            response = self._send(connection, method, path, body)
            return json.loads(response.read())
        except TimeoutError as error:
            raise DoorClosedError(
                f"{self.path}: no answer within {TIMEOUT_S} s. The daemon hangs, or was stopped."
            ) from error
        except (http.client.HTTPException, ConnectionError) as error:
            raise DoorClosedError(
                f"{self.path}: the node ended before it answered ({error})."
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
        except ConnectionRefusedError as error:
            raise DoorClosedError(f"{self.path}: nobody answers. Is ninefoldd running?") from error
        except NotADirectoryError as error:
            raise DoorClosedError(f"{self.path} is no socket.") from error
        if response.status >= http.client.BAD_REQUEST:
            self._raise(response)
        return response

    def _raise(self, response: http.client.HTTPResponse) -> NoReturn:
        raw = response.read()
        try:
            content = json.loads(raw or b"{}")
        except ValueError:
            # The HTTP server's own words, as when too many connections are open.
            text = raw.decode(errors="replace").strip() or response.reason
            raise DoorClosedError(f"{self.path}: {text} ({response.status}).") from None
        problems = content.get("problems") or [str(content.get("detail", content))]
        if response.status in (http.client.FORBIDDEN, http.client.GATEWAY_TIMEOUT):
            raise DoorClosedError(" ".join(problems))
        raise RefusedError(str(content.get("code", response.status)), list(problems))
