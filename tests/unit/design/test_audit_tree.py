"""A whole machine as a tree of files: what is collected, what it means, the model of it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ninefold.design.audit.collect import collect
from ninefold.design.audit.judge import audit
from ninefold.design.audit.to_model import to_model
from ninefold.design.load import load_text
from tests.unit.design.test_audit_collectors import NOW, lay, wtmp_record

if TYPE_CHECKING:
    from pathlib import Path

NET = "/sys/class/net"
PCI = "../../../0000:03:00."
BONDING = """\
Ethernet Channel Bonding Driver: v6.1.0

Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer2 (0)
MII Status: up
MII Polling Interval (ms): 0
Up Delay (ms): 0
Down Delay (ms): 0

802.3ad info
LACP rate: slow
Partner Mac Address: 00:00:00:00:00:00

Slave Interface: eno1
MII Status: up
Aggregator ID: 1

Slave Interface: eno2
MII Status: down
Aggregator ID: 2
"""
CIB = """<cib><configuration><resources>
<primitive id="w" class="systemd" type="nginx"/>
<primitive id="f" class="ocf" provider="heartbeat" type="Filesystem"><instance_attributes id="i">
<nvpair id="n" name="directory" value="/srv"/></instance_attributes></primitive>
</resources></configuration></cib>"""
CONF = "totem {\n version: 2\n}\nnodelist {\n node {\n name: db1\n }\n node {\n name: db2\n }\n}\n"


def card(name: str, function: int, *, carrier: int) -> dict[str, str | bytes]:
    return {
        f"{NET}/{name}/address": f"52:54:00:00:00:0{function}\n",
        f"{NET}/{name}/flags": "0x1803\n",
        f"{NET}/{name}/carrier": f"{carrier}\n",
        f"{NET}/{name}/mtu": "1500\n",
        f"{NET}/{name}/device": f"-> {PCI}{function}",
        f"{NET}/{name}/master": "-> ../bond0",
    }


MACHINE: dict[str, str | bytes] = {
    "/etc/hostname": "db1\n",
    "/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 db1\n",
    "/etc/resolv.conf": "nameserver 10.0.0.53\n",
    "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "/etc/fstab": "/dev/md0 / ext4 defaults 0 1\n/dev/drbd0 /srv ext4 defaults 0 2\n",
    "/etc/chrony/chrony.conf": "server 10.0.0.9\n",
    "/etc/corosync/corosync.conf": CONF,
    "/var/lib/pacemaker/cib/cib.xml": CIB,
    "/etc/systemd/system/multi-user.target.wants/nginx.service": "-> /lib/nginx.service",
    "/var/lib/dpkg/status": "Package: corosync\nStatus: install ok installed\nVersion: 3.1.7\n",
    "/proc/1/comm": "systemd\n",
    "/proc/70/comm": "corosync\n",
    "/proc/71/comm": "postgres\n",
    "/proc/cpuinfo": "processor : 0\nprocessor : 1\nflags : fpu\n",
    "/proc/meminfo": "MemTotal: 2048000 kB\nSwapTotal: 1024000 kB\n",
    "/proc/uptime": "86400.5 1\n",
    "/proc/vmstat": "oom_kill 0\n",
    "/proc/drbd": " 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown C r-----\n",
    "/proc/self/mountinfo": (
        "25 1 9:0 / / rw,relatime - ext4 /dev/md0 rw\n"
        "26 1 8:33 / /data rw - xfs /dev/sdc1 rw\n"
        "27 1 0:50 / /home rw - nfs4 filer:/home rw\n"
    ),
    "/proc/net/bonding/bond0": BONDING,
    "/proc/net/route": (
        "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
        "bond0 00000000 0100000A 0003 0 0 100 00000000 0 0 0\n"
    ),
    **card("eno1", 0, carrier=1),
    **card("eno2", 1, carrier=0),
    f"{NET}/bond0/address": "52:54:00:00:00:00\n",
    f"{NET}/bond0/flags": "0x1443\n",
    f"{NET}/bond0/carrier": "1\n",
    f"{NET}/bond0/bonding/mode": "802.3ad 4\n",
    f"{NET}/bond0/bonding/slaves": "eno1 eno2\n",
    "/proc/net/if_inet6": "fd000000000000000000000000000002 04 40 00 80    bond0\n",
    "/sys/block/sda/size": "2000000\n",
    "/sys/block/sda/dev": "8:0\n",
    "/sys/block/sda/queue/rotational": "1\n",
    "/sys/block/sdb/size": "2000000\n",
    "/sys/block/sdb/dev": "8:16\n",
    "/sys/block/sdc/size": "2000000\n",
    "/sys/block/sdc/dev": "8:32\n",
    "/sys/block/sdc/sdc1/partition": "1\n",
    "/sys/block/sdc/sdc1/dev": "8:33\n",
    "/sys/block/md0/dev": "9:0\n",
    "/sys/block/md0/size": "2000000\n",
    "/sys/block/md0/slaves/sda": "",
    "/sys/block/md0/slaves/sdb": "",
    "/sys/block/md0/md/level": "raid1\n",
    "/sys/block/md0/md/raid_disks": "2\n",
    "/sys/block/md0/md/array_state": "clean\n",
    "/sys/block/md0/md/dev-sda/state": "in_sync\n",
    "/sys/block/md0/md/dev-sdb/state": "faulty\n",
    "/sys/class/dmi/id/sys_vendor": "Dell Inc.\n",
    "/sys/class/dmi/id/product_name": "PowerEdge R650\n",
    "/sys/class/watchdog/watchdog0/identity": "Software Watchdog\n",
    "/sys/devices/system/edac/mc/mc0/ce_count": "4\n",
    "/sys/devices/system/edac/mc/mc0/ue_count": "0\n",
    "/var/log/kern.log": (
        "2026-09-20T00:00:00.1+00:00 db1 kernel: [1.0] blk_update_request: I/O error, dev sdb\n"
        "2026-09-20T00:00:01.1+00:00 db1 kernel: [2.0] Out of memory: Killed process 3 (x)\n"
    ),
    "/var/log/wtmp": b"".join(
        [wtmp_record(2, "reboot", NOW - 900_000), wtmp_record(2, "reboot", NOW - 86_400)]
    ),
}


def test_everything_wrong_with_a_machine_is_found_and_nothing_else(tmp_path: Path) -> None:
    lay(tmp_path, MACHINE)

    found = audit([collect(tmp_path, now=NOW)])

    assert found.hosts[0].unread
    told = [(j.code, j.severity) for j in found.judgements if not j.unknown]
    assert sorted(told) == [
        ("bond-no-partner", "error"),
        ("bond-slave-down", "error"),
        ("bond-slow-lacp", "warning"),
        ("bond-unmonitored", "error"),
        ("disk-single", "warning"),
        ("drbd-alone", "error"),
        ("file-server-single", "warning"),
        ("fstab-managed", "error"),
        ("gateway-single", "warning"),
        ("hardware-errors", "error"),
        ("memory-errors", "warning"),
        ("nic-no-carrier", "warning"),
        ("nic-same-board", "warning"),
        ("out-of-memory", "warning"),
        ("own-name-loopback", "error"),
        ("raid-degraded", "error"),
        ("reboot-unclean", "warning"),
        ("resolver-single", "warning"),
        ("swap", "warning"),
        ("time-source-single", "warning"),
        ("unit-managed", "error"),
        ("watchdog", "warning"),
    ]
    doubts = sorted({j.code for j in found.judgements if j.unknown})
    assert doubts == ["clock", "internet-line", "psu-single", "switch-single"]


def test_model_of_that_machine(tmp_path: Path) -> None:
    lay(tmp_path, MACHINE)

    model, findings = load_text(to_model(audit([collect(tmp_path, now=NOW)])))

    assert model is not None, findings
    kinds = {name: part.kind for name, part in model.parts.items()}
    assert kinds == {
        "gateway-10.0.0.1": "router",
        "resolver-10.0.0.53": "dns-server",
        "files-filer": "nfs-server",
        "db1": "node",
        "db1-eno1": "nic",
        "db1-eno2": "nic",
        "db1-bond0": "bond",
        "db1-sda": "disk",
        "db1-sdb": "disk",
        "db1-md0": "raid",
        "db1-sdc": "disk",
        "db2": "node",
    }
    assert model.groups["cluster"].nodes == ("db1", "db2")
    assert list(model.services) == ["postgres-of-cluster"]


def test_records_of_wtmp_have_the_size_of_the_c_library() -> None:
    assert len(wtmp_record(2, "reboot", NOW)) == 384
    assert struct.calcsize("<hxxi32s4s32s256shhiii4i20x") == 384
