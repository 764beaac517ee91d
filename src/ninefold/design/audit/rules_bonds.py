"""Rules of bonds: whether a dead link is noticed, and whether there is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ninefold.design.audit.rules import ERROR, INFO, WARNING, Rule, Sight, open_question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninefold.design.audit.facts import HostFacts

_LACP: Final = "802.3ad"
_STATIC: Final = ("balance-rr", "balance-xor", "broadcast")


def unmonitored(facts: HostFacts) -> Iterator[Sight]:
    """A bond that does not notice a dead link."""
    for bond in facts.bonds:
        if bond.miimon_ms == 0 and bond.arp_interval_ms == 0:
            yield Sight(
                bond.name,
                f"{bond.name} does not look at its links: a dead one goes on being used.",
                f"mode {bond.mode}, miimon 0, arp_interval 0",
                "Set miimon=100.",
            )


def slave_down(facts: HostFacts) -> Iterator[Sight]:
    """A bond with a dead slave."""
    for bond in facts.bonds:
        down = [slave for slave in bond.slaves if slave not in bond.slaves_up]
        if down and bond.slaves:
            left = (
                f"only {', '.join(bond.slaves_up)} carries it" if bond.slaves_up else "none is left"
            )
            yield Sight(
                bond.name,
                f"{', '.join(down)} of {bond.name} is down; {left}.",
                f"slaves {', '.join(bond.slaves)}; MII status up: {', '.join(bond.slaves_up) or 'none'}",
                "Check the cable, the transceiver and the switch's port.",
            )


def single_slave(facts: HostFacts) -> Iterator[Sight]:
    """A bond of one."""
    for bond in facts.bonds:
        if len(bond.slaves) < 2:
            yield Sight(
                bond.name,
                f"{bond.name} has {'one slave' if bond.slaves else 'no slave'}: it doubles nothing.",
                f"slaves: {', '.join(bond.slaves) or 'none'}",
                "Add a second card, on a second switch.",
            )


def no_partner(facts: HostFacts) -> Iterator[Sight]:
    """802.3ad that nobody answers."""
    for bond in facts.bonds:
        if bond.mode != _LACP or bond.lacp_partner:
            continue
        if not bond.lacp_seen:
            yield open_question(
                bond.name,
                f"Whether a switch speaks LACP with {bond.name} is unknown.",
                "the kernel tells the partner to administrators only",
                "Run the audit as root.",
            )
            continue
        yield Sight(
            bond.name,
            f"No switch speaks LACP with {bond.name}: one slave is used, and a dead switch is not noticed.",
            "mode 802.3ad, partner MAC 00:00:00:00:00:00",
            "Configure LACP on the switch's ports, or use active-backup, which needs nothing of the switch.",
        )


def split(facts: HostFacts) -> Iterator[Sight]:
    """Slaves that LACP could not join: only one part of them is used."""
    for bond in facts.bonds:
        # A slave that is down is alone in its aggregator, and another rule tells of it.
        joined = {s: number for s, number in bond.aggregators.items() if s in bond.slaves_up}
        if bond.mode == _LACP and len({*joined.values()}) > 1:
            told = ", ".join(f"{slave}: {number}" for slave, number in joined.items())
            yield Sight(
                bond.name,
                f"The slaves of {bond.name} are not joined: one aggregator is used, the others wait.",
                f"aggregators {told}",
                "Put all ports into one channel; two switches must act as one for it (MLAG, a stack).",
            )


def slow_lacp(facts: HostFacts) -> Iterator[Sight]:
    """LACP that needs 90 seconds to notice."""
    for bond in facts.bonds:
        if bond.mode == _LACP and bond.lacp_rate == "slow":
            yield Sight(
                bond.name,
                f"{bond.name} hears of a silent partner after 90 s only, unless the link goes down with it.",
                "lacp_rate slow: a packet in 30 s, three may be missing",
                "Set lacp_rate=fast (3 s) here and on the switch.",
            )


def needs_switch(facts: HostFacts) -> Iterator[Sight]:
    """Modes that confuse a switch which does not know of them."""
    for bond in facts.bonds:
        if bond.mode in _STATIC:
            yield Sight(
                bond.name,
                f"Mode {bond.mode} works only with a static channel on the switch, which nothing checks.",
                f"mode {bond.mode}",
                "For availability use active-backup, or 802.3ad with LACP.",
            )


RULES: Final = (
    Rule("bond-unmonitored", "network", ERROR, False, "A bond without miimon", unmonitored),
    Rule("bond-slave-down", "network", ERROR, False, "A bond with a dead slave", slave_down),
    Rule("bond-single-slave", "network", WARNING, True, "A bond of one", single_slave),
    Rule("bond-no-partner", "network", ERROR, False, "LACP without a partner", no_partner),
    Rule("bond-split", "network", ERROR, False, "LACP in several aggregators", split),
    Rule("bond-slow-lacp", "network", WARNING, False, "LACP with slow timers", slow_lacp),
    Rule("bond-static", "network", INFO, False, "A mode that needs a static channel", needs_switch),
)
