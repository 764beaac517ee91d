"""Plans of faults: everything that will go wrong in a run, drawn from a seed before it begins.

Swarm testing: each seed also chooses a cluster, and switches whole families of faults on or off, so
that some runs are all partitions and others all failing agents. A plan is a list and nothing else:
it can be printed, shortened and played again.

Whatever a plan holds, the cluster must be able to recover from it: no device claims a fencing that it
did not do, no agent a stop, and everything is mended in the end. So any failure found is a bug,
never bad luck.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import msgspec

from ninefold.core.instants import Instant, Millis
from ninefold.sim.clones import Clone
from ninefold.sim.cluster import Primitive, Shape
from ninefold.sim.families import FAMILIES, clones, rare, rotations, stubborn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Faults happen within a time after the cluster was switched on; in one of twenty runs the time is longer,
# and more happens.
FORMING_MS: Final[Millis] = 4_000
FAULTS_MS: Final[Millis] = 22_000
LONG_MS: Final[Millis] = 75_000

FAULTS_MAX: Final = 8
LONG_FAULTS_MAX: Final = 20

# An operator writes a recognisable change this often, sometimes a large one.
MARK_EVERY_MS: Final[Millis] = 3_500
MARK_BYTES: Final = (4, 4, 4, 3_000, 60_000)

# Each of these is turned in one of eight runs: what is rare with the defaults is common then.
KNOBS: Final[dict[str, tuple[str, ...]]] = {
    "window_size": ("10", "200"),
    "max_messages": ("1", "4"),
    "miss_count_const": ("1", "20"),
    "fail_recv_const": ("50", "300"),
    "join": ("30", "90"),
    "merge": ("100", "800"),
    "token_retransmits_before_loss_const": ("2", "8"),
    "link_mode": ("active", "rr"),
    "ninefold_probe": ("no",),
}
KNOB_TURNED: Final = 0.125

# An idle token rests after so many visits; most runs take few, because a token that turns for nothing
# costs most of a run's time and shows little.
TOKEN_RESTS_AFTER: Final = ("3", "3", "3", "30", "200")

# In one of four runs some resources are clones, each with every further option in a third of them.
CLONED: Final = 0.25
CLONE_OPTION: Final = 1 / 3
CLONE_FAULTS_MAX: Final = 3
CLONES: Final = (
    (("dbs", "db"),),
    (("dbs", "db"),),
    (("mails", "mail"),),
    (("webs", "web"),),
    (("dbs", "db"), ("mails", "mail")),
    (("dbs", "db"), ("webs", "web")),
)

# In one of eight runs something will not stop where it runs, and is sent away.
STUBBORN: Final = 0.125

# In one of eight runs the shared key is rotated, so often at most.
ROTATED: Final = 0.125
ROTATIONS_MAX: Final = 3

# In one of five runs something rare happens, so often at most.
RARITY: Final = 0.2
RARITIES_MAX: Final = 3


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
    ends_at: Instant = FORMING_MS + FAULTS_MS

    def __str__(self) -> str:
        steps = "; ".join(f"{step.at} {step.command}" for step in self.steps)
        return f"seed {self.seed}: {', '.join(self.options)}: {steps}"


def make_plan(seed: int, nodes: int | None = None) -> Plan:
    """Return the plan of a seed, for a cluster of so many nodes or as many as the seed says.

    It is the same for ever, as long as this module and `families` are.
    """
    rng = random.Random(f"plan {seed}")  # noqa: S311 - a seed must give the same plan
    shape = _shape(seed, rng, nodes)
    families = [name for name in FAMILIES if rng.random() < 0.4] or [rng.choice(list(FAMILIES))]
    long = rng.random() < 0.05
    period, most = (LONG_MS, LONG_FAULTS_MAX) if long else (FAULTS_MS, FAULTS_MAX)
    steps = _weather(rng)
    for _ in range(rng.randint(2, most)):
        at = FORMING_MS + rng.randrange(period)
        steps += [Step(*step) for step in FAMILIES[rng.choice(families)](rng, shape, at)]
    for number, at in enumerate(range(FORMING_MS, FORMING_MS + period, MARK_EVERY_MS)):
        size = rng.choice(MARK_BYTES)
        steps.append(Step(at, f"mark {number} {rng.choice(shape.names)} {size}"))
    steps.sort(key=lambda step: step.at)
    if "disk" in families and rng.random() < 0.5:
        steps = _set_back(rng, steps)
    options = (f"{shape.nodes} nodes", f"token {shape.token_ms}")
    turned = [f"{name}={value}" for name, value in shape.totem.items()]
    plan = Plan(
        seed, shape, (*options, *shape.quorum, *turned, *families), steps, FORMING_MS + period
    )
    _clone(plan, period)
    _will_not_stop(plan, period)
    _rotate_keys(plan, period)
    _befall(plan, period)
    return plan


def _clone(plan: Plan, period: Millis) -> None:
    """Let some resources of some plans be clones, and happen what can happen to these.

    It has dice of its own: the plans of all other seeds are what they were before there were clones.
    """
    rng = random.Random(f"some clones {plan.seed}")  # noqa: S311 - a seed must give the same plan
    if rng.random() >= CLONED:
        return
    shape = plan.shape
    for name, member in rng.choice(CLONES):
        options: dict[str, str] = {}
        if member == "db":
            options = {"promotable": "true", "promoted-max": rng.choice(("1", "1", "2"))}
        most = rng.choice(("", "", "2", "3"))
        if most and int(most) <= shape.nodes:
            options["clone-max"] = most
        for key in ("notify", "interleave", "ordered"):
            if rng.random() < CLONE_OPTION:
                options[key] = "true"
        shape.clones[name] = Clone(member, options)
        for primitive in shape.resources:
            if primitive.name in shape.groups.get(member, [member]):
                primitive.prefers = ""
    for _ in range(rng.randint(1, CLONE_FAULTS_MAX)):
        at = FORMING_MS + rng.randrange(period)
        plan.steps += [Step(*step) for step in clones(rng, shape, at)]
    plan.steps.sort(key=lambda step: step.at)
    plan.options += ("clones", *(f"{name} of {c.member}" for name, c in shape.clones.items()))


def _will_not_stop(plan: Plan, period: Millis) -> None:
    """Let something of some plans be sent away from where it will not stop; with dice of its own too."""
    rng = random.Random(f"will not stop {plan.seed}")  # noqa: S311 - a seed must give the same plan
    if rng.random() >= STUBBORN:
        return
    for _ in range(rng.randint(1, 2)):
        at = FORMING_MS + rng.randrange(period)
        plan.steps += [Step(*step) for step in stubborn(rng, plan.shape, at)]
    plan.steps.sort(key=lambda step: step.at)
    plan.options += ("will not stop",)


def _rotate_keys(plan: Plan, period: Millis) -> None:
    """Let operators of some plans want other keys."""
    _strew(plan, period, "keys", (ROTATED, ROTATIONS_MAX), rotations)


def _befall(plan: Plan, period: Millis) -> None:
    """Let something rare happen in some plans."""
    _strew(plan, period, "rare", (RARITY, RARITIES_MAX), rare)


def _strew(
    plan: Plan,
    period: Millis,
    option: str,
    often: tuple[float, int],
    draw: Callable[[random.Random, Shape, Millis], Iterable[tuple[Millis, str]]],
) -> None:
    """Add some of a kind to a share of all plans, by dice of its own: the others stay as they were."""
    share, most = often
    rng = random.Random(f"{plan.seed}/{option}")  # noqa: S311 - a seed must give the same plan
    if rng.random() >= share:
        return
    for _ in range(rng.randint(1, most)):
        at = FORMING_MS + rng.randrange(period)
        plan.steps += [Step(*step) for step in draw(rng, plan.shape, at)]
    plan.steps.sort(key=lambda step: step.at)
    plan.options += (option,)


def corosync_plan(seed: int) -> Plan:
    """Return the same plan on a virtual Corosync, which may die as well."""
    plan = make_plan(seed)
    rng = random.Random(f"corosync plan {seed}")  # noqa: S311 - a seed must give the same plan
    plan.shape.cluster = "corosync"
    # What a stranger sends reaches Corosync, not us; its keys are its own.
    strange = ("record", "forge", "replay", "flood", "rotate-keys")
    plan.steps = [step for step in plan.steps if step.command.split()[0] not in strange]
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = FORMING_MS + rng.randrange(FAULTS_MS)
        who = rng.choice(plan.shape.names)
        plan.steps += [
            Step(at, f"kill-corosync {who}"),
            Step(at + rng.randint(200, 15_000), f"start-corosync {who}"),
        ]
    plan.steps.sort(key=lambda step: step.at)
    plan.options = ("corosync", *plan.options)
    return plan


def alive_plan(seed: int) -> Plan:
    """Return the same plan with two resources that move alive, are moved more often, and fail at it."""
    plan = make_plan(seed)
    rng = random.Random(f"alive plan {seed}")  # noqa: S311 - a seed must give the same plan
    for primitive in plan.shape.resources:
        if primitive.name in ("db", "mail"):
            primitive.options["allow-migrate"] = "true"
    for _ in range(rng.randint(3, 8)):
        at = FORMING_MS + rng.randrange(FAULTS_MS)
        name, who = rng.choice(("db", "mail")), rng.choice(plan.shape.names)
        plan.steps.append(Step(at, rng.choice((f"move {name} {who}", f"standby {who}"))))
        if rng.random() < 0.5:
            half = rng.choice(("migrate_to", "migrate_to", "migrate_from"))
            how = rng.choice(("slow", "slow", "fails", "half", "hangs"))
            plan.steps.append(Step(at - 1, f"fault {name} {half} {how}"))
            plan.steps.append(Step(at + rng.randint(200, 15_000), f"mend {name}"))
        if rng.random() < 0.5:
            # Just while it is on its way.
            lost = rng.choice(plan.shape.names)
            how = rng.choice(("crash", "kill-daemon", "pause", "stop"))
            end = {"crash": "power-on", "pause": "resume"}.get(how, "start-daemon")
            plan.steps.append(Step(at + rng.randint(1, 200), f"{how} {lost}"))
            plan.steps.append(Step(at + rng.randint(1_000, 9_000), f"{end} {lost}"))
    plan.steps.sort(key=lambda step: step.at)
    plan.options = ("alive", *plan.options)
    return plan


def _shape(seed: int, rng: random.Random, nodes: int | None) -> Shape:
    drawn = rng.choice((2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 7))
    token, coefficient = rng.choice(((500, 0), (1000, 0), (1000, 650), (3000, 650)))
    shape = Shape(
        nodes=nodes or drawn,
        links=rng.choice((1, 2)),
        seed=seed,
        token_ms=token,
        token_coefficient_ms=coefficient,
    )
    for name, values in KNOBS.items():
        if rng.random() < KNOB_TURNED:
            shape.totem[name] = rng.choice(values)
    shape.totem["seqno_unchanged_const"] = rng.choice(TOKEN_RESTS_AFTER)
    if shape.links == 1:
        shape.totem.pop("link_mode", None)
    if shape.nodes == 2:
        shape.quorum["two_node"] = "1"
    elif rng.random() < 0.2:
        shape.quorum["wait_for_all"] = "1"
    # A fence device that hangs is given up after this.
    shape.properties["stonith-timeout"] = "12s"
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
    shares = {
        "loss": loss,
        "duplication": rng.choice((0, 0, 5)),
        "corruption": rng.choice((0, 0, 0, 3)),
        "reordering": rng.choice((0, 0, 0, 10)),
        "replay": rng.choice((0, 0, 0, 2)),
    }
    words = [f"{name}={share}%" for name, share in shares.items() if share]
    if delay > 1:
        words.append(f"delay=1ms-{delay}ms")
    if not words or rng.random() < 0.4:
        return []
    return [Step(rng.choice((0, FORMING_MS)), f"weather {' '.join(words)}")]


def _set_back(rng: random.Random, steps: Sequence[Step]) -> list[Step]:
    """Let the disk of a host that was cut off from its power be an older one when it comes back."""
    result: list[Step] = []
    for step in steps:
        verb, *names = step.command.split()
        if verb == "power-on" and len(names) == 1 and rng.random() < 0.5:
            how = rng.choice((f"restore {names[0]} {rng.randint(1, 20)}", f"lose-disk {names[0]}"))
            result.append(Step(step.at, how))
        result.append(step)
    return result
