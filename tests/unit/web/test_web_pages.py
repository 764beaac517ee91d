"""The dashboard's page: everything is shown, nothing is taken for markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.testing import TestClient

from ninefold.api.client import Client
from ninefold.web.pages import build, render
from tests.door_world import STATUS, open_door

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "<script>alert('x')</script>\"&"


def test_hostile_names_are_text() -> None:
    node = STATUS["nodes"][0] | {"name": HOSTILE, "state": HOSTILE, "detail": HOSTILE}
    resource = {
        "id": HOSTILE,
        "group": HOSTILE,
        "agent": HOSTILE,
        "role": HOSTILE,
        "nodes": [HOSTILE],
        "blocked": HOSTILE,
    }
    status = STATUS | {
        "cluster": HOSTILE,
        "node": HOSTILE,
        "dc": HOSTILE,
        "cib": HOSTILE,
        "store": HOSTILE,
        "quorum": {"quorate": False, "reason": HOSTILE},
        "nodes": [node],
        "resources": [resource],
        "fencing": [{"node": HOSTILE, "state": HOSTILE, "reason": HOSTILE}],
        "failures": [{"operation": HOSTILE, "node": HOSTILE, "reason": HOSTILE}],
        "warnings": [HOSTILE],
    }

    page = render(status)

    assert "<script" not in page
    # Every place that shows a text: 7 in the head, 3 of the node, 5 of the resource, 3 and 3.
    assert page.count("&lt;script&gt;") == 22


def test_page_shows_a_live_node(tmp_path: Path) -> None:
    with open_door(tmp_path) as door, TestClient(build(Client(str(door.path)))) as browser:
        page = browser.get("/")

        assert page.status_code == 200
        assert ">n2</td>" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert browser.get("/status.json").json() == STATUS


def test_node_that_is_away_is_said_on_the_page(tmp_path: Path) -> None:
    with TestClient(build(Client(str(tmp_path / "none")))) as browser:
        assert "No node is running here" in browser.get("/fragment").text
        assert browser.get("/status.json").status_code == 503
