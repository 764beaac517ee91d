"""Strangers at the doors of a real cluster: on the ring's ports, and at the socket."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ninefold.totem.packet import Header, Kind, pack_header
from tests.system.stories import datagram, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.system.stories import Cluster

pytestmark = pytest.mark.system

# Both run beside the bridges: IPv4 packets as they are; frames seen on a port, and sent out of one.
SEND = """
import socket, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for line in sys.stdin:
    packet = bytes.fromhex(line)
    raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
"""
RECORD = """
import select, socket, sys, time
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind((sys.argv[1], 0))
wanted, end = int(sys.argv[2]), time.monotonic() + 20
while wanted and time.monotonic() < end and select.select([tap], [], [], 1)[0]:
    frame, address = tap.recvfrom(65535)
    if address[2] == 4 and frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[36:38] == b"\\x15\\x1d":
        print(frame.hex())
        wanted -= 1
"""
REPLAY = """
import socket, sys
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
tap.bind((sys.argv[1], 0))
for line in sys.stdin:
    tap.send(bytes.fromhex(line))
"""

# Asks a node's door with the effective user and group that it is given.
ASK = """
import http.client, json, os, socket, sys
uid, gid, body = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
class Door(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/ninefold/ninefold.sock")
os.setgroups([])
os.setegid(gid)
os.seteuid(uid)
door = Door("node", timeout=20)
try:
    door.request("POST", "/v1/requests", body=body.encode())
except PermissionError:
    print(json.dumps([0, {}]))
else:
    answer = door.getresponse()
    print(json.dumps([answer.status, json.loads(answer.read())]))
"""
NOBODY = 65534


def beside(cluster: Cluster, program: str, *arguments: str, lines: Iterable[bytes] = ()) -> str:
    """Run a program beside the bridges; return what it prints."""
    done = subprocess.run(
        cluster.lab.client_command(sys.executable, "-ISc", program, *arguments),
        input="".join(f"{line.hex()}\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def record(cluster: Cluster, port: str, count: int) -> list[bytes]:
    """Return frames with datagrams of the ring as they went out to a host."""
    found = [bytes.fromhex(line) for line in beside(cluster, RECORD, port, str(count)).split()]
    assert len(found) == count
    # Their checksums were left to hardware that is not there; 0 means that there is none.
    return [frame[:40] + b"\0\0" + frame[42:] for frame in found]


def drops(cluster: Cluster, node: str) -> dict[str, int]:
    """Return a node's dropped packets by reason."""
    counted: dict[str, int] = cluster.stage.client(node).statistics()["dropped"]
    return counted


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return what has been counted between."""
    return {why: n - before.get(why, 0) for why, n in after.items() if n != before.get(why, 0)}


def forgeries(genuine: list[bytes]) -> list[bytes]:
    """Return datagrams that no member has sent: noise, pieces, altered, foreign, in clear."""
    chance = random.Random(7)
    noise = [chance.randbytes(n) for n in (1, 8, 23, 24, 25, 100, 1400)]
    zeros = [b"\0" * n for n in (1, 24, 64, 1000)]
    pieces = [packet[:n] for packet in genuine for n in (5, 23, 24, 40, len(packet) - 1)]
    altered = [
        packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1 :]
        for packet in genuine
        for place in (9, 20, 30, len(packet) - 1)
    ]
    clear = [
        pack_header(Header(kind, sender, 0, 0, 0, b"12345678", 10**6)) + b"\0" * 64
        for kind in Kind
        for sender in (2, 3, 99)
    ]
    # The head of a kronosnet data packet: version 1, type DATA, host id, and what follows.
    knet = [b"\1\0\0\2" + chance.randbytes(n) for n in (20, 200)]
    totem = [b"\xc0\x70" + bytes([kind]) + chance.randbytes(80) for kind in range(6)]
    return [*noise, *zeros, *pieces, *altered, *clear, *knet, *totem]


def test_forged_packets_are_counted_and_change_nothing(cluster: Cluster) -> None:
    before, server = cluster.settle(), cluster.active()
    genuine = [frame[42:] for frame in record(cluster, "p1.0", 6)]
    counted = drops(cluster, "node1")
    packets = [
        datagram(source, "10.77.0.1", payload)
        for source in ("10.77.0.254", "10.77.0.2", "10.77.0.3")
        for payload in forgeries(genuine)
    ]

    with cluster.story() as story:
        beside(cluster, SEND, lines=packets)
        wait_for(
            "every packet is counted",
            lambda: sum(grown(counted, drops(cluster, "node1")).values()) >= len(packets),
            10,
        )
        status = cluster.settle()

    reasons = grown(counted, drops(cluster, "node1"))
    assert {"malformed", "version", "wrong-key", "clear", "unknown-sender"} <= reasons.keys()
    assert (status["ring"], status["cib"]) == (before["ring"], before["cib"])
    story.assert_undisturbed(server)
    assert not story.power()
    assert not story.seen("malformed")


def test_recorded_packets_that_come_again_change_nothing(cluster: Cluster) -> None:
    to_first, to_second = record(cluster, "p1.0", 30), record(cluster, "p2.0", 30)
    ring = cluster.settle()["ring"]
    counted = drops(cluster, "node1")

    # Again at once: their numbers have been seen.
    beside(cluster, REPLAY, "p1.0", lines=to_first)
    wait_for(
        "every frame is counted",
        lambda: grown(counted, drops(cluster, "node1")).get("replayed", 0) >= len(to_first),
        10,
    )
    again = cluster.settle()
    # And after a new start of their receiver, or of their sender: their time is over.
    cluster.stop_daemon("node2")
    cluster.start_daemon("node2")
    restarted = cluster.settle()
    server = cluster.active()
    counted, counted_there = drops(cluster, "node1"), drops(cluster, "node2")
    with cluster.story() as story:
        beside(cluster, REPLAY, "p1.0", lines=to_first)
        beside(cluster, REPLAY, "p2.0", lines=to_second)
        wait_for(
            "every frame is counted",
            lambda: (
                sum(grown(counted, drops(cluster, "node1")).values()) >= len(to_first)
                and sum(grown(counted_there, drops(cluster, "node2")).values()) >= len(to_second)
            ),
            10,
        )
        status = cluster.settle()

    assert again["ring"] == ring
    assert grown(counted, drops(cluster, "node1")).get("stale-epoch", 0) > 0
    assert (status["ring"], status["cib"]) == (restarted["ring"], restarted["cib"])
    story.assert_undisturbed(server)


def ask(cluster: Cluster, node: str, uid: int, gid: int, value: str) -> tuple[int, dict[str, Any]]:
    """Try to set a property as a user of the host; return the answer (0: not even connected)."""
    change = {"type": "SetProperty", "name": "asked", "value": value}
    body = json.dumps({"type": "change", "change": change, "why": "to see who may"})
    done = cluster.lab.run(node, sys.executable, "-ISc", ASK, str(uid), str(gid), body)
    assert done.returncode == 0, done.stderr
    code, answer = json.loads(done.stdout)
    return code, answer


@pytest.mark.root
def test_the_door_serves_root_and_haclient_and_says_who_did_what(cluster: Cluster) -> None:
    node = "node1"
    group = cluster.lab.run(
        node,
        "sh",
        "-c",
        "grep -q ^haclient: /etc/group || echo haclient:x:987: >>/etc/group; "
        "sed -n 's/^haclient:[^:]*:\\([0-9]*\\):.*/\\1/p' /etc/group",
    )
    haclient = int(group.stdout)

    locked_out = ask(cluster, node, NOBODY, NOBODY, "1")
    # Somebody opens the socket to the world: the kernel's word on who asks still decides.
    cluster.lab.run(node, "chmod", "0777", "/run/ninefold", "/run/ninefold/ninefold.sock")
    refused = ask(cluster, node, NOBODY, NOBODY, "2")
    member = ask(cluster, node, NOBODY, haclient, "3")
    root = ask(cluster, node, 0, 0, "4")
    events = cluster.stage.client(node).events(0, 100)
    history = cluster.ninefold(node, "cib", "history").stdout

    assert locked_out[0] == 0
    assert refused[0] == 403
    assert "nobody may not ask this node" in refused[1]["detail"]
    assert (member[0], root[0]) == (200, 200), (member, root)
    who = [e["fields"]["who"] for e in events if e["what"] == "changed" and "see who" in e["text"]]
    assert who[-2:] == ["nobody", "root"]
    assert "nobody  to see who may" in " ".join(history.split(" ")).replace("   ", "  ")
