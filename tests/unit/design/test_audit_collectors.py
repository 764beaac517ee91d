"""What collectors see below a made-up root: files as the kernel and the system write them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ninefold.design.audit import bonds, history, machine, network, packages, software, storage
from ninefold.design.audit.clock import time_sync
from ninefold.design.audit.collect import collect
from ninefold.design.audit.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = 1_790_000_000


def lay(root: Path, files: dict[str, str | bytes]) -> Source:
    """Write files below a root; a text that ends in `/` names a directory, `-> x` a symbolic link."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content.removeprefix("-> "))
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)
    return Source(root)


BOND = """\
Ethernet Channel Bonding Driver: v6.1.0

Bonding Mode: IEEE 802.3ad Dynamic link aggregation
Transmit Hash Policy: layer3+4 (1)
MII Status: up
MII Polling Interval (ms): 100
Up Delay (ms): 200
Down Delay (ms): 0

802.3ad info
LACP rate: fast
Partner Mac Address: 00:1b:21:aa:bb:cc

Slave Interface: eth0
MII Status: up
Speed: 10000 Mbps

Slave Interface: eth1
MII Status: down
Speed: Unknown
"""


def test_bond_as_proc_tells_it() -> None:
    bond = bonds.proc_bonding(BOND)

    assert (bond.mode, bond.miimon_ms, bond.updelay_ms) == ("802.3ad", 100, 200)
    assert (bond.slaves, bond.slaves_up) == (("eth0", "eth1"), ("eth0",))
    assert (bond.lacp_rate, bond.lacp_partner) == ("fast", "00:1b:21:aa:bb:cc")
    assert bond.xmit_hash == "layer3+4"


def test_bond_as_sysfs_tells_it(tmp_path: Path) -> None:
    sys = "/sys/class/net/bond0/bonding"
    source = lay(
        tmp_path,
        {
            f"{sys}/mode": "active-backup 1\n",
            f"{sys}/slaves": "eth0 eth1\n",
            f"{sys}/active_slave": "eth1\n",
            f"{sys}/primary": "eth0\n",
            f"{sys}/miimon": "0\n",
            f"{sys}/updelay": "0\n",
            "/sys/class/net/eth0/bonding_slave/mii_status": "down\n",
            "/sys/class/net/eth1/bonding_slave/mii_status": "up\n",
        },
    )

    (bond,) = bonds.bonds(source)

    assert (bond.name, bond.mode, bond.active_slave, bond.primary) == (
        "bond0",
        "active-backup",
        "eth1",
        "eth0",
    )
    assert (bond.miimon_ms, bond.slaves_up, bond.lacp_partner) == (0, ("eth1",), "")


def test_degraded_raid_that_rebuilds(tmp_path: Path) -> None:
    md = "/sys/block/md0/md"
    source = lay(
        tmp_path,
        {
            f"{md}/level": "raid1\n",
            f"{md}/raid_disks": "2\n",
            f"{md}/array_state": "active\n",
            f"{md}/sync_completed": "250 / 1000\n",
            f"{md}/dev-sda1/state": "in_sync\n",
            f"{md}/dev-sdb1/state": "spare\n",
            f"{md}/dev-sdc1/state": "faulty\n",
        },
    )

    (raid,) = storage.raids(source)

    assert (raid.level, raid.wanted, raid.working, raid.sync_percent) == ("raid1", 2, 1, 25.0)
    assert (raid.faulty, raid.spares) == (("sdc1",), ("sdb1",))


def test_disks_partitions_and_what_lies_on_them(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/sys/block/sda/size": "2097152\n",
            "/sys/block/sda/dev": "8:0\n",
            "/sys/block/sda/queue/rotational": "1\n",
            "/sys/block/sda/sda1/partition": "1\n",
            "/sys/block/sda/sda1/dev": "8:1\n",
            "/sys/block/sda/sda1/size": "1048576\n",
            "/sys/block/dm-0/dev": "253:0\n",
            "/sys/block/dm-0/size": "1024\n",
            "/sys/block/dm-0/dm/uuid": "LVM-abcdef\n",
            "/sys/block/dm-0/dm/name": "vg--data-lv--www\n",
            "/sys/block/dm-0/slaves/sda1": "",
            "/sys/block/loop0/size": "0\n",
            "/run/udev/data/b8:1": "E:ID_FS_TYPE=LVM2_member\nE:ID_FS_UUID=u-1\n",
            "/proc/self/mountinfo": "25 1 253:0 / /srv/www\\040x rw - ext4 /dev/mapper/x rw\n",
        },
    )

    found = {disk.name: disk for disk in storage.disks(source)}
    (group,) = storage.volume_groups(source)

    assert set(found) == {"sda", "sda1", "dm-0"}
    assert (found["sda"].size_bytes, found["sda"].rotational) == (1 << 30, True)
    assert (found["sda1"].kind, found["sda1"].parents, found["sda1"].fstype) == (
        "partition",
        ("sda",),
        "LVM2_member",
    )
    assert (found["dm-0"].kind, found["dm-0"].parents) == ("lvm", ("sda1",))
    assert found["dm-0"].mounts == ("/srv/www x",)
    assert (group.name, group.logical, group.physical) == ("vg-data", ("lv-www",), ("sda1",))


def test_multipath_with_one_dead_path(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/sys/block/dm-3/dm/uuid": "mpath-3600\n",
            "/sys/block/dm-3/dm/name": "mpatha\n",
            "/sys/block/dm-3/slaves/sdc": "",
            "/sys/block/dm-3/slaves/sdd": "",
            "/sys/block/sdc/device/state": "running\n",
            "/sys/block/sdd/device/state": "offline\n",
        },
    )

    (found,) = storage.multipaths(source)

    assert (found.name, found.paths, found.working) == ("mpatha", ("sdc", "sdd"), ("sdc",))


def test_drbd_8_that_stands_alone(tmp_path: Path) -> None:
    text = (
        "version: 8.4.11\n 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   r-----\n"
        " 1: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----\n"
    )

    first, second = storage.drbd(lay(tmp_path, {"/proc/drbd": text}))

    assert (first.connection, first.role, first.peers) == ("StandAlone", "Primary", ())
    assert (second.connection, second.disk, second.protocol) == ("Connected", "UpToDate", "C")


def test_network_mounts_are_told_from_local_ones(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/proc/self/mountinfo": (
                "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
                "2 1 0:5 / /proc rw - proc proc rw\n"
                "3 1 0:44 / /srv rw shared:1 - nfs4 filer:/srv rw\n"
                "garbage\n"
            ),
            "/etc/fstab": "# comment\nfiler:/srv /srv nfs4 defaults 0 0\n",
        },
    )

    root, srv = storage.mounts(source)

    assert (root.target, root.network) == ("/", False)
    assert (srv.source, srv.network, srv.in_fstab) == ("filer:/srv", True, True)


def test_names_and_resolvers(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/hostname": "alpha\n",
            "/etc/resolv.conf": "nameserver 127.0.0.53\nsearch example.org\n",
            "/run/systemd/resolve/resolv.conf": "nameserver 10.0.0.1\nnameserver 10.0.0.2\n",
            "/etc/hosts": "127.0.0.1 localhost\n127.0.1.1 alpha # debian\n10.0.0.7 beta\n",
        },
    )

    found = network.names(source)

    assert (found.hostname, found.resolvers, found.uses_resolved) == (
        "alpha",
        ("10.0.0.1", "10.0.0.2"),
        True,
    )
    assert found.hosts["127.0.1.1"] == ("alpha",)


def wtmp_record(kind: int, user: str, at: int) -> bytes:
    text = user.encode()
    record = struct.pack(
        "<hxxi32s4s32s256shhiii4i20x", kind, 0, b"~", b"~~", text, b"", 0, 0, 0, at, 0, 0, 0, 0, 0
    )
    assert len(record) == 384
    return record


def test_starts_and_whether_the_life_before_ended_in_order() -> None:
    content = b"".join(
        [
            wtmp_record(2, "reboot", 100),
            wtmp_record(1, "shutdown", 190),
            wtmp_record(2, "reboot", 200),
            wtmp_record(7, "root", 210),
            wtmp_record(2, "reboot", 300),
            b"cut",
        ]
    )

    last, middle, first = history.wtmp(content)

    assert (first.began, first.ended, first.clean) == (100, 190, True)
    assert (middle.began, middle.ended, middle.clean) == (200, None, False)
    assert (last.began, last.clean) == (300, None)


def test_log_lines_are_counted_by_kind_and_by_who_said_them() -> None:
    lines = [
        (NOW - 10, "kernel", "Out of memory: Killed process 12 (java)"),
        (NOW - 20, "kernel", "blk_update_request: I/O error, dev sda, sector 1"),
        (NOW - 5, "kernel", "blk_update_request: I/O error, dev sda, sector 2"),
        (NOW - 1, "sshd", "error: kex"),
        (NOW - 2, "kernel", "bond0: link status definitely down for interface eth1"),
    ]

    found = history.counted(lines)

    assert [(t.kind, t.source, t.count, t.last) for t in found] == [
        ("oom", "kernel", 1, NOW - 10),
        ("hardware", "kernel", 2, NOW - 5),
        ("link", "kernel", 1, NOW - 2),
        ("error", "sshd", 1, NOW - 1),
    ]


def test_syslog_is_read_where_there_is_no_journal(tmp_path: Path) -> None:
    old = "2020-01-01T00:00:00.1+00:00 alpha kernel: I/O error, dev sdb"
    new = "2026-09-21T00:00:00.1+00:00 alpha kernel: [12.3] Out of memory: Killed process 3 (x)"
    source = lay(tmp_path, {"/var/log/kern.log": f"{old}\n{new}\nnonsense\n"})

    (found,) = history.log(source, now=NOW, since_days=30).troubles

    assert (found.kind, found.count) == ("oom", 1)


def test_ipmi_sensors_of_power_supplies() -> None:
    text = (
        "PS1 Status,C8h,ok,10.1,Presence detected\n"
        "PS2 Status,C9h,ok,10.2,Power Supply AC lost\n"
        "PS3 Status,CAh,ns,10.3,No Reading\n"
        "\n"
    )

    assert [(p.name, p.ok) for p in machine.ipmi(text)] == [
        ("PS1 Status", True),
        ("PS2 Status", False),
        ("PS3 Status", None),
    ]


def test_watchdog_is_read_without_opening_it(tmp_path: Path) -> None:
    base = "/sys/class/watchdog/watchdog0"
    source = lay(
        tmp_path,
        {
            f"{base}/identity": "Software Watchdog\n",
            f"{base}/timeout": "60\n",
            f"{base}/state": "inactive\n",
        },
    )

    (found,) = machine.watchdogs(source)

    assert (found.device, found.driver, found.timeout_s, found.active) == (
        "/dev/watchdog0",
        "softdog",
        60,
        False,
    )


def test_packages_of_clusters_only_and_only_installed_ones() -> None:
    text = (
        "Package: corosync\nStatus: install ok installed\nVersion: 3.1.7-1\n\n"
        "Package: pacemaker\nStatus: deinstall ok config-files\nVersion: 2.1.5\n\n"
        "Package: vim\nStatus: install ok installed\nVersion: 9\n"
    )

    assert [(p.name, p.version) for p in packages.dpkg(text)] == [("corosync", "3.1.7-1")]


def test_sysv_services_where_systemd_does_not_run(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/init.d/nginx": "",
            "/etc/init.d/cron": "",
            "/etc/rc2.d/S01nginx": "-> ../init.d/nginx",
        },
    )

    found = software.units(source)

    assert [(u.name, u.enabled, u.manager) for u in found] == [
        ("cron", "disabled", "sysv"),
        ("nginx", "enabled", "sysv"),
    ]


def test_time_sources_of_chrony(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\n# server x\n",
            "/etc/chrony/sources.d/own.sources": "server 10.0.0.9\n",
        },
    )

    found = time_sync(source, frozenset({"chronyd"}))

    assert (found.daemon, found.sources) == (
        "chrony",
        ("pool 2.debian.pool.ntp.org", "server 10.0.0.9"),
    )


def test_what_cannot_be_read_is_said_with_the_reason(tmp_path: Path) -> None:
    source = lay(tmp_path, {"/etc/resolv.conf/file": ""})

    network.names(source)

    assert [(u.what, u.why) for u in source.unread if "resolv" in u.what] == [
        ("/etc/resolv.conf", "Is a directory")
    ]


def test_an_empty_root_yields_no_facts_but_says_what_is_missing(tmp_path: Path) -> None:
    facts = collect(tmp_path, now=NOW)

    assert (facts.links, facts.disks, facts.units, facts.boots) == ((), (), (), ())
    told = {unread.what for unread in facts.unread}
    assert {"/etc/resolv.conf", "reboots", "errors in the log", "packages"} <= told


def test_nothing_below_the_root_is_changed(tmp_path: Path) -> None:
    lay(tmp_path, {"/etc/hosts": "127.0.0.1 localhost\n", "/proc/uptime": "12.5 3\n"})
    before = sorted((str(p), p.lstat().st_mtime_ns) for p in tmp_path.rglob("*"))

    facts = collect(tmp_path, now=NOW)

    assert facts.uptime_s == 12
    assert sorted((str(p), p.lstat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


@given(st.binary(max_size=2000))
def test_garbage_is_read_without_an_exception(garbage: bytes) -> None:
    text = garbage.decode(errors="replace")

    bonds.proc_bonding(text)
    history.wtmp(garbage)
    packages.dpkg(text)
    machine.ipmi(text)
    storage.lvm_names(text)


@given(st.text(max_size=200))
def test_garbage_in_files_of_the_kernel_is_no_exception(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    clean = text.encode(errors="replace")
    names = (
        "/proc/self/mountinfo",
        "/etc/fstab",
        "/etc/resolv.conf",
        "/etc/hosts",
        "/proc/meminfo",
        "/proc/cpuinfo",
        "/proc/uptime",
        "/proc/drbd",
        "/etc/os-release",
        "/var/lib/dpkg/status",
        "/var/log/kern.log",
        "/sys/block/md0/md/level",
        "/sys/block/sda/size",
        "/run/udev/data/b8:0",
        "/proc/net/route",
        "/proc/net/ipv6_route",
        "/proc/net/if_inet6",
        "/proc/net/tcp",
        "/proc/net/udp6",
        "/sys/class/net/eth0/address",
        "/sys/class/net/eth0/flags",
        "/etc/corosync/corosync.conf",
        "/var/lib/pacemaker/cib/cib.xml",
    )
    root = tmp_path_factory.mktemp("host")
    lay(root, dict.fromkeys(names, clean))

    facts = collect(root, now=NOW)

    assert [u for u in facts.unread if "Error:" in u.why] == []
