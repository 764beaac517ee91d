"""Why an action cannot run, worded for people."""

from __future__ import annotations

import pytest

from ninefold.scheduler.reasons import in_turn


@pytest.mark.parametrize(
    ("why", "worded"),
    [
        ("it has no node", "it has no node"),
        (
            "it waits for the start of web:0: no node is available",
            "it waits for the start of web:0: no node is available",
        ),
        (
            "it waits for the start of b: it waits for the running of c: ",
            "it waits for the start of b, which waits for the start of c",
        ),
        (
            (
                "it waits for the start of b: it waits for the start of c: it waits for the start of d:"
                " it waits for the promoted of e: it has no node"
            ),
            (
                "it waits for the start of b, which waits for 2 more in turn and in the end for the"
                " promotion of e: it has no node"
            ),
        ),
        (
            "it waits for the clone-one-or-more:order-1 of clone-one-or-more:order-1: ",
            "it waits for enough of what order-1 asks for",
        ),
    ],
)
def test_of_those_that_wait_in_turn_the_first_and_the_last_are_named(why: str, worded: str) -> None:
    assert in_turn(why) == worded
