"""`ninefold audit` on real things: links of a namespace, a bus, a host that nobody may write to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ninefold.design.audit.facts import HostFacts

pytestmark = pytest.mark.system

NINEFOLD = [sys.executable, "-c", "from ninefold.cli.main import app; app()"]
AUDIT = [*NINEFOLD, "audit", "--json"]


def within(script: str, *words: str, how: tuple[str, ...] = ("--net", "--mount")) -> str:
    """Run a shell script in namespaces of its own; `$@` are the words."""
    argv = ["unshare", "--user", "--map-root-user", *how, "sh", "-ec", script, "sh", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def host(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["hosts"][0]
    return found


def test_links_of_a_namespace_over_netlink() -> None:
    # Kinds that this kernel lacks are left out, and then must not be seen either.
    script = """
    ip link set lo up
    ip link add v0 type veth peer name v1
    ip link add br0 type bridge
    ip link set v1 master br0
    ip addr add 10.91.0.2/24 dev v0
    for link in v0 v1 br0; do ip link set $link up; done
    if ip link add link v0 name v0.7 type vlan id 7 2>/dev/null; then echo v0.7; fi
    if ip link add bond9 type bond mode 802.3ad miimon 100 2>/dev/null; then
        ip link add d0 type dummy; ip link set d0 master bond9; ip link set bond9 up
        echo bond9
    fi
    ip neigh add 10.91.0.1 lladdr 00:00:5e:00:01:07 dev v0
    ip route add default via 10.91.0.1
    echo --
    "$@"
    """

    made, _, told = within(script, *AUDIT).partition("--\n")

    facts = host(told)
    links = {link["name"]: link for link in facts["links"]}
    assert links["v0"]["kind"] == "veth"
    assert links["v0"]["addresses"][0] == "10.91.0.2/24"
    assert (links["v0"]["virtual"], links["v0"]["driver"]) == (True, "")
    assert (links["br0"]["kind"], links["v1"]["master"]) == ("bridge", "br0")
    assert {"v0.7", "bond9"} & set(links) == {*made.split()}
    for name, kind, parent in (("v0.7", "vlan", "v0"), ("bond9", "bond", "")):
        if name in links:
            assert (links[name]["kind"], links[name]["parent"]) == (kind, parent)
    assert [bond["mode"] for bond in facts["bonds"]] == ["802.3ad"] * ("bond9" in links)
    (way,) = (route for route in facts["routes"] if route["target"] == "default")
    assert (way["gateway"], way["link"], way["gateway_mac"]) == (
        "10.91.0.1",
        "v0",
        "00:00:5e:00:01:07",
    )
    # A virtual router's MAC: the one gateway is no single point.
    codes = [judgement["code"] for judgement in json.loads(told)["judgements"]]
    assert "gateway-single" not in codes


def test_address_that_expires_and_one_that_stays() -> None:
    script = """
    ip link add v0 type veth peer name v1
    ip addr add 10.91.0.2/24 dev v0
    ip addr add 10.91.0.3/24 dev v0 valid_lft 600 preferred_lft 300
    ip link set v0 up
    "$@"
    """

    facts = host(within(script, *AUDIT))

    (link,) = (link for link in facts["links"] if link["name"] == "v0")
    assert link["dynamic"] == ["10.91.0.3/24"]


def test_audit_of_a_host_that_nobody_may_write_to() -> None:
    # Everything is mounted read-only, so that an attempt to write anywhere would be an error.
    script = """
    mount --rbind / /mnt
    for point in $(awk '{print $5}' /proc/self/mountinfo | grep '^/mnt' | sort -r); do
        mount -o remount,bind,ro "$point" 2>/dev/null || true
    done
    for place in /mnt/etc /mnt/run /mnt/var/tmp /mnt/tmp; do
        if touch $place/audit-test 2>/dev/null; then echo "$place is writable" >&2; exit 9; fi
    done
    exec chroot /mnt "$@"
    """
    usual = host(within('"$@"', *AUDIT))

    facts = host(within(script, *AUDIT))

    assert not [u for u in facts["unread"] if "ead-only" in u["why"]]
    for part in ("links", "routes", "names", "packages", "disks", "units", "cluster_files"):
        assert facts[part] == usual[part], part


def test_audit_leaves_a_host_as_it_was() -> None:
    # Files, mounts, links and modules are the same before and after. /etc and /var are copies, so that
    # nobody else on this machine writes to them meanwhile.
    script = """
    mount -t tmpfs none /mnt; mkdir -p /mnt/var/log /mnt/var/lib
    cp -r /etc /mnt/etc 2>/dev/null || true
    cp -r /var/lib/dpkg /mnt/var/lib/ 2>/dev/null || true
    cp /var/log/wtmp /mnt/var/log/ 2>/dev/null || true
    mount --bind /mnt/etc /etc; mount --bind /mnt/var /var; mount -t tmpfs none /run
    ip link add v0 type veth peer name v1; ip link set v0 addrgenmode none; ip link set v0 up
    look() {
        find /etc /run /var -printf '%p %T@ %C@ %s %m\\n' | sort
        cat /proc/self/mountinfo
        ip -o link; ip -o addr; ip route
        cut -d' ' -f1 /proc/modules 2>/dev/null || true
    }
    look > /mnt/before
    "$@" > /mnt/told || true
    look > /mnt/after
    cmp /mnt/before /mnt/after
    wc -l < /mnt/before
    cat /mnt/told
    """

    lines, _, told = within(script, *AUDIT).partition("\n")

    assert int(lines) > 100
    assert host(told)["links"]


STAND_IN = """
import asyncio, sys
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusSignature
from dbus_fast.service import ServiceInterface, method
from typing import Annotated

class Manager(ServiceInterface):
    @method()
    def ListUnits(self) -> Annotated[list, DBusSignature('a(ssssssouso)')]:
        row = lambda name, sub: [name, 'about ' + name, 'loaded', 'active', sub, '', '/a', 0, '', '/']
        return [row('nginx.service', 'running'), row('db.service', 'failed'), row('x.mount', 'mounted')]

    @method()
    def ListUnitFiles(self) -> Annotated[list, DBusSignature('a(ss)')]:
        return [['/lib/systemd/system/nginx.service', 'enabled']]

async def main():
    bus = await MessageBus(bus_address=sys.argv[1]).connect()
    bus.export('/org/freedesktop/systemd1', Manager('org.freedesktop.systemd1.Manager'))
    await bus.request_name('org.freedesktop.systemd1')
    print('ready', flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""

# A host whose systemd is seen by its directory; the bus is what a test makes of it.
BUS = """
mount -t tmpfs none /run; mkdir -p /run/systemd/system
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus
"""


def bus_is_installed() -> None:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed")


def test_services_over_a_bus_that_has_a_manager() -> None:
    bus_is_installed()
    # The manager's answers stand in for systemd's, which cannot run in a namespace; the bus, its
    # protocol and the types of the answers are real.
    script = f"""{BUS}
    dbus-daemon --session --nofork --address=$DBUS_SYSTEM_BUS_ADDRESS 2>/dev/null & bus=$!
    while [ ! -S /run/bus ]; do sleep 0.02; done
    "$1" -c "$2" "$DBUS_SYSTEM_BUS_ADDRESS" > /run/ready & manager=$!
    while ! grep -q ready /run/ready; do sleep 0.02; done
    shift 2
    "$@" || true
    kill $manager $bus
    """

    told = within(script, sys.executable, STAND_IN, *AUDIT)

    units = [(u["name"], u["state"], u["enabled"]) for u in host(told)["units"]]
    assert units == [("db.service", "failed", ""), ("nginx.service", "running", "enabled")]
    failed = [j for j in json.loads(told)["judgements"] if j["code"] == "unit-failed"]
    assert [judgement["subject"] for judgement in failed] == ["db.service"]


def test_services_where_nobody_answers_on_the_bus() -> None:
    bus_is_installed()
    script = f"""{BUS}
    dbus-daemon --session --nofork --address=$DBUS_SYSTEM_BUS_ADDRESS 2>/dev/null & bus=$!
    while [ ! -S /run/bus ]; do sleep 0.02; done
    "$@" || true
    kill $bus
    """

    facts = host(within(script, *AUDIT))

    (unread,) = (u for u in facts["unread"] if u["what"] == "services of systemd")
    assert "org.freedesktop.systemd1" in unread["why"]


def test_services_where_there_is_no_bus() -> None:
    facts = host(within(f'{BUS}\n"$@"', *AUDIT))

    (unread,) = (u for u in facts["unread"] if u["what"] == "services of systemd")
    assert "bus" in unread["why"]


# As root the imports, as somebody else the look: the interpreter may lie where others may not read.
AS_NOBODY = """
import os, sys, msgspec
from pathlib import Path
from ninefold.design.audit.collect import collect
from ninefold.design.audit.judge import audit
collect(Path('/'), now=1790000000)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
tree = collect(Path(sys.argv[1]), now=1790000000)
own = collect(Path('/'), now=1790000000)
print(msgspec.json.encode([tree, own]).decode())
audit([tree, own])
"""


@pytest.mark.root
def test_ordinary_user_is_told_what_only_root_can_read(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    cib = tree / "var/lib/pacemaker/cib/cib.xml"
    cib.parent.mkdir(parents=True)
    cib.write_text("<cib/>")
    cib.chmod(0o600)
    log = tree / "var/log/kern.log"
    log.parent.mkdir(parents=True)
    log.write_text("")
    log.chmod(0o640)
    for path in (tmp_path, *tmp_path.parents):
        if (
            path != Path("/tmp")
            and path.is_relative_to("/tmp")
            and path.stat().st_uid == os.geteuid()
        ):
            path.chmod(path.stat().st_mode | 0o011)

    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(tree)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    found, own = (HostFacts(**one) for one in json.loads(done.stdout))
    denied = {u["what"] for u in found.unread if u["why"] == "permission denied"}  # type: ignore[index]
    assert {"/var/lib/pacemaker/cib/cib.xml", "/var/log/kern.log"} <= denied
    assert (found.as_root, own.as_root) == (False, False)
    assert own.links
    assert own.disks


def test_bound_of_time_and_exit_code_of_a_whole_look() -> None:
    done = subprocess.run(AUDIT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    broken = [j for j in found["judgements"] if j["severity"] == "error"]
    assert done.returncode == (1 if broken else 0)
