"""The scenario language on real hosts: what each verb does to a lab, and why some verbs have no place there.

`ACTIONS` and `REFUSED` together are all verbs of `sim.verbs`; a test says so. What only asks an operator's
question is taken from there as it is.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from lxml import etree

from ninefold.api.client import RefusedError
from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.core.durations import millis
from ninefold.lab import signs
from ninefold.lab.model import Direction, FenceDevice, FenceMode, Power
from ninefold.sim.cluster import OPERATION_TIMEOUT, without
from ninefold.sim.promises import MARK
from ninefold.sim.verbs import REQUESTS
from ninefold.sim.words import StageError, Words, duration, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.cli.lab_stage import LabStage

Verb: TypeAlias = "Callable[[LabStage, Words], None]"

# What the dummy agent is told, and with which first line: `slow` takes 80 % of the timeout.
_HOW: Final = {
    "fails": ("fail", ""),
    "hangs": ("hang", ""),
    "slow": ("slow", "80%"),
    "wrong": ("fail", "77"),
    "flood": ("flood", ""),
}
_NOT_BY_AGENTS: Final = ("half", "lies", "missing", "flaps")
_SLOW_SHARE: Final = 0.8
# A slow device of the simulator takes so long; one that hangs answers after whoever asked has given up.
_DEVICES: Final = {
    "works": FenceDevice(),
    "fails": FenceDevice(FenceMode.FAIL),
    "slow": FenceDevice(FenceMode.OK, 15_000),
}
_NO_NETEM: Final = (
    "the lab's cables carry packets or drop them; they do not delay, lose or change some"
)
_NO_DISK: Final = "the hosts' disks are this machine's own"
_NO_CLOCK: Final = "the hosts share this machine's clocks and cores"
_NO_TAP: Final = (
    "nobody listens in on the lab's cables; tests/system/test_cluster_strangers.py does this"
)

_NO_FILE: Final = "change corosync.conf of the lab's hosts by hand, and run `ninefold lab exec node1 ninefold config reload`"

REFUSED: Final[dict[str, str]] = {
    "weather": _NO_NETEM,
    "late": _NO_NETEM,
    "narrow": _NO_NETEM,
    "mtu": "run `ninefold lab exec node1 ip link set dev ring0 mtu 1000` on the lab's hosts",
    "clog": _NO_NETEM,
    "unclog": _NO_NETEM,
    "flap": "write the cuts and their mending as `link` and `network` with `advance` between them",
    "clock": _NO_CLOCK,
    "drift": _NO_CLOCK,
    "slow": _NO_CLOCK,
    "suspend": "the hosts have the clocks of this machine; use `freeze`",
    "flood": _NO_TAP,
    "woken": "nobody can wake one real process too early",
    "record": _NO_TAP,
    "replay": _NO_TAP,
    "forge": _NO_TAP,
    "disk": _NO_DISK,
    "restore": _NO_DISK,
    "lose-disk": _NO_DISK,
    "kill-corosync": "use `ninefold lab up --cluster corosync` and `lab exec`",
    "start-corosync": "use `ninefold lab up --cluster corosync` and `lab exec`",
    "file": _NO_FILE,
    "reload": _NO_FILE,
    "when": "nothing can be done at the very moment at which a real node says a word",
}


def refusal(command: str) -> str:
    """Return why a command cannot be carried out in a lab; empty if it can."""
    verb, *words = command.split()
    if verb in REFUSED:
        return REFUSED[verb]
    if verb == "fault" and words[2:3] and (words[2] in _NOT_BY_AGENTS or words[1] == "*"):
        return "the lab's agents fail, hang, are slow, wrong or flood; they do not do one and say another"
    if verb == "fence-device" and words and words[0] not in _DEVICES:
        return "the lab's fence device works, fails or is slow"
    return ""


def advance(stage: LabStage, words: Words) -> None:
    """`advance 30s`: of real time."""
    stage.advance(duration(words[0] if words else "") / 1000)


def crash(stage: LabStage, words: Words) -> None:
    """`crash node2`, `power-cut all`."""
    for host in stage.hosts(words):
        stage.say(host.name, "power", "loses power")
        stage.stage.lab.crash(host.name)


def power_on(stage: LabStage, words: Words) -> None:
    """`power-on node2`."""
    for host in stage.hosts(words):
        if host.power is Power.OFF:
            stage.say(host.name, "power", "power on")
            stage.stage.lab.power_on(host.name)


def pause(stage: LabStage, words: Words) -> None:
    """`pause node2`: SIGSTOP to the daemon; its kernel and its resources live."""
    for host in stage.hosts(words):
        stage.stand_still(host)
        stage.signal_daemon(host, signal.SIGSTOP)


def freeze(stage: LabStage, words: Words) -> None:
    """`freeze node2`: every process stands still, and no packet comes or goes: its kernel does too."""
    for host in stage.hosts(words):
        stage.stand_still(host)
        stage.stage.lab.freeze(host.name)
        stage.stage.lab.cut([host.name])


def resume(stage: LabStage, words: Words) -> None:
    """`resume node2`: after a pause or a freeze, whose cut is mended, and any other of that host."""
    for host in stage.hosts(words):
        if host.frozen:
            stage.stage.lab.heal([host.name])
        if host.power is Power.ON:
            stage.stage.lab.thaw(host.name)
        stage.go_on(host)


def kill_daemon(stage: LabStage, words: Words) -> None:
    """`kill-daemon node2`: what it started runs on."""
    for host in stage.hosts(words):
        stage.signal_daemon(host, signal.SIGKILL)


def start_daemon(stage: LabStage, words: Words) -> None:
    """`start-daemon node2`: after it was killed, or has left."""
    for host in stage.hosts(words):
        stage.start_daemon(host)


def stop(stage: LabStage, words: Words) -> None:
    """`stop node3`: SIGTERM, as systemd would."""
    for host in stage.hosts(words):
        stage.signal_daemon(host, signal.SIGTERM)


def network(stage: LabStage, words: Words) -> None:
    """`network node2 off`, `network node2 on`."""
    host, off = stage.host(words[0]), _is_off(words[-1])
    (stage.stage.lab.cut if off else stage.stage.lab.heal)([host.name])


def link(stage: LabStage, words: Words) -> None:
    """`link node1 0 off`: one of a node's links."""
    host, off = stage.host(words[0]), _is_off(words[-1])
    (stage.stage.lab.cut if off else stage.stage.lab.heal)([host.name], link=int(words[1]))


def partition(stage: LabStage, words: Words) -> None:
    """`partition node1 | node2 node3`."""
    sides = [side.split() for side in " ".join(words).split("|")]
    for index, side in enumerate(sides):
        for other in sides[index + 1 :]:
            stage.stage.lab.cut(side, to=other)


def oneway(stage: LabStage, words: Words) -> None:
    """`oneway node1 node2`: node1 no longer reaches node2, though node2 reaches node1."""
    stage.stage.lab.cut([words[0]], to=[words[1]], direction=Direction.OUT)


def heal(stage: LabStage, _: Words) -> None:
    """`heal`, `mend-cables`: every cable is whole."""
    stage.stage.lab.heal()


def kill(stage: LabStage, words: Words) -> None:
    """`kill db`: its state is gone; only a monitor can tell."""
    where = stage.where(words[0])
    if not where:
        raise StageError(f"{words[0]} runs nowhere, so its process cannot die")
    for name in where:
        with suppress(FileNotFoundError):
            signs.dummy_state(stage.host(name).init_pid, words[0]).unlink()


def fault(stage: LabStage, words: Words) -> None:
    """`fault db start fails on node2`, `... hangs`, `... slow`, `... wrong`, `... flood`.

    A host that boots again has forgotten its faults.
    """
    if len(words) < 3 or words[2] not in _HOW:
        raise StageError(f"write: fault RESOURCE ACTION {'|'.join(_HOW)} [on NODE]")
    word, first = _HOW[words[2]]
    if word == "slow":
        first = f"{_timeout_s(stage, words[0], words[1]) * _SLOW_SHARE:.1f}"
    for host in stage.hosts(words[4:] if words[3:4] == ["on"] else ["all"]):
        if host.power is Power.ON:
            path = signs.dummy_fault(host.init_pid, words[0], f"{word}-{words[1]}")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{first}\n" if first else "", encoding="utf-8")


def _timeout_s(stage: LabStage, resource: str, task: str) -> float:
    for primitive in stage.shape.resources:
        if primitive.name == resource:
            return (millis(primitive.timeouts.get(task, OPERATION_TIMEOUT)) or 0) / 1000
    raise StageError(f"there is no resource {resource!r}")


def mend(stage: LabStage, words: Words) -> None:
    """`mend db`: its faults are over."""
    for host in stage.hosts(["all"]):
        if host.power is Power.ON:
            for name in words:
                for path in signs.dummy_fault(host.init_pid, name, "x").parent.glob("*"):
                    path.unlink(missing_ok=True)


def fence_device(stage: LabStage, words: Words) -> None:
    """`fence-device works|fails|slow`."""
    if len(words) != 1 or words[0] not in _DEVICES:
        raise StageError(f"write: fence-device {'|'.join(_DEVICES)}")
    stage.stage.lab.fence_device(_DEVICES[words[0]])


def keep_off(stage: LabStage, words: Words) -> None:
    """`keep-off node2`: once fenced it stays off."""
    for host in stage.hosts(words):
        stage.stage.lab.hold(host.name)
        if stage.booter is not None:
            stage.booter.kept_off.add(host.name)


def fence(stage: LabStage, words: Words) -> None:
    """`fence node2`: on request."""
    stage.ask(rq.FenceNode(stage.host(words[0]).name, "on request"), words)


def declare_dead(stage: LabStage, words: Words) -> None:
    """`declare-dead node2 [confirmed]`; the word must be true."""
    host, confirmed = stage.host(words[0]), "confirmed" in words
    stage.ask(rq.DeclareDead(host.name, confirmed=confirmed), words)
    if confirmed and stage.reply.ok and host.power is Power.ON:
        raise StageError(f"{host.name} has power: who declares it dead now loses data")


def remove(stage: LabStage, words: Words) -> None:
    """`remove db`: out of the configuration, whether it runs or not."""
    found = stage.stage.client(stage.asked(words)).cib()
    tree = etree.fromstring(found["xml"].encode())
    configuration = tree if tree.tag == "configuration" else tree.find("configuration")
    if configuration is None:
        raise StageError("that node's document has no configuration")
    base = cib.Version(*(int(part) for part in str(found["version"]).split(".")))
    change = cib.ReplaceConfiguration(without(configuration, words[0]), base=base)
    stage.ask(rq.ChangeCib(change, f"remove {words[0]}"), words)


def mark(stage: LabStage, words: Words) -> None:
    """`mark 3 node1 [40000]`: a change that can be recognised later; nobody waits for its answer."""
    host, size = stage.host(words[1]), number(words[2]) if words[2:] else 4
    if host.power is Power.OFF or stage.stands_still(host):
        return
    change = cib.SetNodeAttribute(host.name, f"{MARK}{words[0]}", "x" * size)
    stage.mark(words[0], host.name, rq.ChangeCib(change))


def rotate_keys(stage: LabStage, words: Words) -> None:
    """`rotate-keys node1 [without node3]`: another shared key."""
    named = words[2:] if words[1:2] == ["without"] else []
    try:
        stage.stage.client(stage.host(words[0]).name).rotate_keys(named)
    except RefusedError as error:
        text = " ".join(error.problems)
        stage.say(words[0], "answer", f"the rotation of keys is refused: {text}")


def patience(stage: LabStage, words: Words) -> None:
    """`patience 0s`: how long to wait for an answer before the story goes on."""
    stage.patience_s = duration(words[0]) / 1000


def recover(stage: LabStage, _: Words) -> None:
    """`recover`: everything is mended, and all must become well."""
    stage.recover()


def _is_off(word: str) -> bool:
    if word not in ("on", "off"):
        raise StageError(f"{word!r} is neither on nor off")
    return word == "off"


ACTIONS: Final[dict[str, Verb]] = {
    "advance": advance,
    "crash": crash,
    "power-cut": crash,
    "power-on": power_on,
    "pause": pause,
    "freeze": freeze,
    "resume": resume,
    "kill-daemon": kill_daemon,
    "start-daemon": start_daemon,
    "stop": stop,
    "network": network,
    "link": link,
    "partition": partition,
    "oneway": oneway,
    "heal": heal,
    "mend-cables": heal,
    "kill": kill,
    "fault": fault,
    "mend": mend,
    "fence-device": fence_device,
    "keep-off": keep_off,
    **REQUESTS,
    "fence": fence,
    "declare-dead": declare_dead,
    "remove": remove,
    "mark": mark,
    "rotate-keys": rotate_keys,
    "patience": patience,
    "recover": recover,
}
