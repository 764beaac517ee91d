"""A plan of faults for real hosts, drawn from a seed before anything happens.

The same idea as the simulator's plans, in the same language (a command is a line of a scenario), but in
episodes: some faults, a little time, and then everything is mended and must become well.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ninefold.core.instants import Millis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Faults of an episode begin within this time, so that they overlap.
FAULTS_MS: Final[Millis] = 2_500
FAULTS_MAX: Final = 3
# How long an episode lasts after its last command: some end before the loss is even noticed (1.2 s at
# the soak's token), some after the takeover.
LASTS_MS: Final = (0, 500, 1_500, 3_000, 5_000)
# An operator writes a recognisable change this often.
MARK_EVERY_MS: Final[Millis] = 700


Steps: TypeAlias = list[tuple[Millis, str]]


class Episode(msgspec.Struct, frozen=True):
    """`steps` are (milliseconds since its beginning, command); it ends after `lasts_ms`."""

    number: int
    kinds: tuple[str, ...]
    steps: tuple[tuple[Millis, str], ...]
    lasts_ms: Millis


class Cast(msgspec.Struct, frozen=True):
    """Who can be hit: the nodes, and the resources that can be moved or made to fail.

    `veteran` is the one node whose daemon is never ended, paused or left in a minority: what it
    leaks can be seen over the whole time.
    """

    nodes: tuple[str, ...]
    groups: tuple[str, ...]
    dummies: tuple[str, ...]
    veteran: str


def plan(seed: int, cast: Cast, count: int) -> list[Episode]:
    """Return so many episodes; the first ones are the same however many are wanted."""
    dice = random.Random(f"soak {seed}")  # noqa: S311 - a seed must give the same plan
    return [_episode(dice, cast, number) for number in range(count)]


def _episode(dice: random.Random, cast: Cast, number: int) -> Episode:
    kinds = [dice.choice(list(KINDS)) for _ in range(dice.choice((1, 1, 1, 2, FAULTS_MAX)))]
    steps: Steps = []
    for kind in kinds:
        at = dice.randrange(FAULTS_MS)
        steps += [(at + later, command) for later, command in KINDS[kind](dice, cast)]
    last = max(at for at, _ in steps)
    for index, at in enumerate(range(0, last + 1, MARK_EVERY_MS)):
        steps.append((at, f"mark {number * 100 + index} {dice.choice(cast.nodes)}"))
    steps.sort(key=lambda step: step[0])
    return Episode(number, tuple(kinds), tuple(steps), last + dice.choice(LASTS_MS))


def _mortal(dice: random.Random, cast: Cast) -> str:
    return dice.choice([node for node in cast.nodes if node != cast.veteran])


def _sides(dice: random.Random, cast: Cast) -> tuple[list[str], list[str]]:
    """Return a majority with the veteran in it, and the rest."""
    others = [node for node in cast.nodes if node != cast.veteran]
    dice.shuffle(others)
    count = dice.randint(1, (len(cast.nodes) - 1) // 2)
    return [cast.veteran, *others[count:]], others[:count]


def _crash(dice: random.Random, cast: Cast) -> Steps:
    return [(0, f"crash {_mortal(dice, cast)}")]


def _reboot(dice: random.Random, cast: Cast) -> Steps:
    """Faster than anybody notices, or not."""
    node = _mortal(dice, cast)
    return [(0, f"crash {node}"), (dice.choice((50, 500, 2_000)), f"power-on {node}")]


def _power_cut(dice: random.Random, cast: Cast) -> Steps:
    _, lost = _sides(dice, cast)
    return [(0, f"power-cut {' '.join(lost)}")]


def _killed(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [(0, f"kill-daemon {node}"), (dice.choice((0, 800, 4_000)), f"start-daemon {node}")]


def _left(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [(0, f"stop {node}"), (dice.choice((1_000, 4_000)), f"start-daemon {node}")]


def _pause(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [(0, f"pause {node}"), (dice.choice((300, 900, 2_500, 6_000)), f"resume {node}")]


def _freeze(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [(0, f"freeze {node}"), (dice.choice((300, 900, 6_000)), f"resume {node}")]


def _link(dice: random.Random, cast: Cast) -> Steps:
    node, link = dice.choice(cast.nodes), dice.choice((0, 1))
    return [
        (0, f"link {node} {link} off"),
        (dice.choice((400, 1_500, 4_000)), f"link {node} {link} on"),
    ]


def _isolated(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [
        (0, f"network {node} off"),
        (dice.choice((400, 1_100, 5_000)), f"network {node} on"),
    ]


def _partition(dice: random.Random, cast: Cast) -> Steps:
    most, rest = _sides(dice, cast)
    parts = [most, rest] if len(rest) < 2 or dice.random() < 0.6 else [most, rest[:1], rest[1:]]
    return [
        (0, f"partition {' | '.join(' '.join(part) for part in parts)}"),
        (dice.choice((600, 3_000, 6_000)), "mend-cables"),
    ]


def _one_way(dice: random.Random, cast: Cast) -> Steps:
    one, other = dice.sample([node for node in cast.nodes if node != cast.veteran], 2)
    return [(0, f"oneway {one} {other}"), (dice.choice((800, 4_000)), "mend-cables")]


def _move(dice: random.Random, cast: Cast) -> Steps:
    what = dice.choice((*cast.groups, *cast.dummies))
    return [
        (0, f"move {what} {dice.choice(cast.nodes)}"),
        (dice.choice((300, 2_500)), f"clear {what}"),
    ]


def _standby(dice: random.Random, cast: Cast) -> Steps:
    node = dice.choice(cast.nodes)
    return [(0, f"standby {node}"), (dice.choice((200, 2_500)), f"online {node}")]


def _maintenance(dice: random.Random, cast: Cast) -> Steps:
    if dice.random() < 0.5:
        node = dice.choice(cast.nodes)
        return [(0, f"maintenance {node}"), (dice.choice((500, 3_000)), f"end-maintenance {node}")]
    return [
        (0, "set maintenance-mode=true"),
        (dice.choice((500, 3_000)), "set maintenance-mode="),
    ]


def _configuration(dice: random.Random, cast: Cast) -> Steps:
    what = dice.choice((*cast.groups, *cast.dummies))
    pairs = (
        (f"meta {what} target-role=Stopped", f"meta {what} target-role="),
        (f"meta {what} resource-stickiness=7", f"meta {what} resource-stickiness="),
        ("set stonith-timeout=45s", "set stonith-timeout=60s"),
        ("set no-quorum-policy=freeze", "set no-quorum-policy=stop"),
    )
    done, undone = dice.choice(pairs)
    return [(0, done), (dice.choice((300, 2_000)), undone)]


def _resource(dice: random.Random, cast: Cast) -> Steps:
    what = dice.choice(cast.dummies)
    if dice.random() < 0.5:
        return [(0, f"kill {what}")]
    task, how = dice.choice(
        (("monitor", "fails"), ("start", "fails"), ("stop", "fails"), ("start", "hangs"))
    )
    node = _mortal(dice, cast)
    return [(0, f"fault {what} {task} {how} on {node}"), (100, f"move {what} {node}")]


def _fence_device(dice: random.Random, cast: Cast) -> Steps:
    node = _mortal(dice, cast)
    return [
        (0, "fence-device fails"),
        (50, f"crash {node}"),
        (dice.choice((1_000, 5_000)), "fence-device works"),
    ]


def _fencing(dice: random.Random, cast: Cast) -> Steps:
    return [(0, f"fence {_mortal(dice, cast)}")]


KINDS: Final[dict[str, Callable[[random.Random, Cast], Steps]]] = {
    "crash": _crash,
    "reboot": _reboot,
    "power cut": _power_cut,
    "daemon killed": _killed,
    "daemon left": _left,
    "daemon paused": _pause,
    "host frozen": _freeze,
    "link cut": _link,
    "node cut off": _isolated,
    "partition": _partition,
    "one way": _one_way,
    "move": _move,
    "standby": _standby,
    "maintenance": _maintenance,
    "configuration": _configuration,
    "resource fails": _resource,
    "fence device fails": _fence_device,
    "fenced on request": _fencing,
}


def text(shape: Sequence[str], episode: Episode) -> str:
    """Return an episode as a scenario: `shape` are the lines that define its cluster."""
    lines, now = [*shape, "----", ""], 0
    for at, command in episode.steps:
        if at > now:
            lines.append(f"advance {at - now}ms")
        now = max(at, now)
        lines.append(command)
    lines += [f"advance {episode.lasts_ms - now}ms"] if episode.lasts_ms > now else []
    return "\n".join([*lines, "recover", "----", ""])
