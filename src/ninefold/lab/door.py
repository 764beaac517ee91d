"""A unix socket that answers one request per connection, each in a thread of its own."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A request is one line of JSON or three words; the longest is a cut between all pairs of 32 hosts
# on 8 links, 8 * 32 * 31 blocks of 60 bytes.
REQUEST_BYTES_MAX: Final = 600_000
REQUEST_LIMIT_S: Final = 5
BACKLOG: Final = 32


class Door:
    """Listens at `path` (made with mode 0600) until the process ends."""

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(BACKLOG)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(REQUEST_LIMIT_S)
            try:
                line = _line(connection)
                if line:
                    connection.sendall(self._answer(line))
            except OSError:
                # The asker went away; what it asked for has been done all the same.
                return


def _line(connection: socket.socket) -> bytes:
    """Return the first line without its end; empty if it is too long or never ends."""
    read = b""
    while b"\n" not in read:
        part = connection.recv(65536)
        if not part or len(read) > REQUEST_BYTES_MAX:
            return b""
        read += part
    return read.partition(b"\n")[0]
