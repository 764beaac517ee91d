"""What the binding has to live with on a real Corosync: no room, death, and two processes of one number."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from ninefold.lab import start
from ninefold.lab.client import Lab
from ninefold.lab.plan import Settings
from tests.conformance.test_conformance import last
from tests.conformance.test_conformance_real import (
    HERE,
    TOKEN_MS,
    Process,
    corosync_on_every_host,
    needs_corosync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.member import Seen

pytestmark = [pytest.mark.system, pytest.mark.root]

PROBE = "/run/ninefold-lab/shared/conformance/cpg_probe.py"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    needs_corosync()
    name = f"t{os.getpid()}-bind"
    settings = Settings(nodes=2, name=name, stack="none", token_ms=TOKEN_MS, token_coefficient_ms=0)
    with Lab.up(settings) as made:
        shared = start.link_of(name) / "shared" / "conformance"
        shared.mkdir()
        for file in ("driver.py", "member.py", "cpg_probe.py"):
            shutil.copy(HERE / file, shared / file)
        corosyncs = corosync_on_every_host(made)
        yield made
    for process in corosyncs:
        process.wait(10)


@contextlib.contextmanager
def alone_with_its_number(lab: Lab, saved: str) -> Iterator[Process]:
    """A member in a pid namespace of its own: every one of them is process 1, as in containers."""
    process = Process(lab, 1, "corosync", within=("unshare", "--pid", "--fork"), saved=saved)
    try:
        yield process
    finally:
        process.end()


def test_two_members_of_one_number_never_act_together_and_the_second_follows_the_first(
    lab: Lab,
) -> None:
    with alone_with_its_number(lab, "/var/lib/ninefold/first") as first:
        assert first.until(lambda log: quorum(log) == "yes")
        mark = len(first.log)

        with alone_with_its_number(lab, "/var/lib/ninefold/second") as second:
            # It is alone, by its own account, and may do nothing; the first one does not even notice.
            assert second.until(lambda log: quorum(log) == "no")
            assert first.log[mark:] == []

            first.end()

            assert second.until(lambda log: quorum(log) == "yes")


def test_what_finds_no_room_is_taken_later_in_its_order_and_the_daemons_death_is_an_error(
    lab: Lab,
) -> None:
    pid = lab.run("node2", "pidof", "corosync").stdout.strip()

    result = lab.run("node2", sys.executable, PROBE, pid)

    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["joined"] == 1
    # A Corosync that stands still took what its queue holds, a megabyte, and refused the next.
    assert 0 < found["taken"] < 40
    assert found["numbers"] == list(range(70))
    assert found["dead"] == [
        "cpg_dispatch: Corosync does not run, or has ended",
        "cpg_mcast_joined: Corosync does not run, or has ended",
    ]


def quorum(log: list[Seen]) -> str:
    seen = last(log, "quorum")
    return seen.text if seen else ""
