"""The web agent's server: `web.py PIDFILE PORT BIND ROOT`, or `web.py --ask PORT BIND`.

Run as a program with `-S -E`. It listens first, then goes to the background and writes its pid, so
that the agent's start returns exactly when a client can connect. One request per connection and
five seconds for it: a demonstration's server, not the world's.
"""

# ruff: noqa: INP001, PTH104, PTH118, PTH123, PTH202 - a program, which pathlib would make start half as fast

from __future__ import annotations

import _socket
import os
import select
import signal
import sys
import time

REQUEST_BYTES_MAX = 8192
CLIENT_TIMEOUT_S = 5.0
FILE_BYTES_MAX = 16 * 1024 * 1024
# Clients served at once; beyond that they wait in the backlog.
CLIENTS_MAX = 64
BACKLOG = 128


def listen(port: int, bind: str) -> _socket.socket:
    """Return a socket that clients can connect to from now on."""
    family = _socket.AF_INET6 if ":" in bind else _socket.AF_INET
    server = _socket.socket(family, _socket.SOCK_STREAM, 0)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind((bind or "0.0.0.0", port))  # noqa: S104 - the agent's documented default
    server.listen(BACKLOG)
    return server


def into_background(pidfile: str) -> None:
    """Fork; the parent returns to the shell once the child's pid is written."""
    pid = os.fork()
    if pid:
        with open(pidfile + ".new", "w") as file:
            file.write(f"{pid}\n")
        os.rename(pidfile + ".new", pidfile)
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def body_for(path: str, root: str) -> tuple[str, bytes]:
    """Return status and body of a request's path."""
    if not root:
        return "200 OK", os.uname().nodename.encode() + b"\n"
    full = os.path.realpath(os.path.join(root, path.partition("?")[0].lstrip("/") or "index.html"))
    inside = full.startswith(os.path.realpath(root).rstrip("/") + "/")
    try:
        if inside and os.path.getsize(full) <= FILE_BYTES_MAX:
            with open(full, "rb") as file:
                return "200 OK", file.read()
    except OSError:
        pass
    return "404 Not Found", b"not found\n"


class Client:
    """One connection: a request is read, then its answer written."""

    def __init__(self, fd: int) -> None:
        self.socket = _socket.socket(fileno=fd)
        self.socket.setblocking(False)
        self.until = time.monotonic() + CLIENT_TIMEOUT_S
        self.asked = b""
        self.answer = b""

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def read(self, root: str) -> bool:
        """Take what came; false if the client is to be forgotten."""
        data = self.socket.recv(REQUEST_BYTES_MAX)
        self.asked += data
        if not data or len(self.asked) > REQUEST_BYTES_MAX:
            return False
        if b"\r\n\r\n" in self.asked or b"\n\n" in self.asked:
            words = self.asked.split(b"\n", 1)[0].split()
            path = words[1].decode("latin-1") if len(words) > 1 else "/"
            status, body = body_for(path, root)
            head = (
                f"HTTP/1.1 {status}\r\nServer: ninefold\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\nContent-Type: text/plain\r\n\r\n"
            )
            self.answer = head.encode() + (b"" if words[:1] == [b"HEAD"] else body)
        return True

    def write(self) -> bool:
        """Send on; false when all is sent."""
        self.answer = self.answer[self.socket.send(self.answer) :]
        return bool(self.answer)


def accept(server: _socket.socket, clients: dict[int, Client]) -> None:
    """Take one new client."""
    try:
        fd, _address = server._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - `socket` costs 5 ms
    except OSError:
        return
    clients[fd] = Client(fd)


def going_on(client: Client, root: str) -> bool:
    """Do what the client is ready for; false when it is done or gone."""
    try:
        return client.write() if client.answer else client.read(root)
    except BlockingIOError:
        return True
    except OSError:
        return False


def serve(server: _socket.socket, root: str) -> None:
    """Serve until killed."""
    server.setblocking(False)
    clients: dict[int, Client] = {}
    while True:
        full = len(clients) >= CLIENTS_MAX
        reading = [fd for fd, client in clients.items() if not client.answer]
        writing = [fd for fd, client in clients.items() if client.answer]
        wait = CLIENT_TIMEOUT_S if clients else None
        waiting = reading if full else [*reading, server.fileno()]
        readable, writable, _ = select.select(waiting, writing, [], wait)
        for fd in readable:
            if fd == server.fileno():
                accept(server, clients)
        for fd in [*readable, *writable]:
            if fd in clients and not going_on(clients[fd], root):
                clients.pop(fd).close()
        now = time.monotonic()
        for fd in [fd for fd, client in clients.items() if client.until < now]:
            clients.pop(fd).close()


def ask(port: int, bind: str) -> bool:
    """Tell whether a server answers."""
    family = _socket.AF_INET6 if ":" in bind else _socket.AF_INET
    client = _socket.socket(family, _socket.SOCK_STREAM, 0)
    client.settimeout(CLIENT_TIMEOUT_S)
    client.connect((bind or "127.0.0.1", port))
    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return client.recv(64).startswith(b"HTTP/1.1 ")


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if arguments[0] == "--ask":
        try:
            return 0 if ask(int(arguments[1]), arguments[2]) else 1
        except OSError:
            return 1
    pidfile, port, bind, root = arguments
    try:
        server = listen(int(port), bind)
    except OSError as error:
        sys.stdout.write(f"port {port}: {error.strerror}\n")
        return 1
    into_background(pidfile)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(server, root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
