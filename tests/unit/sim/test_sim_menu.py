"""The menu of faults is whole: each word has a scenario that one can read, and plans draw it, or a reason stands here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ninefold.sim.disk import REASONS
from ninefold.sim.faults import make_plan
from ninefold.sim.scenario import read
from ninefold.sim.verbs import ACTIONS, DEVICES, HOW

if TYPE_CHECKING:
    from collections.abc import Iterable

SCENARIOS = Path(__file__).parents[2] / "scenarios"
PAGE = SCENARIOS.parents[1] / "docs" / "reference" / "faults.md"
SEEDS = 1000

WEATHER = ("loss", "duplication", "corruption", "reordering", "replay", "delay")
MENU = (
    *ACTIONS,
    *(f"fault {how}" for how in HOW),
    *(f"fence-device {condition}" for condition in DEVICES),
    *(f"disk {condition}" for condition in (*REASONS, "hiccup", "slow", "works", "quick")),
    *(f"weather {share}" for share in WEATHER),
)

# What no plan draws, and why.
NOT_DRAWN = {
    "fault lies": "no cluster survives an agent that claims what it did not do",
    "fence-device lies": "nor such a device",
    "declare-dead": "a person's word must be true, and a plan cannot know whether it is",
    "keep-off": "everybody comes back in the end",
    "kill-corosync": "`corosync_plan` draws it",
    "start-corosync": "`corosync_plan` draws it",
    "file": "tests/simulation/test_reload_seeds.py draws it",
    "reload": "tests/simulation/test_reload_seeds.py draws it",
    "woken": "packets and timers wake daemons all the time",
    "advance": "no fault",
    "patience": "no fault",
    "recover": "every plan ends with it",
    "heal": "every plan ends with it",
}


def words(commands: Iterable[str]) -> set[str]:
    """Return what of the menu is in commands, also in those that wait for a moment."""
    found = set()
    for command in commands:
        verb, *rest = command.split()
        if verb == "when":
            found |= {"when", *words([" ".join(rest[2:])])}
            continue
        found.add(verb)
        match verb:
            case "fault":
                found.add(f"fault {rest[2]}")
            case "disk":
                found.add(f"disk {rest[1]}")
            case "fence-device" | "weather":
                found |= {f"{verb} {word.partition('=')[0]}" for word in rest}
            case _:
                pass
    return found


def test_every_word_of_the_menu_has_a_scenario() -> None:
    texts = [file.read_text() for file in SCENARIOS.rglob("*.scenario")]
    commands = [line for text in texts for block in read(text) for _, line in block.commands]

    assert sorted({*MENU} - words(commands)) == []


def test_every_word_of_the_menu_is_drawn_by_plans_or_there_is_a_reason() -> None:
    commands = [step.command for seed in range(SEEDS) for step in make_plan(seed).steps]

    assert sorted({*MENU} - words(commands)) == sorted(NOT_DRAWN)


def test_page_of_the_menu_names_scenarios_that_there_are() -> None:
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("|")]
    named = [name for row in rows for name in re.findall(r"`([a-z0-9/-]+)`", row[-2])]

    assert len(named) > len(MENU) // 2
    assert [name for name in named if not (SCENARIOS / f"{name}.scenario").is_file()] == []
