"""The verbs of the scenario language for finer troubles: cables, clocks, disks, overloaded hosts, strangers.

Each docstring shows its line, as in `verbs`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.node import events as ev
from ninefold.sim import hostile
from ninefold.sim.files import FILES
from ninefold.sim.words import StageError, Words, duration, number, parts_per_million
from ninefold.totem.keys import fresh_key
from ninefold.totem.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninefold.core.ids import NodeId
    from ninefold.core.instants import Millis
    from ninefold.sim.stage import Stage
    from ninefold.sim.world import World

_CONDITIONS: Final = ("works", "full", "fails", "hiccup", "unreadable")
_DISK: Final = "write: disk NODE full|free|fails|hiccup|unreadable|works|slow|quick"

# A clogged path gives up after this; nobody has to remember to open it.
_CLOGGED_MS: Final[Millis] = 10_000


def _two(stage: Stage, words: Words) -> tuple[NodeId, NodeId]:
    if len(words) < 2:
        raise StageError("name two nodes: from where, and to where")
    one, other = stage.host(words[0]).id, stage.host(words[1]).id
    stage.world.disturb(one)
    stage.world.disturb(other)
    return one, other


def late(stage: Stage, words: Words) -> None:
    """`late node1 node2 900ms`: what node1 sends to node2 comes that much later."""
    stage.world.network.delay(*_two(stage, words), duration(words[2]))


def narrow(stage: Stage, words: Words) -> None:
    """`narrow node1 node2`: large packets from node1 to node2 get lost, and nobody is told."""
    stage.world.network.narrow(*_two(stage, words))


def mtu(stage: Stage, words: Words) -> None:
    """`mtu all 9000`, `mtu node2 1000`, `mtu node2 1000 1`: the paths of a host carry so much, on all links or one.

    What is larger gets lost, and nobody is told. Healing the network leaves it as it is.
    """
    size = [int(word) for word in words if word.isdigit()]
    hosts = stage.hosts([word for word in words if not word.isdigit()])
    if not size:
        raise StageError("write: mtu NODE|all BYTES [LINK]")
    world = stage.world
    links = size[1:] or range(len(world.config.node(world.config.local).links))
    for host in hosts:
        world.disturb(host.id)
        for other in world.hosts:
            for link in links:
                world.network.mtus[(host.id, other, link)] = size[0]
                world.network.mtus[(other, host.id, link)] = size[0]


def clog(stage: Stage, words: Words) -> None:
    """`clog node1 node2`: packets from node1 to node2 pile up until `unclog`."""
    world = stage.world
    world.network.clog(*_two(stage, words))
    mended = world.network.mended

    def give_up() -> None:
        if world.network.mended == mended:
            world.network.unclog()

    world.at(_CLOGGED_MS, give_up)


def unclog(stage: Stage, _: Words) -> None:
    """`unclog`: what has piled up comes."""
    stage.world.disturb_all()
    stage.world.network.unclog()


def flap(stage: Stage, words: Words) -> None:
    """`flap node1 node2 every 700ms for 10s`: the cable between them fails and comes back."""
    world, (one, other) = stage.world, _two(stage, words)
    if len(words) != 6 or words[2] != "every" or words[4] != "for":
        raise StageError("write: flap NODE NODE every TIME for TIME")
    every, until = duration(words[3]), world.now + duration(words[5])
    if not every:
        raise StageError("a cable cannot flap every 0 ms")
    _swing(world, (one, other), every, until)


def _swing(world: World, pair: tuple[NodeId, NodeId], every: Millis, until: Millis) -> None:
    mended, network = world.network.mended, world.network

    def down() -> None:
        if network.mended != mended or world.now >= until:
            return
        for node in pair:
            world.disturb(node)
        network.cut(*pair)
        network.cut(*reversed(pair))
        world.at(every, up)

    def up() -> None:
        if network.mended != mended:
            return
        for node in pair:
            world.disturb(node)
        network.mend(*pair)
        world.at(every, down)

    down()


def drift(stage: Stage, words: Words) -> None:
    """`drift node1 5%`, `drift node1 -5%`: its clock runs fast or slow."""
    host = stage.host(words[0])
    stage.world.disturb(host.id)
    host.clock.run(stage.world.now, parts_per_million(words[1]))
    if host.node is not None:
        stage.world.arm(host)


def clock(stage: Stage, words: Words) -> None:
    """`clock node1 +2h`, `clock node1 -30s`, `clock node1 right`: its wall clock is set."""
    host, word = stage.host(words[0]), words[1]
    ahead = 0
    if word != "right":
        if word[:1] not in "+-":
            raise StageError("write: clock NODE +TIME|-TIME|right")
        ahead = duration(word[1:]) // 1000 * (-1 if word[0] == "-" else 1)
    host.clock.ahead_s = ahead
    stage.world.post(host, stage.world.wall_clock(host))


def slow(stage: Stage, words: Words) -> None:
    """`slow node1 5ms`: an overloaded host, where each event takes that long; 0ms for an idle one."""
    host = stage.host(words[0])
    stage.world.disturb(host.id)
    host.slow_ms = duration(words[1])


def disk(stage: Stage, words: Words) -> None:
    """`disk node1 full`, `free`, `fails` (every write), `hiccup` (one), `works`, `slow`, `quick`.

    Also `unreadable`: every write fails, and a daemon that starts cannot read what is there.
    """
    if len(words) != 2:
        raise StageError(_DISK)
    found, condition = stage.host(words[0]).disk, words[1].replace("free", "works")
    if condition in ("slow", "quick"):
        found.slow = condition == "slow"
    elif condition in _CONDITIONS:
        found.condition = condition
    else:
        raise StageError(_DISK)


def restore(stage: Stage, words: Words) -> None:
    """`restore node1 5`: of a host that is off; its disk is as it was five documents ago."""
    host = stage.host(words[0])
    if host.powered:
        raise StageError(f"{host.name} has power; its disk cannot be replaced")
    stage.world.documents.set_back()
    host.disk.restore(number(words[1]))


def lose_disk(stage: Stage, words: Words) -> None:
    """`lose-disk node1`: of a host that is off; it begins with an empty one."""
    host = stage.host(words[0])
    if host.powered:
        raise StageError(f"{host.name} has power; its disk cannot be replaced")
    stage.world.documents.set_back()
    host.disk.lose()


def woken(stage: Stage, words: Words) -> None:
    """`woken node1`: its daemon is woken for no reason."""
    host = stage.host(words[0])
    stage.world.post(host, ev.Woke())


def rotate_keys(stage: Stage, words: Words) -> None:
    """`rotate-keys node1 [without node3]`: an operator wants another shared key."""
    host = stage.host(words[0])
    stack = host.node.stack if host.alive and host.node is not None else None
    if not isinstance(stack, Stack):
        raise StageError(f"{host.name} has no ring of its own that could rotate its keys")
    without = tuple(stage.host(name).id for name in words[2:] if words[1] == "without")
    findings = stack.rotation.judge(
        without, {one.id: one.name for one in stage.world.hosts.values()}
    )
    problems = [f"{f.subject}: {f.sentence}" for f in findings]
    if without and host.node is not None and not host.node.quorum.quorate:
        problems.append("nodes can be left out in a quorate partition only")
    if problems:
        text = "; ".join(problems)
        stage.world.say(host.name, "answer", f"the rotation of keys is refused: {text}")
        return
    dice = random.Random(f"key {stage.shape.seed} {stage.world.now}")  # noqa: S311 - a seed's world
    stage.world.post(host, ev.Rotate(fresh_key(stack.rotation.keys, dice.randbytes), without))


# What an attacker does.


def record(stage: Stage, _: Words) -> None:
    """`record`: from now on every packet is copied."""
    stage.world.effects.tap = True


def replay(stage: Stage, _: Words) -> None:
    """`replay`: every recorded packet is sent again, three times, as it was."""
    hostile.replay(stage.world)


def forge(stage: Stage, _: Words) -> None:
    """`forge`: packets without the key, with a wrong one, cut, bent and of random bytes."""
    hostile.forge(stage.world)


def flood(stage: Stage, words: Words) -> None:
    """`flood node2 for 3s`: somebody sends it a thousand packets a second, each as long as a frame."""
    if len(words) != 3 or words[1] != "for":
        raise StageError("write: flood NODE for TIME")
    host = stage.host(words[0])
    stage.world.disturb(host.id)
    hostile.flood(stage.world, host, duration(words[2]))


Verb: TypeAlias = "Callable[[Stage, Words], None]"

TROUBLES: Final[dict[str, Verb]] = {
    "rotate-keys": rotate_keys,
    "late": late,
    "narrow": narrow,
    "mtu": mtu,
    "clog": clog,
    "unclog": unclog,
    "flap": flap,
    "drift": drift,
    "clock": clock,
    "slow": slow,
    "disk": disk,
    "restore": restore,
    "lose-disk": lose_disk,
    "woken": woken,
    "record": record,
    "replay": replay,
    "forge": forge,
    "flood": flood,
    **FILES,
}
