"""Families of faults: each draws one fault and its end, as commands of the scenario language.

A family is a kind of trouble that a run has or has not. What a fault breaks it mends again after a
while; what is forgotten is mended when the run's second half begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from ninefold.core.instants import Instant, Millis

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ninefold.sim.cluster import Shape

Steps: TypeAlias = list[tuple[Instant, str]]


def _soon(rng: random.Random, at: Instant, low: Millis = 200, high: Millis = 15_000) -> Instant:
    """Return a later time, near ones being likelier."""
    return at + int(low * (high / low) ** rng.random())


def _power(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    names = rng.choice((shape.names, [rng.choice(shape.names)], rng.sample(shape.names, 2)))
    if len(names) == shape.nodes and rng.random() < 0.7:
        names = names[:1]
    who = " ".join(names)
    return [(at, f"crash {who}"), (_soon(rng, at), f"power-on {who}")]


def _daemon(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    who = rng.choice(shape.names)
    return [(at, f"kill-daemon {who}"), (_soon(rng, at), f"start-daemon {who}")]


def _pause(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    who, how = rng.choice(shape.names), rng.choice(("pause", "pause", "freeze"))
    return [(at, f"{how} {who}"), (_soon(rng, at, 50), f"resume {who}")]


def _network(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    who, other = rng.sample(shape.names, 2)
    mixed = rng.sample(shape.names, shape.nodes)
    border = rng.randrange(1, shape.nodes)
    every = int(50 * 100 ** rng.random())
    command = rng.choice(
        (
            f"network {who} off",
            f"oneway {who} {other}",
            f"partition {' '.join(mixed[:border])} | {' '.join(mixed[border:])}",
            f"partition {who} | {other}",
            f"link {who} {rng.randrange(shape.links)} off",
            f"flap {who} {other} every {every}ms for {rng.randint(2, 12)}s",
        )
    )
    return [(at, command), (_soon(rng, at), "mend-cables")]


def _agents(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    resource = rng.choice(shape.resources).name
    if rng.random() < 0.4:
        return [(at, f"kill {resource}")]
    action = rng.choice(("start", "stop", "monitor"))
    how = rng.choice(("fails", "fails", "hangs", "half", "slow", "wrong", "flood"))
    where = rng.choice(("", f" on {rng.choice(shape.names)}"))
    return [
        (at, f"fault {resource} {action} {how}{where}"),
        (at, f"kill {resource}"),
        (_soon(rng, at), f"mend {resource}"),
    ]


def _fencing(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    return [
        (at, f"fence-device {rng.choice(('fails', 'slow', 'half', 'hangs', 'late'))}"),
        *_power(rng, shape, at + 1),
        (_soon(rng, at), "fence-device works"),
    ]


def _paths(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Cables that are not cut, but bad."""
    who, other = rng.sample(shape.names, 2)
    late = int(20 * 100 ** rng.random())
    pairs = [(who, other)] if rng.random() < 0.5 else [(who, n) for n in shape.names if n != who]
    command = rng.choice((f"late {{}} {{}} {late}ms", "narrow {} {}", "clog {} {}", "clog {} {}"))
    steps = [(at + number, command.format(*pair)) for number, pair in enumerate(pairs)]
    end = "unclog" if command.startswith("clog") else "mend-cables"
    return [*steps, (_soon(rng, at + len(pairs)), end)]


def _host(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Clocks and overload."""
    who, later = rng.choice(shape.names), _soon(rng, at)
    kind = rng.choice(("drift", "clock", "slow"))
    if kind == "drift":
        return [(at, f"drift {who} {rng.choice((-5, -1, 1, 5))}%"), (later, f"drift {who} 0%")]
    if kind == "clock":
        ahead = f"{rng.choice('+-')}{rng.choice(('90s', '2h', '40h'))}"
        return [(at, f"clock {who} {ahead}"), (later, f"clock {who} right")]
    return [(at, f"slow {who} {rng.choice((1, 2, 5, 15))}ms"), (later, f"slow {who} 0ms")]


def _disk(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    who = rng.choice(shape.names)
    condition = rng.choice(("full", "fails", "hiccup", "slow"))
    end = "quick" if condition == "slow" else "works"
    steps = [(at, f"disk {who} {condition}"), (_soon(rng, at), f"disk {who} {end}")]
    return steps + (_power(rng, shape, at + 1) if rng.random() < 0.5 else [])


def _operator(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    who, later = rng.choice(shape.names), _soon(rng, at)
    pairs = (
        (f"standby {who}", f"online {who}"),
        (f"stop {who}", f"start-daemon {who}"),
        (f"move web {who}", "clear web"),
        (f"move db {who}", "clear db"),
        ("meta db target-role=Stopped", "meta db target-role=Started"),
        ("meta mail is-managed=false", "meta mail is-managed=true"),
        ("set maintenance-mode=true", "set maintenance-mode=false"),
        (f"maintenance {who}", f"end-maintenance {who}"),
        ("cleanup", "cleanup db"),
        (f"fence {who}", "cleanup"),
        (f"set stop-all-resources=true by {who}", "set stop-all-resources=false"),
    )
    first, second = rng.choice(pairs)
    steps = [(at, first), (later, second)]
    if rng.random() < 0.3:
        # Somebody else, at the same moment, at another node.
        other, other_first = rng.choice(shape.names), rng.choice(pairs)[0].partition(" by ")[0]
        steps.append((at, f"{other_first} by {other}"))
    if rng.random() < 0.1:
        steps.append((at, f"remove {rng.choice(('mail', 'db', 'web'))} by {who}"))
    return steps


def _stranger(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Somebody on the network, without the key."""
    assert shape.nodes
    return [(at, "record"), (_soon(rng, at, 500), "replay"), (_soon(rng, at, 100), "forge")]


# What a node says just before, or just after, it would be worst to disturb it.
DELICATE: Final = (
    "gather",
    "commit",
    "recovery",
    "operational",
    "membership",
    "quorum-gained",
    "quorum-lost",
    "transition",
    "fencing",
    "fenced",
    "fence-failed",
    "started",
    "stopped",
    "failed",
    "stopping",
    "peer-restarted",
)


def _moment(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Something happens at the very moment at which a node is busy with something delicate."""
    who, later = rng.choice(shape.names), _soon(rng, at, 1_000)
    what, delay = rng.choice(DELICATE), rng.choice((0, 0, 1, 3, 10, 40, 150))
    subject = rng.choice(("it", "it", who))
    command, end = rng.choice(
        (
            (f"crash {subject}", f"power-on {' '.join(shape.names)}"),
            (f"crash {subject}", f"power-on {' '.join(shape.names)}"),
            (f"kill-daemon {subject}", f"start-daemon {' '.join(shape.names)}"),
            (f"pause {subject}", f"resume {' '.join(shape.names)}"),
            (f"network {subject} off", "mend-cables"),
            (f"power-cut {' '.join(shape.names)}", f"power-on {' '.join(shape.names)}"),
            (f"stop {subject}", f"start-daemon {' '.join(shape.names)}"),
        )
    )
    # Something has to happen, or nobody says anything.
    stir = rng.choice((f"kill-daemon {who}", f"crash {who}", f"standby {who}", "kill db", ""))
    undo = {
        "kill-daemon": f"start-daemon {who}",
        "crash": f"power-on {who}",
        "standby": f"online {who}",
    }
    steps = [(at, f"when {what} {delay}ms {command}"), (later, end)]
    if stir:
        steps.append((at + 1, stir))
        steps += [(later, undo[verb]) for verb in undo if stir.startswith(verb)]
    return steps


def stubborn(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Something that is alive will not stop, and has to go elsewhere."""
    resource, who, later = rng.choice(shape.resources).name, rng.choice(shape.names), _soon(rng, at)
    top = next((group for group, m in shape.groups.items() if resource in m), resource)
    how = rng.choice(("fails", "fails", "hangs", "slow", "wrong"))
    away, back = rng.choice(
        (
            (f"move {top} {who}", f"clear {top}"),
            (f"move {top} {who}", f"clear {top}"),
            (f"standby {who}", f"online {who}"),
        )
    )
    return [
        (at, f"fault {resource} stop {how}"),
        (at + 1, away),
        (later, back),
        (later, f"mend {resource}"),
    ]


# What a crash leaves of a rotation hangs on how far it has come: some milliseconds for each of its four states.
ROTATION_MS: Final[Millis] = 60


def rotations(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """Another shared key, with somebody who is away, or goes in the middle, or is left out by name."""
    who, lost = rng.choice(shape.names), rng.choice(shape.names)
    how, back = rng.choice(
        (
            ("crash", "power-on"),
            ("crash", "power-on"),
            ("kill-daemon", "start-daemon"),
            ("pause", "resume"),
            ("stop", "start-daemon"),
        )
    )
    rotate, later = f"rotate-keys {who}", _soon(rng, at)
    match rng.choice(("alone", "twice", "lost", "lost", "moment", "left out", "disk")):
        case "twice":
            return [(at, rotate), (_soon(rng, at, 1, 2_000), f"rotate-keys {lost}")]
        case "lost":
            lost_at = at + rng.randrange(ROTATION_MS)
            return [(at, rotate), (lost_at, f"{how} {lost}"), (later + 100, f"{back} {lost}")]
        case "moment":
            when = f"when keys {rng.choice((0, 0, 1, 5, 20))}ms {how} it"
            return [(at, when), (at, rotate), (later, f"{back} {' '.join(shape.names)}")]
        case "left out":
            asked = at + rng.randint(2_000, 12_000)
            return [
                (at, f"{how} {lost}"),
                (asked, f"{rotate} without {lost}"),
                (_soon(rng, asked, 1), f"{back} {lost}"),
            ]
        case "disk":
            return [(at, f"disk {lost} fails"), (at, rotate), (later, f"disk {lost} works")]
        case _:
            return [(at, rotate)]


def clones(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """What only clones can suffer; for a cluster that has some."""
    later, who = _soon(rng, at), rng.choice(shape.names)
    name = rng.choice(list(shape.clones))
    clone = shape.clones[name]
    member = shape.groups.get(clone.member, [clone.member])[-1]
    pairs = [
        (f"kill {member} on {who}", ""),
        (f"meta {name} clone-max=1", f"meta {name} clone-max={clone.options.get('clone-max', '')}"),
        (f"meta {name} target-role=Stopped by {who}", f"meta {name} target-role=Started"),
        (f"cleanup {name}", f"cleanup {member}"),
    ]
    if clone.options.get("promotable"):
        action, how = (
            rng.choice(("promote", "demote")),
            rng.choice(("fails", "half", "hangs", "slow")),
        )
        where = rng.choice(("", f" on {who}"))
        pairs += [
            (f"fault {member} {action} {how}{where}", f"mend {member}"),
            (f"fault {member} {action} {how}{where}", f"mend {member}"),
            (f"meta {name} target-role=Unpromoted", f"meta {name} target-role=Started by {who}"),
        ]
    first, second = rng.choice(pairs)
    steps = [(at, first), (later, second)] if second else [(at, first)]
    if first.startswith("fault"):
        # The role has to pass on, or the fault is none.
        stirs = (f"kill {member}", f"standby {who}", f"crash {who}")
        undo = {"standby": f"online {who}", "crash": f"power-on {who}"}
        stir = rng.choice(stirs)
        steps.append((at + 1, stir))
        steps += [(later, undo[verb]) for verb in undo if stir.startswith(verb)]
    return steps


def _bridge(rng: random.Random, shape: Shape) -> list[str]:
    """Two sides that hear each other only by way of somebody in the middle, or everybody only their neighbours."""
    mixed = rng.sample(shape.names, shape.nodes)
    if shape.nodes < 3:
        return [f"partition {mixed[0]} | {mixed[1]}"]
    if shape.nodes > 3 and rng.random() < 0.5:
        return [
            f"partition {one} | {other}"
            for number, one in enumerate(mixed)
            for other in mixed[number + 2 : shape.nodes - (number == 0)]
        ]
    middle = rng.randrange(1, shape.nodes - 1)
    return [f"partition {' '.join(mixed[:middle])} | {' '.join(mixed[middle + 1 :])}"]


def rare(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """What happens less often than the families' faults, or was thought of later."""
    who, later, name = (
        rng.choice(shape.names),
        _soon(rng, at),
        rng.choice(shape.resources).name,
    )
    where = rng.choice(("", f" on {who}"))
    match rng.choice(RARE):
        case "suspended":
            return [(at, f"suspend {who}"), (_soon(rng, at, 50, 60_000), f"resume {who}")]
        case "unreadable":
            how, back = rng.choice((("crash", "power-on"), ("kill-daemon", "start-daemon")))
            return [
                (at, f"disk {who} unreadable"),
                (at + 1, f"{how} {who}"),
                (_soon(rng, at + 1), f"{back} {who}"),
                (later + 2, f"disk {who} works"),
                (later + 3, f"start-daemon {who}"),
            ]
        case "flaps":
            return [(at, f"fault {name} monitor flaps{where}"), (later, f"mend {name}")]
        case "missing":
            # From the very beginning: an agent that is removed while it runs something denies what is true.
            return [(0, f"fault {name} * missing on {who}")]
        case "strobe":
            jumps = [f"clock {who} {sign}{rng.choice(('1s', '90s', '2h'))}" for sign in "+-+-+-"]
            every = rng.randint(20, 1_500)
            steps = [(at + number * every, jump) for number, jump in enumerate(jumps)]
            return [*steps, (at + len(jumps) * every, f"clock {who} right")]
        case "narrow":
            size = rng.choice((600, 900, 1_300, 1_400))
            return [(at, f"mtu {who} {size}"), (later, f"mtu {who} 1500")]
        case "storm":
            every, times = rng.randint(50, 4_000), rng.randint(3, 8)
            verbs = ("kill-daemon", "start-daemon")
            return [(at + n * every, f"{verbs[n % 2]} {who}") for n in range(2 * times)]
        case "bridge":
            return [*((at, cut) for cut in _bridge(rng, shape)), (later, "mend-cables")]
        case "flood":
            return [(at, f"flood {who} for {rng.randint(1, 6)}s")]
        case _:
            return _interference(rng, shape, at)


def _interference(rng: random.Random, shape: Shape, at: Instant) -> Steps:
    """An operator does something just when the cluster is at work."""
    who, later, name = rng.choice(shape.names), _soon(rng, at), rng.choice(shape.resources).name
    when = rng.choice(("transition", "fencing", "recovery", "failed", "started", "fenced"))
    do, undo = rng.choice(
        (
            (f"standby {rng.choice(('it', who))}", [f"online {one}" for one in shape.names]),
            (
                f"maintenance {rng.choice(('it', who))}",
                [f"end-maintenance {one}" for one in shape.names],
            ),
            ("set maintenance-mode=true", ["set maintenance-mode=false"]),
            ("cleanup", []),
            (f"move {name} {who}", [f"clear {name}"]),
        )
    )
    stir, calm = rng.choice(((f"kill {name}", []), (f"crash {who}", [f"power-on {who}"])))
    ends = [(later, command) for command in (*undo, *calm)]
    return [(at, f"when {when} 0ms {do}"), (at + 1, stir), *ends]


RARE: Final = (
    "suspended",
    "suspended",
    "unreadable",
    "flaps",
    "missing",
    "strobe",
    "narrow",
    "storm",
    "bridge",
    "bridge",
    "flood",
    "operator",
    "operator",
)


FAMILIES: Final[dict[str, Callable[[random.Random, Shape, Instant], Steps]]] = {
    "power": _power,
    "daemon": _daemon,
    "pause": _pause,
    "network": _network,
    "paths": _paths,
    "agents": _agents,
    "fencing": _fencing,
    "host": _host,
    "disk": _disk,
    "operator": _operator,
    "stranger": _stranger,
    "moment": _moment,
}
