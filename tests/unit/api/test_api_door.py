"""The door, from outside: a real socket, clients that behave and clients that do not."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from ninefold.api.client import Client, DoorClosedError, RefusedError
from ninefold.api.server import DoorError, Limits, open_socket
from ninefold.controller.requests import ShowStatus, StopNode
from ninefold.daemon.reply import refusal
from tests.door_world import STATUS, open_door

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.door_world import Door

GET_STATUS = b"GET /v1/status HTTP/1.1\r\nHost: n\r\n\r\n"


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(path))
    return client


def everything(connection: socket.socket) -> bytes:
    """Return all bytes until the door hangs up."""
    received = b""
    while more := connection.recv(65536):
        received += more
    connection.close()
    return received


def until(wanted: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if wanted():
            return True
        time.sleep(0.01)
    return False


def test_request_carries_the_user_that_the_kernel_vouches_for(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        assert Client(str(door.path)).status() == STATUS

        assert door.node.asked == [(pwd.getpwuid(os.geteuid()).pw_name, {"type": "status"})]


def test_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    listener = open_socket(tmp_path / "run" / "door.sock")
    try:
        assert stat.S_IMODE((tmp_path / "run" / "door.sock").stat().st_mode) == 0o660
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o750
    finally:
        listener.close()


def test_directory_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    open_socket(tmp_path / "door.sock").close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "door.sock"
    open_socket(path).close()

    with open_door(tmp_path) as door:
        assert Client(str(door.path)).statistics() == {"node": "n1"}


def test_second_daemon_is_told_that_another_listens(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        with pytest.raises(DoorError, match="another daemon is listening"):
            open_socket(door.path)

        assert Client(str(door.path)).status() == STATUS


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "door.sock").write_text("precious")

    with pytest.raises(DoorError, match="is no socket"):
        open_socket(tmp_path / "door.sock")

    assert (tmp_path / "door.sock").read_text() == "precious"


def test_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(DoorError, match="108"):
        open_socket(tmp_path / ("x" * 120))


def test_refusal_arrives_with_its_sentences(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        connection = connected(door.path)
        body = b'{"type":"nonsense"}'
        head = (
            f"POST /v1/requests HTTP/1.1\r\nHost: n\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)

        answer = everything(connection)

    assert answer.startswith(b"HTTP/1.1 409")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["problems"] == ["no nonsense"]


def test_node_that_gives_no_answer_is_given_up_with_a_reason(tmp_path: Path) -> None:
    with open_door(tmp_path, Limits(answer_s=0.1)) as door:
        door.node.silent = True

        with pytest.raises(DoorClosedError, match=r"no answer within 0\.1 s.*may still"):
            Client(str(door.path)).request(StopNode())


def test_request_before_the_node_can_answer_waits(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.node.silent = True
        slow = connected(door.path)
        slow.sendall(GET_STATUS)
        assert until(lambda: len(door.node.asked) == 1)

        # Others are served meanwhile.
        door.node.silent = False
        assert Client(str(door.path)).request(ShowStatus()) == STATUS
        slow.close()


def test_garbage_is_answered_400_and_harms_nobody(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        connection = connected(door.path)
        connection.sendall(b"\x00\xffgarbage\r\n\r\n")
        answer = connection.recv(65536)
        connection.close()

        assert answer.startswith(b"HTTP/1.1 400")
        assert Client(str(door.path)).status() == STATUS


def test_body_that_is_no_json_is_refused_not_an_error(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        connection = connected(door.path)
        connection.sendall(b"GET /v1/events?limit=many HTTP/1.1\r\nHost: n\r\n\r\n")

        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
        connection.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /v1/st", GET_STATUS + b"GET /v1/st"],
    ids=["nothing", "half a line", "half a second request"],
)
def test_connection_that_brings_no_request_is_closed(tmp_path: Path, sent: bytes) -> None:
    with open_door(tmp_path, Limits(request_s=0.1)) as door:
        connection = connected(door.path)
        connection.sendall(sent)

        received = everything(connection)

    assert received.count(b"HTTP/1.1 200") == sent.count(GET_STATUS)


def test_request_whose_body_does_not_come_is_given_up(tmp_path: Path) -> None:
    with open_door(tmp_path, Limits(request_s=0.1)) as door:
        connection = connected(door.path)
        connection.sendall(
            b"POST /v1/requests HTTP/1.1\r\nHost: n\r\nContent-Length: 100\r\n\r\nhalf"
        )
        received = everything(connection)

        assert received.startswith(b"HTTP/1.1 408")
        assert door.node.asked == []


def test_body_larger_than_any_request_is_refused(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        connection = connected(door.path)
        length = 64 * 1024 * 1024
        connection.sendall(
            f"POST /v1/requests HTTP/1.1\r\nHost: n\r\nContent-Length: {length}\r\n\r\n".encode()
        )

        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
        connection.close()


def test_too_many_connections_are_answered_503_in_words(tmp_path: Path) -> None:
    with open_door(tmp_path, Limits(connections=4)) as door:
        idle = [connected(door.path) for _ in range(4)]

        with pytest.raises(DoorClosedError, match="503"):
            Client(str(door.path)).status()

        for connection in idle:
            connection.close()
        assert until(lambda: served(door.path))


def served(path: Path) -> bool:
    try:
        return Client(str(path)).status() == STATUS
    except DoorClosedError:
        return False


def test_follower_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    with open_door(tmp_path, Limits(send_s=0.2)) as door:
        connection = connected(door.path)
        connection.sendall(b"GET /v1/events/stream HTTP/1.1\r\nHost: n\r\n\r\n")
        assert until(lambda: len(door.node.queues) == 1)

        event = {"what": "noise", "text": "x" * 65536}

        def flood() -> None:
            for queue in door.node.queues:
                for _ in range(100):
                    queue.put_nowait(event)

        door.do(flood)

        assert until(lambda: not door.node.queues)
        assert Client(str(door.path)).status() == STATUS
        connection.close()


def test_follower_gets_what_happens_once_it_is_connected(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        stream = Client(str(door.path)).follow()
        event = {"what": "fenced", "text": "n2"}
        door.do(lambda: tell(door, event))
        door.do(lambda: tell(door, None))

        assert list(stream) == [event]
        assert until(lambda: not door.node.queues)


def tell(door: Door, news: dict[str, Any] | None) -> None:
    for queue in door.node.queues:
        queue.put_nowait(news)


def test_description_of_the_door_is_behind_it(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        connection = connected(door.path)
        connection.sendall(
            b"GET /schema/openapi.json HTTP/1.1\r\nHost: n\r\nConnection: close\r\n\r\n"
        )
        received = everything(connection)

    document: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
    assert "/v1/requests" in document["paths"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_stranger_is_refused_even_where_the_mode_lets_him_in(tmp_path: Path) -> None:
    program = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX);"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); s.connect(sys.argv[1]);"
        "s.sendall(sys.stdin.buffer.read()); print(s.makefile().read())"
    )
    with open_door(tmp_path) as door:
        # A directory that a stranger may pass, unlike pytest's own.
        link = socket_anybody_reaches(door.path)
        try:
            result = subprocess.run(
                [sys.executable, "-c", program, link],
                input=GET_STATUS.replace(b"Host: n", b"Host: n\r\nConnection: close"),
                capture_output=True,
                check=True,
                timeout=20,
            )
        finally:
            os.unlink(link)  # noqa: PTH108 - a plain path

        assert b" 403 " in result.stdout
        assert b"only root and members of haclient" in result.stdout
        assert door.node.asked == []


def socket_anybody_reaches(path: Path) -> str:
    target = f"/tmp/ninefold-door-{os.getpid()}.sock"
    path.chmod(0o666)
    os.link(path, target)
    return target


def test_nobody_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DoorClosedError, match="Start ninefoldd"):
        Client(str(tmp_path / "none")).status()

    open_socket(tmp_path / "dead").close()
    with pytest.raises(DoorClosedError, match="Is ninefoldd running"):
        Client(str(tmp_path / "dead")).status()


def test_refused_change_keeps_every_problem(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        door.node.refusal = refusal("refused", "one", "two")
        connection = Client(str(door.path))

        with pytest.raises(RefusedError) as refused:
            connection._json("POST", "/v1/requests", b'{"type":"change"}')

    assert refused.value.code == "refused"
    assert refused.value.problems == ["one", "two"]
    assert getpass.getuser() in {user for user, _ in door.node.asked}
