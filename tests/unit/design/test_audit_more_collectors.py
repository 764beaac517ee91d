"""What collectors see of logs, clusters, neighbours, clocks, and of a tree without netlink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.design.audit import (
    bonds,
    clock,
    clusters,
    history,
    lldp,
    machine,
    network_files,
    software,
    storage,
)
from tests.unit.design.test_audit_collectors import NOW, lay

if TYPE_CHECKING:
    from pathlib import Path


def tlv(kind: int, value: bytes) -> bytes:
    return ((kind << 9) | len(value)).to_bytes(2, "big") + value


SWITCH = (
    (b"\x01\x80\xc2\x00\x00\x0e" + b"\x00\x1b\x21\xaa\xbb\xcc" + b"\x88\xcc")
    + tlv(1, b"\x04\x00\x1b\x21\xaa\xbb\xcc")
    + tlv(2, b"\x05Gi1/0/7")
    + tlv(5, b"sw-a")
    + tlv(0, b"")
)


def kept(frame: bytes) -> bytes:
    return len(frame).to_bytes(8, "little") + frame


def test_switch_at_the_other_end_of_a_cable(tmp_path: Path) -> None:
    directory = "/run/systemd/netif/lldp"
    source = lay(
        tmp_path,
        {
            f"{directory}/2": kept(SWITCH),
            f"{directory}/3": kept(SWITCH) + kept(SWITCH),
            f"{directory}/4": kept(SWITCH)[:-3],
        },
    )

    assert lldp.switches(source) == {2: "sw-a (00:1b:21:aa:bb:cc)"}


def test_lacp_partner_that_the_kernel_does_not_tell_is_not_a_missing_one(tmp_path: Path) -> None:
    sys = "/sys/class/net/bond0"
    source = lay(
        tmp_path,
        {
            f"{sys}/bonding/mode": "802.3ad 4\n",
            f"{sys}/bonding/slaves": "eth0 eth1\n",
            f"{sys}/bonding/ad_partner_mac": "\n",
            "/sys/class/net/eth0/bonding_slave/ad_aggregator_id": "1\n",
            "/sys/class/net/eth1/bonding_slave/ad_aggregator_id": "2\n",
        },
    )

    (bond,) = bonds.bonds(source)

    assert (bond.lacp_seen, bond.lacp_partner) == (False, "")
    assert bond.aggregators == {"eth0": "1", "eth1": "2"}
    assert ("LACP partner of bond0", "run as root") in [(u.what, u.remedy) for u in source.unread]


def test_lacp_partner_of_zeros_is_nobody(tmp_path: Path) -> None:
    sys = "/sys/class/net/bond0/bonding"
    files: dict[str, str | bytes] = {f"{sys}/mode": "802.3ad 4\n", f"{sys}/slaves": "eth0\n"}
    source = lay(tmp_path, {**files, f"{sys}/ad_partner_mac": "00:00:00:00:00:00\n"})

    (bond,) = bonds.bonds(source)

    assert (bond.lacp_seen, bond.lacp_partner) == (True, "")


CIB = """<cib><configuration><resources>
<primitive id="web" class="systemd" type="nginx.service"/>
<group id="g"><primitive id="fs" class="ocf" provider="heartbeat" type="Filesystem">
<instance_attributes id="a"><nvpair id="d" name="directory" value="/srv/"/></instance_attributes>
</primitive></group></resources></configuration></cib>"""


def test_what_a_cluster_manages(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            clusters.CIB: CIB,
            clusters.COROSYNC_CONF: "nodelist {\n node {\n  name: a\n }\n node {\n  ring0_addr: b\n }\n}\n",
        },
    )

    found = clusters.managed(source)

    assert found is not None
    assert (found.nodes, found.units, found.mounts) == (("a", "b"), ("nginx",), ("/srv",))
    assert found.cib_read


def test_cib_that_is_no_xml_was_not_read(tmp_path: Path) -> None:
    found = clusters.managed(source := lay(tmp_path, {clusters.CIB: "<cib>"}))

    assert found is not None
    assert not found.cib_read
    assert [u.what for u in source.unread] == [clusters.CIB]


def test_store_of_ninefold_is_left_alone_and_that_is_said(tmp_path: Path) -> None:
    source = lay(tmp_path, {clusters.STORE: b"SQLite format 3\x00"})

    assert clusters.managed(source) is None
    assert any("writes beside it" in u.why for u in source.unread)


def test_long_names_of_programs_are_found_as_the_kernel_cuts_them(tmp_path: Path) -> None:
    found = clock.time_sync(lay(tmp_path, {}), frozenset({"systemd-timesyn"}))

    assert found.daemon == "systemd-timesyncd"


def test_time_servers_of_timesyncd_and_its_drop_ins(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/systemd/timesyncd.conf": "[Time]\n#NTP=\n",
            "/etc/systemd/timesyncd.conf.d/own.conf": "[Time]\nNTP=10.0.0.1 10.0.0.2\n",
        },
    )

    found = clock.time_sync(source, frozenset())

    assert found.sources == ("server 10.0.0.1", "server 10.0.0.2")


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("6,1,2000000,-;Out of memory: Killed process 7 (java)\n SUBSYSTEM=x", "oom"),
        ("3,1,2000000,-;I/O error, dev sda, sector 1", "hardware"),
        ("4,1,2000000,-;EDAC MC0: 1 CE on DIMM_A1", "hardware"),
        ("11,1,2000000,-;systemd: it failed", "error"),
        ("6,1,2000000,-;EDAC MC0: Giving out device to module", None),
        ("6,1,2000000,-;NMI watchdog: Perf NMI watchdog permanently disabled", None),
        ("4,1,2000000,-;a warning", None),
        ("garbage", None),
        ("3,x;y", None),
    ],
)
def test_records_of_the_kernels_ring(record: str, kind: str | None) -> None:
    line = history.ring_line(record, 1000.0)

    assert (line is None) == (kind is None)
    if line is not None:
        assert line[:2] == (1002, "kernel")
        assert [t.kind for t in history.counted([line])] == [kind]


def test_journal_that_is_gone_with_the_power(tmp_path: Path) -> None:
    volatile = lay(tmp_path / "a", {"/run/log/journal/m/system.journal": b""})
    kept_on_disk = lay(tmp_path / "b", {"/var/log/journal/m/system.journal": b""})
    empty = lay(tmp_path / "c", {"/var/log/journal/x": ""})

    assert history.log(volatile, now=NOW, since_days=30).persistent is False
    assert history.log(kept_on_disk, now=NOW, since_days=30).persistent is True
    assert history.log(empty, now=NOW, since_days=30).persistent is None


def test_log_that_could_not_be_read_has_no_source(tmp_path: Path) -> None:
    found = history.log(source := lay(tmp_path, {}), now=NOW, since_days=30)

    assert (found.source, found.troubles) == ("", ())
    assert "errors in the log" in [u.what for u in source.unread]


def test_wtmp_without_a_start_is_said(tmp_path: Path) -> None:
    source = lay(tmp_path, {"/var/log/wtmp": b""})

    assert history.boots(source) == ()
    assert [u.why for u in source.unread] == ["/var/log/wtmp knows of no start"]


def test_btrfs_over_two_devices_and_a_pool_of_zfs(tmp_path: Path) -> None:
    base = "/sys/fs/btrfs/u-1"
    source = lay(
        tmp_path,
        {
            f"{base}/devices/sda/size": "1\n",
            f"{base}/devices/sdb/size": "1\n",
            f"{base}/allocation/data/raid1/total_bytes": "1\n",
            f"{base}/allocation/data/flags": "1\n",
            f"{base}/label": "data\n",
            "/proc/spl/kstat/zfs/tank/state": "DEGRADED\n",
        },
    )

    btrfs, zfs = storage.raids(source)

    assert (btrfs.name, btrfs.level, btrfs.wanted, btrfs.working) == ("data", "btrfs-raid1", 2, 2)
    assert (zfs.name, zfs.level, zfs.state) == ("tank", "zfs", "DEGRADED")


def test_fstab_with_its_own_options(tmp_path: Path) -> None:
    text = "LABEL=x\\040y /srv ext4 noauto 0 2\n/dev/sdb none swap sw\n//f/s /m cifs\n# no\n"

    found = storage.planned(lay(tmp_path, {"/etc/fstab": text}))

    assert [(p.source, p.target, p.options) for p in found] == [
        ("LABEL=x y", "/srv", "noauto"),
        ("//f/s", "/m", "defaults"),
    ]


def test_controller_that_a_disk_hangs_on(tmp_path: Path) -> None:
    way = "../devices/pci0000:00/0000:02:00.0/host3/target3:2:0/3:2:0:0/block/sda"
    source = lay(
        tmp_path,
        {
            f"/sys/{way.removeprefix('../')}/size": "8\n",
            "/sys/block/sda": f"-> {way}",
            "/sys/class/scsi_host/host3/proc_name": "megaraid_sas\n",
        },
    )

    (disk,) = storage.disks(source)

    assert disk.controller == "megaraid_sas"


def test_host_of_a_guest_of_hyper_v(tmp_path: Path) -> None:
    def record(name: bytes, value: bytes) -> bytes:
        return name.ljust(512, b"\0") + value.ljust(2048, b"\0")

    pool = record(b"HostName", b"x") + record(b"PhysicalHostNameFullyQualified", b"hv1.example.org")
    source = lay(
        tmp_path,
        {
            "/var/lib/hyperv/.kvp_pool_3": pool,
            "/proc/vmstat": "nr_free_pages 1\noom_kill 3\n",
            "/sys/class/dmi/id/product_serial": "To Be Filled By O.E.M.\n",
            "/sys/class/dmi/id/chassis_serial": "CH-1\n",
        },
    )

    found = machine.machine(source)

    assert (found.hypervisor, found.oom_kills) == ("hv1.example.org", 3)
    assert (found.serial, found.chassis_serial) == ("", "CH-1")


def test_sensors_of_one_power_supply_share_its_entity() -> None:
    text = "PS1 Status,C8h,ok,10.1,Presence detected\nPS1 Temp,C9h,ok,10.1,30 degrees\n"

    assert [p.entity for p in machine.ipmi(text)] == ["10.1", "10.1"]


def test_sysv_service_runs_if_its_process_lives(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/init.d/nginx": "",
            "/etc/init.d/cron": "",
            "/run/nginx.pid": "77\n",
            "/proc/77/comm": "nginx\n",
            "/run/cron.pid": "78\n",
        },
    )

    assert [(u.name, u.state) for u in software.units(source)] == [
        ("cron", "unknown"),
        ("nginx", "running"),
    ]


def test_services_of_systemd_where_there_is_no_bus(tmp_path: Path) -> None:
    source = lay(
        tmp_path,
        {
            "/etc/systemd/system/multi-user.target.wants/a.service": "-> /lib/a.service",
            "/sys/fs/cgroup/system.slice/b.service/cgroup.procs": "1\n",
        },
    )

    assert [(u.name, u.state, u.enabled) for u in software.units(source)] == [
        ("a.service", "unknown", "enabled"),
        ("b.service", "running", ""),
    ]


def test_links_routes_and_sockets_of_a_tree_of_files(tmp_path: Path) -> None:
    net = "/sys/class/net"
    source = lay(
        tmp_path,
        {
            f"{net}/eth0/address": "52:54:00:00:00:01\n",
            f"{net}/eth0/flags": "0x1003\n",
            f"{net}/eth0/carrier": "1\n",
            f"{net}/eth0/speed": "10000\n",
            f"{net}/eth0/device": "-> ../../../0000:03:00.0",
            f"{net}/eth0/master": "-> ../bond0",
            "/sys/class/0000:03:00.0/driver": "-> ../../bus/pci/drivers/ixgbe",
            f"{net}/bond0/address": "52:54:00:00:00:01\n",
            f"{net}/bond0/bonding/mode": "active-backup 1\n",
            f"{net}/bond0.7/address": "52:54:00:00:00:01\n",
            "/proc/net/vlan/bond0.7": "bond0.7  VID: 7\nDevice: bond0\n",
            "/proc/net/if_inet6": "fd000000000000000000000000000002 04 40 00 80    bond0\n",
            "/proc/net/route": (
                "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
                "bond0 00000000 0100000A 0003 0 0 100 00000000 0 0 0\n"
                "bond0 0000000A 00000000 0001 0 0 100 00FFFFFF 0 0 0\n"
            ),
            "/proc/net/tcp": "head\n 0: 0100007F:0016 00000000:0000 0A 0:0\n 1: 0:0 0:0 01 0\n",
            "/proc/net/tcp6": f"head\n 0: {'0' * 32}:0050 {'0' * 32}:0000 0A 0:0\n",
        },
    )

    found = {link.name: link for link in network_files.links(source)}

    assert (found["eth0"].up, found["eth0"].master, found["eth0"].virtual) == (True, "bond0", False)
    assert (found["bond0"].kind, found["bond0"].addresses) == ("bond", ("fd00::2/64",))
    assert (found["bond0.7"].kind, found["bond0.7"].parent) == ("vlan", "bond0")
    assert [(r.target, r.gateway) for r in network_files.routes(source)] == [
        ("default", "10.0.0.1")
    ]
    assert [(x.protocol, x.address, x.port) for x in network_files.listeners(source)] == [
        ("tcp", "127.0.0.1", 22),
        ("tcp6", "::", 80),
    ]
    assert "addresses of IPv4" in [u.what for u in source.unread]


def test_absolute_links_of_a_tree_lead_into_the_tree(tmp_path: Path) -> None:
    source = lay(
        tmp_path / "tree",
        {
            "/etc/resolv.conf": "-> /run/resolv.conf",
            "/run/resolv.conf": "nameserver 10.0.0.1\n",
            "/etc/hosts": "-> ../../../../../etc/hosts.real",
            "/etc/hosts.real": "10.0.0.7 beta\n",
            "/etc/loop": "-> loop",
            "/etc/outside": f"-> {tmp_path}/secret",
        },
    )
    (tmp_path / "secret").write_text("of the auditor's own host")

    assert source.line("/etc/resolv.conf") == "nameserver 10.0.0.1"
    assert source.line("/etc/hosts") == "10.0.0.7 beta"
    assert source.text("/etc/loop") is None
    assert source.text("/etc/outside") is None
    assert source.link("/etc/resolv.conf") == "/run/resolv.conf"


@given(st.binary(max_size=400), st.text(max_size=300))
def test_garbage_is_no_exception(content: bytes, text: str) -> None:
    list(lldp.frames(content))
    lldp.neighbour(content)
    history.ring_line(text, 0.0)
