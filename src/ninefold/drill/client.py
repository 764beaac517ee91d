"""The client of a drill: a fresh HTTP request every few milliseconds, never waiting for those under way.

A program of its own, run by its path with the standard library only, so that it starts in 20 ms and
disturbs what it measures little. `client.py ADDRESS PORT PATH EVERY_MS PATIENCE_MS FOR_MS` writes
one line per request when it ends: start and end in seconds of CLOCK_MONOTONIC, 1 if it was answered
with status 200, and the last line of the answer's body (the name of the host that answered).
A request is given up after the patience: the kernel repeats a lost SYN only after a second.
"""

import selectors
import signal
import socket
import sys
import time

# A patience of 10 s at one request a millisecond; beyond that the client itself is the bottleneck.
UNDER_WAY_MAX = 10_000
ANSWER_BYTES_MAX = 65_536
HOST_CHARS_MAX = 64
READ_BYTES = 4096


class Attempt:
    """One request under way."""

    def __init__(self, connection: socket.socket, started_s: float) -> None:
        self.connection = connection
        self.started_s = started_s
        self.asked = False
        self.answer = b""


class Client:
    """Asks until told to stop; `step` is one turn of its loop."""

    def __init__(
        self, address: str, port: int, path: str, every_s: float, patience_s: float
    ) -> None:
        self.stopped = False
        self._target = (address, port)
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        name = f"[{address}]" if ":" in address else address
        self._request = f"GET {path} HTTP/1.0\r\nHost: {name}\r\n\r\n".encode()
        self._every_s = every_s
        self._patience_s = patience_s
        self._selector = selectors.DefaultSelector()
        # In the order of their start, so that those to be given up come first.
        self._under_way: dict[int, Attempt] = {}
        self._next_s = time.monotonic()

    def step(self) -> None:
        """Start a request if it is time, read what has come, give up what took too long."""
        now = time.monotonic()
        if now >= self._next_s:
            # A client that was held up does not fire off what it missed.
            self._next_s = max(self._next_s + self._every_s, now)
            self._start(now)
        wait = min(max(0.0, self._next_s - time.monotonic()), self._every_s)
        for key, events in self._selector.select(wait):
            self._serve(key.fd, events)
        limit = time.monotonic() - self._patience_s
        for fd, attempt in list(self._under_way.items()):
            if attempt.started_s > limit:
                break
            self._end(fd, good=False)

    def _start(self, now: float) -> None:
        if len(self._under_way) >= UNDER_WAY_MAX:
            return
        connection = socket.socket(self._family)
        connection.setblocking(False)
        try:
            connection.connect(self._target)
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            _report(now, good=False, host="")
            return
        self._under_way[connection.fileno()] = Attempt(connection, now)
        self._selector.register(connection, selectors.EVENT_WRITE)

    def _serve(self, fd: int, events: int) -> None:
        attempt = self._under_way[fd]
        try:
            if not attempt.asked:
                attempt.connection.sendall(self._request)
                attempt.asked = True
                self._selector.modify(fd, selectors.EVENT_READ)
                return
            part = attempt.connection.recv(READ_BYTES)
        except OSError:
            self._end(fd, good=False)
            return
        attempt.answer += part
        if not part or len(attempt.answer) > ANSWER_BYTES_MAX:
            status = attempt.answer.partition(b"\r\n")[0].split()
            self._end(fd, good=status[1:2] == [b"200"])

    def _end(self, fd: int, *, good: bool) -> None:
        attempt = self._under_way.pop(fd)
        self._selector.unregister(fd)
        attempt.connection.close()
        _report(attempt.started_s, good=good, host=_host(attempt.answer) if good else "")


def _host(answer: bytes) -> str:
    """Return the last line of the body that is not empty, in printable characters."""
    body = answer.partition(b"\r\n\r\n")[2]
    lines = body.decode(errors="replace").split("\n")
    named = [line.strip() for line in lines if line.strip()]
    return "".join(c for c in named[-1] if c.isprintable())[:HOST_CHARS_MAX] if named else ""


def _report(started_s: float, *, good: bool, host: str) -> None:
    sys.stdout.write(f"{started_s:.6f} {time.monotonic():.6f} {int(good)} {host}\n")


def main() -> None:
    """Ask until SIGTERM, SIGINT, the end of standard input or of the time."""
    address, port, path, *numbers = sys.argv[1:]
    every_s, patience_s, for_s = (float(number) / 1000 for number in numbers)
    client = Client(address, int(port), path, every_s, patience_s)

    def stop(*_: object) -> None:
        client.stopped = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    ends_s = time.monotonic() + for_s
    flushed_s = 0.0
    while not client.stopped and time.monotonic() < ends_s:
        client.step()
        # Whoever watches live sees an answer a twentieth of a second late.
        if time.monotonic() > flushed_s + 0.05:
            sys.stdout.flush()
            flushed_s = time.monotonic()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
