"""`ninefold lab soak`: faults of every kind on real daemons for minutes, and checkers outside of them.

An hour's random faults, one in half a minute, are done in ten minutes. Whatever happens, no service may run
twice, no acknowledged change may get lost, all must be well soon after everything was mended, and nothing
may be left: no memory, no descriptor, no process.
"""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from lxml import etree

from ninefold.api.client import DoorClosedError, RefusedError
from ninefold.cib import model as cib
from ninefold.cli import soak_watch
from ninefold.cli.lab_stage import LabStage, Unsafe
from ninefold.cli.lab_verbs import ACTIONS
from ninefold.cli.out import REFUSED, complaints, console, fail
from ninefold.cli.soak_report import Outcome, Report, shown
from ninefold.controller.requests import ChangeCib, OperatorChange
from ninefold.drill import episodes
from ninefold.drill.leaks import lives
from ninefold.drill.outage import answered_by_two, answers
from ninefold.lab import defaults, signs
from ninefold.lab.errors import LabError
from ninefold.lab.model import Power
from ninefold.lab.plan import Settings
from ninefold.sim.words import StageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ninefold.drill.episodes import Episode
    from ninefold.drill.outage import Attempt
    from ninefold.drill.probe import Poller

TOKEN_MS: Final = 1_000
CLIENT_EVERY_MS: Final = 20.0
LOOK_EVERY_S: Final = 0.03
# After everything was mended: a membership (a node that all heard badly rests up to 30 s first), a fencing that
# is tried again after 2 and 4 s, starts. Twice that is not recovery.
WELL_LIMIT_S: Final = 90.0
WELL_LOOK_S: Final = 0.25
# One episode takes about eight seconds; more are drawn than can be done.
EPISODES_PER_MIN: Final = 30
GROUP: Final = "web"
DUMMIES: Final = ("db", "mail")

_DUMMY: Final = """\
<primitive id="{name}" class="ocf" provider="ninefold" type="dummy">
  <operations>
    <op id="{name}-start" name="start" interval="0s" timeout="3s"/>
    <op id="{name}-stop" name="stop" interval="0s" timeout="3s"/>
    <op id="{name}-monitor" name="monitor" interval="1s" timeout="2s"/>
  </operations>
</primitive>
"""

# What an operator leaves behind when the cluster refused to let them undo it.
_USUAL: Final = {
    "maintenance-mode": None,
    "no-quorum-policy": "stop",
    "stonith-timeout": "60s",
}


def shape(nodes: int) -> list[str]:
    """Return the lines of a scenario that define the soak's cluster."""
    return [
        f"cluster nodes={nodes} token={TOKEN_MS} coefficient=0",
        *(f"resource {name}" for name in ("vip", "http", *DUMMIES)),
        f"group {GROUP} = vip http",
    ]


class Soak:
    """One soak. `tell` hears a line for each episode."""

    def __init__(
        self, *, nodes: int, seed: int, minutes: float, name: str, tell: Callable[[str], None]
    ) -> None:
        self._names = tuple(f"node{number}" for number in range(1, nodes + 1))
        self._cast = episodes.Cast(self._names, (GROUP,), DUMMIES, veteran=self._names[0])
        self._minutes = minutes
        self._name = name
        self._tell = tell
        self.report = Report(seed=seed, nodes=nodes)

    def run(self) -> Report:
        """Do it; the lab is gone when this returns."""
        report, began_s = self.report, time.monotonic()
        count = max(1, round(self._minutes * EPISODES_PER_MIN))
        directory = ""
        with LabStage(self._name) as stage:
            self._open(stage)
            directory = stage.stage.lab.status().directory
            with stage.stage.poll(every_ms=CLIENT_EVERY_MS) as poller:
                self._well(stage)
                end_s = time.monotonic() + self._minutes * 60
                for episode in episodes.plan(report.seed, self._cast, count):
                    if time.monotonic() > end_s or report.problems:
                        break
                    self._episode(stage, poller, episode)
                self._last_look(stage, poller.attempts)
        report.problems += soak_watch.remains(self._name, directory)
        report.seconds = time.monotonic() - began_s
        return report

    def _open(self, stage: LabStage) -> None:
        with TemporaryDirectory() as directory:
            file = Path(directory) / "cib.xml"
            dummies = "".join(_DUMMY.format(name=name) for name in DUMMIES)
            file.write_text(
                defaults.cib(self._names).replace("</group>", f"</group>{dummies}"),
                encoding="utf-8",
            )
            settings = Settings(
                nodes=len(self._names),
                name=self._name,
                cib=str(file),
                token_ms=TOKEN_MS,
                token_coefficient_ms=0,
            )
            seen = {
                "http": signs.listens(80),
                "vip": signs.has_address(defaults.VIP),
                **{name: signs.has_dummy(name) for name in DUMMIES},
            }
            stage.open(settings, seen, every_s=LOOK_EVERY_S)
        stage.patience_s = 0

    def _episode(self, stage: LabStage, poller: Poller, episode: Episode) -> None:
        began_s, already = time.monotonic(), len(stage.stage.lab.events())
        for at, command in episode.steps:
            time.sleep(max(0.0, began_s + at / 1000 - time.monotonic()))
            _do(stage, command)
        time.sleep(max(0.0, began_s + episode.lasts_ms / 1000 - time.monotonic()))
        mended_s = time.monotonic()
        try:
            self._well(stage)
            kept = len(stage.kept)
            stage.watch_promises()
            stage.watch()
        except (Unsafe, StageError) as error:
            self._broken(stage, episode, str(error))
            return
        self.report.samples += soak_watch.sample(stage)
        now_s = time.monotonic()
        outcome = Outcome(
            episode.kinds,
            downtime_s=longest_gap_s(poller.attempts, began_s, now_s),
            recovery_s=now_s - mended_s,
            fenced=_fenced(stage, already),
            acknowledged=kept,
        )
        stage.forget_marks()
        stage.told()
        self.report.outcomes.append(outcome)
        self._tell(f"{episode.number:>4}  {outcome}")

    def _broken(self, stage: LabStage, episode: Episode, problem: str) -> None:
        kinds = ", ".join(episode.kinds)
        self.report.problems.append(f"episode {episode.number} ({kinds}): {problem}")
        self.report.scenario = episodes.text(shape(len(self._names)), episode)
        self.report.story = stage.told()

    def _well(self, stage: LabStage) -> None:
        """Mend everything and undo what operators left; `StageError` if not all is well in time."""
        stage.mend()
        end_s = time.monotonic() + WELL_LIMIT_S
        while not self._tidied(stage):
            if time.monotonic() > end_s:
                statuses = stage.statuses()
                raise StageError(f"not all is well after {WELL_LIMIT_S:g} s: {statuses}")
            time.sleep(WELL_LOOK_S)

    def _tidied(self, stage: LabStage) -> bool:
        hosts = stage.stage.lab.status().hosts
        if any(host.power is Power.OFF for host in hosts):
            return False
        status = stage.stage.look(self._cast.veteran)
        if status is None or not status["quorum"]["quorate"]:
            return False
        if {node["name"] for node in status["nodes"] if node["member"]} != {*self._names}:
            return False
        try:
            xml = str(stage.stage.client(self._cast.veteran).cib()["xml"])
            left = leavings(status, xml, (GROUP, *DUMMIES))
            for change in left:
                request = ChangeCib(change, "the soak tidies up")
                stage.stage.client(self._cast.veteran).request(request)
        except (DoorClosedError, RefusedError, OSError):
            return False
        return not left and _all_run(status, self._names)

    def _last_look(self, stage: LabStage, attempts: list[Attempt]) -> None:
        report = self.report
        two = answered_by_two(attempts)
        report.problems += [f"{one.first} and {one.second} both answered the client" for one in two]
        report.attempts, report.failed = len(attempts), sum(not one.ok for one in attempts)
        report.lives = lives(report.samples)
        report.problems += [problem for life in report.lives for problem in life.problems()]
        if not report.problems:
            report.problems += soak_watch.leftovers(stage)
        report.store_bytes = soak_watch.store_bytes(stage)


def _do(stage: LabStage, command: str) -> None:
    """Carry out a command; what cannot be done now (a host that is off, a service that is down) is not."""
    verb, *words = command.split()
    try:
        ACTIONS[verb](stage, words)
    except (StageError, LabError, OSError) as error:
        stage.say("soak", "changed", f"{command}: not done: {error}")
    else:
        if verb != "mark":
            stage.say("soak", "changed", command)


def _fenced(stage: LabStage, already: int) -> int:
    events = stage.stage.lab.events()[already:]
    return sum(
        event.ok and event.by not in ("operator", "lab") and event.action in ("off", "reboot")
        for event in events
    )


def _all_run(status: dict[str, Any], names: tuple[str, ...]) -> bool:
    online = {node["name"] for node in status["nodes"] if node["state"] == "online"}
    runs = all(row["nodes"] and row["role"] == "Started" for row in status["resources"])
    return bool(status["settled"]) and online == {*names} and runs and not status["failures"]


def leavings(status: dict[str, Any], xml: str, resources: tuple[str, ...]) -> list[OperatorChange]:
    """Return the changes that undo what operators did: the configuration is then as it was."""
    changes: list[OperatorChange] = [
        cib.SetNodeAttribute(node["name"], name, None)
        for node in status["nodes"]
        for name in ("standby", "maintenance")
        if node[name]
    ]
    tree = etree.fromstring(xml.encode())
    pairs = {str(pair.get("name")): pair.get("value") for pair in tree.iter("nvpair")}
    for name, value in _USUAL.items():
        if pairs.get(name, value) != value:
            changes.append(cib.SetProperty(name, value))
    ids = {str(element.get("id")) for element in tree.iter("rsc_location")}
    for resource in resources:
        if any(f"-{resource}" in found for found in ids if found.startswith("cli-")):
            changes.append(cib.ClearMoves(resource))
        changes += [
            cib.SetMetaAttribute(resource, name, None)
            for name in ("target-role", "resource-stickiness")
            if tree.xpath(f"//*[@id='{resource}']/meta_attributes/nvpair[@name='{name}']")
        ]
    if status["failures"] or status["fail_counts"]:
        changes.append(cib.ForgetHistory(""))
    return changes


def longest_gap_s(attempts: list[Attempt], began_s: float, ended_s: float) -> float:
    """Return the longest time without an answer that touches a period."""
    ends = [one.end_s for one in answers(attempts)]
    before = [end for end in ends if end <= began_s][-1:] or [began_s]
    after = [end for end in ends if began_s < end <= ended_s]
    edges = [*before, *after, ended_s]
    return max((later - earlier for earlier, later in pairwise(edges)), default=0.0)


def soak(
    *,
    minutes: Annotated[float, typer.Option(help="How long to break things.", min=0.1)] = 10.0,
    nodes: Annotated[int, typer.Option(help="How many hosts.", min=3, max=9)] = 5,
    seed: Annotated[int, typer.Option(help="Another seed, another plan.", min=0)] = 1,
    name: Annotated[str, typer.Option("--name", help="The lab's name.")] = "soak",
    json: Annotated[Path | None, typer.Option("--json", help="Write everything there.")] = None,
) -> None:
    """Break real daemons in every way for minutes; end with 1 if a promise was broken or anything leaked."""
    run = Soak(nodes=nodes, seed=seed, minutes=minutes, name=name, tell=_progress)
    try:
        report = run.run()
    except KeyboardInterrupt:
        complaints.print("Interrupted; this is what was seen.")
        report = run.report
        report.problems.append("it was interrupted")
    except LabError as error:
        fail(str(error))
    for part in shown(report):
        console.print(part, markup=False)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if report.problems:
        raise typer.Exit(REFUSED)
    console.print("No service ran twice, no acknowledged change was lost, nothing leaked.")


def _progress(line: str) -> None:
    complaints.print(line, markup=False)
