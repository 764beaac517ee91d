"""Plans of faults: everything that will go wrong in a run, drawn from a seed before it begins.

Swarm testing: each seed also chooses a cluster, and switches whole families of faults on or off, so
that some runs are all partitions and others all failing agents. A plan is a list and nothing else:
it can be printed, shortened and played again.

Whatever a plan holds, the cluster must be able to recover from it: disks keep what was saved, no
device claims a fencing that it did not do, and everything is mended in the end. So any failure found
is a bug, never bad luck.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.instants import Instant, Millis
from ninefold.sim.cluster import Primitive, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

# Faults happen within this time after the cluster was switched on.
FORMING_MS: Final[Millis] = 4_000
FAULTS_MS: Final[Millis] = 22_000

FAULTS_MAX: Final = 8

# An operator writes a recognisable change this often.
MARK_EVERY_MS: Final[Millis] = 3_500


class Step(msgspec.Struct, frozen=True):
    """At a time since the beginning, a command of the scenario language."""

    at: Instant
    command: str


class Plan(msgspec.Struct):
    """One run. `options` name what the seed chose, for the line that a failure prints."""

    seed: int
    shape: Shape
    options: tuple[str, ...]
    steps: list[Step]

    def __str__(self) -> str:
        steps = "; ".join(f"{step.at} {step.command}" for step in self.steps)
        return f"seed {self.seed}: {', '.join(self.options)}: {steps}"


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed; the same for ever, as long as this module is."""
    rng = random.Random(f"plan {seed}")  # noqa: S311 - a seed must give the same plan
    shape = _shape(seed, rng)
    families = [name for name in FAMILIES if rng.random() < 0.5] or [rng.choice(list(FAMILIES))]
    steps = _weather(rng)
    for _ in range(rng.randint(2, FAULTS_MAX)):
        at = FORMING_MS + rng.randrange(FAULTS_MS)
        steps += FAMILIES[rng.choice(families)](rng, shape, at)
    steps += [
        Step(at, f"mark {number} {rng.choice(shape.names)}")
        for number, at in enumerate(range(FORMING_MS, FORMING_MS + FAULTS_MS, MARK_EVERY_MS))
    ]
    steps.sort(key=lambda step: step.at)
    options = (f"{shape.nodes} nodes", f"token {shape.token_ms}", *shape.quorum, *families)
    return Plan(seed, shape, options, steps)


def _shape(seed: int, rng: random.Random) -> Shape:
    nodes = rng.choice((2, 3, 3, 3, 4, 5))
    token, coefficient = rng.choice(((500, 0), (1000, 0), (1000, 650), (3000, 650)))
    shape = Shape(
        nodes=nodes,
        links=rng.choice((1, 2)),
        seed=seed,
        token_ms=token,
        token_coefficient_ms=coefficient,
    )
    if nodes == 2:
        shape.quorum["two_node"] = "1"
    elif rng.random() < 0.2:
        shape.quorum["wait_for_all"] = "1"
    timeouts = {"start": "10s", "stop": "8s", "monitor": "5s"}
    shape.resources = [
        Primitive("vip", prefers=rng.choice(shape.names), timeouts=timeouts),
        Primitive("http", timeouts=timeouts),
        Primitive("db", prefers=rng.choice(shape.names), timeouts=timeouts),
        Primitive("mail", monitor=rng.choice(("0", "2s")), timeouts=timeouts),
    ]
    shape.groups = {"web": ["vip", "http"]}
    shape.stickiness = rng.choice((0, 100))
    return shape


def _weather(rng: random.Random) -> list[Step]:
    loss = rng.choice((0, 0, 0, 0, 1, 5, 20))
    delay = rng.choice((1, 1, 3, 20))
    if not loss and delay == 1:
        return []
    duplication = rng.choice((0, 5))
    text = f"weather loss={loss}% duplication={duplication}% delay=1ms-{delay}ms"
    return [Step(rng.choice((0, FORMING_MS)), text)]


def _soon(rng: random.Random, at: Instant, low: Millis = 200, high: Millis = 15_000) -> Instant:
    """Return a later time, near ones being likelier."""
    return at + int(low * (high / low) ** rng.random())


def _power(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    names = rng.choice((shape.names, [rng.choice(shape.names)], rng.sample(shape.names, 2)))
    if len(names) == shape.nodes and rng.random() < 0.7:
        names = names[:1]
    who = " ".join(names)
    return [Step(at, f"crash {who}"), Step(_soon(rng, at), f"power-on {who}")]


def _daemon(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    who = rng.choice(shape.names)
    return [Step(at, f"kill-daemon {who}"), Step(_soon(rng, at), f"start-daemon {who}")]


def _pause(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    who, how = rng.choice(shape.names), rng.choice(("pause", "pause", "freeze"))
    return [Step(at, f"{how} {who}"), Step(_soon(rng, at, 50), f"resume {who}")]


def _network(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    who, other = rng.sample(shape.names, 2)
    mixed = rng.sample(shape.names, shape.nodes)
    border = rng.randrange(1, shape.nodes)
    command = rng.choice(
        (
            f"network {who} off",
            f"oneway {who} {other}",
            f"partition {' '.join(mixed[:border])} | {' '.join(mixed[border:])}",
            f"partition {who} | {other}",
            f"link {who} {rng.randrange(shape.links)} off",
        )
    )
    return [Step(at, command), Step(_soon(rng, at), "mend-cables")]


def _agents(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    resource = rng.choice(shape.resources).name
    if rng.random() < 0.4:
        return [Step(at, f"kill {resource}")]
    action, how = rng.choice(("start", "stop", "monitor")), rng.choice(("fails", "hangs", "half"))
    where = rng.choice(("", f" on {rng.choice(shape.names)}"))
    return [
        Step(at, f"fault {resource} {action} {how}{where}"),
        Step(at, f"kill {resource}"),
        Step(_soon(rng, at), f"mend {resource}"),
    ]


def _fencing(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    return [
        Step(at, f"fence-device {rng.choice(('fails', 'slow'))}"),
        *_power(rng, shape, at + 1),
        Step(_soon(rng, at), "fence-device works"),
    ]


def _disk(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    who = rng.choice(shape.names)
    return [Step(at, f"disk {who} full"), Step(_soon(rng, at), f"disk {who} free")]


def _operator(rng: random.Random, shape: Shape, at: Instant) -> list[Step]:
    who, later = rng.choice(shape.names), _soon(rng, at)
    pairs = (
        (f"standby {who}", f"online {who}"),
        (f"stop {who}", f"start-daemon {who}"),
        (f"move web {who}", "clear web"),
        ("meta db target-role=Stopped", "meta db target-role=Started"),
        ("set maintenance-mode=true", "set maintenance-mode=false"),
        ("cleanup", "cleanup db"),
        (f"fence {who}", "cleanup"),
    )
    first, second = rng.choice(pairs)
    return [Step(at, first), Step(later, second)]


FAMILIES: Final[dict[str, Callable[[random.Random, Shape, Instant], list[Step]]]] = {
    "power": _power,
    "daemon": _daemon,
    "pause": _pause,
    "network": _network,
    "agents": _agents,
    "fencing": _fencing,
    "disk": _disk,
    "operator": _operator,
}
