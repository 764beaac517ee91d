"""The checklist's items that an audit answers: yes, no, and what cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.design.audit.facts import Planned, TimeSync, Unit, Unread, Watchdog
from ninefold.design.checklist_hosts import HOSTS_PROBES, managed_twice
from tests.audit_hosts import sound

SOFT = Watchdog("/dev/watchdog0", "softdog", 60, None)
BOARD = Watchdog("/dev/watchdog1", "iTCO_wdt", 60, None)
LINE = Planned("/dev/drbd0", "/srv", "ext4", "defaults")


@pytest.mark.parametrize(
    ("number", "changes", "state"),
    [
        (15, {"watchdogs": (BOARD,)}, "yes"),
        (15, {"watchdogs": (SOFT,)}, "no"),
        (15, {"watchdogs": (SOFT, BOARD)}, "yes"),
        (15, {"watchdogs": ()}, "no"),
        (15, {"watchdogs": (), "unread": (Unread("watchdogs", "no /sys"),)}, "open"),
        (15, {"watchdogs": (Watchdog("/dev/watchdog", "", None, None),)}, "open"),
        (16, {"time": TimeSync("chrony", True, ("pool x",))}, "yes"),
        (16, {"time": TimeSync("chrony", True, ("server x",))}, "no"),
        (16, {"time": TimeSync("chrony", False, ("pool x",))}, "no"),
        (16, {"time": TimeSync("chrony", True, ())}, "open"),
        (62, {"log_persistent": False}, "no"),
        (62, {"log_persistent": None}, "open"),
        (62, {"log_persistent": True}, "open"),
    ],
)
def test_item_by_one_host(number: int, changes: dict[str, Any], state: str) -> None:
    assert HOSTS_PROBES[number]([sound(**changes)]).state == state


@pytest.mark.parametrize(
    ("changes", "fstab", "units"),
    [
        ({"units": (Unit("cron.service", "running"),)}, "yes", "yes"),
        ({"planned": (LINE,), "units": (Unit("nginx.service", "dead", "enabled"),)}, "no", "no"),
        ({"planned": (Planned("a", "/srv", "ext4", "noauto"),)}, "yes", "open"),
    ],
)
def test_what_the_cluster_manages_and_the_system_starts(
    changes: dict[str, Any], fstab: str, units: str
) -> None:
    found = managed_twice([sound(**changes)], ("nginx",), ("/srv",))

    assert (found[49].state, found[55].state) == (fstab, units)
