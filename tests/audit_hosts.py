"""Made-up hosts for tests of the audit: one that is sound, and the same with something changed."""

from __future__ import annotations

from typing import Any

import msgspec

from ninefold.design.audit.facts import (
    Bond,
    Boot,
    Disk,
    HostFacts,
    Link,
    Machine,
    Managed,
    Mount,
    Names,
    PowerSupply,
    Raid,
    Route,
    TimeSync,
    Watchdog,
)

NOW = 1_790_000_000
DAY = 86_400
VRRP = "00:00:5e:00:01:07"


def card(name: str, bus: str, switch: str, **more: Any) -> Link:
    link = Link(
        name, "", True, True, f"52:54:00:00:00:{bus[5:7]}", 1500, 10_000, "ixgbe", bus, "bond0"
    )
    return msgspec.structs.replace(link, switch=switch, **more)


CARDS = (card("eth0", "0000:03:00.0", "sw-a"), card("eth1", "0000:04:00.0", "sw-b"))
BOND_LINK = Link(
    "bond0", "bond", True, True, "52:54:00:00:00:03", 1500, None, "", "",
    addresses=("10.0.0.2/24",), virtual=True,
)  # fmt: skip
BOND = Bond("bond0", "active-backup", ("eth0", "eth1"), "eth0", "eth0", 100, 0, 0, ("eth0", "eth1"))
MACHINE = Machine(
    "x86_64", "6.1.0", "Debian GNU/Linux 12", 16, 64_000, 0, "Dell Inc.", "PowerEdge R650", "",
    ecc_errors=0, ecc_uncorrected=0, serial="S1", chassis_serial="S1", oom_kills=0,
)  # fmt: skip


def disk(name: str, **more: Any) -> Disk:
    plain = Disk(name, "disk", 10**12, False, "SSD", f"S-{name}", "ata", (), controller="ahci")
    return msgspec.structs.replace(plain, **more)


DISKS = (
    disk("sda"),
    disk("sdb"),
    disk("md0", kind="raid", parents=("sda", "sdb"), mounts=("/",), controller="", transport=""),
)
RAID = Raid("md0", "raid1", 2, 2, ("sda", "sdb"), (), (), "clean")
ROOT = Mount("/dev/md0", "/", "ext4", "rw,relatime", network=False)


def sound(**changes: Any) -> HostFacts:
    """Return a node of a cluster with nothing to find but what no host can see."""
    facts = HostFacts(
        host="alpha",
        at=NOW,
        as_root=True,
        machine=MACHINE,
        uptime_s=10 * DAY,
        boots=(Boot(NOW - 10 * DAY, None, None), Boot(NOW - 20 * DAY, NOW - 10 * DAY, clean=True)),
        mounts=(ROOT,),
        links=(BOND_LINK, *CARDS),
        bonds=(BOND,),
        routes=(Route("default", "10.0.0.1", "bond0", 100, gateway_mac=VRRP),),
        names=Names("alpha", ("10.0.0.53", "10.0.1.53"), (), {"10.0.0.2": ("alpha",)}),
        time=TimeSync("chrony", True, ("pool 2.debian.pool.ntp.org",)),
        disks=DISKS,
        raids=(RAID,),
        power=(
            PowerSupply("PS1 Status", True, "Presence detected", "ipmi", "10.1"),
            PowerSupply("PS2 Status", True, "Presence detected", "ipmi", "10.2"),
        ),
        watchdogs=(Watchdog("/dev/watchdog0", "iTCO_wdt", 30, active=True),),
        daemons=("corosync", "pacemakerd"),
        managed=Managed(("alpha", "beta"), ("nginx",), ("/srv",), cib_read=True),
        log_source="journal",
        log_persistent=True,
    )
    return msgspec.structs.replace(facts, **changes)


def with_machine(**changes: Any) -> dict[str, Any]:
    return {"machine": msgspec.structs.replace(MACHINE, **changes)}


def with_bond(**changes: Any) -> dict[str, Any]:
    return {"bonds": (msgspec.structs.replace(BOND, **changes),)}


def guest(**changes: Any) -> HostFacts:
    """Return a virtual machine with one card and one disk."""
    link = Link(
        "ens3", "", True, True, "52:54:00:00:00:09", 1500, None, "virtio_net", "virtio0",
        addresses=("10.0.0.9/24",),
    )  # fmt: skip
    plain = sound(
        links=(link,),
        bonds=(),
        power=(),
        disks=(disk("vda", transport="virtio", mounts=("/",), controller="", model="", serial=""),),
        raids=(),
        mounts=(Mount("/dev/vda", "/", "ext4", "rw", network=False),),
        **with_machine(virtualisation="qemu", vendor="QEMU", product="Standard PC", serial=""),
    )
    return msgspec.structs.replace(plain, **changes)
