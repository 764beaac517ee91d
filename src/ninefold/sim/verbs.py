"""The verbs of the scenario language: each one line that shapes the cluster or does something to it.

`DEFINITIONS` come before the cluster is switched on, `ACTIONS` after. Each docstring shows its line.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.cib import model as cib
from ninefold.controller import requests as rq
from ninefold.sim.agents import Fault
from ninefold.sim.clones import define_clone
from ninefold.sim.cluster import QUORUM_FLAGS, Primitive, without
from ninefold.sim.network import Weather
from ninefold.sim.promises import mark as request_mark
from ninefold.sim.recovery import recover
from ninefold.sim.troubles import TROUBLES
from ninefold.sim.words import StageError, Words, duration, number, options, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.controller.conductor import Controller
    from ninefold.sim.corosync import VirtualCorosync
    from ninefold.sim.stage import Stage
    from ninefold.sim.words import Asking

# What needs no more than somebody who can be asked: the lab has these as they are.
Request: TypeAlias = "Callable[[Asking, Words], None]"

_TIMEOUTS: Final = ("start", "stop", "monitor")
HOW: Final = ("fails", "hangs", "half", "slow", "wrong", "flood", "missing", "flaps", "lies")
DEVICES: Final = ("works", "fails", "slow", "half", "hangs", "late", "lies")

# Definitions.


def define_cluster(stage: Asking, words: Words) -> None:
    """`cluster nodes=3 token=1000 coefficient=0 links=2 seed=1 fencing=no two_node=yes ...`."""
    shape = stage.shape
    for key, value in options(words).items():
        match key:
            case "nodes" | "links" | "seed":
                setattr(shape, key, int(value))
            case "listed":
                shape.listed = list(range(1, int(value) + 1))
            case "carrier":
                shape.cluster = value
            case "fencing":
                shape.fencing = value == "yes"
            case "stickiness":
                shape.stickiness = int(value)
            case "token":
                shape.token_ms = int(value)
            case "coefficient":
                shape.token_coefficient_ms = int(value)
            case _ if key in QUORUM_FLAGS:
                shape.quorum[key] = "1" if value == "yes" else "0"
            case _:
                shape.totem[key] = value


def define_resource(stage: Asking, words: Words) -> None:
    """`resource db on=2 monitor=1s start-timeout=5s migration-threshold=2 ...`."""
    if not words:
        raise StageError("a resource needs a name")
    primitive = Primitive(words[0])
    for key, value in options(words[1:]).items():
        task = key.removesuffix("-timeout")
        if key == "on":
            primitive.prefers = f"node{value.removeprefix('node')}"
        elif key == "monitor":
            primitive.monitor = value
        elif key.endswith("-on-fail"):
            primitive.on_fail[key.removesuffix("-on-fail")] = value
        elif task in _TIMEOUTS and key != task:
            primitive.timeouts[task] = value
        else:
            primitive.options[key] = value
    stage.shape.resources.append(primitive)


def define_group(stage: Asking, words: Words) -> None:
    """`group web = vip http`."""
    if len(words) < 3 or words[1] != "=":
        raise StageError("write: group NAME = MEMBER MEMBER ...")
    known = [primitive.name for primitive in stage.shape.resources]
    for member in words[2:]:
        if member not in known:
            raise StageError(f"there is no resource {member!r}; define it before the group")
    stage.shape.groups[words[0]] = words[2:]


def define_property(stage: Asking, words: Words) -> None:
    """`property NAME=VALUE`: of the CIB that the cluster begins with."""
    stage.shape.properties |= options(words)


# Actions.


def advance(stage: Stage, words: Words) -> None:
    """`advance 30s`."""
    stage.world.advance(duration(words[0] if words else ""))


def crash(stage: Stage, words: Words) -> None:
    """`crash node2`, `power-cut all`: every process is gone at once."""
    for host in stage.hosts(words):
        stage.world.power_off(host.id)


def power_on(stage: Stage, words: Words) -> None:
    """`power-on node2`."""
    for host in stage.hosts(words):
        stage.world.power_on(host.id)


def pause(stage: Stage, words: Words) -> None:
    """`pause node2`: the daemon is stopped by a signal; its kernel and its resources live."""
    for host in stage.hosts(words):
        stage.world.pause(host.id)


def freeze(stage: Stage, words: Words) -> None:
    """`freeze node2`: the whole machine stands still."""
    for host in stage.hosts(words):
        stage.world.freeze(host.id)


def suspend(stage: Stage, words: Words) -> None:
    """`suspend node2`: a virtual machine is stopped; even its clocks stand still."""
    for host in stage.hosts(words):
        stage.world.suspend(host.id)


def resume(stage: Stage, words: Words) -> None:
    """`resume node2`: after a pause, a freeze or a suspension."""
    for host in stage.hosts(words):
        stage.world.resume(host.id)


def kill_daemon(stage: Stage, words: Words) -> None:
    """`kill-daemon node2`: what it started runs on."""
    for host in stage.hosts(words):
        stage.world.kill_daemon(host.id)


def start_daemon(stage: Stage, words: Words) -> None:
    """`start-daemon node2`: after it was killed, or has left."""
    for host in stage.hosts(words):
        stage.world.start_daemon(host.id)


def stop(stage: Stage, words: Words) -> None:
    """`stop node3`, `stop all`: cleanly."""
    for host in stage.hosts(words):
        stage.world.stop(host.id)


def network(stage: Stage, words: Words) -> None:
    """`network node2 off`, `network node2 on`."""
    host, off = stage.host(words[0]), _is_off(words[-1])
    (stage.world.isolate if off else stage.world.rejoin)(host.id)


def link(stage: Stage, words: Words) -> None:
    """`link node1 0 off`: one of a node's links."""
    host, number, off = stage.host(words[0]), int(words[1]), _is_off(words[-1])
    (stage.world.isolate if off else stage.world.rejoin)(host.id, number)


def _is_off(word: str) -> bool:
    if word not in ("on", "off"):
        raise StageError(f"{word!r} is neither on nor off")
    return word == "off"


def partition(stage: Stage, words: Words) -> None:
    """`partition node1 | node2 node3`."""
    sides = [side.split() for side in " ".join(words).split("|")]
    stage.world.partition([[stage.host(name).id for name in side] for side in sides])


def oneway(stage: Stage, words: Words) -> None:
    """`oneway node1 node2`: node1 no longer reaches node2, though node2 reaches node1."""
    stage.world.cut(stage.host(words[0]).id, stage.host(words[1]).id)


def weather(stage: Stage, words: Words) -> None:
    """`weather loss=20% duplication=5% corruption=1% reordering=5% replay=2% delay=1ms-50ms`."""
    found = Weather()
    for key, value in options(words).items():
        match key:
            case "loss" | "duplication" | "corruption" | "reordering" | "replay":
                setattr(found, key, share(value))
            case "delay":
                low, _, high = value.partition("-")
                found.delay_min_ms, found.delay_max_ms = duration(low), duration(high or low)
            case _:
                raise StageError(
                    f"weather has loss, duplication, corruption, reordering, replay and delay, "
                    f"not {key!r}"
                )
    stage.world.network.weather = found
    stage.world.disturb_all()


def heal(stage: Stage, _: Words) -> None:
    """`heal`: every cable is whole, the weather is fine."""
    stage.world.network.weather = Weather()
    stage.world.heal()


def mend_cables(stage: Stage, _: Words) -> None:
    """`mend-cables`: every cable is whole; the weather is as it was."""
    stage.world.heal()


def kill(stage: Stage, words: Words) -> None:
    """`kill db [on node2]`: the process of a resource dies; only a monitor can tell."""
    hosts = stage.hosts(words[2:] if words[1:2] == ["on"] else ["all"])
    if not any(host.resources.is_active(words[0]) for host in hosts):
        raise StageError(f"{words[0]} does not run there, so its process cannot die")
    stage.world.kill(words[0], hosts)


def fault(stage: Stage, words: Words) -> None:
    """`fault db start fails on node2`, `... hangs`, `... half` (does it, but says it failed).

    Also `slow` (takes most of its timeout), `wrong` (an exit code that means nothing), `flood` (fails
    with very many words), `missing` (not installed), `flaps` (fails every other time) and `lies` (says that it did
    it, and did not). The action `*` is every one.
    """
    if len(words) < 3 or words[2] not in HOW:
        raise StageError(f"write: fault RESOURCE ACTION {'|'.join(HOW)} [on NODE]")
    names = words[4:] if words[3:4] == ["on"] else ["all"]
    for host in stage.hosts(names):
        stage.world.disturb(host.id)
        host.resources.faults.append(Fault(words[0], words[1], words[2]))


def mend(stage: Stage, words: Words) -> None:
    """`mend db`: its scripted faults are over."""
    for host in stage.world.hosts.values():
        host.resources.faults = [f for f in host.resources.faults if f.resource not in words]


def fence_device(stage: Stage, words: Words) -> None:
    """`fence-device works|fails|slow|half|hangs|late|lies`.

    `half` does its work and says that it failed; `hangs` does nothing until it is given up; `late` acts
    after it was given up; `lies` claims success and does nothing.
    """
    if len(words) != 1 or words[0] not in DEVICES:
        raise StageError(f"write: fence-device {'|'.join(DEVICES)}")
    stage.world.fence_device = words[0]


def keep_off(stage: Stage, words: Words) -> None:
    """`keep-off node2`: once fenced it stays off."""
    stage.world.hold_off += [host.id for host in stage.hosts(words)]


# What an operator asks for.


def _attribute(name: str, value: str | None) -> Request:
    def act(stage: Asking, words: Words) -> None:
        change = cib.SetNodeAttribute(stage.host(words[0]).name, name, value)
        stage.ask(rq.ChangeCib(change, f"{name} of {words[0]}"), words)

    return act


def set_property(stage: Asking, words: Words) -> None:
    """`set maintenance-mode=true [by node1]`."""
    for name, value in options(words[:1]).items():
        change = cib.SetProperty(name, value or None)
        stage.ask(rq.ChangeCib(change, f"{name}={value}"), words)


def meta(stage: Asking, words: Words) -> None:
    """`meta db target-role=Stopped [by node1]`."""
    for name, value in options(words[1:2]).items():
        change = cib.SetMetaAttribute(words[0], name, value or None)
        stage.ask(rq.ChangeCib(change, f"{words[0]} {name}={value}"), words)


def move(stage: Asking, words: Words) -> None:
    """`move web node2`."""
    change = cib.MoveResource(words[0], node=stage.host(words[1]).name)
    stage.ask(rq.ChangeCib(change, f"move {words[0]}"), words)


def clear(stage: Asking, words: Words) -> None:
    """`clear web`: of its moves."""
    stage.ask(rq.ChangeCib(cib.ClearMoves(words[0]), f"clear {words[0]}"), words)


def cleanup(stage: Asking, words: Words) -> None:
    """`cleanup db`: failures are forgotten, the resource is probed again."""
    resource = words[0] if words and words[0] != "by" else ""
    stage.ask(rq.ChangeCib(cib.ForgetHistory(resource), "cleanup"), words)


def fence(stage: Stage, words: Words) -> None:
    """`fence node2`: on request."""
    host = stage.host(words[0])
    stage.world.request_fencing(host.id)
    stage.ask(rq.FenceNode(host.name, "on request"), words)


def declare_dead(stage: Stage, words: Words) -> None:
    """`declare-dead node2 [confirmed]`; the word must be true."""
    host = stage.host(words[0])
    confirmed = "confirmed" in words
    if confirmed:
        stage.world.vouched(host.name)
    stage.ask(rq.DeclareDead(host.name, confirmed=confirmed), words)
    if confirmed and stage.last_answer[0]:
        if host.powered:
            raise StageError(f"{host.name} has power: who declares it dead now loses data")
        stage.world.checkers.on_silenced(stage.world.now, host.id)


def remove(stage: Stage, words: Words) -> None:
    """`remove db`: out of the configuration, whether it runs or not."""
    document = _asked(stage, words).replica.working
    xml = without(document.configuration, words[0])
    change = cib.ReplaceConfiguration(xml, base=document.version)
    stage.ask(rq.ChangeCib(change, f"remove {words[0]}"), words)


def _asked(stage: Stage, words: Words) -> Controller:
    host = stage.asked(words)
    if host.node is None:
        raise StageError(f"{host.name} has no daemon that could be asked")
    return host.node.controller


def mark(stage: Stage, words: Words) -> None:
    """`mark 3 node1 [40000]`: a change that can be recognised later, of so many bytes."""
    host = stage.host(words[1])
    size = number(words[2]) if words[2:] else 4
    if host.alive:
        stage.world.ask(host.id, "alice", request_mark(number(words[0]), host.name, size))


def when(stage: Stage, words: Words) -> None:
    """`when commit 3ms crash it`: once, so long after a node says that word; `it` is the node."""
    if len(words) < 3:
        raise StageError("write: when WORD TIME COMMAND...")
    what, delay, command = words[0], duration(words[1]), words[2:]
    if command[0] not in ACTIONS or command[0] == "when":
        raise StageError(f"{command[0]!r} is nothing that can happen by itself")

    def happen(who: str) -> None:
        world = stage.world
        if world.find(who) is None:
            return
        line = " ".join(who if word == "it" else word for word in command)
        mended = world.mended

        def act() -> None:
            if world.mended == mended:  # what was to come may be mended before it happens
                world.say("plan", "changed", line)
                with suppress(StageError):
                    stage.do(line)

        world.at(delay, act)

    stage.world.moments[what] = happen


def patience(stage: Stage, words: Words) -> None:
    """`patience 0s`: how long to wait for an answer before the story goes on."""
    stage.patience_ms = duration(words[0])


def recovers(stage: Stage, _: Words) -> None:
    """`recover`: everything is mended, and all must become well."""
    recover(stage.world)


Verb: TypeAlias = "Callable[[Stage, Words], None]"

DEFINITIONS: Final[dict[str, Request]] = {
    "cluster": define_cluster,
    "resource": define_resource,
    "group": define_group,
    "clone": define_clone,
    "property": define_property,
}


def kill_corosync(stage: Stage, words: Words) -> None:
    """`kill-corosync node1`: its Corosync dies, where the cluster has one; ninefoldd lives on."""
    for host in stage.hosts(words):
        stage.world.disturb(host.id)
        _corosync(stage).kill(host.id)
        stage.world.say(host.name, "died", "its Corosync dies")


def start_corosync(stage: Stage, words: Words) -> None:
    """`start-corosync node1`."""
    for host in stage.hosts(words):
        stage.world.disturb(host.id)
        _corosync(stage).start(host.id)
        stage.world.say(host.name, "power", "its Corosync starts")


def _corosync(stage: Stage) -> VirtualCorosync:
    if stage.world.corosync is None:
        raise StageError("there is no Corosync here: begin with `cluster carrier=corosync`")
    return stage.world.corosync


REQUESTS: Final[dict[str, Request]] = {
    "standby": _attribute("standby", "on"),
    "online": _attribute("standby", None),
    "maintenance": _attribute("maintenance", "true"),
    "end-maintenance": _attribute("maintenance", None),
    "set": set_property,
    "meta": meta,
    "move": move,
    "clear": clear,
    "cleanup": cleanup,
}

ACTIONS: Final[dict[str, Verb]] = {
    "kill-corosync": kill_corosync,
    "start-corosync": start_corosync,
    "advance": advance,
    "crash": crash,
    "power-cut": crash,
    "power-on": power_on,
    "pause": pause,
    "freeze": freeze,
    "suspend": suspend,
    "resume": resume,
    "kill-daemon": kill_daemon,
    "start-daemon": start_daemon,
    "stop": stop,
    "network": network,
    "link": link,
    "partition": partition,
    "oneway": oneway,
    "weather": weather,
    "heal": heal,
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
    "when": when,
    "patience": patience,
    "recover": recovers,
    "mend-cables": mend_cables,
    **TROUBLES,
}
