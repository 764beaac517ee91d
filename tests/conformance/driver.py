"""A member in a process of its own: commands on its input, what it is told as lines of JSON on its output.

    python driver.py embedded|corosync CONF SEQUENCE-FILE

Commands: `submit xHEX ZEROS` (a payload, and how many zero bytes follow it), `leave`. The first line said is the
process's number in its own host. It ends with its input.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from member import GROUP, PID, Member, Seen  # type: ignore[import-not-found]

from ninefold.daemon.wires import CorosyncWire, RingWire
from ninefold.host.files import load_ring_seq, save_ring_seq
from ninefold.host.loop import MachineLoop, tame_gc
from ninefold.host.surroundings import load_file
from ninefold.node import events as ev
from ninefold.node.backend import embedded, on_corosync
from ninefold.totem import events as totem
from ninefold.totem.keys import keyset

if TYPE_CHECKING:
    from ninefold.config.model import ClusterConfig
    from ninefold.node.backend import Backend

# As a daemon that leaves does it: the goodbye may be lost once.
GOODBYE_S = 0.02
END_S = 0.1


def say(line: bytes) -> None:
    """Say a line in one piece."""
    line += b"\n"
    while line:
        line = line[os.write(1, line) :]


class Telling(list[Any]):
    """A log that is told as it is written."""

    def append(self, entry: Seen) -> None:
        super().append(entry)
        say(msgspec.json.encode(entry))


class Driver:
    """One member with its wire."""

    def __init__(self, cluster: str, config: ClusterConfig, key: bytes, saved: Path) -> None:
        self.saved = saved
        self.member = Member(config.local, make_backend(cluster, config, key, saved))
        self.member.log = Telling()
        self.loop = asyncio.get_running_loop()
        self.machine: MachineLoop[Any, Any] = MachineLoop(
            self.loop, self.member, self.perform, woke=totem.Woke()
        )
        wire = CorosyncWire if cluster == "corosync" else RingWire
        self.wire = wire(self.loop, config, self.machine.post)
        self.heard = b""
        self.ended = asyncio.Event()
        self.loop.add_reader(0, self.read)
        self.machine.post(totem.Started())

    def perform(self, effect: Any) -> None:
        """Do what the back end asks for."""
        if isinstance(effect, ev.SaveRingSeq):
            save_ring_seq(self.saved, effect.seq)
            self.machine.post(ev.RingIdSaved(effect.seq))
        else:
            self.wire.perform(effect)

    def read(self) -> None:
        """Take commands."""
        part = os.read(0, 1 << 20)
        if not part:
            self.loop.remove_reader(0)
            self.ended.set()
            return
        *lines, self.heard = (self.heard + part).split(b"\n")
        for line in lines:
            self.obey(*line.decode().split())

    def obey(self, verb: str, *words: str) -> None:
        """Do what one line says."""
        if verb == "submit":
            payload = bytes.fromhex(words[0][1:]) + bytes(int(words[1]))
            self.machine.post(totem.Submitted(GROUP, PID, payload))
            return
        assert verb == "leave"
        for after_s in (0, GOODBYE_S):
            self.loop.call_later(after_s, self.machine.post, totem.Leaving())
        self.loop.call_later(END_S, self.ended.set)


def make_backend(cluster: str, config: ClusterConfig, key: bytes, saved: Path) -> Backend:
    """Return the back end of that name."""
    seq = load_ring_seq(saved) or 0
    if cluster == "corosync":
        return on_corosync(config, ring_seq=seq, boot=os.urandom(16))
    dice = random.Random(os.urandom(8))
    return embedded(config, keys=keyset(key), ring_seq=seq, epoch=os.urandom(8), rng=dice)


async def main(cluster: str, config: ClusterConfig, key: bytes, saved: Path) -> None:
    """Be a member until the input ends."""
    tame_gc()
    driver = Driver(cluster, config, key, saved)
    await driver.ended.wait()
    await driver.wire.close()


if __name__ == "__main__":
    say(str(os.getpid()).encode())
    # Before there is a loop: whoever lists the addresses has one of their own.
    found, findings, around = load_file(sys.argv[2])
    assert found is not None, findings
    asyncio.run(main(sys.argv[1], found, around.keyfile.data, Path(sys.argv[3])))
