"""What the operator gave `ninefoldd` is wrong: it says what, where and what to do, and never dies silently.

A daemon of its own for each, in a network namespace with nothing but a loopback.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ninefold.api.client import Client, DoorClosedError
from tests.system.stories import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.root]

EXIT_CONFIG = 78

CONF = """\
totem {{
    version: 2
    cluster_name: alone
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 1000
    keyfile: {key}
}}
nodelist {{
    node {{
        nodeid: 1
        name: alone
        ring0_addr: 127.0.0.1
    }}
}}
quorum {{
    provider: corosync_votequorum
}}
"""

CIB = """\
<cib validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="options">
        <nvpair id="options-fencing" name="stonith-enabled" value="false"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>{resources}</resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""


# Has the ring's port until its parent, which becomes the daemon, ends.
HOLD = """
import os, socket, time
parent = os.getppid()
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("127.0.0.1", 5405))
print("taken", flush=True)
while os.getppid() == parent:
    time.sleep(0.02)
"""


class Place(msgspec.Struct):
    """The files of one daemon."""

    directory: Path

    @property
    def conf(self) -> Path:
        return self.directory / "corosync.conf"

    @property
    def key(self) -> Path:
        return self.directory / "authkey"

    @property
    def cib(self) -> Path:
        return self.directory / "cib.xml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def socket(self) -> Path:
        return self.directory / "run/ninefold.sock"

    def argv(self, before: str = "") -> list[str]:
        """Return what runs the daemon; `before` is a shell line for its namespace."""
        script = f'ip link set lo up; {before}\nexec "$@"'
        daemon = [sys.executable, "-m", "ninefold.cli.ninefoldd", "--config", str(self.conf)]
        daemon += ["--state", str(self.state), "--run", str(self.socket.parent)]
        if self.cib.exists():
            daemon += ["--cib", str(self.cib)]
        return ["unshare", "--net", "--", "sh", "-ec", script, "sh", *daemon]

    def refuse(self, before: str = "") -> str:
        """Run a daemon that must not start; return what it says, which is never a traceback."""
        done = subprocess.run(
            self.argv(before), capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == EXIT_CONFIG, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert not self.socket.exists()
        return done.stderr

    @contextlib.contextmanager
    def running(self) -> Iterator[Client]:
        """Run a daemon that must start; it must also end well when told to."""
        log = self.directory / "log"
        with log.open("wb") as output:
            daemon = subprocess.Popen(self.argv(), stdout=output, stderr=output)
        try:
            client = Client(str(self.socket))
            wait_for("the daemon answers", lambda: answers(daemon, client), 20)
            yield client
            os.kill(daemon.pid, signal.SIGTERM)
            assert daemon.wait(20) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()


def answers(daemon: subprocess.Popen[bytes], client: Client) -> bool:
    assert daemon.poll() is None, f"the daemon ended with {daemon.returncode}"
    with contextlib.suppress(DoorClosedError, OSError):
        status = client.status()
        return bool(status["quorum"]["quorate"] and status["formed"] and status["settled"])
    return False


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Everything as it should be."""
    place = Place(tmp_path)
    place.key.touch(mode=0o400)
    place.key.chmod(0o600)
    place.key.write_bytes(bytes(range(256)))
    place.key.chmod(0o400)
    place.conf.write_text(CONF.format(key=place.key))
    place.cib.write_text(CIB.format(resources=""))
    return place


def test_with_good_files_it_runs_and_ends_when_told_to(place: Place) -> None:
    with place.running() as client:
        status = client.status()

    assert status["quorum"]["quorate"]
    assert [node["state"] for node in status["nodes"]] == ["online"]
    assert not place.socket.exists()


def test_every_mistake_in_a_broken_file_is_told_at_once(place: Place) -> None:
    text = place.conf.read_text()
    text = text.replace("token: 1000", "token: soon").replace(
        "transport: knet", "transport: pigeon"
    )
    text = text.replace("ring0_addr: 127.0.0.1", "ring0_adr: 127.0.0.1")
    place.conf.write_text(text + "quorum {\n")

    said = place.refuse()

    for word in ("soon", "pigeon", "ring0_adr"):
        assert word in said, said
    lines = [line for line in said.splitlines() if f"{place.conf}:" in line]
    assert len(lines) >= 3, said


def test_a_missing_key_and_a_broken_cib_are_told_together(place: Place) -> None:
    place.key.unlink()
    place.cib.write_text(CIB.format(resources="<primitive id='p'>"))

    said = place.refuse()

    assert f"{place.key} cannot be read: No such file or directory" in said
    assert "corosync-keygen" in said
    assert f"{place.cib}:" in said
    assert "Not well-formed XML" in said


def test_a_key_that_everybody_may_read_is_refused(place: Place) -> None:
    place.key.chmod(0o444)

    said = place.refuse()

    assert "mode 0444" in said
    assert f"chmod 0400 {place.key}" in said


def test_a_cib_that_pacemaker_could_not_use_either_is_refused(place: Place) -> None:
    place.cib.write_text("<cib><configuration/></cib")

    assert f"{place.cib}:1" in place.refuse()


def test_a_missing_configuration_is_told_with_its_path(place: Place) -> None:
    place.conf.unlink()

    said = place.refuse()

    assert f"{place.conf}" in said
    assert "No such file or directory" in said
    assert "--config" in said


def test_a_port_in_use_is_named_with_its_address(place: Place) -> None:
    taken = place.directory / "taken"
    before = f"{sys.executable} -ISc '{HOLD}' >{taken} 2>&1 & while [ ! -s {taken} ]; do :; done"

    said = place.refuse(before)

    assert "127.0.0.1" in said
    assert "5405" in said


def test_a_state_directory_that_cannot_be_written_is_named(place: Place) -> None:
    place.state.write_text("a file, not a directory")

    said = place.refuse()

    assert f"{place.state}" in said
    assert "--state" in said


def test_a_state_directory_that_may_not_be_written_is_named(place: Place) -> None:
    place.state.mkdir(mode=0o555)

    # Root without the right to ignore the mode, as under a systemd unit that takes it away.
    said = place.refuse('set -- setpriv --bounding-set=-dac_override,-dac_read_search "$@"')

    assert f"{place.state}" in said
    assert "ermission denied" in said or "not writable" in said


def test_a_socket_that_cannot_be_made_is_named(place: Place) -> None:
    place.socket.parent.write_text("a file, not a directory")

    done = subprocess.run(place.argv(), capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == EXIT_CONFIG
    assert f"{place.socket}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_daemon_finds_the_first_one_and_leaves_it_alone(place: Place) -> None:
    with place.running() as client:
        done = subprocess.run(place.argv(), capture_output=True, text=True, check=False, timeout=30)
        status = client.status()

    assert done.returncode == EXIT_CONFIG, done.stderr
    assert "Traceback" not in done.stderr
    assert status["settled"]


def test_an_agent_that_is_not_installed_is_told_and_the_cluster_lives(place: Place) -> None:
    missing = '<primitive id="odd" class="ocf" provider="nobody" type="nothing"/>'
    plain = '<primitive id="plain" class="ocf" provider="heartbeat" type="Dummy"/>'
    place.cib.write_text(CIB.format(resources=missing + plain))

    with place.running() as client:
        wait_for("the failure is told", lambda: failures(client))
        (failure,) = failures(client)
        status = client.status()

    assert failure["resource"] == "odd"
    assert failure["rc"] == 5
    assert "not installed" in failure["reason"] or "nothing" in failure["reason"], failure
    odd, _ = status["resources"]
    assert odd["nodes"] == []
    assert status["settled"]


def failures(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.status()["failures"]
    return found


def test_a_request_that_is_none_is_refused_and_the_daemon_lives(place: Place) -> None:
    with place.running() as client, socket.socket(socket.AF_UNIX) as door:
        door.connect(str(place.socket))
        body = b'{"type": "change", "change": {"type": "SetProperty", "name": 7}}'
        head = f"POST /v1/requests HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        door.sendall(head + body)
        with door.makefile("rb") as reader:
            answer = reader.read().decode()
        assert client.status()["settled"]

    assert " 409 " in answer.splitlines()[0]
    assert "$.change.name" in answer
