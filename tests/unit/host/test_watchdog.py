"""What is written to the watchdog's device: a plain file stands for it, which takes no timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninefold.host import watchdog
from ninefold.host.watchdog import DeviceWatchdog, NoWatchdog, open_watchdog

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a device that resets nothing, and let nothing here reset anything."""
    path = tmp_path / "watchdog"
    path.touch()
    monkeypatch.setattr(watchdog, "_ioctl", lambda _fd, _request, seconds: seconds)
    monkeypatch.setattr(watchdog, "reset", lambda _reason, _sysrq: None)
    return path


def test_watchdog_that_is_fed_and_closed_is_disarmed(device: Path) -> None:
    dog = DeviceWatchdog(1_500, device=device)
    assert dog.timeout_ms == 2_000

    dog.feed()
    dog.close()

    assert device.read_bytes() == b"\0V"
    assert not dog.armed


def test_daemon_that_ends_after_a_self_fence_does_not_disarm_what_is_to_reset_the_host(
    device: Path,
) -> None:
    dog = DeviceWatchdog(1_500, device=device)

    dog.self_fence("it cannot stop db")
    dog.feed()
    dog.close()

    assert device.read_bytes() == b""


def test_host_without_a_device_says_why(tmp_path: Path) -> None:
    dog = open_watchdog(1_500, device=tmp_path / "none")

    assert isinstance(dog, NoWatchdog)
    assert "No such file" in dog.reason
